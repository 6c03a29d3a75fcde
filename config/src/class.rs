//! The class of a model by the size in its name.

use router_policies::ModelClass;

/// The class for a name such as `Qwen2.5-7B-Instruct` or `SmolLM2-135M`; `None` without a size. Of several sizes the
/// first counts, so that `30b-a3b` is 30 billion parameters.
pub(crate) fn by_size(name: &str) -> Option<ModelClass> {
    billions_of_parameters(name).map(|size| match size {
        _ if size < 4.0 => ModelClass::Tiny,
        _ if size < 20.0 => ModelClass::Small,
        _ if size < 120.0 => ModelClass::Medium,
        _ => ModelClass::Frontier,
    })
}

/// The class for a model of which nothing is known but its place in the list, which goes from small to large: were all
/// of one class, no request would look harder for one than for another.
pub(crate) fn by_place(place: usize, count: usize) -> ModelClass {
    match place {
        _ if place + 1 >= count => ModelClass::Frontier,
        0 => ModelClass::Small,
        _ => ModelClass::Medium,
    }
}

/// Billions of parameters by a name such as `qwen3:4b` or a size such as `137M`: a number followed by `b` or `m` that stands
/// alone between separators.
pub fn billions_of_parameters(name: &str) -> Option<f64> {
    name.to_ascii_lowercase().split(['-', '_', '/', ':', ' ', '@']).find_map(|word| {
        // In a file name a word may go on with `.gguf` and the like.
        let end = word.find(['b', 'm'])?;
        let number: f64 = word[..end].parse().ok()?;
        let stands_alone = word[end + 1..].is_empty() || word[end + 1..].starts_with('.');
        stands_alone.then(|| if word[end..].starts_with('m') { number / 1000.0 } else { number })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_by_the_size_in_the_name() {
        for (name, class) in [
            ("models/SmolLM2-135M-Instruct.Q4_1.gguf", ModelClass::Tiny),
            ("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", ModelClass::Tiny),
            ("Qwen/Qwen2.5-7B-Instruct", ModelClass::Small),
            ("llama3.1:8b", ModelClass::Small),
            ("qwen3-30b-a3b", ModelClass::Medium),
            ("Llama-3.1-70B.Q4.gguf", ModelClass::Medium),
            ("llama-3.1-405b", ModelClass::Frontier),
            ("4b", ModelClass::Small),
        ] {
            assert_eq!(by_size(name), Some(class), "{name}");
        }
        for name in ["deepseek-flash", "gpt-6.1-sol", "model.gguf"] {
            assert_eq!(by_size(name), None, "{name}");
        }
    }

    #[test]
    fn guesses_by_the_place_in_the_list() {
        let places = |count| (0..count).map(|place| by_place(place, count)).collect::<Vec<_>>();
        assert_eq!(places(1), [ModelClass::Frontier]);
        assert_eq!(places(2), [ModelClass::Small, ModelClass::Frontier]);
        assert_eq!(
            places(4),
            [ModelClass::Small, ModelClass::Medium, ModelClass::Medium, ModelClass::Frontier]
        );
    }
}
