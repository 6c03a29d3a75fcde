//! One question over the wire: the request as a stream, and what came back.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::proof::answers::{AskedForm, Call, Token};
use crate::proof::exam::ExamQuestion;
use crate::wire;

/// An answer as it came, with nothing judged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// The model that the last piece of the answer was of, as it says itself.
    pub model: String,
    /// The text, all pieces joined.
    pub text: String,
    /// Calls of functions.
    pub calls: Vec<Call>,
    /// The tokens of the text, where the model told them.
    pub tokens: Vec<Token>,
    /// Why it ended, as the API says; empty where it did not.
    pub finish: String,
    /// Tokens of the prompt and of the answer.
    pub usage: [u32; 2],
    /// Until the first piece of text or call, in seconds from the request; the whole time where none came.
    pub first_token: f64,
    /// Until the end, in seconds from the request.
    pub total: f64,
}

/// What a model says, or how it refused.
pub enum Said {
    /// An answer.
    Answer(Box<Reply>),
    /// A status other than 200, with the body.
    Refusal(u16, String),
}

/// The request for a question as it stands, with the probabilities of the answer's tokens. What a model cannot be given
/// goes another way: functions in words, and the form of the answer not at all.
pub fn request(question: &ExamQuestion, model: &str, form: AskedForm, temperature: f64) -> Value {
    let mut body = json!({
        "model": model,
        "messages": question.messages,
        "max_tokens": question.max_tokens,
        "temperature": temperature,
        "seed": 7,
        "stream": true,
        "stream_options": {"include_usage": true},
        "logprobs": true,
        "top_logprobs": 2,
    });
    match (form, &question.tools) {
        (AskedForm::AsItIs, Some(tools)) => body["tools"] = tools.clone(),
        (AskedForm::InWords, Some(tools)) => body["messages"] = json!(in_words(&question.messages, tools)),
        _ => {}
    }
    if let (AskedForm::AsItIs, Some(format)) = (form, &question.response_format) {
        body["response_format"] = format.clone();
    }
    body
}

/// Functions as the templates of Qwen2.5 tell a model of them, in the system message.
fn in_words(messages: &[Value], tools: &Value) -> Vec<Value> {
    let (system, rest) = match messages.split_first() {
        Some((first, rest)) if first["role"] == "system" => {
            (first["content"].as_str().unwrap_or_default(), rest)
        }
        _ => ("You are a helpful assistant.", messages),
    };
    let functions: Vec<String> =
        tools.as_array().into_iter().flatten().map(|tool| tool.to_string()).collect();
    let told = format!(
        "{system}\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n\
         You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n{}\n</tools>\n\n\
         For each function call, return a json object with function name and arguments within \
         <tool_call></tool_call> XML tags:\n<tool_call>\n\
         {{\"name\": <function-name>, \"arguments\": <args-json-object>}}\n</tool_call>",
        functions.join("\n")
    );
    [json!({"role": "system", "content": told})].into_iter().chain(rest.iter().cloned()).collect()
}

/// Asks, and reads to the end. `id` is the request's name in the gateway's log.
///
/// # Errors
/// A stream that breaks off, in the gateway's words.
pub async fn ask(address: SocketAddr, id: &str, body: &Value) -> Result<Said, String> {
    let bytes =
        wire::request("POST", "/v1/chat/completions", &[("x-request-id", id)], body.to_string().as_bytes());
    let began = Instant::now();
    let mut live = wire::open(address, &bytes).await;
    if live.status() != 200 {
        let status = live.status();
        return Ok(Said::Refusal(status, live.rest().await.text()));
    }
    let mut reply = Reply::default();
    let mut done = false;
    while let Some(event) = live.event().await {
        if event.data == "[DONE]" {
            done = true;
            continue;
        }
        let chunk = event.json();
        if !chunk["error"].is_null() {
            return Err(format!("the stream ended with {}", chunk["error"]));
        }
        if reply.take(&chunk) && reply.first_token == 0.0 {
            reply.first_token = began.elapsed().as_secs_f64();
        }
    }
    if !done {
        return Err("the stream broke off".to_owned());
    }
    reply.total = began.elapsed().as_secs_f64();
    if reply.first_token == 0.0 {
        reply.first_token = reply.total;
    }
    Ok(Said::Answer(Box::new(reply)))
}

