//! How fast the engine reads and writes, and how long a request would wait for its turn.

/// Floating-point operations a second that a machine is taken to have before anything was measured: one core of a
/// common server while it reads prompts, and while it writes, which is bound by memory.
const READING_OPERATIONS: f64 = 80e9;
const WRITING_OPERATIONS: f64 = 30e9;
/// Tokens that an answer is taken to have before one was seen to its end.
const ANSWER_TOKENS: f64 = 128.0;
/// The weight of the newest observation.
const SHARE: f64 = 0.2;

/// Moving averages of what the engine did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct EnginePace {
    /// Seconds for a token of a prompt.
    pub(crate) reading: f64,
    /// Seconds for a token of an answer, while as many others are written as are by and large.
    pub(crate) writing: f64,
    /// Tokens of an answer.
    answer: f64,
    measured: [bool; 3],
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
            answer: ANSWER_TOKENS,
            measured: [false; 3],
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
        average(&mut self.answer, f64::from(tokens), &mut self.measured[2]);
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

    /// Seconds until a request is done. An answer that is longer than most is taken to go on for half of what most have.
    fn seconds(&self, work: &WorkLeft) -> f64 {
        let given = f64::from(work.given);
        let expected = (self.answer - given).max(self.answer / 2.0);
        let writing = expected.min(f64::from(work.budget) - given).max(0.0);
        work.prompt as f64 * self.reading + writing * self.writing
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

    /// One that reads 100 tokens a second and writes 10, and whose answers have 50.
    fn pace() -> EnginePace {
        EnginePace { reading: 0.01, writing: 0.1, answer: 50.0, measured: [true; 3] }
    }

    #[test]
    fn waits_for_what_is_ahead() {
        let check = |slots, running: &[WorkLeft], ahead: &[WorkLeft], expected: f64| {
            let wait = pace().wait(slots, running, ahead);
            assert!((wait - expected).abs() < 1e-9, "{wait}, not {expected}");
        };
        check(1, &[], &[], 0.0);
        check(2, &[left(0, 0, 1000)], &[], 0.0);
        // As long as most answers, less what it has.
        check(1, &[left(0, 10, 1000)], &[], 4.0);
        // What is longer than most goes on for a while, but not beyond its limit.
        check(1, &[left(0, 400, 1000)], &[], 2.5);
        check(1, &[left(0, 400, 405)], &[], 0.5);
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
        let before = pace;
        assert!(before.reading > 0.005 && before.writing > before.reading, "{before:?}");
        pace.read(0, 1.0);
        assert_eq!(pace, before);
        pace.read(10, 1.0);
        pace.wrote(0.5);
        pace.ended(7);
        assert_eq!((pace.reading, pace.writing, pace.answer), (0.1, 0.5, 7.0));
        pace.read(10, 2.0);
        assert!(pace.reading > 0.1 && pace.reading < 0.2, "{pace:?}");
    }
}
