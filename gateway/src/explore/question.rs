//! A question to a model, within what exploring may cost.

use std::sync::Arc;

use jiff::Timestamp;
use router_policies::Money;
use tokio::time::Instant;

use super::Explorer;
use crate::account::RequestAccount;
use crate::dispatch::ask_in_background;
use crate::pricing::UsageBound;
use crate::record::{RecordedCall, RequestSummary};
use protocol::ChatRequest;
use upstreams::EndpointPool;
use upstreams::request_id::RequestId;

/// Asks a model within what exploring may cost, and gives back the text of its answer.
pub(super) async fn ask(
    explorer: &Explorer,
    pool: &Arc<EndpointPool>,
    chat: &Arc<ChatRequest>,
    call: RecordedCall,
) -> Option<String> {
    let bound = UsageBound { choices: 1, ..UsageBound::for_chat(chat) };
    // What has no price cannot be kept within a spend.
    let most = bound.most(&pool.model, Timestamp::now(), &explorer.telemetry.machine_time)?;
    if !explorer.spend_limiter.take(most) {
        return None;
    }
    let mut account = RequestAccount::open(
        &explorer.telemetry,
        explorer.format,
        explorer.currency,
        RequestId::new(),
        call,
        Instant::now(),
    );
    account.asked(RequestSummary::Route(Arc::clone(&explorer.route)));
    account.bound(bound);
    let (text, cost) = ask_in_background(pool, chat, account).await;
    explorer.spend_limiter.give_back(most.saturating_sub(cost.unwrap_or(most)).max(Money::ZERO));
    text
}
