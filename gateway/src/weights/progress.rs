//! Says how far a fetch is: a bar on a terminal, lines elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal::say;

/// Where progress is shown: on standard error.
pub(crate) struct DownloadProgress {
    terminal: bool,
    bar: Option<ProgressBar>,
}

impl DownloadProgress {
    /// As fits what standard error is.
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), bar: None }
    }

    /// A line, above the bar if there is one.
    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }

    /// Begins a work of this many bytes.
    pub(super) fn begin(&mut self, line: &str, bytes: u64) {
        self.say(line);
        if !self.terminal {
            return;
        }
        let bar = ProgressBar::new(bytes);
        let form = "{spinner} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left {msg}";
        bar.set_style(ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        self.bar = Some(bar);
    }

    /// This many bytes are there.
    pub(super) fn at(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
    }

    /// What goes on now, where bytes do not tell it.
    pub(super) fn note(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => self.say(&format!("  {what}")),
        }
    }

    /// Ends the work, done or not.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
