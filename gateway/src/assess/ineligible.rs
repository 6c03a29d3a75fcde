//! Why a model cannot serve a request.

use std::fmt;
use std::time::Duration;

use upstreams::{ServedLimits, ServedMedium};

use super::*;

/// Why a model cannot serve a request.
pub(super) enum Ineligible {
    /// Its weights are not loaded.
    Absent,
    Takes(&'static str),
    /// Another model makes the route's embeddings.
    Vectors,
    NotLocal,
    /// It does not answer in the language of the prompt.
    Language,
    Provenance,
    NoPrice,
    /// What the client chose is not priced, and the client has a budget.
    Unpriced(&'static str),
    Tier,
    Context {
        estimate: u64,
        context: u64,
    },
    Engine(String),
    /// It is not told what the request says, or does not take it.
    Unsaid(BadRequest),
}

/// How far the estimate of prompt tokens may lie over a context before it rules a model out; within it, the model's
/// own count decides.
const ESTIMATE_MARGIN: f64 = 1.3;

/// No tokenizer makes more than so many times the general estimate of a text: random letters come to three times.
const GENERAL_MARGIN: u64 = 4;

/// Why this model cannot serve this request, if so.
pub(super) fn unfit(
    model: &ModelConfig,
    ask: &AssessInput<'_>,
    constraints: &RuleConstraints<'_>,
) -> Option<Ineligible> {
    let AssessInput { chat, hints, now, .. } = *ask;
    if (hints.local_only || constraints.local_only) && !model.local {
        return Some(Ineligible::NotLocal);
    }
    if !is_stated(constraints, model) {
        return Some(Ineligible::Provenance);
    }
    let priced = || model.price.as_ref().is_some_and(|tariff| tariff.at(now).is_some());
    if hints.priced_only && !priced() {
        return Some(Ineligible::NoPrice);
    }
    if hints.priced_only
        && let Some(what) = pricing::unpriced(model, chat)
    {
        return Some(Ineligible::Unpriced(what));
    }
    let (needs, accepts) = (chat.needs(), &model.accepts);
    let vectors = chat.is_for_embeddings();
    let missing = [
        (vectors && accepts.embeddings == Some(false), "requests for embeddings"),
        (!vectors && !accepts.text, "chats"),
        (needs.image && !accepts.image, "images"),
        (needs.audio && !accepts.audio, "audio"),
        (needs.video && !accepts.video, "video"),
        (needs.tools && !accepts.tools, "tools"),
        (needs.json_schema && !accepts.json_schema, "JSON schemas"),
    ];
    if let Some((_, what)) = missing.iter().find(|(missing, _)| *missing) {
        return Some(Ineligible::Takes(what));
    }
    // Of embeddings it is each text that must fit.
    if let Some(context) = model.context.filter(|_| !vectors)
        && let Some(too_long) = too_long(model, chat, context)
    {
        return Some(too_long);
    }
    if let Some(why) = chat.native().and_then(OriginalRequest::cannot_be_a_chat)
        && !said_as_it_came(model, chat)
    {
        return Some(Ineligible::Engine(why.message.clone()));
    }
    match &model.provider {
        // What is no schema is the client's mistake, which the engine names when it is asked.
        ModelProvider::Embedded(_) => {
            let bad = chat.simple().err().filter(|bad| !is_about_schema(bad))?;
            Some(Ineligible::Engine(bad.message))
        }
        ModelProvider::Remote(remote) => speaks(remote, needs.prefill.then_some(accepts.prefill), chat),
    }
}

/// Why a request goes beyond what the model's servers have said of it, if so. Who asks for a model by its name hears that from the
/// server itself.
pub(super) fn beyond(limits: &ServedLimits, model: &ModelConfig, chat: &ChatRequest) -> Option<Ineligible> {
    let needs = chat.needs();
    if needs.image && limits.lacks(ServedMedium::Image) {
        return Some(Ineligible::Takes("images"));
    }
    if needs.audio && limits.lacks(ServedMedium::Audio) {
        return Some(Ineligible::Takes("audio"));
    }
    let context = limits.context().filter(|_| !chat.is_for_embeddings())?;
    too_long(model, chat, context)
}

/// Whether the prompt is too long for a context. The estimate by the model's own tokenizer walks the text once more, and so is
/// asked for only where the general one does not settle it.
fn too_long(model: &ModelConfig, chat: &ChatRequest, context: u64) -> Option<Ineligible> {
    if chat.prompt_tokens_at(model).saturating_mul(GENERAL_MARGIN) <= context {
        return None;
    }
    let estimate = chat.counted_tokens_at(model);
    let fits = estimate as f64 <= context as f64 * ESTIMATE_MARGIN;
    (!fits).then_some(Ineligible::Context { estimate, context })
}

/// Whether a schema of the request is none, rather than one that the engine cannot hold.
fn is_about_schema(bad: &BadRequest) -> bool {
    let within = |field: &str| bad.param.as_deref().is_some_and(|param| param.starts_with(field));
    bad.code == Some("invalid_value") && (within("response_format") || within("tools"))
}

/// Rules out the models that do not answer in the language of the prompt, as far as its writing tells it. Where that would leave
/// nobody, the models go on that there are: a poor answer is more than none.
pub(super) fn rule_out_by_language(
    eligibility: &mut [(&Arc<ModelConfig>, Option<Ineligible>)],
    chat: &ChatRequest,
) {
    if eligibility.iter().all(|(model, _)| model.languages.is_none()) {
        return;
    }
    let Some(writing) = WritingSystem::of_prompt(&chat.question()) else { return };
    let lacks = |model: &ModelConfig| {
        let read = |code: &String| WritingSystem::of_language(code) == writing;
        model.languages.as_ref().is_some_and(|codes| !codes.iter().any(read))
    };
    if eligibility.iter().any(|(model, unfit)| unfit.is_none() && !lacks(model)) {
        let lacking = eligibility.iter_mut().filter(|(model, unfit)| unfit.is_none() && lacks(model));
        lacking.for_each(|(_, unfit)| *unfit = Some(Ineligible::Language));
    }
}

/// Why a model's dialect has no words for a request. `begun`: whether the model is said to go on with an answer, where that
/// is what is asked; of one of OpenAI's dialect it is its upstream's to say no where nothing is said.
fn speaks(remote: &RemoteModel, begun: Option<Option<bool>>, chat: &ChatRequest) -> Option<Ineligible> {
    let (dialect, effort) = UpstreamApi::of(remote);
    let unsaid = dialect == UpstreamApi::OpenAi;
    if begun.is_some_and(|said| !said.unwrap_or(unsaid)) {
        return Some(Ineligible::Takes("answers that were begun"));
    }
    if chat.is_for_embeddings() {
        return (dialect != UpstreamApi::OpenAi).then_some(Ineligible::Takes("requests for embeddings"));
    }
    UpstreamApi::asked(remote, chat).takes(chat, effort, &remote.takes).err().map(Ineligible::Unsaid)
}

/// How long a client is to wait for a model that is not loaded yet.
const LOADING: Duration = Duration::from_secs(5);

/// What the client is told where no model can, each with its reason.
pub(super) fn nothing_fits(eligibility: &[(&Arc<ModelConfig>, Option<Ineligible>)]) -> ApiError {
    let reasons = eligibility.iter().filter_map(|(model, unfit)| Some((model, unfit.as_ref()?)));
    let reasons: Vec<String> = reasons.map(|(model, unfit)| format!("{}: {unfit}", model.name)).collect();
    let all =
        |test: fn(&Ineligible) -> bool| eligibility.iter().all(|(_, unfit)| unfit.as_ref().is_some_and(test));
    let words = format!("No model that may answer can serve this request ({}).", reasons.join("; "));
    if eligibility.iter().any(|(_, unfit)| matches!(unfit, Some(Ineligible::Absent))) {
        // It may be there the next time.
        ApiError::UpstreamUnavailable(Some(LOADING))
    } else if all(|unfit| matches!(unfit, Ineligible::Context { .. })) {
        ApiError::ContextLength(None)
    } else if eligibility.iter().any(|(_, unfit)| matches!(unfit, Some(Ineligible::NotLocal))) {
        ApiError::NoLocalModel(words)
    } else {
        // Who named the model is told the field that it does not take.
        let param = match eligibility {
            [(_, Some(Ineligible::Unsaid(bad)))] => bad.param.clone(),
            _ => None,
        };
        ApiError::NoCapableModel(words, param)
    }
}

impl fmt::Display for Ineligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("is not loaded"),
            Self::Takes(what) => write!(f, "takes no {what}"),
            Self::Vectors => f.write_str("does not make this route's embeddings"),
            Self::Language => f.write_str("does not answer in the language of the prompt"),
            Self::NotLocal => f.write_str("is not local"),
            Self::Provenance => f.write_str("does not state the provenance that a rule requires"),
            Self::NoPrice => f.write_str("has no price, and this client has a budget"),
            Self::Unpriced(what) => {
                write!(f, "has no price for {what}, and this client has a budget")
            }
            Self::Tier => f.write_str("is ruled out by the tier asked for"),
            Self::Context { estimate, context } => {
                write!(f, "about {estimate} tokens do not fit its context of {context}")
            }
            Self::Unsaid(bad) => f.write_str(bad.message.trim_end_matches('.')),
            Self::Engine(why) => f.write_str(why.trim_end_matches('.')),
        }
    }
}
