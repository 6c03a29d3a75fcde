//! `xietong replay`: what another policy would have cost on recorded traffic.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use gateway_config::{GatewayConfig, Route};
use router_policies::features::COUNT;
use router_policies::guard::RejectReason;
use router_policies::policy_replay::{
    AnswerEvidence, PolicyReplay, RecordedJudgement, RecordedRequest, ReplayForecast, ReplayRung,
};
use router_policies::{Features, Money, Plan, Probability, RequestDraw, RequestFacts, Usage};
use serde::Serialize;

use super::{CommandError, report};
use crate::record::NONE;
use crate::report::{amount, share};
use ledger::usage_record::{AttemptRecord, RecordedScores, UsageRecord};
use upstreams::request_id::RequestId;

/// Show what another configuration would have cost, and to which models it would have sent recorded traffic.
///
/// The recording is a gateway's ledger. Answers of models that were not asked then are not known: their length is taken to
/// be that of the answer that was given, and the chance that they would have done is the scorer's. What a guard would have
/// found is known where one judged the same model's answer, from which chance on it keeps one included; elsewhere the model
/// that begins is taken to answer.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  xietong replay --ledger xietong.db --config new.yaml")]
pub struct Args {
    /// The recorded traffic: a ledger's file, or the URL of a Redis.
    #[arg(long, value_name = "FILE")]
    ledger: String,
    /// The configuration to try; its routes are matched by name.
    #[arg(long, value_name = "NEW.yaml")]
    config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Reads, tries, prints.
///
/// # Errors
/// 2 for a ledger that is not there, 78 for a configuration that cannot be used.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let config = gateway_config::load_without_keys(Some(&args.config), &|name| std::env::var(name).ok())
        .map_err(CommandError::configuration)?;
    let mut replays: BTreeMap<&str, ReplayInput<'_>> =
        config.routes.iter().map(|route| (route.name.as_str(), ReplayInput::new(route))).collect();
    let mut unmatched = 0u64;
    report::read(&report::LedgerSource::named(&args.ledger), |record| {
        match replays.get_mut(&*record.route) {
            Some(replay) => replay.see(&record),
            None => unmatched += 1,
        }
    })?;
    let figures: BTreeMap<&str, &ReplayFigures> =
        replays.iter().map(|(name, replay)| (*name, &replay.figures)).collect();
    let text = if args.json {
        let json = serde_json::json!({
            "currency": config.currency.code(), "routes": figures, "requests_of_other_routes": unmatched,
        });
        serde_json::to_string_pretty(&json).map_err(CommandError::other)? + "\n"
    } else {
        table(&config, &figures, unmatched)
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(CommandError::other)
}

/// One route's traffic under another policy.
struct ReplayInput<'a> {
    route: &'a Route,
    trial: PolicyReplay<'a>,
    figures: ReplayFigures,
}

/// What came out for a route. Amounts in nano-units.
#[derive(Debug, Default, Serialize)]
struct ReplayFigures {
    /// Requests of the route in the recording.
    requests: u64,
    /// Of those, answered, scored and of known cost before and now: the rest of the figures is about them.
    compared: u64,
    /// Answers by model, as recorded.
    recorded: BTreeMap<String, u64>,
    /// Answers by model, as the configuration would have it.
    tried: BTreeMap<String, u64>,
    /// What was paid, all attempts included.
    #[serde(serialize_with = "units")]
    recorded_cost: i64,
    /// What it would be, where nothing fails.
    #[serde(serialize_with = "units")]
    tried_cost: i64,
    /// What the new route's largest model alone would be.
    #[serde(serialize_with = "units")]
    baseline: i64,
    /// Requests that would have been answered by the model that answered them: their tokens were observed.
    observed: u64,
    /// Requests of which a guard, or a silence, would have had a say.
    guarded: u64,
    /// Of those, where a guard did judge the answer of the model that would begin …
    judged: u64,
    /// … and what it found would make another model answer.
    escalated: u64,
    /// The mean chance that the answer would have done, by the scorer.
    suffices: f64,
    /// The same of the answers that were given.
    recorded_suffices: f64,
    /// Recorded requests that went on from one model to another.
    recorded_escalations: u64,
}

fn units<S: serde::Serializer>(nanos: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(Money(*nanos).units())
}

