//! How wide and high a picture in base64 is, from the first bytes of its file. Nothing is decoded but those bytes; a file
//! that is none of the four kinds, or says nothing sound, has no size.
//!
//! PNG: W3C's specification, IHDR. GIF: GIF89a, logical screen descriptor. JPEG: ITU T.81, frame headers. WebP: RFC 9649.

/// In pixels; neither is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImageSize {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// Segments of a JPEG that are passed over before its frame is there; no writer needs as many.
const MOST_SEGMENTS: usize = 512;

impl ImageSize {
    /// Of a file in base64, without line ends or escapes.
    pub(super) fn of(base64: &str) -> Option<Self> {
        let file = FileSize(base64.as_bytes());
        let start = file.bytes::<12>(0)?;
        match start {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => png(&file),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => {
                Self::from(file.little(6, 2)?, file.little(8, 2)?)
            }
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => webp(&file),
            [0xff, 0xd8, 0xff, ..] => jpeg(&file),
            _ => None,
        }
    }

    fn from(width: u32, height: u32) -> Option<Self> {
        (width > 0 && height > 0).then_some(Self { width, height })
    }
}

/// A file in base64, any byte of which can be read without the others.
struct FileSize<'a>(&'a [u8]);

impl FileSize<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        let group = (at / 3).checked_mul(4)?;
        let sign = |place: usize| value(*self.0.get(group.checked_add(place)?)?);
        let place = at % 3;
        let (first, second) = (sign(place)?, sign(place + 1)?);
        Some(match place {
            0 => first << 2 | second >> 4,
            1 => first << 4 | second >> 2,
            _ => first << 6 | second,
        })
    }

    fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        for (number, byte) in bytes.iter_mut().enumerate() {
            *byte = self.byte(at.checked_add(number)?)?;
        }
        Some(bytes)
    }

    /// A number with its least byte first; of at most four bytes.
    fn little(&self, at: usize, count: usize) -> Option<u32> {
        (0..count).rev().try_fold(0, |number, place| Some(number << 8 | u32::from(self.byte(at + place)?)))
    }

    /// A number with its greatest byte first.
    fn big(&self, at: usize, count: usize) -> Option<u32> {
        (0..count)
            .try_fold(0, |number, place| Some(number << 8 | u32::from(self.byte(at.checked_add(place)?)?)))
    }
}

