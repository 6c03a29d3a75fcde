//! Puts a changed configuration to use: when its file changes, or one that it names (a scorer's, an authority's), on SIGHUP,
//! and on `POST /reload`. An invalid one changes nothing and is reported.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_config::{GatewayConfig, ModelProvider, Problems, redacted};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::arrivals::Arrivals;
use crate::gateway::Gateway;
use crate::metrics::words::ReloadResult;
use crate::snapshot::SnapshotError;

/// How often the files are looked at. Their content is compared, so that no kind of replacement is missed: renames,
/// Kubernetes' `..data` links, equal times.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Reads the configuration anew.
pub type Source = Box<dyn Fn() -> Result<GatewayConfig, Problems> + Send + Sync>;

/// Why a configuration was not put to use; the one before stays.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The gateway was started without a file.
    #[error("there is no configuration file to load")]
    NoSource,
    /// The file cannot be read, or what it says makes no sense.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The ports are bound once.
    #[error("listen, admin: addresses cannot change without a restart")]
    AddressChanged,
    /// The ledger is opened once, and all that it has is in one currency.
    #[error("state, time_zone, currency: these cannot change without a restart")]
    LedgerChanged,
    /// What it says cannot be made ready.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A fault of this build, of which its own line on standard error says more.
    #[error("loading the configuration panicked")]
    Panicked,
}

impl ReloadError {
    /// For the operator, one for each thing that is wrong.
    pub fn sentences(&self) -> Vec<String> {
        match self {
            Self::Problems(problems) => problems.iter().map(ToString::to_string).collect(),
            Self::Snapshot(error) => error.sentences(),
            Self::NoSource | Self::AddressChanged | Self::LedgerChanged | Self::Panicked => {
                vec![self.to_string()]
            }
        }
    }
}

/// The configuration's file and those that it names, with what they hold.
type Contents = BTreeMap<PathBuf, Vec<u8>>;

/// Loads the configuration again when asked to.
pub struct Reloader {
    gateway: Arc<Gateway>,
    source: Option<Source>,
    file: Option<PathBuf>,
    /// Files that the configuration names and that are still to come.
    arrivals: Arrivals,
    seen: Mutex<SeenFiles>,
}

/// What files held; `None`: one could not be read.
#[derive(Default)]
struct SeenFiles {
    /// When they were loaded last, or refused last.
    last: Option<Arc<Contents>>,
    /// When the configuration in use was loaded.
    in_use: Option<Arc<Contents>>,
}

impl Reloader {
    /// Without a source there is nothing to reload, and [`Reloader::reload`] says so.
    pub fn new(gateway: Arc<Gateway>, source: Option<Source>, arrivals: Arrivals) -> Self {
        let file = gateway.snapshot().config.source.clone();
        let this = Self { gateway, source, file, arrivals, seen: Mutex::default() };
        let now = this.read().map(Arc::new);
        *this.seen() = SeenFiles { last: now.clone(), in_use: now };
        this
    }

    /// How each file does that the configuration names and that is still to come, in words for the operator.
    pub fn under_way(&self) -> Vec<String> {
        self.arrivals.under_way()
    }

    fn seen(&self) -> MutexGuard<'_, SeenFiles> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files of the configuration in use, itself and those that it names; `None` when one of them cannot be read.
    fn read(&self) -> Option<Contents> {
        let config = &self.gateway.snapshot().config;
        let scorers = config.routes.iter().filter_map(|route| Some(route.calibration.as_ref()?.file.clone()));
        let authorities = config.models.iter().filter_map(|model| match &model.provider {
            ModelProvider::Remote(remote) => Some(remote.authority.as_ref()?.file.clone()),
            ModelProvider::Embedded(_) => None,
        });
        let collectors = config.otlp.iter().filter_map(|otlp| Some(otlp.authority.as_ref()?.file.clone()));
        let examples = config.topics.iter().filter_map(|named| named.file.clone());
        scorers
            .chain(examples)
            .chain(authorities)
            .chain(collectors)
            .chain(self.file.clone())
            .map(|file| Some((file.clone(), std::fs::read(file).ok()?)))
            .collect()
    }

