//! The JSON Schema of the configuration file: for editors, and for the check of every key and type.

use schemars::transform::{RecursiveTransform, Transform};
use serde_json::{Map, Value, json};

use crate::file::ConfigFile;

/// In [`of`], the better name of a key or of a variant's `kind`. It stands beside the name that serde knows.
pub(crate) const BETTER_NAME: &str = "x-better-name";

/// The JSON Schema (draft 2020-12) of the configuration file, for editors. Older names of keys are marked as deprecated.
pub fn schema() -> Value {
    let mut schema = of::<ConfigFile>();
    offer_better_names(&mut schema);
    // A build with the engine keeps the order of members, one without sorts them.
    schema.sort_all_objects();
    schema
}

/// The same with the values that keys have by default, where the types say so: for the reference page.
pub fn schema_with_defaults() -> Value {
    let mut schema = with_defaults::<ConfigFile>().to_value();
    offer_better_names(&mut schema);
    schema.sort_all_objects();
    schema
}

/// The schema of a type by the names that serde knows, without the `null` that optional fields get: nothing written is the same as left out.
pub(crate) fn of<T: schemars::JsonSchema>() -> Value {
    let mut schema = with_defaults::<T>();
    RecursiveTransform(|schema: &mut schemars::Schema| drop(schema.remove("default"))).transform(&mut schema);
    schema.to_value()
}

fn with_defaults<T: schemars::JsonSchema>() -> schemars::Schema {
    let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<T>();
    RecursiveTransform(drop_null).transform(&mut schema);
    schema
}

/// Lists each better name beside the older one, which is marked as deprecated.
fn offer_better_names(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(offer_better_names),
        Value::Object(schema) => {
            schema.values_mut().for_each(offer_better_names);
            offer_better_kind(schema);
            offer_better_keys(schema);
        }
        _ => {}
    }
}

fn offer_better_kind(schema: &mut Map<String, Value>) {
    if !schema.contains_key("properties") {
        return;
    }
    let Some(better) = schema.remove(BETTER_NAME) else { return };
    let Some(Value::Object(kind)) = schema.get_mut("properties").and_then(|all| all.get_mut("kind")) else {
        return;
    };
    if let Some(older) = kind.remove("const") {
        kind.insert("enum".to_owned(), Value::from(vec![better, older]));
    }
}

fn offer_better_keys(schema: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    let mut renamed = Vec::new();
    for (older, property) in properties.iter_mut() {
        let Some(property) = property.as_object_mut() else { continue };
        let Some(Value::String(better)) = property.remove(BETTER_NAME) else { continue };
        renamed.push((older.clone(), better.clone(), Value::Object(property.clone())));
        property.insert("deprecated".to_owned(), Value::Bool(true));
        property.insert("description".to_owned(), Value::from(format!("An older name of `{better}`.")));
    }
    for (_, better, property) in &renamed {
        properties.insert(better.clone(), property.clone());
    }
    let Some(Value::Array(required)) = schema.get_mut("required") else { return };
    let mut either = Vec::new();
    for (older, better, _) in renamed {
        if let Some(at) = required.iter().position(|key| key.as_str() == Some(older.as_str())) {
            required.remove(at);
            either.push(json!({ "oneOf": [{ "required": [better] }, { "required": [older] }] }));
        }
    }
    if !either.is_empty() {
        schema.insert("allOf".to_owned(), Value::Array(either));
    }
}

fn drop_null(schema: &mut schemars::Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|word| word != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    let Some(Value::Array(choices)) = schema.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type") != Some(&Value::from("null")));
    if let [Value::Object(one)] = choices.as_slice() {
        let one = one.clone();
        schema.remove("anyOf");
        for (key, value) in one {
            schema.insert(key, value);
        }
    }
}
