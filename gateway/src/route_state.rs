//! A route, and what it remembers of its traffic from request to request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use gateway_config::{GatewayConfig, Route};
use router_policies::outcomes::Correction;
use router_policies::policies::EscalationBound;
use router_policies::query::ConversationState;
use router_policies::weight_controller::TargetStatus;
use router_policies::{CostEstimate, Probability, RecentGains, Rung, RungState, UtilityWeights, weights};
use tokio::time::Instant;

use crate::account::OnClose;
use crate::assessment::{Assessment, CandidateModel};
use crate::explore::{Explorer, ShadowRequest};
use crate::record::{RequestOutcome, RequestRecord};
use crate::session_affinity::{ConversationSlot, SessionAffinity};
use crate::steering::{OfferedRung, TargetController};
use crate::telemetry::Telemetry;
use protocol::{ChatRequest, FinishReason};
use upstreams::retry_budget::{RetryBudget, RetryBudgetConfig};
use upstreams::{EndpointPool, ServedLimits};

/// A route with its memory.
#[derive(Clone)]
pub struct RouteState {
    /// The route.
    pub route: Arc<Route>,
    /// Its models, from small to large.
    pools: Arc<[Arc<EndpointPool>]>,
    /// What was measured.
    steering: Arc<TargetController>,
    /// What other models would have answered; `None` where that is not explored.
    explorer: Option<Arc<Explorer>>,
    /// Who answered what goes on; `None` where the policy never chooses.
    conversations: Option<Arc<SessionAffinity>>,
    /// Recent requests, where the policy asks for a share of them. A lock of the route's own, held for microseconds.
    recent: Option<Arc<Mutex<RecentGains>>>,
    /// What each client may still escalate, where the policy bounds that.
    escalations: Option<EscalationBudgets>,
    /// The routes that its rules hand over to.
    handovers: Arc<[Self]>,
}

/// What each client may still escalate, by its name.
#[derive(Debug, Clone)]
struct EscalationBudgets {
    budget_config: RetryBudgetConfig,
    of: Arc<DashMap<String, Arc<RetryBudget>>>,
}

/// The most escalations that a client's requests can have earned for a sudden need.
const MOST_CLIMBS: u32 = 100;

impl EscalationBudgets {
    fn new(bound: EscalationBound) -> Self {
        let thousandths = (bound.share * 1000.0).round() as u32;
        let each = Duration::from_secs(60).checked_div(bound.at_least).unwrap_or_default();
        let budget_config = RetryBudgetConfig {
            thousandths,
            burst: MOST_CLIMBS,
            refill_interval: each,
            min_tokens: bound.at_least,
        };
        Self { budget_config, of: Arc::default() }
    }
}

impl RouteState {
    /// A route; it remembers what `before` does where nothing changed that requests are ranked by.
    pub fn new(
        route: &Arc<Route>,
        pools: Arc<[Arc<EndpointPool>]>,
        config: &GatewayConfig,
        telemetry: &Telemetry,
        before: Option<&Self>,
    ) -> Self {
        let alike = before.filter(|before| before.ranks_like(route));
        let recent = alike.and_then(|before| before.recent.clone());
        let escalations = route.policy.escalations().map(EscalationBudgets::new);
        let kept = before.and_then(|before| before.escalations.clone());
        let new = || Arc::new(TargetController::new(route, &config.time_zone, &telemetry.machine_time));
        Self {
            recent: route.policy.share().map(|_| recent.unwrap_or_default()),
            escalations: escalations
                .map(|new| kept.filter(|kept| kept.budget_config == new.budget_config).unwrap_or(new)),
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
            handovers: Arc::new([]),
        }
    }

    /// The same with the routes that its rules hand over to.
    pub fn beside(self, all: &HashMap<String, Self>) -> Self {
        let named = self.route.policy.rules().into_iter().filter_map(|(_, rule)| rule.route.as_ref());
        let handovers = named.filter_map(|name| all.get(name).cloned()).collect();
        Self { handovers, ..self }
    }

