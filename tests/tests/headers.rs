//! Headers: every answer can be found again, and every routed one says who gave it and why.

use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::Setup;
use end_to_end::wire;

const DECISION: [&str; 6] = [
    "x-xietong-model",
    "x-xietong-plan",
    "x-xietong-reason",
    "x-xietong-difficulty",
    "x-xietong-why",
    "x-xietong-attempts",
];

#[tokio::test(start_paused = true)]
async fn routed_answers_say_how_they_came_about() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .policy("{kind: threshold, at: 0.999}")
        .start()
        .await;
    for (body, cost) in [(openai::ask("auto", "Hi"), true), (openai::ask_stream("auto", "Hi"), false)] {
        let answer = gateway.ask(&body).await;
        for name in DECISION {
            assert!(answer.header(name).is_some_and(|value| !value.is_empty()), "{name}: {:?}", answer.head);
        }
        assert_eq!(answer.header("x-xietong-model"), Some("small"));
        assert_eq!(answer.header("x-xietong-plan"), Some("ask"));
        assert_eq!(answer.header("x-xietong-attempts"), Some("1"));
        let why = answer.header("x-xietong-why").expect("what moved the difficulty");
        assert!(why.contains("small talk -0."), "{why}");
        let difficulty = answer.header("x-xietong-difficulty").expect("a difficulty");
        assert!(
            difficulty.len() == 4 && difficulty.parse::<f64>().is_ok_and(|d| (0.0..=1.0).contains(&d)),
            "{difficulty}"
        );
        let reason = answer.header("x-xietong-reason").expect("a reason");
        assert!(reason.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{reason}");
        assert_eq!(answer.header("x-xietong-cost").is_some(), cost);
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_can_keep_its_decisions_to_itself() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .route("expose_decisions: false")
        .start()
        .await;
    for body in [openai::ask("auto", "Hi"), openai::ask_stream("auto", "Hi")] {
        let answer = gateway.ask(&body).await;
        let told =
            answer.head.headers.iter().filter(|(name, _)| name.to_lowercase().starts_with("x-xietong"));
        assert_eq!(told.count(), 0, "{:?}", answer.head);
        assert!(answer.header("x-request-id").is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_a_request_id() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    let long = "x".repeat(2000);
    for (sent, kept) in
        [("abc-123", true), ("0123456789abcdef", true), ("", false), (&long, false), ("a b\"c", false)]
    {
        for (path, body) in [
            ("/v1/chat/completions", openai::ask("auto", "Hi").to_string()),
            ("/v1/chat/completions", openai::ask_stream("auto", "Hi").to_string()),
            ("/v1/chat/completions", "{".to_owned()),
            ("/v1/chat/completions", openai::ask("none", "Hi").to_string()),
            ("/nowhere", String::new()),
        ] {
            let request = wire::request("POST", path, &[("x-request-id", sent)], body.as_bytes());
            let answer = gateway.say(&request).await;
            let found = answer.header("x-request-id").unwrap_or_else(|| panic!("none: {:?}", answer.head));
            assert_eq!(found == sent, kept, "{sent:?} became {found:?}");
            assert!((8..=128).contains(&found.len()) || kept, "{found:?}");
        }
    }
    let ids: std::collections::HashSet<_> =
        [gateway.get("/v1/models").await, gateway.get("/v1/models").await]
            .iter()
            .map(|answer| answer.header("x-request-id").expect("an id").to_owned())
            .collect();
    assert_eq!(ids.len(), 2);
}

/// What a provider says of itself and of its account is not the client's business.
#[tokio::test(start_paused = true)]
async fn the_upstreams_headers_stay_with_us() {
    let headers = [
        ("content-type", "application/json"),
        ("set-cookie", "__cf=1"),
        ("server", "upstream/1"),
        ("openai-organization", "org-canary"),
        ("x-amzn-requestid", "amzn-canary"),
        ("x-xietong-model", "forged"),
        ("alt-svc", "h3=\":443\""),
        ("x-request-id", "upstream-id"),
    ];
    let body = Reply::text("yes").object().to_string();
    let upstream = Scripted::start(Script::whole(200, &headers, body)).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    let answer = gateway.ask(&openai::ask("auto", "Hi")).await;
    assert_eq!(answer.status(), 200);
    for name in ["set-cookie", "server", "openai-organization", "x-amzn-requestid", "alt-svc"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("x-xietong-model"), Some("small"));
    assert_ne!(answer.header("x-request-id"), Some("upstream-id"));
}
