//! Finds the configuration, reads it within bounds, and hands it through: text, tree, shape, result.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::builtin::BuiltinChoice;
use crate::interpolate::{UsedVariables, conceal, interpolate};
use crate::resolve::{ResolveReport, resolve};
use crate::source_map::OlderName;
use crate::variables::EnvLookup;
use crate::{GatewayConfig, Problems, file, schema, schema_check, yaml};

/// The file that is read from the working directory when none is named.
pub const DEFAULT_FILE: &str = "xietong.yaml";
/// Bytes that a configuration may have.
const LARGEST: u64 = 1 << 20;

/// Whether a configuration can do without the keys of models and clients, which only requests need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeysNeeded {
    All,
    ThoseThatAreSet,
}

/// Reads this file; without one, `xietong.yaml` in the working directory; without that, the built-in default.
///
/// Errors: every problem of the file at once, or that it cannot be read.
pub fn load(path: Option<&Path>, env: &EnvLookup<'_>) -> Result<GatewayConfig, Problems> {
    let default = Path::new(DEFAULT_FILE);
    let Some(path) = path.or_else(|| default.exists().then_some(default)) else {
        return crate::builtin(env, &BuiltinChoice::default());
    };
    from_str(&read(path)?, Some(path), env)
}

/// As [`load`], for commands that send no requests and let none in: where the environment variable of a model's or a client's
/// key, of a header or of the proxy is not set, the model or client has none. The keys of `state` are needed.
///
/// Errors: every other problem of the file at once, or that it cannot be read.
pub fn load_without_keys(path: Option<&Path>, env: &EnvLookup<'_>) -> Result<GatewayConfig, Problems> {
    let default = Path::new(DEFAULT_FILE);
    match path.or_else(|| default.exists().then_some(default)) {
        Some(path) => understood(&read(path)?, Some(path), env, KeysNeeded::ThoseThatAreSet),
        None => crate::builtin(env, &BuiltinChoice::default()),
    }
}

/// The same from a text. `source` is the file that it comes from: paths in it are also looked for beside it.
pub fn from_str(text: &str, source: Option<&Path>, env: &EnvLookup<'_>) -> Result<GatewayConfig, Problems> {
    understood(text, source, env, KeysNeeded::All)
}

fn understood(
    text: &str,
    source: Option<&Path>,
    env: &EnvLookup<'_>,
    keys: KeysNeeded,
) -> Result<GatewayConfig, Problems> {
    let mut taken = UsedVariables::new();
    let result = parse(text, source, env, keys, &mut taken);
    let conceal = |message: &str| conceal(message, &taken);
    match result {
        Ok(mut config) => {
            config.warnings.iter_mut().for_each(|warning| *warning = conceal(warning));
            Ok(config)
        }
        Err(problems) => Err(problems.finish(conceal)),
    }
}

fn parse(
    text: &str,
    source: Option<&Path>,
    env: &EnvLookup<'_>,
    keys: KeysNeeded,
    taken: &mut UsedVariables,
) -> Result<GatewayConfig, Problems> {
    let mut problems = Problems::default();
    let Some(mut tree) = yaml::parse(text, &mut problems)? else {
        return Err(Problems::one("the file is empty"));
    };
    interpolate(&mut tree, "", env, taken, &mut problems);
    let (value, places) = schema_check::shape(&tree, &schema::of::<file::ConfigFile>(), &mut problems);
    let file: file::ConfigFile = match serde_json::from_value(value) {
        Ok(file) => file,
        // Not reached as long as the check and the types agree; then its problems say what is wrong.
        Err(_) if !problems.is_empty() => return Err(problems),
        Err(why) => return Err(Problems::one(format!("does not fit: {why}"))),
    };
    let mut report = ResolveReport::new(problems, places);
    warn_of_older_names(&mut report);
    warn_of_readable_secrets(source, &mut report);
    let config = resolve(file, env, source, &mut report);
    if keys == KeysNeeded::ThoseThatAreSet {
        report.problems.forget_unset(is_key_of_requests);
    }
    if report.problems.is_empty() { Ok(config) } else { Err(report.problems) }
}

