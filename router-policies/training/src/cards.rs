//! The classifier of kinds of question and the cards of the catalogue's models, from an exam and their answers to it.

mod area;
mod exam;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use router_policies::Features;
use router_policies::cards::KindCard;
use router_policies::kinds::{ELSEWHERE, KIND_NAMES, KINDS, KindClassifier, SHARES, sight};
use router_policies::ridge::{RidgeRow, fit};
use router_policies::scorers::default_scorer;
use router_policies::scoring::feature_transform::FeatureVector;

use self::exam::{GivenAnswer, TemplateQuestion};
use crate::common_sense;
use crate::corpus::TrainingExample;
use crate::sources::LabelSource;
use crate::terminal::say;

/// The small and the large model, by the files of their weights.
pub(crate) const FILES: [&str; 2] =
    ["qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"];
/// The penalty of the classifier's fit.
const PENALTY: f64 = 0.3;
/// What a model did in a kind is drawn to what it did in all, as if by so many more questions.
const DRAWN: f64 = 4.0;
/// Folds by template.
const FOLDS: u64 = 5;
/// Prompts of no kind: so many of each source of labelled prompts and of the chats, and what each counts.
const OF_A_SOURCE: usize = 200;
const STRANGER: f64 = 0.2;
/// What a chat's prompt counts, and a request of common sense.
const CHAT: f64 = 0.5;
const REQUEST: f64 = 1.0;

/// What the exam and the answers to it hold.
pub(crate) struct CardData {
    questions: Vec<TemplateQuestion>,
    /// By model, then by the question's place.
    answers: [BTreeMap<usize, GivenAnswer>; 2],
    /// Prompts of no kind, and what each counts.
    elsewhere: Vec<(FeatureVector, f64)>,
}

impl CardData {
    pub(crate) fn read(
        folder: &Path,
        answers: &Path,
        requests: &Path,
        examples: &[TrainingExample],
    ) -> Result<Self, String> {
        let questions = exam::questions(&folder.join("exam.jsonl.gz"))?;
        let answers = exam::answers(answers, &questions)?;
        let seen = |features: &Features| sight(&default_scorer().view(features).sight, features);
        let mut elsewhere = Vec::new();
        for source in LabelSource::ALL {
            let of: Vec<_> = examples.iter().filter(|example| example.source == source).collect();
            let some = of.iter().step_by(of.len().div_ceil(OF_A_SOURCE).max(1));
            elsewhere.extend(some.map(|example| (seen(&example.features), STRANGER)));
        }
        let chats = exam::prompts(&folder.join("zh_chat.jsonl.gz"))?;
        elsewhere.extend(chats.iter().map(|features| (seen(features), CHAT)));
        let requests = common_sense::developed_on(requests)?;
        elsewhere.extend(requests.iter().map(|features| (seen(features), REQUEST)));
        let data = Self { questions, answers, elsewhere };
        say(&format!(
            "{} questions, {} and {} answers, {} prompts of no kind",
            data.questions.len(),
            data.answers[0].len(),
            data.answers[1].len(),
            data.elsewhere.len()
        ));
        Ok(data)
    }

    /// The classifier, fitted on the questions that are let in.
    fn classifier(&self, lets_in: impl Fn(&TemplateQuestion) -> bool) -> KindClassifier {
        let row = |sight, place: usize, weight| {
            let mut targets = [0.0; SHARES];
            targets[place] = 1.0;
            RidgeRow { sight, targets, weight }
        };
        let let_in: Vec<_> = self.questions.iter().filter(|question| lets_in(question)).collect();
        let mut counts = [0.0f64; KINDS];
        let_in.iter().for_each(|question| counts[question.kind] += 1.0);
        let of_kinds = let_in
            .iter()
            .map(|question| row(&question.sight, question.kind, (36.0 / counts[question.kind]).sqrt()));
        let of_none = self.elsewhere.iter().map(|(sight, weight)| row(sight, ELSEWHERE, *weight));
        let rows: Vec<_> = of_kinds.chain(of_none).collect();
        KindClassifier::new(&fit(&rows, PENALTY))
    }

