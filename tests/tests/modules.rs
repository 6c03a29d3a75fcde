//! Modules import in one direction: read from the source's own `use` and path expressions, without its tests.
//!
//! Modules beside each other, each with all that is below it, must not form a circle. A module and what is below it may
//! use each other: they are one room. What stands in `lib.rs` itself counts as a module above all others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::{TokenStream, TokenTree};
use serde_json::Value;
use syn::visit::{self, Visit};
use syn::{Attribute, ExprCall, File, ImplItem, Item, ItemMod, ItemUse, Macro, UseTree, VisRestricted};

/// The floors of the crates under `gateway/`, from the top down: a module imports only from floors below its own.
const FLOORS: [(&str, &[&[&str]]); 4] = [
    (
        "gateway",
        &[
            &["reference"],
            &["commands"],
            &["lib"],
            &["admin", "api"],
            &["pipeline", "reload"],
            &["admit", "assess", "gateway", "models", "server"],
            &["error_response", "snapshot"],
            &["body", "route_state"],
            &["explore", "relay"],
            &["dispatch"],
            &["account"],
            &["traces"],
            &["pool_observer", "telemetry"],
            &["endpoint", "facts", "metrics"],
            &["assessment", "error", "log", "report", "steering"],
            &["record"],
            &["pricing", "rate_limit_headers", "trace_context", "weights"],
            &[
                "arrivals",
                "build_info",
                "local_servers",
                "session_affinity",
                "shutdown_deadline",
                "routing_overrides",
                "machine_time",
                "terminal",
            ],
        ],
    ),
    (
        "ledger",
        &[
            &["lib"],
            &["client_quota"],
            &["lease_broker"],
            &["writer", "file_store", "redis_store"],
            &["ledger_file", "store"],
            &["budget_lease", "line", "record_batch"],
            &["usage_record"],
            &["atomic", "balance", "rate_limiter", "budget_period", "local_balance", "store_error"],
        ],
    ),
    (
        "upstreams",
        &[
            &["lib"],
            &["pool"],
            &["endpoint"],
            &["embedded", "remote"],
            &["embedded_limits", "http1_transport", "response_parts"],
            &["breaker", "events", "connection", "inquiry", "load", "decoded_body", "api_paths"],
            &["upstream"],
            &["address", "deadlines", "http1", "outgoing_request", "queue_patience", "reqwest_transport"],
            &["pool_error", "transport", "served_limits"],
            &["retry_budget", "request_id", "attempt_error"],
            &["header_names"],
        ],
    ),
    (
        "protocol",
        &[
            &["lib"],
            &["upstream"],
            &["logprobs", "provider_quirks", "into_chunks", "request_fit"],
            &[
                "client",
                "prefill",
                "expected_format",
                "image_token_rules",
                "counted_tokens",
                "engine_request",
                "requested_thought",
                "chosen_terms",
                "conversation_key",
                "usage_chunk",
                "completion",
                "past_calls",
            ],
            &["engine_tools"],
            &["engine_format"],
            &["chat", "aggregate", "chunk_reader", "native_usage", "write"],
            &["chunk", "messages", "original_request"],
            &["provider_error"],
            &["attachments", "conversions", "fields", "sse", "tool_schema", "usage", "vectors"],
            &["call_ids"],
            &["json", "value", "answer_texts", "choice_marks"],
            &["image_tokens", "bad_request", "scan", "text_profile"],
            &[
                "endpoint",
                "estimate",
                "finish_reason",
                "json_error",
                "retry_after",
                "image_size",
                "json_str",
                "said_context",
                "served_facts",
                "tokenizer_family",
                "call_pieces",
            ],
        ],
    ),
];

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in a folder of the workspace")
        .to_owned()
}

/// The packages of the workspace, with their folders.
pub(crate) fn packages() -> Vec<(String, PathBuf)> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages").iter().map(|package| {
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
        let folder = manifest.parent().expect("a manifest is in a folder").to_owned();
        (package["name"].as_str().expect("a name").to_owned(), folder)
    });
    packages.collect()
}

/// The files of a package's library, or of its program where it has no library, by their path from its `src`.
pub(crate) fn sources(package: &Path) -> Vec<(String, String)> {
    let src = package.join("src");
    let (mut files, mut folders) = (Vec::new(), vec![src.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let path = entry.path();
            let name =
                path.strip_prefix(&src).expect("it is below the folder").to_string_lossy().into_owned();
            if path.is_dir() && name != "bin" {
                folders.push(path);
            } else if name.ends_with(".rs") {
                files.push((name, std::fs::read_to_string(&path).expect("text in UTF-8")));
            }
        }
    }
    if files.iter().any(|(name, _)| name == "lib.rs") {
        files.retain(|(name, _)| name != "main.rs");
    }
    files
}

