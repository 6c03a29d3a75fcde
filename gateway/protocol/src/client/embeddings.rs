//! OpenAI's embeddings: texts in, vectors out. No chat can be made of them; what is read here is how much there is.

use super::super::bad_request::BadRequest;
use super::super::json::RawObject;
use super::super::scan::ValueKind;
use super::json_builder::{JsonBuilder, array};
use super::object_reader::{ObjectReader, elements, kind};
use super::{ConvertedRequest, DroppedFields};

/// Texts of one request, as with OpenAI.
const MOST_INPUTS: usize = 2048;

/// Reads a request. The chat is only there to be counted: the upstream is sent what the client wrote.
pub(super) fn read(body: &RawObject, _: &str) -> Result<ConvertedRequest, BadRequest> {
    let mut members = ObjectReader::of_body(body)?;
    let input = EmbeddingInput::read(members.need("input")?)?;
    if let Some(format) = members.text("encoding_format")?
        && !matches!(&*format, "float" | "base64")
    {
        return Err(BadRequest::value("encoding_format", "it is not one of 'float' and 'base64'"));
    }
    let messages =
        input.texts.iter().map(|text| JsonBuilder::new().text("role", "user").raw("content", text).end());
    let chat =
        JsonBuilder::new().raw("model", members.need("model")?).raw("messages", &array(messages)).end();
    Ok(ConvertedRequest {
        chat,
        teller: None,
        dropped: DroppedFields::default(),
        tokens: input.tokens,
        cannot: None,
    })
}

/// What is to be embedded.
struct EmbeddingInput<'a> {
    /// As they are written.
    texts: Vec<&'a str>,
    /// How many tokens, where that is what was given.
    tokens: Option<u64>,
}

impl<'a> EmbeddingInput<'a> {
    fn read(raw: &'a str) -> Result<Self, BadRequest> {
        let of_text = |text| Self { texts: vec![text], tokens: None };
        match kind(raw)? {
            ValueKind::String => return Ok(of_text(raw)),
            ValueKind::Array => {}
            _ => return Err(wrong()),
        }
        let list = elements(raw, "input")?;
        let Some((_, first)) = list.first() else { return Err(wrong()) };
        let kind_of_all = kind(first)?;
        for (_, raw) in &list {
            if kind(raw)? != kind_of_all {
                return Err(wrong());
            }
        }
        if kind_of_all != ValueKind::Number && list.len() > MOST_INPUTS {
            let message = format!("'input' may have at most {MOST_INPUTS} elements.");
            return Err(BadRequest::new("input", "array_above_max_length", message));
        }
        let all = list.iter().map(|(_, raw)| *raw);
        match kind_of_all {
            ValueKind::String => Ok(Self { texts: all.collect(), tokens: None }),
            ValueKind::Number => Ok(Self { tokens: Some(list.len() as u64), ..of_text("\"\"") }),
            ValueKind::Array => {
                let counts = all.map(|raw| elements(raw, "input").map(|tokens| tokens.len() as u64));
                Ok(Self { tokens: Some(counts.sum::<Result<_, _>>()?), ..of_text("\"\"") })
            }
            _ => Err(wrong()),
        }
    }
}

fn wrong() -> BadRequest {
    BadRequest::value("input", "it must be a text, or a list of texts, of tokens, or of lists of tokens")
}
