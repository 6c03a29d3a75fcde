//! Figures of several rounds, beside each other.

use std::fmt::Write as _;

use super::contender::Way;

/// One quantity for each way, round by round.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What was asked.
    pub what: String,
    /// What was counted, with its unit.
    pub quantity: String,
    /// Of each way that was measured, one value for each round.
    pub values: Vec<(Way, Vec<f64>)>,
}

impl Figure {
    /// Nothing measured so far.
    pub fn new(what: &str, quantity: &str) -> Self {
        Self { what: what.to_owned(), quantity: quantity.to_owned(), values: Vec::new() }
    }

    /// One more round.
    pub fn add(&mut self, way: Way, value: f64) {
        match self.values.iter_mut().find(|(other, _)| *other == way) {
            Some((_, values)) => values.push(value),
            None => self.values.push((way, vec![value])),
        }
    }

    /// The median of a way's rounds.
    pub fn median(&self, way: Way) -> Option<f64> {
        let (_, values) = self.values.iter().find(|(other, _)| *other == way)?;
        Some(median(values))
    }

    /// By how much a way has more than nginx: the median of the ratios round by round, which a noisy neighbour disturbs
    /// less than the ratio of the medians.
    pub fn ratio(&self, way: Way) -> Option<f64> {
        let of = |way| self.values.iter().find(|(other, _)| *other == way).map(|(_, values)| values);
        let ratios: Vec<f64> = of(way)?.iter().zip(of(Way::Nginx)?).map(|(own, nginx)| own / nginx).collect();
        (!ratios.is_empty()).then(|| median(&ratios))
    }
}

/// The middle one, or the mean of the two in the middle.
///
/// # Panics
/// Where there is none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + sorted[middle]) / 2.0 } else { sorted[middle] }
}

/// The figures as a Markdown table.
pub fn markdown(figures: &[Figure]) -> String {
    let mut text =
        String::from("| What | Way | Median | Range | × nginx |\n| --- | --- | ---: | ---: | ---: |\n");
    for figure in figures {
        for (way, values) in &figure.values {
            let (low, high) = values
                .iter()
                .fold((f64::MAX, f64::MIN), |(low, high), &value| (low.min(value), high.max(value)));
            let ratio = figure.ratio(*way).map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            let (what, quantity, way) = (&figure.what, &figure.quantity, way.words());
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {what}: {quantity} | {way} | {} | {} to {} | {ratio} |",
                shown(median(values)),
                shown(low),
                shown(high)
            );
        }
    }
    text
}

/// Three digits that count.
pub fn shown(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_round() {
        let mut figure = Figure::new("whole", "µs");
        for (nginx, own) in [(10.0, 20.0), (20.0, 40.0), (10.0, 30.0)] {
            figure.add(Way::Nginx, nginx);
            figure.add(Way::Name, own);
        }
        assert_eq!((figure.ratio(Way::Name), figure.median(Way::Name)), (Some(2.0), Some(30.0)));
        assert_eq!(figure.ratio(Way::Auto), None);
        let table = markdown(&[figure]);
        assert!(table.contains("| whole: µs | by name | 30.0 | 20.0 to 40.0 | 2.00 |"), "{table}");
    }
}
