//! Who makes the embeddings of a route.

use router_policies::guard::AnswerPrior;

use super::*;

/// The vectors of two models cannot be compared: those of a route come from the first model that says it makes them, or
/// else the first that does not say, and from no other, whatever a rule or a hint prefers. What rules out that one rules
/// out an answer.
pub(super) fn assess_embeddings<'a>(
    route: &'a Route,
    ask: &AssessInput<'_>,
    constraints: &RuleConstraints<'_>,
) -> Result<Assessment, ApiError> {
    let first = |says| route.ladder.iter().position(|model| model.accepts.embeddings == says);
    let only = first(Some(true)).or_else(|| first(None));
    let judge = |(at, model): (usize, &'a Arc<ModelConfig>)| {
        let why = if only == Some(at) { unfit(model, ask, constraints) } else { Some(Ineligible::Vectors) };
        (model, why)
    };
    let eligibility: Vec<(&'a Arc<ModelConfig>, Option<Ineligible>)> =
        route.ladder.iter().enumerate().map(judge).collect();
    let rung = eligibility.iter().position(|(_, unfit)| unfit.is_none()).map(Rung);
    let rung = rung.ok_or_else(|| nothing_fits(&eligibility))?;
    let decision = Decision::of(Plan::Ask(rung), Reason::CAPABILITY);
    let candidate = |(at, (model, _)): (usize, &(&Arc<ModelConfig>, Option<Ineligible>))| CandidateModel {
        model: Arc::clone(model),
        eligible: at == rung.0,
        suffices: None,
        estimate: CostEstimate::default(),
        prior: AnswerPrior::NOTHING,
    };
    Ok(Assessment {
        decided: RecordedDecision { decision, scores: None, draw: None },
        ladder: eligibility.iter().enumerate().map(candidate).collect(),
        fallback: Fallback::None,
        scoring: None,
        features: None,
        place: None,
        weights: None,
        foreseen: Vec::new(),
        handover: None,
    })
}
