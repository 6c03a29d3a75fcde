//! Numbers of Chinese resident identity cards (GB 11643-1999): six places for where, eight for the date of birth, three
//! in order, one check digit by ISO 7064 MOD 11-2.

/// The first two places: provinces (GB/T 2260), and residence permits for people of Hong Kong, Macao and Taiwan.
const PROVINCES: [u8; 37] = [
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54,
    61, 62, 63, 64, 65, 71, 81, 82, 83, 91, 92,
];
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/// Whether these digits, in groups of so many, are such a number; `x` where an X ends them.
pub(super) fn is_identity(digits: &[u8], groups: &[usize], x: bool) -> bool {
    let whole = if x { 17 } else { 18 };
    if digits.len() != whole || !is_grouped(groups, x) {
        return false;
    }
    let check = if x { 10 } else { u32::from(digits[17]) };
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    PROVINCES.contains(&(digits[0] * 10 + digits[1]))
        && is_birthday(&digits[6..14])
        && (12 - sum % 11) % 11 == check
}

/// In one, or as people part it.
fn is_grouped(groups: &[usize], x: bool) -> bool {
    match groups.split_last() {
        Some((last, before)) => {
            let last = last + usize::from(x);
            matches!((before, last), ([], 18) | ([6, 8], 4) | ([6], 12) | ([6, 4, 4], 4) | ([3, 3, 4, 4], 4))
        }
        None => false,
    }
}

fn is_birthday(digits: &[u8]) -> bool {
    let number = |digits: &[u8]| digits.iter().fold(0i16, |number, digit| number * 10 + i16::from(*digit));
    let (year, month, day) = (number(&digits[..4]), number(&digits[4..6]) as i8, number(&digits[6..]) as i8);
    (1900..2100).contains(&year) && jiff::civil::Date::new(year, month, day).is_ok()
}
