//! What a rule asks of a request.

use jiff::tz::TimeZone;

use crate::money::text_form::TextOf;
use crate::money::{HoursOfDay, WeekdaySet};
use crate::routing::query::RequestFacts;
use crate::routing::sensitive_data::{SensitiveKind, SensitiveKinds};
use crate::scoring::features::Features;

/// What is known of a request before a model sees it. What is not named does not matter; nothing named matches all.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuleCondition {
    /// One of these clients asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<Vec<String>>,
    /// The prompt has more tokens than this, by estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_above: Option<u64>,
    /// It has images, sounds or films with it, or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<bool>,
    /// Tools are offered or were used, or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses_tools: Option<bool>,
    /// A structured answer is asked for, or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured: Option<bool>,
    /// The request must stay on local models, or need not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-better-name" = "local_only"))]
    pub must_stay: Option<bool>,
    /// The language of the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<PromptLanguage>,
    /// The topic of the prompt, one of the configuration's `topics`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// One of these stands anywhere in the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<Vec<SensitiveKind>>,
    /// Hours of the day, such as `["09:00-18:00"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Vec<TextOf<HoursOfDay>>>,
    /// Days of the week, such as `[mon-fri]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<TextOf<WeekdaySet>>>,
    /// Where days begin and hours are read, such as `Asia/Shanghai`. Default `UTC`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-better-name" = "time_zone"))]
    pub zone: Option<TextOf<TimeZone>>,
}

/// What a prompt is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromptLanguage {
    /// More than a tenth of its characters are Chinese: a Chinese text with code or names in it is Chinese.
    Chinese,
    /// Anything else.
    Other,
}

/// Of the characters of a prompt; a Chinese character says as much as several letters.
const CHINESE: f32 = 0.1;

impl RuleCondition {
    pub(super) fn holds(&self, features: &Features, facts: &RequestFacts<'_>) -> bool {
        let client =
            |clients: &Vec<String>| facts.client.is_some_and(|client| clients.iter().any(|it| it == client));
        let same = |wanted: Option<bool>, is: bool| wanted.is_none_or(|wanted| wanted == is);
        self.clients.as_ref().is_none_or(client)
            && self.tokens_above.is_none_or(|least| facts.prompt_tokens > least)
            && same(self.media, facts.media)
            && same(self.uses_tools, facts.uses_tools)
            && same(self.structured, facts.structured)
            && same(self.must_stay, facts.local_only)
            && self.language.is_none_or(|language| language == language_of(features))
            && self.topic.as_deref().is_none_or(|topic| facts.topic == Some(topic))
            && self.contains.as_ref().is_none_or(|kinds| SensitiveKinds::of(kinds).meets(facts.contains))
            && self.is_open(facts)
    }

    /// Whether the days and hours hold.
    fn is_open(&self, facts: &RequestFacts<'_>) -> bool {
        if self.hours.is_none() && self.days.is_none() {
            return true;
        }
        let Some(time) = facts.time else { return false };
        let zone = self.zone.as_ref().map_or(TimeZone::UTC, |zone| zone.means.clone());
        let there = zone.to_datetime(time);
        let on =
            |days: &Vec<TextOf<WeekdaySet>>| days.iter().any(|days| days.means.contains(there.weekday()));
        let at =
            |hours: &Vec<TextOf<HoursOfDay>>| hours.iter().any(|hours| hours.means.contains(there.time()));
        self.days.as_ref().is_none_or(on) && self.hours.as_ref().is_none_or(at)
    }
}

fn language_of(features: &Features) -> PromptLanguage {
    let share = features.named().find(|(name, _)| *name == "ideograph_share").map_or(0.0, |(_, share)| share);
    if share > CHINESE { PromptLanguage::Chinese } else { PromptLanguage::Other }
}
