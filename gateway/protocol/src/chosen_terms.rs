//! What a request chooses that has a price of its own: the tier of service, the speed, the region, sound, searches.

use router_policies::money::{AnswerSpeed, BilledExtras, InferenceRegion, ServiceTerms, ServiceTier};

use super::chat::ChatRequest;
use super::endpoint::ApiEndpoint;
use super::json::RawObject;

/// Searches that a request is taken to allow where it sets no limit.
const SEARCHES: u64 = 10;

/// What a request chooses, by who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChosenTerms {
    /// Of an upstream that is asked in a chat.
    pub chat: BilledExtras,
    /// Of one that gets the request as its client wrote it, in this API.
    pub native: Option<(ApiEndpoint, NativeTerms)>,
}

/// What a request chooses of an upstream that gets it as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NativeTerms {
    /// What is billed beside tokens of text, at most.
    pub extras: BilledExtras,
    /// Whether the provider may make the conversation shorter, which reads and writes it once more.
    pub compacts: bool,
}

impl ChatRequest {
    /// What it chooses that has a price of its own. Of sound it is told only whether there is any: the counts are 1 or 0.
    pub fn chosen_terms(&self) -> ChosenTerms {
        let (hears, speaks) = (self.has_sound(), self.fields.speaks);
        let sound = BilledExtras {
            audio_input: u64::from(hears),
            audio_output: u64::from(speaks),
            ..BilledExtras::default()
        };
        let extras = |object: &RawObject| BilledExtras {
            terms: ServiceTerms {
                tier: word(object, "service_tier")
                    .map_or(ServiceTier::Standard, |word| ServiceTier::of(&word)),
                speed: word(object, "speed").map_or(AnswerSpeed::Standard, |word| AnswerSpeed::of(&word)),
                region: word(object, "inference_geo")
                    .map_or(InferenceRegion::Global, |word| InferenceRegion::of(&word)),
            },
            searches: searches(object),
            ..sound
        };
        let chat = if self.fields.may_choose_terms { extras(&self.object) } else { sound };
        let native = self.native().map(|native| {
            let (extras, compacts) = (extras(native.body()), compacts(native.body()));
            (native.endpoint(), NativeTerms { extras, compacts })
        });
        ChosenTerms { chat, native }
    }
}

fn word(object: &RawObject, name: &str) -> Option<String> {
    serde_json::from_slice::<Option<String>>(object.get(name)?).ok()?
}

/// How often the provider may search the web at most.
fn searches(object: &RawObject) -> u64 {
    #[derive(serde::Deserialize)]
    struct ServerTool {
        #[serde(default, rename = "type")]
        kind: String,
        max_uses: Option<u64>,
    }
    let by_option = object.get("web_search_options").is_some_and(|options| options != b"null");
    // Most requests have no tool of a provider's, and tools are long.
    let tools = object.get("tools").filter(|tools| memchr::memmem::find(tools, b"web_search").is_some());
    let tools: Vec<serde_json::Value> =
        tools.and_then(|tools| serde_json::from_slice(tools).ok()).unwrap_or_default();
    let tools = tools.into_iter().filter_map(|tool| serde_json::from_value::<ServerTool>(tool).ok());
    let each = tools.filter(|tool| tool.kind.starts_with("web_search"));
    each.fold(u64::from(by_option), |sum, tool| sum.saturating_add(tool.max_uses.unwrap_or(SEARCHES)))
}

/// Whether Anthropic is asked to make the conversation shorter where it is long.
fn compacts(object: &RawObject) -> bool {
    object.get("context_management").is_some_and(|edits| memchr::memmem::find(edits, b"\"compact").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_chat_chooses_is_read() {
        let check = |fields: &str, expected: BilledExtras| {
            let text = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{fields}}}"#);
            assert_eq!(ChatRequest::parse(text.into()).unwrap().chosen_terms().chat, expected, "{fields}");
        };
        let none = BilledExtras::default();
        let tier = |tier| BilledExtras { terms: ServiceTerms { tier, ..ServiceTerms::default() }, ..none };
        check("", none);
        check(r#","service_tier":"auto""#, none);
        check(r#","service_tier":null"#, none);
        check(r#","service_tier":7"#, none);
        check(r#","service_tier":"priority""#, tier(ServiceTier::Priority));
        check(r#","service_tier":"flex""#, tier(ServiceTier::Flex));
        check(r#","service_tier":"turbo""#, tier(ServiceTier::Unknown));
        check(r#","modalities":["text","audio"]"#, BilledExtras { audio_output: 1, ..none });
        check(r#","web_search_options":{}"#, BilledExtras { searches: 1, ..none });
    }

    #[test]
    fn what_the_other_apis_choose_is_read() {
        let native = |endpoint: ApiEndpoint, body: &str| {
            let chosen = endpoint.read(body.to_owned().into(), "id").unwrap().chat.chosen_terms();
            chosen.native.unwrap().1
        };
        let messages = |fields: &str| {
            native(
                ApiEndpoint::Messages,
                &format!(
                    r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}}]{fields}}}"#
                ),
            )
        };
        assert_eq!(messages(""), NativeTerms::default());
        assert_eq!(messages(r#","speed":"fast""#).extras.terms.speed, AnswerSpeed::Fast);
        assert_eq!(messages(r#","inference_geo":"us""#).extras.terms.region, InferenceRegion::Us);
        assert_eq!(messages(r#","service_tier":"auto""#), NativeTerms::default());
        let search = |limit: &str| {
            format!(r#","tools":[{{"type":"web_search_20250305","name":"web_search"{limit}}}]"#)
        };
        assert_eq!(messages(&search("")).extras.searches, 10);
        assert_eq!(messages(&search(r#","max_uses":3"#)).extras.searches, 3);
        let compacting = r#","context_management":{"edits":[{"type":"compact_20260112"}]}"#;
        assert!(messages(compacting).compacts);
        let responses =
            |fields: &str| native(ApiEndpoint::Responses, &format!(r#"{{"model":"m","input":"x"{fields}}}"#));
        assert_eq!(responses(r#","service_tier":"priority""#).extras.terms.tier, ServiceTier::Priority);
        assert_eq!(responses(r#","tools":[{"type":"web_search"}]"#).extras.searches, 10);
    }
}
