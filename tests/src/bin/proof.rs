//! The proof that two models together are worth more than either: an exam whose answers a program judges, sat by real models
//! through a running gateway, and what each way of choosing between them makes of it.
//!
//! - `sit` asks the models, each in a gateway of its own, and adds a line a question and model to `answers.jsonl` in the folder
//!   of `--out`; [`end_to_end::proof::answers::ExamAnswer`] describes it. Broken off, it goes on where it was. With `--again` the
//!   smallest model answers a second time, at the temperature of the gateway's second opinions, into `again.jsonl`; with
//!   `--auto` the built-in route answers, as it is without a configuration, into `auto.jsonl`.
//! - `report` reads these files, asks a gateway what it foresees of each question, and prints tables. `--plot` draws the curves.
//!
//! Every way but `auto` is worked out from recorded answers: what a threshold or a utility goes by is the gateway's own answer on
//! `POST /decide`, and a cascade's verdict is that of the gateway's own guard, shown the recorded tokens one by one.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program that prints figures")]

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use end_to_end::proof::answers::{ExamAnswer, rows};
use end_to_end::proof::cases::{Case, Side, by_question, cases, side};
use end_to_end::proof::exam::{self, ExamQuestion};
use end_to_end::proof::foresight::{Foresight, foresee};
use end_to_end::proof::process::GatewayProcess;
use end_to_end::proof::report::Comparison;
use end_to_end::proof::sitting::{Sitting, judged_anew, name_of};
use end_to_end::proof::ways::{Trial, alone};

/// Of second opinions; as in the gateway.
const SECOND: f64 = 0.7;
/// By how much a simulated frontier model's token is dearer than one of the model before it.
const DEARER: f64 = 10.0;
/// By how much a token of an answer is dearer than one of a prompt.
const ANSWER: f64 = 4.0;

/// Prove on an exam what a small and a large model are worth together.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Ask the models; goes on where it was broken off.
    Sit(Sit),
    /// Print what each way of choosing comes to.
    Report(Report),
}

#[derive(Args)]
struct Exam {
    /// The questions, JSON lines, plain or gzip'd.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Fixes the order of the questions, and what is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where answers are kept.
    #[arg(long, value_name = "DIR", default_value = "target/proof")]
    out: PathBuf,
    /// The program `xietong`, with the engine.
    #[arg(long, value_name = "FILE", default_value = "target/release/xietong")]
    xietong: PathBuf,
    /// The small model's weights.
    #[arg(long, value_name = "FILE", default_value = "models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf")]
    small: PathBuf,
    /// The large model's weights.
    #[arg(long, value_name = "FILE", default_value = "models/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf")]
    large: PathBuf,
}

#[derive(Args)]
struct Sit {
    #[command(flatten)]
    exam: Exam,
    /// Ask so many rounds, of one question of each kind; default: all.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Ask the small model a second time.
    #[arg(long)]
    again: bool,
    /// Ask the built-in route, of a gateway without a configuration.
    #[arg(long, conflicts_with = "again")]
    auto: bool,
}

