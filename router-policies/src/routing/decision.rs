//! Everything a policy may say.

use std::time::Duration;

use crate::judging::guard::Guard;
use crate::rung::Rung;

/// A way for the models of a ladder to share one answer. Dispatch and simulation match it exhaustively.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plan {
    /// One model is asked; if it fails, the route's fallback names the next.
    Ask(Rung),
    /// A model starts, and a guard may hand over to a larger one before the client has seen a byte.
    Cascade {
        /// Who starts.
        from: Rung,
        /// Who answers where the guard finds that the first should not.
        to: Rung,
        /// What the first answer must stand.
        guard: Guard,
    },
    /// A second model is asked as well where the first keeps silent; the first to speak answers.
    Hedge {
        /// Who is asked.
        first: Rung,
        /// Who is asked as well.
        second: Rung,
        /// After how long a silence.
        silence: Duration,
    },
}

impl Plan {
    /// The rung that is asked first.
    pub fn first(self) -> Rung {
        match self {
            Self::Ask(rung) | Self::Cascade { from: rung, .. } | Self::Hedge { first: rung, .. } => rung,
        }
    }

    /// The rungs that are asked beside the first, as the plan has it.
    pub fn others(self) -> impl Iterator<Item = Rung> {
        let others = match self {
            Self::Ask(_) => [None, None],
            Self::Cascade { to, guard, .. } => [Some(to), guard.agree.and_then(|agree| agree.rung)],
            Self::Hedge { second, .. } => [Some(second), None],
        };
        others.into_iter().flatten()
    }

    /// Which kind it is.
    pub fn kind(self) -> PlanKind {
        match self {
            Self::Ask(_) => PlanKind::Ask,
            Self::Cascade { .. } => PlanKind::Cascade,
            Self::Hedge { .. } => PlanKind::Hedge,
        }
    }

    /// The word for this plan in headers and metrics.
    pub fn word(self) -> &'static str {
        self.kind().word()
    }
}

crate::vocabulary! {
    /// The kinds of plans.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum PlanKind {
        /// The gateway asks one model. If that model fails, the route's fallback names the next.
        Ask = "ask",
        /// A smaller model starts. A guard looks at its answer and may hand over to a larger model before the client has
        /// seen a byte.
        Cascade = "cascade",
        /// The gateway asks a second model as well if the first keeps silent. The first to speak answers.
        Hedge = "hedge",
    }
}

/// Why a decision was made: one of a fixed set of words, fit for a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(&'static str);

macro_rules! reasons {
    ($( $(#[doc = $meaning:literal])+ $name:ident = $word:literal; )+) => {
        impl Reason {
            $( $(#[doc = $meaning])+ pub const $name: Self = Self($word); )+

            /// All words, for closed label sets.
            pub const ALL: [Self; <[&str]>::len(&[$($word),+])] = [$(Self::$name),+];

            /// What the word means, in a sentence for operators.
            pub fn meaning(self) -> &'static str {
                match self.0 {
                    $( $word => concat!($($meaning),+).trim_ascii_start(), )+
                    _ => "",
                }
            }
        }
    };
}

reasons! {
    /// The client asked for a model by name.
    NAMED = "named";
    /// The policy always picks this model.
    FIXED = "fixed";
    /// The score of the request is at or below the threshold.
    EASY = "easy";
    /// The score of the request is above the threshold.
    HARD = "hard";
    /// A larger model is foreseen to add no more than the threshold (with `gain_for_time`: weighed by the extra time).
    LITTLE_GAIN = "little_gain";
    /// A larger model is foreseen to add more than the threshold (with `gain_for_time`: weighed by the extra time).
    GAIN = "gain";
    /// The model that the policy wanted cannot serve this request, so the gateway took the nearest one that can.
    CAPABILITY = "capability";
    /// The model's answer is worth the most, whatever it costs and however long it takes.
    QUALITY = "quality";
    /// The model's answer is worth the most for its cost.
    COST = "cost";
    /// The model's answer is worth the most for the time that the client waits.
    LATENCY = "latency";
    /// The conversation stays with the model that answered before: a tool's result is due, or a change to a smaller model
    /// would cost more than it saves.
    CONVERSATION = "conversation";
}

impl Reason {
    /// The word itself.
    pub fn word(self) -> &'static str {
        self.0
    }
}

/// What a policy answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// What to do.
    pub plan: Plan,
    /// Why.
    pub reason: Reason,
    /// No smaller rung may answer, not even as a fallback.
    pub least: Rung,
    /// No larger one.
    pub most: Rung,
    /// Who answers too, unseen by the client.
    pub shadow: Option<Rung>,
}

impl Decision {
    /// A decision that bounds nothing.
    pub fn of(plan: Plan, reason: Reason) -> Self {
        Self { plan, reason, least: Rung(0), most: Rung(usize::MAX), shadow: None }
    }
}
