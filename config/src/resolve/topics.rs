//! Topics: learned from the examples that the file has or names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use router_policies::topics::{ALIKE, PromptTopic};
use router_policies::{Features, Prompt, PromptRole, PromptTurn};
use serde::Deserialize;

use super::{ReadFileError, ResolveReport, models};
use crate::NamedTopic;
use crate::file::{ExamplesFile, TopicFile};
use crate::problems::{item_path, key_path};

/// Bytes that a file of examples may have.
const LARGEST: u64 = 64 << 20;

/// An entry, read but not yet learned from.
struct TopicEntry {
    name: String,
    path: String,
    file: Option<PathBuf>,
    listed: Vec<String>,
    at: f64,
    features: Vec<Features>,
}

/// All topics; each is learned against the examples of the others.
pub(super) fn topics(
    files: Vec<TopicFile>,
    source: Option<&Path>,
    report: &mut ResolveReport,
) -> Vec<NamedTopic> {
    let mut entries: Vec<TopicEntry> = Vec::new();
    for (number, file) in files.into_iter().enumerate() {
        let path = item_path("topics", number);
        let entry = entry(file, path, source, report);
        if !entry.name.is_empty() && entries.iter().any(|other| other.name == entry.name) {
            let words = format!("`{}` is the name of another topic", entry.name);
            report.fault(&key_path(&entry.path, "name"), words);
        }
        entries.push(entry);
    }
    let learned = entries.iter().enumerate().map(|(number, entry)| {
        let others = entries.iter().enumerate().filter(|(other, _)| *other != number);
        let others: Vec<Features> = others.flat_map(|(_, other)| other.features.iter().cloned()).collect();
        (entry, PromptTopic::learn(&entry.name, &entry.features, &others, entry.at))
    });
    let mut topics = Vec::new();
    for (entry, learned) in learned {
        let at = key_path(&entry.path, "examples");
        match learned {
            Ok(topic) => {
                let (file, listed) = (entry.file.clone(), entry.listed.clone());
                topics.push(NamedTopic { topic: Arc::new(topic), file, listed });
            }
            Err(why) if !report.is_invalid(&at) => report.fault(&at, why.to_string()),
            Err(_) => {}
        }
    }
    topics
}

fn entry(file: TopicFile, path: String, source: Option<&Path>, report: &mut ResolveReport) -> TopicEntry {
    let at = key_path(&path, "examples");
    let name = models::name(file.name.as_deref(), &path, report);
    let mut entry = TopicEntry {
        name,
        path,
        file: None,
        listed: Vec::new(),
        at: file.at.unwrap_or(ALIKE),
        features: Vec::new(),
    };
    match file.examples {
        Some(ExamplesFile::List(examples)) => {
            entry.features = examples.iter().map(|example| features_of_text(example)).collect();
            entry.listed = examples;
        }
        Some(ExamplesFile::File(file)) => {
            let file = super::found(Path::new(&file), source);
            match read(&file) {
                Ok(text) => {
                    entry.features =
                        text.lines().filter(|line| !line.trim().is_empty()).map(features_of_line).collect();
                }
                Err(why) => report.fault(&at, format!("{}: {why}", file.display())),
            }
            entry.file = Some(file);
        }
        None if !report.is_invalid(&at) => {
            report.fault(&at, "is missing: a list of prompts, or the path of a file")
        }
        None => {}
    }
    entry
}

fn read(file: &Path) -> Result<String, ReadFileError> {
    if std::fs::metadata(file)?.len() > LARGEST {
        return Err(ReadFileError::TooLarge { largest: LARGEST });
    }
    Ok(std::fs::read_to_string(file)?)
}

/// A labelled row or a chat request.
#[derive(Deserialize)]
struct ExampleRow {
    prompt: Option<String>,
    #[serde(default)]
    messages: Vec<ExampleMessage>,
}

#[derive(Deserialize)]
struct ExampleMessage {
    role: String,
    #[serde(default)]
    content: serde_json::Value,
}

fn features_of_text(text: &str) -> Features {
    Features::of(&Prompt::from_text(text))
}

/// A line that is no such JSON is a prompt as it stands.
fn features_of_line(line: &str) -> Features {
    let Ok(row) = serde_json::from_str::<ExampleRow>(line) else { return features_of_text(line) };
    if let Some(prompt) = row.prompt {
        return features_of_text(&prompt);
    }
    let turn = |message: &ExampleMessage| {
        let role = match message.role.as_str() {
            "system" | "developer" => PromptRole::System,
            "assistant" => PromptRole::Assistant,
            "tool" => PromptRole::Tool,
            _ => PromptRole::User,
        };
        PromptTurn { role, text: message.content.as_str().unwrap_or_default().to_owned().into() }
    };
    Features::of(&Prompt { turns: row.messages.iter().map(turn).collect(), ..Prompt::default() })
}
