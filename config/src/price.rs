//! What a person may write of prices: by the token or the hour, by the prompt's length, by day and hour.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::calendar::{CalendarDay, DayOff, DayRange, HourRange, ZoneName};
use crate::scalars::CurrencyCode;

/// What a model costs: `hour`, or `input` and `output` per million tokens.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PriceFile {
    /// What an hour of the machine costs; charged for the time it was busy.
    #[schemars(range(min = 0))]
    #[schemars(extend("x-better-name" = "per_hour"))]
    pub(crate) hour: Option<f64>,
    /// A million prompt tokens.
    #[schemars(range(min = 0))]
    pub(crate) input: Option<f64>,
    /// A million prompt tokens read from the provider's cache. Default: as `input`.
    #[schemars(range(min = 0))]
    pub(crate) cached_input: Option<f64>,
    /// A million prompt tokens written to the provider's cache (of five minutes, if it has several). Default: as `input`.
    #[schemars(range(min = 0))]
    pub(crate) cache_write: Option<f64>,
    /// A million prompt tokens written to a cache of an hour. Default: as `cache_write`.
    #[schemars(range(min = 0))]
    pub(crate) cache_write_hour: Option<f64>,
    /// A million tokens of the answer, reasoning included.
    #[schemars(range(min = 0))]
    pub(crate) output: Option<f64>,
    /// A million prompt tokens of sound. Default: as `input`.
    #[schemars(range(min = 0))]
    pub(crate) audio_input: Option<f64>,
    /// A million tokens of sound in the answer. Default: as `output`.
    #[schemars(range(min = 0))]
    pub(crate) audio_output: Option<f64>,
    /// A thousand searches of the web that the provider makes. Default: unknown.
    #[schemars(range(min = 0))]
    pub(crate) web_search: Option<f64>,
    /// How many times the price of tokens a tier of service costs.
    pub(crate) service_tier: ServiceTierFile,
    /// How many times the price of tokens a faster answer costs.
    pub(crate) speed: AnswerSpeedFile,
    /// How many times the price of tokens an answer costs that is made in one place only.
    pub(crate) inference_geo: InferenceGeoFile,
    /// Default: the currency of accounts.
    pub(crate) currency: Option<CurrencyCode>,
    /// Other prices for long prompts; each is for the whole request.
    pub(crate) tiers: Vec<TierFile>,
    /// Hours with other prices; the first that is open counts.
    pub(crate) windows: Vec<WindowFile>,
    /// Where days begin and hours are read, such as `Asia/Shanghai`. Default `UTC`.
    #[schemars(extend("x-better-name" = "time_zone"))]
    pub(crate) zone: Option<ZoneName>,
    /// The first day on which the price holds, such as `2026-12-01`. Default: from ever.
    pub(crate) from: Option<CalendarDay>,
    /// The last day on which it holds, for promotions. Default: for ever.
    pub(crate) until: Option<CalendarDay>,
    /// Prices of other days, each with `from` or `until`, such as a rise to come or a promotion; the last that holds counts.
    pub(crate) changes: Vec<PriceFile>,
}

/// Multiples of the price for tiers of service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServiceTierFile {
    /// Sooner than others, such as 2. Default: unknown.
    #[schemars(range(min = 0, max = 1000))]
    pub(crate) priority: Option<f64>,
    /// When there is room, such as 0.5. Default: as the list price.
    #[schemars(range(min = 0, max = 1000))]
    pub(crate) flex: Option<f64>,
    /// Within a day, such as 0.5. Default: as the list price.
    #[schemars(range(min = 0, max = 1000))]
    pub(crate) batch: Option<f64>,
}

/// Multiples of the price for faster answers.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AnswerSpeedFile {
    /// Anthropic's `speed: fast`, such as 6. Default: unknown.
    #[schemars(range(min = 0, max = 1000))]
    pub(crate) fast: Option<f64>,
}

/// Multiples of the price for answers that are made in one place only.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct InferenceGeoFile {
    /// Anthropic's `inference_geo: us`, such as 1.1. Default: unknown.
    #[schemars(range(min = 0, max = 1000))]
    pub(crate) us: Option<f64>,
}

/// Other prices for long prompts. What is left out is as in the price itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["above"]))]
pub(crate) struct TierFile {
    /// For prompts of more tokens than this.
    #[schemars(range(min = 1))]
    pub(crate) above: Option<u64>,
    /// A million prompt tokens.
    #[schemars(range(min = 0))]
    pub(crate) input: Option<f64>,
    /// A million prompt tokens read from the cache.
    #[schemars(range(min = 0))]
    pub(crate) cached_input: Option<f64>,
    /// A million prompt tokens written to the cache.
    #[schemars(range(min = 0))]
    pub(crate) cache_write: Option<f64>,
    /// A million prompt tokens written to a cache of an hour.
    #[schemars(range(min = 0))]
    pub(crate) cache_write_hour: Option<f64>,
    /// A million tokens of the answer.
    #[schemars(range(min = 0))]
    pub(crate) output: Option<f64>,
}

/// Hours with other prices. What is left out is as in the price itself; its tiers do not hold then.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WindowFile {
    /// Days of the week, such as `[mon-fri]`. Default: all.
    pub(crate) days: Vec<DayRange>,
    /// Hours of the day, such as `["09:00-12:00", "14:00-18:00"]`. Default: all.
    pub(crate) hours: Vec<HourRange>,
    /// Days on which the window stays shut: dates, and `prc` for the public holidays of China as far as they are known.
    pub(crate) except: Vec<DayOff>,
    /// A million prompt tokens.
    #[schemars(range(min = 0))]
    pub(crate) input: Option<f64>,
    /// A million prompt tokens read from the cache.
    #[schemars(range(min = 0))]
    pub(crate) cached_input: Option<f64>,
    /// A million prompt tokens written to the cache.
    #[schemars(range(min = 0))]
    pub(crate) cache_write: Option<f64>,
    /// A million prompt tokens written to a cache of an hour.
    #[schemars(range(min = 0))]
    pub(crate) cache_write_hour: Option<f64>,
    /// A million tokens of the answer.
    #[schemars(range(min = 0))]
    pub(crate) output: Option<f64>,
}