#[test]
fn no_modules_form_a_circle() {
    let packages = packages();
    assert!(packages.len() >= 6, "{packages:?}");
    let mut findings: Vec<String> = Vec::new();
    for (name, folder) in packages {
        let graph = Graph::of(&sources(&folder));
        assert!(!graph.modules.is_empty(), "{name} has no source");
        findings.extend(graph.circles().into_iter().map(|circle| format!("{name}: {circle}")));
    }
    assert!(findings.is_empty(), "modules form circles:\n{}", findings.join("\n"));
}

#[test]
fn modules_import_only_from_floors_below() {
    let below = root().join("gateway");
    let mut findings = Vec::new();
    for (name, folder) in packages().into_iter().filter(|(_, folder)| folder.starts_with(&below)) {
        match FLOORS.iter().find(|(package, _)| *package == name) {
            Some((_, floors)) => {
                let climbs = Graph::of(&sources(&folder)).climbs(floors);
                findings.extend(climbs.into_iter().map(|climb| format!("{name}: {climb}")));
            }
            None => {
                findings.push(format!("{name}: its floors are not written down in tests/tests/modules.rs"))
            }
        }
    }
    assert!(findings.is_empty(), "imports from above:\n{}", findings.join("\n"));
}

/// A module by the names on the way to it; the crate's root has none.
type Name = Vec<String>;

/// What one module says of others.
#[derive(Default)]
struct Module {
    file: String,
    children: BTreeSet<String>,
    /// What is defined in it.
    items: BTreeSet<String>,
    /// What it imports: under which name, by which path.
    imports: BTreeMap<String, Vec<String>>,
    /// Modules of which it imports all.
    globs: Vec<Vec<String>>,
    /// Every path in it, with its line.
    paths: Vec<(Vec<String>, usize)>,
}

/// An import: from which file and line, and its words.
type Import = String;

/// The modules of a crate, and who imports from whom.
struct Graph {
    modules: BTreeMap<Name, Module>,
}

impl Graph {
    /// Of these files, by their path from `src`.
    fn of(files: &[(String, String)]) -> Self {
        let mut modules = BTreeMap::new();
        let mut tests = Vec::new();
        for (file, text) in files {
            let parsed = syn::parse_file(text).unwrap_or_else(|fault| panic!("{file}: {fault}"));
            let mut name: Name = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            if matches!(name.last().map(String::as_str), Some("mod" | "lib" | "main")) {
                name.pop();
            }
            read(file, name, &parsed, &mut modules, &mut tests);
        }
        // A file that only tests see is none of the library, nor is what lies below it.
        modules.retain(|name: &Name, _| !tests.iter().any(|test| name.starts_with(test)));
        Self { modules }
    }

    /// The imports between the parts of each module: who, from whom, and where.
    fn arrows(&self) -> BTreeMap<Name, BTreeMap<(String, String), Import>> {
        let mut arrows: BTreeMap<Name, BTreeMap<(String, String), Import>> = BTreeMap::new();
        for (from, module) in &self.modules {
            for (path, line) in &module.paths {
                let Some(to) = self.resolve(from, path, 0) else { continue };
                let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                let part = |name: &Name| match name.get(shared) {
                    Some(part) => Some(part.clone()),
                    None => (shared == 0).then(|| "lib".to_owned()),
                };
                let (Some(importer), Some(imported)) = (part(from), part(&to)) else { continue };
                if importer != imported {
                    let import = format!("{}:{line}: {}", module.file, path.join("::"));
                    arrows
                        .entry(from[..shared].to_vec())
                        .or_default()
                        .entry((importer, imported))
                        .or_insert(import);
                }
            }
        }
        arrows
    }

