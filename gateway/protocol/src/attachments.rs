//! What a message carries beside text. Never decoded: its tokens are estimated from its length, within bounds, and those of
//! pictures by their providers' rules.

use super::bad_request::BadRequest;
use super::image_size::ImageSize;
use super::image_tokens::{ImageDetail, ImageTokens};
use super::json_error::quoted;
use super::json_str::JsonStr;
use super::scan::{Cursor, ValueKind};
use super::value::wrong_type;

/// Tokens that one attachment of a kind may count for, and the bytes of it that make one token. The bounds hold
/// what providers charge (a minute of sound some 600, a page of a file some 1,500), whatever the bytes claim to be.
#[derive(Debug, Clone, Copy)]
struct AttachmentTokens {
    least: u64,
    most: u64,
    bytes: u64,
}

const AUDIO: AttachmentTokens = AttachmentTokens { least: 50, most: 20_000, bytes: 1_600 };
const VIDEO: AttachmentTokens = AttachmentTokens { least: 300, most: 40_000, bytes: 1_000 };
const FILE: AttachmentTokens = AttachmentTokens { least: 100, most: 40_000, bytes: 50 };

/// Characters that are looked through for the size of a picture where they have to be copied for it.
const ESCAPED: usize = 256 << 10;

impl AttachmentTokens {
    /// Of so many bytes; of an unknown length (an address) a tenth of the most.
    fn of(self, bytes: Option<u64>) -> u64 {
        bytes.map_or(self.most / 10, |bytes| bytes / self.bytes).clamp(self.least, self.most)
    }
}

/// How many attachments there are, and what they count for.
#[derive(Debug, Clone, Default)]
pub(super) struct AttachmentCounts {
    pub(super) images: usize,
    pub(super) sounds: usize,
    pub(super) films: usize,
    pub(super) files: usize,
    /// What files are by their own account: a picture, a sound or a film that came as a file is one.
    pub(super) in_files: MediaKinds,
    /// Tokens of all but pictures.
    pub(super) tokens: u64,
    /// Those of pictures.
    pub(super) pictures: ImageTokens,
    /// How large the picture under way is, and how closely it is to be looked at.
    size: Option<ImageSize>,
    detail: ImageDetail,
    /// Bytes of the part under way, if it has any of its own.
    bytes: Option<u64>,
    /// What the part under way is by its own account.
    kinds: MediaKinds,
    /// Whether the part under way has a value of a kind.
    seen: [bool; 4],
}

/// Which media something has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MediaKinds {
    pub(super) image: bool,
    pub(super) audio: bool,
    pub(super) video: bool,
}

impl MediaKinds {
    /// What follows `data:`, a media type.
    fn of(data: &str) -> Self {
        let is = |kind: &str| data.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
        // The slash may be escaped.
        Self { image: is("image"), audio: is("audio"), video: is("video") }
    }

    fn and(self, other: Self) -> Self {
        Self {
            image: self.image || other.image,
            audio: self.audio || other.audio,
            video: self.video || other.video,
        }
    }
}

/// The part types with a value of the same name.
const KINDS: [&str; 4] = ["image_url", "input_audio", "video_url", "file"];

impl AttachmentCounts {
    /// All of them.
    pub(super) fn count(&self) -> usize {
        self.images + self.sounds + self.films + self.files
    }

    /// A part begins.
    pub(super) fn begin(&mut self) {
        self.seen = [false; 4];
        (self.bytes, self.size, self.detail) = (None, None, ImageDetail::Auto);
        self.kinds = MediaKinds::default();
    }

    /// A field of the part.
    pub(super) fn see(
        &mut self,
        field: &str,
        raw: &str,
        place: &dyn Fn(&str) -> String,
    ) -> Result<(), BadRequest> {
        let Some(kind) = KINDS.iter().position(|kind| *kind == field) else { return Ok(()) };
        self.seen[kind] = true;
        let mut cursor = Cursor::over(raw);
        match cursor.kind()? {
            ValueKind::String => self.measure(cursor.string()?, false),
            ValueKind::Object => cursor.members(|cursor, name| {
                let name = name.cow();
                if name == "file_id" {
                    let why = "a file kept at a provider cannot be used; send its contents as 'file_data'";
                    return Err(BadRequest::value(place(".file.file_id"), why));
                }
                match cursor.kind()? {
                    ValueKind::String => {
                        let text = cursor.string()?;
                        match &*name {
                            "url" | "data" | "file_data" => self.measure(text, name != "url"),
                            "detail" => self.detail = ImageDetail::of(&text.cow()),
                            _ => {}
                        }
                    }
                    _ => drop(cursor.skip()?),
                }
                Ok(())
            })?,
            kind => return Err(wrong_type(place(&format!(".{field}")), "an object", kind)),
        }
        Ok(())
    }

    /// The part is over, and is of this type.
    pub(super) fn take(&mut self, kind: &str, place: &dyn Fn(&str) -> String) -> Result<(), BadRequest> {
        let at = KINDS.iter().position(|known| *known == kind).ok_or_else(|| {
            let why = format!(
                "\"{}\" is not one of 'text', 'refusal', 'image_url', 'input_audio', 'video_url' and 'file'",
                quoted(kind)
            );
            BadRequest::value(place(".type"), why)
        })?;
        if !self.seen[at] {
            return Err(BadRequest::missing(place(&format!(".{kind}"))));
        }
        let bytes = self.bytes;
        // Some hosts take films and sound under the name of pictures.
        let at = match at {
            0 if self.kinds.audio => 1,
            0 if self.kinds.video => 2,
            at => at,
        };
        if at == 3 {
            self.in_files = self.in_files.and(self.kinds);
        }
        if at == 0 {
            self.images += 1;
            self.pictures.add(self.size, bytes, self.detail);
            return Ok(());
        }
        let (count, worth) = match at {
            1 => (&mut self.sounds, AUDIO),
            2 => (&mut self.films, VIDEO),
            _ => (&mut self.files, FILE),
        };
        *count += 1;
        self.tokens = self.tokens.saturating_add(worth.of(bytes));
        Ok(())
    }

    /// The bytes in a `data:` address or in bare base64: three of four characters.
    fn measure(&mut self, text: JsonStr<'_>, bare: bool) {
        let data = match text.raw.get(..5) {
            Some(start) if start.eq_ignore_ascii_case("data:") => {
                self.kinds = MediaKinds::of(&text.raw[5..]);
                text.raw.split_once(',').map_or("", |(_, data)| data)
            }
            _ if bare => text.raw,
            _ => return,
        };
        self.bytes = Some(data.len() as u64 / 4 * 3);
        self.size = match text.escaped {
            false => ImageSize::of(data),
            // Of all signs of base64 only `/` is ever escaped, which some writers do.
            true => {
                ImageSize::of(&data.chars().take(ESCAPED).filter(|sign| *sign != '\\').collect::<String>())
            }
        };
    }
}
