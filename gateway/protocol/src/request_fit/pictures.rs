//! Pictures that a model does not see: of a type that it does not know, or at an address that it does not fetch.

use gateway_config::{ModelTakes, PictureType, RequestFeature, Treatment};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::bad_request::BadRequest;
use super::super::chat::ChatRequest;
use super::{TakesView, not_taken};

/// Bytes of an address that tell its type; what it says after that is the picture.
const HEAD: usize = 64;

/// Refuses a chat with a picture that the model does not see.
///
/// # Errors
/// The picture, by its place.
pub(super) fn check(chat: &ChatRequest, view: TakesView<'_>) -> Result<(), BadRequest> {
    if !view.heeded.has(RequestFeature::PictureUrls) {
        return Ok(());
    }
    let messages = chat.object.get("messages").unwrap_or_default();
    let messages: Vec<MessageContent<'_>> = serde_json::from_slice(messages).unwrap_or_default();
    for (at, message) in messages.iter().enumerate() {
        let content = message.content.map(RawValue::get).filter(|content| content.starts_with('['));
        let parts: Vec<PicturePart<'_>> =
            content.and_then(|content| serde_json::from_str(content).ok()).unwrap_or_default();
        for (number, part) in parts.iter().enumerate() {
            if part.image_url.is_some_and(|url| !is_seen(url.get(), view.takes)) {
                return Err(not_taken(format!("messages[{at}].content[{number}].image_url")));
            }
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct MessageContent<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct PicturePart<'a> {
    #[serde(borrow, default)]
    image_url: Option<&'a RawValue>,
}

fn is_seen(link: &str, takes: &ModelTakes) -> bool {
    #[derive(Deserialize)]
    struct ImageLink<'a> {
        #[serde(borrow)]
        url: &'a RawValue,
    }
    let url = match serde_json::from_str::<ImageLink<'_>>(link) {
        Ok(link) => link.url.get(),
        Err(_) => link,
    };
    let head: String = url.chars().filter(|sign| !matches!(sign, '"' | '\\')).take(HEAD).collect();
    let head = head.to_ascii_lowercase();
    match head.strip_prefix("data:") {
        None => takes.of(RequestFeature::PictureUrls) != Treatment::Refused,
        Some(data) => {
            let kind = data.split([';', ',']).next().unwrap_or_default();
            let kind = kind.strip_prefix("image/").and_then(PictureType::of);
            takes.picture_types.as_ref().is_none_or(|known| kind.is_some_and(|kind| known.contains(&kind)))
        }
    }
}
