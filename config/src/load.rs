//! Finds the configuration, reads it within bounds, and hands its text on.

use std::path::Path;

use crate::{Config, Problems};

/// The file that is read from the working directory when none is named.
pub const DEFAULT_FILE: &str = "xietong.yaml";

/// Where `${NAME}` is looked up; `|name| std::env::var(name).ok()` in the program.
pub type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Reads this file; without one, `xietong.yaml` in the working directory; without that, the built-in default.
///
/// Errors: every problem of the file at once, or that it cannot be read.
pub fn load(path: Option<&Path>, env: &Env<'_>) -> Result<Config, Problems> {
    let default = Path::new(DEFAULT_FILE);
    match path.or_else(|| default.exists().then_some(default)) {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|why| Problems::one(format!("cannot read {}: {why}", path.display())))?;
            from_str(&text, Some(path), env)
        }
        None => Ok(crate::builtin(env, Path::new("models"))),
    }
}

/// The same from a text. `source` is only remembered and named in messages.
pub fn from_str(_text: &str, _source: Option<&Path>, _env: &Env<'_>) -> Result<Config, Problems> {
    Err(Problems::one("configuration files are not read yet"))
}
