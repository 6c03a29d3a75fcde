//! The URL of a Redis, with the user and password that stand beside it.

use url::Url;

use super::ResolveReport;
use crate::Secret;

/// The URL with the user and password of their own keys; the shape check has reported one that is missing.
pub(super) fn with(
    url: Option<Secret>,
    username: Option<Secret>,
    password: Option<Secret>,
    report: &mut ResolveReport,
) -> Secret {
    let Some(secret) = url else { return Secret::new("") };
    let Some(mut url) = sound(secret.reveal()) else {
        report.fault(
            "state.url",
            "write `redis://`, or `rediss://` for TLS, and a host, such as `redis://redis:6379/0`; a user or password goes \
             into the keys `username` and `password` as it is, or into the URL percent-encoded (`%2F` for `/`, `%23` for \
             `#`, `%3F` for `?`, `%25` for `%`)",
        );
        return secret;
    };
    for (key, given, has) in [
        ("state.username", &username, !url.username().is_empty()),
        ("state.password", &password, url.password().is_some()),
    ] {
        if given.is_some() && has {
            report.fault(key, "stands in `state.url` too; write it in one of them");
        }
    }
    // The URL has a host, so that these cannot fail.
    if let Some(name) = &username {
        let _ = url.set_username(&encoded(name.reveal()));
    }
    if let Some(password) = &password {
        let _ = url.set_password(Some(&encoded(password.reveal())));
    }
    if username.is_some() || password.is_some() { Secret::new(url.as_str()) } else { secret }
}

/// A URL of a Redis whose user part has no sign in it that ends a user part: what follows such a sign would be taken for
/// another host's path.
fn sound(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    let strays =
        [Some(url.path()), url.query(), url.fragment()].into_iter().flatten().any(|it| it.contains('@'));
    (matches!(url.scheme(), "redis" | "rediss") && has_host && !strays).then_some(url)
}

/// Any text as one part of a URL: everything but letters, digits and four signs is percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            encoded += &format!("%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Redis is told, by the rule of its clients: user and password are percent-decoded.
    fn told(part: &str) -> String {
        let mut bytes = part.bytes();
        let mut decoded = Vec::new();
        while let Some(byte) = bytes.next() {
            let hex: String = bytes.clone().take(2).map(char::from).collect();
            match (byte, u8::from_str_radix(&hex, 16)) {
                (b'%', Ok(byte)) => {
                    decoded.push(byte);
                    bytes.nth(1);
                }
                _ => decoded.push(byte),
            }
        }
        String::from_utf8(decoded).unwrap()
    }

    #[test]
    fn a_password_beside_the_url_is_what_redis_is_told() {
        for password in
            ["p/ss", "p#ss", "p?ss", "p@ss:[]{} ", "p%25ss", "p%41", "%", "密码🔑", "plain", "a+b==", "\\^|`"]
        {
            let mut report = ResolveReport::default();
            let secret = |text: &str| Some(Secret::new(text));
            let url = with(secret("redis://redis:6379/1"), secret("us/er%41"), secret(password), &mut report);
            let url = Url::parse(url.reveal()).unwrap();
            assert_eq!(told(url.password().unwrap()), password);
            assert_eq!(told(url.username()), "us/er%41", "{password}");
            assert_eq!(
                (url.host_str(), url.port(), url.path()),
                (Some("redis"), Some(6379), "/1"),
                "{password}"
            );
        }
    }
}
