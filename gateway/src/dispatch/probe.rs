//! A request of our own, for one word, to an endpoint that answers what costs nothing and is mute to requests: whether it
//! is well again can only be told by one, and no client is made to wait for that. It has an account like any other, so that
//! what it costs is in the log, the metrics and the ledger, on nobody's budget.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway_config::LogFormat;
use http::HeaderMap;
use router_policies::Currency;
use tokio::time::{Instant, timeout};

use super::{AnswerPart, AnswerReader};
use crate::account::{AttemptId, RequestAccount, TokenCounter};
use crate::error::ApiError;
use crate::pricing::UsageBound;
use crate::record::{RecordedCall, RequestSummary};
use crate::telemetry::Telemetry;
use protocol::{ChatRequest, ChunkKind};
use upstreams::attempt_error::{AttemptError, AttemptErrorKind};
use upstreams::request_id::RequestId;
use upstreams::{AnswerBody, Endpoint, Probe, UpstreamRequest, UpstreamResponse};

/// What is asked. The answer may have one token.
const QUESTION: &[u8] = br#"{"model":"-","messages":[{"role":"user","content":"1"}],"stream":true}"#;
/// How long the first word may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks for one token, on an account of the gateway's own.
pub struct CompletionProbe {
    /// Where the account goes.
    pub telemetry: Telemetry,
    /// How its log line is written.
    pub format: LogFormat,
    /// What its cost is counted in.
    pub currency: Currency,
}

impl Probe for CompletionProbe {
    fn answers(&self, endpoint: Arc<Endpoint>) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async move {
            let Ok(chat) = ChatRequest::parse(Bytes::from_static(QUESTION)) else { return false };
            let (account, attempt) = self.open(&endpoint, &chat);
            ask(&endpoint, chat, account, attempt).await
        })
    }
}

impl CompletionProbe {
    fn open(&self, endpoint: &Endpoint, chat: &ChatRequest) -> (Box<RequestAccount>, AttemptId) {
        let (id, now) = (RequestId::new(), Instant::now());
        let mut account =
            RequestAccount::open(&self.telemetry, self.format, self.currency, id, RecordedCall::Check, now);
        account.asked(RequestSummary::Model(Arc::clone(&endpoint.model)));
        account.read(chat);
        account.bound(UsageBound { answer: Some(1), ..UsageBound::for_chat(chat) });
        let attempt = account.begin(&endpoint.model, &endpoint.id);
        (account, attempt)
    }
}

/// Whether the endpoint answers, be it with an error.
async fn ask(
    endpoint: &Endpoint,
    chat: ChatRequest,
    mut account: Box<RequestAccount>,
    attempt: AttemptId,
) -> bool {
    let ask = UpstreamRequest {
        chat: Arc::new(chat),
        stream: true,
        logprobs: false,
        longest: Some(1),
        on_behalf: "".into(),
        patience: Default::default(),
        id: account.id().clone(),
        trace: HeaderMap::new(),
    };
    let mut tally = TokenCounter::default();
    let result = timeout(PATIENCE, listen(endpoint, ask, &mut tally)).await;
    account.add_tokens(attempt, &tally);
    match result.unwrap_or_else(|_| Err(AttemptError::new(AttemptErrorKind::FirstTokenTimeout))) {
        Ok(()) => {
            account.commit(attempt);
            account.settle(attempt);
            account.close_complete();
            true
        }
        Err(error) => {
            account.failed(attempt, &error);
            account.close_failed(&ApiError::UpstreamUnavailable(None));
            error.is_answered()
        }
    }
}

/// Reads to the end of the answer.
async fn listen(
    endpoint: &Endpoint,
    ask: UpstreamRequest,
    tally: &mut TokenCounter,
) -> Result<(), AttemptError> {
    let UpstreamResponse { body, .. } = endpoint.ask(ask).await?;
    let mut reader = match body {
        AnswerBody::Whole(whole) => {
            tally.saw_whole(&whole);
            return Ok(());
        }
        AnswerBody::Stream(chunks) => AnswerReader::new(chunks, 1),
    };
    loop {
        match reader.next().await {
            AnswerPart::Chunk(chunk) => {
                if let ChunkKind::Piece(piece) = &chunk.what {
                    tally.saw(piece);
                }
            }
            AnswerPart::Complete(_) => return Ok(()),
            AnswerPart::Broken(error) => return Err(error),
        }
    }
}
