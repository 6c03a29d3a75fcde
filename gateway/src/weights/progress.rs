//! Says how far a fetch is: a bar on a terminal, lines elsewhere, and beside a running gateway a line now and then.

use std::cell::Cell;

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::arrivals::ArrivalSender;
use crate::terminal::say;

/// Beside a running gateway a line is written each time that another tenth of a file has come.
const STEP: u64 = 10;

/// Where progress is shown: on standard error.
pub(crate) struct DownloadProgress {
    terminal: bool,
    bar: Option<ProgressBar>,
    beside: Option<StepReport>,
}

/// How far the fetch of one file is, told in steps.
struct StepReport {
    file: &'static str,
    bytes: u64,
    sender: ArrivalSender,
    /// Percent that were told last.
    told: Cell<u64>,
}

impl StepReport {
    fn at(&self, bytes: u64) {
        let percent = (bytes * 100).checked_div(self.bytes).unwrap_or(100);
        let sentence = format!("{}: {percent} % of {} MB fetched", self.file, self.bytes / 1_000_000);
        self.sender.tell(self.file, sentence.clone());
        if percent / STEP > self.told.get() / STEP {
            self.told.set(percent);
            say(&sentence);
        }
    }
}

impl DownloadProgress {
    /// As fits what standard error is.
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), bar: None, beside: None }
    }

    /// For the fetch of this file beside a gateway, whose log a bar would be torn by.
    pub(super) fn beside(file: &'static str, bytes: u64, sender: ArrivalSender) -> Self {
        Self {
            terminal: false,
            bar: None,
            beside: Some(StepReport { file, bytes, sender, told: Cell::new(0) }),
        }
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
        let form = "{spinner} {wide_bar} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left {msg}";
        bar.set_style(ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        self.bar = Some(bar);
    }

    /// This many bytes are there.
    pub(super) fn at(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
        if let Some(report) = &self.beside {
            report.at(bytes);
        }
    }

    /// What goes on now, where bytes do not tell it.
    pub(super) fn note(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None if self.beside.is_some() => {}
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