    /// A model's cards by kind, from its answers to the questions that are let in.
    fn cards(&self, model: usize, lets_in: impl Fn(&TemplateQuestion) -> bool) -> [KindCard; KINDS] {
        let mut sums = [[0.0f64; 5]; KINDS];
        let mut all = [0.0f64; 5];
        for (at, answer) in &self.answers[model] {
            let question = &self.questions[*at];
            if !lets_in(question) {
                continue;
            }
            let other = self.answers[1 - model].get(at);
            let agrees = other.is_some_and(|other| other.text == answer.text);
            let numbers = [
                1.0,
                f64::from(u8::from(answer.right)),
                f64::from(u8::from(agrees)),
                answer.tokens,
                answer.seconds,
            ];
            for (at, number) in numbers.into_iter().enumerate() {
                sums[question.kind][at] += number;
                all[at] += number;
            }
        }
        sums.map(|sum| {
            let drawn = |at: usize| ((sum[at] + DRAWN * all[at] / all[0].max(1.0)) / (sum[0] + DRAWN)) as f32;
            KindCard { suffices: drawn(1), agrees: drawn(2), tokens: drawn(3), seconds: drawn(4) }
        })
    }

    /// The share of what the other model fails at that a model would mend, if it mended nothing else: what it alone gets right,
    /// less what the other alone does. 0 for a model that is no better.
    fn beyond(&self, model: usize, lets_in: impl Fn(&TemplateQuestion) -> bool) -> f64 {
        let (mut more, mut failed) = (0.0, 0.0);
        for (_, _, answers) in self.both().filter(|(_, question, _)| lets_in(question)) {
            let [own, other] = [model, 1 - model].map(|model| f64::from(u8::from(answers[model].right)));
            more += own - other;
            failed += 1.0 - other;
        }
        (more / f64::max(failed, 1.0)).max(0.0)
    }

    /// The questions that both models answered.
    fn both(&self) -> impl Iterator<Item = (usize, &TemplateQuestion, [&GivenAnswer; 2])> {
        let [small, large] = &self.answers;
        small.iter().filter_map(|(at, answer)| Some((*at, &self.questions[*at], [answer, large.get(at)?])))
    }
}

/// Writes the classifier's weights and the source of the cards into a folder of the crate's sources.
pub(crate) fn write(data: &CardData, folder: &Path) -> Result<(), String> {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(|why| format!("{}: {why}", path.display()))
    };
    put("kinds.bin", &data.classifier(|_| true).write())?;
    let mut source = String::from(
        "//! The cards in use. Made, not written, by `make cards`.\n\nuse super::{KindCard, ModelCard};\n\n\
         const fn card(suffices: f32, agrees: f32, tokens: f32, seconds: f32) -> KindCard {\n    \
         KindCard { suffices, agrees, tokens, seconds }\n}\n\n\
         /// From answers at temperature 0, one thread each.\n\
         #[allow(clippy::approx_constant, reason = \"measured seconds may come near one\")]\npub const CARDS: [ModelCard; 2] = [\n",
    );
    for (model, file) in FILES.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(
            source,
            "    ModelCard {{\n        file: \"{file}\",\n        questions: {},\n        beyond: {:.3},\n        \
             kinds: [",
            data.answers[model].len(),
            data.beyond(model, |_| true)
        );
        for (name, card) in KIND_NAMES.iter().zip(data.cards(model, |_| true)) {
            let KindCard { suffices, agrees, tokens, seconds } = card;
            let _ = writeln!(
                source,
                "            // {name}\n            card({suffices:.3}, {agrees:.3}, {tokens:.1}, {seconds:.2}),"
            );
        }
        source.push_str("        ],\n    },\n");
    }
    source.push_str("];\n");
    put("cards/fitted.rs", source.as_bytes())
}

