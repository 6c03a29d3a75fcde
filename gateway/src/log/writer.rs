//! The thread that writes lines, many at once, and the queue that they wait in.

use std::cell::RefCell;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_config::LogFormat;
use prometheus::IntCounter;

/// Lines that may wait for the writer.
pub(super) const WAITING: usize = 8192;
/// Lines of so short a time are written together: to wake the writer costs more than a line.
const GATHER: Duration = Duration::from_millis(10);
/// So much room stays after a rush, in bytes.
const KEPT: usize = 1 << 16;

/// Takes lines for the thread.
#[derive(Clone)]
pub(super) struct LogWriter {
    pending: Arc<PendingLines>,
    orders: Sender<LogCommand>,
    dropped: IntCounter,
    notes_as_json: Arc<AtomicBool>,
}

impl LogWriter {
    /// Starts the thread; it ends with the last handle.
    pub(super) fn start(out: Box<dyn Write + Send>, dropped: IntCounter) -> Self {
        let (orders, waiting) = channel();
        let pending = Arc::<PendingLines>::default();
        let lines = Arc::clone(&pending);
        // A gateway that cannot start this thread drops its log and counts what it drops.
        let write = move || write_lines(out, &lines, &waiting);
        let _ = std::thread::Builder::new().name("log".into()).spawn(write);
        Self { pending, orders, dropped, notes_as_json: Arc::default() }
    }

    /// Takes what `write` appends as one line, or counts that it cannot.
    pub(super) fn line(&self, write: impl FnOnce(&mut String)) {
        thread_local! {
            static DRAFT: RefCell<String> = const { RefCell::new(String::new()) };
        }
        // All requests share the queue, and have it for no longer than a copy takes.
        let before = DRAFT.with_borrow_mut(|draft| {
            draft.clear();
            write(draft);
            draft.push('\n');
            let before = self.pending.put(draft);
            draft.shrink_to(KEPT);
            before
        });
        match before {
            None => self.dropped.inc(),
            Some(0) if self.orders.send(LogCommand::Look).is_err() => {
                self.pending.swap(&mut String::new());
                self.dropped.inc();
            }
            Some(_) => {}
        }
    }

    /// Waits until everything said so far is written, at most a second.
    pub(super) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.orders.send(LogCommand::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(Duration::from_secs(1));
        }
    }

    /// The form of notes.
    pub(super) fn note_format(&self) -> LogFormat {
        if self.notes_as_json.load(Ordering::Relaxed) { LogFormat::Json } else { LogFormat::Text }
    }

    /// Sets the form of notes.
    pub(super) fn set_note_format(&self, format: LogFormat) {
        self.notes_as_json.store(matches!(format, LogFormat::Json), Ordering::Relaxed);
    }
}

/// What the writer is asked to do.
enum LogCommand {
    /// Look into the queue, soon.
    Look,
    /// Say when everything said so far is written.
    Flush(SyncSender<()>),
}

/// Lines until they are written. Apart from the orders, since each of those wakes the writer.
#[derive(Default)]
struct PendingLines(Mutex<LineBuffer>);

/// Lines with their ends.
#[derive(Default)]
struct LineBuffer {
    text: String,
    count: usize,
}

impl PendingLines {
    /// Puts a line in, unless too many wait; says how many waited before it.
    fn put(&self, line: &str) -> Option<usize> {
        let mut lines = self.lines();
        let before = lines.count;
        (before < WAITING).then(|| {
            lines.text.push_str(line);
            lines.count += 1;
            before
        })
    }

    /// Takes all that wait, in exchange for an empty text.
    fn swap(&self, text: &mut String) {
        let mut lines = self.lines();
        std::mem::swap(&mut lines.text, text);
        lines.count = 0;
    }

    fn lines(&self) -> MutexGuard<'_, LineBuffer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_lines(mut out: impl Write, pending: &PendingLines, orders: &Receiver<LogCommand>) {
    let mut text = String::new();
    let mut write = || {
        pending.swap(&mut text);
        // A reader that is gone must not end the gateway.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        text.clear();
        text.shrink_to(KEPT);
    };
    while let Ok(order) = orders.recv() {
        match order {
            LogCommand::Look => {
                #[expect(clippy::disallowed_methods, reason = "the log's own thread")]
                std::thread::sleep(GATHER);
                write();
            }
            LogCommand::Flush(done) => {
                write();
                let _ = done.try_send(());
            }
        }
    }
}
