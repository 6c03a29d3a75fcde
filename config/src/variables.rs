//! Where a configuration finds its variables.

/// Where `${NAME}` is looked up; `|name| std::env::var(name).ok()` in the program.
pub type EnvLookup<'a> = dyn Fn(&str) -> Option<String> + 'a;
