//! What each host of OpenAI's chat completions is strict about.

use super::Host;
use super::chat::ChatRules;

/// What no host is known to be strict about.
const LENIENT: ChatRules = ChatRules {
    longest_id: usize::MAX,
    known_fields: false,
    images: true,
    blanks: false,
    thoughts: false,
    system_first: false,
    developer: false,
    properties: false,
};

/// The rules of a host; each with its source.
pub(super) fn rules(host: Host) -> ChatRules {
    let rules = ChatRules { images: host.sees(), ..LENIENT };
    match host {
        // platform.openai.com/docs/api-reference/chat/create; "string too long. Expected a string with maximum length 40"
        // (agno-agi/agno#5382), "object schema missing properties" (inboxapi/cli#106), unknown fields of messages are refused.
        Host::OpenAi => {
            ChatRules { longest_id: 40, known_fields: true, developer: true, properties: true, ..rules }
        }
        // api-docs.deepseek.com/guides/thinking_mode: the thoughts of a turn that called tools are to be passed back, else 400.
        Host::DeepSeek => ChatRules { thoughts: true, ..rules },
        // help.aliyun.com/zh/model-studio/error-code: "messages with role tool must be a response to a preceding message with
        // tool_calls".
        Host::Qwen => rules,
        // docs.bigmodel.cn/cn/faq/api-code, 1214: a message's content must not be empty.
        Host::Glm => ChatRules { blanks: true, ..rules },
        // platform.moonshot.cn/docs/guide/use-thinking-model: "reasoning_content is missing in assistant tool call message";
        // "message at position 1 with role 'assistant' must not be empty".
        Host::Kimi => ChatRules { blanks: true, thoughts: true, ..rules },
        // platform.minimax.io/docs/api-reference/errorcode, 2013: "tool call result does not follow tool call", "chat content
        // is empty".
        Host::MiniMax => ChatRules { blanks: true, ..rules },
        // Templates of Qwen from 3.5 on: "System message must be at the beginning." (vllm-project/vllm#41114), and arguments of
        // calls that are read as JSON.
        Host::Vllm => ChatRules { system_first: true, ..rules },
        // The same (ggml-org/llama.cpp#20733).
        Host::LlamaCpp => ChatRules { system_first: true, ..rules },
        Host::Responses | Host::Anthropic | Host::Gemini => rules,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::hold;
    use super::*;

    fn call(id: &str, arguments: &str) -> Value {
        json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}})
    }

    fn called(calls: &[Value]) -> Value {
        json!({"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": calls})
    }

    fn result(id: &str) -> Value {
        json!({"role": "tool", "tool_call_id": id, "content": "ok"})
    }

    fn body(messages: &[&Value]) -> Value {
        json!({"model": "m", "messages": messages})
    }

    const CHATS: [Host; 8] = [
        Host::OpenAi,
        Host::DeepSeek,
        Host::Qwen,
        Host::Glm,
        Host::Kimi,
        Host::MiniMax,
        Host::Vllm,
        Host::LlamaCpp,
    ];

    #[test]
    fn calls_have_their_results_in_every_chat() {
        let hi = json!({"role": "user", "content": "hi"});
        for host in CHATS {
            let mut made = called(&[call("a", "{}"), call("b", "{}")]);
            if host == Host::OpenAi {
                made.as_object_mut().unwrap().remove("reasoning_content");
            }
            let with = |edit: &dyn Fn(&mut Value)| {
                let mut made = made.clone();
                edit(&mut made);
                body(&[&hi, &made, &result("a"), &result("b")])
            };
            hold(
                host,
                &[
                    (body(&[&hi]), None),
                    (body(&[&hi, &made, &result("b"), &result("a")]), None),
                    (body(&[&hi, &made, &result("a"), &result("b"), &hi]), None),
                    (body(&[]), Some("no messages")),
                    (body(&[&hi, &made, &result("a")]), Some("no result")),
                    (body(&[&hi, &made, &result("a"), &hi, &result("b")]), Some("no result before")),
                    (body(&[&hi, &result("a")]), Some("no call")),
                    (body(&[&hi, &made, &result("a"), &result("a")]), Some("no call")),
                    (with(&|made| made["tool_calls"] = json!([])), Some("empty")),
                    (with(&|made| made["tool_calls"][0]["id"] = "".into()), Some("id is empty")),
                    (
                        with(&|made| made["tool_calls"][0]["function"]["arguments"] = "".into()),
                        Some("arguments"),
                    ),
                    (
                        with(&|made| made["tool_calls"][0]["function"]["arguments"] = json!({})),
                        Some("arguments"),
                    ),
                    (with(&|made| made["tool_calls"][0]["function"]["name"] = "".into()), Some("name")),
                    (body(&[&json!({"role": "robot", "content": "x"})]), Some("role")),
                    (body(&[&json!({"role": "user", "content": null})]), Some("content")),
                    (body(&[&json!({"role": "user", "content": []})]), Some("parts")),
                    (json!({"messages": [hi], "tools": []}), Some("empty array")),
                ],
            );
        }
    }

    #[test]
    fn what_one_host_refuses_another_takes() {
        let hi = json!({"role": "user", "content": "hi"});
        let picture = json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]});
        let check = |message: &Value, strict: &[Host], word: &str| {
            for host in CHATS {
                let expected = strict.contains(&host).then_some(word);
                hold(host, &[(body(&[&hi, message, &hi]), expected)]);
            }
        };
        let said = json!({"role": "assistant", "content": "x"});
        check(&said, &[], "");
        check(
            &json!({"role": "assistant", "content": "x", "reasoning_content": "hm"}),
            &[Host::OpenAi],
            "unknown",
        );
        check(
            &json!({"role": "assistant", "content": "\n"}),
            &[Host::Glm, Host::Kimi, Host::MiniMax],
            "empty",
        );
        check(&json!({"role": "system", "content": "x"}), &[Host::Vllm, Host::LlamaCpp], "beginning");
        let sightless: Vec<Host> = CHATS.into_iter().filter(|host| !host.sees()).collect();
        check(&picture, &sightless, "image_url");
        let mut made = called(&[call(&"x".repeat(41), "{}")]);
        made.as_object_mut().unwrap().remove("reasoning_content");
        for (host, word) in
            [(Host::OpenAi, Some("too long")), (Host::Kimi, Some("reasoning_content")), (Host::Qwen, None)]
        {
            hold(host, &[(body(&[&hi, &made, &result(&"x".repeat(41))]), word)]);
        }
    }
}
