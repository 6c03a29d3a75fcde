//! Spans on their way to a collector, written as they come.

use bytes::{Bytes, BytesMut};
use gateway_config::OtlpConfig;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, message};

use super::FinishedTrace;
use super::otlp::{AttributeList, InstrumentationScope, OtlpResource};
use super::spans::spans;
use crate::build_info::VERSION;

/// Numbers of fields (OTLP: ExportTraceServiceRequest, ResourceSpans, ScopeSpans).
const RESOURCE_SPANS: u32 = 1;
const RESOURCE: u32 = 1;
const SCOPE_SPANS: u32 = 2;
const SCOPE: u32 = 1;
const SPANS: u32 = 2;

/// Spans of requests, as the field of a message.
#[derive(Default)]
pub(super) struct SpanBatch {
    spans: BytesMut,
    count: u64,
}

impl SpanBatch {
    /// Adds a request's.
    pub(super) fn add(&mut self, ended: &FinishedTrace) {
        for span in spans(ended) {
            message::encode(SPANS, &span, &mut self.spans);
            self.count += 1;
        }
    }

    /// How many spans there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The request to a collector.
    pub(super) fn request(self, from: &BatchSender) -> Bytes {
        let within_scope = [&from.scope[..], &self.spans].concat();
        let within_resource = [&from.resource[..], &field(SCOPE_SPANS, &within_scope)].concat();
        field(RESOURCE_SPANS, &within_resource).into()
    }
}

/// What is said of this gateway with each batch, as fields of messages.
pub(super) struct BatchSender {
    resource: Vec<u8>,
    scope: Vec<u8>,
}

impl BatchSender {
    pub(super) fn of(otlp: &OtlpConfig) -> Self {
        let mut attributes = AttributeList::default();
        attributes.text("service.name", otlp.service.as_str());
        attributes.text("service.version", VERSION);
        otlp.attributes.iter().for_each(|(key, value)| attributes.text(key, value.as_str()));
        let scope = InstrumentationScope { name: "xietong".to_owned(), version: VERSION.to_owned() };
        let resource = OtlpResource { attributes: attributes.0 };
        Self {
            resource: field(RESOURCE, &resource.encode_to_vec()),
            scope: field(SCOPE, &scope.encode_to_vec()),
        }
    }
}

/// A message as a field of another.
fn field(number: u32, message: &[u8]) -> Vec<u8> {
    let mut field = Vec::with_capacity(message.len() + 12);
    encode_key(number, WireType::LengthDelimited, &mut field);
    encode_varint(message.len() as u64, &mut field);
    field.extend_from_slice(message);
    field
}
