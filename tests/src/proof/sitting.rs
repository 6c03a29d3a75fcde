//! Asks every model every question, one question at a time a model, each model in a gateway of its own, so that the time
//! that a gateway's process uses is that model's alone.

#![allow(clippy::print_stderr, reason = "hours of asking say how far they are")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::proof::answers::{AnswerFile, AskedForm, ExamAnswer, rows};
use crate::proof::asking::{self, Reply, Said};
use crate::proof::exam::ExamQuestion;
use crate::proof::judging::judge;
use crate::proof::process::GatewayProcess;

/// Between two words on how far it is.
const SILENCE: Duration = Duration::from_secs(30);
/// A price at which each second of a machine costs 1.
pub const A_SECOND: &str = "price: {hour: 3600}";
/// What a model that has all the time it needs is given.
pub const PATIENCE: &str = "timeouts: {first_token: 10m, idle: 10m, total: 30m}";

/// Who sits the exam, and where the answers go.
#[derive(Debug)]
pub struct Sitting {
    /// The program `xietong`.
    pub program: PathBuf,
    /// Files of weights, from small to large.
    pub weights: Vec<PathBuf>,
    /// The folder of the answers.
    pub folder: PathBuf,
    /// The name of their file in it.
    pub file: &'static str,
    /// 0 for the answers that are judged; as in the gateway for second ones.
    pub temperature: f64,
    /// Ask the route `auto` of the gateway as it is without a configuration, in place of each model by its name.
    pub built_in: bool,
    /// Questions in rounds; a model is at most one round ahead of the next larger one, so that pairs come early.
    pub rounds: Vec<Vec<ExamQuestion>>,
}

/// How far the models are.
struct Progress {
    /// Rounds that each model has done.
    rounds: Vec<AtomicUsize>,
    moved: Notify,
    file: Mutex<AnswerFile>,
    known: HashSet<(String, String)>,
}

/// What a model's weights are called: the file's name without its ending.
pub fn name_of(weights: &Path) -> String {
    weights.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl Sitting {
    /// Asks what is not answered yet. Answers that stand in the file are judged anew first.
    ///
    /// # Errors
    /// A file that cannot be read or written, and a gateway that does not answer.
    pub async fn sit(&self) -> Result<(), String> {
        std::fs::create_dir_all(&self.folder).map_err(|why| format!("{}: {why}", self.folder.display()))?;
        let path = self.folder.join(self.file);
        let known = judged_anew(rows(&path)?, self.rounds.iter().flatten());
        let progress = Progress {
            rounds: self.names().iter().map(|_| AtomicUsize::new(0)).collect(),
            moved: Notify::new(),
            file: Mutex::new(AnswerFile::with(&path, &known)?),
            known: known.into_iter().map(|row| (row.model, row.id)).collect(),
        };
        let mut all = Vec::new();
        for at in 0..self.names().len() {
            all.push(self.ask_all(at, &progress));
        }
        let ends = futures_util::future::join_all(all).await;
        ends.into_iter().collect()
    }

    /// Who is asked.
    fn names(&self) -> Vec<String> {
        if self.built_in {
            vec!["auto".to_owned()]
        } else {
            self.weights.iter().map(|it| name_of(it)).collect()
        }
    }

    async fn ask_all(&self, at: usize, progress: &Progress) -> Result<(), String> {
        let ended = self.ask_rounds(at, progress).await;
        // Whoever waits for this model is not to wait for ever.
        progress.rounds[at].store(usize::MAX / 2, Ordering::SeqCst);
        progress.moved.notify_waiters();
        ended
    }

    async fn ask_rounds(&self, at: usize, progress: &Progress) -> Result<(), String> {
        let name = self.names().swap_remove(at);
        let open = |question: &ExamQuestion| !progress.known.contains(&(name.clone(), question.id.clone()));
        let all = self.rounds.iter().flatten().filter(|question| open(question)).count();
        let mut gateway = self.gateway(at, &name).await?;
        let (began, mut said, mut done) = (Instant::now(), Instant::now(), 0);
        for (number, round) in self.rounds.iter().enumerate() {
            progress.wait_for(at + 1, number).await;
            for question in round.iter().filter(|question| open(question)) {
                let row = self.answer(&mut gateway, question, &name, &format!("exam-{at}-{done}")).await?;
                progress.add(&row)?;
                done += 1;
                if said.elapsed() >= SILENCE || done == all {
                    let left = began.elapsed().as_secs_f64() / done as f64 * (all - done) as f64 / 60.0;
                    eprintln!("{name}: {done} of {all}, {left:.0} minutes left at this pace");
                    said = Instant::now();
                }
            }
            progress.rounds[at].store(number + 1, Ordering::SeqCst);
            progress.moved.notify_waiters();
        }
        Ok(())
    }

    async fn gateway(&self, at: usize, name: &str) -> Result<GatewayProcess, String> {
        if self.built_in {
            return GatewayProcess::start_built_in(&self.program).await;
        }
        let yaml = format!(
            "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nlog: json\nmodels:\n  - name: \"{name}\"\n    provider: embedded\n    \
             weights: \"{}\"\n    threads: 1\n    slots: 1\n    {A_SECOND}\n    {PATIENCE}\n",
            self.weights[at].display()
        );
        GatewayProcess::start(&self.program, &self.folder.join(format!("{name}.yaml")), &yaml).await
    }

    /// Asks one question of a gateway that does nothing else.
    async fn answer(
        &self,
        gateway: &mut GatewayProcess,
        question: &ExamQuestion,
        model: &str,
        id: &str,
    ) -> Result<ExamAnswer, String> {
        let mut asked = AskedForm::AsItIs;
        loop {
            let before = gateway.processor_seconds();
            let body = asking::request(question, model, asked, self.temperature);
            let said = match asking::ask(gateway.data, id, &body).await {
                Ok(said) => said,
                // Whoever asks a route gets an error where nobody answers in time, and that is an answer that is wrong.
                Err(why) if self.built_in => {
                    Said::Answer(Box::new(Reply { finish: why, ..Reply::default() }))
                }
                Err(why) => return Err(format!("{}: {why}", question.id)),
            };
            let line = if self.built_in { serde_json::Value::Null } else { gateway.logged(id).await? };
            let processor = gateway.processor_seconds().zip(before).map(|(now, before)| now - before);
            match said {
                Said::Answer(reply) => {
                    let busy = line["attempts"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(|it| it["cost"].as_f64());
                    return Ok(row(question, model, asked, *reply, busy.sum(), processor));
                }
                Said::Refusal(400..=499, _) if asked == AskedForm::AsItIs && has_form(question) => {
                    asked = AskedForm::InWords;
                }
                Said::Refusal(500.., body) if self.built_in => {
                    let reply = Reply { finish: body, ..Reply::default() };
                    return Ok(row(question, model, asked, reply, 0.0, processor));
                }
                Said::Refusal(status, body) => return Err(format!("{}: {status}: {body}", question.id)),
            }
        }
    }
}

impl Progress {
    /// Waits until a model has done as many rounds less one; the largest one has nobody to wait for.
    async fn wait_for(&self, model: usize, rounds: usize) {
        let Some(done) = self.rounds.get(model) else { return };
        loop {
            let moved = self.moved.notified();
            if done.load(Ordering::SeqCst) + 1 >= rounds {
                return;
            }
            moved.await;
        }
    }

    fn add(&self, row: &ExamAnswer) -> Result<(), String> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).add(row)
    }
}

