//! What a provider charges beside its list price, or in its place, for what a client chose: how soon and how fast the answer
//! comes, where it is made, sound, and searches that the provider makes.

use std::time::Duration;

use super::{Money, Price, Usage};

/// How soon a provider works on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceTier {
    /// As the list price says.
    #[default]
    Standard,
    /// Sooner than others.
    Priority,
    /// When there is room.
    Flex,
    /// Within a day.
    Batch,
    /// In a way that has no name here.
    Unknown,
}

/// How fast an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnswerSpeed {
    /// As the list price says.
    #[default]
    Standard,
    /// Faster.
    Fast,
    /// In a way that has no name here.
    Unknown,
}

/// Where an answer is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InferenceRegion {
    /// Anywhere.
    #[default]
    Global,
    /// In the United States only.
    Us,
    /// In a place that has no name here.
    Unknown,
}

/// What was chosen of a provider's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServiceTerms {
    /// How soon it works.
    pub tier: ServiceTier,
    /// How fast it writes.
    pub speed: AnswerSpeed,
    /// Where it does so.
    pub region: InferenceRegion,
}

/// What is billed beside the tokens of a [`Usage`], or of them at a price of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BilledExtras {
    /// The terms that the answer was given on.
    pub terms: ServiceTerms,
    /// Prompt tokens that are sound.
    pub audio_input: u64,
    /// Tokens of the answer that are sound.
    pub audio_output: u64,
    /// Searches of the web that the provider made.
    pub searches: u64,
}

/// How many times the list price something costs, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PriceFactor(pub u32);

/// What a model's provider charges for each choice; `None`: not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PriceSurcharges {
    /// For priority.
    pub priority: Option<PriceFactor>,
    /// For flex.
    pub flex: Option<PriceFactor>,
    /// For a batch.
    pub batch: Option<PriceFactor>,
    /// For fast answers.
    pub fast: Option<PriceFactor>,
    /// For answers that are made in the United States.
    pub us: Option<PriceFactor>,
    /// A million prompt tokens of sound.
    pub audio_input: Option<Money>,
    /// A million tokens of sound in the answer.
    pub audio_output: Option<Money>,
    /// A thousand searches of the web.
    pub searches: Option<Money>,
}

impl ServiceTier {
    /// By a provider's word for it.
    pub fn of(word: &str) -> Self {
        match word {
            "" | "auto" | "default" | "standard" | "standard_only" | "scale" | "on_demand" => Self::Standard,
            "priority" => Self::Priority,
            "flex" => Self::Flex,
            "batch" => Self::Batch,
            _ => Self::Unknown,
        }
    }
}

impl AnswerSpeed {
    /// By a provider's word for it.
    pub fn of(word: &str) -> Self {
        match word {
            "" | "standard" => Self::Standard,
            "fast" => Self::Fast,
            _ => Self::Unknown,
        }
    }
}

impl InferenceRegion {
    /// By a provider's word for it.
    pub fn of(word: &str) -> Self {
        match word {
            "" | "global" | "not_available" => Self::Global,
            "us" => Self::Us,
            _ => Self::Unknown,
        }
    }
}

