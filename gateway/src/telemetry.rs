//! Where a request's record goes when it ends, and what every stage counts and notes in.

use std::sync::Arc;

use crate::log::Log;
use crate::machine_time::MachineTimeMeter;
use crate::metrics::Metrics;
use crate::shutdown_deadline::ShutdownDeadline;
use ledger::Ledger;

/// The sinks of this process: metrics, the log, and the ledger, with the clock of its shutdown. Cheap to clone.
#[derive(Clone)]
pub struct Telemetry {
    /// Counters and histograms.
    pub metrics: Arc<Metrics>,
    /// The log.
    pub log: Log,
    /// What a token of a model paid by the hour takes.
    pub machine_time: Arc<MachineTimeMeter>,
    /// Budgets, and where requests are written down.
    pub ledger: Arc<Ledger>,
    /// When what is under way is broken off.
    pub shutdown_deadline: ShutdownDeadline,
}
