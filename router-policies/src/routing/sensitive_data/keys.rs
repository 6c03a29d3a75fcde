//! Keys, tokens and private keys in the forms that providers give them, and what a password or secret is set to.

/// How a kind of key begins, and how many letters, digits, underscores and hyphens follow at least. From the providers'
/// own pages on the form of their keys.
const FORMS: [(&str, usize); 26] = [
    ("sk-", 20),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("LTAI", 12),
    ("AKID", 32),
    ("AIza", 35),
    ("ghp_", 36),
    ("gho_", 36),
    ("ghs_", 36),
    ("ghu_", 36),
    ("ghr_", 36),
    ("github_pat_", 22),
    ("glpat-", 20),
    ("gsk_", 40),
    ("hf_", 30),
    ("npm_", 36),
    ("pypi-", 40),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("xoxa-", 20),
    ("xapp-", 20),
    ("dckr_pat_", 20),
    ("dop_v1_", 60),
    ("SG.", 40),
];
/// What a secret is called where it is set, in lower case, and the least length of its value.
const NAMES: [(&str, usize); 12] = [
    ("api_key", 16),
    ("api-key", 16),
    ("apikey", 16),
    ("access_key", 16),
    ("secret_key", 16),
    ("secret", 16),
    ("_token", 16),
    ("password", 8),
    ("passwd", 8),
    ("密码", 8),
    ("口令", 8),
    ("密钥", 16),
];
/// Bytes of a word that are looked at: more than any key has.
const LONGEST: usize = 4096;
/// Bytes after a secret's name that are looked at.
const LONGEST_VALUE: usize = 72;

/// Whether a text contains a key. Linear: each word is looked at once, up to a bound.
pub(super) fn is_key(text: &str) -> bool {
    text.match_indices("-----BEGIN ").any(|(at, _)| begins_private_key(&text[at..]))
        || words(text).any(|(word, rest)| is_in_form(word) || is_set(word, rest))
}

/// `-----BEGIN RSA PRIVATE KEY-----` and its kin.
fn begins_private_key(text: &str) -> bool {
    let line = text[..text.floor_char_boundary(64)].lines().next().unwrap_or_default();
    line.contains("PRIVATE KEY-----") || line.contains("PRIVATE KEY BLOCK-----")
}

/// Runs of what keys and their names are made of, and the text after each.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let begin = rest.find(is_of_a_word)?;
        rest = &rest[begin..];
        let end = rest.find(|c| !is_of_a_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        Some((word, after))
    })
}

/// Chinese characters too: they name secrets, and part nothing.
fn is_of_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') || ('\u{4e00}'..='\u{9fff}').contains(&c)
}

fn is_in_form(word: &str) -> bool {
    let word = word.trim_start_matches(|c: char| !c.is_ascii());
    let word = &word[..word.floor_char_boundary(LONGEST)];
    if let Some((_, least)) = FORMS.iter().find(|(start, _)| word.starts_with(start)) {
        let key =
            word.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte)).count();
        return key >= least + 2 && is_mixed(word);
    }
    is_json_web_token(word)
}

/// A header and a payload, which are JSON in base64 and so begin with `eyJ`, and a signature.
fn is_json_web_token(word: &str) -> bool {
    let mut parts = word.split('.');
    let mut json = || parts.next().is_some_and(|part| part.starts_with("eyJ") && part.len() >= 12);
    json() && json() && parts.next().is_some_and(|part| part.len() >= 20)
}

/// `API_KEY = "…"`, `password: …`, `密码：…`.
fn is_set(word: &str, rest: &str) -> bool {
    let tail = &word[word.ceil_char_boundary(word.len().saturating_sub(24))..];
    let name = tail.to_lowercase();
    let Some((_, least)) = NAMES.iter().find(|(ends, _)| name.ends_with(ends)) else { return false };
    let ahead = &rest[..rest.floor_char_boundary(LONGEST_VALUE)];
    let ahead = ahead.trim_start_matches(['"', '\'', '`', ' ']);
    let Some(value) = ahead.strip_prefix([':', '=', '：']) else { return false };
    let value = value.trim_start_matches(['=', ' ', '"', '\'', '`']);
    let ends = |c: char| !c.is_ascii_graphic() || "\"'`,;()<>{}[]".contains(c);
    let value = &value[..value.find(ends).unwrap_or(value.len())];
    value.len() >= *least && is_mixed(value)
}

/// Letters and digits both: `your_api_key_here` and `12345678` stand for keys, and are none.
fn is_mixed(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit()) && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}
