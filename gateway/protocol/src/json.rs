//! A JSON object as the places of its members, so that one can be changed and the rest stays as it came.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::json_error::{JsonError, JsonErrorKind, quoted};
use super::json_str::JsonStr;
use super::scan::{Cursor, ValueKind, text_of};

/// A member of an object and what is to stand there; `None`: nothing.
pub(super) type FieldEdit = (&'static str, Option<Bytes>);

/// Members up to which comparing each with each is the fastest way to find two of one name.
const FEW: usize = 16;

/// A JSON object: its text, checked, and where its members lie.
#[derive(Debug, Clone)]
pub struct RawObject {
    bytes: Bytes,
    places: MemberSpans,
}

impl RawObject {
    /// Checks a text in one pass: valid JSON of at most 128 levels, nothing after it, an object, and no two of its own
    /// members (those within members may) with one name.
    pub fn skim(bytes: Bytes) -> Result<Self, JsonError> {
        let places = MemberSpans::of(text_of(&bytes)?)?;
        Ok(Self { bytes, places })
    }

    /// From the places found in these very bytes.
    pub(super) fn placed(bytes: Bytes, places: MemberSpans) -> Self {
        Self { bytes, places }
    }

    /// The text.
    #[inline]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// A member's value as it is written.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        Some(&self.bytes[self.places.find(&self.bytes, key)?])
    }

    /// Names and values as they are written.
    pub(super) fn members(&self) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
        // It was checked to be UTF-8 when it was skimmed.
        let text = std::str::from_utf8(&self.bytes).unwrap_or_default();
        let places = self.places.iter(text).filter(|_| !text.is_empty());
        places.map(|(name, value)| (name, &text[value]))
    }

    /// The text with some members replaced, added at the end, or removed (`None`). Every other byte stays.
    pub fn edited(&self, edits: &[(&str, Option<&[u8]>)]) -> Bytes {
        let changes = |(key, value): &&(&str, Option<&[u8]>)| self.get(key) != *value;
        if edits.iter().filter(changes).count() == 0 {
            return self.bytes.clone();
        }
        let extra: usize =
            edits.iter().map(|(key, value)| key.len() + value.map_or(0, <[u8]>::len) + 4).sum();
        let mut out = Vec::with_capacity(self.bytes.len() + extra);
        let members = &self.places.members;
        let mut end = members.first().map_or(self.places.close, |first| first.start);
        out.extend_from_slice(&self.bytes[..end]);
        let mut any = false;
        let mut done = vec![false; edits.len()];
        for member in members {
            let edit = edits.iter().position(|(key, _)| member.is(&self.bytes, key));
            let value = edit.map_or(Some(&self.bytes[member.value.clone()]), |at| edits[at].1);
            if let Some(at) = edit {
                done[at] = true;
            }
            if let Some(value) = value {
                // What lies before the first member is written already; before each other there is one comma.
                let gap = if any { &self.bytes[end..member.start] } else { &[] };
                out.extend_from_slice(gap);
                out.extend_from_slice(&self.bytes[member.start..member.value.start]);
                out.extend_from_slice(value);
                any = true;
            }
            end = member.value.end;
        }
        for ((key, value), _) in edits.iter().zip(done).filter(|(_, done)| !done) {
            if let Some(value) = value {
                add(&mut out, any, key, value);
                any = true;
            }
        }
        out.extend_from_slice(&self.bytes[end..]);
        out.into()
    }
}

fn add(out: &mut Vec<u8>, comma: bool, key: &str, value: &[u8]) {
    if comma {
        out.push(b',');
    }
    out.extend_from_slice(string(key).as_bytes());
    out.push(b':');
    out.extend_from_slice(value);
}

/// A text as a JSON string, quotes included.
pub(super) fn string(text: &str) -> String {
    // A text can be written, whatever it says.
    serde_json::to_string(text).unwrap_or_default()
}

/// Where the members of an object lie in its text.
#[derive(Debug, Clone)]
pub(super) struct MemberSpans {
    members: Vec<ObjectMember>,
    /// The closing bracket.
    close: usize,
}

#[derive(Debug, Clone)]
struct ObjectMember {
    /// The quote that begins its name.
    start: usize,
    /// Where the name ends, before its quote.
    name_end: usize,
    escaped: bool,
    value: Range<usize>,
}

impl ObjectMember {
    fn is(&self, bytes: &[u8], key: &str) -> bool {
        let raw = &bytes[self.start + 1..self.name_end];
        if !self.escaped {
            return raw == key.as_bytes();
        }
        std::str::from_utf8(raw).is_ok_and(|raw| JsonStr { raw, escaped: true, at: self.start + 1 }.is(key))
    }

    fn name<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let raw = &text[self.start + 1..self.name_end];
        JsonStr { raw, escaped: self.escaped, at: self.start + 1 }.cow()
    }
}

impl MemberSpans {
    /// Checks a text and finds them.
    pub(super) fn of(text: &str) -> Result<Self, JsonError> {
        Self::found(text, |cursor, _| cursor.skip().map(drop))
    }