/// Whether what stands at this path is a secret that requests have, from clients or to elsewhere.
fn is_key_of_requests(path: &str) -> bool {
    let is_clients =
        path.starts_with("clients[") && (path.ends_with(".key") || path.ends_with(".key_sha256"));
    is_clients || path.ends_with(".api_key") || path.contains(".headers.") || path == "proxy"
}

/// Names the better one wherever a key or kind stands by an older name. Older names go on working.
fn warn_of_older_names(report: &mut ResolveReport) {
    for OlderName { path, better } in std::mem::take(&mut report.places.older_names) {
        report.warn(&path, &format!("is an older name, which goes on working; the better one is `{better}`"));
    }
}

fn read(path: &Path) -> Result<String, Problems> {
    let cannot =
        |why: &dyn std::fmt::Display| Problems::one(format!("cannot read {}: {why}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|why| cannot(&why))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|why| cannot(&why))?;
    if bytes.len() as u64 > LARGEST {
        return Err(cannot(&"it is larger than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|why| {
        let line =
            why.as_bytes()[..why.utf8_error().valid_up_to()].iter().filter(|&&byte| byte == b'\n').count()
                + 1;
        Problems::at(Some(line), "the file is not UTF-8")
    })
}

/// Warns of keys that stand in a file which everybody on the machine can read.
#[cfg(unix)]
fn warn_of_readable_secrets(source: Option<&Path>, report: &mut ResolveReport) {
    use std::os::unix::fs::PermissionsExt;

    let mode = source.and_then(|path| path.metadata().ok()).map_or(0, |meta| meta.permissions().mode());
    if mode & 0o004 == 0 {
        return;
    }
    for path in std::mem::take(&mut report.places.literal_secrets) {
        report.warn(
            &path,
            "stands in a file that everybody on this machine can read: use `${NAME}`, or `chmod 600`",
        );
    }
}

#[cfg(not(unix))]
fn warn_of_readable_secrets(_: Option<&Path>, _: &mut ResolveReport) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_without_the_keys_of_requests() {
        let text = "
proxy: ${PROXY}
state: {kind: redis, url: 'redis://${HOST}:6379'}
telemetry: {otlp: {endpoint: 'http://127.0.0.1:4318', headers: {authorization: 'Bearer ${COLLECTOR}'}}}
models:
  - {name: a, provider: openai, base_url: 'https://h.example/v1', model: m, api_key: '${A}'}
  - {name: b, preset: deepseek}
  - {name: c, provider: openai, model: m, endpoints: [{base_url: 'https://h.example/v1', api_key: '${C}', headers: {x-a: '${D}'}}]}
clients: [{name: one, key: '${ONE}'}, {name: two, key: '${TWO}'}, {name: three, key_sha256: '${THREE}'}]
";
        let check = |text: &str, keys, host: Option<&str>, problems: &[&str]| {
            let env = |name: &str| host.filter(|_| name == "HOST").map(str::to_owned);
            let read = understood(text, None, &env, keys);
            let found = read.err().map(|found| found.iter().map(|it| it.path.clone()).collect::<Vec<_>>());
            assert_eq!(found.unwrap_or_default(), problems, "{keys:?} {host:?}");
        };
        let all = [
            "proxy",
            "telemetry.otlp.headers.authorization",
            "models[0].api_key",
            "models[1].api_key",
            "models[2].endpoints[0].api_key",
            "models[2].endpoints[0].headers.x-a",
            "clients[0].key",
            "clients[1].key",
            "clients[2].key_sha256",
        ];
        check(text, KeysNeeded::All, Some("h"), &all);
        check(text, KeysNeeded::ThoseThatAreSet, Some("h"), &[]);
        // The records themselves must be found, and what is wrong in another way stays wrong.
        check(text, KeysNeeded::ThoseThatAreSet, None, &["state.url"]);
        check(text, KeysNeeded::ThoseThatAreSet, Some(""), &["state.url"]);
        check(&text.replace("${A}", "${A"), KeysNeeded::ThoseThatAreSet, Some("h"), &["models[0].api_key"]);
        check(
            &text.replace("deepseek", "deepsek"),
            KeysNeeded::ThoseThatAreSet,
            Some("h"),
            &["models[1].preset"],
        );
    }
}
