//! The addresses of a model, with their keys.

use std::cell::Cell;
use std::collections::BTreeMap;

use url::{Host, SyntaxViolation, Url};

use super::models::ModelResolver;
use super::ports::is_loopback;
use super::{ResolveReport, models};
use crate::file::{EndpointFile, ModelFile};
use crate::presets::Preset;
use crate::problems::{item_path, key_path};
use crate::scalars::SecretText;
use crate::{EndpointConfig, Secret};

/// Headers that the gateway sets itself, or that would break the framing of a request.
const RESERVED: [&str; 10] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
];

impl ModelResolver<'_> {
    pub(super) fn endpoints(
        &self,
        file: &ModelFile,
        model: &str,
        preset: Option<&Preset>,
        path: &str,
        report: &mut ResolveReport,
    ) -> Vec<EndpointConfig> {
        let at = key_path(path, "endpoints");
        if file.endpoints.is_empty() {
            if report.is_invalid(&at) {
                return Vec::new();
            }
            let only = EndpointFile {
                base_url: file.base_url.clone(),
                api_key: file.api_key.clone(),
                ..EndpointFile::default()
            };
            return vec![self.endpoint(&only, format!("{model}-0"), preset, path, report)];
        }
        for (key, given) in [("base_url", file.base_url.is_some()), ("api_key", file.api_key.is_some())] {
            if given {
                report.fault(&key_path(path, key), "stands here or under `endpoints`, not both");
            }
        }
        let mut endpoints: Vec<EndpointConfig> = Vec::new();
        for (number, file) in file.endpoints.iter().enumerate() {
            let path = item_path(&at, number);
            let id = match &file.id {
                Some(_) => self.id(file, &path, report),
                None => format!("{model}-{number}"),
            };
            if endpoints.iter().any(|other| other.id == id) {
                report.fault(&key_path(&path, "id"), format!("`{id}` is the id of another endpoint"));
            }
            endpoints.push(self.endpoint(file, id, preset, &path, report));
        }
        endpoints
    }

    fn id(&self, file: &EndpointFile, path: &str, report: &mut ResolveReport) -> String {
        let mut inner = ResolveReport::default();
        let id = models::name(file.id.as_deref(), path, &mut inner);
        if !inner.problems.is_empty() {
            report.fault(
                &key_path(path, "id"),
                "an id is made of letters, digits and `.`, `_`, `:`, `/`, `@`, `+`, `-`",
            );
        }
        id
    }

    fn endpoint(
        &self,
        file: &EndpointFile,
        id: String,
        preset: Option<&Preset>,
        path: &str,
        report: &mut ResolveReport,
    ) -> EndpointConfig {
        let at = key_path(path, "base_url");
        let url = match file.base_url.as_deref().or(preset.and_then(|preset| preset.base_url.as_deref())) {
            Some(text) => self.base_url(text, &at, report),
            None => {
                if !report.is_invalid(&at) {
                    report.fault(&at, "is missing, such as `https://api.deepseek.com/v1`");
                }
                None
            }
        };
        let api_key = match &file.api_key {
            Some(key) => Some(key.0.clone()),
            None => self.key_of_preset(file, preset, path, report),
        };
        if let Some(url) = &url {
            self.warn_of_plain_text(url, api_key.is_some() || !file.headers.is_empty(), &at, report);
        }
        EndpointConfig {
            id,
            base_url: url.map_or_else(String::new, |url| url.as_str().trim_end_matches('/').to_owned()),
            api_key,
            headers: headers(&file.headers, &key_path(path, "headers"), &RESERVED, report),
        }
    }

    /// The key that belongs to the preset; never sent to an address that is not the preset's.
    fn key_of_preset(
        &self,
        file: &EndpointFile,
        preset: Option<&Preset>,
        path: &str,
        report: &mut ResolveReport,
    ) -> Option<Secret> {
        let preset = preset?;
        let variable = preset.key.as_deref()?;
        let at = key_path(path, "api_key");
        let own = preset.base_url.as_deref().unwrap_or_default();
        if report.is_invalid(&at) || file.base_url.as_ref().is_some_and(|url| !same_host(url, own)) {
            return None;
        }
        match (self.env)(variable).filter(|key| !key.trim().is_empty()).map(|key| key.parse::<SecretText>()) {
            Some(Ok(key)) => Some(key.0),
            Some(Err(fault)) => {
                report.fault(&at, format!("the environment variable {variable} {fault}"));
                None
            }
            None => {
                let name = &preset.name;
                report.unset(
                    &at,
                    format!("is missing, and {variable}, where preset {name} looks for it, is not set"),
                );
                None
            }
        }
    }

    fn base_url(&self, text: &str, path: &str, report: &mut ResolveReport) -> Option<Url> {
        let Some(url) = strict(text.trim()) else {
            report.fault(path, "write a URL with scheme and host, such as `https://api.deepseek.com/v1`");
            return None;
        };
        if !url.username().is_empty() || url.password().is_some() {
            report.fault(path, "must hold no user or password; a key goes into `api_key`");
        } else if url.query().is_some() || url.fragment().is_some() {
            report.fault(
                path,
                "must end with its path, without `?` or `#`: `/chat/completions` is added to it",
            );
        } else if url.path().trim_end_matches('/').ends_with("/chat/completions") {
            report.fault(path, "must not end with `/chat/completions`, which is added to it");
        } else if is_local(&url) && url.port_or_known_default() == Some(self.listen.port()) {
            report.fault(
                path,
                format!("is this gateway's own data port, {}: requests would go in circles", self.listen),
            );
        } else {
            return Some(url);
        }
        None
    }

    fn warn_of_plain_text(&self, url: &Url, secret: bool, path: &str, report: &mut ResolveReport) {
        if url.scheme() == "http" && secret && !is_local(url) {
            report.warn(path, "sends the key unencrypted; use https unless the network is yours alone");
        }
    }
}

