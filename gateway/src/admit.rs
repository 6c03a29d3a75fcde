//! Who is calling, may they, and what do they send: from a connection's request to a caller and a body.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use gateway_config::{ClientConfig, RequestLimits};
use http::{HeaderMap, HeaderName, header};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::{Instant, timeout_at};

use crate::error::ApiError;
use crate::routing_overrides::RoutingOverrides;
use crate::snapshot::Snapshot;
use upstreams::header_names;

/// Who was let in.
#[derive(Debug, Clone)]
pub struct Caller {
    /// `None` on an open port.
    pub client: Option<Arc<ClientConfig>>,
    /// What it asks for in headers, where it may.
    pub hints: RoutingOverrides,
}

impl Caller {
    /// Reads the credentials and hints of a request.
    ///
    /// # Errors
    /// A missing, wrong or doubled key.
    pub fn of(snapshot: &Snapshot, headers: &HeaderMap) -> Result<Self, ApiError> {
        let client = if snapshot.config.clients.is_empty() { None } else { Some(client(snapshot, headers)?) };
        let mut hints = RoutingOverrides {
            local_only: text(headers, header_names::LOCALITY) == Some("local"),
            ..RoutingOverrides::default()
        };
        if client.as_ref().is_some_and(|client| client.hints) {
            let owned = |name| text(headers, name).map(str::to_owned);
            hints.route = owned(header_names::ROUTE);
            hints.min_tier = owned(header_names::MIN_TIER);
            hints.max_tier = owned(header_names::MAX_TIER);
            hints.session = owned(header_names::SESSION);
        }
        // Staying local only ever restricts, so it is honoured for everyone: a private prompt must not leave because
        // an entry lacks `routing_overrides: true`.
        hints.local_only |= client.as_ref().is_some_and(|client| client.local_only);
        hints.client = client.as_ref().map(|client| client.name.clone());
        hints.priced_only = client.as_ref().is_some_and(|client| client.budget.is_some());
        Ok(Self { client, hints })
    }

    /// The name for fair queues.
    pub fn name(&self) -> &str {
        self.client.as_ref().map_or("", |client| &client.name)
    }
}

fn client(snapshot: &Snapshot, headers: &HeaderMap) -> Result<Arc<ClientConfig>, ApiError> {
    let key = key(headers)?.ok_or(ApiError::MissingCredentials)?;
    let hash: [u8; 32] = Sha256::digest(key).into();
    // The table is found by the hash, which tells nothing about the key; the comparison takes the same time for any.
    let client = snapshot.client(&hash).ok_or(ApiError::InvalidCredentials)?;
    if bool::from(client.key.0.ct_eq(&hash)) {
        Ok(Arc::clone(client))
    } else {
        Err(ApiError::InvalidCredentials)
    }
}

/// The one key of a request, from `authorization: Bearer`, `x-api-key` or `api-key`.
fn key(headers: &HeaderMap) -> Result<Option<&[u8]>, ApiError> {
    let bearer = headers.get_all(header::AUTHORIZATION).iter().map(|value| {
        let value = value.as_bytes();
        let (scheme, key) = value.split_at(value.len().min(7));
        if scheme.eq_ignore_ascii_case(b"bearer ") {
            Ok(key.trim_ascii())
        } else {
            Err(ApiError::InvalidCredentials)
        }
    });
    let plain = [header_names::API_KEY, header_names::AZURE_API_KEY]
        .into_iter()
        .flat_map(|name| headers.get_all(name))
        .map(|value| Ok(value.as_bytes()));
    let mut only = None;
    for key in bearer.chain(plain) {
        let key = key?;
        if only.is_some_and(|only| only != key) {
            return Err(ApiError::AmbiguousCredentials);
        }
        only = Some(key);
    }
    Ok(only.filter(|key| !key.is_empty()))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|value| !value.is_empty())
}

/// Reads a JSON body within the limits.
///
/// # Errors
/// A body that is too large, too slow, broken off, compressed, or not called JSON.
pub async fn body<B>(headers: &HeaderMap, mut incoming: B, limits: &RequestLimits) -> Result<Bytes, ApiError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    if !is_json(headers) {
        return Err(ApiError::NotJson);
    }
    if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(ApiError::UnsupportedEncoding);
    }
    let promised = incoming.size_hint().lower();
    if promised > limits.body as u64 {
        return Err(ApiError::TooLarge(limits.body));
    }
    let deadline = Instant::now() + limits.body_time;
    let mut body = Bytes::new();
    let mut more: Option<BytesMut> = None;
    loop {
        let frame = match timeout_at(deadline, incoming.frame()).await {
            Err(_) => return Err(ApiError::BodyTimeout(limits.body_time)),
            Ok(None) => return Ok(more.map_or(body, BytesMut::freeze)),
            Ok(Some(Err(_))) => return Err(ApiError::IncompleteBody),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        let have = more.as_ref().map_or(body.len(), BytesMut::len);
        if have + data.len() > limits.body {
            return Err(ApiError::TooLarge(limits.body));
        }
        match &mut more {
            Some(more) => more.extend_from_slice(&data),
            // Most bodies come in one piece. A copy of it: the piece itself is part of the connection's buffer, which could
            // not be used again, and would be kept beside a second one for as long as the answer takes.
            None if body.is_empty() => body = Bytes::copy_from_slice(&data),
            None => {
                let promised = usize::try_from(promised).unwrap_or_default().min(limits.body);
                let mut joined = BytesMut::with_capacity(promised.max(have + data.len()));
                joined.extend_from_slice(&body);
                joined.extend_from_slice(&data);
                body = Bytes::new();
                more = Some(joined);
            }
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let mut parts = kind.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    json && charset
        .is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8"))
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn one_key_is_found_wherever_clients_put_it() {
        let check = |list: &[(&'static str, &str)], expected: Result<Option<&str>, u16>| {
            let headers = headers(list);
            let got = key(&headers)
                .map(|key| key.map(|key| std::str::from_utf8(key).unwrap()))
                .map_err(|f| f.status());
            assert_eq!(got, expected, "{list:?}");
        };
        check(&[], Ok(None));
        check(&[("authorization", "Bearer k1")], Ok(Some("k1")));
        check(&[("authorization", "bearer  k1 ")], Ok(Some("k1")));
        check(&[("authorization", "Bearer ")], Ok(None));
        check(&[("authorization", "Basic azE6")], Err(401));
        check(&[("authorization", "k1")], Err(401));
        check(&[("x-api-key", "k1")], Ok(Some("k1")));
        check(&[("api-key", "k1")], Ok(Some("k1")));
        check(&[("authorization", "Bearer k1"), ("x-api-key", "k1")], Ok(Some("k1")));
        check(&[("authorization", "Bearer k1"), ("x-api-key", "k2")], Err(400));
    }

    #[test]
    fn a_body_must_be_called_json() {
        let check = |kind: Option<&'static str>, expected| {
            let list: Vec<_> = kind.map(|kind| ("content-type", kind)).into_iter().collect();
            assert_eq!(is_json(&headers(&list)), expected, "{kind:?}");
        };
        check(Some("application/json"), true);
        check(Some("Application/JSON; charset=UTF-8"), true);
        check(Some("application/json; charset=utf-16"), false);
        check(Some("text/plain"), false);
        check(Some("multipart/form-data; boundary=x"), false);
        check(None, false);
    }
}
