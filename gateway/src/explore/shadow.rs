//! One request, answered by another model too.

use std::sync::Arc;

use router_policies::outcomes::{PairOutcome, PreferredAnswer};
use router_policies::{Probability, Rung};

use super::question::ask;
use super::{Explorer, judge};
use crate::record::RecordedCall;
use protocol::ChatRequest;

/// What is kept of a request whose answer another model is asked for too.
#[derive(Debug, Clone)]
pub struct ShadowRequest {
    /// What the client asked.
    pub chat: Arc<ChatRequest>,
    /// Who answers too.
    pub rung: Rung,
    /// Who answered the client.
    pub answered: Rung,
    /// What was foreseen for each rung, uncorrected.
    pub foreseen: Vec<Probability>,
    /// Whose answer a guard judged, and the chance that it gave it, uncorrected.
    pub found: Option<(Rung, Probability)>,
    /// Whom the request may be shown to.
    pub eligible: Vec<bool>,
}

impl ShadowRequest {
    /// Has it answered and judged; `None` where it cannot be told which answer is better, or it may not be asked.
    pub(super) async fn run(self, explorer: &Explorer, answer: &str) -> Option<PairOutcome> {
        if self.rung == self.answered {
            return None;
        }
        let pool = explorer.pools.get(self.rung.0)?;
        let other = ask(explorer, pool, &self.chat, RecordedCall::Shadow).await?;
        let (small, large) =
            if self.rung < self.answered { (other.as_str(), answer) } else { (answer, other.as_str()) };
        let judging = explorer.judge.filter(|&judge| self.eligible.get(judge) == Some(&true));
        let preferred = match judging {
            Some(judge) => {
                judge::by_model(explorer, explorer.pools.get(judge)?, &self.chat, small, large).await?
            }
            None if explorer.judge.is_some() => return None,
            None => judge::by_agreement(small, large)?,
        };
        Some(self.outcome(preferred, explorer.judge.is_some()))
    }

    fn outcome(&self, preferred: PreferredAnswer, both_judged: bool) -> PairOutcome {
        let (small, large) = (self.rung.min(self.answered).0, self.rung.max(self.answered).0);
        let foreseen = |at: usize| self.foreseen.get(at).copied().unwrap_or_default();
        let ends = (foreseen(0).value(), foreseen(self.foreseen.len().saturating_sub(1)).value());
        PairOutcome {
            rungs: (small, large),
            foreseen: (foreseen(small), foreseen(large)),
            found: self.found.filter(|(rung, _)| rung.0 == small).map(|(_, chance)| chance),
            gain: ends.1 - ends.0,
            preferred,
            both_judged,
        }
    }
}
