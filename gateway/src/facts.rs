//! What rules may know of a request, and what they say of it before models are compared.

use gateway_config::Route;
use router_policies::policies::RuleConstraints;
use router_policies::sensitive_data::SensitiveKinds;
use router_policies::topics::topic_of;
use router_policies::{Features, RequestFacts};

use crate::assessment::AssessInput;
use protocol::ChatRequest;

/// What is known of a request for a route: of what takes time to find out, only what its rules ask for.
pub fn facts<'a>(route: &'a Route, ask: &AssessInput<'a>, features: &Features) -> RequestFacts<'a> {
    let AssessInput { chat, hints, now, .. } = *ask;
    let (needs, asks) = (chat.needs(), route.policy.required_inputs());
    let contains =
        if asks.contents.is_empty() { SensitiveKinds::NONE } else { contents(chat, asks.contents) };
    RequestFacts {
        client: hints.client.as_deref(),
        prompt_tokens: chat.prompt_tokens(),
        media: needs.image || needs.audio || needs.video,
        uses_tools: needs.tools,
        structured: chat.structured(),
        local_only: hints.local_only,
        contains,
        topic: topic_of(&route.topics, features).map(|topic| topic.name.as_str()),
        time: Some(now),
        conversation: None,
    }
}

/// Which of these stand anywhere in what an upstream would be sent: messages, tools, and fields that we do not know.
fn contents(chat: &ChatRequest, wanted: SensitiveKinds) -> SensitiveKinds {
    let mut found = SensitiveKinds::NONE;
    chat.texts(&mut |text| found = found.and(SensitiveKinds::in_text(text, wanted)));
    found
}

/// Whether what rules require is stated of a model.
pub fn is_stated(constraints: &RuleConstraints<'_>, model: &gateway_config::ModelConfig) -> bool {
    constraints.require.iter().all(|require| require.met_by(model.provenance.stated()))
}
