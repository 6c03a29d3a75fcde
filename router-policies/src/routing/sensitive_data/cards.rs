//! Numbers of payment cards (ISO/IEC 7812): who issued it, the account, a check digit by Luhn.

/// Whether these digits, in groups of so many, are such a number.
pub(super) fn is_card(digits: &[u8], groups: &[usize]) -> bool {
    is_grouped(groups) && is_issued(digits) && digits.iter().any(|digit| *digit != digits[0]) && luhn(digits)
}

/// In one, in fours, or as some networks print it.
fn is_grouped(groups: &[usize]) -> bool {
    match groups {
        [_] | [4, 4, 4, 4] | [4, 6, 5] | [6, 10] | [6, 13] => true,
        [4, 4, 4, 4, last] => *last <= 3,
        _ => false,
    }
}

/// Whether a network has numbers with this beginning and length.
fn is_issued(digits: &[u8]) -> bool {
    let first =
        |count: usize| digits.iter().take(count).fold(0u32, |number, digit| number * 10 + u32::from(*digit));
    match digits.len() {
        // UnionPay, and what Chinese banks issued before it: ICBC 9558, ABC 95599, CCB 4367, BOC 4563, CMB 9555.
        16..=19 if first(2) == 62 => true,
        19 if matches!(first(4), 9558 | 9559 | 4367 | 4563) => true,
        15 => matches!(first(2), 34 | 37),
        // Visa, Mastercard, JCB, Discover.
        16 => {
            first(1) == 4
                || matches!(first(2), 51..=55 | 65)
                || matches!(first(4), 2221..=2720 | 3528..=3589 | 6011)
        }
        13 => first(1) == 4,
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let places = digits.iter().rev().enumerate();
    let sum: u32 =
        places.map(|(at, digit)| u32::from(if at % 2 == 1 { doubled(*digit) } else { *digit })).sum();
    sum.is_multiple_of(10)
}
