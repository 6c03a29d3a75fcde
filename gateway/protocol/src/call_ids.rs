//! Ids of tools' calls in the forms that providers take. Each makes ids of its own form, and a conversation that another
//! provider goes on with has them all.
//!
//! What is told to a client of another API than the upstream's, and can be put back, is put back when it returns: models that
//! were trained on ids of their own (`functions.NAME:0`, Kimi's) see them again.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

use super::scan::Cursor;

/// What an id begins with that was put into other letters and can be put back.
const MARK: &str = "toolu_x-";
/// The most characters of a plain id.
const MOST: usize = 64;

/// What ids of calls must be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallIdForm {
    /// Anything.
    Any,
    /// Up to 64 letters, digits, `_` and `-`.
    Plain,
    /// Up to 40 characters.
    Short,
    /// Nine letters and digits.
    Nine,
}

/// The most bytes of a short id.
const SHORT: usize = 40;
/// How long an id of nine is, and the signs that it is made of.
const NINE: usize = 9;
const SIGNS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

impl CallIdForm {
    /// Whether an id has this form.
    pub(super) fn fits(self, id: &str) -> bool {
        match self {
            Self::Any => !id.is_empty(),
            Self::Plain => is_plain(id),
            Self::Short => (1..=SHORT).contains(&id.len()),
            Self::Nine => id.len() == NINE && id.bytes().all(|it| it.is_ascii_alphanumeric()),
        }
    }

    /// An id of this form that is made from another.
    fn made(self, id: &str) -> String {
        match self {
            Self::Any | Self::Short => format!("call_{:032x}", hash(id)),
            Self::Plain => format!("toolu_{:032x}", hash(id)),
            Self::Nine => {
                let mut left = hash(id);
                let sign = |_| {
                    let at = usize::try_from(left % SIGNS.len() as u128).unwrap_or_default();
                    left /= SIGNS.len() as u128;
                    char::from(SIGNS[at])
                };
                (0..NINE).map(sign).collect()
            }
        }
    }

    /// The id in this form; the same for the same id, whatever the conversation.
    fn shaped(self, id: &str) -> String {
        match self {
            _ if self.fits(id) => id.to_owned(),
            Self::Plain => plain(id).into_owned(),
            Self::Any | Self::Short | Self::Nine => self.made(id),
        }
    }
}

/// Whether an id is of Anthropic's form (`^[a-zA-Z0-9_-]+$`), and no longer than all take it.
pub(super) fn is_plain(id: &str) -> bool {
    (1..=MOST).contains(&id.len())
        && id.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'))
}

/// The id in letters, digits, `_` and `-`.
pub(super) fn plain(id: &str) -> Cow<'_, str> {
    if is_plain(id) {
        return id.into();
    }
    let mut out = String::from(MARK);
    for byte in id.bytes() {
        match byte {
            _ if byte.is_ascii_alphanumeric() || byte == b'_' => out.push(byte.into()),
            // Writing to a string cannot fail.
            _ => drop(write!(out, "-{byte:02x}")),
        }
    }
    // One that is too long, or none, cannot be put back.
    if is_plain(&out) && !id.is_empty() { out.into() } else { format!("toolu_{:032x}", hash(id)).into() }
}

/// The id that was put into plain letters; any other is what it is.
pub(super) fn original(id: &str) -> Cow<'_, str> {
    let unescaped = id.strip_prefix(MARK).and_then(|escaped| {
        let mut out = Vec::with_capacity(escaped.len());
        let mut bytes = escaped.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'-' => {
                    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                    let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                    out.push(u8::try_from(high * 16 + low).ok()?);
                }
                byte => out.push(byte),
            }
        }
        String::from_utf8(out).ok()
    });
    unescaped.filter(|it| plain(it) == id).map_or(Cow::Borrowed(id), Cow::Owned)
}

/// The same of ids as they are written, with their quotes.
pub(super) fn original_quoted(quoted: &str) -> Cow<'_, str> {
    if !quoted.get(1..).is_some_and(|id| id.starts_with(MARK)) {
        return quoted.into();
    }
    let said = Cursor::over(quoted).string().map(|id| super::json::string(&original(&id.cow())));
    said.map_or(Cow::Borrowed(quoted), Cow::Owned)
}

