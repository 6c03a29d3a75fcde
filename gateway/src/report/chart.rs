//! Charts as inline SVG, in the colours of the page.

use std::fmt::Write as _;

/// Bars beside each other for each label: what is paid, and what it would have cost.
pub(super) struct BarPair<'a> {
    pub(super) label: &'a str,
    pub(super) paid: f64,
    pub(super) baseline: f64,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 36.0;
const TOP: f64 = 12.0;

/// Upright bars, a pair a label. `money` writes an amount for people.
pub(super) fn pairs(title: &str, pairs: &[BarPair<'_>], money: impl Fn(f64) -> String) -> String {
    let most = pairs.iter().flat_map(|pair| [pair.paid, pair.baseline]).fold(0.0, f64::max);
    let top = nice(most);
    let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value / top);
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n", escaped(title));
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        // Writing to a String cannot fail.
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\" class=\"grid\"/>\
             <text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\">{3}</text>",
            y(value),
            LEFT - 8.0,
            y(value) + 4.0,
            money(value)
        );
    }
    let room = (WIDTH - LEFT) / pairs.len().max(1) as f64;
    let bar = (room * 0.36).min(34.0);
    let every = (pairs.len() as f64 * 72.0 / (WIDTH - LEFT)).ceil().max(1.0) as usize;
    for (at, pair) in pairs.iter().enumerate() {
        let middle = LEFT + room * (at as f64 + 0.5);
        for (value, x, class) in
            [(pair.baseline, middle - bar - 1.0, "baseline"), (pair.paid, middle + 1.0, "paid")]
        {
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{bar:.1}\" height=\"{:.1}\" class=\"{class}\"><title>{} {class}: {}</title></rect>",
                y(value),
                y(0.0) - y(value),
                escaped(pair.label),
                money(value)
            );
        }
        if at % every == 0 {
            let _ = writeln!(
                svg,
                "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                HEIGHT - 12.0,
                escaped(pair.label)
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Lying bars with their names and amounts.
pub(super) fn bars(title: &str, rows: &[(String, f64, String)]) -> String {
    const ROW: f64 = 30.0;
    const NAME: f64 = 190.0;
    const VALUE: f64 = 150.0;
    let most = rows.iter().map(|row| row.1).fold(0.0, f64::max);
    let height = ROW * rows.len() as f64;
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n", escaped(title));
    for (at, (name, value, words)) in rows.iter().enumerate() {
        let y = ROW * at as f64;
        let width = if most > 0.0 { (WIDTH - NAME - VALUE) * value / most } else { 0.0 };
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{2:.1}\" text-anchor=\"end\">{3}</text>\
             <rect x=\"{NAME}\" y=\"{1:.1}\" width=\"{4:.1}\" height=\"18\" rx=\"2\" class=\"paid\"/>\
             <text x=\"{5:.1}\" y=\"{2:.1}\">{6}</text>",
            NAME - 10.0,
            y + 5.0,
            y + 19.0,
            escaped(&shortened(name)),
            width.max(1.0),
            NAME + width + 8.0,
            escaped(words)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// The next of 1, 2, 2.5, 5 or 10 times a power of ten, above the greatest value.
fn nice(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(most.log10().floor());
    [1.0, 2.0, 2.5, 5.0].iter().map(|step| step * power).find(|step| *step >= most).unwrap_or(10.0 * power)
}

fn shortened(name: &str) -> String {
    match name.chars().count() {
        0..=26 => name.to_owned(),
        _ => name.chars().take(25).chain(['…']).collect(),
    }
}

/// Text within markup.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
