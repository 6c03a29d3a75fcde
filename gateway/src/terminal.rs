//! What the program says to who started it.

use std::borrow::Cow;
use std::io::Write;

/// A line on standard error. That it may be closed is no reason to fail.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A text without what a terminal may take for an order: control characters other than line ends and tabs become `�`.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let is_order = |sign: char| sign.is_control() && !matches!(sign, '\n' | '\t');
    match text.contains(is_order) {
        false => Cow::Borrowed(text),
        true => text.chars().map(|sign| if is_order(sign) { '\u{fffd}' } else { sign }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_gives_a_terminal_orders() {
        for (text, shown) in [
            ("two\nlines\tand 中文", "two\nlines\tand 中文"),
            ("\u{1b}[31mred\u{1b}[0m", "\u{fffd}[31mred\u{fffd}[0m"),
            ("\u{9b}31m\rover\u{7}", "\u{fffd}31m\u{fffd}over\u{fffd}"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }
}