/// One question, as every method of the table sees it.
struct JudgedQuestion {
    right: [f64; 2],
    seconds: [f64; 2],
    /// What the shipped scorer says: difficulty, gain, and characters.
    difficulty: f64,
    gain: f64,
    chars: f64,
    /// What cards say, without this question's template: chances and seconds.
    chances: [f64; 2],
    expected: [f64; 2],
    /// What a question takes them on the mean, by the cards.
    usual: [f64; 2],
    /// The same, the kind known.
    known: [f64; 2],
    known_seconds: [f64; 2],
    /// The mean log-probability of the small model's answer, and its tokens.
    log_probability: f64,
    tokens: f64,
    /// How long the guard expects the small model's answer to be, and how long the prompt is, in tokens.
    foreseen_tokens: f64,
}

/// Prints what foresight is worth on templates that neither the classifier nor the cards saw.
pub(crate) fn report(data: &CardData) -> Result<(), String> {
    let scorer = default_scorer();
    let (mut told, mut all) = (0, 0);
    let mut judged = Vec::new();
    for part in 0..FOLDS {
        let outside = |question: &TemplateQuestion| question.template % FOLDS != part;
        let classifier = data.classifier(outside);
        let cards = [0, 1].map(|model| data.cards(model, outside));
        let beyond = [0, 1].map(|model| data.beyond(model, outside));
        let shares = |question: &TemplateQuestion| {
            classifier.shares(&scorer.view(&question.features).sight, &question.features)
        };
        for question in data.questions.iter().filter(|question| !outside(question)) {
            let shares = shares(question);
            let most = (0..SHARES).max_by(|one, other| shares[*one].total_cmp(&shares[*other]));
            told += usize::from(most == Some(question.kind));
            all += 1;
        }
        for (_, question, answers) in data.both().filter(|(_, question, _)| !outside(question)) {
            judged.push(judge(question, answers, &shares(question), &cards, beyond));
        }
    }
    say(&format!("kind told right, template left out: {told} of {all}"));
    area::table(&judged);
    Ok(())
}

fn judge(
    question: &TemplateQuestion,
    answers: [&GivenAnswer; 2],
    shares: &[f64; SHARES],
    cards: &[[KindCard; KINDS]; 2],
    beyond: [f64; 2],
) -> JudgedQuestion {
    use router_policies::guard::FITTED;
    let view = default_scorer().view(&question.features);
    let [tiny, _, _, frontier] = view.outlook.chances().map(|chance| chance.value());
    // What is of no kind is judged by the class, as the cards do.
    let mean = |model: usize, of: fn(&KindCard) -> f32, elsewhere: f64| {
        let known = cards[model].iter().zip(shares).map(|(card, share)| share * f64::from(of(card)));
        known.sum::<f64>() + shares[ELSEWHERE] * elsewhere
    };
    let usual = [0, 1].map(|model: usize| {
        cards[model].iter().map(|card| f64::from(card.seconds)).sum::<f64>() / KINDS as f64
    });
    let elsewhere = beyond.map(|beyond| tiny + beyond * (1.0 - tiny));
    let own = |model: usize, of: fn(&KindCard) -> f32| f64::from(of(&cards[model][question.kind]));
    JudgedQuestion {
        right: answers.map(|answer| f64::from(u8::from(answer.right))),
        seconds: answers.map(|answer| answer.seconds),
        difficulty: 1.0 - tiny,
        gain: frontier - tiny,
        chars: question.features.chars as f64,
        chances: [0, 1].map(|model| mean(model, |card| card.suffices, elsewhere[model])),
        expected: [0, 1].map(|model| mean(model, |card| card.seconds, usual[model])),
        usual,
        known: [0, 1].map(|model| own(model, |card| card.suffices)),
        known_seconds: [0, 1].map(|model| own(model, |card| card.seconds)),
        log_probability: answers[0].log_probability,
        tokens: answers[0].tokens,
        foreseen_tokens: FITTED.tokens(&question.features) + question.features.chars as f64 / 16.0,
    }
}
