//! The questions of an exam, and the order in which they are asked.

use std::collections::BTreeMap;
use std::path::Path;

use router_policies::scoring::random::SplitMix64;
use serde::Deserialize;
use serde_json::Value;

use crate::questions::read;

/// A question whose answer a program can judge.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ExamQuestion {
    /// Its name, unique in the file.
    pub id: String,
    /// What sort of task it is, such as `word_problem`.
    pub kind: String,
    /// The language of the question, `en` or `zh`.
    pub lang: String,
    /// The messages of the chat, sent as they are.
    pub messages: Vec<Value>,
    /// How an answer is judged.
    pub check: Value,
    /// The longest answer, in tokens.
    pub max_tokens: u32,
    /// The functions that may be called.
    #[serde(default)]
    pub tools: Option<Value>,
    /// The form that the answer must have.
    #[serde(default)]
    pub response_format: Option<Value>,
}

/// The questions of a file, plain or gzip'd JSON lines, in its order.
///
/// # Errors
/// A file that cannot be read, and a line that is no question.
pub fn questions(file: &Path) -> Result<Vec<ExamQuestion>, String> {
    let rows = read(file)?.into_iter();
    rows.map(|row| serde_json::from_value(row).map_err(|why| format!("{}: {why}", file.display()))).collect()
}

/// An order of which every beginning has all kinds in equal parts: in each round one question of each kind is asked, the
/// kinds of a round in an order of its own. The same seed gives the same order.
pub fn in_rounds(questions: Vec<ExamQuestion>, seed: u64) -> Vec<Vec<ExamQuestion>> {
    let mut draws = SplitMix64(seed);
    let mut kinds: BTreeMap<String, Vec<ExamQuestion>> = BTreeMap::new();
    for question in questions {
        kinds.entry(question.kind.clone()).or_default().push(question);
    }
    kinds.values_mut().for_each(|kind| shuffle(kind, &mut draws));
    let longest = kinds.values().map(Vec::len).max().unwrap_or(0);
    let round = |at: usize| {
        let mut round: Vec<ExamQuestion> = kinds.values().filter_map(|kind| kind.get(at).cloned()).collect();
        shuffle(&mut round, &mut draws);
        round
    };
    (0..longest).map(round).collect()
}

fn shuffle<T>(items: &mut [T], draws: &mut SplitMix64) {
    for at in (1..items.len()).rev() {
        items.swap(at, draws.below(at + 1));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn question(kind: &str, at: usize) -> ExamQuestion {
        let row = json!({
            "id": format!("{kind}-{at}"), "kind": kind, "lang": "en", "messages": [], "check": {}, "max_tokens": 40,
        });
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn every_round_has_each_kind_that_is_left_once() {
        let all: Vec<ExamQuestion> = [("a", 3), ("b", 1), ("c", 2)]
            .iter()
            .flat_map(|(kind, count)| (0..*count).map(|at| question(kind, at)))
            .collect();
        let rounds = in_rounds(all.clone(), 7);
        let kinds = |round: &Vec<ExamQuestion>| {
            let mut kinds: Vec<String> = round.iter().map(|it| it.kind.clone()).collect();
            kinds.sort();
            kinds.join("")
        };
        assert_eq!(rounds.iter().map(kinds).collect::<Vec<_>>(), ["abc", "ac", "a"]);
        assert_eq!(rounds, in_rounds(all.clone(), 7));
        let mut asked: Vec<String> = rounds.concat().into_iter().map(|it| it.id).collect();
        let mut known: Vec<String> = all.into_iter().map(|it| it.id).collect();
        asked.sort();
        known.sort();
        assert_eq!(asked, known);
    }
}
