//! An upstream that does what a prompt tells it, so that a client in any language can stage what it wants.

use std::time::Duration;

use serde_json::Value;

use crate::openai::{Reply, error};
use crate::scripted::{Choose, Request, Script};

/// What a prompt told one upstream by words such as `small:say=20`.
#[derive(Debug, Clone, PartialEq)]
struct Orders {
    wait: Duration,
    pace: Duration,
    tokens: u64,
    input: u64,
    cached: u64,
    probability: f64,
    comes_to: Option<u64>,
    refuses: bool,
    cut: bool,
    garbles: bool,
    error: Option<u16>,
}

impl Default for Orders {
    fn default() -> Self {
        Self {
            wait: Duration::ZERO,
            pace: Duration::ZERO,
            tokens: 8,
            input: 11,
            cached: 0,
            probability: 0.9,
            comes_to: None,
            refuses: false,
            cut: false,
            garbles: false,
            error: None,
        }
    }
}

impl Orders {
    /// Reads the words of a prompt that begin with `name:`; others are not for us.
    fn read(name: &str, prompt: &str) -> Self {
        let mut orders = Self::default();
        let ours = prompt.split_whitespace().filter_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
        for order in ours {
            let (word, value) = order.split_once('=').unwrap_or((order, "0"));
            let number = value.parse::<f64>().unwrap_or_else(|why| panic!("{why}: {order}"));
            match word {
                "wait" => orders.wait = Duration::from_secs_f64(number / 1e3),
                "pace" => orders.pace = Duration::from_secs_f64(number / 1e3),
                "say" => orders.tokens = number as u64,
                "input" => orders.input = number as u64,
                "cached" => orders.cached = number as u64,
                "probable" => orders.probability = number,
                "come" => orders.comes_to = Some(number as u64),
                "refuse" => orders.refuses = true,
                "cut" => orders.cut = true,
                "garble" => orders.garbles = true,
                "error" => orders.error = Some(number as u16),
                _ => panic!("no such order: {order}"),
            }
        }
        orders
    }

    fn reply(&self) -> Reply {
        let reply = match self.refuses {
            true => Reply::text("I'm sorry, but I don't know the answer to that."),
            false => {
                let words = (0..self.tokens).map(|number| format!("word{number} "));
                Reply::pieces(words.chain(self.comes_to.map(|result| format!("#### {result}"))))
            }
        };
        reply.input(self.input, self.cached.min(self.input)).probable(self.probability)
    }
}

/// The script for a request to the upstream of that name.
pub fn script(name: &str, request: &Request) -> Script {
    let body = request.json();
    let said: Vec<String> = body["messages"].as_array().into_iter().flatten().map(texts).collect();
    let orders = Orders::read(name, &said.join(" "));
    let (reply, stream) = (orders.reply().model(&request.model()), request.asks_stream());
    let answer = match orders.error {
        Some(status) => error(status, "as_told"),
        None if stream && orders.cut => reply.choose(request).until_chunk(3).reset(),
        None if stream && orders.garbles => reply.choose(request).insert_chunk(2, "data: {no JSON\n\n"),
        None if stream => reply.choose(request).paced(orders.pace),
        None if orders.cut => Script::default().reset(),
        None => reply.choose(request),
    };
    Script::default().pause(orders.wait).then(answer)
}

/// The text of a message, be it one or in parts.
pub(crate) fn texts(message: &Value) -> String {
    let parts = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let parts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
    message["content"].as_str().map_or_else(|| parts.join(" "), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heeds_its_own_name_alone() {
        let orders = Orders::read("small", "small:say=20 large:error=503 small:wait=30 why is it so?");
        let wait = Duration::from_millis(30);
        assert_eq!(orders, Orders { tokens: 20, wait, ..Orders::default() });
        assert_eq!(Orders::read("large", "small:say=20 large:error=503").error, Some(503));
    }
}
