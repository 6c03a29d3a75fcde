//! What this build is, for `--version`, metrics and traces.

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit of this build, or `unknown`.
pub const COMMIT: &str = env!("XIETONG_COMMIT");
