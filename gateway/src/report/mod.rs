//! What a ledger's requests add up to, and how it is shown.
//!
//! - [`tally`]: requests → sums per model, route, client and day.
//! - [`table`], [`html`]: sums → text for a terminal, a page with charts.

pub mod html;
pub mod table;
pub mod tally;

mod chart;

use router_policies::Money;

/// An amount for people: four significant digits, never rounded to nothing.
pub fn amount(money: Money) -> String {
    let units = money.units();
    let size = units.abs();
    match size {
        0.0 => "0".to_owned(),
        _ if size >= 1000.0 => format!("{units:.0}"),
        _ => {
            let digits = (3 - size.log10().floor() as i32).clamp(0, 9) as usize;
            let text = format!("{units:.digits$}");
            if text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                text
            }
        }
    }
}

/// A share of a whole for people: `12.3 %`; `–` where there is no whole.
pub fn share(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.1} %", 100.0 * part / whole) } else { "–".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_four_digits() {
        for (nanos, text) in [
            (0, "0"),
            (1, "0.000000001"),
            (123_456_789_000, "123.5"),
            (1_234_567_000_000, "1235"),
            (420_000, "0.00042"),
            (12_345, "0.00001234"),
            (-2_500_000_000, "-2.5"),
            (100_000_000_000, "100"),
        ] {
            assert_eq!(amount(Money(nanos)), text);
        }
    }
}
