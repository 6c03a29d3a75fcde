//! What the gateway foresees of questions: its own word on `POST /decide`, before any model is asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::json;

use crate::proof::exam::ExamQuestion;
use crate::wire;

/// What was foreseen of a question.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Foresight {
    /// One minus the chance that the smallest model suffices.
    pub difficulty: f64,
    /// The chance that each of the two models suffices, the small one first.
    pub suffices: [f64; 2],
}

/// Asks a gateway that has both models behind the route `auto`, by question.
///
/// # Errors
/// An answer that is no decision.
pub async fn foresee(
    admin: SocketAddr,
    questions: &[&ExamQuestion],
) -> Result<BTreeMap<String, Foresight>, String> {
    let mut all = BTreeMap::new();
    for question in questions {
        let body = json!({"model": "auto", "messages": question.messages, "max_tokens": question.max_tokens});
        let request = wire::request("POST", "/decide", &[], body.to_string().as_bytes());
        let answer = wire::exchange(admin, &request).await;
        let decision: serde_json::Value = serde_json::from_str(&answer.text()).unwrap_or_default();
        let suffices = |at: usize| decision["ladder"][at]["suffices"].as_f64();
        let (Some(difficulty), Some(small), Some(large)) =
            (decision["difficulty"].as_f64(), suffices(0), suffices(1))
        else {
            return Err(format!("{}: no decision: {}", question.id, answer.text()));
        };
        all.insert(question.id.clone(), Foresight { difficulty, suffices: [small, large] });
    }
    Ok(all)
}
