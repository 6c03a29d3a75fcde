//! Where a configuration finds its variables.

/// Where `${NAME}` is looked up; `|name| std::env::var(name).ok()` in the program.
pub type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;
