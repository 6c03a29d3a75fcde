//! System messages where a model takes none, several where it takes one, and messages that say nothing.

use bytes::Bytes;
use gateway_config::{RequestFeature, Treatment};
use router_policies::PromptRole;

use super::super::bad_request::BadRequest;
use super::super::chat::ChatRequest;
use super::super::json::RawObject;
use super::super::messages::MessageOutline;
use super::{RequestFit, TakesView, not_taken};

/// Whom a message is told by, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Teller {
    System,
    User,
    /// An assistant, or a tool.
    Other,
    /// What a tool gave back, which must follow its call.
    Result,
}

/// A message that is told in another form: who tells it, and all that it says.
struct ToldMessage {
    raw: Bytes,
    teller: Teller,
    /// Its role, where that is another one than it came with.
    role: Option<&'static [u8]>,
    /// Contents one after the other, as JSON; one of them is the message's own.
    contents: Vec<Bytes>,
    /// Nothing was added to it.
    untouched: bool,
}

/// How the system messages of a list are told.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct RoleFold {
    /// What stands at the beginning of the list is a system message still, as one.
    pub(in super::super) leading: bool,
    /// Those at the beginning become one.
    pub(in super::super) joined: bool,
    /// Those after the beginning stand in a person's message.
    pub(in super::super) later: bool,
    /// What is held for the next message of a person stands after what that says, and not before: results of tools must come
    /// first in it.
    pub(in super::super) after: bool,
    /// A role that is known as `system` only.
    pub(in super::super) renamed: bool,
}

/// Fits the messages of a chat.
///
/// # Errors
/// Without the messages that say nothing it would be another conversation.
pub(super) fn fit(chat: &ChatRequest, view: TakesView<'_>, fit: &mut RequestFit) -> Result<(), BadRequest> {
    use RequestFeature::{BlankTexts, DeveloperRole, LaterSystem, SeveralSystems};
    let altered = |feature| view.of(feature) == Treatment::Altered;
    let fold = RoleFold {
        leading: true,
        joined: altered(SeveralSystems),
        later: altered(LaterSystem),
        after: false,
        renamed: altered(DeveloperRole),
    };
    let blank = view.of(BlankTexts) == Treatment::LeftOut;
    if !(fold.joined || fold.later || fold.renamed || blank) {
        return Ok(());
    }
    let messages = &chat.messages.list;
    // Where only the system says something, all of it stays.
    let says = |message: &MessageOutline| !message.blank && message.role != PromptRole::System;
    let is_said = messages.iter().any(says);
    let is_lost = if is_said { asks_blankly(messages, fold) } else { messages.iter().all(|it| it.blank) };
    if blank && is_lost {
        return Err(not_taken("messages"));
    }
    let blank = blank && is_said;
    let body = chat.object.bytes();
    let list: Vec<(Teller, Bytes)> = messages
        .iter()
        .filter(|message| !(blank && message.blank))
        .map(|message| {
            let teller = match message.role {
                PromptRole::System => Teller::System,
                PromptRole::User => Teller::User,
                PromptRole::Tool => Teller::Result,
                PromptRole::Assistant => Teller::Other,
            };
            (teller, body.slice(message.at.clone()))
        })
        .collect();
    fit.set("messages", Some(folded(list, fold)));
    Ok(())
}

/// Whether a person says nothing after an assistant's last word: left out, it would make that word the beginning of the
/// answer.
fn asks_blankly(messages: &[MessageOutline], fold: RoleFold) -> bool {
    let mut asks = false;
    // What the system says after the beginning may stand in a person's message.
    for message in messages.iter().rev().filter(|it| fold.later || it.role != PromptRole::System) {
        if !message.blank {
            return asks && message.role == PromptRole::Assistant;
        }
        asks |= message.role == PromptRole::User;
    }
    asks
}

