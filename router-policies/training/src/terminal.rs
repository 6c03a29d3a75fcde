//! What is said to who started the program.

use std::io::Write;

/// A line on standard error. That it may be closed is no reason to fail.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
