//! The worlds that targets are tried in. Models, traffic and lengths of answers are simulated; see [`super::models`].

use super::models::Model;
use super::traffic::{Look, Phase, World};

/// A world, and what is to be seen in it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it shows, in a few words.
    pub name: &'static str,
    /// How it runs.
    pub world: World,
    /// What the policy is to keep to.
    pub targets: Vec<Target>,
    /// What its weight is watched of.
    pub watched: Watched,
    /// Seconds at the beginning of each phase that are left out of what is realised.
    pub settling: f64,
}

/// Something to keep to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// So much an hour, in the account currency.
    Spend {
        /// The amount.
        hourly: f64,
    },
    /// 95 of 100 first tokens within so many seconds.
    FirstToken {
        /// How many.
        seconds: f64,
    },
    /// Such a share of the large model's quality.
    Quality {
        /// 0..=1.
        share: f64,
    },
}

impl Target {
    /// In a few words.
    pub fn words(self) -> String {
        match self {
            Self::Spend { hourly } => format!("spend {hourly:.3} an hour"),
            Self::FirstToken { seconds } => format!("first token {:.0} ms", seconds * 1000.0),
            Self::Quality { share } => format!("quality {share}"),
        }
    }
}

/// One of the three that are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// A unit of the account currency.
    Money,
    /// A second.
    Time,
    /// A whole chance of a sufficient answer.
    Quality,
}

impl Watched {
    /// Its weight.
    pub fn weight(self, look: &Look) -> f64 {
        match self {
            Self::Money => look.cost,
            Self::Time => look.latency,
            Self::Quality => look.quality,
        }
    }
}

const SMALL: Model =
    Model { input: 1.0, output: 2.0, first: 0.15, scatter: 0.3, per_token: 0.006, places: 64, answer: 150.0 };
/// Its places are never all taken.
const LARGE: Model = Model {
    input: 10.0,
    output: 30.0,
    first: 0.5,
    scatter: 0.4,
    per_token: 0.015,
    places: 512,
    answer: 180.0,
};
/// Late once in five times, whatever it has to do.
const FITFUL: Model = Model { first: 0.6, scatter: 0.6, ..LARGE };
/// Answers six or seven a second.
const CROWDED: Model = Model { places: 24, scatter: 0.3, ..LARGE };
const NARROW: Model = Model { places: 8, ..SMALL };

const HOUR: f64 = 3600.0;
const MINUTE: f64 = 60.0;

/// All of them.
pub fn scenarios() -> Vec<Scenario> {
    let mut all = money();
    all.extend(time());
    all.extend(quality());
    all.extend(bounds());
    all
}

/// Traffic that rises to three times as much and falls again, each for so many seconds.
fn world(models: [Model; 2], policy: &str, rate: f64, seconds: f64) -> World {
    let phase = |name, rate| Phase { name, rate, seconds };
    let phases = vec![phase("before", rate), phase("three times", 3.0 * rate), phase("after", rate)];
    let policy = format!("{{kind: utility, targets: {{{policy}}}}}");
    World { models, policy, phases, look: (seconds / 300.0).max(1.0) }
}

fn money() -> Vec<Scenario> {
    let hourly = Scenario {
        name: "spend, by the hour",
        world: world([SMALL, LARGE], "spend: {amount: 12, per: hour}", 1.0, 40.0 * MINUTE),
        targets: vec![Target::Spend { hourly: 12.0 }],
        watched: Watched::Money,
        settling: 5.0 * MINUTE,
    };
    let daily = Scenario {
        name: "spend, by the day, a quiet route",
        world: world([SMALL, LARGE], "spend: {amount: 20, per: day}", 0.06, 8.0 * HOUR),
        targets: vec![Target::Spend { hourly: 20.0 / 24.0 }],
        settling: HOUR,
        ..hourly.clone()
    };
    vec![hourly, daily]
}

fn time() -> Vec<Scenario> {
    let fitful = Scenario {
        name: "first token, the large model is fitful",
        world: world([SMALL, FITFUL], "first_token_p95: 1s", 2.0, 15.0 * MINUTE),
        targets: vec![Target::FirstToken { seconds: 1.0 }],
        watched: Watched::Time,
        settling: 3.0 * MINUTE,
    };
    let crowded = Scenario {
        name: "first token, the large model has a queue",
        world: world([SMALL, CROWDED], "first_token_p95: 1500ms", 3.0, 10.0 * MINUTE),
        targets: vec![Target::FirstToken { seconds: 1.5 }],
        settling: 2.0 * MINUTE,
        ..fitful.clone()
    };
    vec![fitful, crowded]
}

fn quality() -> Vec<Scenario> {
    let share = 0.92;
    let alone = Scenario {
        name: "quality",
        world: world([SMALL, LARGE], "quality: 0.92", 1.0, 20.0 * MINUTE),
        targets: vec![Target::Quality { share }],
        watched: Watched::Quality,
        settling: 3.0 * MINUTE,
    };
    let paid = Scenario {
        name: "quality and spend",
        world: world([SMALL, LARGE], "quality: 0.92, spend: {amount: 336, per: day}", 1.0, 20.0 * MINUTE),
        targets: vec![Target::Quality { share }, Target::Spend { hourly: 14.0 }],
        watched: Watched::Money,
        ..alone.clone()
    };
    let prompt = Scenario {
        name: "quality and first token, the small model has a queue",
        world: world([NARROW, LARGE], "quality: 0.85, first_token_p95: 1200ms", 2.5, 10.0 * MINUTE),
        targets: vec![Target::Quality { share: 0.85 }, Target::FirstToken { seconds: 1.2 }],
        watched: Watched::Time,
        settling: 2.0 * MINUTE,
    };
    vec![alone, paid, prompt]
}

/// Where no weight is needed, and where none helps.
fn bounds() -> Vec<Scenario> {
    let slack = Scenario {
        name: "slack",
        world: world(
            [SMALL, LARGE],
            "spend: {amount: 500, per: hour}, first_token_p95: 5s",
            1.0,
            10.0 * MINUTE,
        ),
        targets: vec![Target::Spend { hourly: 500.0 }, Target::FirstToken { seconds: 5.0 }],
        watched: Watched::Money,
        settling: 2.0 * MINUTE,
    };
    let poor = Scenario {
        name: "impossible: less than the small model costs",
        world: world([SMALL, LARGE], "spend: {amount: 1, per: hour}", 1.0, 10.0 * MINUTE),
        targets: vec![Target::Spend { hourly: 1.0 }],
        ..slack.clone()
    };
    let hasty = Scenario {
        name: "impossible: sooner than either model",
        world: world([SMALL, LARGE], "first_token_p95: 120ms", 1.0, 10.0 * MINUTE),
        targets: vec![Target::FirstToken { seconds: 0.12 }],
        watched: Watched::Time,
        ..slack.clone()
    };
    vec![slack, poor, hasty]
}
