//! What the header of a GGUF file says, read before llama.cpp sees the file: whether all of it is there, and how much memory
//! its conversations take. llama.cpp says neither in words for an operator.

use std::collections::HashMap;
use std::io::{self, BufRead, Read};

/// Bytes of a text that is looked at; longer ones, such as templates, are skipped.
const LONGEST_TEXT: u64 = 256;
/// The most dimensions that a tensor has.
const MOST_DIMENSIONS: u32 = 8;

/// The header of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct GgufHeader {
    /// The bytes that the file must have at least; `None` where its version is none that we read.
    pub(crate) needs: Option<u64>,
    numbers: HashMap<String, u64>,
    architecture: String,
}

/// Bytes for a block of weights, and how many there are in it, by ggml's number of the type; a type that is not here counts
/// for nothing, so that what a file needs is a lower bound.
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (4, 1),
        1 | 25 | 30 => (2, 1),
        24 => (1, 1),
        27 | 28 => (8, 1),
        2 | 20 => (18, 32),
        3 => (20, 32),
        6 => (22, 32),
        7 => (24, 32),
        8 => (34, 32),
        9 => (36, 32),
        39 => (17, 32),
        10 => (84, 256),
        11 | 21 => (110, 256),
        12 => (144, 256),
        13 => (176, 256),
        14 => (210, 256),
        15 => (292, 256),
        16 | 35 => (66, 256),
        17 => (74, 256),
        18 => (98, 256),
        19 => (50, 256),
        22 => (82, 256),
        23 => (136, 256),
        29 => (56, 256),
        34 => (54, 256),
        _ => return None,
    })
}

impl GgufHeader {
    /// Reads a header.
    ///
    /// # Errors
    /// `UnexpectedEof` where the file ends within it; any other where it cannot be read, or is none.
    pub(crate) fn read(file: impl BufRead) -> io::Result<Self> {
        let mut reader = HeaderReader { file, at: 0 };
        let mut header = Self::default();
        reader.skip(4)?;
        if !(2..=3).contains(&reader.u32()?) {
            return Ok(header);
        }
        let (tensors, values) = (reader.u64()?, reader.u64()?);
        for _ in 0..values {
            let key = reader.text()?;
            let kind = reader.u32()?;
            header.value(&mut reader, key, kind)?;
        }
        let mut end = 0_u64;
        for _ in 0..tensors {
            end = end.max(reader.tensor_end()?);
        }
        let alignment = header.numbers.get("general.alignment").copied().filter(|it| *it > 0).unwrap_or(32);
        let data = reader.at.checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
        header.needs = Some(data.saturating_add(end));
        Ok(header)
    }

    /// Bytes that a token of a conversation takes in the cache, in 16-bit numbers; 0 where that is not known.
    pub(crate) fn cache_per_token(&self) -> u64 {
        let number = |key: &str| self.numbers.get(&format!("{}.{key}", self.architecture)).copied();
        let heads = number("attention.head_count").filter(|heads| *heads > 0);
        let width = || Some(number("embedding_length")? / heads?);
        let of = |key: &str| number(key).or_else(width).unwrap_or(0);
        let both = of("attention.key_length").saturating_add(of("attention.value_length"));
        let layers = number("block_count").unwrap_or(0);
        let shared = number("attention.head_count_kv").or(heads).unwrap_or(0);
        [layers, shared, both, 2].into_iter().fold(1, u64::saturating_mul)
    }

    /// Layers, without the one that writes tokens; 0 where that is not known.
    pub(crate) fn layers(&self) -> u64 {
        self.numbers.get(&format!("{}.block_count", self.architecture)).copied().unwrap_or(0)
    }

    /// Tokens that the model knows; 0 where that is not known.
    pub(crate) fn vocabulary(&self) -> u64 {
        self.numbers.get("tokenizer.ggml.tokens").copied().unwrap_or(0)
    }

    fn value(&mut self, reader: &mut HeaderReader<impl BufRead>, key: String, kind: u32) -> io::Result<()> {
        match kind {
            8 => {
                let text = reader.text()?;
                if key == "general.architecture" {
                    self.architecture = text;
                }
            }
            9 => {
                let (kind, count) = (reader.u32()?, reader.u64()?);
                match size(kind) {
                    Some(size) => reader.skip(count.saturating_mul(size))?,
                    None if kind == 8 => (0..count).try_for_each(|_| reader.skip_text())?,
                    None => return Err(io::ErrorKind::InvalidData.into()),
                }
                // Of a list its length: that of the vocabulary is wanted.
                self.numbers.insert(key, count);
            }
            4 | 5 => drop(self.numbers.insert(key, reader.u32()?.into())),
            10 | 11 => drop(self.numbers.insert(key, reader.u64()?)),
            _ => reader.skip(size(kind).ok_or(io::ErrorKind::InvalidData)?)?,
        }
        Ok(())
    }
}

