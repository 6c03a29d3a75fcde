//! A server of scripted models on the loopback interface, which speaks OpenAI's chat completions in streams.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

use super::script::ScriptedModel;
use crate::commands::CommandError;

type ScriptedBody = BoxBody<Bytes, Infallible>;

/// The server. It ends with this value.
pub(super) struct ScriptedProvider {
    /// Where it is.
    pub(super) address: SocketAddr,
    _serving: JoinSet<()>,
}

impl ScriptedProvider {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When no port can be had.
    pub(super) async fn start() -> Result<Self, CommandError> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(CommandError::unavailable)?;
        let address = listener.local_addr().map_err(CommandError::other)?;
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener));
        Ok(Self { address, _serving: serving })
    }
}

async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        // Those that have ended are let go.
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            // A gateway that leaves ends the connection; that is no failure.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<ScriptedBody>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(model) = asked["model"].as_str().and_then(ScriptedModel::named) else {
        let mut refusal =
            Response::new(BoxBody::new(Full::from("{\"error\":{\"message\":\"no such model\"}}")));
        *refusal.status_mut() = StatusCode::NOT_FOUND;
        return Ok(refusal);
    };
    let messages = asked["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let prompt = messages.last().and_then(|message| message["content"].as_str()).unwrap_or_default();
    let limit = asked["max_tokens"].as_u64().or(asked["max_completion_tokens"].as_u64()).unwrap_or(4096);
    let events = events(model, prompt, limit).map(|event| Ok(Frame::data(Bytes::from(event))));
    let mut response = Response::new(BoxBody::new(StreamBody::new(events)));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

/// The answer as events, at the model's pace.
fn events(
    model: ScriptedModel,
    prompt: &str,
    limit: u64,
) -> impl Stream<Item = String> + Send + Sync + use<> {
    let pieces = model.answer(prompt, limit);
    let tokens = pieces.len() as u64;
    // About what a tokenizer makes of it.
    let prompt_tokens = protocol::tokens(prompt) + 4;
    let total = prompt_tokens + tokens;
    let choice = |delta: Value, finish: Value| {
        json!({"id": "scripted", "object": "chat.completion.chunk", "created": 0, "model": model.name(),
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let texts = pieces.into_iter().map(|text| choice(json!({"content": text}), Value::Null).to_string());
    let end = [
        choice(json!({}), "stop".into()).to_string(),
        json!({"id": "scripted", "object": "chat.completion.chunk", "created": 0, "model": model.name(), "choices": [],
            "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": tokens, "total_tokens": total}})
        .to_string(),
        "[DONE]".to_owned(),
    ];
    let all: Vec<String> = texts.chain(end).collect();
    let (silence, between) = (model.silence(), Duration::from_secs(1) / model.pace());
    stream::iter(all.into_iter().enumerate()).then(move |(at, data)| async move {
        sleep(if at == 0 { silence } else { between }).await;
        format!("data: {data}\n\n")
    })
}
