//! What the `scripted-upstream` program does, by the name of the model it is asked for.

use serde_json::{Value, json};

use crate::obedient::{self, texts};
use crate::openai::{Reply, error};
use crate::scripted::{Request, Script};

/// The names and what they do, for people.
pub const REPERTOIRE: &str = "\
  says        a sentence about Paris
  chinese     a sentence in Chinese, cut into chunks of 5 bytes when streamed
  echoes      the request's own body, as the text of the answer
  calls       a call of the tool get_weather
  loops       the call that the prompt's last word `CALL:TOOL:ARGUMENTS` asks for, and once a tool has given something
              back, that
  fits        an object that fits the schema asked for
  hundred     a hundred tokens, one a chunk
  thinks      a thought, and a sentence
  vectors     two vectors, as numbers or in base64, as asked
  cut         a stream that is reset after three chunks
  error-NNN   an error with that status
  obeys-NAME  what the prompt's words `NAME:ORDER` say, ORDER being one of wait=MS (before the answer), pace=MS (before
              each chunk), say=TOKENS, come=NUMBER (what it comes to in the end), input=TOKENS, cached=TOKENS,
              probable=0.9, refuse, cut, garble (an event that is no JSON), error=NNN
anything else 404 model_not_found";

/// The script for a request.
pub fn by_model(request: &Request) -> Script {
    let model = request.model();
    let known = match request.path().rsplit('/').next() {
        Some("embeddings") => model == "vectors",
        _ => request.path().ends_with("/chat/completions"),
    };
    if !known {
        return error(404, "no_such_path");
    }
    let give = |reply: Reply| {
        let reply = reply.model(&model);
        if request.asks_stream() { reply.stream(request.asks_usage()) } else { reply.whole() }
    };
    match model.as_str() {
        "says" => give(Reply::text("Paris is the capital of France.")),
        "chinese" => give(Reply::text("巴黎是法国的首都。")).in_pieces(5),
        "echoes" => give(Reply::pieces([String::from_utf8_lossy(&request.body)])),
        "calls" => give(Reply::text("").calling("get_weather", r#"{"city": "巴黎"}"#)),
        "loops" => give(loops(&request.json())),
        "fits" => {
            give(Reply::text(&fit(&request.json()["response_format"]["json_schema"]["schema"]).to_string()))
        }
        "hundred" => give(hundred()),
        "thinks" => give(Reply::text("Paris.").thinking("France, so Paris.")),
        "vectors" => vectors(request),
        "cut" => give(Reply::text("Paris is the capital of France.")).until_chunk(3).reset(),
        other if other.starts_with("obeys-") => obedient::script(&other["obeys-".len()..], request),
        other => match other.strip_prefix("error-").and_then(|status| status.parse().ok()) {
            Some(status) => error(status, code(status)),
            None => error(404, "model_not_found"),
        },
    }
}

/// The call that the prompt asks for, or what the tool gave back.
fn loops(chat: &Value) -> Reply {
    let messages = chat["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(given) = messages.last().filter(|message| message["role"] == "tool") {
        return Reply::text(&format!("The tool gave: {}", texts(given)));
    }
    let said: Vec<String> = messages.iter().map(texts).collect();
    let mut asked =
        said.iter().flat_map(|text| text.split_whitespace()).filter_map(|word| word.strip_prefix("CALL:"));
    match asked.next_back().and_then(|call| call.split_once(':')) {
        Some((tool, arguments)) => Reply::text("").calling(tool, arguments),
        None => Reply::text("Nothing to call."),
    }
}

/// A value that fits a plain schema: of objects, lists, texts, numbers and truths.
fn fit(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            properties
                .map(|(name, schema)| (name.clone(), fit(schema)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        Some("array") => json!([fit(&schema["items"])]),
        Some("string") => json!("巴黎"),
        Some("integer" | "number") => json!(2),
        Some("boolean") => json!(true),
        _ => Value::Null,
    }
}

/// The vectors [1, -0.5] and [0.25, 2].
fn vectors(request: &Request) -> Script {
    let vectors = match request.json()["encoding_format"].as_str() {
        Some("base64") => [json!("AACAPwAAAL8="), json!("AACAPgAAAEA=")],
        _ => [json!([1.0, -0.5]), json!([0.25, 2.0])],
    };
    let vector = |(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector});
    let data: Vec<_> = vectors.into_iter().enumerate().map(vector).collect();
    let usage = json!({"prompt_tokens": 4, "total_tokens": 4});
    Script::json(200, &json!({"object": "list", "model": "vectors", "data": data, "usage": usage}))
}

/// A hundred tokens, one a chunk.
pub fn hundred() -> Reply {
    Reply::pieces((0..100).map(|number| format!("{number} ")))
}

fn code(status: u16) -> &'static str {
    match status {
        401 => "invalid_api_key",
        404 => "model_not_found",
        429 => "rate_limit_exceeded",
        503 => "server_is_overloaded",
        _ => "scripted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_what_the_prompt_asks_for_and_says_what_it_gave() {
        let asked =
            json!([{"role": "user", "content": [{"type": "text", "text": "CALL:read:{\"n\":1} please"}]}]);
        assert_eq!(loops(&json!({"messages": asked})).whole_text(), "");
        assert_eq!(loops(&json!({"messages": asked})).billed().output, 1);
        let given = json!([asked[0], {"role": "tool", "content": "rain"}]);
        assert_eq!(loops(&json!({"messages": given})).whole_text(), "The tool gave: rain");
    }

    #[test]
    fn an_object_fits_its_schema() {
        let list = json!({"type": "array", "items": {"type": "integer"}});
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "sizes": list}});
        assert_eq!(fit(&schema), json!({"city": "巴黎", "sizes": [2]}));
    }
}
