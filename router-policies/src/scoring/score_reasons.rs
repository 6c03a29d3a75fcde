//! Which features of a prompt moved its difficulty most, in words for people.

use std::fmt;

crate::vocabulary! {
    /// A feature of a prompt that may move its difficulty. Features that say the same thing share a word.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum ReasonFeature {
        /// How long the request is, and of how many parts.
        Length = "length",
        /// Work is named that takes thought, such as design, migrate, prove, 起草.
        DemandingTask = "demanding task",
        /// A large thing is to be made or changed, such as a compiler, a contract, 系统.
        LargeArtefact = "large artefact",
        /// Requirements are made, such as edge cases, rollbacks, 一致性.
        Requirements = "requirements",
        /// It is a greeting, thanks or small talk.
        SmallTalk = "small talk",
        /// It is put as a question for one fact, or not.
        QuestionForm = "question form",
        /// A common fact is asked for, such as a capital or an antonym.
        CommonFact = "common fact",
        /// A job of a line is asked for, such as to translate, spell or extract.
        SimpleJob = "simple job",
        /// There is code, or talk of it.
        Code = "code",
        /// There are formulas, or words of mathematics.
        Mathematics = "mathematics",
        /// There are numbers, or amounts are asked for.
        Numbers = "numbers",
        /// Reasons, proofs or comparisons are asked for.
        Reasoning = "reasoning",
        /// It has steps or conditions.
        Steps = "steps",
        /// A text is to be written.
        Writing = "writing",
        /// A text is to be rewritten, summarised or translated.
        Rewriting = "rewriting",
        /// Something is to be found in a text, or given a form.
        Extraction = "extraction",
        /// It has words of science.
        Science = "science",
        /// It has words of law.
        Law = "law",
        /// It has words of medicine.
        Medicine = "medicine",
        /// It quotes.
        Quotes = "quoted text",
        /// Which language it has: Chinese, or another. Either may add.
        Language = "language",
        /// Tools are offered.
        Tools = "tools",
        /// A form of the answer is asked for, such as JSON.
        StructuredAnswer = "structured answer",
        /// It has options to choose from.
        Options = "options",
        /// It resembles questions of examinations with options.
        LikeExaminations = "like examinations",
        /// It resembles arithmetic in words.
        LikeWordProblems = "like word problems",
        /// It resembles problems of mathematics competitions.
        LikeMathematics = "like competition mathematics",
        /// It resembles questions for what a program prints.
        LikeCodeOutput = "like questions for a program's output",
        /// It resembles prompts of many tasks mixed.
        LikeMixedTasks = "like mixed tasks",
        /// It resembles questions of Chinese examinations.
        LikeChineseExaminations = "like Chinese examinations",
        /// It resembles questions of Chinese law.
        LikeChineseLaw = "like Chinese law",
        /// What the smallest model's card says of this kind of question, beyond what the shipped scorer says.
        Card = "the model's card",
        /// What the route's calibration makes of it, beyond what the scorer says without it.
        Calibration = "calibration",
    }
}

impl ReasonFeature {
    /// By the name of a number that the prior's level goes by.
    pub(in crate::scoring) fn of_input(name: &str) -> Option<Self> {
        Some(match name {
            "log_words" | "log_commas" | "brevity" => Self::Length,
            "log_numbers" | "log_amounts" => Self::Numbers,
            "options" => Self::Options,
            "log_latex" | "log_mathematics" => Self::Mathematics,
            "log_code_signs" | "log_code_lines" | "log_code" => Self::Code,
            "log_reasoning" => Self::Reasoning,
            "log_steps" => Self::Steps,
            "log_constraints" | "requirements" => Self::Requirements,
            "log_writing" => Self::Writing,
            "log_rewriting" => Self::Rewriting,
            "log_extraction" => Self::Extraction,
            "log_science" => Self::Science,
            "log_law" => Self::Law,
            "log_medicine" => Self::Medicine,
            "log_quotes" => Self::Quotes,
            "ideograph_share" => Self::Language,
            "ends_with_question" | "fact_questions" | "opens_with_question" => Self::QuestionForm,
            "log_tools" => Self::Tools,
            "structured" => Self::StructuredAnswer,
            "tasks" | "opens_with_task" => Self::DemandingTask,
            "artefacts" => Self::LargeArtefact,
            "courtesies" | "opens_with_courtesy" => Self::SmallTalk,
            "common_facts" => Self::CommonFact,
            "simple_jobs" | "opens_with_simple_job" => Self::SimpleJob,
            _ => return None,
        })
    }

