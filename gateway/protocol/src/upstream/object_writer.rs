//! JSON as it is written: objects and lists, member by member, into one buffer.

/// An object under way; [`ObjectWriter::end`] closes it.
pub(super) struct ObjectWriter<'b> {
    out: &'b mut Vec<u8>,
    any: bool,
}

impl<'b> ObjectWriter<'b> {
    /// Opens an object.
    pub(super) fn begin(out: &'b mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, any: false }
    }

    /// A member whose value is written by the closure. Names are words of ours, without anything to escape.
    pub(super) fn nested(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if std::mem::replace(&mut self.any, true) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        write(self.out);
    }

    /// A member whose value is JSON already.
    pub(super) fn raw(&mut self, name: &str, value: &str) {
        self.nested(name, |out| out.extend_from_slice(value.as_bytes()));
    }

    /// The same where there is a value.
    pub(super) fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.raw(name, value);
        }
    }

    /// A member whose value is a text.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.nested(name, |out| quote(out, value));
    }

    /// Closes the object.
    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

/// A whole object.
pub(super) fn object(out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    let mut members = ObjectWriter::begin(out);
    write(&mut members);
    members.end();
}

/// A list of what the closure writes for each item.
pub(super) fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// A list of one.
pub(super) fn one(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'[');
    write(out);
    out.push(b']');
}

/// A text as a JSON string.
pub(super) fn quote(out: &mut Vec<u8>, text: &str) {
    // A text can always be written, and a buffer takes everything.
    let _ = serde_json::to_writer(out, text);
}

/// What the closure writes, as text.
pub(super) fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    // Made of texts and of JSON that was checked.
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json() {
        let text = written(|out| {
            object(out, |it| {
                it.text("a", "\"你\n");
                it.maybe("none", None);
                it.raw("b", "[1]");
                it.nested("c", |out| list(out, ["x", "y"], quote));
                it.nested("d", |out| object(out, |_| {}));
            });
        });
        assert_eq!(text, r#"{"a":"\"你\n","b":[1],"c":["x","y"],"d":{}}"#);
    }
}
