//! Listens to llama.cpp's log while it loads a model, for the reason of a refusal.
//!
//! llama.cpp returns nothing but a null pointer; what was wrong stands only in its log, which the
//! binding turns into tracing events. At all other times nobody listens and nothing is printed.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Level, LevelFilter, Metadata, Subscriber, dispatcher};

/// Runs `load` and returns its result, with the first error that llama.cpp logged meanwhile.
pub(crate) fn listen<T>(load: impl FnOnce() -> T) -> (T, Option<String>) {
    let (result, heard) = overhear(Level::ERROR, load);
    (result, heard.into_iter().next().map(|(_, words)| words))
}

/// Runs `load` and returns its result, with all that was logged meanwhile down to a level, in order.
pub(crate) fn overhear<T>(least: Level, load: impl FnOnce() -> T) -> (T, Vec<(Level, String)>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Dispatch::new(LoadLogListener { least, heard: Arc::clone(&heard) });
    let result = dispatcher::with_default(&listener, load);
    let heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    (result, heard)
}

struct LoadLogListener {
    least: Level,
    heard: Arc<Mutex<Vec<(Level, String)>>>,
}

impl Subscriber for LoadLogListener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.least
    }

    // Without it, all that anyone in the process says in detail would be looked at meanwhile, and after.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.least))
    }

    fn event(&self, event: &Event<'_>) {
        let mut words = None;
        event.record(&mut LoadLogMessage(&mut words));
        if let Some(words) = words {
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.push((*event.metadata().level(), words));
        }
    }

    // The binding opens spans around its calls; they say nothing that is of use here.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct LoadLogMessage<'a>(&'a mut Option<String>);

impl Visit for LoadLogMessage<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            *self.0 = Some(format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            *self.0 = Some(value.trim().to_owned());
        }
    }
}