/// Bytes of a value of a type that has a fixed size.
fn size(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

struct HeaderReader<R> {
    file: R,
    at: u64,
}

impl<R: BufRead> HeaderReader<R> {
    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> io::Result<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn skip(&mut self, count: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.file.by_ref().take(count), &mut io::sink())?;
        self.at += skipped;
        if skipped == count { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn skip_text(&mut self) -> io::Result<()> {
        let length = self.u64()?;
        self.skip(length)
    }

    /// A text; empty where it is longer than any that we look at.
    fn text(&mut self) -> io::Result<String> {
        let length = self.u64()?;
        if length > LONGEST_TEXT {
            return self.skip(length).map(|()| String::new());
        }
        let mut text = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file.read_exact(&mut text)?;
        self.at += length;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Where a tensor's data end, from the start of all data.
    fn tensor_end(&mut self) -> io::Result<u64> {
        self.skip_text()?;
        let dimensions = self.u32()?;
        if dimensions > MOST_DIMENSIONS {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut count = 1_u64;
        for _ in 0..dimensions {
            count = count.saturating_mul(self.u64()?);
        }
        let (kind, offset) = (self.u32()?, self.u64()?);
        let bytes = block(kind).map_or(0, |(bytes, of)| (count / of).saturating_mul(bytes));
        Ok(offset.saturating_add(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }

    fn number(key: &str, value: u32) -> Vec<u8> {
        [&text(key)[..], &4_u32.to_le_bytes(), &value.to_le_bytes()].concat()
    }

    /// A header with these values, and one tensor of 64 weights of this type at an offset of 100.
    fn header(values: &[Vec<u8>], kind: u32) -> Vec<u8> {
        let tensor = [&text("t")[..], &2_u32.to_le_bytes(), &2_u64.to_le_bytes(), &32_u64.to_le_bytes()];
        let place = [&kind.to_le_bytes()[..], &100_u64.to_le_bytes()].concat();
        let counts = [1_u64.to_le_bytes(), (values.len() as u64).to_le_bytes()].concat();
        let start = [b"GGUF".as_slice(), &3_u32.to_le_bytes(), &counts].concat();
        [start, values.concat(), tensor.concat(), place].concat()
    }

    #[test]
    fn says_how_long_the_file_must_be() {
        let check = |values: &[Vec<u8>], kind, expected: u64| {
            let bytes = header(values, kind);
            let read = GgufHeader::read(&bytes[..]).unwrap();
            let data = (bytes.len() as u64).next_multiple_of(32);
            assert_eq!(read.needs, Some(data + expected), "{values:?}");
        };
        check(&[], 0, 100 + 64 * 4);
        check(&[], 8, 100 + 68);
        // A type that is not known counts for nothing.
        check(&[], 999, 100);
        let list = [text("l"), 9_u32.to_le_bytes().to_vec(), 8_u32.to_le_bytes().to_vec()].concat();
        let words = [list, 2_u64.to_le_bytes().to_vec(), text("a"), text("bc")].concat();
        check(&[words, number("general.x", 7)], 1, 100 + 128);
        // A version that we do not read.
        let mut old = header(&[], 0);
        old[4] = 1;
        assert_eq!(GgufHeader::read(&old[..]).unwrap(), GgufHeader::default());
    }

    #[test]
    fn says_what_a_token_takes_in_the_cache() {
        let architecture =
            [text("general.architecture"), 8_u32.to_le_bytes().to_vec(), text("llama")].concat();
        let check = |more: &[Vec<u8>], expected: u64| {
            let values = [std::slice::from_ref(&architecture), more].concat();
            assert_eq!(GgufHeader::read(&header(&values, 0)[..]).unwrap().cache_per_token(), expected);
        };
        check(&[], 0);
        // SmolLM2-135M: 23 KB.
        let plain = [
            number("llama.block_count", 30),
            number("llama.attention.head_count", 9),
            number("llama.attention.head_count_kv", 3),
            number("llama.embedding_length", 576),
        ];
        check(&plain, 30 * 3 * 128 * 2);
        let wide = [number("llama.attention.key_length", 128), number("llama.attention.value_length", 128)];
        check(
            &[plain, [wide[0].clone(), wide[1].clone(), number("x", 1), number("y", 1)]].concat(),
            30 * 3 * 256 * 2,
        );
    }

    /// Whatever a file has in it, reading its header neither panics nor asks for much memory.
    #[test]
    fn a_header_that_is_cut_or_mangled_is_an_error() {
        let whole = header(&[number("general.alignment", 32)], 0);
        for length in 0..whole.len() {
            let error = GgufHeader::read(&whole[..length]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length}");
        }
        for at in 4..whole.len() {
            let mut mangled = whole.clone();
            mangled[at] = 0xff;
            let _ = GgufHeader::read(&mangled[..]);
        }
    }
}
