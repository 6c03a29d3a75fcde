//! Questions on a terminal, and what makes a sensible answer.

use std::fmt::Display;
use std::io::{BufRead, Write};

use router_policies::Money;

use crate::commands::CommandError;

/// Questions and answers, line by line.
pub(super) struct SetupDialogue<'a> {
    /// Where answers come from.
    pub(super) input: &'a mut dyn BufRead,
    /// Where questions go.
    pub(super) output: &'a mut dyn Write,
}

impl SetupDialogue<'_> {
    /// Says something that needs no answer.
    pub(super) fn say(&mut self, text: &str) -> Result<(), CommandError> {
        self.output.write_all(text.as_bytes()).map_err(CommandError::other)
    }

    /// An empty answer is the default, if that is good.
    pub(super) fn ask(
        &mut self,
        question: &str,
        default: String,
        good: impl Fn(&str) -> Result<(), String>,
    ) -> Result<String, CommandError> {
        loop {
            match default.is_empty() {
                true => self.say(&format!("{question}: "))?,
                false => self.say(&format!("{question} [{default}]: "))?,
            }
            self.output.flush().map_err(CommandError::other)?;
            let mut line = String::new();
            if self.input.read_line(&mut line).map_err(CommandError::other)? == 0 {
                return Err(CommandError::other("the input ended before everything was answered"));
            }
            let answer = Some(line.trim()).filter(|line| !line.is_empty()).unwrap_or(&default).to_owned();
            match good(&answer) {
                Ok(()) => return Ok(answer),
                Err(fault) => self.say(&format!("  {fault}\n"))?,
            }
        }
    }

    /// A question that most answer with yes.
    pub(super) fn yes(&mut self, question: &str) -> Result<bool, CommandError> {
        let answer = self.ask(&format!("{question} (y/n)"), "y".to_owned(), is_yes_or_no)?;
        Ok(answer.starts_with(['y', 'Y']))
    }

    /// The name of a variable; `None` for a `-`.
    pub(super) fn variable(&mut self, question: &str) -> Result<Option<String>, CommandError> {
        let name = self.ask(question, "-".to_owned(), is_variable_or_none)?;
        Ok(Some(name).filter(|name| name != "-"))
    }

    /// An amount; `None` for a `-`.
    pub(super) fn amount(&mut self, question: &str) -> Result<Option<Money>, CommandError> {
        let good = |answer: &str| if answer == "-" { Ok(()) } else { money(answer).map(drop) };
        let answer = self.ask(question, "-".to_owned(), good)?;
        Ok(money(&answer).ok())
    }
}

/// An amount above zero.
pub(super) fn money(text: &str) -> Result<Money, String> {
    let amount = text.parse::<f64>().ok().and_then(Money::from_units).filter(|amount| *amount > Money::ZERO);
    amount.ok_or_else(|| format!("`{text}` is no amount above zero, such as 20 or 0.5"))
}

/// Whether this can be the name of an environment variable.
pub(super) fn is_variable(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Something.
pub(super) fn not_empty(answer: &str) -> Result<(), String> {
    (!answer.is_empty()).then_some(()).ok_or_else(|| "a name is needed".to_owned())
}

/// What reads as a `T`.
pub(super) fn parses<T: std::str::FromStr<Err: Display>>(answer: &str) -> Result<(), String> {
    answer.parse::<T>().map(drop).map_err(|why| why.to_string())
}

fn is_variable_or_none(answer: &str) -> Result<(), String> {
    let good = answer == "-" || is_variable(answer);
    good.then_some(())
        .ok_or_else(|| "the name of a variable, such as MY_API_KEY, not the key itself".to_owned())
}

fn is_yes_or_no(answer: &str) -> Result<(), String> {
    matches!(answer, "y" | "Y" | "yes" | "n" | "N" | "no").then_some(()).ok_or_else(|| "y or n".to_owned())
}
