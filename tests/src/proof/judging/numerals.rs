//! Numbers in words, Chinese and English.

/// The first number that stands in words.
pub(super) fn first(text: &str) -> Option<f64> {
    chinese(text).or_else(|| english(text))
}

/// 三千零五十, 两点五, 负八.
fn chinese(text: &str) -> Option<f64> {
    let all: Vec<char> = text.chars().collect();
    let begin = all.iter().position(|it| digit(*it).is_some() || *it == '十')?;
    let belongs = |it: &&char| digit(**it).is_some() || unit(**it).is_some() || **it == '点';
    let run: Vec<char> = all[begin..].iter().take_while(belongs).copied().collect();
    let negative = begin > 0 && all[begin - 1] == '负';
    let (whole, rest) = match run.iter().position(|it| *it == '点') {
        Some(at) => (&run[..at], &run[at + 1..]),
        None => (&run[..], &[][..]),
    };
    let mut value = chinese_whole(whole);
    let mut place = 0.1;
    for it in rest.iter().map_while(|it| digit(*it)) {
        value += it * place;
        place /= 10.0;
    }
    Some(if negative { -value } else { value })
}

fn chinese_whole(run: &[char]) -> f64 {
    // Digits alone are read one by one: 二〇二六.
    if run.len() > 1 && run.iter().all(|it| digit(*it).is_some()) {
        return run.iter().filter_map(|it| digit(*it)).fold(0.0, |sum, it| sum * 10.0 + it);
    }
    let (mut all, mut section, mut last) = (0.0, 0.0, 0.0);
    for it in run {
        match (digit(*it), unit(*it)) {
            (Some(value), _) => last = value,
            (None, Some(unit)) if unit < 1e4 => {
                section += if last == 0.0 { unit } else { last * unit };
                last = 0.0;
            }
            (None, Some(unit)) => {
                all = (all + section + last) * unit;
                (section, last) = (0.0, 0.0);
            }
            (None, None) => {}
        }
    }
    all + section + last
}

fn digit(it: char) -> Option<f64> {
    let at = "零一二三四五六七八九".chars().position(|digit| digit == it);
    match it {
        '〇' => Some(0.0),
        '两' => Some(2.0),
        _ => at.map(|at| at as f64),
    }
}

fn unit(it: char) -> Option<f64> {
    Some(match it {
        '十' => 10.0,
        '百' => 100.0,
        '千' => 1e3,
        '万' => 1e4,
        '亿' => 1e8,
        _ => return None,
    })
}

/// forty-two, one hundred and five.
fn english(text: &str) -> Option<f64> {
    let words: Vec<String> = text
        .split(|it: char| !it.is_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let begin = words.iter().position(|word| small(word).is_some())?;
    let (mut all, mut section) = (0.0, 0.0);
    for word in &words[begin..] {
        match (small(word), word.as_str()) {
            (Some(value), _) => section += value,
            (None, "hundred") => section *= 100.0,
            (None, "thousand") => (all, section) = (all + section * 1e3, 0.0),
            (None, "million") => (all, section) = (all + section * 1e6, 0.0),
            (None, "and") => {}
            _ => break,
        }
    }
    let negative = begin > 0 && matches!(words[begin - 1].as_str(), "minus" | "negative");
    Some(if negative { -(all + section) } else { all + section })
}

fn small(word: &str) -> Option<f64> {
    const UNITS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let at = |list: &[&str]| list.iter().position(|it| *it == word);
    at(&UNITS).map(|at| at as f64).or_else(|| at(&TENS).map(|at| (at + 2) as f64 * 10.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_words() {
        for (text, number) in [
            ("三千零五十", 3050.0),
            ("共十二只", 12.0),
            ("二十", 20.0),
            ("两万三千", 23_000.0),
            ("负八", -8.0),
            ("二点五", 2.5),
            ("二〇二六年", 2026.0),
            ("一亿", 1e8),
            ("It is forty-two.", 42.0),
            ("one hundred and five", 105.0),
            ("two thousand three hundred", 2300.0),
            ("minus seven", -7.0),
        ] {
            assert_eq!(first(text), Some(number), "{text}");
        }
        assert_eq!(first("none"), None);
    }
}
