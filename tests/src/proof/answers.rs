//! What was answered: one line of JSON for each question and model, in a file that a run adds to.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A line of the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExamAnswer {
    /// The question's name.
    pub id: String,
    /// What sort of task it is.
    pub kind: String,
    /// The language of the question.
    pub lang: String,
    /// The model that was asked: the name of its weights' file without its ending, or `auto`.
    pub model: String,
    /// The model that the answer says it is of.
    pub answered_by: String,
    /// How functions and the form of the answer were asked for.
    pub asked: AskedForm,
    /// Whether the answer is right.
    pub correct: bool,
    /// How much of it is right, 0..=1: for JSON, calls and translations the share of their parts, else 0 or 1.
    pub part: f64,
    /// The text.
    pub answer: String,
    /// Calls of functions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// Why the answer ended, as the API says.
    pub finish: String,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens of the answer.
    pub answer_tokens: u32,
    /// Seconds of the machine as the gateway charges them: by the clock, from the request to the engine to its end.
    pub busy: f64,
    /// Seconds of processor time of the whole gateway, which did nothing else, in hundredths; `None` where the system does
    /// not tell.
    pub processor: Option<f64>,
    /// Seconds until the first piece of the answer, by the clock.
    pub first_token: f64,
    /// Seconds until its end, by the clock.
    pub total: f64,
    /// The mean log-probability of its tokens; `None` where the model did not tell.
    pub mean_logprob: Option<f64>,
    /// The lowest one.
    pub lowest_logprob: Option<f64>,
    /// By how much the likeliest token led before the next, at the place where it led least, as a difference of
    /// log-probabilities.
    pub least_margin: Option<f64>,
    /// The machine's load average over the last minute when it was done.
    pub load: Option<f64>,
    /// The tokens.
    pub tokens: Vec<Token>,
}

/// How functions and the form of the answer were asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedForm {
    /// By the fields of the API.
    #[default]
    AsItIs,
    /// The gateway refused those fields for this model: functions were put in words, the form was left out.
    InWords,
}

/// A call of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The function.
    pub name: String,
    /// Its arguments as the model wrote them: JSON, if all is well.
    pub arguments: String,
}

/// A token, its log-probability, and those of the two likeliest in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token(pub String, pub f64, pub Option<[f64; 2]>);

impl ExamAnswer {
    /// Works out the figures that are means or extremes of its tokens.
    pub fn with_figures_of_tokens(mut self) -> Self {
        if !self.tokens.is_empty() {
            let logprobs = || self.tokens.iter().map(|token| token.1);
            let mean = logprobs().sum::<f64>() / self.tokens.len() as f64;
            let lowest = logprobs().fold(0.0, f64::min);
            let margins = self.tokens.iter().filter_map(|token| token.2.map(|[one, other]| one - other));
            let least = margins.reduce(f64::min);
            self.mean_logprob = Some((mean * 1e4).round() / 1e4);
            self.lowest_logprob = Some(lowest);
            self.least_margin = least.map(|it| (it * 1e4).round() / 1e4);
        }
        self
    }
}

/// The lines of a file; none where there is no file. A last line that was cut, as by a power failure, is left out.
///
/// # Errors
/// A file that cannot be read, and any other line that is no answer.
pub fn rows(file: &Path) -> Result<Vec<ExamAnswer>, String> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(named(&why)),
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).map_err(|why| named(&why))).collect()
}

/// Where answers are kept.
#[derive(Debug)]
pub struct AnswerFile {
    file: File,
    path: PathBuf,
}

impl AnswerFile {
    /// Writes the rows that are known anew, in place of what stands there, and is ready for more.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn with(path: &Path, known: &[ExamAnswer]) -> Result<Self, String> {
        let beside = path.with_extension("new");
        let opened = OpenOptions::new().create(true).write(true).truncate(true).open(&beside);
        let mut file = opened.map_err(|why| format!("{}: {why}", beside.display()))?;
        for row in known {
            write(&mut file, row, &beside)?;
        }
        std::fs::rename(&beside, path).map_err(|why| format!("{}: {why}", path.display()))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// A disk that takes no more.
    pub fn add(&mut self, row: &ExamAnswer) -> Result<(), String> {
        write(&mut self.file, row, &self.path)
    }
}

/// A line in one piece, so that what breaks a run off leaves whole lines.
fn write(file: &mut File, row: &ExamAnswer, path: &Path) -> Result<(), String> {
    let line = serde_json::to_string(row).map_err(|why| why.to_string())? + "\n";
    file.write_all(line.as_bytes()).map_err(|why| format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_behind_a_line_that_was_cut() {
        let file = std::env::temp_dir().join(format!("xietong-answers-{}.jsonl", std::process::id()));
        let row = |id: &str| ExamAnswer {
            id: id.to_owned(),
            tokens: vec![Token("a".to_owned(), -0.5, Some([-0.5, -1.5])), Token("b".to_owned(), -0.1, None)],
            ..ExamAnswer::default()
        };
        let row = |id: &str| row(id).with_figures_of_tokens();
        assert_eq!(rows(&file), Ok(Vec::new()));
        AnswerFile::with(&file, &[row("one")]).unwrap().add(&row("two")).unwrap();
        let mut text = std::fs::read_to_string(&file).unwrap();
        text.push_str("{\"id\": \"thr");
        std::fs::write(&file, text).unwrap();
        let known = rows(&file).unwrap();
        assert_eq!(known, [row("one"), row("two")]);
        assert_eq!(
            (known[0].mean_logprob, known[0].lowest_logprob, known[0].least_margin),
            (Some(-0.3), Some(-0.5), Some(1.0))
        );
        AnswerFile::with(&file, &known).unwrap().add(&row("three")).unwrap();
        assert_eq!(rows(&file).unwrap().len(), 3);
        std::fs::remove_file(&file).unwrap();
    }
}
