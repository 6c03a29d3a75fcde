//! From the shape that is asked for to the grammar that holds an answer to it.

use llguidance::api::TopLevelGrammar;
use serde_json::{Map, Value, json};

use crate::answer_format::MOST_SCHEMA_BYTES;
use crate::{AnswerFormat, SchemaError};

/// The field that formats come in.
pub(crate) const FIELD: &str = "response_format";

/// Blanks between the tokens of a JSON text: one, or up to two ends of a line with their indentation, as llama.cpp has it. A
/// small model would otherwise write ends of lines until its last token.
const BLANKS: &str = r" |\n{1,2}[ \t]{0,20}";

/// The grammar of an answer of this format.
///
/// # Errors
/// A schema that is none, or too long. The grammar may still turn out to be none that can be held.
pub(crate) fn of_format(format: &AnswerFormat) -> Result<TopLevelGrammar, SchemaError> {
    Ok(TopLevelGrammar::from_json_schema(schema_of(format)?))
}

/// The schema of an answer of this format, with llguidance's settings.
///
/// # Errors
/// As of [`of_format`].
pub(crate) fn schema_of(format: &AnswerFormat) -> Result<Value, SchemaError> {
    let schema = match format {
        AnswerFormat::JsonObject => json!({"type": "object"}),
        AnswerFormat::JsonSchema { schema, .. } => schema.clone(),
    };
    let strict = matches!(format, AnswerFormat::JsonSchema { strict: true, .. });
    check_sizes(FIELD, [&schema])?;
    with_options(FIELD, schema, strict)
}

/// Refuses schemas that are too long together.
pub(crate) fn check_sizes<'a>(
    field: &str,
    schemas: impl IntoIterator<Item = &'a Value>,
) -> Result<(), SchemaError> {
    let bytes: usize = schemas.into_iter().map(|schema| schema.to_string().len()).sum();
    if bytes > MOST_SCHEMA_BYTES {
        let reason = format!("its schemas have more than {MOST_SCHEMA_BYTES} bytes");
        return Err(SchemaError::Invalid { field: field.into(), reason });
    }
    Ok(())
}

/// The schema with settings at its root for a text with blanks between its parts, or without.
pub(crate) fn with_options(field: &str, schema: Value, strict: bool) -> Result<Value, SchemaError> {
    let blanks = json!({"whitespace_flexible": true, "whitespace_pattern": BLANKS});
    rooted(field, schema, blanks, strict)
}

/// The same for a text with a blank after each comma and colon and no other, as Python writes calls for models to learn from.
pub(crate) fn compact_options(field: &str, schema: Value, strict: bool) -> Result<Value, SchemaError> {
    let blanks = json!({"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "});
    rooted(field, schema, blanks, strict)
}

fn rooted(field: &str, schema: Value, mut options: Value, strict: bool) -> Result<Value, SchemaError> {
    let mut root = match schema {
        Value::Object(root) => root,
        Value::Bool(true) => Map::new(),
        _ => {
            let reason = "the schema must be a JSON object".into();
            return Err(SchemaError::Invalid { field: field.into(), reason });
        }
    };
    options["coerce_one_of"] = (!strict).into();
    options["lenient"] = (!strict).into();
    root.insert("x-guidance".into(), options);
    Ok(Value::Object(root))
}
