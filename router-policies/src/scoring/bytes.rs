//! Little-endian numbers to and from bytes.

/// Gathers bytes.
#[derive(Debug, Default)]
pub struct ByteWriter(pub Vec<u8>);

impl ByteWriter {
    /// A number of 32 bits.
    pub fn number(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    /// Signed bytes.
    pub fn signed(&mut self, bytes: &[i8]) {
        self.0.extend(bytes.iter().map(|byte| byte.to_le_bytes()[0]));
    }

    /// Floats, one after the other.
    pub fn floats(&mut self, floats: &[f32]) {
        self.0.extend(floats.iter().flat_map(|float| float.to_le_bytes()));
    }

    /// A text with its length.
    pub fn text(&mut self, text: &str) {
        self.number(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.bytes(text.as_bytes());
    }
}

/// Takes bytes apart; `None` when there are too few.
#[derive(Debug)]
pub struct ByteReader<'a>(pub &'a [u8]);

impl<'a> ByteReader<'a> {
    /// A number of 32 bits.
    pub fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?))
    }

    /// The next bytes.
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Signed bytes.
    pub fn signed(&mut self, count: usize) -> Option<Vec<i8>> {
        Some(self.bytes(count)?.iter().map(|&byte| i8::from_le_bytes([byte])).collect())
    }

    /// Floats.
    pub fn floats(&mut self, count: usize) -> Option<Vec<f32>> {
        let bytes = self.bytes(count.checked_mul(4)?)?;
        Some(
            bytes
                .chunks_exact(4)
                .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
                .collect(),
        )
    }

    /// A text with its length.
    pub fn text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        String::from_utf8(self.bytes(length)?.to_vec()).ok()
    }
}

/// A checksum against damage (FNV-1a, 64 bits).
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
