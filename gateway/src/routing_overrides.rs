//! What a client asks for beside its request, in headers.

/// Request headers that steer the choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoutingOverrides {
    /// `x-xietong-route`: in place of `model`.
    pub route: Option<String>,
    /// `x-xietong-min-tier`: no smaller model than this.
    pub min_tier: Option<String>,
    /// `x-xietong-max-tier`: no larger model than this.
    pub max_tier: Option<String>,
    /// No model of unknown cost: the client has a budget.
    pub priced_only: bool,
    /// `x-session-id`: the client's own name for its conversation.
    pub session: Option<String>,
    /// Who asks, for rules.
    pub client: Option<String>,
    /// `x-xietong-locality: local`: no model that leaves this machine or cluster.
    pub local_only: bool,
}
