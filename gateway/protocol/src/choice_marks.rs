//! Which of several choices a chunk speaks of.

use serde::Deserialize;

/// A choice that a chunk speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChoiceMark {
    /// Which of the choices, from 0.
    pub index: u32,
    /// Whether it ends with this.
    pub ended: bool,
}

/// The choices that a chunk speaks of, by its data. Nothing of what is no chunk.
pub fn choice_marks(data: &[u8]) -> Vec<ChoiceMark> {
    #[derive(Deserialize)]
    struct MarkedChunk {
        #[serde(default)]
        choices: Vec<MarkedChoice>,
    }
    #[derive(Deserialize)]
    struct MarkedChoice {
        #[serde(default)]
        index: u32,
        #[serde(default)]
        finish_reason: Option<String>,
    }
    let chunk: Option<MarkedChunk> = serde_json::from_slice(data).ok();
    let ended = |reason: Option<String>| reason.is_some_and(|reason| !reason.is_empty());
    let mark = |choice: MarkedChoice| ChoiceMark { index: choice.index, ended: ended(choice.finish_reason) };
    chunk.into_iter().flat_map(|chunk| chunk.choices).map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_that_end_are_found() {
        let data =
            br#"{"id":"x","choices":[{"index":2,"delta":{},"finish_reason":"stop"},{"index":1,"delta":{},
            "finish_reason":null},{"index":0,"finish_reason":"length"}]}"#;
        let marks: Vec<(u32, bool)> =
            choice_marks(data).into_iter().map(|mark| (mark.index, mark.ended)).collect();
        assert_eq!(marks, [(2, true), (1, false), (0, true)]);
        assert_eq!(choice_marks(b"[1"), []);
    }
}
