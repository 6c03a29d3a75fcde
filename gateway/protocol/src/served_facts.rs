//! What a model server says of a model that it serves, in its lists and properties.
//!
//! Read in the servers' sources and seen in their answers (December 2026): llama.cpp (`/props`, `/v1/models`), vLLM and SGLang
//! (`max_model_len`), LM Studio (`/api/v0/models`), Ollama (`/api/ps`, `/api/show`).

use serde_json::Value;

/// What a server says of a model. `None` where it does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServedFacts {
    /// Tokens that prompt and answer may have together, at least 1.
    pub context: Option<u64>,
    /// Whether it takes images.
    pub image: Option<bool>,
    /// Whether it takes sound.
    pub audio: Option<bool>,
}

impl ServedFacts {
    /// From an entry of a list of models: vLLM's, SGLang's, llama.cpp's, LM Studio's, or Ollama's of those that are loaded.
    pub fn of_entry(entry: &Value) -> Self {
        let named = |name: &str| number(&entry[name]);
        let context = named("loaded_context_length")
            .or_else(|| named("max_model_len"))
            .or_else(|| number(&entry["meta"]["n_ctx"]))
            .or_else(|| named("max_context_length"))
            .or_else(|| named("context_length"));
        let modalities = entry["architecture"]["input_modalities"].as_array();
        let takes = |word: &str| modalities.map(|words| words.iter().any(|it| it == word));
        let image = match entry["type"].as_str() {
            Some("vlm") => Some(true),
            Some("llm") => Some(false),
            _ => takes("image"),
        };
        Self { context, image, audio: takes("audio") }
    }

    /// From a list of models: the entry of this name, or the only one, as a server that has one model takes any name.
    pub fn of_list(list: &Value, name: &str) -> Option<Self> {
        let entries = list["data"].as_array().or_else(|| list["models"].as_array())?;
        let is_named =
            |entry: &&Value| ["id", "name", "model"].iter().any(|key| entry[*key].as_str() == Some(name));
        let entry = match entries.as_slice() {
            [only] => Some(only),
            several => several.iter().find(is_named),
        };
        entry.map(Self::of_entry)
    }

    /// From llama.cpp's `/props`. The context is that of one slot, which is what a request may have.
    pub fn of_props(props: &Value) -> Self {
        let settings = &props["default_generation_settings"];
        let says = |name: &str| props["modalities"][name].as_bool();
        Self {
            context: number(&settings["n_ctx"]).or_else(|| number(&props["n_ctx"])),
            image: says("vision"),
            audio: says("audio"),
        }
    }

    /// From Ollama's `/api/show`. The context is the one that the model is set to, else the longest that its weights allow.
    pub fn of_show(show: &Value) -> Self {
        let set = show["parameters"].as_str().and_then(|parameters| {
            let line = parameters.lines().find_map(|line| line.trim().strip_prefix("num_ctx"))?;
            line.trim().parse().ok()
        });
        let trained = || {
            let information = show["model_info"].as_object()?;
            information
                .iter()
                .find(|(name, _)| name.ends_with(".context_length"))
                .and_then(|(_, at)| number(at))
        };
        let capabilities = show["capabilities"].as_array();
        let image = capabilities.map(|words| words.iter().any(|word| word == "vision"));
        Self { context: set.or_else(trained), image, audio: None }
    }

    /// What both say, this one first.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            context: self.context.or(other.context),
            image: self.image.or(other.image),
            audio: self.audio.or(other.audio),
        }
    }

    /// Whether it says anything.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn served(context: Option<u64>, image: Option<bool>, audio: Option<bool>) -> ServedFacts {
        ServedFacts { context, image, audio }
    }

    #[test]
    fn each_server_says_it_in_its_own_list() {
        let check = |entries: Value, expected: Option<ServedFacts>| {
            for key in ["data", "models"] {
                assert_eq!(ServedFacts::of_list(&json!({key: entries}), "m"), expected, "{entries}");
            }
        };
        let context = |tokens| Some(served(Some(tokens), None, None));
        // vLLM and SGLang; llama.cpp, which calls its only model as its file is called; Ollama's of those that are loaded.
        check(
            json!([{"id": "m", "object": "model", "owned_by": "vllm", "max_model_len": 8192}]),
            context(8192),
        );
        let architecture = json!({"input_modalities": ["text"], "output_modalities": ["text"]});
        let file = json!({"id": "/w/x.gguf", "architecture": architecture, "meta": {"n_ctx_train": 32768, "n_ctx": 1024}});
        check(json!([file]), Some(served(Some(1024), Some(false), Some(false))));
        check(json!([{"name": "m", "model": "m", "context_length": 4096}]), context(4096));
        // LM Studio, loaded and not.
        let loaded =
            json!({"id": "m", "type": "llm", "max_context_length": 32768, "loaded_context_length": 4096});
        check(json!([{"id": "other", "type": "vlm"}, loaded]), Some(served(Some(4096), Some(false), None)));
        let idle = json!({"id": "m", "type": "vlm", "state": "not-loaded", "max_context_length": 32768});
        check(json!([idle, {"id": "other"}]), Some(served(Some(32768), Some(true), None)));
        // Nothing of it, and no such list.
        check(json!([{"id": "m", "owned_by": "transformers"}]), Some(ServedFacts::default()));
        check(json!([{"id": "m", "max_model_len": null}]), Some(ServedFacts::default()));
        check(json!([{"id": "a", "max_model_len": 1}, {"id": "b", "max_model_len": 2}]), None);
        check(json!([]), None);
        check(json!("m"), None);
        for list in [json!([]), json!(null), json!(1), json!({})] {
            assert_eq!(ServedFacts::of_list(&list, "m"), None);
        }
    }

    #[test]
    fn properties_say_what_a_slot_has_and_what_is_seen() {
        let props = json!({
            "default_generation_settings": {"id": 0, "n_ctx": 1024, "params": {"n_predict": -1}},
            "total_slots": 2, "modalities": {"vision": false, "audio": true},
        });
        assert_eq!(ServedFacts::of_props(&props), served(Some(1024), Some(false), Some(true)));
        assert!(ServedFacts::of_props(&json!({"default_generation_settings": {"n_ctx": 0}})).is_silent());
        assert!(ServedFacts::of_props(&json!([])).is_silent());
    }

    #[test]
    fn ollama_shows_what_is_set_else_what_was_trained() {
        let show = |parameters: &str| {
            json!({
                "parameters": parameters, "capabilities": ["completion", "vision"],
                "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
            })
        };
        let set =
            ServedFacts::of_show(&show("stop \"<|im_end|>\"\nnum_ctx                        8192\ntop_k 20"));
        assert_eq!(set, served(Some(8192), Some(true), None));
        assert_eq!(ServedFacts::of_show(&show("top_k 20")), served(Some(40960), Some(true), None));
        assert!(ServedFacts::of_show(&json!({"error": "model 'm' not found"})).is_silent());
    }

    #[test]
    fn the_first_to_say_it_holds() {
        let both = served(None, Some(false), None).or(served(Some(5), Some(true), Some(true)));
        assert_eq!(both, served(Some(5), Some(false), Some(true)));
    }
}
