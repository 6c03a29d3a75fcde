use bytes::Bytes;
use gateway_config::{ModelTakes, OutputLimitField, ThinkingConfig};
use protocol::client::ClientRequest;
use protocol::{ApiEndpoint, ChatRequest, EffortStyle, EncodedRequest, ProviderQuirks, UpstreamApi};
use serde_json::Value;

/// A request of this kind keeps to what `request` says.
pub fn chat_request(input: &[u8]) {
    request(ApiEndpoint::Chat, input);
}

/// A request of this kind keeps to what `request` says.
pub fn completion_request(input: &[u8]) {
    request(ApiEndpoint::Completions, input);
}

/// A request of this kind keeps to what `request` says.
pub fn responses_request(input: &[u8]) {
    request(ApiEndpoint::Responses, input);
}

/// A request of this kind keeps to what `request` says.
pub fn messages_request(input: &[u8]) {
    request(ApiEndpoint::Messages, input);
}

/// A request of this kind keeps to what `request` says.
pub fn embeddings_request(input: &[u8]) {
    request(ApiEndpoint::Embeddings, input);
}

/// A request is refused with a word for its client, or it is a chat that every upstream is sent in words that can be read,
/// and its client is told an answer the same way however that comes.
fn request(endpoint: ApiEndpoint, input: &[u8]) {
    let read = || endpoint.read(Bytes::copy_from_slice(input), "id");
    let request = match read() {
        Ok(request) => request,
        Err(why) => {
            assert!(!why.message.is_empty());
            return;
        }
    };
    let chat = &request.chat;
    let _ = (chat.prompt(), chat.question(), chat.needs(), chat.simple(), chat.structured(), chat.pictures());
    for dialect in [UpstreamApi::OpenAi, UpstreamApi::Anthropic, UpstreamApi::Gemini, UpstreamApi::Responses]
    {
        for effort in [EffortStyle::Word, EffortStyle::Tokens] {
            sent(chat, dialect, effort);
        }
    }
    if !chat.is_for_embeddings() {
        said(&read, input.len());
    }
}

/// What is sent is JSON; in our own dialect it is the same chat once more.
fn sent(chat: &ChatRequest, dialect: UpstreamApi, effort: EffortStyle) {
    let (thinking, takes) = (ThinkingConfig::default(), ModelTakes::default());
    let told = EncodedRequest {
        model: "m",
        stream: true,
        logprobs: false,
        longest: Some(4096),
        limit: "max_tokens",
        most: 4096,
        effort,
        thoughts: true,
        speech: ProviderQuirks {
            limit: OutputLimitField::AsWritten,
            thinking: &thinking,
            prefix: None,
            takes: &takes,
        },
    };
    let sent = dialect.encode(chat, &told);
    assert_eq!(sent.is_ok(), dialect.takes(chat, effort, &takes).is_ok(), "what is taken can be sent");
    let Ok(sent) = sent else { return };
    protocol::RawObject::skim(sent.clone()).expect("an upstream is sent an object");
    if dialect == UpstreamApi::OpenAi && !chat.is_for_embeddings() {
        let again = ChatRequest::parse(sent.clone()).expect("what is sent is a chat");
        assert!(again.model() == "m" && again.stream(), "as it was told");
        assert_eq!(texts(&again), texts(chat), "no word is lost");
        let twice = dialect.encode(&again, &told).expect("what was sent can be sent");
        assert_eq!(sent, twice, "what was sent is sent as it is");
    }
}

fn texts(chat: &ChatRequest) -> Vec<String> {
    chat.prompt().turns.into_iter().map(|turn| turn.text.into_owned()).collect()
}

const EVENTS: &str = concat!(
    "data: {\"id\":\"x\",\"created\":7,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"why\"}}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"好 {\\\"a\\\":1}\"}}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
);

const WHOLE: &str = r#"{"id":"x","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":
    {"role":"assistant","content":"好 {\"a\":1}","reasoning_content":"why"},"finish_reason":"stop"}],
    "usage":{"prompt_tokens":3,"completion_tokens":2}}"#;

/// The client is told the same however the answer's events come, and what it is told is JSON.
fn said<E: std::fmt::Debug>(read: &impl Fn() -> Result<ClientRequest, E>, at: usize) {
    let encoder = || read().expect("it was read before").encoder;
    let (all, cut) = (Bytes::from_static(EVENTS.as_bytes()), at % EVENTS.len());
    let once = without_clock(&encoder().events(all.clone()));
    let mut twice = encoder();
    let pieces = [twice.events(all.slice(..cut)), twice.events(all.slice(cut..))].concat();
    assert_eq!(once, without_clock(&pieces));
    if let Some(whole) = encoder().whole(Bytes::from_static(WHOLE.as_bytes())) {
        serde_json::from_slice::<Value>(&whole).expect("an answer is JSON");
    }
}

/// The data of events.
fn without_clock(events: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(events).expect("events are text");
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).expect("what a client is told is JSON"))
        .collect()
}
