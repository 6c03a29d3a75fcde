//! Puts a changed configuration to use: when its file changes, on SIGHUP, and on `POST /reload`. An invalid one
//! changes nothing and is reported.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway_config::Config;
use tokio::time::{MissedTickBehavior, interval};

use crate::gateway::Gateway;

/// How often the file is looked at. Its content is compared, so that no kind of replacement is missed: renames,
/// Kubernetes' `..data` links, equal times.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Reads the configuration anew.
pub type Source = Box<dyn Fn() -> Result<Config, Vec<String>> + Send + Sync>;

/// Loads the configuration again when asked to.
pub struct Reloader {
    gateway: Arc<Gateway>,
    source: Option<Source>,
    file: Option<PathBuf>,
    /// The content that was loaded last, or refused last.
    seen: Mutex<Option<Vec<u8>>>,
}

impl Reloader {
    /// Without a source there is nothing to reload, and [`Reloader::reload`] says so.
    pub fn new(gateway: Arc<Gateway>, source: Option<Source>) -> Self {
        let file = gateway.snapshot().config.source.clone();
        let seen = Mutex::new(file.as_ref().and_then(|file| std::fs::read(file).ok()));
        Self { gateway, source, file, seen }
    }

    /// Loads again. `Ok(false)`: the file says what it said before.
    ///
    /// # Errors
    /// Every problem; then the configuration in use stays.
    pub fn reload(&self) -> Result<bool, Vec<String>> {
        let content = self.file.as_ref().and_then(|file| std::fs::read(file).ok());
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let result = self.load();
        let counted = match &result {
            Ok(()) if content.is_some() && content == *seen => "unchanged",
            Ok(()) => "ok",
            Err(_) => "refused",
        };
        *seen = content;
        self.gateway.books.metrics.config_reloads.with_label_values(&[counted]).inc();
        match result {
            Ok(()) => {
                self.gateway.note("configuration loaded again");
                Ok(counted == "ok")
            }
            Err(problems) => {
                self.gateway
                    .note(&format!("configuration refused, the one in use stays: {}", problems.join("; ")));
                Err(problems)
            }
        }
    }

    fn load(&self) -> Result<(), Vec<String>> {
        let source =
            self.source.as_ref().ok_or_else(|| vec!["there is no configuration file to load".to_owned()])?;
        let next = source()?;
        let now = &self.gateway.snapshot().config;
        if (next.listen, next.admin) != (now.listen, now.admin) {
            return Err(vec!["listen, admin: addresses cannot change without a restart".to_owned()]);
        }
        if next.state != now.state || next.time_zone != now.time_zone || next.currency != now.currency {
            return Err(vec!["state, time_zone, currency: these cannot change without a restart".to_owned()]);
        }
        self.gateway.replace(next)
    }

    /// Looks at the file again and again; never ends.
    pub async fn watch(self: Arc<Self>) {
        let Some(file) = self.file.clone() else { return std::future::pending().await };
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let Ok(content) = tokio::fs::read(&file).await else { continue };
            let changed = {
                let seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                seen.as_ref() != Some(&content)
            };
            if changed {
                let this = Arc::clone(&self);
                // Weights may have to be loaded, which takes its time.
                let _ = tokio::task::spawn_blocking(move || this.reload()).await;
            }
        }
    }
}
