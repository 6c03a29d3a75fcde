//! Many requests of every kind, with faults and clients that leave; then the ledger against what the scripted upstreams
//! would bill, request by request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::gateway::{Gateway, chat};
use crate::ledger::{Place, cost, is_reported};
use crate::openai::{Reply, UsageShape};
use crate::scripted::{Billed, Request, Script, Scripted};
use crate::setup::Setup;
use crate::wire;

/// What came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests that were sent.
    pub sent: usize,
    /// Requests in the ledger.
    pub written: usize,
    /// Requests that an upstream saw and the ledger does not have.
    pub missing: usize,
    /// Requests with more than one attempt.
    pub escalated: usize,
    /// Requests whose client left.
    pub left: usize,
    /// Requests of which every attempt's usage was reported.
    pub reported: usize,
    /// Of those: |ledger − truth|, in nano-units, all together.
    pub error: i64,
    /// Of the others: what is in the ledger above the truth.
    pub above: i64,
    /// What the others would be billed.
    pub unreported_truth: i64,
    /// Of the others: how many are in the ledger with less than the truth.
    pub below: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "requests sent                        {}", self.sent)?;
        writeln!(f, "requests in the ledger               {}", self.written)?;
        writeln!(f, "seen upstream, not in the ledger     {}", self.missing)?;
        writeln!(f, "with more than one attempt           {}", self.escalated)?;
        writeln!(f, "whose client left                    {}", self.left)?;
        writeln!(f, "usage reported by all attempts       {}", self.reported)?;
        writeln!(f, "  |ledger - truth|, nano-units       {}", self.error)?;
        let others = self.written - self.reported;
        writeln!(f, "usage not reported by some attempt   {others}")?;
        writeln!(f, "  requests below the truth           {}", self.below)?;
        write!(
            f,
            "  ledger / truth                     {:.2}",
            1.0 + self.above as f64 / self.unreported_truth.max(1) as f64
        )
    }
}

/// Prices of [`Setup::ladder`], in nano-units a token: input, cached, output.
const PRICES: [(&str, [i64; 3]); 2] =
    [("small-upstream", [1_000, 1_000, 2_000]), ("large-upstream", [10_000, 1_000, 30_000])];

/// Sends so many requests and compares.
pub async fn measure(requests: usize) -> Figures {
    let (small, large) =
        (Scripted::start(Mood::default().small()).await, Scripted::start(Mood::default().large()).await);
    let place = Place::new();
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .every_model("timeouts: {connect: 2s, first_token: 400ms, idle: 400ms, total: 5s}")
        .every_model("max_output: 64")
        .top(&place.line())
        .start()
        .await;
    let left = send(&gateway, requests).await;
    gateway.settled().await;
    gateway.stop().await;
    let mut truth = HashMap::<String, i64>::new();
    let asked = small.seen().into_iter().chain(large.seen()).filter(|seen| seen.request.method() == "POST");
    for seen in asked {
        *truth.entry(case(&seen.request)).or_default() += bill(&seen.request.model(), seen.progress().billed);
    }
    let mut figures = Figures { sent: requests, left, ..Figures::default() };
    for request in place.requests() {
        figures.add(&request, truth.remove(request["id"].as_str().expect("an id")).unwrap_or(0));
    }
    figures.missing = truth.len();
    figures
}

impl Figures {
    fn add(&mut self, request: &Value, truth: i64) {
        let cost = cost(request);
        self.written += 1;
        self.escalated += usize::from(request["attempts"].as_array().is_some_and(|list| list.len() > 1));
        if is_reported(request) {
            self.reported += 1;
            self.error += (cost - truth).abs();
        } else {
            self.above += cost - truth;
            self.unreported_truth += truth;
            self.below += usize::from(cost < truth);
        }
    }
}

fn bill(model: &str, billed: Billed) -> i64 {
    let prices = PRICES.iter().find(|(name, _)| *name == model).expect("one of two models").1;
    let tokens = [billed.input - billed.cached, billed.cached, billed.output];
    prices.iter().zip(tokens).map(|(price, tokens)| price * i64::try_from(tokens).expect("few tokens")).sum()
}

/// Sends them, up to 64 at once; gives how many clients left.
async fn send(gateway: &Gateway, requests: usize) -> usize {
    let (places, address) = (Arc::new(Semaphore::new(64)), gateway.data);
    let mut sent = Vec::new();
    for number in 0..requests {
        let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes it");
        sent.push(tokio::spawn(async move {
            let _place = place;
            one(address, number).await
        }));
    }
    let mut left = 0;
    for one in sent {
        left += usize::from(one.await.expect("a client does not panic"));
    }
    left
}