    /// The module that defines what a path in `from` leads to; `None` for what is not the crate's own. Names that are
    /// handed on are followed to where they come from.
    fn resolve(&self, from: &Name, path: &[String], depth: usize) -> Option<Name> {
        if depth > 16 {
            return None;
        }
        let (first, mut rest) = path.split_first()?;
        let mut at = from.clone();
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            _ => {
                let module = self.modules.get(from)?;
                let known = module.children.contains(first) || module.imports.contains_key(first);
                let by_glob = !known
                    && module.globs.iter().any(|glob| self.through(from, glob, first, depth).is_some());
                if !known && !by_glob {
                    return None;
                }
                rest = path;
            }
        }
        while let Some((name, after)) = rest.split_first() {
            let Some(module) = self.modules.get(&at) else { break };
            if name == "super" {
                at.pop();
            } else if module.children.contains(name) {
                at.push(name.clone());
            } else if let Some(import) = module.imports.get(name).filter(|import| import.as_slice() != path) {
                let onward: Vec<String> = import.iter().chain(after).cloned().collect();
                return self.resolve(&at, &onward, depth + 1);
            } else if module.items.contains(name) {
                break;
            } else {
                let mut globs = module.globs.iter();
                return globs.find_map(|glob| self.through(&at, glob, name, depth)).or(Some(at));
            }
            rest = after;
        }
        Some(at)
    }

    /// Where a name comes from that `use glob::*` in `from` brings along, if it does.
    fn through(&self, from: &Name, glob: &[String], name: &str, depth: usize) -> Option<Name> {
        let source = self.resolve(from, glob, depth + 1)?;
        let module = self.modules.get(&source)?;
        let has = module.items.contains(name)
            || module.children.contains(name)
            || module.imports.contains_key(name);
        let path = [String::from("self"), name.to_owned()];
        has.then(|| self.resolve(&source, &path, depth + 1)).flatten()
    }

    /// Every circle, with an import for each of its arrows.
    fn circles(&self) -> Vec<String> {
        let mut circles = Vec::new();
        for (parent, arrows) in self.arrows() {
            let parts: BTreeSet<&String> = arrows.keys().flat_map(|(from, to)| [from, to]).collect();
            let reached: BTreeMap<&String, BTreeSet<&String>> =
                parts.iter().map(|&part| (part, reach(part, &arrows))).collect();
            let mut told = BTreeSet::new();
            for &part in &parts {
                let circle: BTreeSet<&String> =
                    reached[part].iter().copied().filter(|&other| reached[other].contains(part)).collect();
                if circle.is_empty() || !told.insert(circle.clone()) {
                    continue;
                }
                let names: Vec<&str> = circle.iter().map(|name| name.as_str()).collect();
                let within =
                    arrows.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
                let imports: Vec<String> =
                    within.map(|((from, to), import)| format!("    {from} → {to}: {import}")).collect();
                let place = if parent.is_empty() { "the crate".to_owned() } else { parent.join("::") };
                circles.push(format!("in {place}: {}\n{}", names.join(", "), imports.join("\n")));
            }
        }
        circles
    }

    /// Every import from a floor that is not below, and every module that has no floor, and every floor's module that is
    /// not there.
    fn climbs(&self, floors: &[&[&str]]) -> Vec<String> {
        let floor = |name: &str| floors.iter().position(|floor| floor.contains(&name));
        let root = self.modules.get(&Name::new());
        let modules: BTreeSet<&str> =
            root.into_iter().flat_map(|root| &root.children).map(String::as_str).collect();
        let homeless = modules.iter().filter(|name| floor(name).is_none());
        let mut found: Vec<String> = homeless.map(|name| format!("{name} has no floor")).collect();
        let named = floors.iter().copied().flatten().filter(|name| **name != "lib");
        found
            .extend(named.filter(|name| !modules.contains(**name)).map(|name| format!("there is no {name}")));
        for ((from, to), import) in self.arrows().remove(&Name::new()).unwrap_or_default() {
            if let (Some(own), Some(other)) = (floor(&from), floor(&to))
                && other <= own
            {
                found.push(format!("{import}: {from} is not above {to}"));
            }
        }
        found
    }
}

/// What can be reached from a module by one import or more.
fn reach<'a>(from: &String, arrows: &'a BTreeMap<(String, String), Import>) -> BTreeSet<&'a String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        for (_, to) in arrows.keys().filter(|(start, _)| start == at) {
            if reached.insert(to) {
                open.push(to);
            }
        }
    }
    reached
}

/// Reads a file, and the modules that stand in it.
fn read(file: &str, name: Name, parsed: &File, modules: &mut BTreeMap<Name, Module>, tests: &mut Vec<Name>) {
    let mut reader = Reader { at: name, file: file.to_owned(), modules, tests };
    reader.module().file = file.to_owned();
    reader.visit_file(parsed);
}

/// Walks through a file.
struct Reader<'a> {
    at: Name,
    file: String,
    modules: &'a mut BTreeMap<Name, Module>,
    tests: &'a mut Vec<Name>,
}

