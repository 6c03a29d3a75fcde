//! Types are named so that a reader can look them up: one name for one thing, and the field's term for it.

use std::collections::BTreeMap;

use syn::visit::{self, Visit};
use syn::{Ident, ItemEnum, ItemMod, ItemStruct, ItemTrait};

use crate::modules::{is_test, packages, sources};

/// Names that several files may give to a type of their own.
const COMMON: [(&str, &str); 1] = [("Args", "clap's options of one command, never imported by another file")];

/// The most that may be one word, in percent of all names: what every page speaks of, such as `Route` and `Guard`.
const ONE_WORD: usize = 35;

#[test]
fn a_type_name_is_defined_once() {
    let names = workspace();
    assert!(names.len() > 500, "{} names of types were found", names.len());
    let common = |name: &str| COMMON.iter().any(|(known, _)| *known == name);
    let repeated = names.iter().filter(|(name, places)| places.len() > 1 && !common(name));
    let repeated: Vec<_> = repeated.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect();
    assert!(repeated.is_empty(), "types of one name; name each for what it is:\n  {}", repeated.join("\n  "));
    for (name, why) in COMMON {
        assert!(names.get(name).is_some_and(|places| places.len() > 1), "{name} is repeated no more ({why})");
    }
}

#[test]
fn most_type_names_say_what_they_are_in_two_words() {
    let names = workspace();
    let single: Vec<&str> = names.keys().map(String::as_str).filter(|name| words(name) == 1).collect();
    let share = single.len() * 100 / names.len();
    assert!(share <= ONE_WORD, "{share} % of type names are one word: {}", single.join(", "));
}

#[test]
fn what_counts_as_a_definition_and_as_a_word() {
    let text = "struct A; enum B {} trait C {} fn f() { struct D; } mod inner { pub struct E; }
        #[cfg(test)] mod tests { struct F; }
        vocabulary! { /// Words.
            pub enum G { One = \"one\" } }";
    let mut found = Vec::new();
    definitions(text, |name| found.push(name));
    assert_eq!(found, ["A", "B", "C", "D", "E", "G"]);
    let cases = [
        ("Guard", 1),
        ("UsageRecord", 2),
        ("SseEvent", 2),
        ("TLSConfig", 2),
        ("Http1Transport", 2),
        ("H2", 1),
    ];
    for (name, expected) in cases {
        assert_eq!(words(name), expected, "{name}");
    }
}

/// The types that the workspace's packages define outside of tests, by name, each with the files that do.
fn workspace() -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // What only tests and measurements are made of is theirs to name.
    let shipped = |name: &str| !["end-to-end", "properties"].contains(&name);
    for (package, folder) in packages().into_iter().filter(|(name, _)| shipped(name)) {
        for (file, text) in sources(&folder) {
            if !file.ends_with("tests.rs") && !file.contains("tests/") {
                definitions(&text, |name| names.entry(name).or_default().push(format!("{package}/{file}")));
            }
        }
    }
    names
}

/// Calls `found` with the name of each type that a file defines outside of its tests, also within macros of ours.
fn definitions(text: &str, mut found: impl FnMut(String)) {
    let file = syn::parse_file(text).expect("Rust");
    let mut types = Types(Vec::new());
    types.visit_file(&file);
    types.0.into_iter().for_each(&mut found);
}

struct Types(Vec<String>);

impl Types {
    fn found(&mut self, name: &Ident) {
        self.0.push(name.to_string());
    }
}

impl<'ast> Visit<'ast> for Types {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.found(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.found(&item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.found(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    /// The lists of words are enums within a macro: `enum NAME {`.
    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        // What a macro's own rules say is a pattern, not a definition.
        if item.ident.is_some() {
            return;
        }
        let mut after = false;
        for token in item.mac.tokens.clone() {
            let word = match token {
                proc_macro2::TokenTree::Ident(word) => word.to_string(),
                _ => String::new(),
            };
            if after && !word.is_empty() {
                self.0.push(word.clone());
            }
            after = word == "enum" || word == "struct";
        }
    }
}

/// The words of a name in camel case: `UsageRecord` has two, and so has `SSEParser`.
fn words(name: &str) -> usize {
    let letters: Vec<char> = name.chars().collect();
    let begins = |at: usize| {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(at + 1);
        letters[at].is_uppercase()
            && before.is_none_or(|before| {
                !before.is_uppercase() || after.is_some_and(|after| after.is_lowercase())
            })
    };
    (0..letters.len()).filter(|&at| begins(at)).count()
}
