//! The shape of an answer that a client asks the embedded engine for.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::bad_request::BadRequest;
use super::chat::ChatRequest;
use super::fields::FieldFormat;

const SCHEMA: &str = "response_format.json_schema.schema";

/// `response_format`, where it is more than text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineFormat {
    /// A JSON object.
    JsonObject,
    /// A JSON text of a schema.
    JsonSchema {
        /// The schema, valid by its own draft, as the client wrote it: the order of its properties is the answer's.
        schema: String,
        /// Whether the client would rather have an error than an answer that keeps to most of the schema.
        strict: bool,
    },
}

#[derive(Deserialize)]
struct SchemaField<'a> {
    #[serde(borrow)]
    json_schema: Option<NamedSchema<'a>>,
}

#[derive(Deserialize)]
struct NamedSchema<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    #[serde(default)]
    strict: Option<bool>,
}

impl EngineFormat {
    /// What a request asks for; `None`: any text.
    ///
    /// # Errors
    /// A schema that is none, with the place in it that is wrong.
    pub(super) fn of(chat: &ChatRequest) -> Result<Option<Self>, BadRequest> {
        match chat.fields.format {
            FieldFormat::Text | FieldFormat::Other => return Ok(None),
            FieldFormat::Json => return Ok(Some(Self::JsonObject)),
            FieldFormat::Schema => {}
        }
        let raw = chat.object.get("response_format").unwrap_or_default();
        let field: SchemaField<'_> = serde_json::from_slice(raw)
            .map_err(|error| BadRequest::value("response_format.json_schema", error))?;
        let named = field.json_schema.ok_or_else(|| BadRequest::missing("response_format.json_schema"))?;
        // Some SDKs leave it out for any object.
        let Some(schema) = named.schema else { return Ok(Some(Self::JsonObject)) };
        check_schema(SCHEMA, schema)?;
        Ok(Some(Self::JsonSchema { schema: schema.get().to_owned(), strict: named.strict.unwrap_or(false) }))
    }
}

/// Refuses what is no JSON schema by the draft that it names, else by the newest.
pub(super) fn check_schema(field: &'static str, schema: &RawValue) -> Result<(), BadRequest> {
    let schema: serde_json::Value =
        serde_json::from_str(schema.get()).map_err(|error| BadRequest::value(field, error))?;
    if !schema.is_object() {
        return Err(BadRequest::value(field, "it must be a JSON object"));
    }
    // A schema of a draft that is not known has nothing to be checked by.
    let Ok(draft) = jsonschema::meta::validator_for(&schema) else { return Ok(()) };
    match draft.validate(&schema) {
        Ok(()) => Ok(()),
        Err(error) => {
            let place = error.instance_path().to_string();
            let why: String = error.to_string().chars().take(120).collect();
            Err(BadRequest::value(field, format!("at \"{place}\": {why}")))
        }
    }
}