impl Reader<'_> {
    fn module(&mut self) -> &mut Module {
        let module = self.modules.entry(self.at.clone()).or_default();
        if module.file.is_empty() {
            module.file.clone_from(&self.file);
        }
        module
    }

    fn import(&mut self, tree: &UseTree, before: &[String], line: usize) {
        let with = |name: String| before.iter().cloned().chain([name]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &with(path.ident.to_string()), line),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, before, line));
            }
            UseTree::Glob(_) => self.module().globs.push(before.to_vec()),
            UseTree::Name(_) | UseTree::Rename(_) => {
                let (of, own) = match tree {
                    UseTree::Rename(rename) => (rename.ident.to_string(), rename.rename.to_string()),
                    UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
                    _ => return,
                };
                let (path, own) = match (of.as_str(), before.last()) {
                    ("self", Some(last)) => (before.to_vec(), if own == "self" { last.clone() } else { own }),
                    _ => (with(of), own),
                };
                let module = self.module();
                module.paths.push((path.clone(), line));
                module.imports.insert(own, path);
            }
        }
    }

    fn path(&mut self, path: Vec<String>, line: usize) {
        self.module().paths.push((path, line));
    }

    /// Paths in what only a macro can parse.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut line, mut colons) = (Vec::new(), 0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.ends(&mut path, line);
                    }
                    line = ident.span().start().line;
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                token => {
                    self.ends(&mut path, line);
                    colons = 0;
                    if let TokenTree::Group(group) = token {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.ends(&mut path, line);
    }

    fn ends(&mut self, path: &mut Vec<String>, line: usize) {
        if path.len() > 1 {
            self.path(path.clone(), line);
        }
        path.clear();
    }
}

/// Whether something is there for tests alone.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let words = |list: &syn::MetaList| {
            list.tokens.to_string().split(|c: char| !c.is_alphanumeric()).any(|word| word == "test")
        };
        match &attribute.meta {
            syn::Meta::List(list) => {
                list.path.is_ident("cfg") && words(list) && !list.tokens.to_string().contains("not")
            }
            meta => meta.path().is_ident("test"),
        }
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

