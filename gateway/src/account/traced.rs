//! What an account has to do with the trace that its request belongs to.

use http::HeaderMap;

use super::{AttemptId, RequestAccount};

impl RequestAccount {
    /// The headers that the attempt sends along, of those that came: where the request is traced, they name the attempt.
    pub fn onward(&self, id: AttemptId, came: &HeaderMap) -> HeaderMap {
        match &self.traced {
            Some(traced) => traced.onward(came.clone(), id.0),
            None => came.clone(),
        }
    }

    /// Hands on what is to be told of the request where it is traced: all but what was asked and answered.
    pub(super) fn trace(&mut self) {
        if let Some(traced) = self.traced.take() {
            self.record.content = None;
            self.record.features = None;
            traced.close(self.record.clone(), self.currency);
        }
    }
}
