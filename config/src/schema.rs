//! The JSON Schema of the configuration file: for editors, and for the check of every key and type.

use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use crate::file::File;

/// The JSON Schema (draft 2020-12) of the configuration file, for editors.
pub fn schema() -> Value {
    of::<File>()
}

/// The schema of a type, without the `null` that optional fields get: nothing written is the same as left out.
pub(crate) fn of<T: schemars::JsonSchema>() -> Value {
    let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<T>();
    RecursiveTransform(drop_null).transform(&mut schema);
    schema.to_value()
}

fn drop_null(schema: &mut schemars::Schema) {
    schema.remove("default");
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
