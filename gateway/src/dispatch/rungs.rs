//! The order in which rungs are asked.

use gateway_config::Fallback;
use router_policies::Rung;

use super::DispatchJob;

/// The rungs that are left to ask.
#[derive(Debug)]
pub(super) struct RemainingLadder {
    /// Those that were not asked, the next one last.
    order: Vec<Rung>,
    /// Those that had too much work ahead, the first one first; each is here once, `true` until it is asked again.
    busy: Vec<(Rung, bool)>,
}

impl RemainingLadder {
    /// `first`, then as `fallback` says, of the rungs for which `able` holds; `first` itself is taken as it is.
    pub(super) fn new(
        first: Rung,
        count: usize,
        fallback: Fallback,
        eligible: impl Fn(Rung) -> bool,
    ) -> Self {
        let up = (first.0 + 1..count).map(Rung);
        let down = (0..first.0).rev().map(Rung);
        let others: Vec<Rung> = match fallback {
            Fallback::Up => up.collect(),
            Fallback::Down => down.collect(),
            Fallback::UpThenDown => up.chain(down).collect(),
            Fallback::None => Vec::new(),
        };
        let mut order: Vec<Rung> =
            std::iter::once(first).chain(others.into_iter().filter(|&rung| eligible(rung))).collect();
        order.reverse();
        Self { order, busy: Vec::new() }
    }

    /// The order for a request that begins with `first`.
    pub(super) fn of(job: &DispatchJob, first: Rung) -> Self {
        Self::new(first, job.ladder.len(), job.fallback, |rung| job.ladder[rung.0].eligible)
    }

    /// Goes on with `to`, whatever the fallback says: the answer of `from` will not do. It is still better than none, and
    /// so, where the fallback leads down, `from` is asked again before those below it.
    pub(super) fn escalate(&mut self, from: Rung, to: Rung, fallback: Fallback) {
        self.order.retain(|&rung| rung != to);
        if matches!(fallback, Fallback::Down | Fallback::UpThenDown) {
            let above = self.order.iter().position(|&rung| rung > from).unwrap_or(self.order.len());
            self.order.insert(above, from);
        }
        self.order.push(to);
    }

    /// This rung had too much work ahead. Once all others have failed it may be asked again.
    pub(super) fn was_busy(&mut self, rung: Rung) {
        if !self.busy.iter().any(|(busy, _)| *busy == rung) {
            self.busy.push((rung, true));
        }
    }

    /// The first rung that had too much work ahead, of those that may be asked again now; each only once.
    pub(super) fn again(&mut self, may: impl Fn(Rung) -> bool) -> Option<Rung> {
        let (rung, once) = self.busy.iter_mut().find(|(rung, once)| *once && may(*rung))?;
        *once = false;
        Some(*rung)
    }

    /// The next rung to ask.
    pub(super) fn next(&mut self) -> Option<Rung> {
        self.order.pop()
    }

    /// Whether nobody is left to ask who was not asked yet.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Leaves out what is left but for the rungs for which `keep` holds.
    pub(super) fn keep(&mut self, keep: impl Fn(Rung) -> bool) {
        self.order.retain(|&rung| keep(rung));
        self.busy.retain(|(rung, _)| keep(*rung));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_back_as_configured() {
        let check = |first, fallback, unable: &[usize], expected: &[usize]| {
            let mut rungs = RemainingLadder::new(Rung(first), 4, fallback, |rung| !unable.contains(&rung.0));
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

    #[test]
    fn who_was_busy_is_asked_once_more() {
        let mut rungs = RemainingLadder::new(Rung(0), 3, Fallback::Up, |_| true);
        let again = |rungs: &mut RemainingLadder, idle: &[usize]| rungs.again(|rung| idle.contains(&rung.0));
        for rung in [0, 1, 0, 1] {
            rungs.was_busy(Rung(rung));
        }
        assert_eq!(again(&mut rungs, &[]), None);
        assert_eq!(again(&mut rungs, &[1, 2]), Some(Rung(1)));
        rungs.was_busy(Rung(1));
        assert_eq!(again(&mut rungs, &[1, 2]), None);
        assert_eq!(again(&mut rungs, &[0, 1, 2]), Some(Rung(0)));
        rungs.was_busy(Rung(2));
        rungs.keep(|rung| rung.0 < 2);
        assert_eq!(again(&mut rungs, &[0, 1, 2]), None);
    }

    #[test]
    fn a_doubted_answer_is_better_than_none() {
        let check = |from, to, fallback, expected: &[usize]| {
            let mut rungs = RemainingLadder::new(Rung(from), 4, fallback, |_| true);
            rungs.next();
            rungs.escalate(Rung(from), Rung(to), fallback);
            let order: Vec<usize> = std::iter::from_fn(|| rungs.next()).map(|rung| rung.0).collect();
            assert_eq!(order, expected, "{from} {to} {fallback:?}");
        };
        check(1, 2, Fallback::UpThenDown, &[2, 3, 1, 0]);
        check(1, 3, Fallback::UpThenDown, &[3, 2, 1, 0]);
        check(0, 1, Fallback::Up, &[1, 2, 3]);
        check(1, 2, Fallback::Down, &[2, 1, 0]);
        check(0, 2, Fallback::None, &[2]);
    }
}
