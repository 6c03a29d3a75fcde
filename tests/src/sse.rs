//! Server-sent events as WHATWG defines them, read from whole bytes.
//!
//! Written apart from the gateway's own reader, so that each can prove the other wrong.

use serde_json::Value;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its `event:` field; empty when it has none.
    pub name: String,
    /// Its `data:` fields, joined by line feeds.
    pub data: String,
}

impl Event {
    /// The data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|why| panic!("{why} in event {:?}", self.data))
    }
}

/// The events in `bytes`; what follows the last empty line is no event.
pub fn events(bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut name = String::new();
    let mut data = Vec::new();
    for line in lines(bytes) {
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                if !data.is_empty() {
                    events.push(Event { name: std::mem::take(&mut name), data: data.join("\n") });
                }
                name.clear();
                data.clear();
            }
            "event" => name = value.to_owned(),
            "data" => data.push(value.to_owned()),
            _ => {}
        }
    }
    events
}

/// How many comment lines there are in `bytes`.
pub fn comments(bytes: &[u8]) -> usize {
    lines(bytes).iter().filter(|line| line.starts_with(':')).count()
}

/// Complete lines, ended by CR, LF or CRLF.
fn lines(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at < bytes.len() {
        if matches!(bytes[at], b'\r' | b'\n') {
            lines.push(String::from_utf8_lossy(&bytes[start..at]).into_owned());
            at += usize::from(bytes[at..].starts_with(b"\r\n"));
            start = at + 1;
        }
        at += 1;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatwg() {
        let check = |bytes: &str, expected: &[(&str, &str)]| {
            let found = events(bytes.as_bytes());
            let found: Vec<_> =
                found.iter().map(|event| (event.name.as_str(), event.data.as_str())).collect();
            assert_eq!(found, expected, "{bytes:?}");
        };
        check("data: a\n\ndata:b\r\n\r\ndata:  c\r\r", &[("", "a"), ("", "b"), ("", " c")]);
        check("event: error\ndata: 1\ndata: 2\n\n", &[("error", "1\n2")]);
        check(": comment\nid: 7\nretry: 1\n\ndata\n\n", &[("", "")]);
        check("\u{feff}data: 巴黎\n\ndata: unfinished\n", &[("", "巴黎")]);
        check("event: lost\n\ndata: x\n\n", &[("", "x")]);
    }
}