/// The ids of a conversation, in the order of its messages.
#[derive(Debug)]
pub(super) struct CallIds {
    form: CallIdForm,
    used: HashSet<String>,
    /// The calls of the last message that made any: as they came, as they are told, and whether they were answered.
    open: Vec<(String, String, bool)>,
}

impl CallIds {
    /// Of a conversation that has none yet.
    pub(super) fn new(form: CallIdForm) -> Self {
        Self { form, used: HashSet::new(), open: Vec::new() }
    }

    /// A message of the assistant begins.
    pub(super) fn turn(&mut self) {
        self.open.clear();
    }

    /// A call with this id: what it is told as. No two calls of a conversation have one id.
    pub(super) fn called(&mut self, id: &str) -> String {
        let mut told = self.form.shaped(id);
        for number in 2.. {
            if self.used.insert(told.clone()) {
                break;
            }
            told = match self.form {
                CallIdForm::Any => CallIdForm::Plain.made(&format!("{number} {id}")),
                form => form.made(&format!("{number} {id}")),
            };
        }
        self.open.push((id.to_owned(), told.clone(), false));
        told
    }

    /// What a tool gave back for this id: the call's id, in the order of the calls where several had one.
    pub(super) fn answered(&mut self, id: &str) -> String {
        let of = |(call, ..): &&mut (String, String, bool)| call == id;
        let free = self.open.iter_mut().filter(of).find(|(.., answered)| !*answered);
        if let Some((_, told, answered)) = free {
            *answered = true;
            return told.clone();
        }
        let last = self.open.iter().rfind(|(call, ..)| call == id);
        last.map_or_else(|| self.form.shaped(id), |(_, told, _)| told.clone())
    }
}

/// FNV-1a of 128 bits: the same on every machine and in every version.
fn hash(id: &str) -> u128 {
    let step = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
    id.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_id_is_plain_and_short_ones_come_back(id in "\\PC{0,24}") {
            let told = plain(&id);
            prop_assert!(is_plain(&told), "{told}");
            if !id.is_empty() && id.len() <= 18 {
                prop_assert_eq!(original(&told), id.as_str());
            }
            prop_assert_eq!(plain(&told), told.as_ref());
        }

        #[test]
        fn no_id_is_taken_for_another(one in "[a:./-]{1,9}", two in "[a:./-]{1,9}") {
            prop_assert_eq!(plain(&one) == plain(&two), one == two);
        }
    }

    #[test]
    fn ids_of_known_forms() {
        for id in ["call_abc", "toolu_01AbC-9", "chatcmpl-tool-1f", "019a", "_", &"a".repeat(64)] {
            assert_eq!((plain(id), original(id)), (id.into(), id.into()));
        }
        assert_eq!(plain("functions.bash:0"), "toolu_x-functions-2ebash-3a0");
        assert_eq!(original_quoted(r#""toolu_x-functions-2ebash-3a0""#), r#""functions.bash:0""#);
        assert_eq!(original_quoted(r#""call_1""#), r#""call_1""#);
        for odd in ["toolu_x-", "toolu_x--2", "toolu_x--zz", "toolu_x--ff", "toolu_x-abc", "toolu_x--2E"] {
            assert_eq!(original(odd), odd);
        }
        let long = "functions.".repeat(9);
        assert_eq!((plain(&long).len(), plain(&long)), (38, plain(&long)));
    }

    #[test]
    fn calls_of_a_conversation_have_ids_of_their_own() {
        let mut ids = CallIds::new(CallIdForm::Plain);
        ids.turn();
        assert_eq!((ids.called("a"), ids.called("b:0")), ("a".into(), "toolu_x-b-3a0".into()));
        assert_eq!((ids.answered("b:0"), ids.answered("a")), ("toolu_x-b-3a0".into(), "a".into()));
        // The same id in a later turn, and twice in one.
        ids.turn();
        let (first, second) = (ids.called("a"), ids.called("a"));
        assert!(first != "a" && second != "a" && first != second && is_plain(&first));
        assert_eq!(
            (ids.answered("a"), ids.answered("a"), ids.answered("a")),
            (first, second.clone(), second)
        );
        // A result of no call.
        assert_eq!(ids.answered("x y"), "toolu_x-x-20y");
        // None at all.
        ids.turn();
        let none = ids.called("");
        assert!(is_plain(&none) && ids.answered("") == none);
    }
}
