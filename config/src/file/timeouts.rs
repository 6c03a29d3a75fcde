//! How long an attempt may take, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scalars::HumanDuration;

/// Limits of one attempt.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TimeoutsFile {
    /// Until a connection stands. Default `2s`.
    pub(crate) connect: Option<HumanDuration>,
    /// Embedded models: how long a request may wait for its turn. Default `30s`.
    pub(crate) queue: Option<HumanDuration>,
    /// From sending the request to the first token of a stream, or a sign that the model thinks; of an embedded model, from its
    /// turn on. Default `10s`, or the preset's, or by the size of an embedded model and the length of the prompt.
    pub(crate) first_token: Option<HumanDuration>,
    /// From each sign that the model thinks to the next, or to the first token; and in place of `first_token`, if that is
    /// shorter, where the request asks for thought. Default: `first_token`, if that is given, else `60s` or the preset's.
    pub(crate) thinking: Option<HumanDuration>,
    /// Between two pieces of a stream. Default `10s`, or the preset's, or `60s` of an embedded model.
    pub(crate) idle: Option<HumanDuration>,
    /// For the whole attempt. Default `10m`.
    pub(crate) total: Option<HumanDuration>,
}
