//! What a sentence says itself, without what it quotes.

/// Marks that open a quotation, and those that end it.
const MARKS: [(char, char); 7] =
    [('\'', '\''), ('"', '"'), ('`', '`'), ('“', '”'), ('‘', '’'), ('「', '」'), ('『', '』')];
/// Names in backticks that are part of what a server says (Text Generation Inference).
const OWN_NAMES: [&str; 2] = ["inputs", "max_new_tokens"];
/// Members of an error that another server quotes whole: their texts are what is said.
const ERROR_MEMBERS: [&str; 4] = ["message", "msg", "detail", "error"];

/// A text in small letters without what stands in quotation marks. A mark that nothing ends quotes the rest: the text may
/// have been cut short.
pub(super) fn unquoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let before = &text[..text.len() - rest.len()];
        rest = &rest[sign.len_utf8()..];
        let mark = MARKS.iter().find(|(open, _)| *open == sign && !is_apostrophe(sign, before));
        let Some((_, close)) = mark else {
            out.push(sign);
            continue;
        };
        let end = end_of(rest, *close);
        let quoted = &rest[..end];
        rest = rest[end..].strip_prefix(*close).unwrap_or_default();
        if sign == '`' && OWN_NAMES.contains(&quoted) {
            out.push_str(quoted);
        } else if is_errors_member(before) {
            out.push_str(&unquoted(quoted));
        }
    }
    out
}

/// Whether a mark within or behind a word is none.
fn is_apostrophe(sign: char, before: &str) -> bool {
    matches!(sign, '\'' | '’') && before.ends_with(|last: char| last.is_ascii_alphanumeric())
}

/// Where a quotation ends: at a mark that is neither escaped nor within a word.
fn end_of(rest: &str, close: char) -> usize {
    let ends = |at: usize| {
        let within = rest[at + close.len_utf8()..].starts_with(|next: char| next.is_ascii_alphanumeric());
        let escaped = rest[..at].ends_with('\\');
        !(escaped || within && matches!(close, '\'' | '’'))
    };
    rest.match_indices(close).map(|(at, _)| at).find(|at| ends(*at)).unwrap_or(rest.len())
}

/// Whether the text of an error's member follows, in JSON or as Python writes it.
fn is_errors_member(before: &str) -> bool {
    let name = before.trim_end().strip_suffix(':').map(str::trim_end);
    let name = name.and_then(|name| name.strip_suffix(['"', '\'']));
    name.is_some_and(|name| {
        ERROR_MEMBERS
            .iter()
            .any(|member| name.strip_suffix(member).is_some_and(|it| it.ends_with(['"', '\''])))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_sentence_says_itself_is_left() {
        for (text, expected) in [
            ("invalid value: 'a b'. it may be 'c' or \"d\".", "invalid value: . it may be  or ."),
            ("this model's limit, and the user's", "this model's limit, and the user's"),
            ("'it's one' is left out", " is left out"),
            ("`inputs` tokens + `x`", "inputs tokens + "),
            ("模型'm'不存在，“好”「好」", "模型不存在，"),
            ("cut 'short of", "cut "),
            (r#"{"message":"no \"x\" here","a":"b"}"#, r"{:no \,:}"),
            ("{'message': 'it is bad', 'code': 'x'}", "{: it is bad, : }"),
            ("bad: '{\"message\":\"x\"}'", "bad: "),
            ("", ""),
        ] {
            assert_eq!(unquoted(text), expected, "{text}");
        }
    }
}