    /// The same in one pass with whoever reads the values: the closure takes each.
    pub(super) fn found<'a>(
        text: &'a str,
        mut each: impl FnMut(&mut Cursor<'a>, &JsonStr<'a>) -> Result<(), JsonError>,
    ) -> Result<Self, JsonError> {
        let mut cursor = Cursor::over(text);
        if cursor.kind()? != ValueKind::Object {
            let fault = cursor.fault(JsonErrorKind::NotAnObject);
            cursor.skip()?;
            cursor.end()?;
            return Err(fault);
        }
        let mut members = Vec::with_capacity(FEW);
        cursor.members(|cursor, name| {
            cursor.kind()?;
            let value = cursor.at();
            each(cursor, &name)?;
            members.push(ObjectMember {
                start: name.at - 1,
                name_end: name.at + name.raw.len(),
                escaped: name.escaped,
                value: value..cursor.at(),
            });
            Ok::<_, JsonError>(())
        })?;
        let close = cursor.at() - 1;
        cursor.end()?;
        let places = Self { members, close };
        places.refuse_duplicates(text)?;
        Ok(places)
    }

    /// Names and where the values lie.
    pub(super) fn iter<'a>(&self, text: &'a str) -> impl Iterator<Item = (Cow<'a, str>, Range<usize>)> {
        self.members.iter().map(|member| (member.name(text), member.value.clone()))
    }

    /// Where the value of this name lies.
    pub(super) fn find(&self, text: &[u8], key: &str) -> Option<Range<usize>> {
        let member = self.members.iter().find(|member| member.is(text, key))?;
        Some(member.value.clone())
    }

    fn refuse_duplicates(&self, text: &str) -> Result<(), JsonError> {
        let members = &self.members;
        if members.len() <= FEW && members.iter().all(|member| !member.escaped) {
            let name = |at: usize| &text[members[at].start + 1..members[at].name_end];
            let second = (1..members.len()).find(|at| (0..*at).any(|before| name(before) == name(*at)));
            return second.map_or(Ok(()), |at| Err(duplicate(name(at), members[at].start)));
        }
        let mut names: Vec<_> = members.iter().map(|member| (member.name(text), member.start)).collect();
        names.sort();
        let second = (1..names.len()).find(|at| names[*at].0 == names[*at - 1].0);
        second.map_or(Ok(()), |at| Err(duplicate(&names[at].0, names[at].1)))
    }
}