    /// By the name of an expert.
    pub(in crate::scoring) fn of_expert(name: &str) -> Self {
        match name {
            "word_problem" => Self::LikeWordProblems,
            "mathematics" => Self::LikeMathematics,
            "code_output" => Self::LikeCodeOutput,
            "mixed" => Self::LikeMixedTasks,
            "chinese_exam" => Self::LikeChineseExaminations,
            "chinese_law" => Self::LikeChineseLaw,
            _ => Self::LikeExaminations,
        }
    }
}

/// A feature, and what it adds to the difficulty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreReason {
    /// The feature.
    pub feature: ReasonFeature,
    /// What it adds to the difficulty for a model of around 8B, -1..=1; what lowers it is negative.
    pub contribution: f64,
}

/// How many reasons are named.
pub const REASONS: usize = 3;

/// The features that moved a prompt's difficulty most, the strongest first; fewer where fewer moved it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ScoreReasons([Option<ScoreReason>; REASONS]);

impl ScoreReasons {
    /// The reasons, the strongest first.
    pub fn iter(&self) -> impl Iterator<Item = ScoreReason> + '_ {
        self.0.iter().flatten().copied()
    }

    /// Appends the reasons as they are displayed. Each request with a route has them in a header and in the log, and the
    /// standard library's formatter takes ten times as many instructions.
    pub fn append_to(&self, text: &mut String) {
        for (at, reason) in self.iter().enumerate() {
            text.push_str(if at > 0 { ", " } else { "" });
            text.push_str(reason.feature.word());
            text.push_str(if reason.contribution < 0.0 { " -" } else { " +" });
            // A contribution is within -1..=1, so that three digits are enough.
            let hundredths = (reason.contribution.abs() * 100.0).round().min(999.0) as u32;
            let digit = |of: u32| char::from(b'0' + (of % 10) as u8);
            text.extend([digit(hundredths / 100), '.', digit(hundredths / 10), digit(hundredths)]);
        }
    }

    /// Adds a reason, if it is stronger than another.
    pub fn add(&mut self, feature: ReasonFeature, contribution: f64) {
        // Less than a hundredth moves nothing that anyone sees.
        if contribution.abs() < 0.005 {
            return;
        }
        let mut next = ScoreReason { feature, contribution };
        for place in &mut self.0 {
            match place {
                Some(held) if held.contribution.abs() >= next.contribution.abs() => {}
                Some(held) => std::mem::swap(held, &mut next),
                None => return *place = Some(next),
            }
        }
    }
}

/// As people read it: `demanding task +0.31, length +0.12, like examinations -0.05`.
impl fmt::Display for ScoreReasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(REASONS * 32);
        self.append_to(&mut text);
        f.write_str(&text)
    }
}

/// What each feature adds, summed up.
pub(in crate::scoring) struct ReasonSums([f64; ReasonFeature::ALL.len()]);

impl ReasonSums {
    pub(in crate::scoring) fn new() -> Self {
        Self([0.0; ReasonFeature::ALL.len()])
    }

    pub(in crate::scoring) fn add(&mut self, feature: ReasonFeature, contribution: f64) {
        self.0[feature as usize] += contribution;
    }

    pub(in crate::scoring) fn strongest(&self) -> ScoreReasons {
        let mut reasons = ScoreReasons::default();
        for (feature, &contribution) in ReasonFeature::ALL.iter().zip(&self.0) {
            reasons.add(*feature, contribution);
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::features::{Features, Prompt};
    use crate::scoring::scorers::default_scorer;

    #[test]
    fn the_strongest_come_first_and_small_ones_are_left_out() {
        let mut reasons = ScoreReasons::default();
        assert_eq!(reasons.to_string(), "");
        let added = [
            (ReasonFeature::Length, 0.1),
            (ReasonFeature::Code, 0.004),
            (ReasonFeature::DemandingTask, 0.2),
            (ReasonFeature::SmallTalk, -0.3),
            (ReasonFeature::Law, 0.05),
        ];
        added.into_iter().for_each(|(feature, contribution)| reasons.add(feature, contribution));
        assert_eq!(reasons.to_string(), "small talk -0.30, demanding task +0.20, length +0.10");
    }

    #[track_caller]
    fn check(text: &str, feature: ReasonFeature, raises: bool) {
        let reasons = default_scorer().view(&Features::of(&Prompt::from_text(text))).reasons;
        let found = reasons.iter().find(|reason| reason.feature == feature);
        assert!(found.is_some_and(|reason| (reason.contribution > 0.0) == raises), "{text}: {reasons}");
    }

    #[test]
    fn reasons_are_what_a_person_would_name() {
        check("Design a distributed database with failover", ReasonFeature::DemandingTask, true);
        check("请设计一个跨地域的分布式数据库", ReasonFeature::DemandingTask, true);
        check("Hello!", ReasonFeature::SmallTalk, false);
        check("hi", ReasonFeature::Length, false);
        check("Translate to Spanish: the cat sleeps", ReasonFeature::SimpleJob, false);
    }
}
