//! Rules that hand over: by topic to another ladder, by provenance to some models, by the hour to others; and what is left
//! when every remote model is gone.

use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Refusing, Scripted};
use end_to_end::setup::Setup;

const TOPICS: &str = r#"topics:
  - name: law
    examples:
      - The plaintiff sued the defendant for breach of contract. Did the court rule correctly?
      - A defendant was charged with burglary. Which defence has the court to consider?
      - The buyer claims that the contract is void. What remedy may the plaintiff seek?
      - Is a landlord liable in tort when a tenant is injured by a defect of the premises?
      - Can the plaintiff recover damages from the defendant under the contract?
  - name: cooking
    examples:
      - How long do I simmer the tomato sauce with garlic and basil?
      - Which flour makes the best pizza dough, and how long does the dough rest?
      - My soup is too salty. Which ingredients rescue the soup?
      - Give me a recipe for roast chicken with lemon, garlic and thyme.
      - Can I replace butter by olive oil in the dough of this recipe?"#;
const LAW: &str = "The defendant broke the contract. May the plaintiff claim damages in court?";
const COOKING: &str = "How long do I simmer a soup with garlic?";
const OTHER: &str = "Write a function that sorts an array.";

#[tokio::test(start_paused = true)]
async fn a_topic_has_a_ladder_of_its_own() {
    let small = Scripted::start(Reply::text("small")).await;
    let large = Scripted::start(Reply::text("large")).await;
    let lawyer = Scripted::start(Reply::text("lawyer")).await;
    let setup = Setup::ladder(&small.base_url(), &large.base_url())
        .add("lawyer", &[&lawyer.base_url()], "price: {input: 1, output: 2}")
        .policy("{kind: rules, rules: [{when: {topic: law}, route: law}], otherwise: {kind: fixed, model: small}}")
        .route("fallback: none\n  - name: law\n    ladder: [lawyer, large]\n    policy: {kind: fixed, model: lawyer}")
        .top(TOPICS);
    let gateway = setup.start().await;
    for (text, expected) in [(LAW, "lawyer"), (COOKING, "small"), (OTHER, "small")] {
        let answer = gateway.ask(&openai::ask("auto", text)).await;
        assert_eq!((answer.status(), answer.content().as_str()), (200, expected), "{text}");
    }
    let decision: serde_json::Value =
        serde_json::from_str(&gateway.post_admin("/decide", &openai::ask("auto", LAW)).await.text()).unwrap();
    assert_eq!((&decision["route"], &decision["model"]), (&"law".into(), &"lawyer".into()), "{decision}");
    let metrics = gateway.settled().await;
    let decided = |route: &str| metrics.sum("xietong_decisions_total", &[("route", route)]);
    assert_eq!((decided("law"), decided("auto")), (1.0, 2.0));

    // Its fallback is that of the other route.
    let down = Refusing::start();
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .add("lawyer", &[&down.base_url()], "price: {input: 1, output: 2}")
        .policy("{kind: rules, rules: [{when: {topic: law}, route: law}], otherwise: {kind: fixed, model: small}}")
        .route("fallback: none\n  - name: law\n    ladder: [lawyer, large]\n    policy: {kind: fixed, model: lawyer}")
        .top(TOPICS)
        .start()
        .await;
    assert_eq!(gateway.ask(&openai::ask("auto", LAW)).await.content(), "large");
}

