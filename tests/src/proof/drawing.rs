//! Curves of quality by busy time as an SVG drawing.

use std::fmt::Write as _;

use crate::cascading::{Point, at};

/// A curve with its place in the legend.
#[derive(Debug)]
pub struct Line {
    /// What it is called.
    pub name: String,
    /// Its colour, as SVG takes it.
    pub colour: &'static str,
    /// The curve.
    pub points: Vec<Point>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 56.0;
/// Points of a curve that are drawn.
const POINTS: u32 = 160;

/// Draws curves from the small model alone, at 0, to the large one alone, at 1.
pub fn svg(title: &str, lines: &[Line]) -> String {
    let heights = lines.iter().flat_map(|line| &line.points).map(|point| point.recovered);
    let most = (heights.fold(1.0, f64::max).min(1.8) * 5.0).ceil() / 5.0;
    let x = |cost: f64| LEFT + cost * (WIDTH - LEFT - RIGHT);
    let y = |recovered: f64| HEIGHT - BOTTOM - (recovered + 0.2) / (most + 0.2) * (HEIGHT - TOP - BOTTOM);
    let mut body = String::new();
    axes(&mut body, most, &x, &y);
    // Choosing by chance.
    let _ = writeln!(
        body,
        r##"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="#9e9e9e" stroke-dasharray="6 4"/>"##,
        x(0.0),
        y(0.0),
        x(1.0),
        y(1.0)
    );
    for (place, line) in lines.iter().enumerate() {
        let points: Vec<String> = (0..=POINTS)
            .map(|step| f64::from(step) / f64::from(POINTS))
            .map(|cost| format!("{:.1},{:.1}", x(cost), y(at(&line.points, cost).clamp(-0.2, most))))
            .collect();
        let _ = writeln!(
            body,
            r#"<polyline fill="none" stroke="{}" stroke-width="2" points="{}"/>"#,
            line.colour,
            points.join(" ")
        );
        legend(&mut body, place, line);
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">
<style>text{{fill:#222}}</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="{:.0}" y="24" text-anchor="middle" font-size="15">{}</text>
{body}</svg>
"##,
        WIDTH / 2.0,
        escaped(title)
    )
}

fn axes(body: &mut String, most: f64, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) {
    let steps = ((most + 0.2) * 5.0).round() as i32;
    for step in 0..=steps {
        let value = f64::from(step - 1) / 5.0;
        let _ = writeln!(
            body,
            r##"<line x1="{0:.1}" y1="{1:.1}" x2="{2:.1}" y2="{1:.1}" stroke="#e0e0e0"/><text x="{3:.1}" y="{4:.1}" text-anchor="end">{5:.0} %</text>"##,
            x(0.0),
            y(value),
            x(1.0),
            x(0.0) - 8.0,
            y(value) + 4.0,
            value * 100.0
        );
    }
    for step in 0..=5 {
        let value = f64::from(step) / 5.0;
        let _ = writeln!(
            body,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">{:.0} %</text>"#,
            x(value),
            HEIGHT - BOTTOM + 18.0,
            value * 100.0
        );
    }
    let _ = writeln!(
        body,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">busy time: 0 % is the small model alone, 100 % the large one alone</text><text transform="translate(16 {:.1}) rotate(-90)" text-anchor="middle">gap in quality recovered</text>"#,
        x(0.5),
        HEIGHT - 14.0,
        (TOP + HEIGHT - BOTTOM) / 2.0
    );
}

fn legend(body: &mut String, place: usize, line: &Line) {
    let y = TOP + 14.0 + 18.0 * place as f64;
    let _ = writeln!(
        body,
        r#"<line x1="{0:.0}" y1="{1:.0}" x2="{2:.0}" y2="{1:.0}" stroke="{3}" stroke-width="2"/><text x="{4:.0}" y="{5:.0}">{6}</text>"#,
        LEFT + 12.0,
        y,
        LEFT + 36.0,
        line.colour,
        LEFT + 42.0,
        y + 4.0,
        escaped(&line.name)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('`', "")
}
