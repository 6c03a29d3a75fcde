//! Further answers to the same question, asked for while the first is being written.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::{JoinAll, join_all};
use router_policies::Rung;
use router_policies::answers::FinalAnswer;
use router_policies::guard::{AgreementCheck, RejectReason};

use super::DispatchJob;
use super::attempt::{
    AttemptAnswer, OpenAttempt, OpenedAnswer, OpenedBody, ResponseMode, enter, listen, question,
};
use crate::account::{AttemptId, RequestAccount};
use crate::record::{AttemptResult, Waste};
use protocol::{AnswerMessage, FinalUsage};
use upstreams::UpstreamRequest;

/// The word for an attempt that was made to be compared.
const WORD: &str = AttemptResult::Sampled.word();

type Listening = Pin<Box<dyn Future<Output = AttemptAnswer> + Send>>;

/// Answers under way.
pub(super) struct SecondOpinions {
    attempts: Vec<AttemptId>,
    running: Pin<Box<JoinAll<Listening>>>,
    answers: Option<Vec<AttemptAnswer>>,
}

impl SecondOpinions {
    /// Asks for as many as the plan wants; for fewer where the budget or the endpoints do not allow them.
    pub(super) async fn ask(
        job: &DispatchJob,
        judged: Rung,
        agree: Option<AgreementCheck>,
        account: &mut RequestAccount,
    ) -> Self {
        let (mut attempts, mut futures) = (Vec::new(), Vec::new());
        let chat = agree.and_then(|_| job.chat.again()).map(Arc::new);
        if let (Some(agree), Some(chat)) = (agree, chat) {
            let pool = &job.ladder[agree.rung.unwrap_or(judged).0].pool;
            for _ in 0..agree.samples {
                let Ok(open) = enter(pool, account).await else { break };
                account.beside(open.id);
                attempts.push(open.id);
                let ask =
                    UpstreamRequest { chat: Arc::clone(&chat), ..question(job, pool, open.id, account) };
                let form =
                    ResponseMode { stream: false, choices: 1, most: account.most(&pool.model), heard: None };
                futures.push(Box::pin(listen(open, ask, form)) as Listening);
            }
        }
        Self { attempts, running: Box::pin(join_all(futures)), answers: None }
    }

    /// Goes on with them while `main` runs.
    pub(super) async fn beside<T>(&mut self, main: impl Future<Output = T>) -> T {
        let mut main = pin!(main);
        poll_fn(|cx| {
            if self.answers.is_none()
                && let Poll::Ready(answers) = self.running.as_mut().poll(cx)
            {
                self.answers = Some(answers);
            }
            main.as_mut().poll(cx)
        })
        .await
    }

    /// Waits for them all, and says whether most come to the same as `text`.
    pub(super) async fn agree(&mut self, text: &str) -> Result<(), RejectReason> {
        if self.answers.is_none() {
            self.answers = Some(self.running.as_mut().await);
        }
        let upshot = FinalAnswer::of(text);
        let texts = self.answers.iter().flatten().filter_map(|answer| said(answer.opened.as_ref().ok()?));
        let votes: Vec<bool> = texts.filter_map(|text| upshot.agrees(&FinalAnswer::of(&text))).collect();
        let agreeing = votes.iter().filter(|&&agrees| agrees).count();
        if votes.is_empty() || 2 * agreeing > votes.len() { Ok(()) } else { Err(RejectReason::Disagreement) }
    }

    /// Closes their accounts; those still under way are let go.
    pub(super) fn close(self, kept: bool, account: &mut RequestAccount) {
        let Self { attempts, running, answers } = self;
        drop(running);
        let waste = (!kept).then_some(Waste::Escalated);
        // All have been heard to their end, or none.
        let Some(answers) = answers else {
            return attempts.into_iter().for_each(|id| account.discard(id, WORD, Waste::Escalated));
        };
        answers.into_iter().for_each(|answer| ended(answer, waste, account));
    }
}

fn ended(answer: AttemptAnswer, waste: Option<Waste>, account: &mut RequestAccount) {
    let AttemptAnswer { open, tally, opened, .. } = answer;
    account.add_tokens(open.id, &tally);
    match opened {
        Ok(_) => {
            let OpenAttempt { id, mut endpoint_guard } = open;
            endpoint_guard.answered();
            account.discard_complete(id, WORD, waste);
        }
        Err(error) => open.fail(&error, account),
    }
}

fn said(opened: &OpenedAnswer) -> Option<String> {
    let message = match &opened.body {
        OpenedBody::Whole(whole) => AnswerMessage::of_whole(whole.bytes()),
        OpenedBody::Gathered(gather) => AnswerMessage::of_whole(&gather.whole(&FinalUsage::default())),
        OpenedBody::Started(_) => None,
    };
    message?.content
}
