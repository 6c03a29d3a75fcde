//! What a client gets as it came, because it speaks the upstream's dialect: only what it cost is added.

use bytes::{Bytes, BytesMut};
use memchr::memmem;

use super::chunk::replaced;
use super::json::RawObject;
use super::sse::SseParser;
use super::usage::FinalUsage;

/// The last event of a message.
const STOP: &[u8] = b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// The last events of a message or a response, from the reason why it ended on, with the cost in their usage. Where the
/// last one of a message did not come, it is added; a response has but one.
pub fn native_end(events: &[Bytes], usage: &FinalUsage) -> Bytes {
    let mut end = BytesMut::new();
    for raw in events {
        end.extend_from_slice(&with_cost(raw, usage));
    }
    // Within what anybody said these quotes are escaped.
    let has = |word: &[u8]| memmem::find(&end, word).is_some();
    if !has(b"\"message_stop\"") && !has(b"\"response\"") {
        end.extend_from_slice(STOP);
    }
    end.freeze()
}

/// A whole message or response with the cost in its usage.
pub(super) fn native_whole(body: &Bytes, usage: &FinalUsage) -> Bytes {
    let own = RawObject::skim(body.clone()).ok();
    let told = own.and_then(|own| match own.get("object") {
        Some(b"\"response\"") => billed(&own, usage),
        _ => marked(&own, usage),
    });
    told.unwrap_or_else(|| body.clone())
}

fn with_cost(raw: &Bytes, usage: &FinalUsage) -> Bytes {
    let mut splitter = SseParser::unbounded();
    splitter.feed(raw.clone());
    let Some(Ok(event)) = splitter.next() else { return raw.clone() };
    let data = RawObject::skim(event.data.clone()).ok();
    let data = data.and_then(|data| response(&data, usage).or_else(|| marked(&data, usage)));
    data.map_or_else(|| raw.clone(), |data| replaced(&event.raw, &event.data, &data))
}

/// The last event of a response, with the response in it.
fn response(event: &RawObject, usage: &FinalUsage) -> Option<Bytes> {
    let response = RawObject::skim(event.bytes().slice_ref(event.get("response")?)).ok()?;
    Some(event.edited(&[("response", Some(&billed(&response, usage)?))]))
}

/// A response with the cost in its usage, which is written anew where the upstream gave none.
fn billed(response: &RawObject, usage: &FinalUsage) -> Option<Bytes> {
    let own = response.get("usage").filter(|own| own.starts_with(b"{")).map(<[u8]>::to_vec);
    let own = own.unwrap_or_else(|| {
        let (input, output) = (usage.usage.prompt(), usage.usage.completion());
        let total = usage.usage.total();
        format!(r#"{{"input_tokens":{input},"output_tokens":{output},"total_tokens":{total}}}"#).into_bytes()
    });
    Some(response.edited(&[("usage", Some(&usage.marked(&own)?))]))
}

fn marked(object: &RawObject, usage: &FinalUsage) -> Option<Bytes> {
    let own = usage.marked(object.get("usage")?)?;
    Some(object.edited(&[("usage", Some(&own))]))
}