impl<'a> ReplayInput<'a> {
    fn new(route: &'a Route) -> Self {
        let step = |model: &'a std::sync::Arc<gateway_config::ModelConfig>| ReplayRung {
            model: &model.name,
            class: model.class,
            tariff: model.price.as_ref(),
        };
        let trial = PolicyReplay::new(&route.policy, route.ladder.iter().map(step).collect());
        Self { route, trial, figures: ReplayFigures::default() }
    }

    fn see(&mut self, record: &UsageRecord<'_>) {
        self.figures.requests += 1;
        let (Some(scores), Some(answer)) = (&record.scores, record.answer()) else { return };
        let features = features(scores);
        let seen = seen(record, scores, &features, answer.usage());
        let Some(outlook) = self.trial.next(&seen) else { return };
        let Some(model) = self.route.ladder.get(outlook.answering_rung.0) else { return };
        let same = model.name == answer.model;
        // What was observed is better than what is computed, even for a machine's time.
        let cost = if same { answer.cost.map(Money) } else { outlook.cost };
        let cost = match outlook.evidence {
            AnswerEvidence::Escalated => {
                cost.zip(doubted(record)).map(|(cost, before)| cost.saturating_add(before))
            }
            AnswerEvidence::Unguarded | AnswerEvidence::Kept | AnswerEvidence::Unknown => cost,
        };
        if let (Some(cost), Some(recorded)) = (cost, record.cost()) {
            self.add(record, &seen, (&outlook, &model.name), cost, recorded);
        }
    }

    fn add(
        &mut self,
        record: &UsageRecord<'_>,
        seen: &RecordedRequest<'_>,
        (outlook, model): (&ReplayForecast, &str),
        cost: Money,
        recorded: Money,
    ) {
        let figures = &mut self.figures;
        let Some(answer) = record.answer() else { return };
        figures.compared += 1;
        *figures.recorded.entry(answer.model.to_string()).or_default() += 1;
        *figures.tried.entry(model.to_owned()).or_default() += 1;
        figures.recorded_cost = figures.recorded_cost.saturating_add(recorded.0);
        figures.tried_cost = figures.tried_cost.saturating_add(cost.0);
        figures.observed += u64::from(model == answer.model);
        figures.guarded += u64::from(!matches!(outlook.decision.plan, Plan::Ask(_)));
        figures.judged +=
            u64::from(matches!(outlook.evidence, AnswerEvidence::Kept | AnswerEvidence::Escalated));
        figures.escalated += u64::from(outlook.evidence == AnswerEvidence::Escalated);
        let count = figures.compared as f64;
        figures.suffices += (outlook.suffices.value() - figures.suffices) / count;
        let class =
            self.route.ladder.iter().find(|model| model.name == answer.model).map(|model| model.class);
        let recorded_chance =
            class.map_or(figures.recorded_suffices, |class| seen.suffices[class as usize].value());
        figures.recorded_suffices += (recorded_chance - figures.recorded_suffices) / count;
        figures.recorded_escalations += u64::from(record.moved());
        let top = self.route.ladder.last().and_then(|top| top.price.as_ref()?.at(record.time));
        let busy = std::time::Duration::ZERO;
        let baseline = top.map_or(Money::ZERO, |price| price.cost(&answer.usage(), busy));
        figures.baseline = figures.baseline.saturating_add(baseline.0);
    }
}

/// A recorded request as a policy under trial is shown it.
fn seen<'a>(
    record: &'a UsageRecord<'_>,
    scores: &RecordedScores<'_>,
    features: &'a Features,
    usage: Usage,
) -> RecordedRequest<'a> {
    RecordedRequest {
        time: record.time,
        features,
        suffices: scores.suffices.map(Probability::new),
        familiarity: scores.familiarity,
        draw: draw(record),
        usage,
        facts: RequestFacts {
            client: Some(&*record.client).filter(|client| *client != NONE),
            prompt_tokens: usage.prompt(),
            time: Some(record.time),
            // Of what came with the prompt only its features are kept.
            ..RequestFacts::default()
        },
        judged: judged(record),
    }
}

/// The random number that the recorded request was decided with.
fn draw(record: &UsageRecord<'_>) -> RequestDraw {
    record.draw.map_or_else(|| RequestId::draw_from_name(&record.id), RequestDraw::from_recorded)
}

/// What a guard found of an answer to a recorded request.
fn judged<'a>(record: &'a UsageRecord<'_>) -> Option<RecordedJudgement<'a>> {
    let attempt = guarded(record)?;
    let chance = attempt.chance.map(Probability::new);
    Some(RecordedJudgement { model: &attempt.model, doubt: RejectReason::named(&attempt.result), chance })
}

