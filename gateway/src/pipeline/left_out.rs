//! What a client is told that was left out of its request.

use std::sync::Arc;

use gateway_config::{ModelConfig, ModelProvider};
use http::{HeaderMap, HeaderValue};

use crate::assess::said_as_it_came;
use crate::dispatch::DispatchJob;
use protocol::UpstreamApi;
use upstreams::header_names;

/// What is left out of a request.
#[derive(Default)]
pub(super) struct LeftOut {
    /// For some model that may be asked.
    of_some: Vec<&'static str>,
    /// For one model alone, which does not take it.
    of_one: Vec<(Arc<ModelConfig>, Vec<&'static str>)>,
}

impl LeftOut {
    /// `dropped`: what is left out for models of other dialects; one that gets the request as it came is told that.
    pub(super) fn of(job: &DispatchJob, dropped: Vec<&'static str>) -> Self {
        let able = || job.ladder.iter().filter(|rung| rung.eligible).map(|rung| &rung.pool.model);
        let all_told = able().all(|model| said_as_it_came(model, &job.chat));
        let of_one = able().filter_map(|model| {
            let ModelProvider::Remote(remote) = &model.provider else { return None };
            let fields = UpstreamApi::asked(remote, &job.chat).left_out(&job.chat, &remote.takes);
            (!fields.is_empty()).then(|| (Arc::clone(model), fields))
        });
        Self { of_some: if all_told { Vec::new() } else { dropped }, of_one: of_one.collect() }
    }

    /// Tells the client of it, as far as it holds for the model that answers; for each that may be asked, where the head of a
    /// stream leaves before one answers.
    pub(super) fn tell(mut self, headers: &mut HeaderMap) {
        let model = headers.get(header_names::MODEL).map(HeaderValue::as_bytes);
        let of_it = |one: &ModelConfig| model.is_none_or(|model| one.name.as_bytes() == model);
        for field in self.of_one.iter().filter(|(one, _)| of_it(one)).flat_map(|(_, fields)| fields) {
            if !self.of_some.contains(field) {
                self.of_some.push(field);
            }
        }
        header_names::prepend(headers, header_names::LEFT_OUT, &self.of_some);
    }
}
