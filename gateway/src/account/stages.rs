//! What the stages of a request find out, as each returns it.

use std::time::Duration;

use bytes::Bytes;
use gateway_config::ClientConfig;
use router_policies::Features;

use super::*;
use crate::record::RecordedDecision;
use crate::record::content::RecordedContent;
use protocol::ChatRequest;

impl RequestAccount {
    /// Who asks is known.
    pub fn identified(&mut self, client: Option<&Arc<ClientConfig>>) {
        self.record.client = client.cloned();
    }

    /// The client wants to be told who answered, and what that saved.
    pub fn tell(&mut self) {
        self.tells = true;
    }

    /// The request was read.
    pub fn read(&mut self, chat: &ChatRequest) {
        self.record.stream = chat.stream();
        self.bound = UsageBound::for_chat(chat);
    }

    /// What was asked for by name is known, or another route has taken over.
    pub fn asked(&mut self, asked: RequestSummary) {
        self.record.asked = asked;
    }

    /// Keeps what is asked, and what will be answered, where the route says that it is recorded.
    pub fn record_content(&mut self, chat: &ChatRequest) {
        if self.record.is_recorded() {
            self.keep_content(chat);
        }
    }

    /// Keeps what is asked, and what will be answered.
    pub fn keep_content(&mut self, chat: &ChatRequest) {
        self.record.content.get_or_insert_with(|| Box::new(RecordedContent::of(chat)));
    }

    /// It was decided what to do, after so long a scoring; with the features of the prompt, where it was scored.
    pub fn decided(
        &mut self,
        decided: RecordedDecision,
        scoring: Option<Duration>,
        features: Option<Features>,
    ) {
        self.record.decided = Some(decided);
        self.record.scoring = scoring;
        self.record.features = features.map(Box::new);
    }

    /// Has `learner` told how the request ends.
    pub fn on_close(&mut self, learner: Box<dyn OnClose>) {
        self.on_close = Some(learner);
    }

    /// The request belongs to a trace.
    pub fn traced(&mut self, traced: Option<Box<TraceGuard>>) {
        self.traced = traced;
    }

    /// The answer is this body.
    pub fn answered(&mut self, body: &[u8]) {
        if let Some(content) = &mut self.record.content {
            content.answered(body);
        }
    }

    /// Events of our own join one model's answer to another's.
    pub fn joined(&mut self, events: &Bytes) {
        if let Some(content) = &mut self.record.content {
            content.join(events);
        }
    }
}

/// The record of a request of which nothing is known yet.
#[inline]
pub(super) fn nothing_known(id: RequestId, call: RecordedCall) -> RequestRecord {
    RequestRecord {
        id,
        call,
        client: None,
        asked: RequestSummary::Nothing,
        stream: false,
        decided: None,
        features: None,
        attempts: Vec::new(),
        answered_by: None,
        outcome: RequestOutcome::Abandoned,
        status: 0,
        error: None,
        first_token: None,
        writing: None,
        total: Default::default(),
        overhead: Default::default(),
        scoring: None,
        baseline: None,
        content: None,
    }
}
