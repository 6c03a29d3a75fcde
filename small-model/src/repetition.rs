//! Tells that an answer goes round in a circle: a small model that is asked for its likeliest words may write the same sentence
//! to the end of its context, while others wait for it.

/// The same passage so many times in a row is a circle. Both bounds are judgements: verses, tables and lists repeat less, or in
/// other words.
const ROUNDS: usize = 4;
/// Bytes that a circle has at least, all its rounds together.
const LEAST: usize = 600;
/// Bytes of the shortest and of the longest passage that is looked for.
const SHORTEST: usize = 24;
const LONGEST: usize = 600;
/// A passage has at least so many different bytes: rules of signs and rows of zeros are no circles.
const VARIETY: usize = 10;
/// How many bytes an answer grows by between two looks at it.
const STEP: usize = 64;

/// The end of an answer under way.
#[derive(Debug, Default)]
pub(crate) struct RepetitionWatch {
    tail: Vec<u8>,
    /// Bytes since the last look.
    since: usize,
}

impl RepetitionWatch {
    /// Takes note of what is written next; whether the answer goes round in a circle.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        self.tail.extend_from_slice(bytes);
        self.since += bytes.len();
        if self.since < STEP {
            return false;
        }
        self.since = 0;
        let kept = ROUNDS * LONGEST;
        if self.tail.len() > 2 * kept {
            self.tail.drain(..self.tail.len() - kept);
        }
        (SHORTEST..=LONGEST).any(|length| self.goes_round(length))
    }

    /// Whether the end is the same passage of so many bytes again and again.
    fn goes_round(&self, length: usize) -> bool {
        let least = length * ROUNDS.max(LEAST.div_ceil(length));
        let Some(start) = self.tail.len().checked_sub(least) else { return false };
        let rounds = &self.tail[start..];
        rounds[length..] == rounds[..rounds.len() - length] && is_varied(&rounds[..length])
    }
}

fn is_varied(passage: &[u8]) -> bool {
    let mut seen = [false; 256];
    passage.iter().for_each(|&byte| seen[usize::from(byte)] = true);
    seen.iter().filter(|seen| **seen).count() >= VARIETY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: bool) {
        let mut watch = RepetitionWatch::default();
        // As tokens come: a few bytes at a time.
        let found = text.as_bytes().chunks(5).any(|token| watch.push(token));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn circles_are_told_from_what_repeats_for_a_reason() {
        let clause = "The process of rainbows is called the rainbow effect, and it is natural. ";
        check(&clause.repeat(10), true);
        check(&format!("It begins well. {}", clause.repeat(10)), true);
        check(&"彩虹是一种自然现象，它出现在大气中。".repeat(14), true);
        let paragraph =
            format!("{clause}It is seen when the sun is behind who looks, and the rain before. {clause}");
        check(&paragraph.repeat(5), true);
        check(&paragraph.repeat(3), false);
        check(&"x".repeat(500).replace('x', clause), true);
        check(&clause.repeat(6), false);
        check(&"-".repeat(2000), false);
        check(&"0, ".repeat(800), false);
        check(&"| --- | --- | --- |\n".repeat(60), false);
        let rows: String =
            (0..300).map(|row| format!("| row {row} | the same words in each row |\n")).collect();
        check(&rows, false);
        check("", false);
    }
}
