//! An endpoint of a provider: the one place where bytes leave for one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{Stream, stream};
use gateway_config::{
    AttemptTimeouts, DialectKind, ModelConfig, ModelTakes, OutputLimitField, RemoteModel, Secret,
    ThinkingConfig, UpstreamClient,
};
use http::{HeaderMap, HeaderValue, Response};
use reqwest::Url;
use tokio::time::{Instant, timeout_at};
use tower::util::BoxCloneSyncService;

use super::address::{self, EndpointUrls};
use super::api_paths::{SupportedPaths, UpstreamPath};
use super::connection::ConnectionPool;
use super::events::EventStream;
use super::http1_transport::Http1Transport;
use super::inquiry::ModelInquiry;
use super::pool_error::PoolError;
use super::reqwest_transport::{self, ReqwestTransport};
use super::response_parts::{is, plain, read, shown};
use super::transport::{RequestHeaders, ResponseBody, Transport};
use super::upstream::NamedUpstream;
use super::{AnswerBody, Check, UpstreamRequest, UpstreamResponse};
use crate::attempt_error::{AttemptError, AttemptErrorKind};
use crate::header_names;
use protocol::{
    ChatRequest, CompletionBody, EffortStyle, EncodedRequest, NotAnAnswer, PrefillStyle, ProviderQuirks,
    UpstreamApi, VectorEncoding,
};

/// The largest whole answer that is read, in bytes.
const LARGEST_ANSWER: usize = 64 << 20;
/// How much of a provider's error is read, in bytes, and for how long.
const LARGEST_ERROR: usize = 64 << 10;
const ERROR_TIME: Duration = Duration::from_secs(2);

/// What the transport to an endpoint is made for: the address of whole answers, and the headers of each request.
pub type TransportTo<'a> = dyn Fn(&Url, &HeaderMap) -> Arc<dyn Transport> + 'a;

/// One service for each endpoint of a model.
///
/// # Errors
/// In words for the operator, without a key.
pub(super) fn upstreams(
    model: &Arc<ModelConfig>,
    remote: &RemoteModel,
    proxy: Option<&Secret>,
    kind: UpstreamClient,
) -> Result<Vec<NamedUpstream>, PoolError> {
    let proxy = proxy.filter(|_| !remote.is_direct);
    let client = reqwest_transport::client(&model.timeouts, proxy, remote.authority.as_deref())
        .map_err(|source| PoolError::HttpClient { model: model.name.clone(), source })?;
    upstreams_over(model, remote, &|url, headers| {
        let by_reqwest = ReqwestTransport::new(&client, headers);
        // reqwest makes a header of credentials in an address.
        let plain = url.scheme() == "http" && url.username().is_empty() && proxy.is_none();
        let own = (plain && kind == UpstreamClient::Builtin)
            .then(|| ConnectionPool::to(url, headers, model.timeouts.connect));
        match own.flatten() {
            Some(lines) => Arc::new(Http1Transport { lines, checks: by_reqwest }),
            None => Arc::new(by_reqwest),
        }
    })
}

/// The same over whatever transport is given for each endpoint.
///
/// # Errors
/// As for [`upstreams`].
pub(super) fn upstreams_over(
    model: &Arc<ModelConfig>,
    remote: &RemoteModel,
    transport: &TransportTo<'_>,
) -> Result<Vec<NamedUpstream>, PoolError> {
    remote
        .endpoints
        .iter()
        .map(|endpoint| {
            let fault = |source| PoolError::Endpoint { endpoint: endpoint.id.clone(), source };
            let (dialect, effort) = UpstreamApi::of(remote);
            let places = EndpointUrls::of(remote, &endpoint.base_url).map_err(fault)?;
            let headers = address::headers(remote.dialect, endpoint).map_err(fault)?;
            // Providers elsewhere have their contexts in their documentation; their lists say little, and are long.
            let asks = model.local && remote.dialect == DialectKind::OpenAi;
            let questions = asks.then(|| ModelInquiry::new(remote, &places.harmless));
            let address = RemoteEndpoint {
                transport: transport(&places.whole, &headers),
                ways: SupportedPaths::to(places),
                headers,
                secret: endpoint.api_key.as_ref().map(|key| key.reveal().into()),
                dialect,
                effort,
                model: remote.model.clone(),
                limit: match remote.limit {
                    OutputLimitField::CompletionTokens => "max_completion_tokens",
                    OutputLimitField::Tokens | OutputLimitField::AsWritten => "max_tokens",
                },
                thinking: remote.thinking.clone(),
                takes: Arc::clone(&remote.takes),
                renamed: remote.limit,
                prefix: (model.accepts.prefill == Some(true)).then(|| PrefillStyle::of(model)),
                most: model.max_output,
                timeouts: model.timeouts,
                largest_event: remote.largest_event,
            };
            let address = Arc::new(address);
            let checked = Arc::clone(&address);
            let check: Check = Arc::new(move || Box::pin(Arc::clone(&checked).answers()));
            let inquiry = questions.map(|questions| questions.by(&address.transport));
            let service = tower::service_fn(move |ask: UpstreamRequest| Arc::clone(&address).ask(ask));
            let (id, upstream) = (endpoint.id.clone(), BoxCloneSyncService::new(service));
            Ok(NamedUpstream { id, upstream, check: Some(check), inquiry })
        })
        .collect()
}

