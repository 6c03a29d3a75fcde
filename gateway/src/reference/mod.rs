//! What others see of the gateway, as plain tables: metrics and their label values, errors, headers, commands, members of
//! log lines, the forms of the ledger. The reference pages are made of it, and tests hold it to what was promised.

mod headers;
mod ledger;

pub use crate::commands::{exit_codes, tree as commands};
pub use crate::error::catalogue::{ErrorEntry, entries as errors};
pub use crate::log::fields::FIELDS as LOG_FIELDS;
pub use crate::metrics::labels::{LabelValues, Word, values as label_values};
pub use crate::metrics::{DEFINITIONS as METRICS, MetricDefinition};
pub use ::ledger::scripts as redis_scripts;
pub use headers::{HeaderEntry, from_clients, to_clients, to_upstreams};
pub use ledger::{LEDGER_MEMBERS, ledger_balances, ledger_lines, ledger_report};
