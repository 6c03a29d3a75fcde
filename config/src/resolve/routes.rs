//! Routes: ladders of models, and who chooses among them.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use router_policies::Policy;
use router_policies::policies::{ThresholdMeasure, ThresholdPolicy, ThresholdSteps};
use router_policies::writing_system::WritingSystem;

use super::calibrations::calibration;
use super::{ResolveReport, models};
use crate::file::{FallbackWord, RecordWord, ResumeWord, RouteFile};
use crate::problems::{item_path, key_path};
use crate::suggest::hint;
use crate::{Fallback, ModelConfig, ResumeMode, Route};

pub(super) fn routes(
    files: Vec<RouteFile>,
    models: &[Arc<ModelConfig>],
    source: Option<&Path>,
    report: &mut ResolveReport,
) -> Vec<Arc<Route>> {
    let names: Vec<String> = files.iter().filter_map(|file| file.name.clone()).collect();
    let mut routes: Vec<Arc<Route>> = Vec::new();
    for (number, file) in files.into_iter().enumerate() {
        let path = item_path("routes", number);
        let calibration = file
            .calibration
            .as_deref()
            .and_then(|file| calibration(file, source, &key_path(&path, "calibration"), report));
        let route = Route { calibration, ..route(file, models, &names, &path, report) };
        let at = key_path(&path, "name");
        if route.name.is_empty() {
        } else if models.iter().any(|model| model.name == route.name) {
            report.fault(
                &at,
                format!("`{}` is the name of a model; clients could not tell them apart", route.name),
            );
        } else if routes.iter().any(|other| other.name == route.name) {
            report.fault(&at, format!("`{}` is the name of another route", route.name));
        }
        routes.push(Arc::new(route));
    }
    if routes.is_empty() && !report.is_invalid("routes") {
        report.warn("routes", "there are none: clients have to ask for a model by its name");
    }
    routes
}

fn route(
    file: RouteFile,
    models: &[Arc<ModelConfig>],
    routes: &[String],
    path: &str,
    report: &mut ResolveReport,
) -> Route {
    let ladder = ladder(file.ladder.as_deref(), models, routes, &key_path(path, "ladder"), report);
    let names: Vec<&str> = file.ladder.iter().flatten().map(String::as_str).collect();
    let policy = policy(file.policy, &names, path, report);
    unpriced(&policy, &ladder, path, report);
    unread(&ladder, path, report);
    Route {
        name: models::name(file.name.as_deref(), path, report),
        policy,
        calibration: None,
        ladder,
        fallback: match file.fallback {
            Some(FallbackWord::Up) => Fallback::Up,
            Some(FallbackWord::Down) => Fallback::Down,
            Some(FallbackWord::None) => Fallback::None,
            Some(FallbackWord::UpThenDown) | None => Fallback::UpThenDown,
        },
        resume: match file.resume {
            Some(ResumeWord::Never) => ResumeMode::Never,
            Some(ResumeWord::Auto) | None => ResumeMode::Auto,
        },
        expose_decisions: file.expose_decisions.unwrap_or(true),
        record_content: file.record == Some(RecordWord::Content),
        topics: Arc::new([]),
    }
}

fn ladder(
    names: Option<&[String]>,
    models: &[Arc<ModelConfig>],
    routes: &[String],
    path: &str,
    report: &mut ResolveReport,
) -> Vec<Arc<ModelConfig>> {
    let Some(names) = names else { return Vec::new() };
    if names.len() < 2 {
        report.fault(path, "must name two or more models, from small to large");
    }
    let mut seen = HashSet::new();
    let mut ladder = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let at = item_path(path, number);
        if !seen.insert(name) {
            report.fault(&at, format!("`{name}` stands in this ladder already"));
        }
        match models.iter().find(|model| model.name == *name) {
            Some(model) => ladder.push(Arc::clone(model)),
            None if routes.contains(name) => {
                report.fault(&at, format!("`{name}` is a route; a ladder is made of models"));
            }
            None if report.is_invalid("models") && models.iter().any(|model| model.name.is_empty()) => {}
            None => {
                let hint = hint(name, models.iter().map(|model| model.name.as_str()));
                report.fault(&at, format!("there is no model `{name}`{hint}"));
            }
        }
    }
    ladder
}

fn policy(
    written: Option<serde_json::Value>,
    ladder: &[&str],
    path: &str,
    report: &mut ResolveReport,
) -> Policy {
    let default =
        Policy::Threshold(ThresholdPolicy { at: ThresholdSteps::One(0.5), by: ThresholdMeasure::Difficulty });
    let at = key_path(path, "policy");
    let Some(written) = written.filter(|_| !report.is_invalid(&at)) else { return default };
    let policy: Policy = match serde_json::from_value(written) {
        Ok(policy) => policy,
        Err(why) => {
            report.fault(&at, why.to_string());
            return default;
        }
    };
    if ladder.len() >= 2 {
        for (field, fault) in policy.faults(ladder) {
            // It is a path already, such as `otherwise.at`.
            report.fault(&format!("{at}.{field}"), fault);
        }
    }
    policy
}

/// Warns of models that are not asked in Chinese, as their languages say: who configures them may not expect it.
fn unread(ladder: &[Arc<ModelConfig>], path: &str, report: &mut ResolveReport) {
    let reads = |model: &ModelConfig| {
        let writing = |code: &String| WritingSystem::of_language(code) == WritingSystem::Chinese;
        model.languages.as_ref().is_none_or(|codes| codes.iter().any(writing))
    };
    let at = key_path(path, "ladder");
    if !ladder.is_empty() && !ladder.iter().any(|model| reads(model)) {
        report.warn(
            &at,
            "no model is said to answer in Chinese; prompts in Chinese are answered as well as they can",
        );
        return;
    }
    for model in ladder.iter().filter(|model| !reads(model)) {
        let codes = model.languages.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
        let words = format!(
            "`{}` answers in these languages alone: {codes}; prompts in another writing, such as Chinese, go to the other models",
            model.name
        );
        report.warn(&at, &words);
    }
}

/// Warns of models whose cost is not known where a spend is to be kept to.
fn unpriced(policy: &Policy, ladder: &[Arc<ModelConfig>], path: &str, report: &mut ResolveReport) {
    if policy.utility().is_none_or(|(utility, _)| utility.targets.spend.is_none()) {
        return;
    }
    let at = key_path(path, "policy");
    let (priced, unpriced): (Vec<_>, Vec<_>) = ladder.iter().partition(|model| model.price.is_some());
    if priced.is_empty() && !ladder.is_empty() {
        report.warn(&at, "`targets.spend` cannot be kept to: no model of the ladder has a price");
        return;
    }
    for model in unpriced {
        let words = format!(
            "`{}` has no price, so for `targets.spend` it counts as the dearest of the ladder; one that costs nothing has a price of 0",
            model.name
        );
        report.warn(&at, &words);
    }
}