    /// A route that its rules hand over to.
    pub fn handover(&self, name: &str) -> Option<Self> {
        self.handovers.iter().find(|handover| handover.route.name == name).cloned()
    }

    /// Whether scores of then can be compared with scores of now.
    fn ranks_like(&self, route: &Route) -> bool {
        let rungs = |route: &Route| {
            let seen = route.ladder.iter().map(|model| (model.name.clone(), model.class, model.card));
            seen.collect::<Vec<_>>()
        };
        let same = self.route.policy == route.policy && self.route.calibration == route.calibration;
        same && rungs(&self.route) == rungs(route)
    }

    /// Whether the model of this rung cannot be asked at all, as its weights are not loaded.
    pub fn is_absent(&self, rung: usize) -> bool {
        self.pools.get(rung).is_some_and(|pool| pool.absence().is_some())
    }

    /// What the servers of this rung's model have said of it.
    pub fn limits(&self, rung: usize) -> Option<&ServedLimits> {
        self.pools.get(rung).map(|pool| pool.limits())
    }

    /// The recent requests, for one decision.
    pub fn recent(&self) -> Option<MutexGuard<'_, RecentGains>> {
        self.recent.as_ref().map(|recent| recent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a client may still escalate; a request of it has come. `None`: as much as it needs.
    pub fn escalations(&self, client: &str) -> Option<Arc<RetryBudget>> {
        let escalations = self.escalations.as_ref()?;
        let known = escalations.of.get(client).map(|allowance| Arc::clone(&allowance));
        let allowance = known.unwrap_or_else(|| {
            let new = || Arc::new(RetryBudget::new(escalations.budget_config, Instant::now()));
            Arc::clone(&escalations.of.entry(client.to_owned()).or_insert_with(new))
        });
        allowance.deposit();
        Some(allowance)
    }

    /// Where a request stands in its conversation.
    pub fn place(&self, chat: &ChatRequest, client: &str, session: Option<&str>) -> Option<ConversationSlot> {
        Some(self.conversations.as_ref()?.place(chat, client, session))
    }

    /// Corrects what is foreseen for each rung by what shadows have shown.
    pub fn correct(&self, rungs: &mut [Probability]) {
        if let Some(explorer) = &self.explorer {
            explorer.correct(rungs);
        }
    }

    /// What shadows have shown of the chances that a guard gives the answers of a rung.
    pub fn guard_correction(&self, rung: usize) -> Correction {
        self.explorer.as_ref().map_or(Correction::NONE, |explorer| explorer.guard_correction(rung))
    }

    /// What asking each model takes, where that matters.
    pub fn cost_estimates(
        &self,
        chat: &ChatRequest,
        conversation: Option<ConversationState>,
    ) -> Option<Vec<CostEstimate>> {
        (self.steering.weighs() || conversation.is_some())
            .then(|| self.steering.cost_estimates(&self.pools, chat, conversation))
    }

    /// Adds the chance of a second attempt to what asking takes, where the policy guards what it chooses.
    pub fn guard(&self, ladder: &mut [RungState<'_>]) {
        self.steering.guard(ladder);
    }

    /// What quality, money and time weigh at this moment; `None` where nothing is weighed.
    pub fn weights(&self) -> Option<UtilityWeights> {
        self.steering.weights()
    }

    /// Each target of the policy, and what came of it so far.
    pub fn kept(&self) -> Vec<TargetStatus> {
        self.steering.kept()
    }

    /// Takes note of a request that is about to be carried out. What comes back is to be told how it ended.
    pub fn note(&self, assessment: &Assessment) -> RouteFeedback {
        let decided = &assessment.decided;
        let first = decided.decision.plan.first();
        if let (Some(scores), Some(share), Some(mut recent)) =
            (&decided.scores, self.route.policy.share(), self.recent())
        {
            recent.record(scores.gain, first.0 + 1 == self.route.ladder.len(), share);
        }
        let mut offered = Vec::new();
        let mut foreseen = assessment.ladder.get(first.0).and_then(|rung| rung.estimate.cost);
        if let Some(draw) = decided.draw.filter(|_| self.steering.weighs()) {
            let ladder: Vec<RungState<'_>> = assessment.ladder.iter().map(CandidateModel::standing).collect();
            self.steering.asked(&ladder, draw);
            let offer = |rung: &RungState<'_>| OfferedRung {
                eligible: rung.eligible,
                suffices: rung.p_success,
                load: rung.estimate.load,
            };
            offered.extend(ladder.iter().map(offer));
            foreseen = foreseen.or_else(|| weights::highest_cost(&ladder));
        }
        let shadow = decided.decision.shadow.map(|rung| (rung, assessment.foreseen.clone()));
        let eligible =
            shadow.iter().flat_map(|_| assessment.ladder.iter().map(|rung| rung.eligible)).collect();
        RouteFeedback {
            routed: self.clone(),
            place: assessment.place,
            foreseen,
            offered,
            shadow,
            eligible,
            chat: None,
        }
    }
}

/// Tells a route how a request of it ended.
pub struct RouteFeedback {
    routed: RouteState,
    place: Option<ConversationSlot>,
    /// In the account currency.
    foreseen: Option<f64>,
    /// What each rung offered, where that is weighed.
    offered: Vec<OfferedRung>,
    /// Who answers too, and what was foreseen for each rung.
    shadow: Option<(Rung, Vec<Probability>)>,
    /// Whom the request may be shown to, where somebody answers too.
    eligible: Vec<bool>,
    chat: Option<Arc<ChatRequest>>,
}

impl RouteFeedback {
    /// Whether another model is to answer too. Calls of tools are not: nobody would carry them out.
    pub fn explores(&self, chat: &ChatRequest) -> bool {
        self.shadow.is_some() && chat.n() == 1 && !chat.needs().tools
    }

