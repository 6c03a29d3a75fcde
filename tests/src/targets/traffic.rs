//! Hours of traffic through a real gateway, in seconds: requests come at random, and what becomes of each is kept.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use router_policies::scoring::random::SplitMix64;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::models::{Model, Simulated};
use super::prompts::{Asked, CLASSES};
use crate::gateway::{Gateway, chat};
use crate::http1::Connection;
use crate::metrics::Metrics;
use crate::scripted::{Billed, Scripted};
use crate::setup::Setup;
use crate::wire::Live;

/// Requests at one rate.
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    /// What it is called.
    pub name: &'static str,
    /// Requests a second, on average.
    pub rate: f64,
    /// How long it lasts, in seconds.
    pub seconds: f64,
}

/// A world to try a policy in.
#[derive(Debug, Clone)]
pub struct World {
    /// The small model and the large one.
    pub models: [Model; 2],
    /// The policy, in YAML's flow style.
    pub policy: String,
    /// One after the other.
    pub phases: Vec<Phase>,
    /// Seconds between two looks at the gateway's metrics.
    pub look: f64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// When it came, in seconds since the traffic began.
    pub at: f64,
    /// Which of the prompts it was.
    pub prompt: usize,
    /// What came back; `None`: it was lost.
    pub answer: Option<Answered>,
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// 0: the small model's; 1: the large one's.
    pub rung: usize,
    /// Seconds until its first token.
    pub first: f64,
    /// What the model asks for it.
    pub cost: f64,
}

/// What the gateway said at a moment, in `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// When, in seconds since the traffic began.
    pub at: f64,
    /// What a unit of money weighs.
    pub cost: f64,
    /// What a second weighs.
    pub latency: f64,
    /// What a whole chance of a sufficient answer weighs.
    pub quality: f64,
}

/// What a run left.
#[derive(Debug)]
pub struct Run {
    /// Every request, in the order of arrival.
    pub outcomes: Vec<Outcome>,
    /// In order.
    pub looks: Vec<Look>,
    /// What the gateway says that all cost.
    pub charged: f64,
}

/// Runs a world from the beginning of an hour of the clock, and of a day.
pub fn run(world: &World, prompts: &[Asked], seed: u64) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(traffic(world, prompts, seed))
}

async fn traffic(world: &World, prompts: &[Asked], seed: u64) -> Run {
    let simulated = |at: usize| Simulated::new(world.models[at], seed + 1 + at as u64);
    let upstreams = [Scripted::start(simulated(0)).await, Scripted::start(simulated(1)).await];
    let clients = Gateway::start_silent(&configuration(world, &upstreams)).await;
    assert_eq!(clients.get("/v1/models").await.status(), 200, "the gateway is up");
    tokio::time::sleep(to_midnight()).await;
    let clients = Arc::new(Clients {
        gateway: clients,
        models: world.models,
        began: Instant::now(),
        idle: Mutex::default(),
    });
    let looks = Arc::default();
    let looking = tokio::spawn(look(Arc::clone(&clients), world.look, Arc::clone(&looks)));
    let mut asked = JoinSet::new();
    for (number, at) in arrivals(&world.phases, seed).into_iter().enumerate() {
        tokio::time::sleep_until(clients.began + Duration::from_secs_f64(at)).await;
        let prompt = number % prompts.len();
        let request = request(number, seed, &prompts[prompt].text);
        let clients = Arc::clone(&clients);
        asked.spawn(async move { Outcome { at, prompt, answer: clients.ask(&request).await } });
    }
    let mut outcomes = asked.join_all().await;
    looking.abort();
    outcomes.sort_by(|one, other| one.at.total_cmp(&other.at));
    let charged = clients.gateway.settled().await.sum("xietong_cost_total", &[]);
    let looks = std::mem::take(&mut *looks.lock().expect("no holder of this lock panics"));
    Run { outcomes, looks, charged }
}

/// When requests come: at random, at the rate of each phase.
fn arrivals(phases: &[Phase], seed: u64) -> Vec<f64> {
    let (mut draws, mut all, mut ends) = (SplitMix64(seed), Vec::new(), 0.0);
    for phase in phases {
        let mut at = ends;
        ends += phase.seconds;
        loop {
            at -= (1.0 - draws.uniform()).ln() / phase.rate;
            if at >= ends {
                break;
            }
            all.push(at);
        }
    }
    all
}

