//! The class of a model by the size in its name.

use router_policies::Class;

/// The class for a name such as `Qwen2.5-7B-Instruct` or `SmolLM2-135M`. Without a size: tiny for an embedded model,
/// frontier for any other. Of several sizes the first counts, so that `30b-a3b` is 30 billion parameters.
pub(crate) fn guess(name: &str, embedded: bool) -> Class {
    match billions(name) {
        Some(size) if size < 4.0 => Class::Tiny,
        Some(size) if size < 20.0 => Class::Small,
        Some(size) if size < 120.0 => Class::Medium,
        Some(_) => Class::Frontier,
        None if embedded => Class::Tiny,
        None => Class::Frontier,
    }
}

/// Billions of parameters: a number followed by `b` or `m` that stands alone between separators.
fn billions(name: &str) -> Option<f64> {
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
            ("models/SmolLM2-135M-Instruct.Q4_1.gguf", Class::Tiny),
            ("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", Class::Tiny),
            ("Qwen/Qwen2.5-7B-Instruct", Class::Small),
            ("llama3.1:8b", Class::Small),
            ("qwen3-30b-a3b", Class::Medium),
            ("Llama-3.1-70B.Q4.gguf", Class::Medium),
            ("llama-3.1-405b", Class::Frontier),
            ("deepseek-flash", Class::Frontier),
            ("gpt-6.1-sol", Class::Frontier),
            ("4b", Class::Small),
        ] {
            assert_eq!(guess(name, false), class, "{name}");
        }
        assert_eq!(guess("model.gguf", true), Class::Tiny);
    }
}
