//! A question to a model, within what exploring may cost.

use std::sync::Arc;

use jiff::Timestamp;
use router_policies::Money;
use tokio::time::Instant;

use super::Explorer;
use crate::account::Account;
use crate::charge::Bound;
use crate::dispatch::aside;
use crate::protocol::Chat;
use crate::record::{Asked, Call};
use crate::request_id::RequestId;
use crate::upstreams::Pool;

/// Asks a model within what exploring may cost, and gives back the text of its answer.
pub(super) async fn ask(
    explorer: &Explorer,
    pool: &Arc<Pool>,
    chat: &Arc<Chat>,
    call: Call,
) -> Option<String> {
    let bound = Bound { choices: 1, ..Bound::for_chat(chat) };
    // What has no price cannot be kept within a spend.
    let most = bound.most(&pool.model, Timestamp::now(), &explorer.telemetry.paces)?;
    if !explorer.purse.take(most) {
        return None;
    }
    let mut account = Account::open(
        &explorer.telemetry,
        explorer.format,
        explorer.currency,
        RequestId::new(),
        call,
        Instant::now(),
    );
    account.asked(Asked::Route(Arc::clone(&explorer.route)));
    account.bound(bound);
    let (text, cost) = aside(pool, chat, account).await;
    explorer.purse.give_back(most.saturating_sub(cost.unwrap_or(most)).max(Money::ZERO));
    text
}
