//! What the program says to who started it.

use std::io::Write;

/// A line on standard error. That it may be closed is no reason to fail.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
