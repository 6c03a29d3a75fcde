//! Values of Python as they are written.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Tuple(Vec<Self>),
    Set(Vec<Self>),
    Dict(Vec<(Self, Self)>),
}

/// Whether both are the same value of the same type.
pub(super) fn same(one: &str, other: &str) -> bool {
    match (literal(one), literal(other)) {
        (Some(one), Some(other)) => equal(&one, &other),
        _ => false,
    }
}

fn equal(one: &Literal, other: &Literal) -> bool {
    let all = |one: &[Literal], other: &[Literal]| {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
    };
    match (one, other) {
        (Literal::Float(one), Literal::Float(other)) => (one - other).abs() <= 1e-9 * one.abs().max(1.0),
        (Literal::List(one), Literal::List(other)) | (Literal::Tuple(one), Literal::Tuple(other)) => {
            all(one, other)
        }
        (Literal::Set(one), Literal::Set(other)) => {
            one.len() == other.len() && one.iter().all(|it| other.iter().any(|other| equal(it, other)))
        }
        (Literal::Dict(one), Literal::Dict(other)) => {
            let has = |(key, value): &(Literal, Literal)| {
                other.iter().any(|(name, held)| equal(key, name) && equal(value, held))
            };
            one.len() == other.len() && one.iter().all(has)
        }
        _ => one == other,
    }
}

fn literal(text: &str) -> Option<Literal> {
    let mut chars = text.trim().chars().peekable();
    let value = value(&mut chars)?;
    blanks(&mut chars);
    chars.next().is_none().then_some(value)
}

fn blanks(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|it| it.is_whitespace()).is_some() {}
}

fn value(chars: &mut Peekable<Chars<'_>>) -> Option<Literal> {
    blanks(chars);
    match *chars.peek()? {
        '[' => Some(Literal::List(items(chars, ']')?.0)),
        '(' => match items(chars, ')')? {
            (mut one, false) if one.len() == 1 => one.pop(),
            (all, _) => Some(Literal::Tuple(all)),
        },
        '{' => braces(chars),
        '"' | '\'' => string(chars).map(Literal::Text),
        _ => word(chars),
    }
}

/// What stands between brackets, and whether a comma stands behind the last of it.
fn items(chars: &mut Peekable<Chars<'_>>, end: char) -> Option<(Vec<Literal>, bool)> {
    chars.next();
    let (mut all, mut comma) = (Vec::new(), false);
    loop {
        blanks(chars);
        if chars.next_if_eq(&end).is_some() {
            return Some((all, comma));
        }
        if !all.is_empty() && !comma {
            return None;
        }
        all.push(value(chars)?);
        blanks(chars);
        comma = chars.next_if_eq(&',').is_some();
    }
}

fn braces(chars: &mut Peekable<Chars<'_>>) -> Option<Literal> {
    chars.next();
    let (mut pairs, mut members, mut comma) = (Vec::new(), Vec::new(), true);
    loop {
        blanks(chars);
        if chars.next_if_eq(&'}').is_some() {
            return Some(if members.is_empty() { Literal::Dict(pairs) } else { Literal::Set(members) });
        }
        if !comma {
            return None;
        }
        let key = value(chars)?;
        blanks(chars);
        if chars.next_if_eq(&':').is_some() {
            pairs.push((key, value(chars)?));
        } else {
            members.push(key);
        }
        blanks(chars);
        comma = chars.next_if_eq(&',').is_some();
    }
}

fn string(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let quote = chars.next()?;
    let mut text = String::new();
    loop {
        match chars.next()? {
            it if it == quote => return Some(text),
            '\\' => text.push(match chars.next()? {
                'n' => '\n',
                't' => '\t',
                other => other,
            }),
            other => text.push(other),
        }
    }
}

fn word(chars: &mut Peekable<Chars<'_>>) -> Option<Literal> {
    let mut word = String::new();
    while let Some(it) = chars.next_if(|it| it.is_alphanumeric() || matches!(it, '.' | '+' | '-' | '_')) {
        word.push(it);
    }
    Some(match word.as_str() {
        "None" => Literal::None,
        "True" => Literal::Bool(true),
        "False" => Literal::Bool(false),
        _ => match word.parse() {
            Ok(value) => Literal::Int(value),
            Err(_) if word.starts_with(|it: char| it.is_ascii_digit() || it == '-' || it == '.') => {
                Literal::Float(word.parse().ok()?)
            }
            Err(_) => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_value_of_the_same_type() {
        for (one, other, expected) in [
            ("[1,2]", "[1, 2]", true),
            ("[1, 2]", "(1, 2)", false),
            ("3", "3.0", false),
            ("3.0", "3.00", true),
            ("ab", "'ab'", false),
            ("\"ab\"", "'ab'", true),
            ("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", true),
            ("{1, 2}", "{2, 1}", true),
            ("{}", "{}", true),
            ("()", "[]", false),
            ("(1)", "1", true),
            ("(1,)", "1", false),
            ("[(2, 2)]", "[(2,2)]", true),
            ("True", "True", true),
            ("True", "1", false),
            ("None", "None", true),
            ("-5", "-5", true),
            ("1e3", "1000.0", true),
            ("[1 2]", "[1, 2]", false),
            ("f(1)", "f(1)", false),
        ] {
            assert_eq!(same(one, other), expected, "{one} {other}");
        }
    }
}
