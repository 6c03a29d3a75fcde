//! The order in which rungs are asked.

use gateway_config::Fallback;
use router_policies::Rung;

/// The rungs that are left to ask, the next one last.
#[derive(Debug)]
pub(super) struct Rungs(Vec<Rung>);

impl Rungs {
    /// `first`, then as `fallback` says, of the rungs for which `able` holds; `first` itself is taken as it is.
    pub(super) fn new(first: Rung, count: usize, fallback: Fallback, able: impl Fn(Rung) -> bool) -> Self {
        let up = (first.0 + 1..count).map(Rung);
        let down = (0..first.0).rev().map(Rung);
        let others: Vec<Rung> = match fallback {
            Fallback::Up => up.collect(),
            Fallback::Down => down.collect(),
            Fallback::UpThenDown => up.chain(down).collect(),
            Fallback::None => Vec::new(),
        };
        let mut order: Vec<Rung> =
            std::iter::once(first).chain(others.into_iter().filter(|&rung| able(rung))).collect();
        order.reverse();
        Self(order)
    }

    /// The next rung to ask.
    pub(super) fn next(&mut self) -> Option<Rung> {
        self.0.pop()
    }

    /// Whether nobody is left to ask.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Leaves out what is left but for the rungs for which `keep` holds.
    pub(super) fn keep(&mut self, keep: impl Fn(Rung) -> bool) {
        self.0.retain(|&rung| keep(rung));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_back_as_configured() {
        let check = |first, fallback, unable: &[usize], expected: &[usize]| {
            let mut rungs = Rungs::new(Rung(first), 4, fallback, |rung| !unable.contains(&rung.0));
            let order: Vec<usize> = std::iter::from_fn(|| rungs.next()).map(|rung| rung.0).collect();
            assert_eq!(order, expected, "{first} {fallback:?} {unable:?}");
        };
        check(1, Fallback::Up, &[], &[1, 2, 3]);
        check(2, Fallback::Down, &[], &[2, 1, 0]);
        check(1, Fallback::UpThenDown, &[], &[1, 2, 3, 0]);
        check(1, Fallback::UpThenDown, &[2, 0], &[1, 3]);
        check(1, Fallback::None, &[], &[1]);
        check(3, Fallback::Up, &[], &[3]);
    }
}
