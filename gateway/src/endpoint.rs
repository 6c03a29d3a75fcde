//! The data port's API as a list: which paths there are, what method each answers, and whose clients ask there.

use http::{HeaderMap, Method};

use crate::error::ApiError;
use crate::record::RecordedCall;
use protocol::client::ClientVendor;
use upstreams::header_names;

/// Paths that exist, with the one method that each answers. A path is compared as it came: nothing is decoded, folded
/// or resolved, so that what is checked is what is served.
const PATHS: [(&str, &str, RecordedCall); 7] = [
    ("/v1/chat/completions", "POST", RecordedCall::Chat),
    ("/v1/completions", "POST", RecordedCall::Completions),
    ("/v1/responses", "POST", RecordedCall::Responses),
    ("/v1/messages", "POST", RecordedCall::Messages),
    ("/v1/messages/count_tokens", "POST", RecordedCall::CountTokens),
    ("/v1/embeddings", "POST", RecordedCall::Embeddings),
    ("/v1/models", "GET", RecordedCall::Models),
];
const ONE_MODEL: &str = "/v1/models/";
/// What lies below belongs to Anthropic's API alone.
const ANTHROPIC: &str = "/v1/messages";

/// Which call a request makes, and the rest of its path.
pub fn find<'a>(
    method: &Method,
    uri: &'a http::Uri,
) -> Result<(RecordedCall, Option<&'a str>), (RecordedCall, ApiError)> {
    let path = uri.path();
    let found =
        PATHS.iter().find(|(known, ..)| *known == path).map(|(_, allowed, call)| (*allowed, *call, None));
    let one = path
        .strip_prefix(ONE_MODEL)
        .filter(|name| !name.is_empty())
        .map(|name| ("GET", RecordedCall::Models, Some(name)));
    match found.or(one) {
        None => Err((RecordedCall::Unknown, ApiError::NoSuchPath)),
        Some((allowed, call, name)) if method.as_str() == allowed => Ok((call, name)),
        Some((allowed, call, _)) => Err((call, ApiError::WrongMethod(allowed))),
    }
}

/// Whose clients send such a request: what shape lists and errors have for them.
pub fn vendor(path: &str, headers: &HeaderMap) -> ClientVendor {
    let below = path.strip_prefix(ANTHROPIC).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let elsewhere = PATHS.iter().any(|(known, _, call)| *known == path && *call != RecordedCall::Models);
    if below || (!elsewhere && headers.contains_key(header_names::ANTHROPIC_VERSION)) {
        ClientVendor::Anthropic
    } else {
        ClientVendor::OpenAi
    }
}

/// How a call is made; of lists of models the shorter path.
pub fn method_and_path(call: RecordedCall) -> Option<(&'static str, &'static str)> {
    PATHS.iter().find(|(_, _, known)| *known == call).map(|(path, method, _)| (*method, *path))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_exact_paths_exist() {
        let check = |method: &str, uri: &str, expected: Result<Option<&str>, u16>| {
            let uri: http::Uri = uri.parse().unwrap();
            let got = find(&method.parse().unwrap(), &uri);
            let got = got.map(|(_, name)| name).map_err(|(_, failure)| failure.status());
            assert_eq!(got, expected, "{method} {uri}");
        };
        check("POST", "/v1/chat/completions", Ok(None));
        check("POST", "/v1/chat/completions?api-version=1", Ok(None));
        check("GET", "/v1/chat/completions", Err(405));
        check("GET", "/v1/models", Ok(None));
        check("GET", "/v1/models/auto", Ok(Some("auto")));
        check("DELETE", "/v1/models/auto", Err(405));
        check("POST", "/v1/messages?beta=true", Ok(None));
        check("POST", "/v1/messages/count_tokens", Ok(None));
        check("GET", "/v1/messages", Err(405));
        check("POST", "/v1/messages/batches", Err(404));
        check("POST", "/v1/responses", Ok(None));
        check("GET", "/v1/responses/resp_1", Err(404));
        check("POST", "/v1/completions", Ok(None));
        check("GET", "/v1/models/", Err(404));
        check("POST", "/v1//chat/completions", Err(404));
        check("POST", "/v1/%63hat/completions", Err(404));
        check("POST", "/v1/./chat/completions", Err(404));
        check("POST", "/V1/chat/completions", Err(404));
        check("GET", "/metrics", Err(404));
        check("GET", "/", Err(404));
    }

    #[test]
    fn errors_are_in_the_dialect_of_the_path() {
        let check = |path: &str, anthropic: bool, expected: ClientVendor| {
            let mut headers = HeaderMap::new();
            if anthropic {
                headers.insert(header_names::ANTHROPIC_VERSION, HeaderValue::from_static("2023-06-01"));
            }
            assert_eq!(vendor(path, &headers), expected, "{path} {anthropic}");
        };
        check("/v1/messages", false, ClientVendor::Anthropic);
        check("/v1/messages/count_tokens", false, ClientVendor::Anthropic);
        check("/v1/messages/batches", false, ClientVendor::Anthropic);
        check("/v1/messagesx", false, ClientVendor::OpenAi);
        check("/v1/models", false, ClientVendor::OpenAi);
        check("/v1/models", true, ClientVendor::Anthropic);
        check("/v1/models/auto", true, ClientVendor::Anthropic);
        check("/nowhere", true, ClientVendor::Anthropic);
        check("/v1/chat/completions", true, ClientVendor::OpenAi);
        check("/v1/responses", true, ClientVendor::OpenAi);
    }
}
