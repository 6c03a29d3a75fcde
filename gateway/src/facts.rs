//! What rules may know of a request, and what they say of it before models are compared.

use gateway_config::Route;
use router_policies::contents::Contents;
use router_policies::policies::Terms;
use router_policies::topics::topic_of;
use router_policies::{Facts, Features};

use crate::assessment::Question;
use crate::protocol::Chat;

/// What is known of a request for a route: of what takes time to find out, only what its rules ask for.
pub fn facts<'a>(route: &'a Route, ask: &Question<'a>, features: &Features) -> Facts<'a> {
    let Question { chat, hints, now, .. } = *ask;
    let (needs, asks) = (chat.needs(), route.policy.asks());
    let contains = if asks.contents.is_empty() { Contents::NONE } else { contents(chat, asks.contents) };
    Facts {
        client: hints.client.as_deref(),
        prompt_tokens: chat.prompt_tokens(),
        media: needs.image || needs.audio || needs.video,
        uses_tools: needs.tools,
        structured: chat.structured(),
        must_stay: hints.local_only,
        contains,
        topic: topic_of(&route.topics, features).map(|topic| topic.name.as_str()),
        time: Some(now),
        conversation: None,
    }
}

/// Which of these stand anywhere in what an upstream would be sent: messages, tools, and fields that we do not know.
fn contents(chat: &Chat, wanted: Contents) -> Contents {
    let mut found = Contents::NONE;
    chat.texts(&mut |text| found = found.and(Contents::in_text(text, wanted)));
    found
}

/// Whether what rules require is stated of a model.
pub fn is_stated(terms: &Terms<'_>, model: &gateway_config::Model) -> bool {
    terms.require.iter().all(|require| require.met_by(model.provenance.stated()))
}
