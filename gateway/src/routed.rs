//! A route, and what it remembers of its traffic from request to request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_config::Route;
use router_policies::Recent;

use crate::record::Decided;

/// A route with its memory.
#[derive(Debug, Clone)]
pub struct Routed {
    /// The route.
    pub route: Arc<Route>,
    /// Recent requests, where the policy asks for a share of them. A lock of the route's own, held for microseconds.
    recent: Option<Arc<Mutex<Recent>>>,
}

impl Routed {
    /// A route; it remembers what `before` does where nothing changed that requests are ranked by.
    pub fn new(route: &Arc<Route>, before: Option<&Self>) -> Self {
        let kept = before.filter(|before| before.ranks_like(route)).and_then(|before| before.recent.clone());
        let recent = route.policy.share().map(|_| kept.unwrap_or_default());
        Self { route: Arc::clone(route), recent }
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
        let decision = Decision { plan: Plan::Ask(Rung(1)), reason: Reason::HARD };
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
