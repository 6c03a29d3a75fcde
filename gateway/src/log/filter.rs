//! Which notes are written, by who says them and how much they matter.

use std::str::FromStr;

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::filter::Targets;

/// What is written where `RUST_LOG` says nothing else: what an operator should know of the gateway, and what dependencies
/// find wrong. llama.cpp warns of every context that is shorter than what its model was trained on.
const DEFAULT: &str = "warn,xietong=info,llama=error";

/// Which notes are written.
#[derive(Debug, Clone, PartialEq)]
pub struct LogFilter(Targets);

/// A directive that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{directive}` cannot be read: wanted is LEVEL or TARGET=LEVEL, several with commas between them, such as \
     `info,hyper=debug`; levels are off, error, warn, info, debug and trace"
)]
pub struct FilterError {
    /// It, as it was written.
    pub directive: String,
}

impl LogFilter {
    /// Whether a note of this target and level is written.
    pub(super) fn admits(&self, target: &str, level: Level) -> bool {
        self.0.would_enable(target, &level)
    }

    /// The most detailed level of any target.
    pub(super) fn max_level(&self) -> LevelFilter {
        let named = self.0.iter().map(|(_, level)| level);
        named.chain(self.0.default_level()).max().unwrap_or(LevelFilter::OFF)
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        // A test holds that it can be read.
        Self(DEFAULT.parse().unwrap_or_default())
    }
}

/// Directives as `RUST_LOG` has them: `TARGET=LEVEL` changes one target and those that begin with its name, and leaves the
/// default of the others; a `LEVEL` alone is that of every target that is not named.
impl FromStr for LogFilter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mut everything, mut named) = (None, Vec::new());
        for directive in text.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
            let fault = || FilterError { directive: directive.to_owned() };
            let read: Targets = directive.parse().map_err(|_| fault())?;
            // Fields and spans of a target: read, and of no effect on notes.
            if directive.contains(['[', '{']) || directive.starts_with('=') {
                return Err(fault());
            }
            everything = read.default_level().or(everything);
            named.extend(read);
        }
        let begin = match everything {
            Some(level) => Targets::new().with_default(level),
            None => Self::default().0,
        };
        Ok(Self(begin.with_targets(named)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_admits_what_its_directives_say() {
        let check = |text: &str, admitted: &[(&str, Level)], left_out: &[(&str, Level)]| {
            let filter: LogFilter = text.parse().unwrap();
            for (target, level) in admitted {
                assert!(filter.admits(target, *level), "{text}: {target} {level}");
                assert!(filter.max_level() >= *level, "{text}: {target} {level}");
            }
            for (target, level) in left_out {
                assert!(!filter.admits(target, *level), "{text}: {target} {level}");
            }
        };
        let ours = "xietong::upstreams";
        let by_default = [(ours, Level::INFO), ("h2::client", Level::WARN), ("llama-cpp-2", Level::ERROR)];
        let not_by_default =
            [(ours, Level::DEBUG), ("h2::client", Level::INFO), ("llama-cpp-2", Level::WARN)];
        check("", &by_default, &not_by_default);
        check(" , ", &by_default, &not_by_default);
        // A target alone leaves the rest as it is.
        check("hyper=debug, rustls=trace", &by_default, &not_by_default);
        check(
            "hyper=debug",
            &[("hyper_util::client", Level::DEBUG)],
            &[("hyper_util::client", Level::TRACE)],
        );
        check("xietong::ledger=debug", &[("xietong::ledger", Level::DEBUG)], &not_by_default);
        // A level alone is that of everything.
        check("error", &[(ours, Level::ERROR)], &[(ours, Level::WARN), ("h2", Level::WARN)]);
        check("debug", &[(ours, Level::DEBUG), ("h2", Level::DEBUG)], &[("h2", Level::TRACE)]);
        check("off", &[], &[(ours, Level::ERROR)]);
        check("OFF,xietong::config=Info", &[("xietong::config", Level::INFO)], &[(ours, Level::ERROR)]);
        assert_eq!(LogFilter::default().max_level(), LevelFilter::INFO);
    }

    #[test]
    fn what_is_no_directive_is_named() {
        for (text, directive) in [
            ("hyper=loud", "hyper=loud"),
            ("info,a=b=c", "a=b=c"),
            ("=debug", "=debug"),
            ("h2[{stream}]=debug", "h2[{stream}]=debug"),
        ] {
            let error = text.parse::<LogFilter>().unwrap_err();
            assert_eq!(error.directive, directive);
            assert!(error.to_string().contains(&format!("`{directive}` cannot be read")), "{error}");
        }
    }
}