/// An `http` or `https` URL without any of the slips that URL parsers forgive, each in its own way: backslashes, tabs,
/// missing or surplus slashes.
pub(super) fn strict(text: &str) -> Option<Url> {
    let slips = Cell::new(0);
    let count = |slip| slips.set(slips.get() + usize::from(slip != SyntaxViolation::EmbeddedCredentials));
    let url = Url::options().syntax_violation_callback(Some(&count)).parse(text).ok()?;
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    (slips.get() == 0 && has_host && matches!(url.scheme(), "http" | "https")).then_some(url)
}

pub(super) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => is_loopback(ip.into()),
        Some(Host::Ipv6(ip)) => is_loopback(ip.into()),
        None => false,
    }
}

/// Whether two URLs lead to the same host by the same scheme and port.
fn same_host(a: &str, b: &str) -> bool {
    match (Url::parse(a.trim()), Url::parse(b)) {
        (Ok(a), Ok(b)) => a.origin() == b.origin(),
        _ => false,
    }
}

/// Request headers without those that are `reserved`.
pub(super) fn headers(
    files: &BTreeMap<String, SecretText>,
    path: &str,
    reserved: &[&str],
    report: &mut ResolveReport,
) -> BTreeMap<String, Secret> {
    let mut headers = BTreeMap::new();
    for (name, value) in files {
        let at = key_path(path, name);
        let lower = name.to_ascii_lowercase();
        let token = !lower.is_empty()
            && lower.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !token {
            report.fault(&at, "is no name that an HTTP header can have");
        } else if reserved.contains(&lower.as_str()) {
            let key = if reserved.contains(&"authorization") { "; a key goes into `api_key`" } else { "" };
            report.fault(&at, format!("is set by the gateway itself{key}"));
        } else if headers.insert(lower, value.0.clone()).is_some() {
            report.fault(&at, "stands twice; case makes no difference");
        }
    }
    headers
}
