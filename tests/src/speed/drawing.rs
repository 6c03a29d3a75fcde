//! The same figures as bars.

use std::fmt::Write as _;

use super::contender::Way;
use super::table::{Figure, shown};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 120.0;
const BAR: f64 = 18.0;
const GAP: f64 = 34.0;

/// One group of bars for each figure, each group on its own scale, nginx in grey.
pub fn svg(figures: &[Figure]) -> String {
    let (mut body, mut y) = (String::new(), 10.0);
    for figure in figures {
        y += GAP;
        let title = format!("{}: {}", figure.what, figure.quantity);
        // Writing to a String cannot fail.
        let _ = writeln!(body, r#"<text x="8" y="{:.0}" class="title">{}</text>"#, y - 10.0, escaped(&title));
        let medians: Vec<(Way, f64)> =
            figure.values.iter().filter_map(|(way, _)| Some((*way, figure.median(*way)?))).collect();
        let most = medians.iter().map(|(_, median)| *median).fold(f64::MIN_POSITIVE, f64::max);
        for (way, median) in medians {
            let length = (WIDTH - LEFT - RIGHT) * median.max(0.0) / most;
            let colour = if way == Way::Nginx { "#8a8f98" } else { "#2f6fde" };
            let ratio = figure.ratio(way).map(|ratio| format!(" ({ratio:.2} ×)")).unwrap_or_default();
            let _ = writeln!(
                body,
                r#"<text x="{:.0}" y="{:.0}" class="way">{}</text><rect x="{LEFT}" y="{y:.0}" width="{length:.1}" height="{BAR}" fill="{colour}"/><text x="{:.0}" y="{:.0}">{}{ratio}</text>"#,
                LEFT - 8.0,
                y + BAR - 5.0,
                escaped(way.words()),
                LEFT + length + 6.0,
                y + BAR - 5.0,
                shown(median)
            );
            y += BAR + 4.0;
        }
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{0:.0}" viewBox="0 0 {WIDTH} {0:.0}" font-family="sans-serif" font-size="12">
<style>text{{fill:#222}}.title{{font-weight:bold}}.way{{text-anchor:end}}</style>
<rect width="100%" height="100%" fill="#fff"/>
{body}</svg>
"##,
        y + 16.0
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
