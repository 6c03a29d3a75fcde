//! What each label of each metric can say: names of the configuration, or a closed set of words with their meanings.

use router_policies::guard::RejectReason;
use router_policies::outcomes::PreferredAnswer;
use router_policies::weight_controller::TargetName;
use router_policies::{PlanKind, Reason};

use super::words::{ReloadResult, SpanLoss, TargetValue, TokenKind, WeightKind};
use crate::error::catalogue::codes;
use crate::record::{AttemptResult, RecordedCall, RequestOutcome, Waste};
use upstreams::attempt_error::AttemptErrorKind;

/// A word, and what it means.
pub type Word = (&'static str, &'static str);

/// What a label can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelValues {
    /// A name of the configuration or of the build; the sentence says which.
    Named(&'static str),
    /// One of these words.
    Words(Vec<Word>),
    /// One of these words, or a name of the configuration; the sentence says which.
    WordsOrNamed(Vec<Word>, &'static str),
}

/// The words of a vocabulary.
macro_rules! words {
    ($vocabulary:ty) => {
        <$vocabulary>::ALL.into_iter().map(|it| (it.word(), it.meaning())).collect::<Vec<Word>>()
    };
}

/// What a label of a metric can say; `None` for one that is described nowhere, which a test excludes.
pub fn values(metric: &str, label: &str) -> Option<LabelValues> {
    let named = |what| Some(LabelValues::Named(what));
    match (metric, label) {
        ("xietong_decisions_total", "reason") => Some(LabelValues::Words(words!(Reason))),
        ("xietong_escalations_total", "reason") => Some(LabelValues::Words(results())),
        ("xietong_attempts_total", "result") => Some(LabelValues::Words(results())),
        ("xietong_config_reloads_total", "result") => Some(LabelValues::Words(words!(ReloadResult))),
        ("xietong_wasted_cost_total", "cause") => Some(LabelValues::Words(words!(Waste))),
        ("xietong_spans_dropped_total", "cause") => Some(LabelValues::Words(words!(SpanLoss))),
        ("xietong_policy_weight", "target") => Some(LabelValues::Words(words!(WeightKind))),
        ("xietong_policy_target", "target") => Some(LabelValues::Words(words!(TargetName))),
        ("xietong_policy_target", "what") => Some(LabelValues::Words(words!(TargetValue))),
        (_, "endpoint") => Some(LabelValues::Words(words!(RecordedCall))),
        (_, "outcome") => Some(LabelValues::Words(words!(RequestOutcome))),
        (_, "plan") => Some(LabelValues::Words(words!(PlanKind))),
        (_, "kind") => Some(LabelValues::Words(words!(TokenKind))),
        (_, "preferred") => Some(LabelValues::Words(words!(PreferredAnswer))),
        (_, "gen_ai_operation_name") => Some(LabelValues::Words(operations())),
        (_, "error_type") => Some(LabelValues::Words(error_types())),
        (_, "gen_ai_provider_name") => Some(LabelValues::WordsOrNamed(
            vec![("xietong", "The embedded engine answered.")],
            "The provider of the model: the preset's, or the API that the endpoint speaks.",
        )),
        (_, "route") => named("The route's name, or `-` where the client named no route."),
        (_, "model" | "from" | "to") => {
            named("The model's name in the configuration, or `-` where there was none.")
        }
        (_, "client") => named("The client's name in the configuration, or `-` where no client is known."),
        (_, "endpoint_id") => {
            named("The endpoint's name: its `id` in the configuration, or one made of its address.")
        }
        (_, "currency") => named("The currency of accounts: the three letters of `currency`."),
        (_, "version") => named("The version of the build."),
        (_, "commit") => named("The commit of the build, or `unknown`."),
        (_, "gen_ai_original_model") => {
            named("The name that the client asked for, a route or a model, or `-` where it is unknown.")
        }
        (_, "gen_ai_request_model") => named("The name of the model that the upstream was asked for."),
        (_, "gen_ai_response_model") => {
            named("The name, in the configuration, of the model that answered, or `-` where none did.")
        }
        _ => None,
    }
}

/// How attempts end.
pub fn results() -> Vec<Word> {
    let errors =
        AttemptErrorKind::ALL.into_iter().filter(|it| !matches!(it, AttemptErrorKind::GuardRejected(_)));
    let errors = errors.map(|it| (it.word(), it.meaning())).collect();
    [words!(AttemptResult), errors, words!(RejectReason)].concat()
}

fn operations() -> Vec<Word> {
    let asked = RecordedCall::ALL.into_iter().filter(|call| call.is_asked_of_models());
    let mut operations: Vec<Word> = asked.map(|call| (call.operation(), call.meaning())).collect();
    // Checks are chats, whose meaning comes first.
    operations.sort_by_key(|(word, _)| *word);
    operations.dedup_by_key(|(word, _)| *word);
    operations
}

fn error_types() -> Vec<Word> {
    let mut types = vec![("", "The client got no error.")];
    types.extend(codes());
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_of_every_metric_is_described() {
        for metric in super::super::DEFINITIONS {
            for label in metric.labels {
                assert!(values(metric.name, label).is_some(), "{}{{{label}}}", metric.name);
            }
        }
    }

    #[test]
    fn every_word_stands_once_and_is_explained() {
        for metric in super::super::DEFINITIONS {
            for label in metric.labels {
                let Some(LabelValues::Words(words)) = values(metric.name, label) else { continue };
                for (at, (word, meaning)) in words.iter().enumerate() {
                    assert!(words[..at].iter().all(|(other, _)| other != word), "{word} stands twice");
                    assert!(meaning.ends_with(['.', ')']), "{word}: {meaning:?}");
                }
            }
        }
    }
}
