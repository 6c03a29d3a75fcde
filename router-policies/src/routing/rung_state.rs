//! A model of the ladder at the moment of a decision.

use crate::scoring::cards::ForeseenWork;
use crate::scoring::class_predictions::Probability;

/// One rung of the ladder as it stands for this request.
#[derive(Debug, Clone)]
pub struct RungState<'a> {
    /// The model's name in the configuration.
    pub model: &'a str,
    /// The chance that this model's answer will do.
    pub p_success: Probability,
    /// Whether the model can serve the request at all: context, modalities, tools, locality, health.
    pub eligible: bool,
    /// What asking it takes.
    pub estimate: CostEstimate,
}

/// What asking a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CostEstimate {
    /// What its answer will cost, in the account currency; `None` where that is not known.
    pub cost: Option<f64>,
    /// How long the client will wait for it, in seconds: for the first token of a stream, or the whole of an answer.
    pub wait: f64,
    /// Requests that are under way at the model.
    pub load: u32,
    /// How long it works on such a prompt; `None` without a card that says it.
    pub work: Option<ForeseenWork>,
}
