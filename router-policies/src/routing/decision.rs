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

    /// The word for this plan in headers and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ask(_) => "ask",
            Self::Cascade { .. } => "cascade",
            Self::Hedge { .. } => "hedge",
        }
    }
}

/// Why a decision was made: one of a fixed set of words, fit for a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(&'static str);

impl Reason {
    /// The client asked for a model by name.
    pub const NAMED: Self = Self("named");
    /// The policy always picks this model.
    pub const FIXED: Self = Self("fixed");
    /// The score lies at or below the threshold.
    pub const EASY: Self = Self("easy");
    /// The score lies above the threshold.
    pub const HARD: Self = Self("hard");
    /// The rung that the policy wanted cannot serve this request; the nearest that can was taken.
    pub const CAPABILITY: Self = Self("capability");
    /// Its answer is worth the most, and would be at no cost and without a wait.
    pub const QUALITY: Self = Self("quality");
    /// Its answer is worth the most for its cost.
    pub const COST: Self = Self("cost");
    /// Its answer is worth the most for the wait.
    pub const LATENCY: Self = Self("latency");
    /// It began what the conversation is in the midst of.
    pub const CONVERSATION: Self = Self("conversation");

    /// All words, for closed label sets.
    pub const ALL: [Self; 9] = [
        Self::NAMED,
        Self::FIXED,
        Self::EASY,
        Self::HARD,
        Self::CAPABILITY,
        Self::QUALITY,
        Self::COST,
        Self::LATENCY,
        Self::CONVERSATION,
    ];

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
