//! What the file says of state.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scalars::{ByteSize, HumanDuration, SecretText};

/// What outlives a restart.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum StateFile {
    /// A word.
    Word(StateWord),
    /// A kind with its fields.
    Kind(StateKind),
}

/// What outlives a restart, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateWord {
    /// Nothing.
    None,
}

/// What outlives a restart, and where it is kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum StateKind {
    /// Nothing.
    None(NoStateFile),
    /// A file of this process.
    Embedded(EmbeddedStateFile),
    /// A Redis that several gateways share.
    Redis(RedisStateFile),
}

/// Nothing outlives a restart.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoStateFile {}

/// A Redis that several gateways share.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["url"]))]
pub(crate) struct RedisStateFile {
    /// Its URL, such as `redis://redis:6379/0`; `rediss` for TLS. A user or password in it is percent-encoded.
    pub(crate) url: Option<SecretText>,
    /// Its user, as it is. Default: the URL's, or none.
    pub(crate) username: Option<SecretText>,
    /// Its password, as it is. Default: the URL's, or none.
    pub(crate) password: Option<SecretText>,
    /// With TLS: certificates, in PEM, of the authorities that its own is from, in place of those that the system trusts.
    pub(crate) ca_file: Option<String>,
}

/// A file of this process.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EmbeddedStateFile {
    /// The file. Default `xietong.db`.
    pub(crate) path: Option<String>,
    /// How long records of requests are kept. Default `90d`.
    #[schemars(extend("x-better-name" = "retention"))]
    pub(crate) keep: Option<HumanDuration>,
    /// How large the file may grow before the oldest records go. Default `1GiB`.
    #[schemars(extend("x-better-name" = "max_size"))]
    pub(crate) at_most: Option<ByteSize>,
}
