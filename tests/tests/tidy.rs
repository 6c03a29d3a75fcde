//! Rules of the project that no compiler checks. Each says why it is one.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in a folder of the workspace")
        .to_owned()
}

/// The project's files, by their path from the workspace's folder.
pub(crate) fn names() -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let foreign =
                ["target", "models", ".git", ".venv", "__pycache__", ".pytest_cache", "node_modules"];
            if foreign.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(root()).expect("it is below the root");
                names.push(path.to_string_lossy().into_owned());
            }
        }
    }
    names
}

/// The project's files that end so, by their path from the workspace's folder, with their text.
fn files(extensions: &[&str]) -> Vec<(String, String)> {
    let ends = |name: &String| extensions.iter().any(|extension| name.ends_with(extension));
    let text = |name: &String| std::fs::read_to_string(root().join(name)).expect("text in UTF-8");
    let files: Vec<_> = names().into_iter().filter(ends).map(|name| (name.clone(), text(&name))).collect();
    assert!(!files.is_empty(), "no file ends in {extensions:?}");
    files
}

/// The lines before a file's tests.
fn without_tests(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    code.take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
}

/// Fails with all findings at once.
fn none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// Same input, same output, on any machine: a decision can be replayed from its log line. What of the standard library has
/// a clock, a socket, a file or a thread is forbidden by the crate's clippy.toml; what depends on nothing that has them, nor
/// on a runtime, chance or a log, has none of them by way of others.
#[test]
fn policies_think_and_do_nothing_else() {
    let pure = ["jiff", "pulp", "schemars", "serde", "serde_json", "thiserror"];
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let policies = packages.iter().find(|package| package["name"] == "router-policies").expect("the crate");
    let needed = policies["dependencies"].as_array().expect("dependencies").iter();
    let needed: Vec<_> = needed
        .filter(|it| it["kind"] != "dev")
        .map(|it| it["name"].as_str().expect("a name").to_owned())
        .collect();
    assert!(needed.iter().any(|name| name == "serde"), "{needed:?}");
    let acting = needed.into_iter().filter(|name| !pure.contains(&name.as_str())).collect();
    none(&format!("router-policies depends on {pure:?} alone"), acting);
    let bans = std::fs::read_to_string(root().join("router-policies/clippy.toml")).expect("the crate's bans");
    for banned in
        ["std::time::Instant", "std::fs::read", "std::net::TcpStream", "std::env::var", "std::thread::spawn"]
    {
        assert!(bans.contains(&format!("path = \"{banned}\"")), "{banned} is forbidden");
    }
}

/// What cargo says of the workspace.
fn metadata() -> Value {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    serde_json::from_slice(&metadata.stdout).expect("cargo metadata is JSON")
}

/// A file that one cannot read at a sitting hides a noun that deserves its own.
#[test]
fn files_are_small() {
    let is_test = |name: &str| name.contains("/tests/") || name.ends_with("/tests.rs");
    let long = files(&[".rs"]).into_iter().filter_map(|(name, text)| {
        let lines = without_tests(&text).count();
        (lines > 400 && !is_test(&name)).then(|| format!("{name}: {lines} lines"))
    });
    none("files have at most 400 lines without tests", long.collect());
}

/// Tables in the form of a function: a row a case, and nothing else.
const TABLES: [(&str, &str); 2] =
    [("gateway/src/error.rs", "fn template("), ("tests/tests/reliability.rs", "fn odd_bytes(")];

/// A function that does not fit on a screen does several things.
#[test]
fn functions_are_short() {
    let mut findings = Vec::new();
    for (name, text) in files(&[".rs"]) {
        let mut open: Option<(usize, &str, usize)> = None;
        for (at, line) in without_tests(&text) {
            let indent = line.len() - line.trim_start().len();
            let code = line.trim_start();
            let begins = [
                "fn ",
                "pub fn ",
                "pub(crate) fn ",
                "pub(super) fn ",
                "async fn ",
                "pub async fn ",
                "pub(crate) async fn ",
                "pub(super) async fn ",
            ];
            if open.is_none() && begins.iter().any(|begin| code.starts_with(begin)) && !code.ends_with(';') {
                open = Some((at, code, indent));
            }
            if let Some((start, head, depth)) = open
                && (line == format!("{}}}", " ".repeat(depth)) || (at == start && code.ends_with('}')))
            {
                let table = TABLES.iter().any(|(file, function)| name == *file && head.contains(function));
                if at - start > 60 && !table {
                    findings.push(format!("{name}:{start}: {} lines: {head}", at - start));
                }
                open = None;
            }
        }
    }
    none("functions have at most 60 lines", findings);
}