/// One request of a kind that its number says; whether its client left before the end.
async fn one(address: std::net::SocketAddr, number: usize) -> bool {
    let id = format!("case-{number}");
    let streams = !draw(number, 1).is_multiple_of(3);
    let mut body = json!({"model": "auto", "stream": streams, "messages": [{"role": "user", "content": id}]});
    if streams && draw(number, 2).is_multiple_of(2) {
        body["stream_options"] = json!({"include_usage": true});
    }
    if draw(number, 3).is_multiple_of(2) {
        body["max_tokens"] = json!(48);
    }
    let bytes = chat(&[("x-request-id", &id)], &body);
    match draw(number, 4) % 10 {
        // Leaves while the answer is on its way, or before it began.
        0 if streams => {
            let mut live = wire::open(address, &bytes).await;
            for _ in 0..draw(number, 5) % 6 {
                live.event().await;
            }
            live.leave();
            true
        }
        1 => {
            let asked = wire::exchange(address, &bytes);
            tokio::time::timeout(Duration::from_millis(draw(number, 6) as u64 % 12), asked).await.is_err()
        }
        _ => {
            wire::exchange(address, &bytes).await;
            false
        }
    }
}

/// What an upstream does, by the number of the request and of the attempt.
#[derive(Debug, Default)]
struct Mood {
    tries: Arc<Mutex<HashMap<String, usize>>>,
}

impl Mood {
    /// One that fails in every way.
    fn small(self) -> impl Fn(&Request) -> Script + Send + Sync + 'static {
        move |request| {
            if request.method() == "GET" {
                return probed();
            }
            let case = case(request);
            let number = number(&case);
            let mut tries = self.tries.lock().expect("no holder panics");
            let attempt = tries.entry(case).or_default();
            *attempt += 1;
            let (again, answer) = (*attempt > 1, answer(request, number));
            let input = Script::default().bill_input(11);
            match draw(number, 7) % 32 {
                0 if !again => Script::json(500, &json!({"error": {"message": "no"}})),
                1 if !again => Script::json(429, &json!({"error": {"message": "slow"}})),
                2 => input.stall(),
                3 => input.reset(),
                4 => answer.until_chunk(3).reset(),
                5 => answer.until_chunk(5).stall(),
                6 => answer.until_chunk(4).close(),
                7 => Script::json(
                    400,
                    &json!({"error": {"message": "no", "code": "content_policy_violation"}}),
                ),
                _ => answer,
            }
        }
    }

    /// One that always answers.
    fn large(self) -> impl Fn(&Request) -> Script + Send + Sync + 'static {
        |request| if request.method() == "GET" { probed() } else { answer(request, number(&case(request))) }
    }
}

/// An ejected endpoint is asked for its models, to see whether it is back.
fn probed() -> Script {
    Script::json(200, &json!({"object": "list", "data": []}))
}

/// An answer of up to 40 tokens, with usage told in every way.
fn answer(request: &Request, number: usize) -> Script {
    const WORDS: [&str; 6] = ["The ", "capital ", "of ", "France ", "is ", "Paris. "];
    let pieces = (0..1 + draw(number, 8) % 40).map(|at| WORDS[at % WORDS.len()]);
    let shape = UsageShape::ALL[draw(number, 9) % UsageShape::ALL.len()];
    let reply = Reply::pieces(pieces).input(11, [0, 5][draw(number, 10) % 2]).usage(shape);
    match request.asks_stream() {
        true => reply.stream(request.asks_usage()).paced(Duration::from_millis(1)),
        false => reply.whole(),
    }
}

/// Which case a request is, by its last message.
fn case(request: &Request) -> String {
    let body = request.json();
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let user = messages.iter().find(|message| message["role"] == "user");
    let case = user.and_then(|user| user["content"].as_str());
    case.unwrap_or_else(|| panic!("{:?} {:?}", request.head, String::from_utf8_lossy(&request.body)))
        .to_owned()
}

fn number(case: &str) -> usize {
    case.trim_start_matches("case-").parse().unwrap_or_else(|why| panic!("{why}: {case:?}"))
}

/// A number that looks drawn: splitmix64 of the case and the question.
fn draw(number: usize, question: u64) -> usize {
    let mut state = (number as u64) << 8 | question;
    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((state ^ (state >> 31)) >> 16).expect("48 bits")
}
