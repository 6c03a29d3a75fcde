use gateway_config::{from_str, redacted};

const KEY: &str = "sk-0123456789abcdef";

/// A configuration is read or refused, the same way twice; what is refused has its reasons in the order of its lines, and
/// what is shown of what is read has no key in it.
pub fn configuration(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let env = |name: &str| name.starts_with("KEY").then(|| format!("{KEY}{name}"));
    match (from_str(text, None, &env), from_str(text, None, &env)) {
        (Ok(config), Ok(again)) => {
            let shown = redacted(&config).to_string();
            assert_eq!(shown, redacted(&again).to_string());
            assert!(!shown.contains(KEY) && !format!("{config:?}").contains(KEY), "a key is shown");
        }
        (Err(problems), Err(again)) => {
            assert_eq!(problems, again);
            let lines: Vec<_> = problems.iter().map(|problem| problem.line.unwrap_or(usize::MAX)).collect();
            assert!(!lines.is_empty() && lines.is_sorted(), "{problems}");
            assert!(!problems.to_string().contains(KEY), "a key is shown");
        }
        (one, other) => panic!("{:?}, then {:?}", one.err(), other.err()),
    }
}
