//! Whether an answer is right: a program's judgement, by the check that stands beside each question.
//!
//! - `folding`: what is the same though it is written otherwise; words, lines, and where an answer announces its result.
//! - `number`, `numerals`: numbers in a text, and numbers in words.
//! - `option`, `yes_no`, `text`, `python`: choices, and short answers.
//! - `json`, `call`: objects by their fields, and calls of functions.

mod call;
mod folding;
mod json;
mod number;
mod numerals;
mod option;
mod python;
mod text;
mod yes_no;

use serde_json::Value;

use crate::proof::answers::Call;
use folding::{Folded, without_thoughts};

/// What an answer is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// Whether it is right.
    pub right: bool,
    /// How much of it is right, 0..=1.
    pub part: f64,
}

impl Judgement {
    const WRONG: Self = Self { right: false, part: 0.0 };

    fn whole(right: bool) -> Self {
        Self { right, part: f64::from(u8::from(right)) }
    }

    /// Right where each of so many parts is.
    fn of_parts(right: usize, all: usize) -> Self {
        Self { right: right == all, part: if all == 0 { 1.0 } else { right as f64 / all as f64 } }
    }
}

/// Judges an answer by a question's check. A check of an unknown type makes every answer wrong.
pub fn judge(check: &Value, text: &str, calls: &[Call]) -> Judgement {
    let said = without_thoughts(text);
    if check["type"] == "call" {
        return call::judge(check, said, calls);
    }
    if said.trim().is_empty() {
        return Judgement::WRONG;
    }
    let folded = Folded::of(said);
    match check["type"].as_str().unwrap_or_default() {
        "number" => Judgement::whole(number::is_right(check, &folded)),
        "option" => Judgement::whole(option::is_right(check, &folded)),
        "yes_no" => Judgement::whole(yes_no::is_right(check, &folded)),
        "text" => Judgement::whole(text::is_right(check, &folded)),
        "contains_all" => text::contains_all(check, &folded),
        "json" => json::judge(check, said),
        _ => Judgement::WRONG,
    }
}