/// Where to ask, and how.
struct RemoteEndpoint {
    transport: Arc<dyn Transport>,
    ways: SupportedPaths,
    /// Of each request.
    headers: HeaderMap,
    secret: Option<Arc<str>>,
    dialect: UpstreamApi,
    effort: EffortStyle,
    model: String,
    /// What the longest answer is called there.
    limit: &'static str,
    renamed: OutputLimitField,
    /// How it is told how hard to think.
    thinking: ThinkingConfig,
    /// What the model takes of a request.
    takes: Arc<ModelTakes>,
    /// How it is told that an answer was begun; `None`: it cannot go on with one.
    prefix: Option<PrefillStyle>,
    /// Tokens of the longest answer.
    most: u64,
    timeouts: AttemptTimeouts,
    /// Bytes of the longest line of an event of a stream.
    largest_event: usize,
}

impl RemoteEndpoint {
    async fn ask(self: Arc<Self>, ask: UpstreamRequest) -> Result<UpstreamResponse, AttemptError> {
        self.ask_since(Instant::now(), ask, true).await
    }

    /// `thoughts`: whether it is told what models thought earlier in the conversation.
    async fn ask_since(
        self: Arc<Self>,
        began: Instant,
        ask: UpstreamRequest,
        thoughts: bool,
    ) -> Result<UpstreamResponse, AttemptError> {
        let timeouts = self.patience(&ask);
        let total = began + timeouts.total;
        let head = total.min(began + timeouts.first_token);
        let late =
            if head == total { AttemptErrorKind::TotalTimeout } else { AttemptErrorKind::FirstTokenTimeout };
        let way = self.ways.of(&ask.chat)?;
        let body = self.body(&ask, way, thoughts)?;
        let accept = if ask.stream { "text/event-stream" } else { "application/json" };
        let own = RequestHeaders { accept, id: &ask.id, trace: self.trace(&ask) };
        let sent = self.transport.post(self.ways.url(way, ask.stream), &own, body);
        let response = match timeout_at(head, sent).await {
            Err(_) => return Err(AttemptError::new(late)),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(response)) => response,
        };
        if way.has_no_dialect() && matches!(response.status().as_u16(), 404 | 405 | 501) {
            self.ways.is_missing(way)?;
            return Box::pin(self.ask_since(began, ask, thoughts)).await;
        }
        if response.status() != http::StatusCode::OK {
            let error = self.refusal(response).await;
            // Nothing was billed, and it is another provider's turns that it refuses.
            if thoughts
                && error.complaint.as_deref().is_some_and(|it| self.dialect(way).is_about_thoughts(it))
            {
                return Box::pin(self.ask_since(began, ask, false)).await;
            }
            return Err(error);
        }
        let headers = shown(response.headers());
        let events = is(&response, "text/event-stream");
        let plain = plain(response)?;
        let dialect = self.dialect(way);
        let native = dialect.original(&ask.chat).is_some();
        let body = match (events, ask.stream) {
            (true, _) => AnswerBody::Stream(self.events(plain, &timeouts, (dialect, native), began)),
            (false, stream) => {
                self.whole(plain, (&ask.chat, way), native, total).await.map(|whole| match stream {
                    // It does not stream though it was asked to: its answer is as good, only late.
                    true => AnswerBody::Stream(Box::pin(stream::iter(whole.unfold().into_iter().map(Ok)))),
                    false => AnswerBody::Whole(Box::new(whole)),
                })?
            }
        };
        Ok(UpstreamResponse { body, headers })
    }

    /// Whether it answers HTTP at all.
    async fn answers(self: Arc<Self>) -> bool {
        self.transport.check(self.ways.harmless()).await
    }

    /// What it is asked in.
    fn dialect(&self, way: UpstreamPath) -> UpstreamApi {
        if way == UpstreamPath::Responses { UpstreamApi::Responses } else { self.dialect }
    }

    /// What is sent, in the words of the endpoint.
    fn body(&self, ask: &UpstreamRequest, way: UpstreamPath, thoughts: bool) -> Result<Bytes, AttemptError> {
        let told = EncodedRequest {
            model: &self.model,
            stream: ask.stream,
            logprobs: ask.logprobs,
            longest: ask.longest,
            limit: self.limit,
            most: self.most,
            effort: self.effort,
            thoughts,
            speech: ProviderQuirks {
                limit: self.renamed,
                thinking: &self.thinking,
                prefix: self.prefix,
                takes: &self.takes,
            },
        };
        match way.words(&ask.chat) {
            Some(words) => words.told((&self.model, &self.takes), ask.stream, ask.longest).map_err(unsaid),
            None => self.dialect(way).encode(&ask.chat, &told).map_err(unsaid),
        }
    }

    /// What is sent along. What the client asks of Anthropic beside the body is for its API alone, and joins what the
    /// configuration asks of it.
    fn trace(&self, ask: &UpstreamRequest) -> HeaderMap {
        let mut trace = ask.trace.clone();
        let Some(beta) = trace.remove(header_names::ANTHROPIC_BETA) else { return trace };
        if self.dialect.original(&ask.chat).is_some() {
            let own = self
                .headers
                .get(header_names::ANTHROPIC_BETA)
                .map(|own| [own.as_bytes(), b",", beta.as_bytes()].concat());
            let both = own.and_then(|both| HeaderValue::from_bytes(&both).ok()).unwrap_or(beta);
            trace.insert(header_names::ANTHROPIC_BETA, both);
        }
        trace
    }

    /// How long this request may take. A whole answer has one limit, even where it comes as a stream.
    fn patience(&self, ask: &UpstreamRequest) -> AttemptTimeouts {
        let timeouts = self.timeouts;
        match ask.stream {
            true if ask.chat.asks_for_thought() => timeouts.for_thinking(),
            true => timeouts,
            false => AttemptTimeouts { first_token: timeouts.total, idle: timeouts.total, ..timeouts },
        }
    }

    fn events(
        &self,
        bytes: impl Stream<Item = Result<Bytes, AttemptError>> + Send + 'static,
        timeouts: &AttemptTimeouts,
        (dialect, native): (UpstreamApi, bool),
        began: Instant,
    ) -> super::Chunks {
        let decoder = dialect.decoder(native, now());
        let secret = self.secret.clone();
        Box::pin(EventStream::new(bytes, decoder, timeouts, began, secret, self.largest_event))
    }

    async fn whole(
        &self,
        bytes: impl Stream<Item = Result<Bytes, AttemptError>> + Unpin,
        (chat, way): (&ChatRequest, UpstreamPath),
        native: bool,
        deadline: Instant,
    ) -> Result<CompletionBody, AttemptError> {
        let body = read(bytes, LARGEST_ANSWER, deadline).await?;
        let whole = match way {
            UpstreamPath::Embeddings => CompletionBody::of_vectors(body, form(chat)),
            UpstreamPath::Chat | UpstreamPath::Completions | UpstreamPath::Responses => {
                self.dialect(way).whole(body, native, now())
            }
        };
        whole.map_err(|error| match error {
            NotAnAnswer::Complaint(complaint) => AttemptError::in_band(&complaint.without(self.secret())),
            NotAnAnswer::NotJson(_) | NotAnAnswer::NoChoices => {
                AttemptError::new(AttemptErrorKind::BadResponse(200))
            }
        })
    }

    /// What must not be seen anywhere.
    fn secret(&self) -> &str {
        self.secret.as_deref().unwrap_or_default()
    }

    async fn refusal(&self, response: Response<ResponseBody>) -> AttemptError {
        let status = response.status().as_u16();
        let retry_after = protocol::retry_after(response.headers(), SystemTime::now());
        let body = match plain(response) {
            Ok(body) => read(body, LARGEST_ERROR, Instant::now() + ERROR_TIME).await.unwrap_or_default(),
            Err(_) => Bytes::new(),
        };
        // Some providers quote the key that they refuse.
        let complaint = self.dialect.error(status, &body).without(self.secret());
        let status = complaint.status.unwrap_or(status);
        AttemptError::from_status(status, complaint, retry_after.or_else(|| self.dialect.wait(&body)))
    }
}

/// The form that a request wants its vectors in.
fn form(chat: &ChatRequest) -> Option<VectorEncoding> {
    VectorEncoding::asked(chat.native()?.body())
}

/// A request that was let through though this dialect has no words for it: the rung is passed over like any that refuses.
fn unsaid(bad: protocol::BadRequest) -> AttemptError {
    let complaint = protocol::ProviderError {
        status: Some(400),
        code: bad.code.map(str::to_owned),
        kind: Some("invalid_request_error".to_owned()),
        param: bad.param.map(std::borrow::Cow::into_owned),
        message: bad.message,
        context: None,
        usage: None,
    };
    AttemptError::from_status(400, complaint, None)
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