impl Reply {
    /// Takes a chunk, and says whether it had anything of the answer.
    fn take(&mut self, chunk: &Value) -> bool {
        let count = |value: &Value| value.as_u64().and_then(|it| u32::try_from(it).ok());
        if let Some(prompt) = count(&chunk["usage"]["prompt_tokens"]) {
            self.usage = [prompt, count(&chunk["usage"]["completion_tokens"]).unwrap_or(0)];
        }
        if let Some(model) = chunk["model"].as_str().filter(|model| !model.is_empty()) {
            model.clone_into(&mut self.model);
        }
        let choice = &chunk["choices"][0];
        if let Some(finish) = choice["finish_reason"].as_str() {
            finish.clone_into(&mut self.finish);
        }
        let tokens = choice["logprobs"]["content"].as_array();
        self.tokens.extend(tokens.into_iter().flatten().filter_map(token));
        let text = choice["delta"]["content"].as_str().unwrap_or_default();
        self.text.push_str(text);
        let calls = choice["delta"]["tool_calls"].as_array();
        calls.into_iter().flatten().for_each(|call| self.take_call(call));
        !text.is_empty() || calls.is_some()
    }

    fn take_call(&mut self, call: &Value) {
        let at = call["index"].as_u64().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
        if self.calls.len() <= at {
            self.calls.resize(at + 1, Call::default());
        }
        let piece = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.calls[at].name += &piece(&call["function"]["name"]);
        self.calls[at].arguments += &piece(&call["function"]["arguments"]);
    }
}

/// A token and its log-probability, with those of the two likeliest, rounded.
fn token(entry: &Value) -> Option<Token> {
    let rounded = |value: &Value| value.as_f64().map(|it| (it.min(0.0) * 1e4).round() / 1e4);
    let likeliest = |at: usize| rounded(&entry["top_logprobs"][at]["logprob"]).unwrap_or(f64::MIN);
    let two = (entry["top_logprobs"].as_array().is_some_and(|top| top.len() > 1))
        .then(|| [likeliest(0), likeliest(1)]);
    Some(Token(entry["token"].as_str()?.to_owned(), rounded(&entry["logprob"])?, two))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_becomes_an_answer() {
        let mut reply = Reply::default();
        let logprobs = json!({"content": [
            {"token": "Hi", "logprob": -0.12345, "top_logprobs": [{"logprob": -0.12345}, {"logprob": -2.5}]},
        ]});
        let chunks = [
            (json!({"model": "small", "choices": [{"delta": {"role": "assistant"}}]}), false),
            (json!({"choices": [{"delta": {"content": "Hi"}, "logprobs": logprobs}]}), true),
            (
                json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]}}]}),
                true,
            ),
            (
                json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}}]}),
                true,
            ),
            (json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}), false),
            (json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}), false),
        ];
        for (chunk, any) in chunks {
            assert_eq!(reply.take(&chunk), any, "{chunk}");
        }
        assert_eq!((reply.model.as_str(), reply.text.as_str()), ("small", "Hi"));
        assert_eq!(reply.tokens, [Token("Hi".to_owned(), -0.1235, Some([-0.1235, -2.5]))]);
        assert_eq!(reply.calls, [Call { name: "f".to_owned(), arguments: "{}".to_owned() }]);
        assert_eq!((reply.finish.as_str(), reply.usage), ("tool_calls", [9, 4]));
    }

    #[test]
    fn functions_in_words_keep_the_system_message() {
        let tools = json!([{"type": "function", "function": {"name": "f"}}]);
        let told =
            in_words(&[json!({"role": "system", "content": "Be brief."}), json!({"role": "user"})], &tools);
        let system = told[0]["content"].as_str().unwrap();
        assert!(system.starts_with("Be brief.\n\n# Tools") && system.contains("\"name\":\"f\""), "{system}");
        assert_eq!(told.len(), 2);
        assert_eq!(in_words(&[json!({"role": "user"})], &tools).len(), 2);
    }
}
