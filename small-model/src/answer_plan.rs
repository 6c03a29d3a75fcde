//! What an answer may be, and how it is read: from what is asked for and what the model can write.

use llguidance::Matcher;
use llguidance::api::TopLevelGrammar;

use crate::answer_grammar::{self, FIELD};
use crate::answer_marks::ThoughtMarks;
use crate::answer_reader::{AnswerParts, AnswerSplitter};
use crate::constraint::{ConstraintStage, GrammarVocabulary, TokenConstraint};
use crate::model::LoadedModel;
use crate::{EngineRefusal, GenerationRequest, ToolChoice};

/// What holds an answer to its format, and who reads it.
pub(crate) struct AnswerPlan {
    /// `None`: any token may come.
    pub(crate) grammar: Option<PlannedGrammar>,
    /// Tells thoughts, text and calls apart.
    pub(crate) reader: AnswerSplitter,
}

/// What an answer is to be held to.
pub(crate) struct PlannedGrammar {
    /// The field of the request that it is of.
    pub(crate) field: &'static str,
    /// The grammar.
    pub(crate) grammar: TopLevelGrammar,
    text: String,
    stages: Vec<ConstraintStage>,
    prefill: String,
}

impl AnswerPlan {
    /// For a request whose prompt has opened a thought, or not.
    ///
    /// # Errors
    /// [`EngineRefusal::Invalid`] for a schema or a tool's name that is none.
    pub(crate) fn of(
        model: &LoadedModel,
        request: &GenerationRequest,
        opens_thought: bool,
    ) -> Result<Self, EngineRefusal> {
        let facts = &model.template_facts;
        let tools = request.tool_choice.of(&request.tools);
        let forced = matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
        let format = request.format.as_ref().filter(|_| !forced);
        let bound = forced || format.is_some();
        // What a client has begun has no thought before it.
        let prefill = request.prefill.as_deref().unwrap_or_default();
        let marks = facts.thoughts.clone().filter(|_| prefill.is_empty());
        let mut triggers = facts.syntax.triggers(&tools);
        if format.is_some() {
            // An answer of the format may begin like a call.
            triggers.at_start.clear();
        }
        let (field, grammar) = match (tools.is_empty(), format) {
            (true, None) => (FIELD, None),
            (true, Some(format)) => (FIELD, Some(answer_grammar::of_format(format)?)),
            (false, format) => {
                ("tools", Some(facts.syntax.grammar(&tools, request.single_call, bound, format)?))
            }
        };
        let grammar = match grammar {
            None => None,
            Some(grammar) => {
                let thinks = request.thinking.enabled != Some(false);
                let mut stages = stages_of_thought(model, marks.as_ref(), opens_thought, bound && thinks);
                if !bound {
                    let thought = marks.clone().filter(|_| !opens_thought);
                    stages.push(ConstraintStage::UntilCall(triggers.clone(), thought));
                }
                stages.push(ConstraintStage::Grammar);
                Some(PlannedGrammar::new(field, grammar, stages, prefill))
            }
        };
        let calls = (!tools.is_empty()).then_some((triggers, facts.syntax, forced));
        let thoughts = marks.map(|marks| (marks, opens_thought));
        Ok(Self { grammar, reader: AnswerSplitter::new(AnswerParts { thoughts, calls }) })
    }
}

/// What comes before the grammar: a thought that the prompt has opened, or one that the model `may_open`.
fn stages_of_thought(
    model: &LoadedModel,
    marks: Option<&ThoughtMarks>,
    opened: bool,
    may_open: bool,
) -> Vec<ConstraintStage> {
    let Some(marks) = marks else { return Vec::new() };
    let end = ConstraintStage::Until(marks.close.clone());
    if opened {
        return vec![end];
    }
    let opener = model.mark(&marks.open).filter(|_| may_open);
    opener.map_or_else(Vec::new, |token| vec![ConstraintStage::MayOpen(token), end])
}

impl PlannedGrammar {
    fn new(
        field: &'static str,
        grammar: TopLevelGrammar,
        stages: Vec<ConstraintStage>,
        prefill: &str,
    ) -> Self {
        let text = serde_json::to_string(&grammar).unwrap_or_default();
        Self { field, grammar, text, stages, prefill: prefill.to_owned() }
    }

    /// What tells it from other grammars.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The constraint of an answer, given the compiled grammar.
    ///
    /// # Errors
    /// [`EngineRefusal::Invalid`] where the answer is to begin with what the grammar does not take.
    pub(crate) fn constraint(
        self,
        vocabulary: Result<&GrammarVocabulary, &str>,
        matcher: Matcher,
    ) -> Result<TokenConstraint, EngineRefusal> {
        let vocabulary = vocabulary.map_err(|reason| EngineRefusal::Unable(reason.into()))?;
        let mut constraint = vocabulary.constraint(matcher, self.stages);
        if constraint.begin_with(&self.prefill) {
            return Ok(constraint);
        }
        let sentence = "messages: what the answer is to begin with does not keep to the format";
        Err(EngineRefusal::Invalid(sentence.into()))
    }
}
