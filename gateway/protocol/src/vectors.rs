//! Vectors in the form that their client asked for: some upstreams know but one of the two.

use std::fmt::Write;

use super::json::RawObject;
use super::json_error::JsonError;
use super::scan::{Cursor, ValueKind};

/// The form of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorEncoding {
    /// A list of numbers.
    Floats,
    /// The numbers as 32 bits each, the least byte first, in base64.
    Base64,
}

impl VectorEncoding {
    /// Of a request; `None` where it leaves that to the upstream.
    pub fn asked(request: &RawObject) -> Option<Self> {
        match request.get("encoding_format")? {
            b"\"base64\"" => Some(Self::Base64),
            b"\"float\"" => Some(Self::Floats),
            _ => None,
        }
    }

    /// An answer with its vectors in this form; as it came where they are, or where one is no vector.
    pub fn of(self, answer: RawObject) -> RawObject {
        let Some(data) = answer.get("data").and_then(|data| std::str::from_utf8(data).ok()) else {
            return answer;
        };
        let Ok(Some(data)) = self.all(data) else { return answer };
        RawObject::skim(answer.edited(&[("data", Some(data.as_bytes()))])).unwrap_or(answer)
    }

    /// `None`: nothing is to be changed.
    fn all(self, data: &str) -> Result<Option<String>, JsonError> {
        let (mut out, mut end, mut cursor) = (String::new(), 0, Cursor::over(data));
        let other = if self == Self::Base64 { ValueKind::Array } else { ValueKind::String };
        cursor.elements(|cursor, _| {
            cursor.members(|cursor, name| {
                let kind = cursor.kind()?;
                let begins = cursor.at();
                let raw = cursor.skip()?;
                if !name.is("embedding") || kind != other {
                    return Ok(());
                }
                let vector = if self == Self::Base64 { packed(raw) } else { unpacked(raw) };
                if let Some(vector) = vector {
                    out.push_str(&data[end..begins]);
                    out.push_str(&vector);
                    end = cursor.at();
                }
                Ok::<_, JsonError>(())
            })
        })?;
        out.push_str(&data[end..]);
        Ok((end > 0).then_some(out))
    }
}

/// A list of numbers as base64, with its quotes.
fn packed(list: &str) -> Option<String> {
    let numbers: Vec<f32> = serde_json::from_str(list).ok()?;
    let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
    Some(format!("\"{}\"", data_encoding::BASE64.encode(&bytes)))
}

/// Base64 as a list of numbers; `None` where it holds none.
fn unpacked(text: &str) -> Option<String> {
    let text: String = serde_json::from_str(text).ok()?;
    let bytes = data_encoding::BASE64.decode(text.as_bytes()).ok()?;
    let mut out = String::with_capacity(bytes.len() * 3);
    let (numbers, rest) = bytes.as_chunks::<4>();
    for bytes in numbers {
        let number = f32::from_le_bytes(*bytes);
        if !number.is_finite() {
            return None;
        }
        let comma = if out.is_empty() { "[" } else { "," };
        // Writing to a string cannot fail. The shortest number that is read back as the same.
        let _ = write!(out, "{comma}{number}");
    }
    (rest.is_empty() && !out.is_empty()).then(|| out + "]")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn check(form: VectorEncoding, given: &str, expected: &str) {
        let told = form.of(RawObject::skim(Bytes::copy_from_slice(given.as_bytes())).unwrap());
        assert_eq!(std::str::from_utf8(told.bytes()).unwrap(), expected, "{form:?}");
    }

    #[test]
    fn vectors_come_as_they_were_asked_for() {
        let of = |vector: &str| {
            format!(
                r#"{{ "data": [ {{"object":"embedding", "embedding":{vector} ,"index":0}},{{"embedding":{vector}}}], "model":"m"}}"#
            )
        };
        let (floats, packed) = (of("[1,-0.5,0.25]"), of("\"AACAPwAAAL8AAIA+\""));
        check(VectorEncoding::Base64, &floats, &packed);
        check(VectorEncoding::Floats, &packed, &floats);
        check(VectorEncoding::Floats, &floats, &floats);
        check(VectorEncoding::Base64, &packed, &packed);
        // What is no vector stays, for who knows what it is.
        for odd in ["\"\"", "\"AAA\"", "\"AACAfw==\"", "\"?\"", "{\"a\":1}", "null"] {
            check(VectorEncoding::Floats, &of(odd), &of(odd));
        }
        for odd in ["[\"x\"]", "[[1]]", "{}", "null"] {
            check(VectorEncoding::Base64, &of(odd), &of(odd));
        }
        check(VectorEncoding::Base64, r#"{"data":7}"#, r#"{"data":7}"#);
        check(VectorEncoding::Base64, r#"{"data":[]}"#, r#"{"data":[]}"#);
    }

    proptest! {
        #[test]
        fn no_number_is_changed(numbers in proptest::collection::vec(-1e6f32..1e6, 1..50)) {
            let list = serde_json::to_string(&numbers).unwrap();
            let back = unpacked(&packed(&list).unwrap()).unwrap();
            prop_assert_eq!(serde_json::from_str::<Vec<f32>>(&back).unwrap(), numbers);
        }
    }
}