    /// Keeps what another model is to be asked.
    pub fn keep(&mut self, chat: &Arc<ChatRequest>) {
        self.chat = Some(Arc::clone(chat));
    }

    fn learn(&mut self, record: &RequestRecord) {
        let RouteState { route, steering, conversations, .. } = &self.routed;
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

    fn explore(&mut self, record: &RequestRecord, answered: Rung) {
        let (Some(explorer), Some(chat), Some((rung, foreseen))) =
            (&self.routed.explorer, self.chat.take(), self.shadow.take())
        else {
            return;
        };
        // What a provider's filter stopped no other model sees.
        let filtered = record.answer().is_some_and(|it| it.finish == Some(FinishReason::ContentFilter));
        let fit = record.outcome == RequestOutcome::Complete && !filtered;
        let answer = record.content.as_ref().filter(|_| fit);
        if let Some(answer) = answer.and_then(|content| content.text()) {
            let eligible = std::mem::take(&mut self.eligible);
            let found = self.found(record);
            // Where the request went on to who was to answer too, the answer that was doubted is what is not known.
            let rung = found.filter(|_| rung == answered).map_or(rung, |(doubted, _)| doubted);
            explorer.follow(ShadowRequest { chat, rung, answered, foreseen, found, eligible }, answer);
        }
    }

    /// Whose answer a guard judged, and the chance that it gave it, uncorrected.
    fn found(&self, record: &RequestRecord) -> Option<(Rung, Probability)> {
        let (attempt, found) = record.attempts.iter().rev().find_map(|it| Some((it, it.found?)))?;
        let rung = self.routed.route.ladder.iter().position(|model| model.name == attempt.model.name)?;
        Some((Rung(rung), found.plain))
    }
}

impl OnClose for RouteFeedback {
    fn closed(mut self: Box<Self>, record: &RequestRecord) {
        self.learn(record);
    }
}

#[cfg(test)]
mod tests {
    use gateway_config::Fallback;
    use router_policies::{Decision, Plan, Reason, RequestDraw};

