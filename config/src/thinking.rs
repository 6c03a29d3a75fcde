//! How a model of OpenAI's dialect is told how hard to think, and what becomes of its thoughts in later turns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How hard to think, from least to most; the words of `reasoning_effort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffortLevel {
    /// Not at all.
    None,
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// Somewhat.
    Medium,
    /// Much.
    High,
    /// More than that.
    Xhigh,
    /// As much as it can.
    Max,
}

/// What switches thinking on and off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThinkingSwitch {
    /// `thinking: {type: enabled}` or `disabled`.
    Thinking,
    /// `thinking: {type: adaptive}` or `disabled`.
    Adaptive,
    /// `enable_thinking: true` or `false`.
    EnableThinking,
    /// `chat_template_kwargs` with `enable_thinking` and `thinking`, as templates of different models call it.
    ChatTemplate,
}

/// What becomes of the thoughts of earlier turns, `reasoning_content` in the messages of an assistant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThinkingHistory {
    /// They are passed on as they come.
    #[default]
    Kept,
    /// They are passed on, and a call of a tool that comes without is given one that says nothing: it would be refused.
    Needed,
    /// They are taken out: they would be refused.
    Refused,
}

/// How a model is told how hard to think.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ThinkingFile {
    /// What switches thinking on and off. Default: nothing.
    pub(crate) switch: Option<ThinkingSwitch>,
    /// It cannot be switched off. Default false.
    pub(crate) always: bool,
    /// The words that `reasoning_effort` may have; the nearest is sent, and with an empty list none. Default: as the client
    /// wrote it.
    pub(crate) efforts: Option<Vec<EffortLevel>>,
    /// Whether `thinking_budget` bounds it, in tokens. Default false.
    pub(crate) budget: bool,
    /// What becomes of the thoughts of earlier turns. Default `kept`.
    pub(crate) history: ThinkingHistory,
}

/// How a model of OpenAI's dialect is told how hard to think.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ThinkingConfig {
    /// What switches it on and off.
    pub switch: Option<ThinkingSwitch>,
    /// It cannot be switched off.
    pub always: bool,
    /// The words that `reasoning_effort` may have; `None`: whatever the client wrote.
    pub efforts: Option<Vec<EffortLevel>>,
    /// Whether `thinking_budget` bounds it.
    pub budget: bool,
    /// What becomes of the thoughts of earlier turns.
    pub history: ThinkingHistory,
}

impl From<&ThinkingFile> for ThinkingConfig {
    fn from(file: &ThinkingFile) -> Self {
        let ThinkingFile { switch, always, efforts, budget, history } = file.clone();
        Self { switch, always, efforts, budget, history }
    }
}

impl EffortLevel {
    /// The effort of a word of `reasoning_effort`; `None` for one that is none.
    pub fn of(word: &str) -> Option<Self> {
        ALL.into_iter().find(|effort| effort.word() == word)
    }

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }
}

const ALL: [EffortLevel; 7] = [
    EffortLevel::None,
    EffortLevel::Minimal,
    EffortLevel::Low,
    EffortLevel::Medium,
    EffortLevel::High,
    EffortLevel::Xhigh,
    EffortLevel::Max,
];

impl ThinkingConfig {
    /// The nearest effort that the model knows: the least that is as much, else the most. `None`: it knows none.
    pub fn nearest(&self, asked: EffortLevel) -> Option<EffortLevel> {
        let Some(known) = &self.efforts else { return Some(asked) };
        let known = || {
            known.iter().copied().filter(|effort| asked == EffortLevel::None || *effort != EffortLevel::None)
        };
        known().filter(|effort| *effort >= asked).min().or_else(|| known().max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_effort_is_found() {
        use EffortLevel::{High, Low, Max, Medium, Minimal, None as Off, Xhigh};
        let check = |known: Option<&[EffortLevel]>, asked: EffortLevel, expected: Option<EffortLevel>| {
            let thinking = ThinkingConfig { efforts: known.map(<[_]>::to_vec), ..ThinkingConfig::default() };
            assert_eq!(thinking.nearest(asked), expected, "{known:?} {asked:?}");
        };
        let three: &[EffortLevel] = &[Low, High, Max];
        for (asked, expected) in
            [(Off, Low), (Minimal, Low), (Low, Low), (Medium, High), (High, High), (Xhigh, Max)]
        {
            check(Some(three), asked, Some(expected));
        }
        check(Some(&[Off, Low, High]), Off, Some(Off));
        check(Some(&[Off, Low, High]), Max, Some(High));
        check(Some(&[Off]), Low, None);
        check(Some(&[]), Low, None);
        check(None, Medium, Some(Medium));
        for effort in ALL {
            assert_eq!(EffortLevel::of(effort.word()), Some(effort));
        }
        assert_eq!(EffortLevel::of("much"), None);
    }
}
