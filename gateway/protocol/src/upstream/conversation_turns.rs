//! The messages of a chat as two speakers who take turns, which is how Anthropic and Google want them.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::bad_request::BadRequest;
use super::super::call_ids::{CallIdForm, CallIds};
use super::super::json::RawObject;
use super::media::MediaPart;
use super::parsed_chat::{ParsedMessage, ParsedPart};

/// A conversation: what was told to the model beforehand, and what was said.
#[derive(Debug, Default)]
pub(super) struct ConversationTurns<'a> {
    pub(super) system: Vec<AssistantTurn<'a>>,
    pub(super) list: Vec<ConversationTurn<'a>>,
    /// Whether a person has said nothing but white space since the last turn, which is in no turn.
    asked_blankly: bool,
}

/// What one of the two said without the other's word between.
#[derive(Debug)]
pub(super) struct ConversationTurn<'a> {
    pub(super) assistant: bool,
    pub(super) items: Vec<AssistantItem<'a>>,
}

/// A text that is not empty, and whether the provider is to keep what comes before it.
#[derive(Debug)]
pub(super) struct AssistantTurn<'a> {
    pub(super) text: String,
    pub(super) cache: Option<&'a RawValue>,
}

/// A piece of a turn.
#[derive(Debug)]
pub(super) enum AssistantItem<'a> {
    Text(AssistantTurn<'a>),
    Media(MediaPart, Option<&'a RawValue>),
    Thoughts(Vec<&'a RawValue>),
    Call(TurnToolCall),
    Result(ToolResult<'a>),
}

/// A call of a tool.
#[derive(Debug)]
pub(super) struct TurnToolCall {
    pub(super) id: String,
    pub(super) name: String,
    /// A JSON object.
    pub(super) arguments: String,
    /// What Google wants back.
    pub(super) signature: Option<String>,
}

/// What a tool gave back.
#[derive(Debug)]
pub(super) struct ToolResult<'a> {
    pub(super) id: String,
    /// The tool's name, if the call is in the conversation.
    pub(super) name: Option<String>,
    /// Texts and attachments.
    pub(super) items: Vec<AssistantItem<'a>>,
    pub(super) cache: Option<&'a RawValue>,
}

impl<'a> ConversationTurns<'a> {
    /// Of messages in their order. What stands in a system message is told beforehand, wherever it stands.
    /// Ids of calls are told in this form. Texts that say nothing are left out.
    ///
    /// # Errors
    /// What a turn has no form for; and `messages` where nobody says anything, or where the model would take its own last word
    /// for the beginning of its answer, because what a person said after it says nothing.
    pub(super) fn of(messages: Vec<ParsedMessage<'a>>, form: CallIdForm) -> Result<Self, BadRequest> {
        let mut turns = Self::default();
        let mut ids = CallIds::new(form);
        for (at, message) in messages.into_iter().enumerate() {
            turns.add(message, at, &mut ids)?;
        }
        let Some(last) = turns.list.last() else {
            // Somebody must have said something.
            let items: Vec<_> =
                std::mem::take(&mut turns.system).into_iter().map(AssistantItem::Text).collect();
            if items.is_empty() {
                return Err(super::unsaid("messages"));
            }
            turns.list.push(ConversationTurn { assistant: false, items });
            return Ok(turns);
        };
        if turns.asked_blankly && last.assistant {
            return Err(super::unsaid("messages"));
        }
        Ok(turns)
    }

    fn add(&mut self, message: ParsedMessage<'a>, at: usize, ids: &mut CallIds) -> Result<(), BadRequest> {
        if message.function_call.is_some() || message.role == "function" {
            return Err(super::unsaid(format!("messages[{at}].function_call")));
        }
        if message.audio.is_some() {
            return Err(super::unsaid(format!("messages[{at}].audio")));
        }
        match message.role.as_str() {
            "system" | "developer" => {
                for item in items(message.content.0, message.cache_control, at)? {
                    match item {
                        AssistantItem::Text(said) => self.system.push(said),
                        _ => return Err(super::unsaid(format!("messages[{at}].content"))),
                    }
                }
                Ok(())
            }
            "assistant" => self.answer(message, at, ids),
            "tool" => self.outcome(message, at, ids),
            _ => {
                let mut items = items(message.content.0, message.cache_control, at)?;
                if let (Some(name), Some(AssistantItem::Text(said))) = (&message.name, items.first_mut()) {
                    // The others have no field for who of several people speaks.
                    said.text.insert_str(0, &format!("{name}: "));
                }
                self.push(false, items);
                Ok(())
            }
        }
    }

    fn answer(&mut self, message: ParsedMessage<'a>, at: usize, ids: &mut CallIds) -> Result<(), BadRequest> {
        ids.turn();
        let mut said = Vec::new();
        let thoughts = message.thinking_blocks.into_iter().flatten().filter(|thought| is_sealed(thought));
        let thoughts: Vec<_> = thoughts.collect();
        if !thoughts.is_empty() {
            said.push(AssistantItem::Thoughts(thoughts));
        }
        said.extend(items(message.content.0, message.cache_control, at)?);
        said.extend(text(message.refusal, None));
        for (number, call) in message.tool_calls.into_iter().flatten().enumerate() {
            let place = format!("messages[{at}].tool_calls[{number}]");
            let function = call.function.ok_or_else(|| super::unsaid(place.clone()))?;
            said.push(AssistantItem::Call(TurnToolCall {
                id: ids.called(&call.id.unwrap_or_else(|| format!("call_{at}_{number}"))),
                name: function.name,
                arguments: arguments(function.arguments, &place)?,
                signature: call.extra_content.and_then(|extra| extra.google?.thought_signature),
            }));
        }
        self.push(true, said);
        Ok(())
    }

    fn outcome(
        &mut self,
        message: ParsedMessage<'a>,
        at: usize,
        ids: &mut CallIds,
    ) -> Result<(), BadRequest> {
        let id = message
            .tool_call_id
            .ok_or_else(|| BadRequest::missing(format!("messages[{at}].tool_call_id")))?;
        let id = ids.answered(&id);
        let calls = self.list.iter().rev().flat_map(|turn| turn.items.iter().rev());
        let name = calls.into_iter().find_map(|item| match item {
            AssistantItem::Call(call) if call.id == id => Some(call.name.clone()),
            _ => None,
        });
        let items = items(message.content.0, None, at)?;
        let outcome = ToolResult { id, name, items, cache: message.cache_control };
        self.push(false, vec![AssistantItem::Result(outcome)]);
        Ok(())
    }

    fn push(&mut self, assistant: bool, items: Vec<AssistantItem<'a>>) {
        if items.is_empty() {
            self.asked_blankly |= !assistant;
            return;
        }
        self.asked_blankly = false;
        match self.list.last_mut() {
            Some(last) if last.assistant == assistant => last.items.extend(items),
            _ => self.list.push(ConversationTurn { assistant, items }),
        }
    }
}

/// Whether a thought has what Anthropic knows its models' thoughts by.
fn is_sealed(thought: &RawValue) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct ThoughtSeal {
        signature: String,
        data: String,
    }
    let seal: ThoughtSeal = serde_json::from_str(thought.get()).unwrap_or_default();
    !(seal.signature.is_empty() && seal.data.is_empty())
}

/// The parts of a message; a mark on the message is one on its last part.
fn items<'a>(
    parts: Vec<ParsedPart<'a>>,
    cache: Option<&'a RawValue>,
    at: usize,
) -> Result<Vec<AssistantItem<'a>>, BadRequest> {
    let mut items = Vec::with_capacity(parts.len());
    let last = parts.len().saturating_sub(1);
    for (number, mut part) in parts.into_iter().enumerate() {
        let cache = part.cache_control.or(cache.filter(|_| number == last));
        let said = part.text.take().or_else(|| part.refusal.take());
        if matches!(part.kind.as_str(), "text" | "refusal") {
            items.extend(text(said, cache));
            continue;
        }
        let place = format!("messages[{at}].content[{number}]");
        match MediaPart::of(part, &place)? {
            Some(media) => items.push(AssistantItem::Media(media, cache)),
            None => return Err(super::unsaid(place)),
        }
    }
    Ok(items)
}

/// A text that says something; the others refuse ones that are empty or white space.
fn text(text: Option<String>, cache: Option<&RawValue>) -> Option<AssistantItem<'_>> {
    let text = text.filter(|text| !text.trim().is_empty())?;
    Some(AssistantItem::Text(AssistantTurn { text, cache }))
}

/// Arguments as the object that they are; none at all are an empty one.
fn arguments(text: Option<String>, place: &str) -> Result<String, BadRequest> {
    let text = text.unwrap_or_default();
    if text.trim().is_empty() {
        return Ok("{}".to_owned());
    }
    match RawObject::skim(Bytes::from(text.clone())) {
        Ok(_) => Ok(text),
        Err(why) => Err(BadRequest::value(format!("{place}.function.arguments"), why)),
    }
}
