//! Where the texts of an answer stand in it: what it says, and what the model thought, which hosts of OpenAI's dialect write in
//! many places.
//!
//! `reasoning_content` is DeepSeek's name and most others', `reasoning` vLLM's and OpenRouter's, who repeats it in
//! `reasoning_details` (openrouter.ai/docs/use-cases/reasoning-tokens); Mistral writes parts of type `thinking` within the
//! content (docs.mistral.ai/capabilities/reasoning).

use super::json_error::JsonError;
use super::json_str::JsonStr;
use super::scan::{Cursor, ValueKind};

/// What a text of an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerText {
    /// A word of the answer.
    Said,
    /// What the model thought.
    Thought,
    /// What it thought and only its provider can read, or a thought without words.
    Sealed,
}

/// Whether a member of a message has what the model thought.
pub(super) fn is_of_thoughts(name: &str) -> bool {
    matches!(name, "reasoning_content" | "reasoning" | "reasoning_details" | "reasoning_text" | "thinking")
}

/// Takes a value: a string, or parts that have texts. Each text is given with what it is; `kind` is what a plain text is.
pub(super) fn take_texts<'a>(
    cursor: &mut Cursor<'a>,
    kind: AnswerText,
    each: &mut dyn FnMut(AnswerText, JsonStr<'a>),
) -> Result<(), JsonError> {
    match cursor.kind()? {
        ValueKind::String => {
            each(kind, cursor.string()?);
            Ok(())
        }
        ValueKind::Array => cursor.elements(|cursor, _| match cursor.kind()? {
            ValueKind::Object => take_part(cursor, kind, each),
            _ => cursor.skip().map(drop),
        }),
        _ => cursor.skip().map(drop),
    }
}

/// A part. Its type may stand behind its text.
fn take_part<'a>(
    cursor: &mut Cursor<'a>,
    kind: AnswerText,
    each: &mut dyn FnMut(AnswerText, JsonStr<'a>),
) -> Result<(), JsonError> {
    let raw = cursor.skip()?;
    let mut kind = kind;
    Cursor::over(raw).members(|cursor, name| match name.raw {
        "type" if cursor.kind()? == ValueKind::String => {
            if is_thought(&cursor.string()?.cow()) {
                kind = AnswerText::Thought;
            }
            Ok(())
        }
        _ => cursor.skip().map(drop),
    })?;
    if kind == AnswerText::Thought {
        each(AnswerText::Sealed, JsonStr { raw: "", escaped: false, at: 0 });
    }
    Cursor::over(raw).members(|cursor, name| match name.raw {
        "text" | "summary" => take_texts(cursor, kind, each),
        "thinking" => take_texts(cursor, AnswerText::Thought, each),
        "data" if kind == AnswerText::Thought => take_texts(cursor, AnswerText::Sealed, each),
        _ => cursor.skip().map(drop),
    })
}

/// Whether parts of this type are thoughts: `thinking`, `redacted_thinking`, `reasoning`, `reasoning.text` and the like.
fn is_thought(kind: &str) -> bool {
    kind.starts_with("reasoning") || kind.ends_with("thinking")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_found_and_sorted() {
        let check = |value: &str, expected: &[(AnswerText, &str)]| {
            let mut found = Vec::new();
            take_texts(&mut Cursor::over(value), AnswerText::Said, &mut |kind, text| {
                if !text.raw.is_empty() || kind == AnswerText::Said {
                    found.push((kind, text.cow().into_owned()));
                }
            })
            .unwrap();
            let found: Vec<_> = found.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
            assert_eq!(found, expected, "{value}");
        };
        let (said, thought, sealed) = (AnswerText::Said, AnswerText::Thought, AnswerText::Sealed);
        check(r#""a\n""#, &[(said, "a\n")]);
        check("null", &[]);
        check("[7,null,\"x\"]", &[]);
        check(r#"[{"type":"text","text":"a"},{"text":"b"}]"#, &[(said, "a"), (said, "b")]);
        check(
            r#"[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"4"}]"#,
            &[(thought, "hm"), (said, "4")],
        );
        check(r#"[{"thinking":"hm","type":"thinking","signature":"s"}]"#, &[(thought, "hm")]);
        check(r#"[{"text":"hm","type":"reasoning.text"}]"#, &[(thought, "hm")]);
        check(r#"[{"type":"reasoning.summary","summary":"hm"}]"#, &[(thought, "hm")]);
        check(
            r#"[{"type":"reasoning.encrypted","data":"x"},{"type":"redacted_thinking","data":"y"}]"#,
            &[(sealed, "x"), (sealed, "y")],
        );
        check(r#"[{"type":"image","data":"x"}]"#, &[]);
    }
}
