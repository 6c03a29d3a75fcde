//! What is known of what models take: a table of recorded facts.
//!
//! The facts stand in `takes.yaml`, by API, host and family of models, each with its page and the day it was recorded. They
//! are resolved once for each model, when a configuration is loaded.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::presets::presets;
use crate::problems::Problems;
use crate::takes::{ModelTakes, TakesFile, TakesShown};
use crate::{DialectKind, schema, schema_check, yaml};

/// An API of upstreams, in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum TableApi {
    /// OpenAI's, at Azure too.
    Openai,
    Anthropic,
    Gemini,
}

impl TableApi {
    fn of(dialect: DialectKind) -> Self {
        match dialect {
            DialectKind::OpenAi | DialectKind::Azure => Self::Openai,
            DialectKind::Anthropic => Self::Anthropic,
            DialectKind::Gemini => Self::Gemini,
        }
    }
}

/// A row: whose models take what.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct TakesRow {
    /// The API that they are asked by; `None`: any.
    api: Option<TableApi>,
    /// The presets of the providers that serve them, also where a model names their address instead; none: any.
    hosts: Vec<String>,
    /// How their names begin, without what stands before a `/`: up to the end or a sign that is no letter or digit, or, with a
    /// `*` at the end, anyhow. None: all.
    models: Vec<String>,
    /// What becomes of what.
    takes: TakesFile,
    /// Where it was read, and the day it was recorded.
    source: String,
}

/// The file as a whole.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TakesTable {
    rows: Vec<TakesRow>,
}

/// What the table knows a model by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TakesSubject<'a> {
    pub(crate) dialect: DialectKind,
    /// What `preset:` says.
    pub(crate) preset: Option<&'a str>,
    /// Its addresses.
    pub(crate) base_urls: &'a [&'a str],
    /// The upstream's own name for it.
    pub(crate) model: &'a str,
}

/// What a model takes: what the table has of it, each row over those before it, and then what its entry says.
pub(crate) fn takes(subject: &TakesSubject<'_>, own: Option<&TakesFile>) -> ModelTakes {
    let mut takes = ModelTakes::default();
    let name = family_name(subject.model);
    let hosts = subject.hosts();
    rows().iter().filter(|row| row.is_of(subject, &hosts, &name)).for_each(|row| takes.join(&row.takes));
    match own {
        Some(own) => takes.overridden(own),
        None => takes,
    }
}

impl TakesSubject<'_> {
    /// The presets that it is served by: the one that it names, and those whose address it has.
    fn hosts(&self) -> Vec<&str> {
        let place = |url: &str| url::Url::parse(url).ok()?.host_str().map(str::to_owned);
        let places: Vec<String> = self.base_urls.iter().filter_map(|url| place(url)).collect();
        let theirs = presets().iter().filter(|preset| !preset.local);
        let theirs = theirs.filter(|preset| {
            preset.base_url.as_deref().and_then(place).is_some_and(|its| places.contains(&its))
        });
        let azure = (self.dialect == DialectKind::Azure).then_some("azure");
        self.preset.into_iter().chain(azure).chain(theirs.map(|preset| preset.name.as_str())).collect()
    }
}

impl TakesRow {
    fn is_of(&self, subject: &TakesSubject<'_>, hosts: &[&str], name: &str) -> bool {
        self.api.is_none_or(|api| api == TableApi::of(subject.dialect))
            && (self.hosts.is_empty() || self.hosts.iter().any(|host| hosts.contains(&host.as_str())))
            && (self.models.is_empty() || self.models.iter().any(|start| begins(name, start)))
    }
}

/// A model's name as families are told by it: some hosts write `4.5` where others write `4-5`.
fn family_name(model: &str) -> String {
    model.rsplit('/').next().unwrap_or_default().to_ascii_lowercase().replace('.', "-")
}

fn begins(name: &str, start: &str) -> bool {
    let start = family_name(start);
    if let Some(start) = start.strip_suffix('*') {
        return name.starts_with(start);
    }
    name.strip_prefix(&*start)
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
}

/// A row as the reference page has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTakes {
    /// Of which API, hosts and models it is; empty: of all.
    pub of: [String; 3],
    /// What becomes of what.
    pub takes: TakesShown,
    /// Where it was read, and the day it was recorded.
    pub source: &'static str,
}