/// The attempt that a guard judged: the one that it doubted, else the answer, if that is of who was asked first.
fn guarded<'a, 'b>(record: &'a UsageRecord<'b>) -> Option<&'a AttemptRecord<'b>> {
    record.plan.as_ref().filter(|plan| *plan == "cascade")?;
    let mut line = record.attempts.iter().filter(|attempt| !attempt.beside);
    let first = line.clone().next()?;
    let doubted = line.find(|attempt| RejectReason::named(&attempt.result).is_some());
    doubted.or_else(|| record.answer().filter(|answer| answer.model == first.model))
}

/// What the answer cost that was not kept, or would not have been.
fn doubted(record: &UsageRecord<'_>) -> Option<Money> {
    guarded(record)?.cost.map(Money)
}

/// The features that were recorded; the words were not.
fn features(scores: &RecordedScores<'_>) -> Features {
    let mut readable = [0.0; COUNT];
    readable.iter_mut().zip(&*scores.features).for_each(|(slot, value)| *slot = *value);
    Features { chars: scores.chars, readable, ..Features::default() }
}

fn table(config: &GatewayConfig, routes: &BTreeMap<&str, &ReplayFigures>, unmatched: u64) -> String {
    let mut out = String::new();
    for (name, figures) in routes {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "route {name}: {} of {} recorded requests can be compared, amounts in {}",
            figures.compared, figures.requests, config.currency
        );
        if figures.compared == 0 {
            continue;
        }
        let compared = figures.compared as f64;
        let money = |nanos: i64| amount(Money(nanos));
        let saved = |cost: i64| share((figures.baseline - cost) as f64, figures.baseline as f64);
        let _ = writeln!(out, "                      {:>12} {:>12}", "recorded", "tried");
        let _ = writeln!(
            out,
            "  cost                {:>12} {:>12}",
            money(figures.recorded_cost),
            money(figures.tried_cost)
        );
        let _ = writeln!(
            out,
            "  saved of {:<11} {:>12} {:>12}",
            money(figures.baseline),
            saved(figures.recorded_cost),
            saved(figures.tried_cost)
        );
        let _ = writeln!(
            out,
            "  chance that it does {:>12.3} {:>12.3}",
            figures.recorded_suffices, figures.suffices
        );
        let models: std::collections::BTreeSet<&String> =
            figures.recorded.keys().chain(figures.tried.keys()).collect();
        for model in models {
            let of = |counts: &BTreeMap<String, u64>| {
                share(counts.get(model).copied().unwrap_or(0) as f64, compared)
            };
            let _ = writeln!(out, "  {model:<19} {:>12} {:>12}", of(&figures.recorded), of(&figures.tried));
        }
        caveats(&mut out, figures);
        out.push('\n');
    }
    if unmatched > 0 {
        let _ = writeln!(out, "{unmatched} requests are of other routes, or named a model.");
    }
    out
}

/// What the figures do not say.
fn caveats(out: &mut String, figures: &ReplayFigures) {
    let compared = figures.compared as f64;
    let _ = writeln!(
        out,
        "  {} would be answered by the model that answered them. For the others the length of the answer is assumed to be \
         the same, and whether it would do is the scorer's estimate. {} recorded requests went on to another model, whose \
         cost is in the left column only: failures of the models that were not asked are not known.",
        share(figures.observed as f64, compared),
        figures.recorded_escalations
    );
    if figures.judged > 0 {
        let _ = writeln!(
            out,
            "  {} would begin under a guard that judged the same model's answer in the recording: by what it found, {} would go \
             on to another model. It saw as much of each answer as it was held then; another `hold`, and who would have \
             agreed, are not tried.",
            share(figures.judged as f64, compared),
            share(figures.escalated as f64, compared)
        );
    }
    if figures.guarded > figures.judged {
        let _ = writeln!(
            out,
            "  {} would begin under a guard or a hedge that was not there. What their answers would have been found to be is \
             not known: the model that begins is taken to answer, so that the right column is the least that they cost.",
            share((figures.guarded - figures.judged) as f64, compared)
        );
    }
}

#[cfg(test)]
mod tests {
    use router_policies::{DrawPurpose, ModelClass, Policy};

    use super::*;