    use super::*;
    use crate::log::Log;
    use crate::metrics::Metrics;
    use crate::record::{DecisionScores, RecordedDecision};
    use crate::scripted::{ScriptedGateway, UpstreamScript};
    use crate::shutdown_deadline::ShutdownDeadline;
    use crate::snapshot::RequestTarget;
    use ledger::Ledger;

    fn config(policy: &str, class: &str) -> GatewayConfig {
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
        let (ledger, shutdown_deadline) = (Arc::new(Ledger::without_memory()), ShutdownDeadline::default());
        Telemetry { metrics, log, machine_time: Arc::default(), ledger, shutdown_deadline }
    }

    fn routed(policy: &str, class: &str, before: Option<&RouteState>) -> RouteState {
        let config = config(policy, class);
        RouteState::new(&config.routes[0], Arc::default(), &config, &telemetry(), before)
    }

    /// A route that sent up a request of gain 0.5.
    fn busy() -> RouteState {
        let routed = routed(SHARE, "frontier", None);
        let decision = Decision::of(Plan::Ask(Rung(1)), Reason::HARD);
        let scores = DecisionScores {
            difficulty: 0.5,
            gain: 0.5,
            gain_for_time: 0.5,
            familiarity: 1.0,
            suffices: Default::default(),
            reasons: Default::default(),
        };
        let assessment = Assessment {
            decided: RecordedDecision { decision, scores: Some(scores), draw: Some(RequestDraw::default()) },
            ladder: Vec::new(),
            fallback: Fallback::None,
            scoring: None,
            features: None,
            place: None,
            weights: None,
            foreseen: Vec::new(),
            handover: None,
        };
        routed.note(&assessment);
        routed
    }

    const SHARE: &str = "{kind: threshold, at: {share: 0.4}}";

