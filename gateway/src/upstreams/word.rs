//! A request of our own, for one word, to an endpoint that answers what costs nothing and is mute to requests: whether it
//! is well again can only be told by one, and no client is made to wait for that. It has an account like any other, so that
//! what it costs is in the log, the metrics and the ledger, on nobody's budget.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::HeaderMap;
use tokio::time::{Instant, timeout};
use tower::ServiceExt;

use super::pool::Endpoint;
use super::{Answer, AnswerBody, Ask};
use crate::account::{Account, AttemptId, Tally};
use crate::charge::Bound;
use crate::error::Failure;
use crate::protocol::{Chat, What};
use crate::record::{Asked, Call};
use crate::request_id::RequestId;
use crate::setback::{Happened, Setback};

/// What is asked. The answer may have one token.
const QUESTION: &[u8] = br#"{"model":"-","messages":[{"role":"user","content":"1"}],"stream":true}"#;
/// How long the first word may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the endpoint answers a request, be it with an error.
pub(super) async fn says_a_word(endpoint: &Endpoint) -> bool {
    let Ok(chat) = Chat::parse(Bytes::from_static(QUESTION)) else { return false };
    let (mut account, attempt) = open(endpoint, &chat);
    let ask = Ask {
        chat: Arc::new(chat),
        stream: true,
        logprobs: false,
        longest: Some(1),
        on_behalf: "".into(),
        id: account.record.id.clone(),
        trace: HeaderMap::new(),
    };
    let mut tally = Tally::default();
    let heard = timeout(PATIENCE, listen(endpoint, ask, &mut tally)).await;
    account.hear(attempt, &tally);
    match heard.unwrap_or_else(|_| Err(Setback::new(Happened::Silent))) {
        Ok(()) => {
            account.commit(attempt);
            account.settle(attempt);
            account.close_complete();
            true
        }
        Err(setback) => {
            account.failed(attempt, &setback);
            account.close_failed(&Failure::UpstreamDown);
            setback.is_answered()
        }
    }
}

fn open(endpoint: &Endpoint, chat: &Chat) -> (Box<Account>, AttemptId) {
    let (telemetry, now) = (&endpoint.telemetry, Instant::now());
    let mut account =
        Account::open(telemetry, endpoint.format, endpoint.currency, RequestId::new(), Call::Check, now);
    account.record.asked = Asked::Model(Arc::clone(&endpoint.model));
    account.record.stream = true;
    account.bound(Bound { prompt: chat.read_tokens(), answer: Some(1), choices: 1, ..Bound::default() });
    let attempt = account.begin(&endpoint.model, &endpoint.id);
    (account, attempt)
}

/// Reads to the end of the answer.
async fn listen(endpoint: &Endpoint, ask: Ask, tally: &mut Tally) -> Result<(), Setback> {
    let Answer { body, .. } = endpoint.upstream.clone().oneshot(ask).await?;
    let mut chunks = match body {
        AnswerBody::Whole(whole) => {
            tally.saw_whole(&whole);
            return Ok(());
        }
        AnswerBody::Stream(chunks) => chunks,
    };
    let mut finished = false;
    while let Some(chunk) = chunks.next().await {
        let chunk = match chunk {
            Err(setback) if finished && setback.is_a_mere_end() => return Ok(()),
            chunk => chunk?,
        };
        match &chunk.what {
            What::Piece(piece) => {
                tally.saw(piece);
                finished |= piece.finished > 0;
            }
            What::Error(complaint) => return Err(Setback::in_band(complaint)),
            What::Done => return Ok(()),
            What::KeepAlive | What::Aside | What::Malformed => {}
        }
    }
    if finished { Ok(()) } else { Err(Setback::new(Happened::Cut)) }
}
