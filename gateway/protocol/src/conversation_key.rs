//! Where a request stands in its conversation.

use std::hash::{BuildHasher, Hasher};

use router_policies::PromptRole;

use super::chat::ChatRequest;

/// What a request has in common with the one before it, and with the one that will follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversationKey {
    /// Stands for all of its messages: what the next request of the conversation begins with.
    pub here: u64,
    /// Stands for the messages before the last answer: all that the request had which got that answer. `None` where
    /// nothing was answered yet.
    pub before: Option<u64>,
    /// Whether the client answers with what tools gave back, not with what a person said.
    pub in_tool_loop: bool,
}

impl ChatRequest {
    /// Where this request stands. `whose` sets conversations of different people apart; the hasher is one for all
    /// requests.
    pub fn conversation_key(&self, hasher: &impl BuildHasher, whose: &str) -> ConversationKey {
        let list = &self.messages.list;
        let answered = list.iter().rposition(|message| message.role == PromptRole::Assistant);
        let (mut hash, mut before) = (hasher.build_hasher(), None);
        hash.write(whose.as_bytes());
        for (number, message) in list.iter().enumerate() {
            if Some(number) == answered {
                before = Some(hash.finish());
            }
            // No message has this byte: they are text.
            hash.write_u8(0xff);
            hash.write(&self.object.bytes()[message.at.clone()]);
        }
        let in_tool_loop =
            answered.is_some() && list.last().is_some_and(|last| last.role == PromptRole::Tool);
        ConversationKey { here: hash.finish(), before, in_tool_loop }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_request_goes_on_where_the_last_one_ended() {
        let hasher = RandomState::new();
        let conversation_key = |whose: &str, messages: &str| {
            let body = format!(r#"{{"model":"auto","messages":[{messages}]}}"#);
            ChatRequest::parse(Bytes::from(body)).unwrap().conversation_key(&hasher, whose)
        };
        let (question, answer) =
            (r#"{"role":"user","content":"hi"}"#, r#"{"role":"assistant","content":"hello"}"#);
        let first = conversation_key("a", question);
        assert_eq!((first.before, first.in_tool_loop), (None, false));
        let second = conversation_key(
            "a",
            &format!("{question}, \n{answer},{{\"role\":\"user\",\"content\":\"and?\"}}"),
        );
        assert_eq!((second.before, second.in_tool_loop), (Some(first.here), false));
        let call = r#"{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}"#;
        let result = r#"{"role":"tool","tool_call_id":"1","content":"4"}"#;
        let third = conversation_key("a", &format!("{question},{call},{result}"));
        assert_eq!((third.before, third.in_tool_loop), (Some(first.here), true));
        let fourth = conversation_key("a", &format!("{question},{call},{result},{call},{result},{result}"));
        assert_eq!((fourth.before, fourth.in_tool_loop), (Some(third.here), true));
        // Another's words, and other words, are another conversation.
        assert_ne!(conversation_key("b", question).here, first.here);
        assert_ne!(conversation_key("a", r#"{"role":"user","content":"h"}"#).here, first.here);
        assert_ne!(conversation_key("a", &format!("{question},{question}")).here, first.here);
    }
}
