//! From bytes of tokens to text that may be shown: whole characters, and nothing of a stop sequence.

/// The end of an answer that cannot be shown yet, because a character is incomplete or because a stop
/// sequence may have begun.
#[derive(Debug)]
pub(crate) struct StopBuffer {
    stops: Vec<String>,
    /// Bytes of a character that is not complete, at most three.
    bytes: Vec<u8>,
    /// Whole characters that may turn out to be the beginning of a stop sequence.
    text: String,
}

/// What can be shown now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EmittedText {
    /// This text; the answer goes on.
    More(String),
    /// This text; a stop sequence follows it, and the answer ends.
    Last(String),
}

impl StopBuffer {
    /// An empty tail that watches for these texts; none of them is empty.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self { stops, bytes: Vec::new(), text: String::new() }
    }

    /// Takes the bytes of the next token. Bytes that can never become UTF-8 are shown as U+FFFD.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> EmittedText {
        self.bytes.extend_from_slice(bytes);
        self.decode();
        if let Some(at) = self.stops.iter().filter_map(|stop| self.text.find(stop.as_str())).min() {
            self.text.truncate(at);
            return EmittedText::Last(std::mem::take(&mut self.text));
        }
        let held = self.held();
        let rest = self.text.split_off(self.text.len() - held);
        EmittedText::More(std::mem::replace(&mut self.text, rest))
    }

    /// What is left when the answer ends for another reason. An incomplete character is dropped.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn decode(&mut self) {
        let mut rest = 0;
        for chunk in self.bytes.utf8_chunks() {
            self.text.push_str(chunk.valid());
            rest += chunk.valid().len();
            let at_end = rest + chunk.invalid().len() == self.bytes.len();
            if at_end && incomplete(chunk.invalid()) {
                break;
            }
            if !chunk.invalid().is_empty() {
                self.text.push(char::REPLACEMENT_CHARACTER);
            }
            rest += chunk.invalid().len();
        }
        self.bytes.drain(..rest);
    }

    /// How many bytes at the end of the text may be the beginning of a stop sequence.
    fn held(&self) -> usize {
        let longest = |stop: &String| {
            (1..stop.len())
                .rev()
                .find(|&length| stop.is_char_boundary(length) && self.text.ends_with(&stop[..length]))
                .unwrap_or(0)
        };
        self.stops.iter().map(longest).max().unwrap_or(0)
    }
}

/// Whether more bytes could make a character of these.
fn incomplete(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pushes tokens; checks what each shows (joined by `|`), and the end: `!` for a stop sequence,
    /// else what `finish` gives.
    #[track_caller]
    fn check(stops: &[&str], tokens: &[&[u8]], shown: &str) {
        let mut tail = StopBuffer::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
        let mut pieces = Vec::new();
        for token in tokens {
            match tail.push(token) {
                EmittedText::More(text) => pieces.push(text),
                EmittedText::Last(text) => {
                    pieces.push(text + "!");
                    assert_eq!(pieces.join("|"), shown);
                    return;
                }
            }
        }
        pieces.push(tail.finish());
        assert_eq!(pieces.join("|"), shown);
    }

    #[test]
    fn shows_whole_characters() {
        check(&[], &[b"Hello", b" world"], "Hello| world|");
        check(&[], &["协".as_bytes(), "同".as_bytes()], "协|同|");
        check(&[], &[b"\xe5", b"\x8d", b"\x8f", b"!"], "||协|!|");
        check(&[], &[b"a\xe5\x8d", b"\x8fb"], "a|协b|");
        check(&[], &[b"\xf0\x9f", b"\x98\x80"], "|😀|");
        check(&[], &[b"x\xff", b"y"], "x\u{fffd}|y|");
        check(&[], &[b"x\xe5", b"y"], "x|\u{fffd}y|");
        check(&[], &[b"x\xe5\x8d"], "x|");
    }

    #[test]
    fn holds_back_what_may_become_a_stop() {
        check(&["END"], &[b"a", b"E", b"N", b"D"], "a|||!");
        check(&["END"], &[b"aE", b"Nx"], "a|ENx|");
        check(&["END"], &[b"aE", b"N"], "a||EN");
        check(&["END"], &[b"say END now"], "say !");
        check(&["\n\n"], &[b"one\n", b"two\n", b"\nthree"], "one|\ntwo|!");
        check(&["aab"], &[b"a", b"a", b"a", b"b"], "||a|!");
        check(&["同学"], &["协".as_bytes(), b"\xe5\x90", b"\x8c", b"\xe5\xad\xa6"], "协|||!");
        check(&["同学"], &["同".as_bytes(), "志".as_bytes()], "|同志|");
        check(&["bc", "abcd"], &[b"xabc"], "xa!");
        check(&["cd", "b"], &[b"abcd"], "a!");
    }

    proptest! {
        /// However text is cut into tokens, what is shown is the text up to the first stop sequence.
        #[test]
        fn shows_the_same_however_it_is_cut(
            text in "[ab协😀]{0,24}",
            stops in proptest::collection::vec("[ab协]{1,3}", 0..3),
            cuts in proptest::collection::vec(1_usize..5, 0..64),
        ) {
            let end = stops.iter().filter_map(|stop| text.find(stop.as_str())).min();
            let mut tail = StopBuffer::new(stops);
            let (mut shown, mut stopped) = (String::new(), false);
            let (mut rest, mut cuts) = (text.as_bytes(), cuts.into_iter().cycle());
            while !rest.is_empty() && !stopped {
                let at = cuts.next().unwrap_or(3).min(rest.len());
                match tail.push(&rest[..at]) {
                    EmittedText::More(more) => shown += &more,
                    EmittedText::Last(last) => { shown += &last; stopped = true; }
                }
                rest = &rest[at..];
            }
            prop_assert_eq!(stopped, end.is_some());
            if !stopped { shown += &tail.finish(); }
            // Overlapping stops: the one that is complete first ends the answer, and it may begin
            // later than a longer one that was still growing.
            match end {
                Some(at) => prop_assert!(text[..].starts_with(&shown) && shown.len() >= at),
                None => prop_assert_eq!(shown, text),
            }
        }

        #[test]
        fn any_bytes_give_text(tokens in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..20)) {
            let mut tail = StopBuffer::new(Vec::new());
            let mut shown = String::new();
            for token in &tokens {
                if let EmittedText::More(text) = tail.push(token) { shown += &text; }
            }
            let whole: Vec<u8> = tokens.concat();
            let lossy = String::from_utf8_lossy(&whole);
            prop_assert!(lossy.starts_with(&shown));
        }
    }
}
