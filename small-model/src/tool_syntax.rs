//! How models write the calls of tools, and the grammar that holds them to it.

use std::fmt::Write;

use llguidance::api::TopLevelGrammar;
use serde_json::{Map, Value, json};

use crate::answer_grammar::{check_sizes, compact_options, with_options};
use crate::answer_marks::CallTriggers;
use crate::{AnswerFormat, SchemaError, ToolChoice, ToolDefinition};

/// How a model writes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToolSyntax {
    /// `<tool_call>`, a line with `{"name": …, "arguments": …}`, `</tool_call>`: Hermes, Qwen, and models that were taught none.
    Hermes,
    /// `{"name": …, "parameters": …}` and nothing else: Llama 3.
    Llama,
    /// `[TOOL_CALLS] [{"name": …, "arguments": …}]`: Mistral's models up to 2024.
    MistralList,
    /// `[TOOL_CALLS]name[ARGS]{…}`: Mistral's models since 2025.
    MistralArguments,
}

/// The most calls of an answer.
const MOST_CALLS: usize = 32;

/// The marks of calls. A tokeniser may take them for control tokens; in an answer they are text.
pub(crate) const CALL_MARKS: [&str; 6] =
    ["<tool_call>", "</tool_call>", "<|python_tag|>", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"];

impl ToolSyntax {
    /// What a template's source shows; `None` where it shows no syntax that is known here.
    pub(crate) fn of_template(source: &str) -> Option<Self> {
        let has = |mark: &str| source.contains(mark);
        if has("[TOOL_CALLS]") {
            return Some(if has("[ARGS]") { Self::MistralArguments } else { Self::MistralList });
        }
        // Others put XML between the same marks (Qwen3-Coder, GLM).
        if has("<tool_call>") && has("arguments") && !has("<function=") && !has("<arg_key>") {
            return Some(Self::Hermes);
        }
        (has("<|python_tag|>") || has(r#""parameters": dictionary"#)).then_some(Self::Llama)
    }

    /// What a call's arguments are called.
    fn arguments_key(self) -> &'static str {
        if self == Self::Llama { "parameters" } else { "arguments" }
    }

    /// How a call of one of these tools begins where none is forced. A model that was taught little writes the bare object, or
    /// puts it into a fence.
    pub(crate) fn triggers(self, tools: &[ToolDefinition]) -> CallTriggers {
        let anywhere = match self {
            Self::Hermes => vec!["<tool_call>".to_owned()],
            Self::Llama => vec!["<|python_tag|>".to_owned()],
            Self::MistralList | Self::MistralArguments => vec!["[TOOL_CALLS]".to_owned()],
        };
        let mut at_start = Vec::new();
        if matches!(self, Self::Hermes | Self::Llama) {
            for tool in tools {
                at_start.extend(
                    ["", "```json", "```"].map(|fence| format!(r#"{fence}{{"name":"{}""#, tool.name)),
                );
            }
        }
        CallTriggers { anywhere, at_start }
    }

    /// The grammar of an answer that calls these tools. With a format, the answer may also be of that. `forced`: the calls are
    /// in the syntax that the model was taught; else it may begin in any way that [`ToolSyntax::triggers`] names.
    ///
    /// # Errors
    /// A tool's name or schema that cannot be.
    pub(crate) fn grammar(
        self,
        tools: &[ToolDefinition],
        single: bool,
        forced: bool,
        format: Option<&AnswerFormat>,
    ) -> Result<TopLevelGrammar, SchemaError> {
        check_sizes("tools", tools.iter().filter_map(|tool| tool.parameters.as_ref()))?;
        let mut lark = String::from("start: calls");
        if !forced && matches!(self, Self::Hermes | Self::Llama) {
            lark.push_str(" | loose | \"```\" \"json\"? \"\\n\" loose \"\\n```\"");
        }
        if let Some(format) = format {
            let _ = write!(lark, " | content\ncontent: %json {}", crate::answer_grammar::schema_of(format)?);
        }
        let more = |separator: &str, call: &str| {
            if single { String::new() } else { format!("({separator} {call}){{0,{}}}", MOST_CALLS - 1) }
        };
        let calls = match self {
            Self::Hermes => {
                format!("call {}\ncall: \"<tool_call>\\n\" body \"\\n</tool_call>\"", more("\"\\n\"", "call"))
            }
            Self::Llama => "\"<|python_tag|>\"? body".to_owned(),
            Self::MistralList => {
                format!("\"[TOOL_CALLS]\" \" \"? \"[\" body {} \"]\"", more("\", \"", "body"))
            }
            Self::MistralArguments => format!("call {}\ncall: \"[TOOL_CALLS]\" body", more("", "call")),
        };
        let _ = write!(lark, "\ncalls: {calls}");
        for (name, loose) in [("body", false), ("loose", true)] {
            if loose && (forced || !matches!(self, Self::Hermes | Self::Llama)) {
                continue;
            }
            let bodies: Result<Vec<String>, SchemaError> =
                tools.iter().map(|tool| self.body(tool, loose)).collect();
            let _ = write!(lark, "\n{name}: {}", bodies?.join("\n  | "));
        }
        Ok(TopLevelGrammar::from_lark(lark))
    }

    /// One call: `loose` in the blanks between its parts.
    fn body(self, tool: &ToolDefinition, loose: bool) -> Result<String, SchemaError> {
        let field = format!("tools: `{}`", tool.name);
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if tool.name.is_empty() || tool.name.len() > 128 || !tool.name.chars().all(named) {
            let reason = "a tool's name has 1 to 128 letters, digits, `_`, `-` or `.`".into();
            return Err(SchemaError::Invalid { field: "tools".into(), reason });
        }
        let arguments = arguments_schema(&field, tool)?;
        let options = |schema: Value| {
            if loose {
                with_options(&field, schema, tool.strict)
            } else {
                compact_options(&field, schema, tool.strict)
            }
        };
        if self == Self::MistralArguments {
            return Ok(format!("\"{}[ARGS]\" %json {}", tool.name, options(arguments)?));
        }
        let key = self.arguments_key();
        // References of the tool's schema are to its own root, which lies deeper here.
        let arguments = rebased(arguments);
        let mut definitions = Map::new();
        definitions.insert("arguments".into(), arguments);
        let call = json!({
            "$defs": definitions,
            "type": "object",
            "properties": {"name": {"const": tool.name}, key: {"$ref": "#/$defs/arguments"}},
            "required": ["name", key],
            "additionalProperties": false,
        });
        Ok(format!("%json {}", options(call)?))
    }
}

impl ToolChoice {
    /// The tools that may be called.
    pub(crate) fn of(&self, tools: &[ToolDefinition]) -> Vec<ToolDefinition> {
        match self {
            Self::None => Vec::new(),
            Self::Auto | Self::Required => tools.to_vec(),
            Self::Named(name) => tools.iter().filter(|tool| tool.name == *name).cloned().collect(),
        }
    }
}

/// The schema of a tool's arguments: an object, closed where the client does not say otherwise.
fn arguments_schema(field: &str, tool: &ToolDefinition) -> Result<Value, SchemaError> {
    let Some(parameters) = &tool.parameters else {
        return Ok(json!({"type": "object", "properties": {}, "additionalProperties": false}));
    };
    let invalid = |reason: &str| SchemaError::Invalid { field: field.into(), reason: reason.into() };
    let Value::Object(mut schema) = parameters.clone() else {
        return Err(invalid("`parameters` must be a JSON object"));
    };
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => {}
        None if !schema.contains_key("type") => drop(schema.insert("type".into(), "object".into())),
        _ => return Err(invalid("`parameters` must be of the type object")),
    }
    let open = [
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "$ref",
    ];
    if open.iter().all(|key| !schema.contains_key(*key)) {
        schema.entry("properties").or_insert_with(|| json!({}));
        schema.insert("additionalProperties".into(), false.into());
    }
    Ok(Value::Object(schema))
}

/// The schema with its references from its root turned to where it lies.
fn rebased(schema: Value) -> Value {
    match schema {
        Value::Object(members) => {
            let member = |(key, value): (String, Value)| {
                let value = match (key.as_str(), value) {
                    ("$ref", Value::String(reference)) => match reference.strip_prefix('#') {
                        Some(place) if place.is_empty() || place.starts_with('/') => {
                            format!("#/$defs/arguments{place}").into()
                        }
                        _ => Value::String(reference),
                    },
                    // Data, which may look like a reference.
                    ("const" | "enum" | "default" | "example" | "examples", value) => value,
                    (_, value) => rebased(value),
                };
                (key, value)
            };
            Value::Object(members.into_iter().map(member).collect())
        }
        Value::Array(items) => items.into_iter().map(rebased).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_shows_its_syntax() {
        let check =
            |source: &str, expected| assert_eq!(ToolSyntax::of_template(source), expected, "{source}");
        check("{{ messages }}", None);
        check(r#"<tool_call>\n{"name": …, "arguments": …}\n</tool_call>"#, Some(ToolSyntax::Hermes));
        check("<tool_call>\n<function=name> arguments", None);
        check("<tool_call>name\n<arg_key>k</arg_key> arguments", None);
        check("{{ '[TOOL_CALLS] [' }}", Some(ToolSyntax::MistralList));
        check("{{ '[TOOL_CALLS]' + name + '[ARGS]' }}", Some(ToolSyntax::MistralArguments));
        check("{{ '<|python_tag|>' }}", Some(ToolSyntax::Llama));
        check(r#"{"name": function name, "parameters": dictionary of …}"#, Some(ToolSyntax::Llama));
    }

    #[test]
    fn arguments_are_a_closed_object_unless_it_is_said_otherwise() {
        let check = |parameters: Value, expected: Value| {
            let tool = ToolDefinition { parameters: Some(parameters), ..ToolDefinition::named("f") };
            assert_eq!(arguments_schema("f", &tool).unwrap(), expected);
        };
        let closed = json!({"type": "object", "properties": {}, "additionalProperties": false});
        check(json!({}), closed.clone());
        check(json!({"type": "object"}), closed.clone());
        check(
            json!({"type": "object", "additionalProperties": true}),
            json!({"type": "object", "additionalProperties": true}),
        );
        check(json!({"anyOf": []}), json!({"anyOf": [], "type": "object"}));
        assert_eq!(arguments_schema("f", &ToolDefinition::named("f")).unwrap(), closed);
        for parameters in [json!(7), json!({"type": "string"}), json!({"type": ["object"]})] {
            let tool = ToolDefinition { parameters: Some(parameters), ..ToolDefinition::named("f") };
            assert!(matches!(arguments_schema("f", &tool), Err(SchemaError::Invalid { .. })));
        }
    }

    #[test]
    fn references_follow_their_schema() {
        let schema = json!({
            "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$ref": "#"}, "c": {"const": {"$ref": "#"}}},
            "$defs": {"A": {"type": "string"}},
        });
        let expected = json!({
            "properties": {
                "a": {"$ref": "#/$defs/arguments/$defs/A"}, "b": {"$ref": "#/$defs/arguments"}, "c": {"const": {"$ref": "#"}},
            },
            "$defs": {"A": {"type": "string"}},
        });
        assert_eq!(rebased(schema), expected);
    }
}
