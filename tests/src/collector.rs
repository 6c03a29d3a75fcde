//! A collector of traces: takes OpenTelemetry's protocol over HTTP, and reads it with OpenTelemetry's own messages.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message;
use serde_json::{Value, json};

use crate::scripted::{Choose, Request, Script, Scripted};

/// The collector. It stops when it is dropped.
#[derive(Debug)]
pub struct Collector {
    /// What it is made of: whatever it saw is there.
    pub http: Scripted,
}

/// A span, for reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// In hexadecimal digits.
    pub trace: String,
    /// In hexadecimal digits.
    pub id: String,
    /// In hexadecimal digits; empty for none.
    pub parent: String,
    /// The name.
    pub name: String,
    /// `Server`, `Client` or `Internal`.
    pub kind: String,
    /// Nanoseconds since 1970.
    pub start: u64,
    /// Nanoseconds since 1970.
    pub end: u64,
    /// Those of the trace, and whether the parent is remote.
    pub flags: u32,
    /// Whether its status is an error.
    pub failed: bool,
    /// By their names.
    pub attributes: BTreeMap<String, Value>,
}

/// What a collector says of a batch of which it takes all, or rejects so many spans.
pub fn taken(rejected: i64) -> Script {
    let partial = ExportTracePartialSuccess { rejected_spans: rejected, error_message: "too odd".into() };
    let response = ExportTraceServiceResponse { partial_success: (rejected > 0).then_some(partial) };
    Script::whole(200, &[("content-type", "application/x-protobuf")], response.encode_to_vec())
}

impl Collector {
    /// Takes everything.
    pub async fn start() -> Self {
        Self::saying(taken(0)).await
    }

    /// Answers as it is told.
    pub async fn saying(choice: impl Choose) -> Self {
        Self { http: Scripted::start(choice).await }
    }

    /// A line of the configuration that has traces sent here; `more` follows within the braces.
    pub fn line(&self, more: &str) -> String {
        format!("telemetry: {{otlp: {{endpoint: \"http://{}\"{more}}}}}", self.http.address)
    }

    /// Every span of the batches that came so far, also of those that were not taken.
    pub fn spans(&self) -> Vec<Span> {
        self.http.seen().iter().flat_map(|seen| spans(&seen.request)).collect()
    }

    /// Waits until so many spans have come.
    pub async fn wait(&self, least: usize) -> Vec<Span> {
        loop {
            let spans = self.spans();
            if spans.len() >= least {
                return spans;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The message of a request to a collector.
pub fn message(request: &Request) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(&request.body[..]).expect("a message of the protocol")
}

/// The attributes of who says it, and the spans.
pub fn resource(request: &Request) -> BTreeMap<String, Value> {
    let message = message(request);
    let resource = message.resource_spans[0].resource.clone().expect("a resource");
    attributes(&resource.attributes)
}

fn spans(request: &Request) -> Vec<Span> {
    let message = message(request);
    let scopes = message.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| &scope.spans).map(span).collect()
}

fn span(span: &otlp::Span) -> Span {
    Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name.clone(),
        kind: format!("{:?}", span.kind()),
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        flags: span.flags,
        failed: span.status.as_ref().is_some_and(|status| status.code() == otlp::status::StatusCode::Error),
        attributes: attributes(&span.attributes),
    }
}

fn attributes(all: &[KeyValue]) -> BTreeMap<String, Value> {
    let read: BTreeMap<_, _> = all.iter().map(|it| (it.key.clone(), value(it.value.as_ref()))).collect();
    assert_eq!(read.len(), all.len(), "no attribute stands twice: {all:?}");
    read
}

fn value(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()).expect("an attribute has a value") {
        any_value::Value::StringValue(text) => json!(text),
        any_value::Value::BoolValue(flag) => json!(flag),
        any_value::Value::IntValue(whole) => json!(whole),
        any_value::Value::DoubleValue(number) => json!(number),
        any_value::Value::ArrayValue(list) => list.values.iter().map(|it| self::value(Some(it))).collect(),
        other => panic!("{other:?} is not among what the gateway says"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Span {
    /// An attribute; `null` where there is none.
    pub fn get(&self, key: &str) -> Value {
        self.attributes.get(key).cloned().unwrap_or_default()
    }

    /// How long it took.
    pub fn took(&self) -> Duration {
        Duration::from_nanos(self.end - self.start)
    }

    /// The `traceparent` of what is sent from within it.
    pub fn parent_of(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.id)
    }
}
