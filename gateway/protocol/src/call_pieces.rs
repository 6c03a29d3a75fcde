//! Which call of a streamed answer a piece belongs to. OpenAI numbers its calls; some hosts leave the number out or write 0 for
//! each of several, some repeat the name with every piece or bring it late, some make up an id for every piece.

/// Calls of one answer that are told apart. Nothing is ever allocated by a number that an upstream sends.
const MOST: usize = 128;

/// The calls of one answer so far.
#[derive(Debug, Clone, Default)]
pub(super) struct CallPieces {
    list: Vec<BegunCall>,
}

#[derive(Debug, Clone)]
struct BegunCall {
    index: u64,
    id: String,
    name: String,
    progress: ArgumentProgress,
}

/// A piece of a call as it came; what it does not have is empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallPiece<'a> {
    /// The number that the upstream gives the call.
    pub(super) index: Option<u64>,
    /// Where the piece stands in its list.
    pub(super) place: u64,
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) arguments: &'a str,
}

/// Where a piece belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlacedPiece<'a> {
    /// The call, counted from 0 in the order in which the calls began.
    pub(super) number: usize,
    /// Whether the call begins with it.
    pub(super) begins: bool,
    /// What it adds to the name.
    pub(super) name: &'a str,
}

impl CallPieces {
    /// Takes a piece. `None`: it begins a call beyond the bound.
    pub(super) fn take<'a>(&mut self, piece: CallPiece<'a>) -> Option<PlacedPiece<'a>> {
        let index = piece.index.unwrap_or(piece.place);
        let known = self.known(index, &piece);
        if known.is_none() && self.list.len() == MOST {
            return None;
        }
        let begins = known.is_none();
        let number = known.unwrap_or(self.list.len());
        if begins {
            self.list.push(BegunCall {
                index,
                id: String::new(),
                name: String::new(),
                progress: ArgumentProgress::default(),
            });
        }
        let call = &mut self.list[number];
        let name = if call.name == piece.name { "" } else { piece.name };
        call.name.push_str(name);
        if call.id.is_empty() {
            piece.id.clone_into(&mut call.id);
        }
        call.progress.feed(piece.arguments);
        Some(PlacedPiece { number, begins, name })
    }

    /// Whether a call has all of its arguments, by their braces.
    pub(super) fn is_whole(&self, number: usize) -> bool {
        self.list.get(number).is_some_and(|call| call.progress == ArgumentProgress::Whole)
    }

    /// The tool that a call is of; empty as long as no piece has said it.
    pub(super) fn name(&self, number: usize) -> &str {
        self.list.get(number).map_or("", |call| &call.name)
    }

    /// The number that the upstream gave a call, or its place where there was none.
    pub(super) fn index(&self, number: usize) -> u64 {
        self.list.get(number).map_or(0, |call| call.index)
    }

    /// The call that a piece goes on with.
    fn known(&self, index: u64, piece: &CallPiece<'_>) -> Option<usize> {
        let of_index = |call: &BegunCall| call.index == index;
        if !piece.id.is_empty() {
            let same = |call: &BegunCall| call.id == piece.id && (piece.index.is_none() || of_index(call));
            if let Some(number) = self.list.iter().rposition(same) {
                return Some(number);
            }
        }
        let number = self.list.iter().rposition(of_index)?;
        (!self.list[number].is_another(piece)).then_some(number)
    }
}

impl BegunCall {
    /// Whether a piece of the same number, and of no call's id, begins another call.
    fn is_another(&self, piece: &CallPiece<'_>) -> bool {
        if piece.name.is_empty() || self.name.is_empty() {
            // Some make up an id for every piece; without a name it begins nothing.
            return false;
        }
        if !piece.id.is_empty() && !self.id.is_empty() {
            return true;
        }
        let (same, adds) = (piece.name == self.name, !piece.arguments.trim().is_empty());
        match self.progress {
            ArgumentProgress::Whole | ArgumentProgress::Broken => adds || !same,
            // A name may come in pieces, before any argument.
            ArgumentProgress::None => adds && !same,
            ArgumentProgress::Within { .. } => !same,
        }
    }
}

/// How far the text of an object has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ArgumentProgress {
    /// Nothing but white space.
    #[default]
    None,
    /// Within the object.
    Within { depth: u32, quoted: bool, escaped: bool },
    /// At its end.
    Whole,
    /// Something that is no object, or something after it.
    Broken,
}