#[derive(Args)]
struct Report {
    #[command(flatten)]
    exam: Exam,
    /// Leave out so many rounds: those that what the gateway foresees was fitted to.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: usize,
    /// Draw the curves into this file.
    #[arg(long, value_name = "SVG")]
    plot: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Arguments::parse().step {
        Step::Sit(sit) => sit.run().await,
        Step::Report(report) => report.run().await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

impl Sit {
    async fn run(self) -> Result<(), String> {
        let Exam { data, seed, out, xietong, small, large } = self.exam;
        let mut rounds = exam::in_rounds(exam::questions(&data)?, seed);
        rounds.truncate(self.rounds.unwrap_or(usize::MAX));
        let (file, temperature, weights) = match (self.again, self.auto) {
            (true, _) => ("again.jsonl", SECOND, vec![small]),
            (_, true) => ("auto.jsonl", 0.0, Vec::new()),
            _ => ("answers.jsonl", 0.0, vec![small, large]),
        };
        let sitting = Sitting {
            program: xietong,
            weights,
            folder: out,
            file,
            temperature,
            built_in: self.auto,
            rounds,
        };
        sitting.sit().await
    }
}

/// What a report is made of.
struct Material {
    questions: Vec<ExamQuestion>,
    answers: Vec<ExamAnswer>,
    again: Vec<ExamAnswer>,
    auto: Vec<ExamAnswer>,
    foreseen: BTreeMap<String, Foresight>,
    names: [String; 2],
    seed: u64,
}

impl Report {
    async fn run(self) -> Result<(), String> {
        let material = Material::of(&self.exam, self.skip).await?;
        let trial = material.real();
        let [small, large] = &material.names;
        println!("## {small} and {large}\n\nCosts are seconds of the processor.\n");
        let comparison = Comparison { trial: &trial, names: [small, large], unit: "s", seed: material.seed };
        println!(
            "{}\n{}\n{}\n{}",
            comparison.models(),
            comparison.ways(),
            comparison.prices(),
            comparison.kinds()
        );
        material.second_answers(&trial);
        material.auto_route();
        let simulated = material.simulated();
        println!(
            "## {large} before a simulated frontier model\n\nThe frontier model is simulated: it is always right, its answers are as \
             long as those of {large}, and its tokens cost {DEARER} times as much. Costs are tokens of its prompts.\n"
        );
        let frontier = Comparison {
            trial: &simulated,
            names: [large, "simulated frontier model"],
            unit: "tokens",
            seed: material.seed,
        };
        println!("{}\n{}", frontier.models(), frontier.ways());
        if let Some(plot) = self.plot {
            std::fs::write(&plot, comparison.drawing())
                .map_err(|why| format!("{}: {why}", plot.display()))?;
        }
        Ok(())
    }
}

impl Material {
    async fn of(exam: &Exam, skip: usize) -> Result<Self, String> {
        let rounds = exam::in_rounds(exam::questions(&exam.data)?, exam.seed);
        let questions: Vec<ExamQuestion> = rounds.into_iter().skip(skip).flatten().collect();
        let read = |name: &str| Ok(judged_anew(rows(&exam.out.join(name))?, questions.iter()));
        let [answers, again, auto]: [Result<Vec<ExamAnswer>, String>; 3] =
            ["answers.jsonl", "again.jsonl", "auto.jsonl"].map(read);
        let (answers, again, auto) = (answers?, again?, auto?);
        let answered: HashSet<&str> = answers.iter().map(|row| row.id.as_str()).collect();
        let asked: Vec<&ExamQuestion> =
            questions.iter().filter(|question| answered.contains(question.id.as_str())).collect();
        let yaml = format!(
            "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nlog: json\nmodels:\n  - {{name: small, provider: embedded, weights: \"{}\"}}\n  \
             - {{name: large, provider: embedded, weights: \"{}\"}}\nroutes: [{{name: auto, ladder: [small, large], policy: {{kind: \
             threshold, at: 0.5}}}}]\n",
            exam.small.display(),
            exam.large.display()
        );
        let gateway = GatewayProcess::start(&exam.xietong, &exam.out.join("foresight.yaml"), &yaml).await?;
        let foreseen = foresee(gateway.admin, &asked).await?;
        let names = [name_of(&exam.small), name_of(&exam.large)];
        Ok(Self { questions, answers, again, auto, foreseen, names, seed: exam.seed })
    }

    /// Both models as they are.
    fn real(&self) -> Trial {
        let large = by_question(&self.answers, &self.names[1]);
        Trial::of(self.cases(&self.names[0], &|id| large.get(id).map(|row| side(row)), &self.foreseen))
    }

    /// The large model as the small one before a model that is always right.
    fn simulated(&self) -> Trial {
        let rows = by_question(&self.answers, &self.names[1]);
        let dear = |[prompt, answer]: [f64; 2]| prompt + ANSWER * answer;
        let frontier = |id: &str| {
            let tokens = side(rows.get(id)?).tokens;
            Some(Side { right: 1.0, cost: dear(tokens), tokens })
        };
        let above =
            |it: &Foresight| Foresight { difficulty: 1.0 - it.suffices[1], suffices: [it.suffices[1], 1.0] };
        let foreseen = self.foreseen.iter().map(|(id, it)| (id.clone(), above(it))).collect();
        let mut cases = self.cases(&self.names[1], &frontier, &foreseen);
        for case in &mut cases {
            case.small.cost = dear(case.small.tokens) / DEARER;
            // Second answers are the small model's.
            case.second = None;
        }
        Trial::of(cases)
    }

    fn cases(
        &self,
        small: &str,
        large: &dyn Fn(&str) -> Option<Side>,
        foreseen: &BTreeMap<String, Foresight>,
    ) -> Vec<Case> {
        let questions: Vec<&ExamQuestion> = self.questions.iter().collect();
        cases(
            &questions,
            &by_question(&self.answers, small),
            large,
            &by_question(&self.again, &self.names[0]),
            foreseen,
        )
    }

    /// The ways once more on the questions that have a second answer, where not all have one.
    fn second_answers(&self, trial: &Trial) {
        let having: Vec<Case> = trial.cases.iter().filter(|case| case.second.is_some()).cloned().collect();
        if having.is_empty() || having.len() == trial.cases.len() {
            return;
        }
        let trial = Trial::of(having);
        let names = [self.names[0].as_str(), self.names[1].as_str()];
        let comparison = Comparison { trial: &trial, names, unit: "s", seed: self.seed };
        println!("## Where the small model answered twice\n\n{}\n{}", comparison.models(), comparison.ways());
    }

    /// What the built-in route came to, beside both models on the same questions.
    fn auto_route(&self) {
        let auto = by_question(&self.auto, "auto");
        let large = by_question(&self.answers, &self.names[1]);
        let cases: Vec<Case> = self.cases(
            &self.names[0],
            &|id| auto.contains_key(id).then(|| large.get(id).map(|row| side(row))).flatten(),
            &self.foreseen,
        );
        if cases.is_empty() {
            return;
        }
        let small = by_question(&self.answers, &self.names[0]);
        let by_both = |id: &str| large.contains_key(id) && small.contains_key(id);
        let rows: Vec<&&ExamAnswer> = auto.iter().filter(|(id, _)| by_both(id)).map(|(_, row)| row).collect();
        let count = rows.len() as f64;
        let sides = || rows.iter().map(|row| side(row));
        let (right, cost) =
            (sides().map(|it| it.right).sum::<f64>() / count, sides().map(|it| it.cost).sum::<f64>() / count);
        let [small, large] = alone(&cases);
        println!(
            "## The built-in route through the running gateway\n\n| {} questions | right | s a question | quality by the large one's \
             | busy time by the large one's |\n| --- | ---: | ---: | ---: | ---: |\n| `auto` | {right:.3} | {cost:.2} | {:.3} | {:.3} |\n\
             | {} alone | {:.3} | {:.2} | {:.3} | {:.3} |\n| {} alone | {:.3} | {:.2} | 1 | 1 |\n",
            rows.len(),
            right / large.1,
            cost / large.0,
            self.names[0],
            small.1,
            small.0,
            small.1 / large.1,
            small.0 / large.0,
            self.names[1],
            large.1,
            large.0
        );
    }
}
