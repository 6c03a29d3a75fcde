//! What a client gets as it came, because it speaks the upstream's dialect: only what it cost is added.

use bytes::{Bytes, BytesMut};
use memchr::memmem;

use super::super::chunk::replaced;
use super::super::json::Object;
use super::super::sse::Splitter;
use super::super::usage::FinalUsage;

/// The last event of a message.
const STOP: &[u8] = b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// The last events of a message, from the reason why it ended on, with the cost in their usage. Where the last one did not
/// come, it is added.
pub fn native_end(events: &[Bytes], usage: &FinalUsage) -> Bytes {
    let mut end = BytesMut::new();
    for raw in events {
        end.extend_from_slice(&with_cost(raw, usage));
    }
    if memmem::find(&end, b"\"message_stop\"").is_none() {
        end.extend_from_slice(STOP);
    }
    end.freeze()
}

/// A whole message with the cost in its usage.
pub(in super::super) fn native_whole(body: &Bytes, usage: &FinalUsage) -> Bytes {
    Object::skim(body.clone()).ok().and_then(|body| marked(&body, usage)).unwrap_or_else(|| body.clone())
}

fn with_cost(raw: &Bytes, usage: &FinalUsage) -> Bytes {
    let mut splitter = Splitter::new();
    splitter.feed(raw.clone());
    let Some(Ok(event)) = splitter.next() else { return raw.clone() };
    let data = Object::skim(event.data.clone()).ok().and_then(|data| marked(&data, usage));
    data.map_or_else(|| raw.clone(), |data| replaced(&event.raw, &event.data, &data))
}

fn marked(object: &Object, usage: &FinalUsage) -> Option<Bytes> {
    let own = usage.marked(object.get("usage")?)?;
    Some(object.edited(&[("usage", Some(&own))]))
}
