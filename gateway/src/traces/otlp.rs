//! The messages of OpenTelemetry's protocol that are said and heard here (OTLP 1.x: opentelemetry/proto/trace/v1,
//! common/v1, resource/v1, collector/trace/v1). Fields that are never said are left out.

use std::time::SystemTime;

use prost::{Enumeration, Message, Oneof};

/// A span.
#[derive(Clone, PartialEq, Message)]
pub struct OtlpSpan {
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    /// Empty: none.
    #[prost(bytes = "vec", tag = "4")]
    pub parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub name: String,
    #[prost(enumeration = "SpanKind", tag = "6")]
    pub kind: i32,
    #[prost(fixed64, tag = "7")]
    pub start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    pub status: Option<SpanStatus>,
    /// Those of the trace, and whether the parent is known to be remote.
    #[prost(fixed32, tag = "16")]
    pub flags: u32,
}

/// What a span is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum SpanKind {
    Unspecified = 0,
    /// Work in this process.
    Internal = 1,
    /// A request that came.
    Server = 2,
    /// A request that was sent.
    Client = 3,
}

/// How it ended.
#[derive(Clone, PartialEq, Message)]
pub struct SpanStatus {
    #[prost(enumeration = "SpanStatusCode", tag = "3")]
    pub code: i32,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum SpanStatusCode {
    Unset = 0,
    Ok = 1,
    Error = 2,
}

/// An attribute.
#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

/// Its value.
#[derive(Clone, PartialEq, Message)]
pub struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 2, 3, 4, 5")]
    pub value: Option<Value>,
}

/// What a value can be.
#[derive(Clone, PartialEq, Oneof)]
pub enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Flag(bool),
    #[prost(int64, tag = "3")]
    Whole(i64),
    #[prost(double, tag = "4")]
    Number(f64),
    #[prost(message, tag = "5")]
    List(ArrayValue),
}

/// Several values.
#[derive(Clone, PartialEq, Message)]
pub struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<AnyValue>,
}

/// Who says it.
#[derive(Clone, PartialEq, Message)]
pub struct OtlpResource {
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

/// What part of it says it.
#[derive(Clone, PartialEq, Message)]
pub struct InstrumentationScope {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
}

/// What a collector answers.
#[derive(Clone, PartialEq, Message)]
pub struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<PartialSuccess>,
}

/// What of it the collector did not take.
#[derive(Clone, PartialEq, Message)]
pub struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub rejected_spans: i64,
}

/// Attributes, one after the other.
#[derive(Default)]
pub struct AttributeList(pub Vec<KeyValue>);

impl AttributeList {
    pub fn text(&mut self, key: &str, value: impl Into<String>) {
        self.add(key, Value::Text(value.into()));
    }

    pub fn flag(&mut self, key: &str, value: bool) {
        self.add(key, Value::Flag(value));
    }

    pub fn whole(&mut self, key: &str, value: u64) {
        self.add(key, Value::Whole(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    pub fn number(&mut self, key: &str, value: f64) {
        self.add(key, Value::Number(value));
    }

    pub fn texts(&mut self, key: &str, values: &[&str]) {
        let value = |text: &&str| AnyValue { value: Some(Value::Text((*text).to_owned())) };
        self.add(key, Value::List(ArrayValue { values: values.iter().map(value).collect() }));
    }

    fn add(&mut self, key: &str, value: Value) {
        self.0.push(KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) });
    }
}

/// Nanoseconds since 1970.
pub fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
