//! A whole answer as the stream that it would have been, for upstreams that do not stream when asked to.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::chunk::{ResponseChunk, read_chunk};
use super::completion::CompletionBody;
use super::sse::SseParser;
use super::write::DONE;

impl CompletionBody {
    /// Its chunks: what each choice says, why each ended, the usage if there is any, the marker.
    pub fn unfold(&self) -> Vec<ResponseChunk> {
        let Ok(Value::Object(mut answer)) = serde_json::from_slice(self.bytes()) else { return Vec::new() };
        let choices = match answer.remove("choices") {
            Some(Value::Array(choices)) => choices,
            _ => Vec::new(),
        };
        let usage = answer.remove("usage").filter(|usage| !usage.is_null());
        answer.insert("object".into(), "chat.completion.chunk".into());
        let (said, ended): (Vec<_>, Vec<_>) = choices.into_iter().enumerate().map(parts).unzip();
        let mut events = vec![event(&answer, said.into(), None), event(&answer, ended.into(), None)];
        if let Some(usage) = usage {
            events.push(event(&answer, json!([]), Some(usage)));
        }
        events.push(Bytes::from_static(DONE));
        events.into_iter().flat_map(chunks).collect()
    }
}

/// What a choice says, and how it ends.
fn parts((at, choice): (usize, Value)) -> (Value, Value) {
    let index = choice.get("index").cloned().unwrap_or_else(|| at.into());
    // A completion has a text in place of a message.
    let text = || choice.get("text").map_or_else(|| json!({}), |text| json!({ "content": text }));
    let mut delta = choice.get("message").cloned().unwrap_or_else(text);
    if let Some(Value::Array(calls)) = delta.get_mut("tool_calls") {
        for (index, call) in calls.iter_mut().enumerate() {
            if let Value::Object(call) = call {
                // Some that have one write the same for all.
                call.insert("index".into(), index.into());
            }
        }
    }
    let logprobs = choice.get("logprobs").cloned().unwrap_or(Value::Null);
    // One that does not say why it ended has ended all the same: the upstream sent it as whole.
    let finish =
        choice.get("finish_reason").filter(|it| it.is_string()).cloned().unwrap_or_else(|| "stop".into());
    (
        json!({"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": null}),
        json!({"index": index, "delta": {}, "logprobs": null, "finish_reason": finish}),
    )
}

fn event(answer: &Map<String, Value>, choices: Value, usage: Option<Value>) -> Bytes {
    let mut chunk = answer.clone();
    chunk.insert("choices".into(), choices);
    if let Some(usage) = usage {
        chunk.insert("usage".into(), usage);
    }
    format!("data: {}\n\n", Value::Object(chunk)).into()
}

fn chunks(event: Bytes) -> Vec<ResponseChunk> {
    let mut splitter = SseParser::with_cap(event.len());
    splitter.feed(event);
    std::iter::from_fn(|| splitter.next()).filter_map(Result::ok).map(read_chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::super::aggregate::ResponseAggregator;
    use super::super::chunk::ChunkKind;
    use super::super::usage::FinalUsage;
    use super::*;

    /// Unfolded and gathered again it is the same answer.
    #[test]
    fn an_answer_survives() {
        let call =
            json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}});
        for message in [
            json!({"role": "assistant", "content": "你好\n", "refusal": null}),
            json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": [call]}),
            json!({"role": "assistant", "content": "x", "reasoning_content": "hm", "refusal": null}),
        ] {
            let answer = json!({
                "id": "1", "object": "chat.completion", "created": 7, "model": "m",
                "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "length"}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 2},
            });
            let whole = CompletionBody::parse(answer.to_string().into()).unwrap();
            let chunks = whole.unfold();
            assert_eq!(chunks.last().map(|chunk| &chunk.what), Some(&ChunkKind::Done));
            let mut gather = ResponseAggregator::new();
            chunks.iter().for_each(|chunk| gather.see(chunk).unwrap());
            let again: Value = serde_json::from_slice(&gather.whole(&FinalUsage::default())).unwrap();
            assert_eq!(again, answer);
            let finished = chunks
                .iter()
                .filter(|chunk| matches!(&chunk.what, ChunkKind::Piece(it) if it.finish.is_some()));
            assert_eq!(finished.count(), 1);
        }
    }
}
