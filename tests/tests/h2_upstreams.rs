//! U-21: an upstream over HTTP/2 and TLS that refuses streams, ends connections, or loses them under several answers. What
//! becomes of one request is in the table of `reliability`; here several share a connection.

use std::time::Duration;

use end_to_end::gateway::Gateway;
use end_to_end::h2_upstream::{Act, Arrival, H2Upstream, code};
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::Scripted;
use end_to_end::setup::Setup;
use end_to_end::wire::Answer;

const SMALL: &str = "one two three";

/// The events of the small model's answer.
fn events() -> Vec<Vec<u8>> {
    let text = String::from_utf8(Reply::text(SMALL).stream(true).chunks_joined()).expect("text");
    text.split_inclusive("\n\n").map(|event| event.as_bytes().to_vec()).collect()
}

/// The whole answer in the form that is asked for.
fn answer(streamed: bool) -> Vec<Act> {
    let (kind, body) = match streamed {
        true => ("text/event-stream", events().concat()),
        false => ("application/json", Reply::text(SMALL).object().to_string().into_bytes()),
    };
    vec![Act::Head(kind), Act::Data(body), Act::End]
}

/// An answer that has begun: two tokens of it, or half the object.
fn begun(streamed: bool) -> Vec<Act> {
    match streamed {
        true => vec![Act::Head("text/event-stream"), Act::Data(events()[..3].concat())],
        false => vec![Act::Head("application/json"), Act::Data(b"{\"id\":\"x\",".to_vec())],
    }
}

async fn gateway(small: &H2Upstream, large: &Scripted) -> Gateway {
    Setup::ladder(&small.base_url(), &large.base_url())
        .model("small", &small.trust())
        .every_model("max_output: 256")
        .every_model("timeouts: {connect: 5s, first_token: 20s, idle: 20s, total: 60s}")
        .start()
        .await
}

/// Asks so often at the same time.
async fn ask_at_once(gateway: &Gateway, count: usize, streamed: bool) -> Vec<Answer> {
    let body = if streamed { openai::ask_stream("auto", "Hello") } else { openai::ask("auto", "Hello") };
    let request = end_to_end::gateway::chat(&[], &body);
    let asking: Vec<_> = (0..count)
        .map(|_| {
            let (address, request) = (gateway.data, request.clone());
            tokio::spawn(async move { end_to_end::wire::exchange(address, &request).await })
        })
        .collect();
    let mut answers = Vec::new();
    for one in asking {
        answers.push(one.await.expect("a client does not panic"));
    }
    answers
}

/// The first request alone, so that those that follow find a connection and share it.
async fn warm(gateway: &Gateway) {
    let first = gateway.ask(&openai::ask("auto", "Hello")).await;
    assert_eq!(first.content(), SMALL, "{}", first.text());
}

/// Four requests on a connection that ends after the second: those two are answered on it, the others on a new one.
#[tokio::test]
async fn an_ending_connection_finishes_what_it_took_and_the_rest_moves_on() {
    for streamed in [false, true] {
        let small = H2Upstream::start(move |arrival: Arrival| {
            let goes_away = vec![Act::Gather(5), Act::GoAway(5, code::NO_ERROR)];
            match (arrival.connection, arrival.stream) {
                (0, 1) => answer(false),
                (0, 3) => [goes_away, answer(streamed)].concat(),
                (0, 5) => {
                    [vec![Act::Gather(5), Act::Pause(Duration::from_millis(100))], answer(streamed)].concat()
                }
                (0, _) => vec![Act::Stall],
                _ => answer(streamed),
            }
        })
        .await;
        let large = Scripted::start(Reply::text("large")).await;
        let gateway = gateway(&small, &large).await;
        warm(&gateway).await;
        for answer in ask_at_once(&gateway, 4, streamed).await {
            assert_eq!(answer.content(), SMALL, "{}", answer.text());
            assert!(answer.complete && answer.error().is_none(), "{}", answer.text());
        }
        assert!(large.seen().is_empty());
        let (first, second): (Vec<_>, Vec<_>) = small.seen().into_iter().partition(|it| it.connection == 0);
        assert_eq!((first.len(), second.len()), (5, 2), "{first:?} {second:?}");
        let metrics = gateway.settled().await;
        let attempts =
            |result| metrics.sum("xietong_attempts_total", &[("model", "small"), ("result", result)]);
        assert_eq!((attempts("ok"), attempts("turned_away")), (5.0, 2.0), "{}", metrics.text);
        // What nobody looked at is not paid for.
        assert_eq!(metrics.sum("xietong_wasted_cost_total", &[]), 0.0, "{}", metrics.text);
    }
}