impl PriceSurcharges {
    /// What of this costs more than is known here; `None`: its price is known. What is cheaper without a price of its own is
    /// charged at the list price.
    pub fn unpriced(&self, extras: &BilledExtras) -> Option<&'static str> {
        let terms = &extras.terms;
        let unknown = [
            (terms.tier == ServiceTier::Priority && self.priority.is_none(), "`service_tier: priority`"),
            (terms.tier == ServiceTier::Unknown, "this `service_tier`"),
            (terms.speed == AnswerSpeed::Fast && self.fast.is_none(), "`speed: fast`"),
            (terms.speed == AnswerSpeed::Unknown, "this `speed`"),
            (terms.region == InferenceRegion::Us && self.us.is_none(), "`inference_geo: us`"),
            (terms.region == InferenceRegion::Unknown, "this `inference_geo`"),
            (extras.searches > 0 && self.searches.is_none(), "web searches"),
        ];
        unknown.into_iter().find_map(|(is, what)| is.then_some(what))
    }

    /// The same, and sound that is charged as text for want of a price.
    pub fn approximated(&self, extras: &BilledExtras) -> Option<&'static str> {
        let sound = [
            (extras.audio_input > 0 && self.audio_input.is_none(), "sound in prompts"),
            (extras.audio_output > 0 && self.audio_output.is_none(), "sound in answers"),
        ];
        self.unpriced(extras).or_else(|| sound.into_iter().find_map(|(is, what)| is.then_some(what)))
    }

    /// What this costs at a price; `busy` as for [`Price::cost`]. A machine of our own costs the same on any terms.
    pub fn cost(&self, price: &Price, usage: &Usage, extras: &BilledExtras, busy: Duration) -> Money {
        let Price::Tokens(_) = price else { return price.cost(usage, busy) };
        let heard = self.audio_input.map_or(0, |_| extras.audio_input.min(usage.input));
        let spoken = self.audio_output.map_or(0, |_| extras.audio_output.min(usage.output));
        let text = Usage { input: usage.input - heard, output: usage.output - spoken, ..*usage };
        let sound = [(heard, self.audio_input), (spoken, self.audio_output)];
        self.sum(price.cost(&text, busy), sound, extras)
    }

    /// What so many tokens cost at most, `busy` as for [`Price::most`]; of sound, all of them may be.
    pub fn most(
        &self,
        price: &Price,
        (prompt, answer): (u64, u64),
        extras: &BilledExtras,
        busy: Duration,
    ) -> Money {
        let most = price.most(prompt, answer, busy);
        let Price::Tokens(_) = price else { return most };
        let of = |tokens: u64, whole: u64| if tokens > 0 { whole } else { 0 };
        let sound = [
            (of(extras.audio_input, prompt), self.audio_input),
            (of(extras.audio_output, answer), self.audio_output),
        ];
        self.sum(most, sound, extras)
    }

    fn sum(&self, text: Money, sound: [(u64, Option<Money>); 2], extras: &BilledExtras) -> Money {
        let each = |(count, price): (u64, Option<Money>), per: i128| {
            let price = i128::from(price.unwrap_or_default().0);
            money((i128::from(count).saturating_mul(price).saturating_add(per / 2)) / per)
        };
        let tokens = sound.into_iter().fold(text, |sum, part| sum.saturating_add(each(part, 1_000_000)));
        let scaled = self
            .factors(&extras.terms)
            .into_iter()
            .flatten()
            .fold(tokens, |cost, factor| money((i128::from(cost.0) * i128::from(factor.0) + 500) / 1000));
        scaled.saturating_add(each((extras.searches, self.searches), 1000))
    }

    /// What multiplies the price of tokens on these terms.
    fn factors(&self, terms: &ServiceTerms) -> [Option<PriceFactor>; 3] {
        [
            match terms.tier {
                ServiceTier::Standard | ServiceTier::Unknown => None,
                ServiceTier::Priority => self.priority,
                ServiceTier::Flex => self.flex,
                ServiceTier::Batch => self.batch,
            },
            self.fast.filter(|_| terms.speed == AnswerSpeed::Fast),
            self.us.filter(|_| terms.region == InferenceRegion::Us),
        ]
    }
}

