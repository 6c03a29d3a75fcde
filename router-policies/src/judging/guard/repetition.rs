//! Whether a text goes round in circles.

use crate::scoring::features::tokens::is_ideograph;

/// The longest piece that is looked for, in characters.
const LONGEST: usize = 120;
/// How often a piece must stand one after the other, …
const TIMES: usize = 4;
/// … and how many characters that must come to: a few words may well be said four times.
const LEAST: usize = 60;
/// The same for Chinese, which says more in a character.
const LEAST_HAN: usize = 32;
/// The same for pieces without a letter: rules under headings, rows of a table, digits of a number.
const LEAST_SIGNS: usize = 400;

/// Whether the end of a text is one piece said over and over.
pub(super) fn repeats_itself(text: &str) -> bool {
    // As many characters from the end as could matter, in reverse.
    let tail: Vec<char> = text.chars().rev().take((LONGEST * TIMES).max(LEAST_SIGNS)).collect();
    (1..=LONGEST).any(|period| {
        let span =
            tail.iter().zip(&tail[period.min(tail.len())..]).take_while(|(one, other)| one == other).count();
        let covered = span + period;
        span > 0 && covered >= TIMES * period && covered >= least(&tail[..period])
    })
}

fn least(piece: &[char]) -> usize {
    if piece.iter().any(|&letter| is_ideograph(letter)) {
        LEAST_HAN
    } else if piece.iter().any(|letter| letter.is_alphabetic()) {
        LEAST
    } else {
        LEAST_SIGNS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_circles_and_leaves_repetition_with_a_sense() {
        let check = |text: &str, expected: bool| assert_eq!(repeats_itself(text), expected, "{text}");
        check(&"I like apples. ".repeat(5), true);
        check(&format!("The answer:\n{}", "the the ".repeat(10)), true);
        check(&"我喜欢苹果，".repeat(6), true);
        check(&"哈".repeat(40), true);
        check(&"=".repeat(500), true);
        check("", false);
        check("a", false);
        check("No, no, no, no.", false);
        check(&"I like apples. ".repeat(3), false);
        check(&format!("Heading\n{}", "-".repeat(80)), false);
        check("0.333333333333333333333333333333", false);
        check("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n| 5 | 6 |\n| 7 | 8 |\n", false);
        check("哈哈哈哈哈哈", false);
        check("for i in 0..4 { println!(\"{i}\"); }\nfor j in 0..4 { println!(\"{j}\"); }\n", false);
    }

    /// What is looked for, said with the words of the rule and without a thought for speed.
    fn by_the_rule(text: &str) -> bool {
        let tail: Vec<char> = text.chars().rev().collect();
        (1..=LONGEST).filter(|period| *period <= tail.len()).any(|period| {
            let needed = (TIMES * period).max(least(&tail[..period]));
            needed <= tail.len() && (period..needed).all(|at| tail[at] == tail[at - period])
        })
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_looked_at(text: String) {
            proptest::prop_assert_eq!(repeats_itself(&text), by_the_rule(&text));
        }

        /// Something, a piece that is said over and over, and a part of the piece.
        #[test]
        fn a_piece_is_found_where_it_stands_often_enough(
            before in "[a-z 好-]{0,20}",
            piece in "[ab]{1,2}|[a-c .]{1,40}|[好坏，]{1,12}|[-=|]{1,9}|[a-z ]{100,130}",
            times in 0usize..60,
            cut: proptest::sample::Index,
        ) {
            let part: String = piece.chars().take(cut.index(piece.chars().count())).collect();
            let text = format!("{before}{}{part}", piece.repeat(times));
            proptest::prop_assert_eq!(repeats_itself(&text), by_the_rule(&text), "{}", text);
            let letters = piece.chars().any(char::is_alphabetic) && !piece.chars().any(is_ideograph);
            if letters && piece.chars().count() <= LONGEST && times > TIMES + LEAST {
                proptest::prop_assert!(repeats_itself(&text), "{}", text);
            }
        }
    }
}