/// A connection that is lost takes its streams along, each once, and no other; the next request gets a new connection.
#[tokio::test]
async fn a_lost_connection_is_told_to_each_of_its_streams() {
    for streamed in [false, true] {
        let small = H2Upstream::start(move |arrival: Arrival| match (arrival.connection, arrival.stream) {
            (0, 1) => answer(false),
            (0, 9) => {
                [begun(streamed), vec![Act::Gather(5), Act::Pause(Duration::from_millis(300)), Act::Hang]]
                    .concat()
            }
            (0, _) => [begun(streamed), vec![Act::Stall]].concat(),
            _ => answer(arrival.streamed),
        })
        .await;
        let large = Scripted::start(Reply::text("the large one")).await;
        let gateway = gateway(&small, &large).await;
        warm(&gateway).await;
        for answer in ask_at_once(&gateway, 4, streamed).await {
            match streamed {
                true => {
                    let error = answer.error().expect("an error event");
                    assert_eq!(error["code"], "upstream_truncated");
                    assert!(!answer.has_done() && answer.content() == "one two ", "{}", answer.text());
                }
                // Nothing of a whole answer is out yet, so that the next rung may give one.
                false => assert_eq!(answer.content(), "the large one", "{}", answer.text()),
            }
        }
        let metrics = gateway.settled().await;
        let cut = metrics.sum("xietong_attempts_total", &[("model", "small"), ("result", "cut")]);
        assert_eq!((cut, small.seen().len()), (4.0, 5), "{}", metrics.text);
        // What was cut may have been billed in full, and is paid for.
        assert!(metrics.sum("xietong_cost_total", &[("model", "small")]) > 0.0);
        let next = gateway.ask(&openai::ask("small", "Hello")).await;
        assert_eq!(next.content(), SMALL, "{}", next.text());
        assert_eq!(small.seen().last().map(|it| it.connection), Some(1));
    }
}

/// A server that has enough says so to many at once, and is not taken to be broken for it.
#[tokio::test]
async fn refusals_do_not_eject() {
    let small = H2Upstream::start(|arrival: Arrival| match arrival.stream {
        1 => answer(false),
        _ if arrival.connection == 0 => vec![Act::Reset(code::REFUSED_STREAM)],
        _ => answer(false),
    })
    .await;
    let large = Scripted::start(Reply::text("the large one")).await;
    let gateway = gateway(&small, &large).await;
    warm(&gateway).await;
    for answer in ask_at_once(&gateway, 8, false).await {
        assert_eq!(answer.content(), "the large one", "{}", answer.text());
    }
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_upstream_health", &[("model", "small")]), 1.0, "{}", metrics.text);
    let away = metrics.sum("xietong_attempts_total", &[("model", "small"), ("result", "turned_away")]);
    assert_eq!(away, 16.0, "each is tried once more: {}", metrics.text);
}

/// Without `ca_file` a certificate of an authority of one's own is none.
#[tokio::test]
async fn an_authority_is_trusted_only_where_it_is_named() {
    let small = H2Upstream::start(|arrival: Arrival| answer(arrival.streamed)).await;
    let large = Scripted::start(Reply::text("the large one")).await;
    let setup = Setup::ladder(&small.base_url(), &large.base_url());
    let gateway = setup.start().await;
    assert_eq!(gateway.ask(&openai::ask("auto", "Hello")).await.content(), "the large one");
    assert!(small.seen().is_empty());
    let gateway = setup.model("small", &small.trust()).start().await;
    assert_eq!(gateway.ask(&openai::ask("auto", "Hello")).await.content(), SMALL);
}
