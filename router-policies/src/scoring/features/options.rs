//! The options of a multiple-choice question, on lines of their own or in one line.

/// What is known about the options of a question.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct OptionCount {
    /// How many there are; 0 when the question has none.
    pub(super) count: usize,
    /// Characters in all of them.
    pub(super) chars: usize,
    /// Characters in the longest.
    pub(super) longest: usize,
    /// How many contain a digit.
    pub(super) numeric: usize,
    /// Where the first begins: the length of the question before it.
    pub(super) stem: usize,
}

/// Finds `A. … B. …`, `(A) …`, `A: …` or `A、…`, letters in order; the longest such run counts. Takes the characters and
/// where the capitals `A` to `Z` are among them.
pub(super) fn options(chars: &[char], capitals: &[usize]) -> OptionCount {
    let (mut best, mut run) = (OptionCount::default(), OptionCount::default());
    let mut began = 0;
    for &at in capitals {
        let Some(letter) = letter_at(chars, at) else { continue };
        if run.count > 0 && letter == run.count {
            close(&mut run, &chars[began..at]);
        } else if letter == 0 {
            if run.count > 1 {
                close(&mut run, &chars[began..at]);
                best = longer(best, run);
            }
            run = OptionCount { stem: at, ..OptionCount::default() };
        } else {
            continue;
        }
        run.count += 1;
        began = at + 2;
    }
    if run.count > 1 {
        let rest = &chars[began.min(chars.len())..];
        let end = rest.iter().position(|&c| c == '\n').unwrap_or(rest.len());
        close(&mut run, &rest[..end]);
        best = longer(best, run);
    }
    best
}

fn longer(one: OptionCount, other: OptionCount) -> OptionCount {
    if other.count >= one.count { other } else { one }
}

fn close(run: &mut OptionCount, text: &[char]) {
    run.chars += text.len();
    run.longest = run.longest.max(text.len());
    run.numeric += usize::from(text.iter().any(char::is_ascii_digit));
}

/// Whether an option's letter stands here: its number, `A` being 0.
fn letter_at(chars: &[char], at: usize) -> Option<usize> {
    let letter = u32::from(chars[at]).checked_sub(u32::from('A')).filter(|letter| *letter < 16)?;
    let before = at.checked_sub(1).map_or('\n', |before| chars[before]);
    let after = *chars.get(at + 1)?;
    let opens = before.is_whitespace() || matches!(before, '(' | '（' | '[');
    let closes = matches!(after, '.' | ')' | ':' | '、' | '．' | '：' | '）' | ']' | '。');
    (opens && closes).then_some(letter as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> OptionCount {
        let chars: Vec<char> = text.chars().collect();
        let capitals: Vec<usize> = (0..chars.len()).filter(|&at| chars[at].is_ascii_uppercase()).collect();
        options(&chars, &capitals)
    }

    #[track_caller]
    fn check(text: &str, count: usize, numeric: usize) {
        let found = of(text);
        assert_eq!((found.count, found.numeric), (count, numeric), "{text}");
    }

    #[test]
    fn finds_options_however_they_are_written() {
        check("Which?\nA. one\nB. two\nC. three\nAnswer:", 3, 0);
        check("Which? A. 1  B. 2  C. 3  D. four", 4, 3);
        check("Which?\n(A) x\n(B) y", 2, 0);
        check("选：\nA、甲\nB、乙\nC、丙", 3, 0);
        check("A: 甲\nB: 乙", 2, 0);
        check("I met A. Smith and B", 0, 0);
        check("Plain text", 0, 0);
        check("", 0, 0);
        check("A.", 0, 0);
    }

    #[test]
    fn measures_the_question_and_the_options() {
        let found = of("Which?\nA. one\nB. three");
        assert_eq!((found.stem, found.chars, found.longest), (7, 5 + 6, 6));
    }
}
