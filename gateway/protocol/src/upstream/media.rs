//! What is attached to a message, for dialects that want its type and its bytes apart. The bytes stay in base64.

use super::super::bad_request::BadRequest;
use super::parsed_chat::ParsedPart;

/// One attachment.
#[derive(Debug)]
pub(super) struct MediaPart {
    /// Such as `image/png`; `None` where only an address is known.
    pub(super) kind: Option<String>,
    /// Where it is.
    pub(super) source: MediaSource,
    /// A file's name.
    pub(super) name: Option<String>,
}

/// Where an attachment is.
#[derive(Debug)]
pub(super) enum MediaSource {
    /// Here, in base64.
    Data(String),
    /// At an address, which the provider fetches.
    Url(String),
}

impl MediaPart {
    /// From a part that is no text; `None` if it is of a type that has no bytes.
    pub(super) fn of(part: ParsedPart<'_>, place: &str) -> Result<Option<Self>, BadRequest> {
        let ParsedPart { kind, image_url, video_url, input_audio, file, .. } = part;
        match (kind.as_str(), image_url, video_url, input_audio, file) {
            ("image_url", Some(link), ..) | ("video_url", _, Some(link), ..) => {
                Self::linked(link.0, None, place).map(Some)
            }
            ("input_audio", _, _, Some(sound), _) => {
                let kind = Some(format!("audio/{}", sound.format));
                Ok(Some(Self { kind, source: MediaSource::Data(sound.data), name: None }))
            }
            ("file", _, _, _, Some(file)) => {
                let data =
                    file.file_data.ok_or_else(|| BadRequest::missing(format!("{place}.file.file_data")))?;
                Self::linked(data, file.filename, place).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether it is of such a type, such as `image`; unknown types are what the part says they are.
    pub(super) fn is(&self, class: &str) -> bool {
        self.kind.as_ref().is_none_or(|kind| kind.split('/').next() == Some(class))
    }

    fn linked(url: String, name: Option<String>, place: &str) -> Result<Self, BadRequest> {
        let scheme = url.split(':').next().unwrap_or_default();
        if scheme.eq_ignore_ascii_case("data") {
            let (head, data) = url.split_once(',').ok_or_else(|| bad(place))?;
            let kind = head[scheme.len() + 1..].strip_suffix(";base64").ok_or_else(|| bad(place))?;
            let kind = kind.split(';').next().unwrap_or_default().to_ascii_lowercase();
            return Ok(Self { kind: Some(kind), source: MediaSource::Data(data.to_owned()), name });
        }
        if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") {
            return Ok(Self { kind: None, source: MediaSource::Url(url), name });
        }
        Err(bad(place))
    }
}

fn bad(place: &str) -> BadRequest {
    let why = "an attachment is written as a `data:` address in base64, or as an http or https address";
    BadRequest::value(place.to_owned(), why)
}
