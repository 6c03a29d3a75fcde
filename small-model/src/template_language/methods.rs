//! Methods of Python's texts that templates call and minijinja does not have.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

/// A method of a value.
///
/// # Errors
/// [`ErrorKind::UnknownMethod`] for one that is not known here either.
pub(super) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if value.kind() == ValueKind::String
        && let Some(text) = value.as_str()
        && let Some(result) = of_text(text, method, args)
    {
        return result;
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
}

fn of_text(text: &str, method: &str, args: &[Value]) -> Option<Result<Value, Error>> {
    let first = args.first().and_then(Value::as_str);
    let parts = |parts: [&str; 3]| Ok(Value::from(Tuple::from(parts.map(Value::from))));
    Some(match (method, first) {
        ("removeprefix", Some(prefix)) => Ok(text.strip_prefix(prefix).unwrap_or(text).into()),
        ("removesuffix", Some(suffix)) => Ok(text.strip_suffix(suffix).unwrap_or(text).into()),
        ("partition", Some(mark)) if !mark.is_empty() => match text.split_once(mark) {
            Some((before, after)) => parts([before, mark, after]),
            None => parts([text, "", ""]),
        },
        ("rpartition", Some(mark)) if !mark.is_empty() => match text.rsplit_once(mark) {
            Some((before, after)) => parts([before, mark, after]),
            None => parts(["", "", text]),
        },
        ("rsplit", Some(mark)) if !mark.is_empty() => Ok(rsplit(text, mark, args.get(1))),
        ("index", Some(part)) => match text.find(part) {
            Some(at) => Ok(text[..at].chars().count().into()),
            None => Err(Error::new(ErrorKind::InvalidOperation, "substring not found")),
        },
        ("zfill", None) => {
            let width = args.first().and_then(|width| usize::try_from(width.clone()).ok())?.min(1024);
            let zeros = "0".repeat(width.saturating_sub(text.chars().count()));
            let sign = text.strip_prefix(['-', '+']).map(|digits| &text[..text.len() - digits.len()]);
            let sign = sign.unwrap_or_default();
            Ok(format!("{sign}{zeros}{}", &text[sign.len()..]).into())
        }
        _ => return None,
    })
}

/// From the right, at most as often as asked.
fn rsplit(text: &str, mark: &str, most: Option<&Value>) -> Value {
    let most = most.and_then(|most| i64::try_from(most.clone()).ok()).unwrap_or(-1);
    let mut parts: Vec<&str> = match usize::try_from(most) {
        Ok(most) => text.rsplitn(most.saturating_add(1), mark).collect(),
        Err(_) => text.rsplit(mark).collect(),
    };
    parts.reverse();
    Value::from(parts.into_iter().map(Value::from).collect::<Vec<_>>())
}
