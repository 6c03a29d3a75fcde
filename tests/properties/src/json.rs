use std::collections::HashSet;

use bytes::Bytes;
use protocol::{JsonErrorKind, RawObject};
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};

/// An object is read exactly where serde_json reads one, but for what is bounded on purpose; it has the members that
/// serde_json finds, and one that is changed can be read again, changed in that alone.
pub fn json_scanning(input: &[u8]) {
    let names = names(input);
    match RawObject::skim(Bytes::copy_from_slice(input)) {
        Ok(object) => {
            let names = names.expect("what is read is an object");
            assert!(names.iter().all(|name| object.get(name).is_some()), "every member is found");
            for name in &names {
                changed(&object, name, &names);
            }
        }
        // These serde_json lets pass where nothing is made of a text.
        Err(fault) => match fault.kind {
            JsonErrorKind::Depth | JsonErrorKind::DuplicateKey(_) | JsonErrorKind::Surrogate => {}
            _ => assert!(names.is_none(), "refused, and well formed: {fault}"),
        },
    }
}

/// A member replaced, and removed.
fn changed(object: &RawObject, name: &str, names: &HashSet<String>) {
    let value = |object: &RawObject, name: &str| object.get(name).map(<[u8]>::to_vec);
    for new in [Some(&b"[\"new\"]"[..]), None] {
        let edited = object.edited(&[(name, new)]);
        let edited = RawObject::skim(edited).expect("an object that is changed is one");
        assert_eq!(value(&edited, name).as_deref(), new);
        for other in names.iter().filter(|other| *other != name) {
            assert_eq!(value(&edited, other), value(object, other), "the others stay");
        }
    }
    let same = object.edited(&[(name, object.get(name))]);
    assert_eq!(&same, object.bytes());
}

/// The names of the members; `None`: it is no object.
fn names(input: &[u8]) -> Option<HashSet<String>> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = HashSet<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut names = HashSet::new();
            while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                names.insert(name);
            }
            Ok(names)
        }
    }

    std::str::from_utf8(input).ok()?;
    let mut reader = serde_json::Deserializer::from_slice(input);
    let names = reader.deserialize_map(Names).ok()?;
    reader.end().ok()?;
    Some(names)
}
