//! One line a request on standard output, and notes for the operator. Writing never holds up a request: when the
//! reader is too slow, lines are dropped and counted.
//!
//! - [`mod@line`]: a request's line; [`fields`] says what its members mean.
//! - [`notes`]: events of `tracing`, ours and those of dependencies, as lines between those of requests.
//! - [`filter`]: which of them are written.
//! - [`writer`]: the thread that writes all of them, in the order in which they came.
//!
//! Events of ours name a target that is part of the interface, `xietong::` and the part of the gateway that speaks;
//! deploy/README.md lists them. They are written where the log is in scope: several gateways may run in one process.

pub mod fields;
mod filter;
mod line;
mod notes;
mod writer;

use std::io::Write;

use gateway_config::LogFormat;
use jiff::Timestamp;
use prometheus::IntCounter;
use router_policies::Currency;
use tracing::{Dispatch, dispatcher};
use tracing_log::{AsLog, LogTracer};

pub use filter::{FilterError, LogFilter};

use crate::record::RequestRecord;
use line::{json_line, text_line};
use notes::NoteSubscriber;
use writer::LogWriter;

/// Where a log goes, and which notes it has.
pub struct LogOutput {
    out: Box<dyn Write + Send>,
    filter: LogFilter,
    process_wide: bool,
}

impl LogOutput {
    /// A log with the notes that this filter admits.
    pub fn new(out: impl Write + Send + 'static, filter: LogFilter) -> Self {
        Self { out: Box::new(out), filter, process_wide: false }
    }

    /// Also takes what dependencies say on any thread of the process. Only the first log of a process can.
    #[must_use]
    pub fn process_wide(self) -> Self {
        Self { process_wide: true, ..self }
    }
}

impl<W: Write + Send + 'static> From<W> for LogOutput {
    fn from(out: W) -> Self {
        Self::new(out, LogFilter::default())
    }
}

/// Takes lines. Handles are cheap to clone.
#[derive(Clone)]
pub struct Log {
    writer: LogWriter,
    notes: Dispatch,
}

impl Log {
    /// Starts a writer to standard output. `dropped` counts what it could not take.
    pub fn to_stdout(dropped: IntCounter) -> Self {
        Self::to(std::io::stdout(), dropped)
    }

    /// Starts a writer, in a thread that ends with the last handle. `dropped` counts what it could not take.
    pub fn to(output: impl Into<LogOutput>, dropped: IntCounter) -> Self {
        let LogOutput { out, filter, process_wide } = output.into();
        let writer = LogWriter::start(out, dropped);
        let most = filter.max_level();
        let notes = Dispatch::new(NoteSubscriber::new(writer.clone(), filter));
        // Another log of this process may have been there first; then that one has them.
        if process_wide && dispatcher::set_global_default(notes.clone()).is_ok() {
            let _ = LogTracer::init_with_filter(most.as_log());
        }
        Self { writer, notes }
    }

    /// The form of notes from now on; text until it is set.
    pub fn set_note_format(&self, format: LogFormat) {
        self.writer.set_note_format(format);
    }

    /// One request that ended `now`, with its trace's id where it is traced.
    pub fn request(
        &self,
        record: &RequestRecord,
        trace: Option<u128>,
        now: Timestamp,
        format: LogFormat,
        currency: Currency,
    ) {
        self.writer.line(|line| match format {
            LogFormat::Json => line.push_str(&json_line(record, trace, now, currency)),
            LogFormat::Text => text_line(line, record, trace, now, currency),
        });
    }

    /// Does `act`, whose events become notes of this log.
    pub fn in_scope<T>(&self, act: impl FnOnce() -> T) -> T {
        dispatcher::with_default(&self.notes, act)
    }

    /// What takes events for this log, for threads and tasks that have a scope of their own.
    pub fn notes(&self) -> &Dispatch {
        &self.notes
    }

    /// Waits until everything said so far is written, at most a second.
    pub fn flush(&self) {
        self.writer.flush();
    }
}

#[cfg(test)]
mod tests;