    /// Loads again. `Ok(false)`: the files say what they said before, and the configuration in use stays.
    ///
    /// # Errors
    /// Then the configuration in use stays.
    pub fn reload(&self) -> Result<bool, ReloadError> {
        let content = self.read();
        let mut seen = self.seen();
        let seen = &mut *seen;
        // A file that cannot be read may have changed.
        let is_same = content.is_some() && content.as_ref() == seen.in_use.as_deref();
        let result = self.load(is_same);
        let counted = match &result {
            Ok(true) => ReloadResult::Ok,
            Ok(false) => ReloadResult::Unchanged,
            Err(_) => ReloadResult::Refused,
        };
        // What was read before it was loaded stays: a change in between is noticed at the next look. Only files that
        // were not named before are read now.
        seen.last = self.read().map(|mut now| {
            now.extend(
                content
                    .into_iter()
                    .flatten()
                    .filter(|(file, _)| now.contains_key(file))
                    .collect::<Contents>(),
            );
            Arc::new(now)
        });
        if counted == ReloadResult::Ok {
            seen.in_use.clone_from(&seen.last);
        }
        self.gateway.telemetry.metrics.config_reloads.with_label_values(&[counted.word()]).inc();
        match result {
            Ok(true) => {
                self.note(|| info!(target: "xietong::config", "configuration loaded again"));
                Ok(true)
            }
            Ok(false) => {
                self.note(|| info!(target: "xietong::config", "the configuration has not changed"));
                Ok(false)
            }
            Err(error) => {
                let all = error.sentences().join("; ");
                self.note(|| {
                    error!(target: "xietong::config", "configuration refused, the one in use stays: {all}");
                });
                Err(error)
            }
        }
    }

    /// Puts to use what the files say, unless they are the same and it is as well; whether it did.
    fn load(&self, is_same: bool) -> Result<bool, ReloadError> {
        let mut next = self.source.as_ref().ok_or(ReloadError::NoSource)?()?;
        let snapshot = self.gateway.snapshot();
        let now = &snapshot.config;
        if next.state.is_optional() {
            // Whether it can be had was found out at the start.
            next.state = now.state.clone();
        }
        if (next.listen, next.admin) != (now.listen, now.admin) {
            return Err(ReloadError::AddressChanged);
        }
        if next.state != now.state || next.time_zone != now.time_zone || next.currency != now.currency {
            return Err(ReloadError::LedgerChanged);
        }
        // Not all of it is in those files: what is looked for on this machine may have changed, and weights may have come.
        let is_complete = snapshot.pools().all(|pool| pool.absence().is_none());
        if is_same && is_complete && redacted(&next) == redacted(now) {
            return Ok(false);
        }
        let news = next.warnings.iter().filter(|warning| !now.warnings.contains(warning));
        let news: Vec<_> = news.cloned().collect();
        self.gateway.replace(next)?;
        for warning in news {
            self.note(|| warn!(target: "xietong::config", "warning: {warning}"));
        }
        Ok(true)
    }

    fn note(&self, event: impl FnOnce()) {
        self.gateway.telemetry.log.in_scope(event);
    }

    /// Loads again when the files change or arrive, and on SIGHUP; never ends. From this call on SIGHUP does not end the process,
    /// as it does by default; must be called within a runtime.
    pub fn watch(self: Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let mut hangups = signal(SignalKind::hangup()).ok();
        let mut arrivals = self.arrivals.clone();
        async move {
            let mut looks = interval(LOOK_EVERY);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let asked = tokio::select! {
                    () = next(&mut hangups) => true,
                    () = arrivals.next() => true,
                    _ = looks.tick(), if self.file.is_some() => false,
                };
                let _ = tokio::task::spawn_blocking(Arc::clone(&self).look(asked)).await;
            }
        }
    }

    /// Loads again where that was asked for, or where the files have changed. Weights may have to be loaded, which takes
    /// its time.
    fn look(self: Arc<Self>, asked: bool) -> impl FnOnce() + Send + 'static {
        move || {
            let changed = || self.read().is_some_and(|content| Some(&content) != self.seen().last.as_deref());
            if asked || changed() {
                let _ = self.reload();
            }
        }
    }
}