    /// What the route would now call a large gain; `None` when it remembers nothing.
    fn cut(routed: &RouteState) -> Option<f64> {
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

    fn bounded(at_least: u32) -> String {
        let fixed = "{kind: fixed, model: s}";
        format!("{{kind: budget, escalations: {{share: 0, at_least: {at_least}}}, policy: {fixed}}}")
    }

    /// How many escalations a client has left.
    fn left(routed: &RouteState, client: &str) -> usize {
        let allowance = routed.escalations(client).expect("a bound");
        (0..).take_while(|_| allowance.withdraw(Instant::now())).count()
    }

    #[tokio::test(start_paused = true)]
    async fn escalations_are_counted_for_each_client() {
        let routed = routed(&bounded(3), "frontier", None);
        assert_eq!((left(&routed, "a"), left(&routed, "a"), left(&routed, "b")), (3, 0, 3));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!((left(&routed, "a"), left(&routed, "a")), (1, 0), "three a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn escalations_outlive_a_reload_as_long_as_their_bound_does() {
        let before = routed(&bounded(3), "frontier", None);
        assert_eq!(left(&before, "a"), 3);
        assert_eq!(left(&routed(&bounded(3), "frontier", Some(&before)), "a"), 0);
        assert_eq!(left(&routed(&bounded(3), "medium", Some(&before)), "a"), 0, "another model");
        assert_eq!(left(&routed(&bounded(4), "frontier", Some(&before)), "a"), 4, "another bound");
        assert!(routed("{kind: fixed, model: s}", "frontier", Some(&before)).escalations("a").is_none());
    }

    /// Each token of an answer costs 1 at `s`, and 10 at `l`.
    fn scripted(policy: &str, small: UpstreamScript) -> ScriptedGateway {
        let model = |name: &str, price: u32| {
            format!(
                "  - {{name: {name}, provider: openai, base_url: 'http://127.0.0.1:1', model: m, \
                 price: {{input: 0, output: {price}000000}}}}\n"
            )
        };
        let models = [model("s", 1), model("l", 10)].concat();
        let yaml = format!("models:\n{models}routes: [{{name: auto, ladder: [s, l], policy: {policy}}}]\n");
        ScriptedGateway::new(&yaml, [("s", vec![small]), ("l", vec![UpstreamScript::text("42", 5)])])
    }

    fn conversation(messages: &[(&str, &str)]) -> serde_json::Value {
        let message = |(role, text): &(&str, &str)| serde_json::json!({"role": role, "content": text});
        let messages: Vec<_> = messages.iter().map(message).collect();
        serde_json::json!({"model": "auto", "messages": messages, "max_tokens": 40})
    }

    /// Who is known to have answered last in a conversation.
    fn known(gateway: &ScriptedGateway, messages: &[(&str, &str)]) -> Option<Rung> {
        let Some(RequestTarget::Route(routed)) = gateway.gateway.snapshot().target("auto", None) else {
            panic!()
        };
        let chat = ChatRequest::parse(conversation(messages).to_string().into()).unwrap();
        routed.place(&chat, "", None)?.known.map(|known| known.rung)
    }

    #[tokio::test(start_paused = true)]
    async fn a_conversation_is_known_by_who_answered_it() {
        let next = [("user", "6 times 7?"), ("assistant", "42"), ("user", "And 8?")];
        let check = async |name: &str, policy: &str, small: UpstreamScript, expected: Option<Rung>| {
            let gateway = scripted(policy, small);
            gateway.ask(&conversation(&next[..1])).await;
            assert_eq!(known(&gateway, &next), expected, "{name}");
        };
        let (chooses, fixed) = ("{kind: threshold, at: 1}", "{kind: fixed, model: s}");
        check("the first", chooses, UpstreamScript::text("42", 5), Some(Rung(0))).await;
        check("who took over", chooses, UpstreamScript::status(401, "bad_key"), Some(Rung(1))).await;
        check("nobody, as it was refused", chooses, UpstreamScript::status(400, "bad_value"), None).await;
        check("nobody, as there is no choice", fixed, UpstreamScript::text("42", 5), None).await;
    }

    /// The other model answers once the client has its answer, on nobody's budget, and what they come to is compared.
    #[tokio::test(start_paused = true)]
    async fn another_model_answers_what_is_explored() {
        let policy =
            "{kind: explore, share: 1, spend: {amount: 500, per: day}, policy: {kind: fixed, model: s}}";
        let check =
            async |name: &str, small: UpstreamScript, heard: &str, asked: &str, verdict: Option<&str>| {
                let gateway = scripted(policy, small);
                assert_eq!(
                    gateway.ask(&conversation(&[("user", "6 times 7?")])).await.summary(),
                    heard,
                    "{name}"
                );
                // What is done in the background is done before the paused clock goes on.
                tokio::time::sleep(Duration::from_secs(1)).await;
                assert_eq!(gateway.asked(), asked, "{name}");
                let shadows =
                    gateway.records().into_iter().filter(|record| record["endpoint"] == "shadow").count();
                assert_eq!(shadows, usize::from(verdict.is_some()), "{name}");
                let outcomes = &gateway.gateway.telemetry.metrics.shadow_outcomes;
                for word in ["neither", "larger", "smaller"] {
                    let count = outcomes.with_label_values(&["auto", word]).get();
                    assert_eq!(count, u64::from(verdict == Some(word)), "{name}: {word}");
                }
            };
        check("the same", UpstreamScript::text("42", 5), "200 42.", "s l", Some("neither")).await;
        check("another result", UpstreamScript::text("41", 5), "200 41.", "s l", Some("larger")).await;
        check("what was refused", UpstreamScript::status(400, "bad_value"), "400 bad_value", "s", None).await;
        check(
            "what the other model answered",
            UpstreamScript::status(401, "bad_key"),
            "200 42.",
            "s l",
            None,
        )
        .await;
    }
}
