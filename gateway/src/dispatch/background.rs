//! A question of our own, off any client's path.

use std::sync::Arc;

use gateway_config::WholeAs;
use http::HeaderMap;
use router_policies::Money;

use super::attempt::{ResponseMode, conclude, enter, listen};
use super::{CommittedAnswer, DispatchOutcome};
use crate::account::RequestAccount;
use crate::error::ApiError;
use protocol::{AnswerMessage, ChatRequest};
use upstreams::{EndpointPool, UpstreamRequest};

/// Asks a model once, and closes the account. The text of its answer, if it gave one, and what that cost (`None`:
/// unknown).
pub async fn ask_in_background(
    pool: &Arc<EndpointPool>,
    chat: &Arc<ChatRequest>,
    mut account: Box<RequestAccount>,
) -> (Option<String>, Option<Money>) {
    let Ok(open) = enter(pool, &mut account).await else {
        account.close_failed(&ApiError::UpstreamUnavailable(None));
        return (None, Some(Money::ZERO));
    };
    let ask = UpstreamRequest {
        chat: Arc::clone(chat),
        stream: pool.model.whole_as == WholeAs::Stream,
        logprobs: false,
        longest: None,
        on_behalf: "".into(),
        patience: Default::default(),
        id: account.id().clone(),
        trace: HeaderMap::new(),
    };
    let answer = listen(open, ask, ResponseMode { stream: false, choices: 1, most: None, heard: None }).await;
    match conclude(pool, answer, &mut account) {
        Ok(DispatchOutcome { answer: CommittedAnswer::Whole(body), .. }) => {
            let cost = account.cost();
            account.head_sent(200);
            account.close_complete();
            (AnswerMessage::of_whole(&body).and_then(|message| message.content), cost)
        }
        Ok(_) | Err(_) => {
            let cost = account.cost();
            account.close_failed(&ApiError::UpstreamUnavailable(None));
            (None, cost)
        }
    }
}
