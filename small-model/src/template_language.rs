//! Jinja as Hugging Face's transformers sets it up, which is what chat templates are written for.

use std::error::Error as _;
use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

mod json;
mod methods;

/// Instructions that a template may take; thousands of messages take fewer.
const FUEL: u64 = 10_000_000;

/// A template's own words for why it does not take some messages: what its `raise_exception` was called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RaisedByTemplate(pub(crate) String);

impl fmt::Display for RaisedByTemplate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for RaisedByTemplate {}

impl RaisedByTemplate {
    /// What the template raised, if that is what an error is about.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(raised) = inner.downcast_ref::<Self>() {
                return Some(raised.clone());
            }
            source = inner.source();
        }
        None
    }
}

/// An environment in which templates do what they do in Python.
///
/// # Errors
/// None in practice.
pub(crate) fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(methods::call);
    environment.add_filter("tojson", json::to_json);
    environment.add_filter("int", to_int);
    environment.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Map)
    });
    environment.add_test("iterable", |value: &Value| {
        value.is_undefined()
            || matches!(
                value.kind(),
                ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable
            )
    });
    environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
        let raised = RaisedByTemplate(message.clone());
        Err(Error::new(ErrorKind::InvalidOperation, message).with_source(raised))
    });
    environment.add_function("strftime_now", |format: String| strftime(&format, SystemTime::now()));
    environment.set_formatter(json::write);
    Ok(environment)
}

/// A template's source without the marks that transformers has for training. They open a scope, as `with` does.
pub(crate) fn without_training_marks(source: &str) -> String {
    let mut rest = source;
    let mut clean = String::with_capacity(source.len());
    while let Some((before, from)) = rest.split_once("{%") {
        clean.push_str(before);
        clean.push_str("{%");
        rest = from;
        let blanks = |text: &str| text.len() - text.trim_start().len();
        let sign = usize::from(from.starts_with(['-', '+']));
        let head = sign + blanks(&from[sign..]);
        for (mark, stand_in) in [("generation", "with"), ("endgeneration", "endwith")] {
            let Some(after) = from[head..].strip_prefix(mark) else { continue };
            let end = after.trim_start().trim_start_matches(['-', '+']);
            if end.starts_with("%}") {
                clean.push_str(&from[..head]);
                clean.push_str(stand_in);
                rest = after;
            }
        }
    }
    clean.push_str(rest);
    clean
}

/// Python's `datetime.now().strftime`, in UTC.
fn strftime(format: &str, now: SystemTime) -> Result<String, Error> {
    let failed = |error: jiff::Error| Error::new(ErrorKind::InvalidOperation, error.to_string());
    let now = Timestamp::try_from(now).map_err(failed)?.to_zoned(TimeZone::UTC);
    jiff::fmt::strtime::format(format, &now).map_err(failed)
}

/// Python's: what is no number is the default.
fn to_int(value: &Value, default: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let default = match default {
        Some(default) => default,
        None => kwargs.get::<Option<Value>>("default")?.unwrap_or_else(|| Value::from(0)),
    };
    let base = kwargs.get::<Option<u32>>("base")?.unwrap_or(10);
    kwargs.assert_all_used()?;
    if let Some(text) = value.as_str() {
        let text = text.trim();
        let whole = i64::from_str_radix(text, base.clamp(2, 36)).ok();
        // Jinja tries what looks like a fraction too.
        let fraction = || text.parse::<f64>().ok().map(|number| number.trunc() as i64);
        return Ok(whole.or_else(fraction).map_or(default, Value::from));
    }
    Ok(match value.kind() {
        ValueKind::Bool => Value::from(i64::from(value.is_true())),
        ValueKind::Number if value.is_integer() => value.clone(),
        ValueKind::Number => {
            f64::try_from(value.clone()).map_or(default, |number| Value::from(number.trunc() as i64))
        }
        _ => default,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_pythons() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_083_200);
        let check = |format: &str, expected: &str| assert_eq!(strftime(format, now).unwrap(), expected);
        check("%Y-%m-%d", "2026-12-01");
        check("%d %b %Y", "01 Dec 2026");
        check("%B %-d, %Y %H:%M:%S", "December 1, 2026 00:00:00");
        check("%A %y %j %I %p %%", "Tuesday 26 335 12 AM %");
    }

    #[test]
    fn training_marks_are_taken_out() {
        let check = |source: &str, expected: &str| assert_eq!(without_training_marks(source), expected);
        check("a{% generation %}b{% endgeneration %}c", "a{% with %}b{% endwith %}c");
        check("{%- generation -%}{%-endgeneration-%}", "{%- with -%}{%-endwith-%}");
        check("{% generation_mode = 1 %}{{ generation }}", "{% generation_mode = 1 %}{{ generation }}");
        check("{% set generation = 1 %}{%", "{% set generation = 1 %}{%");
    }
}
