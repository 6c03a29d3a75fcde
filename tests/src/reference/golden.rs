//! Files that are held to what the gateway says now.

use std::path::{Path, PathBuf};

/// Set to `write` by `make reference`: files are written in place of being compared.
const SWITCH: &str = "XIETONG_REFERENCE";

/// A golden file, by its name.
pub fn file(name: &str) -> PathBuf {
    root().join("tests/golden").join(name)
}

/// Fails where a golden file is not this text: a name that dashboards, scripts or stored data go by has changed.
pub fn hold(name: &str, text: &str) {
    let path = format!("tests/golden/{name}");
    let difference = difference(&path, text);
    assert!(
        difference.is_none(),
        "{path} is not what the gateway says now. Users, dashboards and stored data go by these names.\n\
         An addition that is meant: run `make reference`, look at what it changes, and commit that.\n\
         Anything else that is missing or renamed breaks them: give it its name back.\n{}",
        difference.unwrap_or_default()
    );
}

/// The same of what earlier gateways wrote, as it is read today: a file that is there is never written anew.
pub fn hold_frozen(name: &str, text: &str) {
    if !file(name).exists() {
        return hold(name, text);
    }
    let was = std::fs::read_to_string(file(name)).unwrap_or_else(|why| panic!("tests/golden/{name}: {why}"));
    assert!(
        was == text,
        "what an earlier gateway wrote is read otherwise than tests/golden/{name} has it. Balances and figures of today's users \
         change with that. A figure that is only added: remove the file, run `make reference`, and look at the difference.\n{}",
        lines(&was, text)
    );
}

/// Fails where a page of `docs/reference` is not this text.
pub fn hold_page(name: &str, text: &str) {
    let path = format!("docs/reference/{name}");
    let difference = difference(&path, text);
    assert!(
        difference.is_none(),
        "{path} is stale: run `make reference`, and commit what it writes.\n{}",
        difference.unwrap_or_default()
    );
}

/// What a file says otherwise; nothing after it was written.
fn difference(path: &str, text: &str) -> Option<String> {
    let file = root().join(path);
    if std::env::var(SWITCH).is_ok_and(|word| word == "write") {
        std::fs::write(&file, text).unwrap_or_else(|why| panic!("{path}: {why}"));
        return None;
    }
    let was =
        std::fs::read_to_string(&file).unwrap_or_else(|why| panic!("{path}: {why}: run `make reference`"));
    (was != text).then(|| lines(&was, text))
}

/// Lines that stand in one text and not in the other, 40 at most.
fn lines(was: &str, is: &str) -> String {
    let only = |one: &str, other: &str, sign: &str| -> Vec<String> {
        let other: Vec<&str> = other.lines().collect();
        one.lines().filter(|line| !other.contains(line)).map(|line| format!("  {sign} {line}")).collect()
    };
    let mut lines = only(was, is, "-");
    lines.extend(only(is, was, "+"));
    lines.truncate(40);
    if lines.is_empty() { "  (the order of lines)".to_owned() } else { lines.join("\n") }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in a folder of the workspace")
}