/// All rows, those that hold for more before those that hold for less.
pub fn known_takes() -> impl Iterator<Item = KnownTakes> {
    rows().iter().map(|row| {
        let takes = row.takes.treatments().into_iter();
        let mut shown: TakesShown =
            takes.filter_map(|(it, treatment)| Some((it.word(), json!(treatment?)))).collect();
        let mut rest = ModelTakes::default();
        rest.join(&TakesFile {
            most_stops: row.takes.most_stops,
            picture_types: row.takes.picture_types.clone(),
            tool_ids: row.takes.tool_ids,
            ..TakesFile::default()
        });
        shown.extend(rest.shown());
        let api = row.api.map(|api| json!(api).as_str().unwrap_or_default().to_owned()).unwrap_or_default();
        KnownTakes {
            of: [api, row.hosts.join(", "), row.models.join(", ")],
            takes: shown,
            source: &row.source,
        }
    })
}

fn rows() -> &'static [TakesRow] {
    static ROWS: LazyLock<Vec<TakesRow>> = LazyLock::new(|| {
        // The file is part of the program and a test reads it, so this cannot fail in a build that passed.
        read(include_str!("../takes.yaml")).unwrap_or_else(|problems| unreachable!("takes.yaml: {problems}"))
    });
    &ROWS
}

fn read(text: &str) -> Result<Vec<TakesRow>, Problems> {
    let mut problems = Problems::default();
    let node = yaml::parse(text, &mut problems)?.ok_or_else(|| Problems::one("is empty"))?;
    let (value, _) = schema_check::shape(&node, &schema::of::<TakesTable>(), &mut problems);
    match serde_json::from_value::<TakesTable>(value) {
        Ok(table) if problems.is_empty() => Ok(table.rows),
        Ok(_) => Err(problems),
        Err(why) => Err(Problems::one(why.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::takes::{RequestFeature, Treatment};

    fn subject<'a>(dialect: DialectKind, preset: Option<&'a str>, model: &'a str) -> TakesSubject<'a> {
        TakesSubject { dialect, preset, base_urls: &[], model }
    }

    #[test]
    fn every_row_is_sound() {
        let rows = read(include_str!("../takes.yaml")).unwrap_or_else(|problems| panic!("{problems}"));
        for (number, row) in rows.iter().enumerate() {
            let of = (number, &row.api, &row.hosts, &row.models);
            assert_ne!(row.takes, TakesFile::default(), "{of:?} says nothing");
            for host in &row.hosts {
                assert!(
                    presets().iter().any(|preset| preset.name == *host),
                    "{of:?}: no preset is called {host}"
                );
            }
            let day = row.source.rsplit(' ').next().and_then(|day| day.parse::<jiff::civil::Date>().ok());
            assert!(day.is_some_and(|day| day.year() >= 2025), "{of:?}: no day ends {:?}", row.source);
        }
    }

    #[test]
    fn families_are_told_by_how_their_names_begin() {
        let check = |model: &str, start: &str, fits: bool| {
            assert_eq!(begins(&family_name(model), start), fits, "{model} {start}");
        };
        check("claude-sonnet-4-5", "claude-sonnet-4-5", true);
        check("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5", true);
        check("claude-sonnet-4-5-20250929", "claude-sonnet-4-5", true);
        check("claude-sonnet-4-55", "claude-sonnet-4-5", false);
        check("claude-opus-4-20250514", "claude-opus-4-2025*", true);
        check("Qwen/Qwen3.5-27B", "qwen3.5", true);
        check("qwen3-50b", "qwen3.5", false);
        check("o1-mini", "o1", true);
        check("o10", "o1", false);
    }

    #[test]
    fn an_entry_has_the_last_word_and_an_address_is_as_good_as_a_preset() {
        use RequestFeature::{DeveloperRole, Temperature};
        let own = TakesFile { temperature: Some(Treatment::Taken), ..TakesFile::default() };
        let claude = subject(DialectKind::Anthropic, None, "claude-sonnet-5-5");
        assert_eq!(takes(&claude, None).of(Temperature), Treatment::LeftOut);
        let told = takes(&claude, Some(&own));
        assert_eq!((told.of(Temperature), told.heeded().has(Temperature)), (Treatment::Taken, false));
        let unknown = subject(DialectKind::OpenAi, None, "m");
        assert_eq!(takes(&unknown, None).of(DeveloperRole), Treatment::Altered);
        let openai = TakesSubject { base_urls: &["https://api.openai.com/v1"], ..unknown };
        assert_eq!(takes(&openai, None), takes(&TakesSubject { preset: Some("openai"), ..unknown }, None));
        assert_eq!(takes(&openai, None).of(DeveloperRole), Treatment::Taken);
    }
}
