//! Chinese mobile numbers.

/// Whether these digits, in groups of so many, are one: eleven of an allotted range, or 86 or 0086 before them.
pub(super) fn is_phone(digits: &[u8], groups: &[usize]) -> bool {
    let shapes: [&[usize]; 8] =
        [&[11], &[3, 4, 4], &[13], &[15], &[2, 11], &[4, 11], &[2, 3, 4, 4], &[4, 3, 4, 4]];
    let number = match digits {
        [8, 6, number @ ..] | [0, 0, 8, 6, number @ ..] if number.len() == 11 => number,
        number if number.len() == 11 => number,
        _ => return false,
    };
    shapes.contains(&groups) && is_allotted(number)
}

/// The ranges that the Ministry of Industry and Information Technology has allotted to mobile numbers, satellites and
/// things without people apart.
fn is_allotted(number: &[u8]) -> bool {
    let first = (number[0], number[1], number[2]);
    matches!(first, (1, 3 | 8, _) | (1, 4, 5..=7 | 9) | (1, 5, 0..=3 | 5..=9) | (1, 6, 2 | 5..=7))
        || matches!(first, (1, 7, 0..=3 | 5..=8) | (1, 9, 0..=3 | 5..=9))
}
