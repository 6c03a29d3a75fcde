//! A request and the state of the models → what a policy is asked, and its decision.

mod embeddings;
mod ineligible;

use std::ops::RangeInclusive;
use std::sync::Arc;

use gateway_config::{Fallback, ModelConfig, ModelProvider, RemoteModel, Route};
use router_policies::guard::{AnswerPrior, FITTED};
use router_policies::ladder_prediction::{LadderModel, LadderPrediction};
use router_policies::policies::RuleConstraints;
use router_policies::scorers::default_scorer;
use router_policies::writing_system::WritingSystem;
use router_policies::{
    CostEstimate, Decision, Features, Plan, Probability, Query, Reason, RequestFacts, Rung, RungState,
};
use tokio::time::Instant;

use self::embeddings::assess_embeddings;
use self::ineligible::{Ineligible, beyond, nothing_fits, rule_out_by_language, unfit};
use crate::assessment::{AssessInput, Assessment, CandidateModel};
use crate::error::ApiError;
use crate::facts::{facts, is_stated};
use crate::pricing;
use crate::record::{DecisionScores, RecordedDecision};
use crate::route_state::RouteState;
use crate::routing_overrides::RoutingOverrides;
use crate::snapshot::RequestTarget;
use protocol::client::OriginalRequest;
use protocol::{BadRequest, ChatRequest, UpstreamApi};
use upstreams::attempt_error::shown;

/// Assesses a request for what it named.
///
/// # Errors
/// When no model can serve it, with each model's reason.
pub fn assess(target: &RequestTarget, ask: &AssessInput<'_>) -> Result<Assessment, ApiError> {
    let chat = ask.chat;
    if let Some(why) = chat.native().and_then(OriginalRequest::cannot_be_a_chat)
        && !models(target).iter().any(|model| said_as_it_came(model, chat))
    {
        return Err(ApiError::BadRequest(why.clone()));
    }
    match target {
        RequestTarget::Route(routed) => assess_route(routed, ask),
        RequestTarget::Model(model) => assess_model(model, ask),
    }
}

/// The models that it names.
fn models(target: &RequestTarget) -> &[Arc<ModelConfig>] {
    match target {
        RequestTarget::Route(routed) => &routed.route.ladder,
        RequestTarget::Model(model) => std::slice::from_ref(model),
    }
}

/// Whether a model's upstream speaks what the client wrote in, and gets it as it came; of completions and embeddings every
/// upstream of OpenAI's dialect is taken to, of responses those that are said to.
pub fn said_as_it_came(model: &ModelConfig, chat: &ChatRequest) -> bool {
    let ModelProvider::Remote(remote) = &model.provider else { return false };
    let dialect = UpstreamApi::asked(remote, chat);
    dialect.original(chat).is_some() || (dialect == UpstreamApi::OpenAi && chat.is_native())
}

fn assess_model(model: &Arc<ModelConfig>, ask: &AssessInput<'_>) -> Result<Assessment, ApiError> {
    if let Some(why) = unfit(model, ask, &RuleConstraints::default()) {
        return Err(nothing_fits(&[(model, Some(why))]));
    }
    let decision = Decision::of(Plan::Ask(Rung(0)), Reason::NAMED);
    Ok(Assessment {
        decided: RecordedDecision { decision, scores: None, draw: None },
        ladder: vec![CandidateModel {
            model: Arc::clone(model),
            eligible: true,
            suffices: None,
            estimate: CostEstimate::default(),
            prior: AnswerPrior::NOTHING,
        }],
        fallback: Fallback::None,
        scoring: None,
        features: None,
        place: None,
        weights: None,
        foreseen: Vec::new(),
        handover: None,
    })
}