/// Such a module takes whatever has no place, and so keeps it from finding one.
#[test]
fn modules_are_named_for_what_they_hold() {
    let nameless = ["utils", "util", "helpers", "helper", "common", "manager", "misc"];
    let named = files(&[".rs", ".py"]).into_iter().filter_map(|(name, _)| {
        let parts = name.trim_end_matches(".rs").trim_end_matches(".py").split('/');
        parts.into_iter().any(|part| nameless.contains(&part)).then_some(name.clone())
    });
    none("no utils, helpers, common, manager", named.collect());
}

/// What works here only must not be written down.
#[test]
fn nothing_names_one_machine() {
    let (work, tmp, home) = (["/wo", "rk/"].concat(), ["/tm", "p/b "].concat(), ["/ro", "ot/"].concat());
    let mut findings = Vec::new();
    for (name, text) in
        files(&[".rs", ".toml", ".md", ".yaml", ".yml", ".py", "Makefile", "run", "check", "install"])
    {
        for (at, line) in text.lines().enumerate() {
            let found = [&work, &tmp, &home].into_iter().filter(|path| line.contains(path.as_str()));
            findings.extend(found.map(|path| format!("{name}:{}: {path}", at + 1)));
        }
    }
    none("no path of one machine", findings);
}

/// Policies know nothing of configuration, configuration nothing of the gateway.
#[test]
fn crates_depend_in_one_direction() {
    let order = [
        "router-policies",
        "gateway-config",
        "ledger",
        "protocol",
        "small-model",
        "upstreams",
        "gateway",
        "end-to-end",
    ];
    let metadata = metadata();
    let rank = |name: &Value| order.iter().position(|member| *member == name.as_str().unwrap_or_default());
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let Some(own) = rank(&package["name"]) else { continue };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            if dependency["kind"].is_null() && rank(&dependency["name"]).is_some_and(|other| other >= own) {
                findings.push(format!("{} needs {}", package["name"], dependency["name"]));
            }
        }
    }
    none(&format!("crates depend only on those before them in {order:?}"), findings);
    assert!(metadata["packages"].as_array().is_some_and(|packages| packages.len() >= order.len()));
}

/// An allowed lint is an exception, and an exception has a reason. In tests and examples it is that they are none of
/// the product.
#[test]
fn every_allowance_has_a_reason() {
    let mut findings = Vec::new();
    for (name, text) in files(&[".rs"]) {
        if name.contains("/tests/") || name.contains("/examples/") {
            continue;
        }
        for (at, line) in text.lines().enumerate() {
            let code = line.trim_start();
            let one_line =
                (code.starts_with("#[allow(") || code.starts_with("#![allow(")) && code.ends_with(")]");
            if one_line && !code.contains("reason = ") {
                findings.push(format!("{name}:{}: {code}", at + 1));
            }
        }
    }
    none("#[allow] says why", findings);
}

/// A file of tests that is no module of the program of tests would never run.
#[test]
fn every_file_of_tests_is_run() {
    let program = include_str!("all.rs");
    let forgotten = files(&[".rs"]).into_iter().filter_map(|(name, _)| {
        let module = name.strip_prefix("tests/tests/")?.strip_suffix(".rs")?;
        (module != "all" && !program.contains(&format!("mod {module};\n"))).then_some(name.clone())
    });
    none("tests/tests/all.rs names every file beside it", forgotten.collect());
}

/// A page that leads to a file which has moved sends a newcomer astray. Words in capitals stand for any name.
#[test]
fn pages_name_files_that_exist() {
    let top =
        ["gateway/", "router-policies/", "config/", "small-model/", "tests/", "deploy/", "docs/", ".ci/"];
    let is_placeholder = |path: &str| {
        let stem = path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
        stem.len() > 1 && !path.ends_with(".md") && stem.chars().all(|sign| sign.is_ascii_uppercase())
    };
    let mut findings = Vec::new();
    for (name, text) in files(&[".md"]) {
        let folder = root().join(&name).parent().expect("a page is in a folder").to_owned();
        for path in text.split('`').skip(1).step_by(2) {
            let plain = path.chars().all(|sign| sign.is_ascii_alphanumeric() || "._-/".contains(sign));
            let leads = plain && top.iter().any(|top| path.starts_with(top)) && !is_placeholder(path);
            if leads && !root().join(path).exists() && !folder.join(path).exists() {
                findings.push(format!("{name}: {path}"));
            }
        }
    }
    none("pages name files and folders that exist", findings);
}
