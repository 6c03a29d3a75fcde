//! The chunk that ends a stream with what it used.

use bytes::Bytes;

use super::json::RawObject;
use super::usage::FinalUsage;
use super::write::{ChunkMeta, head};

/// The last usage chunk of a stream, `data: {…}\n\n`. `last` is the data of the upstream's last chunk with usage: the
/// chunk and its usage object are kept with no choices and with the cost added. Without one, or with tokens estimated, the
/// usage is written anew, under `stamp` if there is no chunk.
#[inline]
pub fn usage_chunk(last: Option<&[u8]>, stamp: &ChunkMeta<'_>, usage: &FinalUsage) -> Bytes {
    let last = last.and_then(|last| RawObject::skim(Bytes::copy_from_slice(last)).ok());
    let object = usage.object(last.as_ref().and_then(|last| last.get("usage")));
    let chunk = last.or_else(|| RawObject::skim(head(stamp, "chat.completion.chunk").into()).ok());
    let edits = [("choices", Some(b"[]".as_slice())), ("usage", Some(&object[..]))];
    let chunk = chunk.map(|chunk| chunk.edited(&edits)).unwrap_or_default();
    [b"data: ", &chunk[..], b"\n\n"].concat().into()
}

#[cfg(test)]
mod tests {
    use router_policies::{Money, Usage};

    use super::*;

    const STAMP: ChunkMeta<'_> = ChunkMeta { id: "chatcmpl-1", created: 7, model: "m", fingerprint: None };

    #[test]
    fn the_last_chunk_keeps_what_the_upstream_said() {
        let usage = Usage { input: 2, cached_input: 3, output: 4, ..Usage::default() };
        let cost = Some(Money(420_000));
        let last =
            br#"{"id":"u","model":"real","choices":[{"delta":{}}],"usage":{"prompt_tokens":5, "x":{"y":1}}}"#;
        let check = |last: Option<&[u8]>, usage: FinalUsage, expected: &str| {
            assert_eq!(usage_chunk(last, &STAMP, &usage), format!("data: {expected}\n\n"));
        };
        check(
            Some(last),
            FinalUsage { usage, cost, resumed: false, summed: false, account: None },
            r#"{"id":"u","model":"real","choices":[],"usage":{"prompt_tokens":5, "x":{"y":1},"cost":0.00042}}"#,
        );
        check(
            Some(last),
            FinalUsage {
                usage: Usage { estimated: true, ..usage },
                cost: None,
                resumed: false,
                summed: false,
                account: None,
            },
            r#"{"id":"u","model":"real","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":4,"total_tokens":9,"prompt_tokens_details":{"cached_tokens":3},"estimated":true}}"#,
        );
        check(
            None,
            FinalUsage {
                usage: Usage { cache_write: 1, ..usage },
                cost,
                resumed: true,
                summed: false,
                account: None,
            },
            r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m","choices":[],"usage":{"prompt_tokens":6,"completion_tokens":4,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":1},"cost":0.00042,"resumed":true}}"#,
        );
        check(
            None,
            FinalUsage {
                usage: Usage { cached_input: 0, reasoning: 1, ..usage },
                cost,
                resumed: true,
                summed: false,
                account: None,
            },
            r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m","choices":[],"usage":{"prompt_tokens":2,"completion_tokens":5,"total_tokens":7,"completion_tokens_details":{"reasoning_tokens":1},"cost":0.00042,"resumed":true}}"#,
        );
    }
}