fn duplicate(name: &str, at: usize) -> JsonError {
    JsonError { kind: JsonErrorKind::DuplicateKey(quoted(name)), at }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn object(text: &str) -> RawObject {
        RawObject::skim(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn equal_names_are_refused_at_the_top_only() {
        let check = |text: &str, name: &str, at| {
            let fault = RawObject::skim(Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
            assert_eq!(fault, JsonError { kind: JsonErrorKind::DuplicateKey(name.into()), at }, "{text}");
        };
        check(r#"{"a":1,"a":1}"#, "a", 7);
        check(r#"{"model":1, "mod\u0065l":2}"#, "model", 12);
        let many: String = (0..100).map(|n| format!(r#""k{n:02}":0,"#)).collect();
        check(&format!(r#"{{{many}"k50":1}}"#), "k50", 1 + 100 * 8);
        object(r#"{"a":{"b":1,"b":2},"b":[{"c":1,"c":1}]}"#);
        object(&format!(r#"{{{many}"k":1}}"#));
    }

    #[test]
    fn only_objects_will_do() {
        for text in ["[]", "1", "null", " \"x\" ", "[{}]"] {
            let fault = RawObject::skim(Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
            assert_eq!(fault.kind, JsonErrorKind::NotAnObject, "{text}");
        }
    }

    #[test]
    fn edits_leave_every_other_byte() {
        let check = |text: &str, edits: &[(&str, Option<&[u8]>)], expected: &str| {
            assert_eq!(object(text).edited(edits), expected, "{text} {edits:?}");
        };
        check("{ }", &[], "{ }");
        check("{ }", &[("a", Some(b"1"))], "{ \"a\":1}");
        check("{}", &[("a", None)], "{}");
        check(" {\"a\" : 1 } ", &[("a", Some(b"[2]"))], " {\"a\" : [2] } ");
        check("{\"a\":1}", &[("b", Some(b"2")), ("c", None), ("d", Some(b"3"))], "{\"a\":1,\"b\":2,\"d\":3}");
        check("{ \"a\":1 , \"b\":1e400 ,\"c\":3 }", &[("a", None)], "{ \"b\":1e400 ,\"c\":3 }");
        check("{ \"a\":1 , \"b\":2 ,\"c\":3 }", &[("b", None)], "{ \"a\":1 ,\"c\":3 }");
        check("{ \"a\":1 , \"b\":2 ,\"c\":3 }", &[("c", None)], "{ \"a\":1 , \"b\":2 }");
        check("{ \"a\":1 , \"b\":2}", &[("a", None), ("b", None)], "{ }");
        check("{ \"a\":1 , \"b\":2}", &[("a", None), ("b", None), ("c", Some(b"0"))], "{ \"c\":0}");
        check(r#"{"m\u006fdel":"x"}"#, &[("model", Some(b"\"y\""))], r#"{"m\u006fdel":"y"}"#);
    }

    #[test]
    fn an_edit_that_changes_nothing_copies_nothing() {
        let before = object(r#"{"a":1}"#);
        let after = before.edited(&[("a", Some(b"1")), ("b", None)]);
        assert_eq!(after.as_ptr(), before.bytes().as_ptr());
    }

    /// A value as text, with white space and escapes that serde_json would not write.
    fn any_json() -> impl Strategy<Value = String> {
        let number = prop_oneof!["-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?"];
        let escape = prop_oneof![
            Just("\\n"),
            Just("\\\""),
            Just("\\u00e9"),
            Just("\\ud83d\\ude00"),
            Just("\\ud83d"),
            Just("\\u12"),
            Just("\\q"),
            Just("好"),
        ];
        let string = ("[a-c ]{0,3}", prop::option::weighted(0.3, escape), "[a-c]{0,9}")
            .prop_map(|(a, b, c)| format!("\"{a}{}{c}\"", b.unwrap_or_default()));
        let leaf = prop_oneof![
            number,
            string.clone(),
            Just("true".to_owned()),
            Just("false".to_owned()),
            Just("null".to_owned())
        ];
        let value = leaf.prop_recursive(4, 30, 5, move |inner| {
            let space = "[ \n\t\r]{0,2}";
            let list = (vec((space, inner.clone(), space), 0..5), space).prop_map(|(items, space)| {
                let items: Vec<_> = items.into_iter().map(|(a, b, c)| format!("{a}{b}{c}")).collect();
                format!("[{}{space}]", items.join(","))
            });
            let map = (vec((space, string.clone(), space, inner), 0..5), space).prop_map(|(items, space)| {
                let items: Vec<_> =
                    items.into_iter().map(|(a, k, b, v)| format!("{a}{k}{b}:{a}{v}")).collect();
                format!("{{{}{space}}}", items.join(","))
            });
            prop_oneof![list, map]
        });
        value.boxed()
    }

    /// Whether it is JSON, whatever else is wrong with it.
    fn is_json(text: &[u8]) -> bool {
        match RawObject::skim(Bytes::copy_from_slice(text)) {
            Ok(_) => true,
            Err(fault) => matches!(fault.kind, JsonErrorKind::NotAnObject | JsonErrorKind::DuplicateKey(_)),
        }
    }

    fn serde_says(text: &[u8]) -> bool {
        match serde_json::from_slice::<Value>(text) {
            Ok(_) => true,
            Err(error) => error.to_string().contains("number out of range"),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn json_is_what_serde_json_says(text in any_json()) {
            prop_assert_eq!(is_json(text.as_bytes()), serde_says(text.as_bytes()), "{}", text);
        }

        #[test]
        fn broken_json_is_what_serde_json_says(
            text in any_json(), at in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3,
        ) {
            let mut text = text.into_bytes();
            let at = at.index(text.len());
            match how {
                0 => { text.remove(at); }
                1 => text.insert(at, byte),
                _ => text.truncate(at),
            }
            prop_assert_eq!(is_json(&text), serde_says(&text), "{}", String::from_utf8_lossy(&text));
        }

        #[test]
        fn anything_at_all_is_read_without_a_panic(text in vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(is_json(&text), serde_says(&text));
        }

        #[test]
        fn edits_mean_what_they_say(
            members in prop::collection::btree_map("[a-h]", (any_json(), "[ \n]{0,2}", any::<u64>()), 0..8),
            edits in prop::collection::btree_map("[a-l]", prop::option::of("[0-9]"), 0..6),
        ) {
            let mut members: Vec<_> = members.into_iter().filter(|(_, (v, ..))| serde_json::from_str::<Value>(v).is_ok()).collect();
            members.sort_by_key(|(_, (.., order))| *order);
            let inner: Vec<_> = members.iter().map(|(k, (v, s, _))| format!("{s}\"{k}\"{s}:{s}{v}{s}")).collect();
            let text = format!("{{{} }}", inner.join(","));
            let edits: Vec<(&str, Option<&[u8]>)> =
                edits.iter().map(|(k, v)| (k.as_str(), v.as_ref().map(|v| v.as_bytes()))).collect();
            let before = object(&text);
            let after = RawObject::skim(before.edited(&edits)).unwrap();
            let mut expected: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
            for (key, value) in &edits {
                match value {
                    Some(value) => drop(expected.insert((*key).to_owned(), serde_json::from_slice(value).unwrap())),
                    None => drop(expected.remove(*key)),
                }
            }
            prop_assert_eq!(serde_json::from_slice::<Value>(after.bytes()).unwrap(), Value::Object(expected));
            for (key, _) in members.iter().filter(|(key, _)| edits.iter().all(|(edit, _)| edit != key)) {
                prop_assert_eq!(before.get(key), after.get(key));
            }
        }
    }
}
