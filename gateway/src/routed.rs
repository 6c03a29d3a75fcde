//! A route, and what it remembers of its traffic from request to request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use gateway_config::{Config, Route};
use router_policies::outcomes::Correction;
use router_policies::policies::Escalations;
use router_policies::query::Conversation;
use router_policies::steer::Kept;
use router_policies::{Chance, Recent, Rung, Standing, Toll, Weights, weights};
use tokio::time::Instant;

use crate::account::OnClose;
use crate::allowance::{Allowance, Terms};
use crate::assessment::{Assessment, Candidate};
use crate::conversations::{Conversations, Place};
use crate::explore::{Explorer, Shadow};
use crate::protocol::Chat;
use crate::record::{Outcome, Record};
use crate::steering::{Offered, Steering};
use crate::telemetry::Telemetry;
use crate::upstreams::Pool;

/// A route with its memory.
#[derive(Clone)]
pub struct Routed {
    /// The route.
    pub route: Arc<Route>,
    /// Its models, from small to large.
    pools: Arc<[Arc<Pool>]>,
    /// What was measured.
    steering: Arc<Steering>,
    /// What other models would have answered; `None` where that is not explored.
    explorer: Option<Arc<Explorer>>,
    /// Who answered what goes on; `None` where the policy never chooses.
    conversations: Option<Arc<Conversations>>,
    /// Recent requests, where the policy asks for a share of them. A lock of the route's own, held for microseconds.
    recent: Option<Arc<Mutex<Recent>>>,
    /// What each client may still escalate, where the policy bounds that.
    climbs: Option<Climbs>,
    /// The routes that its rules hand over to.
    asides: Arc<[Self]>,
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
    pub fn new(
        route: &Arc<Route>,
        pools: Arc<[Arc<Pool>]>,
        config: &Config,
        telemetry: &Telemetry,
        before: Option<&Self>,
    ) -> Self {
        let alike = before.filter(|before| before.ranks_like(route));
        let recent = alike.and_then(|before| before.recent.clone());
        let climbs = route.policy.escalations().map(Climbs::new);
        let kept = before.and_then(|before| before.climbs.clone());
        let new = || Arc::new(Steering::new(route, &config.time_zone, &telemetry.paces));
        Self {
            recent: route.policy.share().map(|_| recent.unwrap_or_default()),
            climbs: climbs.map(|new| kept.filter(|kept| kept.terms == new.terms).unwrap_or(new)),
            steering: alike.map_or_else(new, |before| Arc::clone(&before.steering)),
            explorer: Explorer::new(
                route,
                &pools,
                config,
                telemetry,
                alike.and_then(|before| before.explorer.as_deref()),
            )
            .map(Arc::new),
            conversations: route
                .policy
                .chooses()
                .then(|| alike.and_then(|before| before.conversations.clone()).unwrap_or_default()),
            route: Arc::clone(route),
            pools,
            asides: Arc::new([]),
        }
    }

    /// The same with the routes that its rules hand over to.
    pub fn beside(self, all: &HashMap<String, Self>) -> Self {
        let named = self.route.policy.rules().into_iter().filter_map(|(_, rule)| rule.route.as_ref());
        let asides = named.filter_map(|name| all.get(name).cloned()).collect();
        Self { asides, ..self }
    }

    /// A route that its rules hand over to.
    pub fn aside(&self, name: &str) -> Option<Self> {
        self.asides.iter().find(|aside| aside.route.name == name).cloned()
    }