/// The list as JSON, with its system messages where they are taken.
pub(in super::super) fn folded(list: Vec<(Teller, Bytes)>, fold: RoleFold) -> Bytes {
    let (mut told, mut held): (Vec<ToldMessage>, Vec<Bytes>) = (Vec::new(), Vec::new());
    let leading = list.iter().take_while(|(teller, _)| fold.leading && *teller == Teller::System).count();
    for (at, (teller, raw)) in list.into_iter().enumerate() {
        let message = ToldMessage::of(teller, raw);
        match teller {
            Teller::System if at < leading => match told.last_mut().filter(|_| fold.joined) {
                Some(first) => first.add(message.contents, true),
                None => told.push(message.renamed(fold.renamed)),
            },
            Teller::System if fold.later => match told.last_mut() {
                Some(last) if last.teller == Teller::User => last.add(message.contents, true),
                _ => held.extend(message.contents),
            },
            Teller::System => told.push(message.renamed(fold.renamed)),
            Teller::Result => told.push(message),
            Teller::User => {
                let mut message = message;
                message.add(std::mem::take(&mut held), fold.after);
                told.push(message);
            }
            Teller::Other => {
                told.extend(ToldMessage::by_user(std::mem::take(&mut held)));
                told.push(message);
            }
        }
    }
    told.extend(ToldMessage::by_user(held));
    let written: Vec<Bytes> = told.into_iter().map(ToldMessage::written).collect();
    [b"[".as_slice(), &written.join(&b","[..]), b"]"].concat().into()
}

impl ToldMessage {
    fn of(teller: Teller, raw: Bytes) -> Self {
        let object = RawObject::skim(raw.clone()).ok();
        let content = object.as_ref().and_then(|it| it.get("content")).filter(|raw| *raw != b"null");
        let contents = content.map(|content| raw.slice_ref(content)).into_iter().collect();
        Self { raw, teller, role: None, contents, untouched: true }
    }

    /// A message of a person who says this; `None` where it is nothing.
    fn by_user(contents: Vec<Bytes>) -> Option<Self> {
        let raw = Bytes::from_static(br#"{"role":"user","content":""}"#);
        let some = !contents.is_empty();
        some.then_some(Self { raw, teller: Teller::User, role: None, contents, untouched: false })
    }

    /// With the role that every model knows.
    fn renamed(self, renamed: bool) -> Self {
        let role = renamed.then_some(&b"\"system\""[..]);
        Self { role, ..self }
    }

    /// Adds what another message says.
    fn add(&mut self, contents: Vec<Bytes>, after: bool) {
        self.untouched &= contents.is_empty();
        let at = if after { self.contents.len() } else { 0 };
        self.contents.splice(at..at, contents);
    }

    fn written(self) -> Bytes {
        let content = (!self.untouched).then(|| joined(&self.contents));
        let edits = [("role", self.role), ("content", content.as_deref())];
        let edits: Vec<_> = edits.into_iter().filter(|(_, value)| value.is_some()).collect();
        match RawObject::skim(self.raw.clone()) {
            Ok(object) => object.edited(&edits),
            Err(_) => self.raw,
        }
    }
}

/// Contents as one: texts with an empty line between them, or all parts in their order.
fn joined(contents: &[Bytes]) -> Vec<u8> {
    let inside = |raw: &Bytes| raw.len() >= 2 && raw.starts_with(b"\"");
    if contents.iter().all(inside) {
        let texts: Vec<&[u8]> =
            contents.iter().map(|raw| &raw[1..raw.len() - 1]).filter(|it| !it.is_empty()).collect();
        return [b"\"", &*texts.join(&br"\n\n"[..]), b"\""].concat();
    }
    let parts: Vec<Vec<u8>> = contents
        .iter()
        .filter(|raw| raw.as_ref() != b"\"\"")
        .map(|raw| match inside(raw) {
            true => [br#"{"type":"text","text":"#.as_slice(), raw, b"}"].concat(),
            false => {
                let list = raw.trim_ascii();
                list.get(1..list.len().saturating_sub(1)).unwrap_or_default().trim_ascii().to_vec()
            }
        })
        .filter(|parts| !parts.is_empty())
        .collect();
    [b"[".as_slice(), &parts.join(&b","[..]), b"]"].concat()
}