/// What a sign of base64, of either alphabet, stands for.
fn value(sign: u8) -> Option<u8> {
    match sign {
        b'A'..=b'Z' => Some(sign - b'A'),
        b'a'..=b'z' => Some(sign - b'a' + 26),
        b'0'..=b'9' => Some(sign - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

fn png(file: &FileSize<'_>) -> Option<ImageSize> {
    if file.bytes::<4>(12)? != *b"IHDR" {
        return None;
    }
    ImageSize::from(file.big(16, 4)?, file.big(20, 4)?)
}

fn webp(file: &FileSize<'_>) -> Option<ImageSize> {
    match &file.bytes::<4>(12)? {
        b"VP8X" => ImageSize::from(file.little(24, 3)? + 1, file.little(27, 3)? + 1),
        b"VP8L" if file.byte(20)? == 0x2f => {
            let bits = file.little(21, 4)?;
            ImageSize::from((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
        }
        b"VP8 " if file.bytes::<3>(23)? == [0x9d, 0x01, 0x2a] => {
            ImageSize::from(file.little(26, 2)? & 0x3fff, file.little(28, 2)? & 0x3fff)
        }
        _ => None,
    }
}

fn jpeg(file: &FileSize<'_>) -> Option<ImageSize> {
    let mut at = 2;
    for _ in 0..MOST_SEGMENTS {
        // Any number of 0xff may stand before a marker; each counts as a segment here.
        let [mark, kind] = file.bytes(at)?;
        at = match (mark, kind) {
            (0xff, 0xff) => at + 1,
            // The beginning of a frame, of whichever process; the three between them are tables.
            (0xff, 0xc0..=0xcf) if !matches!(kind, 0xc4 | 0xc8 | 0xcc) => {
                return ImageSize::from(file.big(at + 7, 2)?, file.big(at + 5, 2)?);
            }
            // Markers without a length.
            (0xff, 0x01 | 0xd0..=0xd8) => at + 2,
            (0xff, 0xd9 | 0xda) => return None,
            (0xff, _) => at.checked_add(2 + file.big(at + 2, 2).filter(|length| *length >= 2)? as usize)?,
            _ => return None,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    fn base64(bytes: &[u8]) -> String {
        let mut text = String::new();
        for group in bytes.chunks(3) {
            let whole = [group[0], *group.get(1).unwrap_or(&0), *group.get(2).unwrap_or(&0)];
            let bits = whole.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
            for place in 0..4 {
                let sign = SIGNS[(bits >> (18 - 6 * place) & 63) as usize];
                text.push(if place > group.len() { '=' } else { sign as char });
            }
        }
        text
    }

    fn png_of(width: u32, height: u32) -> Vec<u8> {
        let start = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
        [&start[..], &width.to_be_bytes(), &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat()
    }

    fn gif_of(width: u16, height: u16) -> Vec<u8> {
        [b"GIF89a", &width.to_le_bytes()[..], &height.to_le_bytes(), &[0; 3]].concat()
    }

    /// With a thumbnail of another size in the segment before its frame.
    fn jpeg_of(width: u16, height: u16, before: usize) -> Vec<u8> {
        let mut file = vec![0xff, 0xd8];
        for _ in 0..before {
            file.extend([0xff, 0xe1, 0, 12, 0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 1, 0]);
        }
        file.extend([0xff, 0xff, 0xc4, 0, 3, 0, 0xff, 0xc2, 0, 11, 8]);
        file.extend(height.to_be_bytes());
        file.extend(width.to_be_bytes());
        file
    }

    fn webp_of(kind: &[u8; 4], width: u32, height: u32) -> Vec<u8> {
        let mut file = [b"RIFF\0\0\0\0WEBP", &kind[..], &[0; 4]].concat();
        match kind {
            b"VP8X" => {
                file.extend([0; 4]);
                file.extend(&(width - 1).to_le_bytes()[..3]);
                file.extend(&(height - 1).to_le_bytes()[..3]);
            }
            b"VP8L" => {
                file.push(0x2f);
                file.extend(((width - 1) | (height - 1) << 14).to_le_bytes());
            }
            _ => {
                file.extend([0, 0, 0, 0x9d, 0x01, 0x2a]);
                // Two bits of each are how it is to be scaled.
                file.extend((width as u16 | 0x4000).to_le_bytes());
                file.extend((height as u16 | 0x8000).to_le_bytes());
            }
        }
        file
    }

    #[test]
    fn sizes_are_read_from_the_first_bytes() {
        let check = |file: Vec<u8>, width: u32, height: u32| {
            assert_eq!(ImageSize::of(&base64(&file)), Some(ImageSize { width, height }), "{file:?}");
            // So few bytes are too few for any of them.
            for length in 0..12 {
                assert_eq!(ImageSize::of(&base64(&file[..length])), None);
            }
        };
        check(png_of(1024, 768), 1024, 768);
        check(gif_of(640, 480), 640, 480);
        check(jpeg_of(4000, 3000, 0), 4000, 3000);
        check(jpeg_of(4000, 3000, 3), 4000, 3000);
        for kind in [b"VP8X", b"VP8L", b"VP8 "] {
            check(webp_of(kind, 800, 600), 800, 600);
        }
    }

    #[test]
    fn what_says_nothing_sound_has_no_size() {
        for file in [
            png_of(0, 7),
            gif_of(7, 0),
            jpeg_of(7, 7, MOST_SEGMENTS),
            b"\xff\xd8\xff\xe1\0\0\0\0\0\0\0\0\0\0".to_vec(),
            b"\xff\xd8\xff\xda\0\x02\xff\xc0\0\x0b\x08\0\x07\0\x07".to_vec(),
            b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            b"RIFF\0\0\0\0WAVEfmt \0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        ] {
            assert_eq!(ImageSize::of(&base64(&file)), None, "{file:?}");
        }
        for text in ["", "=", "iVBORw0KGgo=", "not base64 at all, you know", "data:image/png;base64,"] {
            assert_eq!(ImageSize::of(text), None, "{text}");
        }
    }

    proptest! {
        /// What begins as none of the four kinds has no size.
        #[test]
        fn no_other_file_has_a_size(text in ".{0,200}") {
            let magic = ["iVBORw0KGgo", "R0lGODdh", "R0lGODlh", "UklGR", "/9j/", "_9j_", "_9j/", "/9j_"];
            prop_assume!(!magic.iter().any(|magic| text.starts_with(magic)));
            prop_assert_eq!(ImageSize::of(&text), None);
        }

        /// A size is read without what follows it, and no byte of a file is read that is not there: what one says whose end
        /// is missing is what it says with any end, or nothing.
        #[test]
        fn what_follows_does_not_change_a_size(
            start in 0usize..6,
            kept in 0usize..60,
            rest in proptest::collection::vec(any::<u8>(), 0..120),
        ) {
            let starts = [png_of(1, 1), gif_of(1, 1), jpeg_of(1, 1, 1), webp_of(b"VP8X", 1, 1), webp_of(b"VP8L", 1, 1), webp_of(b"VP8 ", 1, 1)];
            let start = &starts[start];
            let file = [&start[..kept.min(start.len())], &rest].concat();
            let sizes: Vec<_> = (0..=file.len()).map(|end| ImageSize::of(&base64(&file[..end]))).collect();
            let first = sizes.iter().position(Option::is_some).unwrap_or(sizes.len());
            prop_assert!(sizes[first..].windows(2).all(|pair| pair[0] == pair[1]), "{:?}", sizes);
            prop_assert!(sizes.iter().flatten().all(|size| size.width > 0 && size.height > 0));
        }

        #[test]
        fn every_size_is_read_back(width in 1u32..16_000, height in 1u32..16_000, before in 0usize..5) {
            let files = [
                png_of(width, height),
                gif_of(width as u16, height as u16),
                jpeg_of(width as u16, height as u16, before),
                webp_of(b"VP8X", width, height),
                webp_of(b"VP8L", width, height),
                webp_of(b"VP8 ", width, height),
            ];
            for file in files {
                prop_assert_eq!(ImageSize::of(&base64(&file)), Some(ImageSize { width, height }));
            }
        }
    }
}
