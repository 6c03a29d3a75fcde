//! Asks a gateway a question as any client would, for commands that do.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use gateway_config::Secret;
use http::HeaderMap;
use protocol::SseParser;
use reqwest::{Client, RequestBuilder, Response, Url};
use router_policies::Money;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::CommandError;
use upstreams::header_names;

/// How long a gateway may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// A gateway by its address.
#[derive(Clone)]
pub(super) struct GatewayClient {
    http: Client,
    base: String,
    key: Option<Secret>,
}

/// What a gateway answered, and what it said of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct GatewayAnswer {
    /// The text.
    pub(super) answer: String,
    /// The model that wrote it.
    pub(super) model: Option<String>,
    /// One minus the chance that the smallest model suffices.
    pub(super) difficulty: Option<f64>,
    /// How models were asked.
    pub(super) plan: Option<String>,
    /// Why the first of them was chosen.
    pub(super) reason: Option<String>,
    /// Attempts at models.
    pub(super) attempts: Option<u64>,
    /// What all attempts cost.
    pub(super) cost: Option<f64>,
    /// The largest model of the route.
    pub(super) baseline_model: Option<String>,
    /// What the same answer would have cost from it.
    pub(super) baseline_cost: Option<f64>,
    /// The currency of both.
    pub(super) currency: Option<String>,
    /// Tokens of the prompt.
    pub(super) prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    pub(super) completion_tokens: Option<u64>,
    /// Why the answer ended.
    pub(super) finish_reason: Option<String>,
    /// The request's name in the gateway's log.
    pub(super) request_id: Option<String>,
    /// Until the first text.
    pub(super) first_token_seconds: Option<f64>,
    /// Until the end.
    pub(super) seconds: f64,
}

impl GatewayClient {
    /// The gateway at this URL, with or without `/v1`; the key is the client's, if it has one.
    ///
    /// # Errors
    /// What is no URL of HTTP, and a key that no header can carry.
    pub(super) fn new(url: &str, key: Option<Secret>) -> Result<Self, CommandError> {
        let wrong = |why: &dyn std::fmt::Display| {
            CommandError::usage(format!(
                "`{url}` is no URL of a gateway ({why}); one looks like http://127.0.0.1:8080"
            ))
        };
        let parsed = Url::parse(url).map_err(|why| wrong(&why))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(wrong(&"it begins with neither http:// nor https://"));
        }
        // A password must not be told again in a message, and a path is added to what is given.
        let beside =
            [parsed.username(), parsed.password().unwrap_or_default()].iter().any(|it| !it.is_empty());
        if beside || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(CommandError::usage(
                "the address has more than a host, a port and a path; the key is given by --key or XIETONG_KEY",
            ));
        }
        if key.as_ref().is_some_and(|key| http::HeaderValue::from_str(key.reveal()).is_err()) {
            return Err(CommandError::usage("the key has characters that no header can carry"));
        }
        // Whoever called may have installed one already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // As for upstreams, no proxy of the environment's is used and no redirect is followed.
        let http = Client::builder()
            .connect_timeout(CONNECT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("xietong/", env!("CARGO_PKG_VERSION")));
        let base = url.trim_end_matches('/').trim_end_matches("/v1").to_owned();
        Ok(Self { http: http.build().map_err(CommandError::other)?, base, key })
    }

    /// The first route that the client may ask for, else the first model.
    ///
    /// # Errors
    /// A gateway that cannot be reached or refuses.
    pub(super) async fn first_route(&self) -> Result<String, CommandError> {
        let response = self.send(self.http.get(format!("{}/v1/models", self.base))).await?;
        let list: Value = serde_json::from_slice(&whole(response).await?).unwrap_or_default();
        let data = list["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let route = data.iter().find(|entry| entry["owned_by"] == "xietong").or(data.first());
        route.and_then(|entry| entry["id"].as_str()).map(str::to_owned).ok_or_else(|| {
            CommandError::unavailable(format!("{} lists no models: it is no Xietong", self.base))
        })
    }

    /// Asks, hands over the text as it comes, and gives what the gateway said of the answer.
    ///
    /// # Errors
    /// A gateway that cannot be reached, that refuses, or whose answer breaks off.
    pub(super) async fn ask(
        &self,
        body: &Value,
        mut heard: impl FnMut(&str),
    ) -> Result<GatewayAnswer, CommandError> {
        let mut body = body.clone();
        body["stream"] = true.into();
        body["stream_options"] = json!({"include_usage": true});
        let began = Instant::now();
        let request = self.http.post(format!("{}/v1/chat/completions", self.base));
        let request = request
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(header_names::ACCOUNT, "true")
            .body(body.to_string());
        let response = self.send(request).await?;
        let mut reading = AnswerReading { answer: of_headers(response.headers()), ..Default::default() };
        let mut events = SseParser::unbounded();
        let mut bytes = response.bytes_stream();
        while let Some(more) = bytes.next().await {
            events.feed(more.map_err(|_| self.broken())?);
            while let Some(event) = events.next() {
                let data = event.map_err(CommandError::other)?.data;
                if let Some(text) = reading.event(&data)? {
                    reading.answer.first_token_seconds.get_or_insert(began.elapsed().as_secs_f64());
                    heard(&text);
                }
            }
        }
        if !reading.done {
            return Err(self.broken());
        }
        Ok(GatewayAnswer { seconds: began.elapsed().as_secs_f64(), ..reading.answer })
    }

    fn broken(&self) -> CommandError {
        CommandError::unavailable(format!("{} broke the answer off", self.base))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, CommandError> {
        let request = match &self.key {
            Some(key) => request.bearer_auth(key.reveal()),
            None => request,
        };
        let response = request.send().await.map_err(|why| {
            let why = if why.is_timeout() { "it does not answer" } else { "nobody listens there" };
            CommandError::unavailable(format!("{} cannot be reached: {why}", self.base))
        })?;
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(response);
        }
        let body = whole(response).await.unwrap_or_default();
        Err(refused(status, &serde_json::from_slice(&body).unwrap_or_default()))
    }
}