    /// A recorded request of a cascade: the attempts, each with its model, result, chance and cost; the last answers.
    fn record(attempts: &[(&str, &str, Option<f64>, i64)]) -> UsageRecord<'static> {
        let attempt = |(model, result, chance, cost): &(&str, &str, Option<f64>, i64)| {
            serde_json::json!({
                "model": model, "result": result, "chance": chance, "input": 10, "output": 10, "cost": cost,
            })
        };
        let all: Vec<serde_json::Value> = attempts.iter().map(attempt).collect();
        let record = serde_json::json!({
            "time": "2026-01-01T00:00:00Z", "id": "chatcmpl-1", "client": "-", "route": "auto", "model": "-",
            "call": "chat", "plan": "cascade", "attempts": all, "answered_by": attempts.len() - 1,
            "scores": {"difficulty": 0.5, "gain": 0.2, "familiarity": 1.0, "suffices": [0.5, 0.6, 0.7, 0.8]},
            "currency": "USD", "total": 1.0, "status": 200, "outcome": "complete",
        });
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn a_record_is_replayed_with_the_draw_that_it_was_decided_with() {
        let yaml = r#"{"kind":"explore","share":0.5,"policy":{"kind":"fixed","model":"s"},
                       "spend":{"amount":1,"per":"day"}}"#;
        let policy: Policy = serde_json::from_str(yaml).unwrap();
        let step = |model| ReplayRung { model, class: ModelClass::Small, tariff: None };
        let shadow = |record: &UsageRecord<'_>| {
            let (scores, features) = (record.scores.as_ref().unwrap(), Features::default());
            let seen = seen(record, scores, &features, Usage::default());
            PolicyReplay::new(&policy, vec![step("s"), step("l")]).next(&seen).unwrap().decision.shadow
        };
        let mut explored = 0;
        for number in 0..200u64 {
            let decided_with = RequestDraw::from_random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut record = record(&[("s", "ok", None, 5_000)]);
            record.draw = Some(decided_with.recorded());
            let line = serde_json::to_string(&record).unwrap();
            let expected = decided_with.uniform(DrawPurpose::Exploration) < 0.5;
            assert_eq!(shadow(&serde_json::from_str(&line).unwrap()).is_some(), expected, "{line}");
            explored += u32::from(expected);
        }
        assert!((70..130).contains(&explored), "{explored} of 200");
    }

    #[test]
    fn an_older_record_is_replayed_with_the_draw_of_its_name() {
        let record = record(&[("s", "ok", None, 5_000)]);
        assert_eq!((record.draw, draw(&record)), (None, RequestId::draw_from_name("chatcmpl-1")));
    }

    #[test]
    fn a_cascade_is_replayed_by_what_its_guard_found() {
        let price = "price: {input: 1, output: 1}";
        let check = |policy: &str, escalated: u64, judged: u64, cost: i64| {
            let yaml = format!(
                "models:\n  - {{name: s, provider: openai, base_url: 'http://127.0.0.1:1', model: s, {price}}}\n  \
                 - {{name: l, provider: openai, base_url: 'http://127.0.0.1:1', model: l, {price}}}\n\
                 routes: [{{name: auto, ladder: [s, l], policy: {policy}}}]\n"
            );
            let config =
                gateway_config::from_str(&yaml, None, &|_| None).unwrap_or_else(|why| panic!("{why}"));
            let mut replay = ReplayInput::new(&config.routes[0]);
            replay.see(&record(&[("s", "ok", Some(0.6), 5_000)]));
            replay.see(&record(&[("s", "confidence", Some(0.4), 3_000), ("l", "ok", None, 50_000)]));
            replay.see(&record(&[("s", "refusal", Some(0.9), 2_000), ("l", "ok", None, 50_000)]));
            // It failed, and nobody judged it.
            replay.see(&record(&[("s", "server_error", None, 0), ("l", "ok", None, 50_000)]));
            let figures = &replay.figures;
            let found = (figures.compared, figures.escalated, figures.judged, figures.tried_cost);
            assert_eq!(found, (4, escalated, judged, cost), "{policy}");
        };
        let cascade =
            |guard: &str| format!("{{kind: cascade, policy: {{kind: fixed, model: s}}, guard: {{{guard}}}}}");
        // Ten tokens in and ten out come to 20,000 nano-units where they were not observed.
        check(&cascade("confidence: 0.5"), 2, 3, 5_000 + 53_000 + 52_000 + 20_000);
        check(&cascade("confidence: 0.3"), 1, 3, 5_000 + 20_000 + 52_000 + 20_000);
        check(&cascade("confidence: 0.7"), 3, 3, 25_000 + 53_000 + 52_000 + 20_000);
        check(&cascade("confidence: 0.5, refusal: false"), 1, 3, 5_000 + 53_000 + 20_000 + 20_000);
        check("{kind: fixed, model: l}", 0, 0, 20_000 + 3 * 50_000);
    }
}
