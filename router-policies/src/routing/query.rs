//! Everything a policy may know when it decides.

use jiff::Timestamp;

use crate::routing::draw::RequestDraw;
use crate::routing::recent::RecentGains;
use crate::routing::rung_state::RungState;
use crate::routing::sensitive_data::SensitiveKinds;
use crate::routing::weights::UtilityWeights;
use crate::rung::Rung;
use crate::scoring::features::Features;

/// How far time can raise or lower a gain: what is foreseen of it is rough.
const MOST_HASTE: f64 = 2.0;

/// The whole of what is known about a request and the models that could answer it.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// The prompt as numbers.
    pub features: &'a Features,
    /// How close the prompt is to what the scorer was fitted on, 0..=1; 0 means nothing like it was there.
    pub familiarity: f64,
    /// The rungs, from small to large; never empty.
    pub ladder: &'a [RungState<'a>],
    /// The request's random number, for every chance that a policy takes.
    pub draw: RequestDraw,
    /// The route's recent requests, for a policy that asks for a share of them; `None` where none are kept.
    pub recent: Option<&'a RecentGains>,
    /// What is measured to keep the route to its targets; `None` where nothing is.
    pub weights: Option<UtilityWeights>,
    /// What rules may ask of the request.
    pub facts: RequestFacts<'a>,
}

/// What is known of a request beside its features. Nothing that a prompt says can change it, but for what it is about and
/// contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestFacts<'a> {
    /// Who asks; `None` on an open port.
    pub client: Option<&'a str>,
    /// By estimate.
    pub prompt_tokens: u64,
    /// Images, sounds or films are attached.
    pub media: bool,
    /// Tools are offered, or were used.
    pub uses_tools: bool,
    /// A structured answer is asked for.
    pub structured: bool,
    /// It must stay on local models.
    pub local_only: bool,
    /// What of the private contents that rules ask for is anywhere in it.
    pub contains: SensitiveKinds,
    /// The topic that its prompt belongs to, if any.
    pub topic: Option<&'a str>,
    /// When it came; `None` where that is not known, and then no hours hold.
    pub time: Option<Timestamp>,
    /// What it goes on with; `None` where it begins something, or that is not known.
    pub conversation: Option<ConversationState>,
}

/// What a request goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversationState {
    /// Who answered last.
    pub rung: Rung,
    /// Tokens of the prompt that this model's provider is likely to have in its cache.
    pub warm_tokens: u64,
    /// Whether a tool's result is sent back: what the model asked for, and is in the midst of.
    pub in_tool_loop: bool,
}

impl Query<'_> {
    /// One minus the chance that the smallest rung suffices, 0..=1.
    pub fn difficulty(&self) -> f64 {
        self.ladder.first().map_or(0.0, |rung| 1.0 - rung.p_success.value())
    }

    /// What the top rung would add over the smallest, -1..=1.
    pub fn gain(&self) -> f64 {
        match (self.ladder.first(), self.ladder.last()) {
            (Some(small), Some(large)) => large.p_success.value() - small.p_success.value(),
            _ => 0.0,
        }
    }

    /// The gain, up to doubled where the top rung needs less extra time than it usually does, down to half where it needs more:
    /// of equal gains the quicker one goes first. Without cards of both ends the gain as it is. -2..=2.
    pub fn gain_for_time(&self) -> f64 {
        self.gain() * self.haste()
    }

    /// By how much less extra time than usual the top rung needs, within bounds.
    fn haste(&self) -> f64 {
        let work = |rung: Option<&RungState<'_>>| rung?.estimate.work;
        let (Some(small), Some(large)) = (work(self.ladder.first()), work(self.ladder.last())) else {
            return 1.0;
        };
        let (extra, usual) = (large.seconds - small.seconds, large.usual - small.usual);
        if usual <= 0.0 {
            return 1.0;
        }
        (usual / extra.max(usual / MOST_HASTE)).max(1.0 / MOST_HASTE)
    }

    /// The next larger rung that can serve the request.
    pub fn next_able(&self, from: Rung) -> Option<Rung> {
        (from.0 + 1..self.ladder.len()).find(|&at| self.ladder[at].eligible).map(Rung)
    }

    /// The rung of a model.
    pub fn rung_of(&self, model: &str) -> Option<Rung> {
        self.ladder.iter().position(|rung| rung.model == model).map(Rung)
    }

    /// The nearest rung that can serve the request: `wanted` itself, else upward, else downward. `None` when no
    /// rung can.
    pub fn nearest_able(&self, wanted: Rung) -> Option<Rung> {
        let top = self.ladder.len().saturating_sub(1);
        let wanted = wanted.0.min(top);
        let up = wanted..self.ladder.len();
        let down = (0..wanted).rev();
        up.chain(down).find(|&at| self.ladder[at].eligible).map(Rung)
    }
}