/// An amount that an answer names.
pub(super) fn in_nanos(units: f64) -> Money {
    Money((units * 1e9).round() as i64)
}

async fn whole(response: Response) -> Result<Bytes, CommandError> {
    response.bytes().await.map_err(|_| CommandError::unavailable("the gateway broke its answer off"))
}

/// What a refusal means for who asked.
fn refused(status: u16, body: &Value) -> CommandError {
    let message = body["error"]["message"].as_str().unwrap_or("it gives no reason");
    match status {
        401 => CommandError::usage(format!("the gateway asks for a key: set XIETONG_KEY. {message}")),
        400 | 403 | 404 | 413 | 422 => {
            CommandError::usage(format!("the gateway refused ({status}): {message}"))
        }
        _ => CommandError::unavailable(format!("the gateway could not answer ({status}): {message}")),
    }
}

/// What headers say of a decision.
fn of_headers(headers: &HeaderMap) -> GatewayAnswer {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let number = |name| text(name).and_then(|value| value.parse().ok());
    GatewayAnswer {
        model: text(header_names::MODEL),
        difficulty: number(header_names::DIFFICULTY),
        plan: text(header_names::PLAN),
        reason: text(header_names::REASON),
        request_id: text(header_names::REQUEST_ID),
        ..GatewayAnswer::default()
    }
}

/// A stream on its way.
#[derive(Default)]
struct AnswerReading {
    answer: GatewayAnswer,
    done: bool,
}