fn assess_route(routed: &RouteState, ask: &AssessInput<'_>) -> Result<Assessment, ApiError> {
    let began = Instant::now();
    let features = Features::of(&ask.chat.prompt());
    let facts = facts(&routed.route, ask, &features);
    let constraints = routed.route.policy.terms(&features, &facts);
    if ask.chat.is_for_embeddings() {
        return assess_embeddings(&routed.route, ask, &constraints);
    }
    let read = Eligibility { ask, began, features: &features };
    let handover = constraints.route.and_then(|name| routed.handover(name));
    let mut assessment = match &handover {
        None => assess_within(routed, &read, &facts, &constraints)?,
        Some(handover) => {
            // What narrowed the request goes with it, and what narrows it there is added.
            let mut facts = crate::facts::facts(&handover.route, ask, &features);
            facts.local_only |= constraints.local_only;
            let mut constraints = constraints;
            constraints.join(handover.route.policy.terms(&features, &facts));
            assess_within(handover, &read, &facts, &constraints)?
        }
    };
    assessment.features = Some(features);
    assessment.handover = handover.map(|handover| handover.route);
    Ok(assessment)
}

/// A request whose prompt was read.
struct Eligibility<'a> {
    ask: &'a AssessInput<'a>,
    began: Instant,
    features: &'a Features,
}

fn assess_within(
    routed: &RouteState,
    read: &Eligibility<'_>,
    facts: &RequestFacts<'_>,
    constraints: &RuleConstraints<'_>,
) -> Result<Assessment, ApiError> {
    let (route, ask, features) = (&routed.route, read.ask, read.features);
    let eligibility = eligibility(routed, ask, constraints)?;
    let foresight = foresee(route, features);
    let scoring = read.began.elapsed();
    let client = ask.hints.client.as_deref().unwrap_or_default();
    let place = routed.place(ask.chat, client, ask.hints.session.as_deref());
    let conversation = place.and_then(|place| place.known);
    let mut rungs = foresight.rungs.clone();
    routed.correct(&mut rungs);
    let mut rung_states =
        rung_states(routed, &eligibility, &rungs, routed.cost_estimates(ask.chat, conversation));
    for (rung, work) in rung_states.iter_mut().zip(&foresight.work) {
        rung.estimate.work = *work;
    }
    let weights = routed.weights();
    let recent = routed.recent();
    let draw = ask.id.draw();
    let query = Query {
        features,
        familiarity: foresight.familiarity,
        ladder: &rung_states,
        draw,
        recent: recent.as_deref(),
        weights,
        facts: RequestFacts {
            conversation,
            local_only: facts.local_only || constraints.local_only,
            ..*facts
        },
    };
    let decision = route.policy.decide(&query);
    let scores = scores(&query, &foresight);
    drop(recent);
    let decision = decision.ok_or_else(|| nothing_fits(&eligibility))?;
    let tokens = matches!(decision.plan, Plan::Cascade { .. }).then(|| FITTED.tokens(features));
    let prior = |at: usize, suffices: Probability| match tokens {
        None => AnswerPrior::NOTHING,
        tokens => AnswerPrior { suffices: Some(suffices), tokens, correction: routed.guard_correction(at) },
    };
    Ok(Assessment {
        decided: RecordedDecision { decision, scores: Some(scores), draw: Some(draw) },
        ladder: candidates(&eligibility, &rung_states, &decision, &prior),
        fallback: route.fallback,
        scoring: Some(scoring),
        features: None,
        place,
        weights,
        foreseen: foresight.rungs,
        handover: None,
    })
}

/// What is foreseen of each rung's answer.
fn foresee(route: &Route, features: &Features) -> LadderPrediction {
    let calibration = route.calibration.as_ref().map(|calibrated| &calibrated.scorer);
    let model = |model: &Arc<ModelConfig>| LadderModel { class: model.class, card: model.card };
    let models: Vec<LadderModel> = route.ladder.iter().map(model).collect();
    LadderPrediction::of(default_scorer(), calibration, &models, features)
}