fn defined(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(it) => &it.ident,
        Item::Enum(it) => &it.ident,
        Item::Fn(it) => &it.sig.ident,
        Item::Static(it) => &it.ident,
        Item::Struct(it) => &it.ident,
        Item::Trait(it) => &it.ident,
        Item::Type(it) => &it.ident,
        Item::Macro(it) => it.ident.as_ref()?,
        _ => return None,
    };
    Some(ident.to_string())
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(module) if is_test(&module.attrs) => {
                self.tests.push(self.at.iter().cloned().chain([module.ident.to_string()]).collect());
            }
            item if is_test(attributes(item)) => {}
            item => {
                if let Some(name) = defined(item) {
                    self.module().items.insert(name);
                }
                visit::visit_item(self, item);
            }
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let only_for_tests = matches!(item, ImplItem::Fn(function) if is_test(&function.attrs));
        if !only_for_tests {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let name = module.ident.to_string();
        self.module().children.insert(name.clone());
        if let Some((_, items)) = &module.content {
            self.at.push(name);
            self.module();
            items.iter().for_each(|item| self.visit_item(item));
            self.at.pop();
        }
    }

    fn visit_item_use(&mut self, import: &'ast ItemUse) {
        let line = import.use_token.span.start().line;
        // `use ::name` is another crate, whatever is called so here.
        let outside: &[String] = if import.leading_colon.is_some() { &[String::new()] } else { &[] };
        self.import(&import.tree, outside, line);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_some() {
            return visit::visit_path(self, path);
        }
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        // A small letter alone may be a variable.
        if names.len() > 1 || names.iter().all(|name| name.starts_with(char::is_uppercase)) {
            let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
            self.path(names, line);
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let syn::Expr::Path(function) = &*call.func
            && let Some(name) = function.path.get_ident()
        {
            self.path(vec![name.to_string()], name.span().start().line);
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, macros: &'ast Macro) {
        visit::visit_macro(self, macros);
        self.tokens(macros.tokens.clone());
    }

    /// Says who may see something, and imports nothing.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}
}

/// A crate of these files, with these modules in its root.
fn made_up(files: &[(&str, &str)]) -> Graph {
    let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Graph::of(&files)
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let check = |b: &str, expected: &[&str]| {
        let lib = "mod a; mod b; mod c; pub use b::Renamed as Shown;";
        let a = "use crate::b::B;\npub struct A;\npub fn a() {}\npub mod inner { pub struct Deep; }";
        let c = "pub use crate::a::A as Handed;\npub use crate::a::inner;";
        let found = made_up(&[("lib.rs", lib), ("a.rs", a), ("b/mod.rs", b), ("c.rs", c)]).circles();
        let lines: Vec<&str> =
            found.iter().flat_map(|circle| circle.lines().skip(1)).map(str::trim).collect();
        let backward: Vec<&str> = lines.into_iter().filter(|line| line.starts_with("b → a")).collect();
        assert_eq!(backward, expected, "{b}: {found:?}");
    };
    check("use crate::a::A;", &["b → a: b/mod.rs:1: crate::a::A"]);
    check("pub struct B;\nuse super::{a, c};", &["b → a: b/mod.rs:2: super::a"]);
    check("fn f() -> super::a::A { todo!() }", &["b → a: b/mod.rs:1: super::a::A"]);
    check("fn f() { crate::a::a(); }", &["b → a: b/mod.rs:1: crate::a::a"]);
    check("fn f() {\n  println!(\"{}\", [crate::a::a()]);\n}", &["b → a: b/mod.rs:2: crate::a::a"]);
    // By way of a module that hands it on.
    check("use crate::c::Handed;", &["b → a: b/mod.rs:1: crate::c::Handed"]);
    check("use crate::c::inner::Deep;", &["b → a: b/mod.rs:1: crate::c::inner::Deep"]);
    check("use crate::c::*;\nfn f(_: Handed) {}", &["b → a: b/mod.rs:2: Handed"]);
    check("mod deep { use super::super::a::A; }", &["b → a: b/mod.rs:1: super::super::a::A"]);
    check("impl crate::a::A { fn f() {} }", &["b → a: b/mod.rs:1: crate::a::A"]);
    // What is no import, or none of the library.
    check("pub(in crate::a) struct B;", &[]);
    check("pub struct B;\n// use crate::a::A;\nconst S: &str = \"crate::a::A\";", &[]);
    check("#[cfg(test)]\nmod tests { use crate::a::A; }", &[]);
    check("#[cfg(test)]\nuse crate::a::A;", &[]);
    check("use other::a::A;", &[]);
    check("mod a { pub struct A; }\nuse a::A;", &[]);
    check("use ::a::A;\nfn f(_: ::a::A) {}", &[]);
}

#[test]
fn a_circle_is_found_at_any_depth_and_through_the_root() {
    let check = |files: &[(&str, &str)], expected: &[&str]| {
        let found = made_up(files).circles();
        let heads: Vec<&str> = found.iter().filter_map(|circle| circle.lines().next()).collect();
        assert_eq!(heads, expected);
    };
    let (lib, mods) = (("lib.rs", "mod p;"), "mod a; mod b; mod c; pub use a::A; pub struct P;");
    // A module and those below it use each other; those beside each other do not.
    check(
        &[lib, ("p/mod.rs", "mod a; use a::A; pub struct P;"), ("p/a.rs", "use super::P; pub struct A;")],
        &[],
    );
    let b = ("p/b.rs", "use super::A; pub struct B;");
    check(&[lib, ("p/mod.rs", mods), ("p/a.rs", "pub struct A;"), b, ("p/c.rs", "use super::b::B;")], &[]);
    let a = ("p/a.rs", "use super::c::C; pub struct A;");
    let c = ("p/c.rs", "use super::b::B; pub struct C;");
    check(&[lib, ("p/mod.rs", mods), a, b, c], &["in p: a, b, c"]);
    // What stands in the root is a module of its own.
    check(
        &[("lib.rs", "mod a; use a::A; pub struct L;"), ("a.rs", "use crate::L; pub struct A;")],
        &["in the crate: a, lib"],
    );
    check(
        &[("lib.rs", "mod a; mod b; pub use a::A;"), ("a.rs", "pub struct A;"), ("b.rs", "use crate::A;")],
        &[],
    );
}

#[test]
fn an_import_from_above_is_named() {
    let check = |low: &str, expected: &[&str]| {
        let files = [
            ("lib.rs", "mod high; mod low; mod beside; fn f() { high::h(); }"),
            ("high.rs", "use crate::low::L; pub fn h() {}"),
            ("low.rs", low),
            ("beside.rs", "pub struct B;"),
        ];
        assert_eq!(made_up(&files).climbs(&[&["lib"], &["high"], &["low", "beside"]]), expected, "{low}");
    };
    check("pub struct L;", &[]);
    check("pub struct L;\n\nuse crate::high;", &["low.rs:3: crate::high: low is not above high"]);
    check("fn f() { super::high::h() }", &["low.rs:1: super::high::h: low is not above high"]);
    check("use super::beside::B;", &["low.rs:1: super::beside::B: low is not above beside"]);
    let graph = made_up(&[("lib.rs", "mod high; mod new;"), ("high.rs", ""), ("new.rs", "")]);
    assert_eq!(graph.climbs(&[&["high"], &["gone"]]), ["new has no floor", "there is no gone"]);
}
