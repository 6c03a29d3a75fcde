//! How long a token takes on a machine of our own: what turns a price per hour into an expected cost.

use std::time::Duration;

use dashmap::DashMap;

/// Measured pace of models, since the start.
#[derive(Debug, Default)]
pub struct Paces(DashMap<String, Pace>);

#[derive(Debug, Default, Clone, Copy)]
struct Pace {
    tokens: u64,
    busy: Duration,
}

impl Paces {
    /// A model worked for `busy` on this many tokens, prompt and answer together.
    pub fn saw(&self, model: &str, tokens: u64, busy: Duration) {
        if let Some(mut pace) = self.0.get_mut(model) {
            pace.add(tokens, busy);
            return;
        }
        self.0.entry(model.to_owned()).or_default().add(tokens, busy);
    }

    /// How long this model would work on so many tokens; `None` before it has worked at all.
    pub fn expected(&self, model: &str, tokens: u64) -> Option<Duration> {
        let pace = *self.0.get(model)?;
        (pace.tokens > 0).then(|| pace.busy.mul_f64(tokens as f64 / pace.tokens as f64))
    }
}

impl Pace {
    fn add(&mut self, tokens: u64, busy: Duration) {
        self.tokens = self.tokens.saturating_add(tokens);
        self.busy = self.busy.saturating_add(busy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expects_what_it_has_seen() {
        let paces = Paces::default();
        assert_eq!(paces.expected("m", 10), None);
        paces.saw("m", 100, Duration::from_secs(2));
        paces.saw("m", 300, Duration::from_secs(2));
        assert_eq!(paces.expected("m", 50), Some(Duration::from_millis(500)));
    }
}
