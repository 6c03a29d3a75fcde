//! An embedded model whose weights cannot be loaded, or are not there yet: the rest of the ladder answers.

use end_to_end::openai::{self, Reply};
use end_to_end::scripted::Scripted;
use end_to_end::setup::Setup;

/// Whether the build has no engine or the weights are missing is the same to clients.
#[tokio::test]
async fn the_rest_of_the_ladder_goes_on() {
    let large = Scripted::start(Reply::text("from large")).await;
    let gateway = Setup::ladder(&large.base_url(), &large.base_url())
        .embedded("tiny", "no/such.gguf")
        .policy("{kind: cascade, policy: {kind: fixed, model: tiny}}")
        .start()
        .await;
    for stream in [false, true] {
        let mut request = openai::ask("auto", "Hi");
        request["stream"] = stream.into();
        let answer = gateway.ask(&request).await;
        assert_eq!((answer.status(), answer.content().as_str()), (200, "from large"), "{}", answer.text());
        assert_eq!(answer.header("x-xietong-attempts"), Some("1"), "nobody is asked in vain");
        assert_eq!(answer.header("x-xietong-reason"), Some("capability"));
    }
    let named = gateway.ask(&openai::ask("tiny", "Hi")).await;
    assert_eq!(named.status(), 503, "{}", named.text());
    assert!(!named.text().contains("such.gguf"), "paths are the operator's: {}", named.text());

    let ready = gateway.get_admin("/readyz").await;
    assert_eq!(ready.status(), 200);
    let text = ready.text();
    assert!(text.contains("ready\nmodel `tiny`"), "{text}");
}
