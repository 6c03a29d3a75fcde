//! What a scripted upstream does with one request: a list of steps, at the level of bytes.

use std::time::Duration;

/// Steps, played in order. When they end, the connection waits for the next request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    /// In order.
    pub steps: Vec<Step>,
}

/// One thing that an upstream does.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Sends bytes as they are.
    Say(Vec<u8>),
    /// Sends bytes as one chunk of the chunked coding.
    Chunk(Vec<u8>),
    /// Generates tokens: from here on they are billed, whether anyone reads them or not.
    Bill(Billed),
    /// Does nothing for a while.
    Pause(Duration),
    /// Does nothing until the peer leaves.
    Stall,
    /// Sends the bytes one at a time, with a pause before each.
    Drip(Vec<u8>, Duration),
    /// Sends the bytes again and again until the peer leaves, as fast as it reads.
    Flood(Vec<u8>),
    /// Ends the connection in order.
    Close,
    /// Ends the connection with a reset.
    Reset,
}

/// Tokens that an upstream would put on its bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Billed {
    /// Tokens of prompts, cached ones among them.
    pub input: u64,
    /// Tokens of prompts that were in the provider's cache.
    pub cached: u64,
    /// Tokens of answers.
    pub output: u64,
}

impl std::ops::AddAssign for Billed {
    fn add_assign(&mut self, other: Self) {
        self.input += other.input;
        self.cached += other.cached;
        self.output += other.output;
    }
}

impl Script {
    /// A whole answer with a stated length.
    pub fn whole(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let length = body.as_ref().len().to_string();
        let headers = [headers, &[("content-length", length.as_str())]].concat();
        let mut bytes = head(status, &headers);
        bytes.extend_from_slice(body.as_ref());
        Self::default().say(bytes)
    }

    /// A whole answer in JSON.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::whole(status, &[("content-type", "application/json")], body.to_string())
    }

    /// The head of a stream of server-sent events; chunks and [`Script::end`] follow.
    pub fn events() -> Self {
        Self::chunked(200, &[("content-type", "text/event-stream")])
    }

    /// The head of an answer in chunks.
    pub fn chunked(status: u16, headers: &[(&str, &str)]) -> Self {
        let headers = [headers, &[("transfer-encoding", "chunked")]].concat();
        Self::default().say(head(status, &headers))
    }

    /// Adds a step.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds another script's steps.
    pub fn then(mut self, other: Self) -> Self {
        self.steps.extend(other.steps);
        self
    }

    /// Sends bytes as they are.
    pub fn say(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Say(bytes.into()))
    }

    /// Sends one chunk.
    pub fn chunk(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Chunk(bytes.into()))
    }

    /// Sends one event with this data, as one chunk.
    pub fn event(self, data: impl std::fmt::Display) -> Self {
        self.chunk(format!("data: {data}\n\n"))
    }

    /// Bills tokens of the prompt.
    pub fn bill_input(self, input: u64) -> Self {
        self.step(Step::Bill(Billed { input, ..Billed::default() }))
    }

    /// Bills tokens of the answer.
    pub fn bill_output(self, output: u64) -> Self {
        self.step(Step::Bill(Billed { output, ..Billed::default() }))
    }

    /// Does nothing for a while.
    pub fn pause(self, time: Duration) -> Self {
        self.step(Step::Pause(time))
    }

    /// Does nothing until the peer leaves.
    pub fn stall(self) -> Self {
        self.step(Step::Stall)
    }

    /// Ends the connection in order.
    pub fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Ends the connection with a reset.
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// Ends an answer in chunks.
    pub fn end(self) -> Self {
        self.say("0\r\n\r\n")
    }

    /// Keeps everything before chunk number `count`, counted from 0; what follows is left out, and not billed.
    pub fn until_chunk(mut self, count: usize) -> Self {
        let at = self.place_of_chunk(count);
        self.steps.truncate(at);
        while let Some(Step::Bill(_)) = self.steps.last() {
            self.steps.pop();
        }
        self
    }

    /// Sends one more chunk before chunk number `count`, counted from 0.
    pub fn insert_chunk(mut self, count: usize, bytes: impl Into<Vec<u8>>) -> Self {
        let at = self.place_of_chunk(count);
        self.steps.insert(at, Step::Chunk(bytes.into()));
        self
    }

    /// Where chunk number `count` is among the steps; their end when there are fewer.
    fn place_of_chunk(&self, count: usize) -> usize {
        let chunks = self.steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Chunk(_)));
        { chunks }.nth(count).map_or(self.steps.len(), |(at, _)| at)
    }

    /// Pauses before each chunk.
    pub fn paced(self, pause: Duration) -> Self {
        let pace = |step| match step {
            Step::Chunk(_) => vec![Step::Pause(pause), step],
            other => vec![other],
        };
        Self { steps: self.steps.into_iter().flat_map(pace).collect() }
    }

    /// The same bytes in chunks of at most `size` bytes, without regard for characters or lines.
    pub fn in_pieces(self, size: usize) -> Self {
        let split = |step| match step {
            Step::Chunk(bytes) => bytes.chunks(size).map(|piece| Step::Chunk(piece.to_vec())).collect(),
            other => vec![other],
        };
        Self { steps: self.steps.into_iter().flat_map(split).collect() }
    }

    /// What a reader of the body sees if nothing goes wrong: the contents of all chunks.
    pub fn chunks_joined(&self) -> Vec<u8> {
        let chunk = |step: &Step| if let Step::Chunk(bytes) = step { bytes.clone() } else { Vec::new() };
        self.steps.iter().flat_map(chunk).collect()
    }

    /// What is billed if all steps are played.
    pub fn billed(&self) -> Billed {
        let mut sum = Billed::default();
        for step in &self.steps {
            if let Step::Bill(billed) = step {
                sum += *billed;
            }
        }
        sum
    }
}

fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    (head + "\r\n").into_bytes()
}
