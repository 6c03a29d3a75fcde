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

/// The same from a text. `source` is the file that it comes from: paths in it are also looked for beside it.
pub fn from_str(text: &str, source: Option<&Path>, env: &EnvLookup<'_>) -> Result<GatewayConfig, Problems> {
    let mut taken = UsedVariables::new();
    let result = parse(text, source, env, &mut taken);
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
    if report.problems.is_empty() { Ok(config) } else { Err(report.problems) }
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
