//! A request as a model takes it: what is altered for it, left out, or refused by name.
//!
//! What a model takes is known when the configuration is loaded, and what a request has when it is read: where both have
//! nothing in common, nothing is looked at.
//!
//! - `fields`: sampling and other fields with a value of their own.
//! - `effort`: how hard to think, and tools that must be called.
//! - `ids`: of tools' calls.
//! - `offers`: tools, the form of the answer, and texts that end it.
//! - `pictures`: their types, and where they are.
//! - `roles`: system messages, and messages that say nothing.

mod effort;
mod fields;
mod ids;
mod offers;
mod pictures;
pub(super) mod roles;

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use gateway_config::{FeatureSet, ModelTakes, RequestFeature, ToolIdForm, Treatment};

use super::bad_request::BadRequest;
use super::chat::ChatRequest;
use super::endpoint::ApiEndpoint;
use super::json::{FieldEdit, RawObject};
use super::json_error::quoted;
use super::original_request::OriginalRequest;

pub(super) use effort::{Effort, EffortFit, ThinkingAsked};
pub(super) use fields::{fit_fields, fit_together};

/// What is done to a request for a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RequestFit {
    pub(super) edits: Vec<FieldEdit>,
    /// The client's names of what an answer may depend on and the model is not told.
    pub(super) left_out: Vec<&'static str>,
}

impl RequestFit {
    /// Takes a field out; `named`: the client is to know.
    pub(super) fn leave_out(&mut self, field: &'static str, named: bool) {
        self.set(field, None);
        if named && !self.left_out.contains(&field) {
            self.left_out.push(field);
        }
    }

    /// Puts something in a field's place.
    pub(super) fn set(&mut self, field: &'static str, value: Option<Bytes>) {
        match self.edits.iter_mut().find(|(name, _)| *name == field) {
            Some((_, there)) => *there = value,
            None => self.edits.push((field, value)),
        }
    }

    /// What is there for a field in the end.
    fn get<'a>(&'a self, object: &'a RawObject, field: &str) -> Option<&'a [u8]> {
        let edited = self.edits.iter().find(|(name, _)| *name == field);
        let there = edited.map_or_else(|| object.get(field), |(_, value)| value.as_deref());
        there.filter(|raw| *raw != b"null")
    }

    /// The object with all that is done to it.
    pub(super) fn applied(&self, object: &RawObject) -> Bytes {
        let edits: Vec<_> = self.edits.iter().map(|(name, value)| (*name, value.as_deref())).collect();
        object.edited(&edits)
    }
}

/// What of a request is to be looked at for a model, and what becomes of it.
#[derive(Clone, Copy)]
pub(super) struct TakesView<'a> {
    pub(super) takes: &'a ModelTakes,
    pub(super) heeded: FeatureSet,
}

impl TakesView<'_> {
    /// What becomes of a feature; it is taken where the request does not have it.
    pub(super) fn of(&self, feature: RequestFeature) -> Treatment {
        if self.heeded.has(feature) { self.takes.of(feature) } else { Treatment::Taken }
    }
}

/// A chat as a model takes it, whether or not something had to be done to it.
pub(super) enum FittedChat<'a> {
    AsItIs(&'a ChatRequest),
    Fitted(Arc<ChatRequest>),
}

impl Deref for FittedChat<'_> {
    type Target = ChatRequest;

    fn deref(&self) -> &ChatRequest {
        match self {
            Self::AsItIs(chat) => chat,
            Self::Fitted(chat) => chat,
        }
    }
}

impl ChatRequest {
    /// What is done to it for a model that takes this.
    ///
    /// # Errors
    /// What the model does not take, and nothing else can be told in its place.
    pub(super) fn fit(&self, takes: &ModelTakes) -> Result<RequestFit, BadRequest> {
        let mut fit = RequestFit::default();
        let view = TakesView { takes, heeded: takes.heeded().both(self.features()) };
        let calls = self.messages.tools && takes.tool_ids != ToolIdForm::Any;
        if view.heeded.is_empty() && !calls {
            return Ok(fit);
        }
        fit_fields(&self.object, view, &mut fit)?;
        effort::fit(&self.object, view, &mut fit)?;
        fit_together(&self.object, view, effort::thinks(&self.object, &fit), &mut fit)?;
        offers::fit(self, view, &mut fit)?;
        pictures::check(self, view)?;
        roles::fit(self, view, &mut fit)?;
        if calls {
            ids::fit(self, takes.tool_ids, &mut fit);
        }
        Ok(fit)
    }

    /// The same chat as a model takes it. It is kept, for whoever asks next.
    ///
    /// # Errors
    /// As [`ChatRequest::fit`].
    pub(super) fn fitted(&self, takes: &ModelTakes) -> Result<FittedChat<'_>, BadRequest> {
        let fit = self.fit(takes)?;
        if fit.edits.is_empty() {
            return Ok(FittedChat::AsItIs(self));
        }
        if let Some((_, chat)) = self.fitted.get().filter(|(edits, _)| *edits == fit.edits) {
            return Ok(FittedChat::Fitted(Arc::clone(chat)));
        }
        let chat = Arc::new(self.in_place_of(fit.applied(&self.object))?);
        // Another model may have been fitted for in the meantime; then this one is fitted for again.
        let _ = self.fitted.set((fit.edits, Arc::clone(&chat)));
        Ok(FittedChat::Fitted(chat))
    }
}

impl OriginalRequest {
    /// What is done to a request whose fields are a chat's, for a model that takes this.
    ///
    /// # Errors
    /// As [`ChatRequest::fit`].
    pub(super) fn fit(&self, takes: &ModelTakes) -> Result<RequestFit, BadRequest> {
        let mut fit = RequestFit::default();
        let view = TakesView { takes, heeded: takes.heeded() };
        if self.endpoint() == ApiEndpoint::Completions && !view.heeded.is_empty() {
            fields::fit_completion(self.body(), view, &mut fit)?;
        }
        Ok(fit)
    }

    /// The body for an upstream that has the same endpoint, with its name for the model, whether to stream, the longest answer
    /// where the client sets no limit and the gateway does, in tokens, and without what the model does not take.
    ///
    /// # Errors
    /// What the model does not take, and nothing else can be told in its place.
    pub fn told(
        &self,
        (model, takes): (&str, &ModelTakes),
        stream: bool,
        longest: Option<u64>,
    ) -> Result<Bytes, BadRequest> {
        Ok(self.encode(model, stream, longest, &self.fit(takes)?.edits))
    }
}

/// Refuses what a model does not take.
fn not_taken(param: impl Into<std::borrow::Cow<'static, str>>) -> BadRequest {
    let param = param.into();
    let message = format!("The model does not take '{}' as it is given.", quoted(&param));
    BadRequest::new(param, "unsupported_value", message)
}

#[cfg(test)]
mod tests;