fn scores(query: &Query<'_>, foresight: &LadderPrediction) -> DecisionScores {
    DecisionScores {
        difficulty: query.difficulty(),
        gain: query.gain(),
        gain_for_time: query.gain_for_time(),
        familiarity: foresight.familiarity,
        suffices: foresight.suffices,
        reasons: foresight.reasons,
    }
}

/// A model of the ladder, and why it cannot serve the request, if so.
type Judged<'a> = (&'a Arc<ModelConfig>, Option<Ineligible>);

/// Each model of the ladder, and why it cannot serve the request, if so.
fn eligibility<'a>(
    routed: &'a RouteState,
    ask: &AssessInput<'_>,
    constraints: &RuleConstraints<'_>,
) -> Result<Vec<Judged<'a>>, ApiError> {
    let tiers = tiers(&routed.route, ask.hints)?;
    let judge = |(at, model): (usize, &'a Arc<ModelConfig>)| {
        let why = match () {
            () if routed.is_absent(at) => Some(Ineligible::Absent),
            () if !tiers.contains(&at) => Some(Ineligible::Tier),
            () => unfit(model, ask, constraints)
                .or_else(|| routed.limits(at).and_then(|limits| beyond(limits, model, ask.chat))),
        };
        (model, why)
    };
    let mut eligibility: Vec<Judged<'a>> = routed.route.ladder.iter().enumerate().map(judge).collect();
    rule_out_by_language(&mut eligibility, ask.chat);
    Ok(eligibility)
}

/// The rungs as the policy sees them.
fn rung_states<'a>(
    routed: &RouteState,
    eligibility: &[(&'a Arc<ModelConfig>, Option<Ineligible>)],
    rungs: &[Probability],
    cost_estimates: Option<Vec<CostEstimate>>,
) -> Vec<RungState<'a>> {
    let cost_estimates = cost_estimates.unwrap_or_default();
    let rung_state = |(at, (model, unfit)): (usize, &(&'a Arc<ModelConfig>, Option<Ineligible>))| RungState {
        model: &model.name,
        p_success: rungs.get(at).copied().unwrap_or_default(),
        eligible: unfit.is_none(),
        estimate: cost_estimates.get(at).copied().unwrap_or_default(),
    };
    let mut rung_states: Vec<_> = eligibility.iter().enumerate().map(rung_state).collect();
    routed.guard(&mut rung_states);
    rung_states
}

fn candidates(
    eligibility: &[(&Arc<ModelConfig>, Option<Ineligible>)],
    rung_states: &[RungState<'_>],
    decision: &Decision,
    prior: &dyn Fn(usize, Probability) -> AnswerPrior,
) -> Vec<CandidateModel> {
    let within = |at: usize| (decision.least..=decision.most).contains(&Rung(at));
    let all = eligibility.iter().zip(rung_states).enumerate();
    all.map(|(at, ((model, _), rung_state))| CandidateModel {
        model: Arc::clone(model),
        eligible: rung_state.eligible && within(at),
        suffices: Some(rung_state.p_success),
        estimate: rung_state.estimate,
        prior: prior(at, rung_state.p_success),
    })
    .collect()
}

/// The rungs that the hints leave.
fn tiers(route: &Route, hints: &RoutingOverrides) -> Result<RangeInclusive<usize>, ApiError> {
    let position = |name: &Option<String>, header: &'static str, default: usize| match name {
        None => Ok(default),
        Some(name) => route.ladder.iter().position(|model| &model.name == name).ok_or_else(|| {
            let message =
                format!("`{header}: {}` names no model of route `{}`.", shown(name, 64), route.name);
            ApiError::BadRequest(BadRequest {
                message,
                param: Some(header.into()),
                code: Some("unknown_tier"),
            })
        }),
    };
    let least = position(&hints.min_tier, "x-xietong-min-tier", 0)?;
    let most = position(&hints.max_tier, "x-xietong-max-tier", route.ladder.len().saturating_sub(1))?;
    Ok(least..=most)
}

#[cfg(test)]
mod tests;
