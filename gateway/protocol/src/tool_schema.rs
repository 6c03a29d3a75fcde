//! What the parameters of a tool are.

use bytes::Bytes;

use super::json::RawObject;

/// What says which members an object has.
const SAYS: [&str; 5] = ["properties", "$ref", "anyOf", "oneOf", "allOf"];

/// A schema of an object that says which members it has, if only that there are none; `None`: it does, or is of none.
pub(super) fn closed_object(schema: &str) -> Option<String> {
    let object = RawObject::skim(Bytes::copy_from_slice(schema.as_bytes())).ok()?;
    let is_bare = match object.get("type") {
        Some(kind) => kind == b"\"object\"" && !SAYS.iter().any(|name| object.get(name).is_some()),
        None => object.members().next().is_none(),
    };
    if !is_bare {
        return None;
    }
    let mut edits: Vec<(&str, Option<&[u8]>)> = vec![("properties", Some(b"{}"))];
    if object.get("type").is_none() {
        edits.push(("type", Some(b"\"object\"")));
    }
    String::from_utf8(object.edited(&edits).into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_says_that_it_has_no_members() {
        let check = |schema: &str, closed: Option<&str>| {
            assert_eq!(closed_object(schema).as_deref(), closed, "{schema}");
        };
        check(r#"{"type":"object"}"#, Some(r#"{"type":"object","properties":{}}"#));
        check(r#"{}"#, Some(r#"{"properties":{},"type":"object"}"#));
        check(
            r#"{ "type": "object", "additionalProperties": false }"#,
            Some(r#"{ "type": "object", "additionalProperties": false,"properties":{} }"#),
        );
        for closed in [
            r#"{"type":"object","properties":{}}"#,
            r##"{"$ref":"#/$defs/a","$defs":{"a":{"type":"object"}}}"##,
            r#"{"anyOf":[{"type":"object"}]}"#,
            r#"{"type":"string"}"#,
            r#"{"description":"anything"}"#,
            r#"{"type":["object","null"]}"#,
            "true",
            "[]",
            "null",
        ] {
            check(closed, None);
        }
    }
}
