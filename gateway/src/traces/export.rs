//! Takes spans to a collector: OTLP over HTTP, with protobuf (opentelemetry.io/docs/specs/otlp, OTLP/HTTP).

use std::time::Duration;

use bytes::Bytes;
use gateway_config::OtlpConfig;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use prometheus::IntCounter;
use prost::Message as _;
use reqwest::{Certificate, Client, Response, Url, redirect};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::FinishedTrace;
use super::batch::{BatchSender, SpanBatch};
use super::otlp::ExportResponse;
use crate::metrics::Metrics;
use crate::metrics::words::SpanLoss;
use crate::telemetry::Telemetry;
use protocol::retry_after;

/// Spans of one request to the collector, and how long the first waits for others.
const MOST: u64 = 512;
const LINGER: Duration = Duration::from_secs(1);
/// How long a collector may take; OpenTelemetry's default.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(2);
/// How often a batch is offered again where the collector says that it may, or cannot be reached, and after what pause; it
/// doubles.
const AGAIN: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a collector may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How much of an answer is read, in bytes.
const LARGEST_ANSWER: usize = 64 << 10;

/// What the task is told.
pub(super) enum ExportMessage {
    /// A request is over.
    Ended(Box<FinishedTrace>),
    /// Whoever waits on the other side wants everything before this to go out now.
    Flush(oneshot::Sender<()>),
}

/// The way to one collector.
pub(super) struct OtlpExporter {
    client: Client,
    url: Url,
    headers: HeaderMap,
    sender: BatchSender,
    sent: IntCounter,
    /// Spans of batches that could not be delivered.
    failed: IntCounter,
    /// Spans that the collector would not have.
    rejected: IntCounter,
    /// Whether the last batch was taken.
    well: bool,
}

/// Why traces cannot be sent to a collector. No sentence has a header's value in it.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// An address that is none.
    #[error("telemetry.otlp: `{url}`: {source}")]
    Url {
        /// As it was written.
        url: String,
        /// What is wrong.
        source: <Url as std::str::FromStr>::Err,
    },
    /// A client cannot be built, such as with authorities that are none.
    #[error("telemetry.otlp: no HTTP client: {0}")]
    HttpClient(#[source] reqwest::Error),
    /// A configured header that cannot be sent.
    #[error("telemetry.otlp: header `{0}` cannot be sent")]
    Header(String),
}

/// Why a batch was not taken.
struct ExportError {
    why: String,
    /// Whether it may be offered again, and when at the earliest.
    again: Option<Duration>,
}

impl OtlpExporter {
    /// # Errors
    /// See [`ExporterError`].
    pub(super) fn new(otlp: &OtlpConfig, telemetry: &Telemetry) -> Result<Self, ExporterError> {
        let fault = |source| ExporterError::Url { url: otlp.endpoint.clone(), source };
        let url = Url::parse(&otlp.endpoint).map_err(fault)?;
        let Metrics { spans_sent, spans_dropped, .. } = &*telemetry.metrics;
        Ok(Self {
            client: client(otlp).map_err(ExporterError::HttpClient)?,
            url,
            headers: headers(otlp)?,
            sender: BatchSender::of(otlp),
            sent: spans_sent.with_label_values::<&str>(&[]),
            failed: spans_dropped.with_label_values(&[SpanLoss::Failed.word()]),
            rejected: spans_dropped.with_label_values(&[SpanLoss::Rejected.word()]),
            well: true,
        })
    }

    /// Goes on until the tracer is gone and everything has been sent.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<ExportMessage>) {
        while let Some(first) = queue.recv().await {
            let (mut batch, mut waiting) = (SpanBatch::default(), None);
            let mut next = Some(first);
            let due = Instant::now() + LINGER;
            while let Some(message) = next {
                match message {
                    ExportMessage::Ended(ended) => batch.add(&ended),
                    ExportMessage::Flush(done) => waiting = Some(done),
                }
                let full = batch.count() >= MOST || waiting.is_some();
                next = if full { None } else { timeout_at(due, queue.recv()).await.ok().flatten() };
            }
            if batch.count() > 0 {
                self.deliver(batch).await;
            }
            if let Some(done) = waiting {
                let _ = done.send(());
            }
        }
    }

    async fn deliver(&mut self, batch: SpanBatch) {
        let count = batch.count();
        let body = batch.request(&self.sender);
        let mut tries = 0;
        let untaken = loop {
            let untaken = match self.offer(body.clone()).await {
                Ok(rejected) => {
                    let rejected = rejected.min(count);
                    self.rejected.inc_by(rejected);
                    self.sent.inc_by(count - rejected);
                    return self.note(None);
                }
                Err(untaken) => untaken,
            };
            match untaken.again {
                Some(wait) if tries < AGAIN => sleep(wait.max(PAUSE * 2u32.pow(tries))).await,
                _ => break untaken,
            }
            tries += 1;
        };
        self.failed.inc_by(count);
        self.note(Some(untaken.why));
    }

    /// Offers a batch; how many spans of it the collector rejects.
    async fn offer(&self, body: Bytes) -> Result<u64, ExportError> {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body);
        let response = request.send().await.map_err(|error| ExportError {
            why: if error.is_timeout() { "does not answer in time" } else { "cannot be reached" }.to_owned(),
            again: Some(Duration::ZERO),
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(rejected(response).await);
        }
        let may = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
        let wait = retry_after(response.headers(), std::time::SystemTime::now()).unwrap_or_default();
        Err(ExportError {
            why: format!("answers {}", status.as_u16()),
            again: may.then(|| wait.min(LONGEST_PAUSE)),
        })
    }

    /// Tells the operator when delivery begins to fail, and when it goes on.
    fn note(&mut self, why: Option<String>) {
        let collector = self.url.host_str().unwrap_or_default();
        match &why {
            Some(why) if self.well => {
                warn!(target: "xietong::telemetry", "traces are being dropped: the collector at {collector} {why}");
            }
            None if !self.well => {
                info!(target: "xietong::telemetry", "the collector at {collector} takes traces again");
            }
            _ => {}
        }
        self.well = why.is_none();
    }
}

/// How many spans a collector says that it did not take of those that it was given.
async fn rejected(mut response: Response) -> u64 {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        if body.len() + piece.len() > LARGEST_ANSWER {
            return 0;
        }
        body.extend_from_slice(&piece);
    }
    let export_response = ExportResponse::decode(&body[..]).unwrap_or_default();
    export_response.partial_success.map_or(0, |partial| partial.rejected_spans.max(0).unsigned_abs())
}

fn client(otlp: &OtlpConfig) -> Result<Client, reqwest::Error> {
    let pem = otlp.authority.as_ref().map(|authority| &authority.pem);
    let authorities = pem.map(|pem| Certificate::from_pem_bundle(pem)).transpose()?;
    Client::builder()
        .connect_timeout(CONNECT)
        .timeout(PATIENCE)
        // A redirect could carry a key to another host.
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(1)
        .tcp_nodelay(true)
        .tls_certs_merge(authorities.into_iter().flatten())
        .user_agent(concat!("xietong/", env!("CARGO_PKG_VERSION")))
        // What is meant for upstreams is no proxy for collectors, and the environment's are not used.
        .no_proxy()
        .build()
}

fn headers(otlp: &OtlpConfig) -> Result<HeaderMap, ExporterError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &otlp.headers {
        let (parsed, value) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.reveal()));
        let (Ok(parsed), Ok(mut value)) = (parsed, value) else {
            return Err(ExporterError::Header(name.clone()));
        };
        value.set_sensitive(true);
        headers.insert(parsed, value);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    Ok(headers)
}