    /// Whether scores of then can be compared with scores of now.
    fn ranks_like(&self, route: &Route) -> bool {
        let rungs = |route: &Route| {
            route.ladder.iter().map(|model| (model.name.clone(), model.class)).collect::<Vec<_>>()
        };
        let same = self.route.policy == route.policy && self.route.calibration == route.calibration;
        same && rungs(&self.route) == rungs(route)
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

    /// Where a request stands in its conversation.
    pub fn place(&self, chat: &Chat, client: &str, session: Option<&str>) -> Option<Place> {
        Some(self.conversations.as_ref()?.place(chat, client, session))
    }

    /// Corrects what is foreseen for each rung by what shadows have shown.
    pub fn correct(&self, rungs: &mut [Chance]) {
        if let Some(explorer) = &self.explorer {
            explorer.correct(rungs);
        }
    }

    /// What shadows have shown of the chances that a guard gives the answers of a rung.
    pub fn guard_correction(&self, rung: usize) -> Correction {
        self.explorer.as_ref().map_or(Correction::NONE, |explorer| explorer.guard_correction(rung))
    }

    /// What asking each model takes, where that matters.
    pub fn tolls(&self, chat: &Chat, talk: Option<Conversation>) -> Option<Vec<Toll>> {
        (self.steering.weighs() || talk.is_some()).then(|| self.steering.tolls(&self.pools, chat, talk))
    }

    /// Adds the chance of a second attempt to what asking takes, where the policy guards what it chooses.
    pub fn guard(&self, ladder: &mut [Standing<'_>]) {
        self.steering.guard(ladder);
    }

    /// What quality, money and time weigh at this moment; `None` where nothing is weighed.
    pub fn weights(&self) -> Option<Weights> {
        self.steering.weights()
    }

    /// Each target of the policy, and what came of it so far.
    pub fn kept(&self) -> Vec<Kept> {
        self.steering.kept()
    }

    /// Takes note of a request that is about to be carried out. What comes back is to be told how it ended.
    pub fn note(&self, assessment: &Assessment) -> Learner {
        let decided = &assessment.decided;
        let first = decided.decision.plan.first();
        if let (Some(scores), Some(share), Some(mut recent)) =
            (&decided.scores, self.route.policy.share(), self.recent())
        {
            recent.note(scores.gain, first.0 + 1 == self.route.ladder.len(), share);
        }
        let mut offered = Vec::new();
        let mut foreseen = assessment.ladder.get(first.0).and_then(|rung| rung.toll.cost);
        if let Some(draw) = decided.draw.filter(|_| self.steering.weighs()) {
            let ladder: Vec<Standing<'_>> = assessment.ladder.iter().map(Candidate::standing).collect();
            self.steering.asked(&ladder, draw);
            let offer = |rung: &Standing<'_>| Offered {
                able: rung.able,
                suffices: rung.suffices,
                load: rung.toll.load,
            };
            offered.extend(ladder.iter().map(offer));
            foreseen = foreseen.or_else(|| weights::highest_cost(&ladder));
        }
        let shadow = decided.decision.shadow.map(|rung| (rung, assessment.foreseen.clone()));
        let able = shadow.iter().flat_map(|_| assessment.ladder.iter().map(|rung| rung.able)).collect();
        Learner { routed: self.clone(), place: assessment.place, foreseen, offered, shadow, able, chat: None }
    }
}

/// Tells a route how a request of it ended.
pub struct Learner {
    routed: Routed,
    place: Option<Place>,
    /// In the account currency.
    foreseen: Option<f64>,
    /// What each rung offered, where that is weighed.
    offered: Vec<Offered>,
    /// Who answers too, and what was foreseen for each rung.
    shadow: Option<(Rung, Vec<Chance>)>,
    /// Whom the request may be shown to, where somebody answers too.
    able: Vec<bool>,
    chat: Option<Arc<Chat>>,
}

impl Learner {
    /// Whether another model is to answer too. Calls of tools are not: nobody would carry them out.
    pub fn explores(&self, chat: &Chat) -> bool {
        self.shadow.is_some() && chat.n() == 1 && !chat.needs().tools
    }

    /// Keeps what another model is to be asked.
    pub fn keep(&mut self, chat: &Arc<Chat>) {
        self.chat = Some(Arc::clone(chat));
    }

    fn learn(&mut self, record: &Record) {
        let Routed { route, steering, conversations, .. } = &self.routed;
        steering.learn(route, record, self.foreseen, &self.offered);
        let Some(answer) = record.answer() else { return };
        let Some(rung) = route.ladder.iter().position(|model| model.name == answer.model.name) else {
            return;
        };
        if let (Some(conversations), Some(place)) = (conversations, &self.place) {
            conversations.answered(place, Rung(rung), answer.usage.total());
        }
        self.explore(record, Rung(rung));
    }

