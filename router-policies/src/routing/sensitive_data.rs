//! What a text contains that must not leave the house: identity numbers, phone numbers, bank cards, e-mail addresses,
//! keys. One pass, linear in the text; checksums and allotted ranges keep other numbers out.
//!
//! It finds what people write without a thought, not what they hide: a number in words, or with a space after each digit,
//! passes.

mod cards;
mod emails;
mod identity;
mod keys;
mod phones;

use cards::is_card;
use emails::is_email;
use identity::is_identity;
use keys::is_key;
use phones::is_phone;

/// A kind of content that rules can ask for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SensitiveKind {
    /// The number of a Chinese resident identity card (GB 11643): 18 places, with a true date and check digit.
    IdNumber,
    /// A Chinese mobile number in an allotted range, with or without +86.
    Phone,
    /// The number of a payment card: 13 to 19 digits with a known beginning and check digit (ISO/IEC 7812).
    BankCard,
    /// An e-mail address.
    Email,
    /// A key, token or private key in a known form, or what a password or secret is set to.
    Key,
}

/// Kinds of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SensitiveKinds(u8);

impl SensitiveKinds {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// These kinds.
    pub fn of(kinds: &[SensitiveKind]) -> Self {
        Self(kinds.iter().fold(0, |set, kind| set | 1 << *kind as u8))
    }

    /// Whether this kind is among them.
    pub fn has(self, kind: SensitiveKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both these and those.
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether one of these is among those.
    pub fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Which of the `wanted` kinds a text contains. Linear in the text.
    pub fn in_text(text: &str, wanted: Self) -> Self {
        let mut found = Self::NONE;
        let digits = Self::of(&[SensitiveKind::IdNumber, SensitiveKind::Phone, SensitiveKind::BankCard]);
        if wanted.meets(digits) {
            runs(text, |groups| found = found.and(in_numbers(groups, wanted)));
        }
        if wanted.has(SensitiveKind::Email) && text.match_indices('@').any(|(at, _)| is_email(text, at)) {
            found = found.and(Self::of(&[SensitiveKind::Email]));
        }
        if wanted.has(SensitiveKind::Key) && is_key(text) {
            found = found.and(Self::of(&[SensitiveKind::Key]));
        }
        found
    }
}

/// The kinds that end with the last of these groups.
fn in_numbers(groups: &[DigitRun], wanted: SensitiveKinds) -> SensitiveKinds {
    let mut kinds = SensitiveKinds::NONE;
    let (mut digits, mut shape) = ([0; PLACES], [0; GROUPS]);
    let (mut from, mut first) = (PLACES, GROUPS);
    for group in groups.iter().rev() {
        if group.count > LONGEST || group.count > from {
            break;
        }
        from -= group.count;
        digits[from..from + group.count].copy_from_slice(&group.digits[..group.count]);
        first -= 1;
        shape[first] = group.count;
        if !group.begins {
            continue;
        }
        let (digits, shape, x) = (&digits[from..], &shape[first..], groups.last().is_some_and(|last| last.x));
        let is = [
            (SensitiveKind::IdNumber, is_identity(digits, shape, x)),
            (SensitiveKind::Phone, !x && is_phone(digits, shape)),
            (SensitiveKind::BankCard, !x && is_card(digits, shape)),
        ];
        for (kind, _) in is.iter().filter(|(kind, is)| *is && wanted.has(*kind)) {
            kinds = kinds.and(SensitiveKinds::of(&[*kind]));
        }
    }
    kinds
}

/// Groups of a number that are looked at together, and places in all of them.
const GROUPS: usize = 5;
const PLACES: usize = 24;
/// Places of the longest group that can be part of anything: a card's number in one.
const LONGEST: usize = 19;

/// Digits in a row.
#[derive(Clone, Copy, Default)]
struct DigitRun {
    digits: [u8; LONGEST],
    /// How many there are, also of those that found no room.
    count: usize,
    /// Whether a number can begin with it: nothing before it makes it part of a name or a decimal.
    begins: bool,
    /// An `X` ends it, the check digit ten of an identity number.
    x: bool,
}

/// Gives, for each group of digits at which a number can end, it and the groups before it, single spaces and hyphens
/// between them: up to [`GROUPS`] of them, the last one last.
fn runs(text: &str, mut each: impl FnMut(&[DigitRun])) {
    let mut chars = text.chars();
    let (mut earlier, mut before) = (' ', ' ');
    let mut run: Vec<DigitRun> = Vec::with_capacity(GROUPS);
    while let Some(c) = chars.next() {
        let Some(first) = digit(c) else {
            // A separator goes on with the run only right after a group, and before the next.
            let joins = is_separator(c) && before == AFTER_GROUP;
            if !joins {
                run.clear();
            }
            (earlier, before) = (before, c);
            continue;
        };
        if !is_separator(before) {
            run.clear();
        }
        let decimal = before == '.' && earlier == AFTER_GROUP;
        let group =
            DigitRun { begins: !is_of_a_name(before) && !decimal, ..DigitRun::read(first, &mut chars) };
        if run.len() == GROUPS {
            run.remove(0);
        }
        run.push(group);
        if ends(chars.clone()) {
            each(&run);
        }
        (earlier, before) = (' ', AFTER_GROUP);
    }
}

/// Stands for a group of digits where what comes after it is looked at.
const AFTER_GROUP: char = '0';

impl DigitRun {
    /// Takes the digits that follow the first, and an `X` where it can be a check digit.
    fn read(first: u8, chars: &mut std::str::Chars<'_>) -> Self {
        let mut group = Self::default();
        group.push(first);
        loop {
            let mut ahead = chars.clone();
            match ahead.next() {
                Some(c) if digit(c).is_some() => group.push(digit(c).unwrap_or_default()),
                Some('x' | 'X' | 'ｘ' | 'Ｘ') if group.count < 18 && ends(ahead.clone()) => {
                    group.x = true;
                    *chars = ahead;
                    return group;
                }
                _ => return group,
            }
            *chars = ahead;
        }
    }

    fn push(&mut self, digit: u8) {
        if let Some(place) = self.digits.get_mut(self.count) {
            *place = digit;
        }
        self.count += 1;
    }
}

/// Whether a number can end before what follows: no name and no decimal goes on there.
fn ends(mut ahead: std::str::Chars<'_>) -> bool {
    match ahead.next() {
        Some('.') => ahead.next().and_then(digit).is_none(),
        Some(c) => !is_of_a_name(c) && digit(c).is_none(),
        None => true,
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '\u{a0}' | '\u{2010}' | '\u{2011}' | '\u{2013}')
}

/// A digit's value, full-width ones too.
fn digit(c: char) -> Option<u8> {
    match c {
        '0'..='9' => Some(c as u8 - b'0'),
        '０'..='９' => Some((u32::from(c) - u32::from('０')) as u8),
        _ => None,
    }
}

/// Letters of words that are written with spaces between them, and the underscore.
fn is_of_a_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

#[cfg(test)]
mod tests;
