//! How well a topic tells its prompts from others, learned from examples of one source and tried on another.

use std::collections::BTreeSet;
use std::path::Path;

use router_policies::Features;
use router_policies::scoring::random::SplitMix64;
use router_policies::stem::stem;
use router_policies::topics::{ALIKE, PromptTopic};

use crate::corpus::{CorpusLine, lines};
use crate::sources::LabelSource;
use crate::terminal::say;

/// A field: where its examples come from, where it is looked for, and what stands around it there.
struct TopicField {
    name: &'static str,
    examples: fn(LabelSource, &CorpusLine) -> bool,
    meant: fn(LabelSource, &CorpusLine) -> bool,
    others: fn(LabelSource, &CorpusLine) -> bool,
    /// Whether the source that is tried shares questions with the examples', which are then left out.
    apart: bool,
}

/// Subjects of MMLU that a model for medicine would serve.
const MEDICINE: [&str; 5] =
    ["professional_medicine", "clinical_knowledge", "college_medicine", "anatomy", "medical_genetics"];

const FIELDS: [TopicField; 8] = [
    TopicField {
        name: "law, of MMLU, in MMLU-Pro, other questions",
        examples: |source, line| source == LabelSource::RouteLlm && sub(line).contains("law"),
        meant: |source, line| source == LabelSource::MmluPro && sub(line) == "law",
        others: |source, line| source == LabelSource::MmluPro && sub(line) != "law",
        apart: true,
    },
    TopicField {
        name: "law, of MMLU, in the rest of MMLU",
        examples: |source, line| source == LabelSource::RouteLlm && sub(line).contains("law"),
        meant: |source, line| source == LabelSource::RouteLlm && sub(line).contains("law"),
        others: |source, line| source == LabelSource::RouteLlm && !sub(line).contains("law"),
        apart: false,
    },
    TopicField {
        name: "medicine, of MMLU, in the rest of MMLU",
        examples: |source, line| source == LabelSource::RouteLlm && MEDICINE.contains(&sub(line)),
        meant: |source, line| source == LabelSource::RouteLlm && MEDICINE.contains(&sub(line)),
        others: |source, line| source == LabelSource::RouteLlm && !MEDICINE.contains(&sub(line)),
        apart: false,
    },
    TopicField {
        name: "medicine, of MMLU, in MMLU-Pro (health), other questions",
        examples: |source, line| source == LabelSource::RouteLlm && MEDICINE.contains(&sub(line)),
        meant: |source, line| source == LabelSource::MmluPro && sub(line) == "health",
        others: |source, line| source == LabelSource::MmluPro && sub(line) != "health",
        apart: true,
    },
    TopicField {
        name: "Chinese law, of LexEval, in JEC-QA among Chinese examinations",
        examples: |source, _| source == LabelSource::LexEval,
        meant: |source, line| source == LabelSource::Unlabelled && sub(line).starts_with("jec-qa"),
        others: |source, line| {
            (source == LabelSource::Gaokao || source == LabelSource::Unlabelled)
                && line.lang == "zh"
                && !sub(line).starts_with("jec-qa")
        },
        apart: true,
    },
    TopicField {
        name: "Chinese law, of JEC-QA, in LexEval among Chinese examinations",
        examples: |source, line| source == LabelSource::Unlabelled && sub(line).starts_with("jec-qa"),
        meant: |source, _| source == LabelSource::LexEval,
        others: |source, line| {
            (source == LabelSource::Gaokao || source == LabelSource::Unlabelled)
                && line.lang == "zh"
                && !sub(line).starts_with("jec-qa")
        },
        apart: true,
    },
    TopicField {
        name: "Chinese law, of JEC-QA, in LexEval among everything else",
        examples: |source, line| source == LabelSource::Unlabelled && sub(line).starts_with("jec-qa"),
        meant: |source, _| source == LabelSource::LexEval,
        others: |source, line| source != LabelSource::LexEval && !sub(line).starts_with("jec-qa"),
        apart: true,
    },
    TopicField {
        name: "programs, of fusion (MBPP), in fusion (HumanEval) among its other tasks",
        examples: |source, line| source == LabelSource::Fusion && sub(line) == "mbpp",
        meant: |source, line| source == LabelSource::Fusion && sub(line) == "human_eval",
        others: |source, line| source == LabelSource::Fusion && !["mbpp", "human_eval"].contains(&sub(line)),
        apart: true,
    },
];

fn sub(line: &CorpusLine) -> &str {
    line.sub.as_deref().unwrap_or_default()
}

/// Measures every field with several numbers of examples.
pub(crate) fn report(folder: &Path) -> Result<(), String> {
    let all: Vec<(LabelSource, CorpusLine, Features)> = lines(folder)?;
    say(
        "| topic | examples of it, of others | AUC | found | taken for it by mistake |\n| --- | --- | --- | --- | --- |",
    );
    for field in &FIELDS {
        let pick = |test: fn(LabelSource, &CorpusLine) -> bool| {
            all.iter().filter(move |(source, line, _)| test(*source, line))
        };
        let (mut examples, mut around): (Vec<_>, Vec<_>) =
            (pick(field.examples).collect(), pick(field.others).collect());
        shuffle(&mut examples);
        shuffle(&mut around);
        for (count, others) in [(20, 0), (50, 0), (200, 0), (20, 20), (50, 50), (200, 200)] {
            let features = |some: &[&(LabelSource, CorpusLine, Features)], count: usize| -> Vec<Features> {
                some.iter().take(count).map(|(.., features)| features.clone()).collect()
            };
            let topic =
                PromptTopic::learn("it", &features(&examples, count), &features(&around, others), ALIKE);
            let topic = topic.map_err(|why| why.to_string())?;
            // What an example asks is not tried again; of another source's, what any example could have asked.
            let known = examples.iter().take(if field.apart { examples.len() } else { count });
            let known = known.chain(around.iter().take(others));
            let known: BTreeSet<u64> = known.map(|(_, line, _)| stem(&line.query)).collect();
            let likeness = |test| -> Vec<f64> {
                let new = pick(test).filter(|(_, line, _)| !known.contains(&stem(&line.query)));
                new.map(|(.., features)| topic.likeness(features)).collect()
            };
            let (meant, those) = (likeness(field.meant), likeness(field.others));
            let share = |them: &[f64]| {
                100.0 * them.iter().filter(|one| **one >= topic.at).count() as f64 / them.len() as f64
            };
            say(&format!(
                "| {} | {count}, {others} | {:.3} | {:.1} % of {} | {:.1} % of {} |",
                field.name,
                auc(&meant, &those),
                share(&meant),
                meant.len(),
                share(&those),
                those.len()
            ));
        }
    }
    Ok(())
}

/// The chance that one of these lies above one of those.
fn auc(these: &[f64], those: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = these.iter().map(|one| (*one, true)).collect();
    all.extend(those.iter().map(|one| (*one, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut won) = (0.0, 0.0);
    for (_, is) in all {
        if is { won += below } else { below += 1.0 }
    }
    won / (these.len() as f64 * those.len() as f64)
}

fn shuffle<T>(items: &mut [T]) {
    let mut draws = SplitMix64(11);
    for at in (1..items.len()).rev() {
        items.swap(at, draws.below(at + 1));
    }
}
