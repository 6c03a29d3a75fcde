//! How fast the engine reads and writes, and how long a request would wait for its turn.

use std::collections::VecDeque;

/// Floating-point operations a second that a machine is taken to have before anything was measured: one core of a
/// common server while it reads prompts, and while it writes, which is bound by memory.
const READING_OPERATIONS: f64 = 80e9;
const WRITING_OPERATIONS: f64 = 30e9;
/// Lengths of answers, in tokens, that count beside those that were seen: a few short answers do not make a long one
/// impossible.
const ANSWERS_BEFORE: [u32; 3] = [32, 128, 512];
/// How many answers are remembered by their length.
const ANSWERS_KEPT: usize = 64;
/// Of the answers that are as long as one under way at least, this share is shorter than that one is taken to become. Who is
/// told too short a wait waits in vain, while another model may be idle.
const ANSWERS_SHORTER: f64 = 0.8;
/// The weight of the newest observation.
const SHARE: f64 = 0.2;

/// What the engine did: moving averages, and how long its last answers were.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EnginePace {
    /// Seconds for a token of a prompt.
    pub(crate) reading: f64,
    /// Seconds for a token of an answer, while as many others are written as are by and large.
    pub(crate) writing: f64,
    /// Tokens of the last answers, the newest last.
    answers: VecDeque<u32>,
    measured: [bool; 2],
}

/// What is left to do for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkLeft {
    /// Tokens of the prompt that are not read.
    pub(crate) prompt: usize,
    /// Tokens that the answer has so far.
    pub(crate) given: u32,
    /// The most tokens that it may have.
    pub(crate) budget: u32,
}

impl EnginePace {
    /// By the size of a model, until something is measured.
    pub(crate) fn of(parameters: u64) -> Self {
        let operations = 2.0 * parameters as f64;
        Self {
            reading: operations / READING_OPERATIONS,
            writing: operations / WRITING_OPERATIONS,
            answers: VecDeque::new(),
            measured: [false; 2],
        }
    }

    /// So many tokens of a prompt were read.
    pub(crate) fn read(&mut self, tokens: usize, seconds: f64) {
        if tokens > 0 {
            average(&mut self.reading, seconds / tokens as f64, &mut self.measured[0]);
        }
    }

    /// Each answer under way got a token.
    pub(crate) fn wrote(&mut self, seconds: f64) {
        average(&mut self.writing, seconds, &mut self.measured[1]);
    }

    /// An answer came to its end.
    pub(crate) fn ended(&mut self, tokens: u32) {
        if self.answers.len() == ANSWERS_KEPT {
            self.answers.pop_front();
        }
        self.answers.push_back(tokens);
    }

    /// Tokens that an answer with so many still gets, by those of the last answers that were longer. One that is longer than
    /// all of them is taken to be half done.
    pub(crate) fn tokens_to_come(&self, given: u32) -> u32 {
        let seen = self.answers.iter().copied().chain(ANSWERS_BEFORE);
        let mut longer: Vec<u32> = seen.filter(|tokens| *tokens > given).collect();
        longer.sort_unstable();
        let at = (longer.len() as f64 * ANSWERS_SHORTER) as usize;
        longer.get(at).map_or(given, |tokens| tokens - given)
    }

    /// Seconds that a request would wait for one of `slots`, behind those that run and those that are `ahead` of it.
    pub(crate) fn wait(&self, slots: usize, running: &[WorkLeft], ahead: &[WorkLeft]) -> f64 {
        let mut free_at: Vec<f64> = running.iter().map(|work| self.seconds(work)).collect();
        free_at.resize(slots.max(running.len()).max(1), 0.0);
        for work in ahead {
            if let Some(first) = free_at.iter_mut().min_by(|a, b| a.total_cmp(b)) {
                *first += self.seconds(work);
            }
        }
        free_at.into_iter().fold(f64::INFINITY, f64::min)
    }

    /// Seconds until a request is done.
    fn seconds(&self, work: &WorkLeft) -> f64 {
        let writing = self.tokens_to_come(work.given).min(work.budget.saturating_sub(work.given));
        work.prompt as f64 * self.reading + f64::from(writing) * self.writing
    }
}

fn average(value: &mut f64, seen: f64, measured: &mut bool) {
    *value = if *measured { *value + (seen - *value) * SHARE } else { seen };
    *measured = true;
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn left(prompt: usize, given: u32, budget: u32) -> WorkLeft {
        WorkLeft { prompt, given, budget }
    }

    /// One that reads 100 tokens a second and writes 10, and whose answers had so many tokens.
    fn pace(answers: &[u32]) -> EnginePace {
        let answers = answers.iter().copied().collect();
        EnginePace { reading: 0.01, writing: 0.1, answers, measured: [true; 2] }
    }

    #[test]
    fn foresees_the_length_of_an_answer_by_those_that_were_longer() {
        let check = |answers: &[u32], given, expected| {
            assert_eq!(pace(answers).tokens_to_come(given), expected, "{answers:?}, after {given}");
        };
        // Before anything was seen.
        check(&[], 0, 512);
        check(&[], 500, 12);
        // A few short answers do not make a long one impossible, many make it seldom.
        check(&[8; 5], 0, 128);
        check(&[8; 64], 0, 8);
        // One that is longer than the short ones is one of the long ones.
        check(&[8; 64], 8, 504);
        check(&[8; 64], 400, 112);
        check(&[[8; 40], [300; 40]].concat(), 8, 292);
        // What is longer than all is half done.
        check(&[8; 64], 512, 512);
        check(&[8; 64], 3000, 3000);
    }

    #[test]
    fn waits_for_what_is_ahead() {
        let check = |slots, running: &[WorkLeft], ahead: &[WorkLeft], expected: f64| {
            let wait = pace(&[50; 64]).wait(slots, running, ahead);
            assert!((wait - expected).abs() < 1e-9, "{wait}, not {expected}");
        };
        check(1, &[], &[], 0.0);
        check(2, &[left(0, 0, 1000)], &[], 0.0);
        // As long as most answers, less what it has.
        check(1, &[left(0, 10, 1000)], &[], 4.0);
        // What is longer than all goes on as long again, but not beyond its limit.
        check(1, &[left(0, 600, 4000)], &[], 60.0);
        check(1, &[left(0, 600, 605)], &[], 0.5);
        // The prompt of one that waits is to be read too.
        check(1, &[left(100, 0, 10)], &[left(200, 0, 10)], 2.0 + 3.0);
        // The first of two slots to be free.
        check(2, &[left(0, 0, 1000), left(0, 0, 20)], &[], 2.0);
        check(2, &[left(0, 0, 1000), left(0, 0, 20)], &[left(0, 0, 20)], 4.0);
        check(2, &[left(0, 0, 1000), left(0, 0, 20)], &[left(0, 0, 20), left(0, 0, 20)], 5.0);
    }

    #[test]
    fn is_measured_once_something_was_done() {
        let mut pace = EnginePace::of(500_000_000);
        let before = pace.clone();
        assert!(before.reading > 0.005 && before.writing > before.reading, "{before:?}");
        pace.read(0, 1.0);
        assert_eq!(pace, before);
        pace.read(10, 1.0);
        pace.wrote(0.5);
        assert_eq!((pace.reading, pace.writing), (0.1, 0.5));
        pace.read(10, 2.0);
        assert!(pace.reading > 0.1 && pace.reading < 0.2, "{pace:?}");
        (0..ANSWERS_KEPT * 2).for_each(|_| pace.ended(7));
        assert_eq!(pace.answers, [7; ANSWERS_KEPT]);
    }
}