#[tokio::test(start_paused = true)]
async fn what_narrows_goes_along_to_the_other_ladder() {
    let small = Scripted::start(Reply::text("small")).await;
    let large = Scripted::start(Reply::text("large")).await;
    let lawyer = Scripted::start(Reply::text("lawyer")).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .add("lawyer", &[&lawyer.base_url()], "local: true")
        .policy(
            "{kind: rules, rules: [{when: {topic: law}, route: law}, {when: {contains: [phone]}, locality: local}], \
             otherwise: {kind: fixed, model: small}}",
        )
        .route("fallback: up\n  - name: law\n    ladder: [small, lawyer]\n    policy: {kind: fixed, model: small}")
        .top(TOPICS)
        .start()
        .await;
    assert_eq!(gateway.ask(&openai::ask("auto", LAW)).await.content(), "small");
    let private = format!("{LAW} Call 138-1234-5678.");
    assert_eq!(gateway.ask(&openai::ask("auto", &private)).await.content(), "lawyer");
    assert_eq!((small.seen().len(), large.seen().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn only_models_of_a_stated_origin_are_asked() {
    let policy = "{kind: rules, rules: [{when: {language: chinese}, require: {origin: [CN]}}], \
                  otherwise: {kind: fixed, model: small}}";
    let small = Scripted::start(Reply::text("small")).await;
    let large = Scripted::start(Reply::text("large")).await;
    let setup = |large: &str| {
        Setup::ladder(&small.base_url(), large)
            .model("small", "provenance: {origin: US}")
            .model("large", "provenance: {origin: CN, terms: up to 100 million monthly users}")
            .policy(policy)
    };
    let gateway = setup(&large.base_url()).start().await;
    assert_eq!(gateway.ask(&openai::ask("auto", "Hello")).await.content(), "small");
    assert_eq!(gateway.ask(&openai::ask("auto", "请介绍一下你自己。")).await.content(), "large");
    assert!(gateway.get_admin("/config").await.text().contains("up to 100 million monthly users"));
    let asked = small.seen().len();
    let gateway = setup(&Refusing::start().base_url()).start().await;
    let answer = gateway.ask(&openai::ask("auto", "请介绍一下你自己。")).await;
    assert_eq!((answer.status(), small.seen().len()), (503, asked), "{}", answer.text());
}

#[tokio::test(start_paused = true)]
async fn rules_know_what_time_it_is() {
    let small = Scripted::start(Reply::text("small")).await;
    let large = Scripted::start(Reply::text("large")).await;
    let check = async |when: &str, expected: &str| {
        let policy = format!(
            "{{kind: rules, rules: [{{when: {{{when}}}, at_least: large}}], otherwise: {{kind: fixed, model: small}}}}"
        );
        let gateway = Setup::ladder(&small.base_url(), &large.base_url()).policy(&policy).start().await;
        assert_eq!(gateway.ask(&openai::ask("auto", "Hello")).await.content(), expected, "{when}");
    };
    check("hours: ['00:00-24:00'], zone: Asia/Shanghai", "large").await;
    check("days: [mon-sun]", "large").await;
    check("days: [mon-sun], hours: ['00:00-12:00', '12:00-24:00']", "large").await;
    check("hours: []", "small").await;
}

#[tokio::test(start_paused = true)]
async fn offline_the_local_model_answers_and_it_shows() {
    let small = Scripted::start(Reply::text("small, but here")).await;
    let (middle, large) = (Refusing::start(), Refusing::start());
    let gateway = Setup::ladder(&small.base_url(), &middle.base_url())
        .add("largest", &[&large.base_url()], "price: {input: 10, output: 30}")
        .model("small", "local: true")
        .policy("{kind: fixed, model: largest}")
        .top("log: json")
        .start()
        .await;
    // Also when the others have been given up: from the sixth time on they are not even tried.
    for round in 0..8 {
        for request in [openai::ask("auto", "Hello"), openai::ask_stream("auto", "Hello")] {
            let answer = gateway.ask(&request).await;
            assert_eq!(answer.status(), 200, "{round}: {}", answer.text());
            assert!(answer.text().contains("here"), "{round}: {}", answer.text());
            assert_eq!(answer.header("x-xietong-degraded"), Some("true"), "{round}");
            assert_eq!(answer.header("x-xietong-model"), Some("small"), "{round}");
        }
    }
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_degraded_total", &[("route", "auto"), ("model", "small")]), 16.0);
    let answer = gateway.ask(&openai::ask("small", "Hello")).await;
    assert_eq!(answer.header("x-xietong-degraded"), None, "it was what was asked for");
}

#[tokio::test(start_paused = true)]
async fn an_answer_by_the_model_that_was_chosen_is_not_degraded() {
    let small = Scripted::start(openai::error(500, "oops")).await;
    let large = Scripted::start(Reply::text("large")).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url()).start().await;
    let answer = gateway.ask(&openai::ask("auto", "Hello")).await;
    assert_eq!((answer.content().as_str(), answer.header("x-xietong-degraded")), ("large", None));
}