    fn explore(&mut self, record: &Record, answered: Rung) {
        let (Some(explorer), Some(chat), Some((rung, foreseen))) =
            (&self.routed.explorer, self.chat.take(), self.shadow.take())
        else {
            return;
        };
        let answer = record.content.as_ref().filter(|_| record.outcome == Outcome::Complete);
        if let Some(answer) = answer.and_then(|content| content.text()) {
            let able = std::mem::take(&mut self.able);
            let found = self.found(record);
            // Where the request went on to who was to answer too, the answer that was doubted is what is not known.
            let rung = found.filter(|_| rung == answered).map_or(rung, |(doubted, _)| doubted);
            explorer.follow(Shadow { chat, rung, answered, foreseen, found, able }, answer);
        }
    }

    /// Whose answer a guard judged, and the chance that it gave it, uncorrected.
    fn found(&self, record: &Record) -> Option<(Rung, Chance)> {
        let (attempt, found) = record.attempts.iter().rev().find_map(|it| Some((it, it.found?)))?;
        let rung = self.routed.route.ladder.iter().position(|model| model.name == attempt.model.name)?;
        Some((Rung(rung), found.plain))
    }
}

impl OnClose for Learner {
    fn closed(mut self: Box<Self>, record: &Record) {
        self.learn(record);
    }
}

#[cfg(test)]
mod tests {
    use gateway_config::Fallback;
    use router_policies::{Decision, Plan, Reason, RequestDraw};

    use super::*;
    use crate::curfew::Curfew;
    use crate::ledger::Ledger;
    use crate::log::Log;
    use crate::metrics::Metrics;
    use crate::record::{Decided, Scores};

    fn config(policy: &str, class: &str) -> Config {
        let yaml = format!(
            "models:\n  - {{name: s, provider: openai, base_url: 'http://127.0.0.1:1', model: s, class: tiny}}\n  \
             - {{name: l, provider: openai, base_url: 'http://127.0.0.1:1', model: l, class: {class}}}\n\
             routes: [{{name: auto, ladder: [s, l], policy: {policy}}}]\n"
        );
        gateway_config::from_str(&yaml, None, &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn telemetry() -> Telemetry {
        let metrics = Arc::new(Metrics::new().unwrap());
        let log = Log::to_stdout(metrics.log_dropped.with_label_values::<&str>(&[]));
        let (ledger, curfew) = (Arc::new(Ledger::without_memory()), Curfew::default());
        Telemetry { metrics, log, paces: Arc::default(), ledger, curfew }
    }

    fn routed(policy: &str, class: &str, before: Option<&Routed>) -> Routed {
        let config = config(policy, class);
        Routed::new(&config.routes[0], Arc::default(), &config, &telemetry(), before)
    }

    /// A route that sent up a request of gain 0.5.
    fn busy() -> Routed {
        let routed = routed(SHARE, "frontier", None);
        let decision = Decision::of(Plan::Ask(Rung(1)), Reason::HARD);
        let scores = Scores { difficulty: 0.5, gain: 0.5, familiarity: 1.0, suffices: Default::default() };
        let assessment = Assessment {
            decided: Decided { decision, scores: Some(scores), draw: Some(RequestDraw::default()) },
            ladder: Vec::new(),
            fallback: Fallback::None,
            scoring: None,
            features: None,
            place: None,
            weights: None,
            foreseen: Vec::new(),
            aside: None,
        };
        routed.note(&assessment);
        routed
    }

    const SHARE: &str = "{kind: threshold, at: {share: 0.4}}";

    /// What the route would now call a large gain; `None` when it remembers nothing.
    fn cut(routed: &Routed) -> Option<f64> {
        routed.recent().map(|recent| recent.cut(0.4))
    }

    #[test]
    fn only_a_share_needs_memory() {
        let fixed = routed("{kind: fixed, model: s}", "frontier", Some(&busy()));
        assert_eq!(cut(&fixed), None);
    }

    #[test]
    fn memory_outlives_a_reload_as_long_as_it_means_the_same() {
        let after = |policy: &str, class: &str| cut(&routed(policy, class, Some(&busy())));
        assert_eq!(after(SHARE, "frontier"), Some(0.5));
        let forgotten = Some(f64::NEG_INFINITY);
        assert_eq!(after("{kind: threshold, at: {share: 0.5}}", "frontier"), forgotten);
        assert_eq!(after(SHARE, "medium"), forgotten);
    }
}