fn money(nanos: i128) -> Money {
    Money(i64::try_from(nanos).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: fn() -> Price =
        || Price::tokens(Money(1_000_000_000), Money(100_000_000), Money(2_000_000_000));

    fn surcharges() -> PriceSurcharges {
        PriceSurcharges {
            priority: Some(PriceFactor(2000)),
            flex: Some(PriceFactor(500)),
            batch: None,
            fast: Some(PriceFactor(6000)),
            us: Some(PriceFactor(1100)),
            audio_input: Some(Money(40_000_000_000)),
            audio_output: Some(Money(80_000_000_000)),
            searches: Some(Money(10_000_000_000)),
        }
    }

    fn extras(tier: &str, speed: &str, region: &str) -> BilledExtras {
        let (tier, speed) = (ServiceTier::of(tier), AnswerSpeed::of(speed));
        let terms = ServiceTerms { tier, speed, region: InferenceRegion::of(region) };
        BilledExtras { terms, ..BilledExtras::default() }
    }

    #[test]
    fn terms_multiply_the_price_of_tokens() {
        let usage = Usage { input: 1_000_000, output: 500_000, ..Usage::default() };
        let check = |tier: &str, speed: &str, region: &str, units: f64| {
            let cost = surcharges().cost(&PRICE(), &usage, &extras(tier, speed, region), Duration::ZERO);
            assert_eq!(Some(cost), Money::from_units(units), "{tier} {speed} {region}");
        };
        check("", "", "", 2.0);
        check("auto", "standard", "global", 2.0);
        check("priority", "", "", 4.0);
        check("flex", "", "", 1.0);
        check("batch", "", "", 2.0);
        check("", "fast", "", 12.0);
        check("", "fast", "us", 13.2);
        check("priority", "fast", "us", 26.4);
    }

    #[test]
    fn sound_and_searches_have_prices_of_their_own() {
        let usage = Usage { input: 1000, output: 100, ..Usage::default() };
        let extras =
            BilledExtras { audio_input: 900, audio_output: 80, searches: 3, ..extras("priority", "", "") };
        let cost = surcharges().cost(&PRICE(), &usage, &extras, Duration::ZERO);
        // 100 and 20 of text, 900 and 80 of sound, twice; three searches at a hundredth.
        let tokens = 100 * 1_000 + 20 * 2_000 + 900 * 40_000 + 80 * 80_000;
        assert_eq!(cost, Money(2 * tokens + 30_000_000));
        // Without prices of its own sound is text, and searches cost nothing.
        let plain = PriceSurcharges::default().cost(&PRICE(), &usage, &extras, Duration::ZERO);
        assert_eq!(plain, Money(1000 * 1_000 + 100 * 2_000));
    }

    #[test]
    fn what_has_no_price_is_named() {
        let check = |given: &PriceSurcharges, extras: BilledExtras, expected: Option<&str>| {
            assert_eq!(given.unpriced(&extras), expected);
        };
        let none = PriceSurcharges::default();
        check(&none, extras("priority", "", ""), Some("`service_tier: priority`"));
        check(&none, extras("turbo", "", ""), Some("this `service_tier`"));
        check(&none, extras("", "fast", ""), Some("`speed: fast`"));
        check(&none, extras("", "", "us"), Some("`inference_geo: us`"));
        check(&none, BilledExtras { searches: 1, ..BilledExtras::default() }, Some("web searches"));
        check(&none, extras("flex", "", ""), None);
        check(&none, extras("batch", "standard", "global"), None);
        check(&surcharges(), extras("priority", "fast", "us"), None);
        check(&surcharges(), extras("turbo", "", ""), Some("this `service_tier`"));
        let heard = BilledExtras { audio_input: 1, ..BilledExtras::default() };
        assert_eq!((none.unpriced(&heard), none.approximated(&heard)), (None, Some("sound in prompts")));
        assert_eq!(surcharges().approximated(&heard), None);
    }

    #[test]
    fn nothing_costs_more_than_the_most() {
        use proptest::prelude::*;
        proptest!(|(input in 0..100_000u64, output in 0..100_000u64, heard in 0..100_000u64, spoken in 0..100_000u64,
                    searches in 0..20u64, tier in 0..4usize, fast in any::<bool>(), us in any::<bool>())| {
            let word = ["", "priority", "flex", "batch"][tier];
            let terms = extras(word, if fast { "fast" } else { "" }, if us { "us" } else { "" });
            let extras = BilledExtras { audio_input: heard, audio_output: spoken, searches, ..terms };
            let usage = Usage { input, output, ..Usage::default() };
            let cost = surcharges().cost(&PRICE(), &usage, &extras, Duration::ZERO);
            prop_assert!(cost <= surcharges().most(&PRICE(), (input, output), &extras, Duration::ZERO));
        });
    }

    #[test]
    fn a_machine_of_our_own_costs_the_same_on_any_terms() {
        let hour = Price::Hour(Money(3_600_000_000));
        let cost = surcharges().cost(
            &hour,
            &Usage::default(),
            &extras("priority", "fast", "us"),
            Duration::from_secs(1),
        );
        assert_eq!(cost, Money(1_000_000));
    }
}
