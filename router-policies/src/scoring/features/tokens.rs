//! Words, numbers, Chinese characters and signs.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextTokenKind {
    /// A run of letters and digits that begins with a letter.
    Word,
    /// A run of letters and digits that begins with a digit.
    Number,
    /// One character of a script without spaces (Chinese, Japanese).
    Ideograph,
    /// One other visible character.
    Sign,
}

/// One token.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextToken {
    /// The hash of its lower-case characters.
    pub(super) hash: u64,
    /// What it is.
    pub(super) kind: TextTokenKind,
    /// Where it begins among the characters.
    pub(super) at: usize,
    /// How many characters it has.
    pub(super) length: usize,
}

/// The tokens of a text, in order.
pub(super) fn tokens(chars: &[char]) -> Vec<TextToken> {
    let mut tokens = Vec::with_capacity(chars.len() / 3 + 8);
    let mut at = 0;
    while at < chars.len() {
        let (first, Some(kind)) = read(chars[at]) else {
            at += 1;
            continue;
        };
        let mut end = at + 1;
        let mut hash = step(SEED, first);
        if matches!(kind, TextTokenKind::Word | TextTokenKind::Number) {
            while let Some((next, Some(TextTokenKind::Word | TextTokenKind::Number))) =
                chars.get(end).map(|&c| read(c))
            {
                hash = step(hash, next);
                end += 1;
            }
        }
        tokens.push(TextToken { hash, kind, at, length: end - at });
        at = end;
    }
    tokens
}

/// The hash of a word as a token has it, for lists of words.
pub(super) fn hash_of(word: &str) -> u64 {
    word.chars().fold(SEED, |hash, c| step(hash, fold(c)))
}

/// The hash of a second token after a first.
pub(super) fn pair(first: u64, second: u64) -> u64 {
    (first.rotate_left(23) ^ second).wrapping_mul(PRIME)
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;
/// An odd number with well-mixed bits: the fractional part of the golden ratio.
const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;

fn step(hash: u64, c: char) -> u64 {
    (hash.rotate_left(5) ^ u64::from(u32::from(c))).wrapping_mul(PRIME)
}

/// A character folded, and what token it begins; nothing where it only parts others.
fn read(c: char) -> (char, Option<TextTokenKind>) {
    if let Some(&kind) = ASCII.get(c as usize) {
        return (c.to_ascii_lowercase(), kind);
    }
    if is_ideograph(c) {
        return (c, Some(TextTokenKind::Ideograph));
    }
    let c = fold(c);
    (c, kind_of(c))
}

/// What [`kind_of`] says of plain characters, which most are.
static ASCII: [Option<TextTokenKind>; 128] = {
    let mut kinds = [None; 128];
    let mut code = 0;
    while code < 128 {
        kinds[code as usize] = match code {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => Some(TextTokenKind::Word),
            b'0'..=b'9' => Some(TextTokenKind::Number),
            b'!'..=b'~' => Some(TextTokenKind::Sign),
            _ => None,
        };
        code += 1;
    }
    kinds
};

fn kind_of(c: char) -> Option<TextTokenKind> {
    let kind = match c {
        _ if c.is_ascii() => return ASCII[c as usize],
        _ if c.is_whitespace() || c.is_control() => return None,
        _ if is_ideograph(c) => TextTokenKind::Ideograph,
        _ if c.is_numeric() => TextTokenKind::Number,
        _ if c.is_alphabetic() => TextTokenKind::Word,
        _ => TextTokenKind::Sign,
    };
    Some(kind)
}

/// Whether a character is of a script that is written without spaces between words.
pub(crate) fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}

/// Lower case, and full-width Latin letters, digits and signs as plain ones.
pub(super) fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    if is_ideograph(c) {
        return c;
    }
    let c = match u32::from(c) {
        code @ 0xff01..=0xff5e => char::from_u32(code - 0xfee0).unwrap_or(c),
        _ => c,
    };
    if c.is_ascii() { c.to_ascii_lowercase() } else { c.to_lowercase().next().unwrap_or(c) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let chars: Vec<char> = text.chars().collect();
        let found = tokens(&chars);
        let got: Vec<String> = found.iter().map(|t| chars[t.at..t.at + t.length].iter().collect()).collect();
        assert_eq!(got, expected);
        for (token, text) in found.iter().zip(expected) {
            assert_eq!(token.hash, hash_of(text));
        }
    }

    #[test]
    fn splits_words_numbers_ideographs_and_signs() {
        check("Hello, world", &["Hello", ",", "world"]);
        check("x=3.14", &["x", "=", "3", ".", "14"]);
        check("证明x²", &["证", "明", "x²"]);
        check("naïve Ωμέγα", &["naïve", "Ωμέγα"]);
        check("\u{0}\u{200d}", &["\u{200d}"]);
        check("", &[]);
    }

    #[test]
    fn case_and_width_do_not_matter() {
        assert_eq!(hash_of("ABC"), hash_of("abc"));
        assert_eq!(hash_of("ＡＢ１"), hash_of("ab1"));
    }
}
