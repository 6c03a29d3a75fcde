//! Curves of recovered performance gap as an SVG drawing.

use std::fmt::Write;

use router_policies::evaluate::RecoveryCurve;

/// A curve with its place in the legend.
pub(super) struct PlotLine {
    pub(super) name: &'static str,
    pub(super) colour: &'static str,
    pub(super) dashed: bool,
    pub(super) curve: RecoveryCurve,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 500.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 60.0;
/// Points of a curve that are drawn.
const POINTS: usize = 240;

/// Draws curves over the share of calls to the large model.
pub(super) fn plot(title: &str, lines: &[PlotLine]) -> String {
    let values = || lines.iter().flat_map(|line| &line.curve.recovered).copied();
    // Steps of a fifth; an oracle far above 1 must not flatten the rest.
    let most = (values().fold(1.0, f64::max).min(2.0) * 5.0).ceil() / 5.0;
    // A dip of a hundredth is no reason for a longer axis.
    let least = ((values().fold(0.0, f64::min).max(-0.6) + 0.01) * 5.0).floor().min(0.0) / 5.0;
    let frame = PlotFrame { least, most };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <clipPath id=\"inside\"><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/></clipPath>\n",
        WIDTH - LEFT - RIGHT,
        HEIGHT - TOP - BOTTOM,
    );
    text(&mut svg, WIDTH / 2.0, 26.0, "middle", "font-size=\"16\"", title);
    frame.axes(&mut svg);
    for line in lines {
        frame.curve(&mut svg, line);
    }
    legend(&mut svg, lines);
    svg.push_str("</svg>\n");
    svg
}

struct PlotFrame {
    least: f64,
    most: f64,
}

impl PlotFrame {
    fn x(&self, share: f64) -> f64 {
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, recovered: f64) -> f64 {
        let part = (recovered - self.least) / (self.most - self.least);
        HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
    }

    fn axes(&self, svg: &mut String) {
        let (left, right) = (self.x(0.0), self.x(1.0));
        let (bottom, top) = (self.y(self.least), self.y(self.most));
        let steps = ((self.most - self.least) * 5.0).round() as usize;
        for step in 0..=steps {
            let value = self.least + step as f64 / 5.0;
            let y = self.y(value);
            rule(svg, left, y, right, y, if value.abs() < 1e-9 { "#9e9e9e" } else { "#e0e0e0" });
            text(svg, left - 8.0, y + 4.5, "end", "", &format!("{:.0} %", value * 100.0));
        }
        for step in 0..=10 {
            let x = self.x(f64::from(step) / 10.0);
            rule(svg, x, bottom, x, top, "#eeeeee");
            text(svg, x, bottom + 18.0, "middle", "", &format!("{} %", step * 10));
        }
        rule(svg, left, bottom, right, bottom, "#424242");
        rule(svg, left, bottom, left, top, "#424242");
        let middle = (left + right) / 2.0;
        text(svg, middle, HEIGHT - 16.0, "middle", "", "share of calls to the large model");
        let turned = format!("transform=\"rotate(-90 18 {0})\"", (top + bottom) / 2.0);
        text(svg, 18.0, (top + bottom) / 2.0, "middle", &turned, "performance gap recovered");
    }

    fn curve(&self, svg: &mut String, line: &PlotLine) {
        let dashes = if line.dashed { " stroke-dasharray=\"6 4\"" } else { "" };
        let _ = write!(
            svg,
            "<polyline clip-path=\"url(#inside)\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{dashes} points=\"",
            line.colour
        );
        for point in 0..=POINTS {
            let share = point as f64 / POINTS as f64;
            let _ = write!(svg, "{:.1},{:.1} ", self.x(share), self.y(line.curve.at(share)));
        }
        svg.push_str("\"/>\n");
    }
}

fn legend(svg: &mut String, lines: &[PlotLine]) {
    let (left, top) = (WIDTH - RIGHT - 262.0, HEIGHT - BOTTOM - 16.0 - 20.0 * lines.len() as f64);
    let height = 20.0 * lines.len() as f64 + 8.0;
    let _ = writeln!(
        svg,
        "<rect x=\"{left}\" y=\"{top}\" width=\"252\" height=\"{height}\" fill=\"#ffffff\" stroke=\"#bdbdbd\"/>"
    );
    for (at, line) in lines.iter().enumerate() {
        let y = top + 18.0 + 20.0 * at as f64;
        let dashes = if line.dashed { " stroke-dasharray=\"6 4\"" } else { "" };
        let _ = writeln!(
            svg,
            "<line x1=\"{}\" y1=\"{1}\" x2=\"{2}\" y2=\"{1}\" stroke=\"{3}\" stroke-width=\"2\"{dashes}/>",
            left + 10.0,
            y - 4.0,
            left + 40.0,
            line.colour
        );
        text(svg, left + 48.0, y, "start", "", &format!("{} ({:.3})", line.name, line.curve.apgr()));
    }
}

fn rule(svg: &mut String, x1: f64, y1: f64, x2: f64, y2: f64, colour: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, more: &str, words: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#212121\" {more}>{words}</text>"
    );
}