impl AnswerReading {
    /// Takes an event's data; gives what it adds to the text.
    fn event(&mut self, data: &[u8]) -> Result<Option<String>, CommandError> {
        if data == b"[DONE]" {
            self.done = true;
        }
        let Ok(chunk) = serde_json::from_slice::<Value>(data) else { return Ok(None) };
        if let Some(message) = chunk["error"]["message"].as_str() {
            return Err(CommandError::unavailable(format!("the answer broke off: {message}")));
        }
        let answer = &mut self.answer;
        let usage = &chunk["usage"];
        if usage.is_object() {
            answer.cost = usage["cost"].as_f64();
            answer.prompt_tokens = usage["prompt_tokens"].as_u64();
            answer.completion_tokens = usage["completion_tokens"].as_u64();
            let account = &usage["account"];
            let text = |name: &str| account[name].as_str().map(str::to_owned);
            // A stream's head may have been written before another model took over.
            answer.model = text("model").or(answer.model.take());
            answer.attempts = account["attempts"].as_u64();
            answer.baseline_model = text("baseline_model");
            answer.baseline_cost = account["baseline_cost"].as_f64();
            answer.currency = text("currency");
        }
        let choice = &chunk["choices"][0];
        if let Some(reason) = choice["finish_reason"].as_str() {
            answer.finish_reason = Some(reason.to_owned());
        }
        let text = choice["delta"]["content"].as_str().filter(|text| !text.is_empty());
        answer.answer.push_str(text.unwrap_or_default());
        Ok(text.map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_as_people_write_them() {
        let check = |url: &str, expected: Result<&str, &str>| {
            let client = GatewayClient::new(url, None);
            match expected {
                Ok(base) => assert_eq!(client.unwrap().base, base, "{url}"),
                Err(part) => {
                    let fault = client.err().unwrap();
                    assert!(fault.to_string().contains(part) && fault.code() == 2, "{url}: {fault}");
                }
            }
        };
        check("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080"));
        check("http://127.0.0.1:8080/v1/", Ok("http://127.0.0.1:8080"));
        check("https://gateway.example/ai/v1", Ok("https://gateway.example/ai"));
        check("127.0.0.1:8080", Err("no URL"));
        check("ftp://127.0.0.1", Err("neither http:// nor https://"));
        check("", Err("no URL"));
        assert!(GatewayClient::new("http://h", Some(Secret::new("a\nb"))).is_err());
    }

    #[test]
    fn a_refusal_has_its_exit_code() {
        let body = json!({"error": {"message": "So it is."}});
        for (status, code, part) in [
            (401, 2, "XIETONG_KEY"),
            (404, 2, "refused (404): So it is."),
            (413, 2, "So it is."),
            (402, 69, "could not answer (402)"),
            (429, 69, "So it is."),
            (503, 69, "So it is."),
        ] {
            let fault = refused(status, &body);
            assert!(fault.code() == code && fault.to_string().contains(part), "{status}: {fault}");
        }
        assert!(refused(500, &Value::Null).to_string().contains("no reason"));
    }

    #[test]
    fn a_stream_is_read_to_its_account() {
        let mut reading = AnswerReading::default();
        reading.answer.model = Some("small".to_owned());
        let events = [
            r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"delta":{"content":"Par"}}]}"#,
            r#"{"choices":[{"delta":{"content":"is"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"cost":0.5,"account":{"model":"large","attempts":2,"baseline_model":"large","baseline_cost":0.4,"currency":"CNY"}}}"#,
            "[DONE]",
        ];
        let said: Vec<_> = events.iter().map(|data| reading.event(data.as_bytes()).unwrap()).collect();
        assert_eq!(said, [None, Some("Par".to_owned()), Some("is".to_owned()), None, None]);
        let answer = &reading.answer;
        assert_eq!((answer.answer.as_str(), answer.model.as_deref()), ("Paris", Some("large")));
        assert_eq!((answer.cost, answer.baseline_cost, answer.attempts), (Some(0.5), Some(0.4), Some(2)));
        assert!(reading.done);
        let fault = reading.event(br#"{"error":{"message":"Too bad."}}"#).unwrap_err();
        assert_eq!((fault.code(), fault.to_string().as_str()), (69, "the answer broke off: Too bad."));
    }
}