/// The gateway counts from the clock at its start and then goes by tokio's time, which is ours to move.
fn to_midnight() -> Duration {
    const DAY: u64 = 86_400_000;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    Duration::from_millis(DAY - now % DAY)
}

fn configuration(world: &World, upstreams: &[Scripted; 2]) -> String {
    let [small, large] = [0, 1].map(|at: usize| upstreams[at].base_url());
    let mut setup = Setup::ladder(&small, &large)
        .policy(&world.policy)
        .every_model("timeouts: {first_token: 5m, idle: 5m, total: 30m}");
    for (at, name) in ["small", "large"].into_iter().enumerate() {
        let Model { input, output, .. } = world.models[at];
        let class = serde_json::to_string(&CLASSES[at]).unwrap_or_default();
        setup = setup
            .model(name, &format!("price: {{input: {input}, output: {output}}}"))
            .model(name, &format!("class: {class}"));
    }
    setup.yaml()
}

/// The number of a request is also its name.
fn request(number: usize, seed: u64, prompt: &str) -> Vec<u8> {
    let body = json!({
        "model": "auto", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": prompt}],
    });
    chat(&[("x-request-id", &format!("{seed}-{number}"))], &body)
}

/// Everybody who asks the gateway.
struct Clients {
    gateway: Gateway,
    models: [Model; 2],
    began: Instant,
    /// Kept alive, and since when they are not in use.
    idle: Mutex<Vec<(Connection, Instant)>>,
}

/// A connection that was not in use for longer may be closed by the gateway at the same moment.
const IDLE: Duration = Duration::from_secs(5);

impl Clients {
    async fn ask(&self, request: &[u8]) -> Option<Answered> {
        let came = Instant::now();
        let mut connection = self.connection().await;
        connection.send(request).await.ok()?;
        let mut live = Live::on(connection).await.filter(|live| live.status() == 200)?;
        live.event().await?;
        let first = came.elapsed().as_secs_f64();
        let (answer, connection) = live.rest_and_connection().await;
        if !answer.complete || !answer.has_done() {
            return None;
        }
        self.idle.lock().expect("no holder of this lock panics").push((connection, Instant::now()));
        let rung = usize::from(answer.header("x-xietong-model")? == "large");
        let usage = answer.usage();
        let of = |name: &str| usage[name].as_u64();
        let billed = Billed { input: of("prompt_tokens")?, cached: 0, output: of("completion_tokens")? };
        Some(Answered { rung, first, cost: self.models[rung].cost(billed) })
    }

    async fn connection(&self) -> Connection {
        loop {
            let idle = self.idle.lock().expect("no holder of this lock panics").pop();
            match idle {
                Some((connection, since)) if since.elapsed() < IDLE && !connection.is_stale() => {
                    return connection;
                }
                Some(_) => {}
                None => {
                    return Connection::open(self.gateway.data)
                        .await
                        .expect("the gateway accepts connections");
                }
            }
        }
    }
}

async fn look(clients: Arc<Clients>, every: f64, looks: Arc<Mutex<Vec<Look>>>) {
    loop {
        tokio::time::sleep(Duration::from_secs_f64(every)).await;
        let metrics = clients.gateway.metrics().await;
        let weight = |metrics: &Metrics, target| metrics.sum("xietong_policy_weight", &[("target", target)]);
        let [cost, latency, quality] = ["cost", "latency", "quality"].map(|target| weight(&metrics, target));
        let at = clients.began.elapsed().as_secs_f64();
        looks.lock().expect("no holder of this lock panics").push(Look { at, cost, latency, quality });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_at_the_rate_of_their_phase() {
        let phase = |rate| Phase { name: "", rate, seconds: 1000.0 };
        let all = arrivals(&[phase(1.0), phase(3.0)], 7);
        let early = all.iter().filter(|at| **at < 1000.0).count();
        assert!((900..1100).contains(&early), "{early}");
        assert!((2800..3200).contains(&(all.len() - early)), "{}", all.len());
        assert!(all.is_sorted() && all.iter().all(|at| (0.0..2000.0).contains(at)));
    }
}
