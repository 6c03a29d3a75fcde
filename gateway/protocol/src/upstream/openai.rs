//! A chat → the body of OpenAI's chat completions, whose words it has already.

use bytes::Bytes;

use super::super::chat::ChatRequest;
use super::super::fields::stream_options;
use super::super::json::string;
use super::super::provider_quirks::ProviderQuirks;

/// What an upstream is told beside the client's own words.
#[derive(Debug, Clone, Copy, Default)]
pub struct EncodeOptions<'a> {
    /// Say how probable the tokens are.
    pub logprobs: bool,
    /// The longest answer, in tokens, under the upstream's name for it; where the client sets a limit, that one holds.
    pub longest: Option<(&'a str, u64)>,
    /// What the host wants otherwise than OpenAI has it.
    pub speech: Option<ProviderQuirks<'a>>,
}

impl ChatRequest {
    /// The body for an upstream of the OpenAI dialect: with its name for the model, streamed or not, usage always asked
    /// for in a stream, and with these extras. Every other byte is the client's.
    pub fn encode(&self, model: &str, stream: bool, extras: &EncodeOptions<'_>) -> Bytes {
        let model = string(model);
        let asked = stream.then(|| stream_options(&self.object));
        let word: &[u8] = if stream { b"true" } else { b"false" };
        let mut edits = vec![("model", Some(model.as_bytes()))];
        if stream != self.fields.stream {
            edits.push(("stream", Some(word)));
        }
        edits.push(("stream_options", asked.as_deref()));
        if extras.logprobs {
            edits.push(("logprobs", Some(b"true")));
            // With the runner-up.
            edits.push(("top_logprobs", Some(b"2")));
        }
        let longest = extras.longest.filter(|_| self.max_tokens().is_none());
        let most = longest.map(|(_, most)| most.to_string()).unwrap_or_default();
        if let Some((name, _)) = longest {
            edits.push((name, Some(most.as_bytes())));
        }
        let spoken = extras.speech.map(|speech| self.spoken(&speech)).unwrap_or_default();
        edits.extend(spoken.iter().map(|(name, value)| (*name, value.as_deref())));
        self.object.edited(&edits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HI: &str = r#""messages":[{"role":"user","content":"hi"}]"#;

    fn parse(text: &str) -> ChatRequest {
        ChatRequest::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn an_upstream_gets_the_clients_bytes() {
        let check = |given: &str, model: &str, stream: bool, expected: &str| {
            assert_eq!(parse(given).encode(model, stream, &EncodeOptions::default()), expected, "{given}");
        };
        let hi = HI;
        check(&format!(r#"{{"model":"auto",{hi}}}"#), "m", false, &format!(r#"{{"model":"m",{hi}}}"#));
        check(
            &format!(r#"{{ {hi} , "x":1e400, "model" : "auto" }}"#),
            "a\"b",
            true,
            &format!(
                r#"{{ {hi} , "x":1e400, "model" : "a\"b","stream":true,"stream_options":{{"include_usage":true}} }}"#
            ),
        );
        check(
            &format!(
                r#"{{"model":"auto","stream":true,"stream_options":{{"include_usage":false,"y":[1]}},{hi}}}"#
            ),
            "m",
            true,
            &format!(
                r#"{{"model":"m","stream":true,"stream_options":{{"include_usage":true,"y":[1]}},{hi}}}"#
            ),
        );
        check(
            &format!(r#"{{"model":"auto","stream":true,"stream_options":{{"include_usage":true}},{hi}}}"#),
            "m",
            false,
            &format!(r#"{{"model":"m","stream":false,{hi}}}"#),
        );
        check(
            &format!(r#"{{"model":"auto","stream":null,"stream_options":null,{hi}}}"#),
            "m",
            true,
            &format!(r#"{{"model":"m","stream":true,"stream_options":{{"include_usage":true}},{hi}}}"#),
        );
    }

    #[test]
    fn a_limit_is_added_only_where_the_client_sets_none() {
        let check = |fields: &str, expected: &str| {
            let chat = parse(&format!(r#"{{"model":"m",{HI}{fields}}}"#));
            let sent = chat.encode(
                "m",
                false,
                &EncodeOptions { longest: Some(("max_completion_tokens", 50)), ..EncodeOptions::default() },
            );
            assert_eq!(sent, format!(r#"{{"model":"m",{HI}{expected}}}"#), "{fields}");
        };
        check("", r#","max_completion_tokens":50"#);
        check(r#","max_tokens":null"#, r#","max_tokens":null,"max_completion_tokens":50"#);
        check(r#","max_completion_tokens":null"#, r#","max_completion_tokens":50"#);
        for given in [r#","max_tokens":7"#, r#","max_completion_tokens":70"#] {
            check(given, given);
        }
    }
}
