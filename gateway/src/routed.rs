//! A route, and what it remembers of its traffic from request to request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use gateway_config::Route;
use router_policies::Recent;
use router_policies::policies::Escalations;
use tokio::time::Instant;

use crate::allowance::{Allowance, Terms};
use crate::record::Decided;

/// A route with its memory.
#[derive(Debug, Clone)]
pub struct Routed {
    /// The route.
    pub route: Arc<Route>,
    /// Recent requests, where the policy asks for a share of them. A lock of the route's own, held for microseconds.
    recent: Option<Arc<Mutex<Recent>>>,
    /// What each client may still escalate, where the policy bounds that.
    climbs: Option<Climbs>,
}

/// What each client may still escalate, by its name.
#[derive(Debug, Clone)]
struct Climbs {
    terms: Terms,
    of: Arc<DashMap<String, Arc<Allowance>>>,
}

/// The most escalations that a client's requests can have earned for a sudden need.
const MOST_CLIMBS: u32 = 100;

impl Climbs {
    fn new(bound: Escalations) -> Self {
        let thousandths = (bound.share * 1000.0).round() as u32;
        let each = Duration::from_secs(60).checked_div(bound.at_least).unwrap_or_default();
        let terms = Terms { thousandths, most: MOST_CLIMBS, each, floor: bound.at_least };
        Self { terms, of: Arc::default() }
    }
}

impl Routed {
    /// A route; it remembers what `before` does where nothing changed that requests are ranked by.
    pub fn new(route: &Arc<Route>, before: Option<&Self>) -> Self {
        let kept = before.filter(|before| before.ranks_like(route)).and_then(|before| before.recent.clone());
        let recent = route.policy.share().map(|_| kept.unwrap_or_default());
        let climbs = route.policy.escalations().map(Climbs::new);
        let kept = before.and_then(|before| before.climbs.clone());
        let climbs = climbs.map(|new| kept.filter(|kept| kept.terms == new.terms).unwrap_or(new));
        Self { route: Arc::clone(route), recent, climbs }
    }

    /// Whether scores of then can be compared with scores of now.
    fn ranks_like(&self, route: &Route) -> bool {
        let classes = |route: &Route| route.ladder.iter().map(|model| model.class).collect::<Vec<_>>();
        let same = self.route.policy == route.policy && self.route.calibration == route.calibration;
        same && classes(&self.route) == classes(route)
    }

    /// The recent requests, for one decision.
    pub fn recent(&self) -> Option<MutexGuard<'_, Recent>> {
        self.recent.as_ref().map(|recent| recent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a client may still escalate; a request of it has come. `None`: as much as it needs.
    pub fn climbs(&self, client: &str) -> Option<Arc<Allowance>> {
        let climbs = self.climbs.as_ref()?;
        let known = climbs.of.get(client).map(|allowance| Arc::clone(&allowance));
        let allowance = known.unwrap_or_else(|| {
            let new = || Arc::new(Allowance::new(climbs.terms, Instant::now()));
            Arc::clone(&climbs.of.entry(client.to_owned()).or_insert_with(new))
        });
        allowance.deposit();
        Some(allowance)
    }

    /// Takes note of a request that is about to be carried out.
    pub fn note(&self, decided: &Decided) {
        let (Some(scores), Some(share)) = (&decided.scores, self.route.policy.share()) else { return };
        let up = decided.decision.plan.first().0 + 1 == self.route.ladder.len();
        if let Some(mut recent) = self.recent() {
            recent.note(scores.gain, up, share);
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_config::Config;
    use router_policies::{Decision, Plan, Reason, Rung};

    use super::*;
    use crate::record::Scores;

    fn config(policy: &str, class: &str) -> Config {
        let yaml = format!(
            "models:\n  - {{name: s, provider: openai, base_url: 'http://127.0.0.1:1', model: s, class: tiny}}\n  \
             - {{name: l, provider: openai, base_url: 'http://127.0.0.1:1', model: l, class: {class}}}\n\
             routes: [{{name: auto, ladder: [s, l], policy: {policy}}}]\n"
        );
        gateway_config::from_str(&yaml, None, &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// A route that sent up a request of gain 0.5.
    fn busy() -> Routed {
        let routed = Routed::new(&config(SHARE, "frontier").routes[0], None);
        let decision = Decision::of(Plan::Ask(Rung(1)), Reason::HARD);
        let scores = Scores { difficulty: 0.5, gain: 0.5, familiarity: 1.0, suffices: Default::default() };
        routed.note(&Decided { decision, scores: Some(scores) });
        routed
    }

    const SHARE: &str = "{kind: threshold, at: {share: 0.4}}";

    /// What the route would now call a large gain; `None` when it remembers nothing.
    fn cut(routed: &Routed) -> Option<f64> {
        routed.recent().map(|recent| recent.cut(0.4))
    }

    #[test]
    fn only_a_share_needs_memory() {
        let fixed = Routed::new(&config("{kind: fixed, model: s}", "frontier").routes[0], Some(&busy()));
        assert_eq!(cut(&fixed), None);
    }

    #[test]
    fn memory_outlives_a_reload_as_long_as_it_means_the_same() {
        let after =
            |policy: &str, class: &str| cut(&Routed::new(&config(policy, class).routes[0], Some(&busy())));
        assert_eq!(after(SHARE, "frontier"), Some(0.5));
        let forgotten = Some(f64::NEG_INFINITY);
        assert_eq!(after("{kind: threshold, at: {share: 0.5}}", "frontier"), forgotten);
        assert_eq!(after(SHARE, "medium"), forgotten);
    }
}
