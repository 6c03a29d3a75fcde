//! Headers of HTTP that the gateway reads and writes.

use http::{HeaderName, header};

use upstreams::header_names;

/// A header, and what it says.
pub type HeaderEntry = (HeaderName, &'static str);

/// Headers of a client's request that the gateway reads.
pub fn from_clients() -> Vec<HeaderEntry> {
    vec![
        (header::AUTHORIZATION, "The client's key, as `Bearer KEY`."),
        (header_names::API_KEY, "The client's key, as Anthropic's clients send it."),
        (header_names::AZURE_API_KEY, "The client's key, as Azure's clients send it."),
        (header::CONTENT_TYPE, "The body's type. Only JSON is taken."),
        (header::CONTENT_ENCODING, "The body's compression. Only `identity` is taken."),
        (
            header_names::REQUEST_ID,
            "The request's name in answer, log and trace, if it is 1 to 128 letters, digits or `-_.:`. Otherwise the gateway makes one.",
        ),
        (
            header_names::ANTHROPIC_VERSION,
            "Lists of models and errors come in Anthropic's shape, on paths that both APIs have.",
        ),
        (header_names::ANTHROPIC_BETA, "Passed on to endpoints that speak Anthropic's API."),
        (
            header_names::TRACEPARENT,
            "The caller's trace, which the gateway's spans join. Passed on to upstreams.",
        ),
        (header_names::TRACESTATE, "Passed on to upstreams with the trace."),
        (header_names::LOCALITY, "`local`: only local models may answer. Honoured for every client."),
        (
            header_names::ROUTE,
            "The route or model to ask, in place of the body's `model`. Only with `routing_overrides: true`.",
        ),
        (
            header_names::MIN_TIER,
            "The smallest model of the route that may answer. Only with `routing_overrides: true`.",
        ),
        (
            header_names::MAX_TIER,
            "The largest model of the route that may answer. Only with `routing_overrides: true`.",
        ),
        (
            header_names::ACCOUNT,
            "`true`: `usage.account` of the answer says which model answered, after how many attempts, and what the same answer would have cost from the route's largest model. Left out on routes that say `expose_decisions: false`.",
        ),
        (
            header_names::SESSION,
            "The conversation that the request belongs to. Only with `routing_overrides: true`.",
        ),
        (header::ACCEPT, "On the admin port's `/metrics`: whether the scraper wants OpenMetrics."),
    ]
}

/// Headers of the gateway's answers, those of the HTTP connection itself left out.
pub fn to_clients() -> Vec<HeaderEntry> {
    vec![
        (header::CONTENT_TYPE, "The body's type."),
        (header::CACHE_CONTROL, "`no-cache`, on streams."),
        (header_names::REQUEST_ID, "The request's name, on every answer of the data port."),
        (header_names::ANTHROPIC_REQUEST_ID, "The same, where Anthropic's clients look for it."),
        (
            header_names::MODEL,
            "The model that answered, by its name in the configuration. Not on a stream whose head left before its answer began (`limits.heartbeat`).",
        ),
        (header_names::PLAN, "How models were asked: a word of `xietong_decisions_total{plan}`."),
        (
            header_names::REASON,
            "Why the first model was chosen: a word of `xietong_decisions_total{reason}`.",
        ),
        (
            header_names::DIFFICULTY,
            "One minus the chance that the smallest model suffices, 0 to 1, to two places. Only where the prompt was scored.",
        ),
        (
            header_names::WHY,
            "The features of the prompt that moved the difficulty most, three at most, with what each adds to the difficulty for a model of around 8B: `demanding task +0.31, length +0.12`. Only where the prompt was scored and one moved it.",
        ),
        (
            header_names::ATTEMPTS,
            "How many attempts at upstreams were made until the answer's head. Not on a stream whose head left before its answer began.",
        ),
        (
            header_names::DEGRADED,
            "`true` where a smaller model answered than was to, because the larger ones could not.",
        ),
        (
            header_names::COST,
            "What all attempts cost, in the currency of accounts. Only on answers that are no streams.",
        ),
        (
            header_names::LEFT_OUT,
            "The fields of the request that the model which answered does not take, or that its API has no place for. The answer \
             was made without them.",
        ),
        (header_names::LIMIT_REQUESTS, "The client's limit of requests a minute."),
        (header_names::REMAINING_REQUESTS, "How many of them are left."),
        (header_names::RESET_REQUESTS, "Until all of them are there again, such as `1.5s`."),
        (header_names::LIMIT_TOKENS, "The client's limit of tokens a minute."),
        (header_names::REMAINING_TOKENS, "How many of them are left."),
        (header_names::RESET_TOKENS, "Until all of them are there again, such as `1.5s`."),
        (
            header::RETRY_AFTER,
            "In whole seconds: when the client may try again. The gateway's own, or the provider's.",
        ),
        (
            header_names::SHOULD_RETRY,
            "`false` where the gateway's own tries are spent. The SDKs of OpenAI and Anthropic then do not try again.",
        ),
        (header::ALLOW, "The method that the path answers, with 405."),
        (header::CONNECTION, "`close` where the gateway closes the connection after this answer."),
        (header_names::UPSTREAM_REQUEST_ID, "The provider's name for the request, where it gave one."),
        (header_names::OPENAI_PROCESSING, "Passed on from the provider."),
        (header_names::OPENAI_VERSION, "Passed on from the provider."),
    ]
}

/// Headers of the gateway's requests to upstreams, beside those that the configuration adds (`headers`).
pub fn to_upstreams() -> Vec<HeaderEntry> {
    vec![
        (header::AUTHORIZATION, "The endpoint's `api_key`, as `Bearer KEY`, for OpenAI's API."),
        (header_names::API_KEY, "The endpoint's `api_key`, for Anthropic's API."),
        (header_names::AZURE_API_KEY, "The endpoint's `api_key`, for Azure's API."),
        (HeaderName::from_static("x-goog-api-key"), "The endpoint's `api_key`, for Gemini's API."),
        (header_names::ANTHROPIC_VERSION, "The version of Anthropic's API that the gateway speaks."),
        (header_names::ANTHROPIC_BETA, "The client's, and those of the configuration."),
        (header::CONTENT_TYPE, "`application/json`."),
        (header::ACCEPT, "JSON, or events for a stream."),
        (header::ACCEPT_ENCODING, "`identity`: upstreams are asked not to compress."),
        (header::USER_AGENT, "The gateway and its version."),
        (header_names::REQUEST_ID, "The request's name."),
        (header_names::TRACEPARENT, "The trace that the attempt belongs to."),
        (header_names::TRACESTATE, "The caller's."),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_ours_is_explained() {
        let all = [from_clients(), to_clients(), to_upstreams()].concat();
        for name in header_names::NAMES {
            assert!(all.iter().any(|(known, _)| *known == name), "{name} is in no table of headers");
        }
    }
}
