//! What all pages are made of.

use std::fmt::{Arguments, Write};

/// What a page begins with.
pub(super) const MADE: &str =
    "<!-- Made from the code by `make reference`. A test fails while it is stale. -->\n";

/// Text of a table's cell: on one line, and without what would end it.
pub(super) fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Adds a line.
pub(super) fn put(page: &mut String, line: Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{line}");
}
