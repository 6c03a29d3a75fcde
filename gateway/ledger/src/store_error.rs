//! Why a store did not do what it was asked.

use std::io;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why a store did not do what it was asked. No sentence quotes what was sent to a server, or a URL.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The ledger's file cannot be written.
    #[error(transparent)]
    File(#[from] io::Error),
    /// A URL that is none, or certificates that are none.
    #[error("state: no URL of a Redis, or no certificates")]
    Address,
    /// The server cannot be reached, or says no. Its own words could quote what was sent, so they are left out.
    #[error("{category}")]
    Redis {
        /// What kind of failure it is.
        kind: ErrorKind,
        /// The kind in words.
        category: String,
    },
    /// After a failure the server is left alone for a moment.
    #[error("it failed a moment ago")]
    Resting,
    /// What was leased is not known there any more.
    #[error("it knows less than before: a replica that was left behind took over")]
    Behind,
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        let kind = error.kind();
        let hint = match kind {
            ErrorKind::Server(ServerErrorKind::NoPerm) => {
                "no permission (NOPERM): its user needs ~xietong:* +eval +evalsha +script|load +hget +hset +hincrby +expire \
                 +set +xadd +xrange +ping"
            }
            ErrorKind::Server(
                ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::CrossSlot
                | ServerErrorKind::ClusterDown,
            ) => {
                " (it is a Redis Cluster, which is not supported: name a single server, or one address of a failover)"
            }
            _ => "",
        };
        Self::Redis { kind, category: format!("{}{hint}", error.category()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_can_mend_is_named() {
        let check = |kind: ServerErrorKind, words: &str| {
            let said = StoreError::from(RedisError::from((ErrorKind::Server(kind), "a secret")));
            let said = said.to_string();
            assert!(said.contains(words) && !said.contains("secret"), "{said}");
        };
        check(ServerErrorKind::NoPerm, "NOPERM");
        check(ServerErrorKind::Moved, "Cluster, which is not supported");
        check(ServerErrorKind::CrossSlot, "Cluster, which is not supported");
        check(ServerErrorKind::ReadOnly, "read-only");
    }
}
