//! The stem of a question: what makes it the same question in another source or wording of options. Splits go by
//! stem, so that no question is both learned from and tested on.

/// Characters of a stem that count: enough to tell prompts apart that begin with the same instructions.
const LENGTH: usize = 20_000;

/// The hash of a question without its options, case, spaces and signs.
pub fn stem(question: &str) -> u64 {
    let end = options_begin(question).unwrap_or(question.len());
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let letters = question[..end].chars().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric());
    for c in letters.take(LENGTH) {
        hash = (hash ^ u64::from(u32::from(c))).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
    hash
}

/// Where a line with option A begins.
fn options_begin(question: &str) -> Option<usize> {
    question.match_indices('\n').map(|(at, _)| at).find(|at| {
        let line = question[at + 1..].trim_start().trim_start_matches(['(', '（']);
        let mut chars = line.chars();
        chars.next() == Some('A') && matches!(chars.next(), Some('.' | ')' | ':' | '：' | '．' | '、' | '）'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_case_and_signs_make_no_difference() {
        let one = stem("What is it?\nA. this\nB. that");
        assert_eq!(one, stem("what is  IT\n(A) something else\n(B) more"));
        assert_eq!(one, stem("What is it"));
        assert_ne!(one, stem("What was it?"));
    }
}
