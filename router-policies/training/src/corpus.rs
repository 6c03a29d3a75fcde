//! The labelled prompts: files of JSON lines, gzip'd, one a source.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use router_policies::stem::stem;
use router_policies::{Features, Prompt};

use crate::sources::{LabelSource, SourceKind, kind_of};

/// One labelled prompt.
pub(crate) struct TrainingExample {
    pub(crate) source: LabelSource,
    /// What kind of prompt it is; `None` for prompts of no kind that has labels.
    pub(crate) kind: Option<SourceKind>,
    /// Whether it is of a kind that no expert answers for.
    pub(crate) stranger: bool,
    pub(crate) features: Features,
    /// The hash of its normalised question stem: what the split goes by.
    pub(crate) stem: u64,
    /// Quality by model.
    pub(crate) scores: BTreeMap<String, f64>,
}

/// A line of a file.
#[derive(serde::Deserialize)]
pub(crate) struct CorpusLine {
    pub(crate) query: String,
    #[serde(default)]
    pub(crate) task: String,
    pub(crate) sub: Option<String>,
    #[serde(default)]
    pub(crate) lang: String,
    #[serde(default)]
    pub(crate) contaminated: bool,
    pub(crate) scores: BTreeMap<String, f64>,
}

/// Every line of every source as it stands, and its features.
pub(crate) fn lines(folder: &Path) -> Result<Vec<(LabelSource, CorpusLine, Features)>, String> {
    let mut all = Vec::new();
    for source in LabelSource::ALL {
        let path = folder.join(source.file());
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let file = File::open(&path).map_err(|error| wrong(&error))?;
        for line in BufReader::new(GzDecoder::new(file)).lines() {
            let line = line.map_err(|error| wrong(&error))?;
            let line: CorpusLine = serde_json::from_str(&line).map_err(|error| wrong(&error))?;
            let features = Features::of(&Prompt::from_text(line.query.as_str()));
            all.push((source, line, features));
        }
    }
    Ok(all)
}

/// Reads all sources. A line a file says what was read, for the weights' label.
pub(crate) fn read(folder: &Path) -> Result<(Vec<TrainingExample>, Vec<String>), String> {
    let mut examples = Vec::new();
    let mut label = Vec::new();
    for source in LabelSource::ALL {
        let path = folder.join(source.file());
        let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let (before, mut sum) = (examples.len(), 0xcbf2_9ce4_8422_2325u64);
        for line in BufReader::new(GzDecoder::new(file)).lines() {
            let line = line.map_err(|error| format!("{}: {error}", path.display()))?;
            sum = line.bytes().fold(sum, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
            let line: CorpusLine =
                serde_json::from_str(&line).map_err(|error| format!("{}: {error}", path.display()))?;
            // RouteLLM leaves out what its training data contain.
            if !line.contaminated {
                examples.push(example(source, line));
            }
        }
        let rows = examples.len() - before;
        label.push(format!("{} {rows} rows fnv1a:{sum:016x} {}", source.file(), source.origin()));
    }
    Ok((examples, label))
}

fn example(source: LabelSource, line: CorpusLine) -> TrainingExample {
    let features = Features::of(&Prompt::from_text(line.query.as_str()));
    let kind = kind_of(source, &line.task);
    let sub = line.sub.as_deref().unwrap_or_default();
    let chinese = ["gaokao", "jec", "logiqa-zh"].iter().any(|name| sub.starts_with(name));
    let stranger = source == LabelSource::Unlabelled && !chinese;
    TrainingExample { source, kind, stranger, features, stem: stem(&line.query), scores: line.scores }
}