impl ArgumentProgress {
    fn feed(&mut self, text: &str) {
        for byte in text.bytes() {
            *self = self.after(byte);
        }
    }

    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Broken, _) => Self::Broken,
            (Self::None | Self::Whole, b' ' | b'\t' | b'\n' | b'\r') => self,
            (Self::None, b'{') => Self::Within { depth: 1, quoted: false, escaped: false },
            (Self::None | Self::Whole, _) => Self::Broken,
            (Self::Within { depth, quoted: true, escaped }, _) => {
                Self::Within { depth, quoted: byte != b'"' || escaped, escaped: byte == b'\\' && !escaped }
            }
            (Self::Within { depth, .. }, b'"') => Self::Within { depth, quoted: true, escaped: false },
            (Self::Within { depth, .. }, b'{' | b'[') => {
                Self::Within { depth: depth.saturating_add(1), quoted: false, escaped: false }
            }
            (Self::Within { depth: 1, .. }, b'}' | b']') => Self::Whole,
            (Self::Within { depth, .. }, b'}' | b']') => {
                Self::Within { depth: depth - 1, quoted: false, escaped: false }
            }
            (Self::Within { .. }, _) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Index, id, name and arguments.
    type Written<'a> = (Option<u64>, &'a str, &'a str, &'a str);

    /// The calls that pieces of (index, id, name, arguments) make, each written as its name and arguments.
    fn calls(lists: &[&[Written<'_>]]) -> Vec<String> {
        let (mut pieces, mut all) = (CallPieces::default(), Vec::<(String, String)>::new());
        for list in lists {
            for (place, &(index, id, name, arguments)) in (0..).zip(*list) {
                let placed = pieces.take(CallPiece { index, place, id, name, arguments }).unwrap();
                if placed.begins {
                    all.push(Default::default());
                }
                let call = &mut all[placed.number];
                call.0.push_str(placed.name);
                call.1.push_str(arguments);
            }
        }
        for (number, (name, _)) in all.iter().enumerate() {
            assert_eq!(pieces.name(number), name);
        }
        all.into_iter().map(|(name, arguments)| name + &arguments).collect()
    }

    #[test]
    fn a_piece_goes_on_with_its_call() {
        let (none, zero, one) = (None, Some(0), Some(1));
        let check = |lists: &[&[Written<'_>]], expected: &[&str]| {
            assert_eq!(calls(lists), expected, "{lists:?}");
        };
        for index in [none, zero] {
            // Pieces of one call, whatever is repeated in them.
            check(
                &[&[(index, "a", "f", "")], &[(index, "", "", "{\"x\"")], &[(index, "", "", ":1}")]],
                &["f{\"x\":1}"],
            );
            check(
                &[&[(index, "a", "f", "{")], &[(index, "a", "f", "}")], &[(index, "a", "f", "")]],
                &["f{}"],
            );
            check(&[&[(index, "", "f", "{")], &[(index, "", "f", "}")], &[(index, "", "f", "")]], &["f{}"]);
            // An id for every piece, as some versions of vLLM make them.
            check(&[&[(index, "a", "f", "")], &[(index, "b", "", "{}")]], &["f{}"]);
            // A name that comes late, or in pieces.
            check(&[&[(index, "a", "", "{")], &[(index, "", "f", "}")]], &["f{}"]);
            check(&[&[(index, "a", "", "")], &[(index, "a", "f", "{}")]], &["f{}"]);
            check(
                &[&[(index, "a", "get_", "")], &[(index, "", "time", "")], &[(index, "", "", "{}")]],
                &["get_time{}"],
            );
            // Several calls, each with the same number, with ids and without.
            check(&[&[(index, "a", "f", "{}")], &[(index, "b", "g", "{}")]], &["f{}", "g{}"]);
            check(&[&[(index, "a", "f", "{}")], &[(index, "b", "f", "{}")]], &["f{}", "f{}"]);
            check(&[&[(index, "", "f", "{}")], &[(index, "", "f", "{\"x\":1}")]], &["f{}", "f{\"x\":1}"]);
            check(
                &[&[(index, "", "f", "{}")], &[(index, "", "g", "")], &[(index, "", "", "{}")]],
                &["f{}", "g{}"],
            );
            check(&[&[(index, "", "f", "")], &[(index, "", "g", "{}")]], &["f", "g{}"]);
        }
        // All in one list.
        check(&[&[(none, "a", "f", "{}"), (none, "b", "g", "{}")]], &["f{}", "g{}"]);
        check(
            &[&[(none, "", "f", ""), (none, "", "f", "")], &[(none, "", "", "{}"), (none, "", "", "[]")]],
            &["f{}", "f[]"],
        );
        check(&[&[(zero, "a", "f", "{}"), (zero, "b", "g", "{}")]], &["f{}", "g{}"]);
        // A call that is gone on with by its id, though another one has begun since.
        check(
            &[
                &[(none, "a", "f", "{")],
                &[(none, "b", "g", "{")],
                &[(none, "a", "", "}")],
                &[(none, "b", "", "}")],
            ],
            &["f{}", "g{}"],
        );
        // Numbers, the first left out because it is 0.
        check(
            &[
                &[(none, "a", "f", "{")],
                &[(one, "b", "g", "{")],
                &[(none, "", "", "}")],
                &[(one, "", "", "}")],
            ],
            &["f{}", "g{}"],
        );
        // Two at a time, the second to begin first, and one id for both.
        check(
            &[
                &[(one, "a", "g", "{")],
                &[(zero, "a", "f", "{")],
                &[(one, "", "", "}")],
                &[(zero, "", "", "}")],
            ],
            &["g{}", "f{}"],
        );
    }

    #[test]
    fn arguments_are_whole_at_their_last_brace() {
        let check = |text: &str, expected: bool| {
            let mut pieces = CallPieces::default();
            for piece in text.split_inclusive(',') {
                pieces
                    .take(CallPiece { index: None, place: 0, id: "", name: "f", arguments: piece })
                    .unwrap();
            }
            assert_eq!(pieces.is_whole(0), expected, "{text}");
        };
        for whole in ["{}", " {} \n", r#"{"a":[1,{"b":"}\"\\"}],"c":{}}"#, r#"{"a":"\\"}"#] {
            check(whole, true);
        }
        for other in ["", " ", "{", r#"{"a":"}"#, r#"{"a":"\"}"#, r#"{"a":[1,2]"#, "7", "[]", "null"] {
            check(other, false);
        }
    }

    #[test]
    fn there_is_a_bound() {
        let mut pieces = CallPieces::default();
        let piece = |index: u64| CallPiece { index: Some(index), place: 0, id: "", name: "f", arguments: "" };
        for index in 0..MOST as u64 {
            assert!(pieces.take(piece(u64::MAX - index)).is_some());
        }
        assert_eq!(pieces.take(piece(7)), None);
        assert!(pieces.take(piece(u64::MAX)).is_some());
    }
}
