//! Who asks: a few clients that take turns through the questions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::TrafficPlan;
use super::live::LiveView;
use super::script::{ScriptedQuestion, questions};
use crate::commands::CommandError;
use crate::commands::gateway_client::{GatewayAnswer, GatewayClient};

/// Clients at once.
const CLIENTS: u32 = 3;
/// Between an answer and the client's next question.
const PAUSE: Duration = Duration::from_millis(900);
/// How long questions under way may take once no more are asked.
const REST: Duration = Duration::from_secs(15);

/// What became of a question.
pub(super) type AskedQuestion = (ScriptedQuestion, Result<GatewayAnswer, CommandError>);

/// Asks until the plan is done, and shows each answer; `true` where Ctrl-C ended it.
pub(super) async fn run(plan: TrafficPlan, client: GatewayClient, view: &mut LiveView) -> bool {
    let (heard, mut hears) = mpsc::channel(16);
    let asked = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + plan.time;
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (client, asked, heard) = (client.clone(), Arc::clone(&asked), heard.clone());
        clients.spawn(async move {
            // They do not begin all at once.
            sleep(PAUSE * number / CLIENTS).await;
            while Instant::now() < end {
                let turn = asked.fetch_add(1, Ordering::Relaxed);
                if plan.requests.is_some_and(|most| turn >= most)
                    || heard.send(ask(&client, turn).await).await.is_err()
                {
                    return;
                }
                sleep(PAUSE).await;
            }
        });
    }
    drop(heard);
    let until_all_are_done = async {
        while let Some((question, answer)) = hears.recv().await {
            view.show(&question, answer);
        }
    };
    tokio::select! {
        _ = timeout(plan.time + REST, until_all_are_done) => false,
        _ = tokio::signal::ctrl_c() => true,
    }
}

async fn ask(client: &GatewayClient, turn: u64) -> AskedQuestion {
    let all = questions();
    let question = all[(turn % all.len() as u64) as usize];
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": question.prompt}]});
    (question, client.ask(&body, |_| {}).await)
}
