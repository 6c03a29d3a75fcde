//! Sampling and other fields that a model takes or does not.

use gateway_config::{RequestFeature, Treatment};

use super::super::bad_request::BadRequest;
use super::super::json::RawObject;
use super::{RequestFit, TakesView, not_taken};

/// A field, and the number in it that is as good as nothing.
type FieldRow = (RequestFeature, &'static str, Option<f64>);

const FIELDS: [FieldRow; 13] = [
    (RequestFeature::Temperature, "temperature", Some(1.0)),
    (RequestFeature::TopP, "top_p", Some(1.0)),
    (RequestFeature::TopK, "top_k", None),
    (RequestFeature::MinP, "min_p", Some(0.0)),
    (RequestFeature::PresencePenalty, "presence_penalty", Some(0.0)),
    (RequestFeature::FrequencyPenalty, "frequency_penalty", Some(0.0)),
    (RequestFeature::RepetitionPenalty, "repetition_penalty", Some(1.0)),
    (RequestFeature::Seed, "seed", None),
    (RequestFeature::LogitBias, "logit_bias", None),
    (RequestFeature::Logprobs, "logprobs", None),
    (RequestFeature::Logprobs, "top_logprobs", Some(0.0)),
    (RequestFeature::ReasoningEffort, "reasoning_effort", None),
    (RequestFeature::ParallelToolCalls, "parallel_tool_calls", None),
];

/// Sampling that some models take only while they do not think.
const SAMPLING: [(&str, Option<f64>); 3] =
    [("temperature", Some(1.0)), ("top_p", Some(1.0)), ("top_k", None)];

/// Leaves out or refuses each field that is not taken. One that says what holds anyway goes unnamed.
///
/// # Errors
/// A field that is refused.
pub(in super::super) fn fit_fields(
    object: &RawObject,
    view: TakesView<'_>,
    fit: &mut RequestFit,
) -> Result<(), BadRequest> {
    if view.of(RequestFeature::SeveralAnswers) == Treatment::Refused {
        return Err(not_taken("n"));
    }
    fit_each(object, view, fit)
}

fn fit_each(object: &RawObject, view: TakesView<'_>, fit: &mut RequestFit) -> Result<(), BadRequest> {
    for (feature, field, neutral) in FIELDS {
        let treatment = view.of(feature);
        if treatment != Treatment::Taken {
            take_out(object, field, neutral, treatment, fit)?;
        }
    }
    Ok(())
}

/// The same of a completion: its `logprobs` are a number, and nothing in it asks a model to think.
///
/// # Errors
/// As [`fit_fields`].
pub(super) fn fit_completion(
    object: &RawObject,
    view: TakesView<'_>,
    fit: &mut RequestFit,
) -> Result<(), BadRequest> {
    fit_each(object, view, fit)?;
    fit_together(object, view, false, fit)
}

/// The same of fields that are only refused together. `thinks`: the model is asked to.
///
/// # Errors
/// As [`fit_fields`].
pub(in super::super) fn fit_together(
    object: &RawObject,
    view: TakesView<'_>,
    thinks: bool,
    fit: &mut RequestFit,
) -> Result<(), BadRequest> {
    let treatment = view.of(RequestFeature::SamplingWithThinking);
    if thinks && treatment != Treatment::Taken {
        for (field, neutral) in SAMPLING {
            take_out(object, field, neutral, treatment, fit)?;
        }
    }
    let treatment = view.of(RequestFeature::TemperatureWithTopP);
    if treatment != Treatment::Taken && fit.get(object, "temperature").is_some() {
        take_out(object, "top_p", Some(1.0), treatment, fit)?;
    }
    Ok(())
}

fn take_out(
    object: &RawObject,
    field: &'static str,
    neutral: Option<f64>,
    treatment: Treatment,
    fit: &mut RequestFit,
) -> Result<(), BadRequest> {
    let Some(raw) = object.get(field) else { return Ok(()) };
    let number = std::str::from_utf8(raw).ok().and_then(|raw| raw.parse::<f64>().ok());
    let says_nothing =
        matches!(raw, b"null" | b"false" | b"{}" | b"[]") || (neutral.is_some() && number == neutral);
    if treatment == Treatment::Refused && !says_nothing {
        return Err(not_taken(field));
    }
    fit.leave_out(field, !says_nothing);
    Ok(())
}