/// The next signal of a kind; never, where it cannot be listened to.
async fn next(signals: &mut Option<Signal>) {
    match signals {
        Some(signals) => drop(signals.recv().await),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use gateway_config::{BuiltinChoice, ServedModel};
    use ledger::Ledger;

    use super::*;
    use crate::log::Log;
    use crate::metrics::Metrics;
    use crate::shutdown_deadline::ShutdownDeadline;
    use crate::telemetry::Telemetry;

    fn gateway(config: GatewayConfig) -> Arc<Gateway> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let metrics = Arc::new(Metrics::new().unwrap());
        let log = Log::to(std::io::sink(), metrics.log_dropped.with_label_values::<&str>(&[]));
        let telemetry = Telemetry {
            metrics,
            log,
            machine_time: Arc::default(),
            ledger: Arc::new(Ledger::without_memory()),
            shutdown_deadline: ShutdownDeadline::default(),
        };
        Arc::new(Gateway::new(config, telemetry).unwrap())
    }

    #[tokio::test]
    async fn what_says_the_same_as_before_is_no_other_configuration() {
        let folder = std::env::temp_dir().join(format!("xietong-reload-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("xietong.yaml");
        let model = |name: &str| {
            format!(
                "models: [{{name: {name}, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m}}]\n"
            )
        };
        let (one, two) = (model("one"), model("two"));
        std::fs::write(&file, &one).unwrap();
        let load = {
            let file = file.clone();
            move || gateway_config::load(Some(&file), &|_| None)
        };
        let reloader = Reloader::new(gateway(load().unwrap()), Some(Box::new(load)), Arrivals::none());
        let metrics = Arc::clone(&reloader.gateway.telemetry.metrics);
        for (case, text, changed, generation) in [
            ("untouched", one.as_str(), Some(false), 1),
            ("another", &two, Some(true), 2),
            ("that again", &two, Some(false), 2),
            ("one that is refused", "models: [", None, 2),
            ("that again", "models: [", None, 2),
            ("as it was before that", &two, Some(false), 2),
            ("with a comment", &format!("# later\n{two}"), Some(true), 3),
            ("the first", &one, Some(true), 4),
        ] {
            std::fs::write(&file, text).unwrap();
            let now = (reloader.reload().ok(), metrics.config_generation.get());
            assert_eq!(now, (changed, generation), "{case}");
        }
        let counted =
            ReloadResult::ALL.map(|result| metrics.config_reloads.with_label_values(&[result.word()]).get());
        assert_eq!(counted, [3, 2, 3], "{:?}", ReloadResult::ALL);
        assert!(reloader.gateway.snapshot().config.model("one").is_some());
        // A file that is gone is no file that stayed the same.
        std::fs::remove_file(&file).unwrap();
        assert!(reloader.reload().is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn the_default_without_a_file_stays_the_same() {
        let served = |model: &str| {
            Some(ServedModel { preset: "ollama".to_owned(), model: model.to_owned(), context: None })
        };
        let choice =
            BuiltinChoice { small: served("m-4b"), large: served("m-32b"), ..BuiltinChoice::default() };
        let load = move || gateway_config::builtin(&|_| None, &choice);
        let reloader = Reloader::new(gateway(load().unwrap()), Some(Box::new(load)), Arrivals::none());
        for _ in 0..3 {
            assert!(!reloader.reload().unwrap());
        }
        assert_eq!(reloader.gateway.telemetry.metrics.config_generation.get(), 1);
    }
}
