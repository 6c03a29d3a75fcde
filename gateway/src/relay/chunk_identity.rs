//! What is read of an upstream's chunks to write our own beside them.

use protocol::ChunkMeta;

/// What a chunk of ours needs of the upstream's.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct ChunkIdentity {
    id: String,
    created: u64,
    model: String,
}

impl ChunkIdentity {
    pub(super) fn of(data: Option<&[u8]>) -> Self {
        data.and_then(|data| serde_json::from_slice(data).ok()).unwrap_or_default()
    }

    pub(super) fn stamp(&self) -> ChunkMeta<'_> {
        ChunkMeta { id: &self.id, created: self.created, model: &self.model, fingerprint: None }
    }
}
