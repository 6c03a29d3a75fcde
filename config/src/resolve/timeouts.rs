//! How long an attempt may take: what the file says, else what is known of the provider, else what holds for all.

use std::time::Duration;

use super::{ResolveReport, positive};
use crate::AttemptTimeouts;
use crate::file::TimeoutsFile;
use crate::presets::Preset;
use crate::problems::key_path;
use crate::scalars::HumanDuration;

/// How long the embedded engine may be silent within an answer: it shares its cores with prompts of others.
const EMBEDDED_IDLE: Duration = Duration::from_secs(60);

/// The limits of a model's attempts.
pub(super) fn of(
    file: &TimeoutsFile,
    embedded: bool,
    preset: Option<&Preset>,
    path: &str,
    report: &mut ResolveReport,
) -> AttemptTimeouts {
    let mut default = AttemptTimeouts::default();
    if embedded {
        default.idle = EMBEDDED_IDLE;
    }
    if let Some(known) = preset.map(|preset| &preset.timeouts) {
        let given = |known: Option<HumanDuration>, default| known.map_or(default, |span| span.0);
        default.first_token = given(known.first_token, default.first_token);
        default.thinking = given(known.thinking, default.thinking);
        default.idle = given(known.idle, default.idle);
    }
    // Who says how long a first token may take has said how long silence may last.
    default.thinking = file.first_token.map_or(default.thinking, |span| span.0);
    let mut of = |key, span, default| positive(span, default, &key_path(path, key), report);
    AttemptTimeouts {
        connect: of("connect", file.connect, default.connect),
        first_token: of("first_token", file.first_token, default.first_token),
        thinking: of("thinking", file.thinking, default.thinking),
        idle: of("idle", file.idle, default.idle),
        total: of("total", file.total, default.total),
    }
}