/// Rows with what the judge says today, where the question is known.
pub fn judged_anew<'a>(
    rows: Vec<ExamAnswer>,
    questions: impl Iterator<Item = &'a ExamQuestion>,
) -> Vec<ExamAnswer> {
    let checks: std::collections::HashMap<&str, &ExamQuestion> =
        questions.map(|question| (question.id.as_str(), question)).collect();
    let judged = |mut row: ExamAnswer| {
        if let Some(question) = checks.get(row.id.as_str()) {
            let judgement = judge(&question.check, &row.answer, &row.calls);
            (row.correct, row.part) = (judgement.right, judgement.part);
        }
        row
    };
    rows.into_iter().map(judged).collect()
}

fn has_form(question: &ExamQuestion) -> bool {
    question.tools.is_some() || question.response_format.is_some()
}

fn row(
    question: &ExamQuestion,
    model: &str,
    asked: AskedForm,
    reply: Reply,
    busy: f64,
    processor: Option<f64>,
) -> ExamAnswer {
    let judgement = judge(&question.check, &reply.text, &reply.calls);
    let [prompt_tokens, answer_tokens] = reply.usage;
    let rounded = |seconds: f64| (seconds * 1e3).round() / 1e3;
    let row = ExamAnswer {
        id: question.id.clone(),
        kind: question.kind.clone(),
        lang: question.lang.clone(),
        model: model.to_owned(),
        answered_by: reply.model,
        asked,
        correct: judgement.right,
        part: judgement.part,
        answer: reply.text,
        calls: reply.calls,
        finish: reply.finish,
        prompt_tokens,
        answer_tokens,
        busy: rounded(busy),
        processor: processor.map(rounded),
        first_token: rounded(reply.first_token),
        total: rounded(reply.total),
        load: load(),
        tokens: reply.tokens,
        ..ExamAnswer::default()
    };
    row.with_figures_of_tokens()
}

/// The machine's load average over the last minute, where the system tells.
fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}
