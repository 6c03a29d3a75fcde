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

/// Which choices end with this chunk; none where it cannot be read.
pub(super) fn ended(data: &[u8]) -> impl Iterator<Item = u32> {
    let chunk: ChoiceEnds = serde_json::from_slice(data).unwrap_or_default();
    chunk.choices.into_iter().filter(|choice| choice.finish_reason.is_some()).map(|choice| choice.index)
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct ChoiceEnds {
    choices: Vec<ChoiceEnd>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct ChoiceEnd {
    index: u32,
    finish_reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_that_end_are_found() {
        let data =
            br#"{"id":"x","choices":[{"index":2,"delta":{},"finish_reason":"stop"},{"index":1,"delta":{},
            "finish_reason":null},{"index":0,"finish_reason":"length"}]}"#;
        assert_eq!(ended(data).collect::<Vec<_>>(), [2, 0]);
        assert_eq!(ended(b"[1").count(), 0);
    }
}
