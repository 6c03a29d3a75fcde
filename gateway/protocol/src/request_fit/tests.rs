use bytes::Bytes;
use gateway_config::{ModelProvider, ModelTakes};
use serde_json::{Value, json};

use super::super::chat::ChatRequest;
use super::super::client::ApiEndpoint;
use super::super::upstream::UpstreamApi;
use super::*;

/// What the model of an entry takes, by the table.
pub(in super::super) fn takes_of(entry: &str) -> Arc<ModelTakes> {
    let yaml = format!("listen: 127.0.0.1:1\nexchange: {{USD: 7}}\nmodels: [{{name: m, {entry}}}]");
    let config = gateway_config::from_str(&yaml, None, &|_| Some("k".to_owned()));
    let config = config.unwrap_or_else(|problems| panic!("{entry}: {problems}"));
    match &config.models[0].provider {
        ModelProvider::Remote(remote) => Arc::clone(&remote.takes),
        ModelProvider::Embedded(_) => panic!("{entry}"),
    }
}

fn chat(fields: &Value) -> ChatRequest {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    ChatRequest::parse(Bytes::from(body.to_string())).unwrap()
}

/// What becomes of a chat with these fields: the fields that are told, and the names of those that are left out.
fn told(entry: &str, fields: &Value) -> Result<(Value, Vec<&'static str>), String> {
    let chat = chat(fields);
    let fit = chat.fit(&takes_of(entry)).map_err(|bad| bad.param.unwrap_or_default().into_owned())?;
    let mut body: Value = serde_json::from_slice(&fit.applied(&chat.object)).unwrap();
    let given = fields.as_object().unwrap();
    body.as_object_mut()
        .unwrap()
        .retain(|name, _| name != "model" && (name != "messages" || given.contains_key(name)));
    Ok((body, fit.left_out))
}

const OLDER: &str = "provider: anthropic, base_url: 'https://api.anthropic.com', model: claude-sonnet-4-5";
const NEWER: &str = "provider: anthropic, base_url: 'https://api.anthropic.com', model: claude-sonnet-5-5";
const FABLE: &str = "provider: anthropic, base_url: 'https://api.anthropic.com', model: claude-fable-5-1";
const LOCAL: &str = "preset: vllm, model: Qwen/Qwen3.5-27B";
const OPENAI: &str = "preset: openai, model: gpt-4.1";
const FLASH: &str = "preset: gemini, model: gemini-2.5-flash";
const FLASH3: &str = "preset: gemini, model: gemini-3.8-flash";

#[test]
fn sampling_that_a_model_does_not_take_is_left_out_by_name() {
    let check = |entry: &str, fields: Value, expected: Value, left_out: &[&str]| {
        assert_eq!(told(entry, &fields), Ok((expected, left_out.to_vec())), "{entry} {fields}");
    };
    check(NEWER, json!({"temperature": 0.7}), json!({}), &["temperature"]);
    check(NEWER, json!({"top_p": 0.7, "top_k": 5}), json!({}), &["top_p", "top_k"]);
    // What holds anyway needs no name.
    check(NEWER, json!({"temperature": 1, "top_p": 1.0, "top_k": null}), json!({}), &[]);
    check(OLDER, json!({"temperature": 0.7}), json!({"temperature": 0.7}), &[]);
    check(OLDER, json!({"temperature": 0.7, "top_p": 0.9}), json!({"temperature": 0.7}), &["top_p"]);
    let thinks = json!({"reasoning_effort": "high", "temperature": 0.3, "top_k": 4});
    check(OLDER, thinks, json!({"reasoning_effort": "high"}), &["temperature", "top_k"]);
    let calm = json!({"reasoning_effort": "none", "temperature": 0.3});
    check(OLDER, calm.clone(), calm, &[]);
    let own = json!({"thinking": {"type": "enabled", "budget_tokens": 2000}, "temperature": 0.3});
    check(OLDER, own, json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}), &["temperature"]);
    let plain = json!({"temperature": 0.7, "top_p": 0.9, "seed": 7});
    check(OPENAI, plain.clone(), plain.clone(), &[]);
    check(LOCAL, plain.clone(), plain, &[]);
}

#[test]
fn a_model_that_does_not_think_when_tools_are_forced_is_asked_not_to() {
    let named = json!({"type": "function", "function": {"name": "f"}});
    let off = json!({"reasoning_effort": "none"});
    for choice in [json!("required"), named] {
        for entry in [OLDER, NEWER] {
            let both = json!({"reasoning_effort": "medium", "tool_choice": choice});
            let mut expected = off.clone();
            expected["tool_choice"] = choice.clone();
            assert_eq!(told(entry, &both), Ok((expected, vec!["reasoning_effort"])), "{entry}");
            let alone = json!({"tool_choice": choice});
            assert_eq!(told(entry, &alone), Ok((alone, vec![])), "{entry}");
        }
        assert_eq!(told(FABLE, &json!({"tool_choice": choice})), Err("tool_choice".to_owned()));
    }
    assert_eq!(told(FABLE, &off), Ok((json!({}), vec!["reasoning_effort"])));
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let free = json!({"reasoning_effort": "medium", "tools": tools, "tool_choice": "auto"});
    assert_eq!(told(FABLE, &free), Ok((free, vec![])));
}

#[test]
fn what_nothing_else_can_be_told_for_is_refused_by_name() {
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]);
    let check = |entry: &str, fields: Value, param: Option<&str>| {
        let refused = told(entry, &fields).err();
        assert_eq!(refused.as_deref(), param, "{entry} {fields}");
    };
    for form in [
        json!({"type": "json_object"}),
        json!({"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}),
    ] {
        let both = json!({"response_format": form, "tools": tools});
        check(FLASH, both.clone(), Some("response_format"));
        check(FLASH3, both.clone(), None);
        check(OPENAI, both, None);
        check(FLASH, json!({"response_format": form}), None);
    }
    check(FLASH, json!({"stop": ["1", "2", "3", "4", "5", "6"]}), Some("stop"));
    check(FLASH, json!({"stop": ["1", "2", "3", "4", "5", ""]}), None);
    check(OPENAI, json!({"stop": ["1", "2", "3", "4", "5"]}), Some("stop"));
    check(LOCAL, json!({"stop": ["1", "2", "3", "4", "5"]}), None);
    check(NEWER, json!({"stop": ["\n\n"]}), Some("stop"));
    check(NEWER, json!({"stop": "\n"}), Some("stop"));
    check(NEWER, json!({"stop": ["", "END"]}), None);
    check(OPENAI, json!({"stop": "\n"}), None);
    let shown = |url: &str| {
        json!({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": [
            {"type": "text", "text": "data:image/bmp;base64,"}, {"type": "image_url", "image_url": {"url": url}}]}]})
    };
    let place = Some("messages[1].content[1].image_url");
    check(NEWER, shown("data:image/GIF;base64,R0lG"), None);
    check(NEWER, shown("data:image/bmp;base64,Qk0="), place);
    check(NEWER, shown("data:image/svg+xml;base64,PHN2"), place);
    check(FLASH3, shown("data:image/gif;base64,R0lG"), place);
    check(FLASH3, shown("data:image/heif;base64,AAAA"), None);
    check(LOCAL, shown("data:image/bmp;base64,Qk0="), None);
    check(NEWER, shown("https://h/a.bmp"), None);
    check(&format!("{LOCAL}, takes: {{picture_urls: refused}}"), shown("https://h/a.bmp"), place);
}

#[test]
fn an_entry_of_the_operators_decides_for_each_key() {
    let check = |takes: &str, fields: Value, expected: Result<(Value, Vec<&'static str>), &str>| {
        let entry = format!("{LOCAL}, takes: {{{takes}}}");
        assert_eq!(told(&entry, &fields), expected.map_err(str::to_owned), "{takes} {fields}");
    };
    let gone = |name: &'static str| Ok((json!({}), vec![name]));
    for (key, value, neutral) in [
        ("temperature", json!(0.5), Some(json!(1))),
        ("top_p", json!(0.5), Some(json!(1))),
        ("top_k", json!(5), None),
        ("min_p", json!(0.1), Some(json!(0))),
        ("presence_penalty", json!(0.5), Some(json!(0.0))),
        ("frequency_penalty", json!(0.5), Some(json!(0))),
        ("repetition_penalty", json!(1.5), Some(json!(1.0))),
        ("seed", json!(5), None),
        ("logit_bias", json!({"1": 5}), Some(json!({}))),
        ("logprobs", json!(true), None),
        ("reasoning_effort", json!("low"), None),
        ("parallel_tool_calls", json!(true), Some(Value::Null)),
    ] {
        let given =
            |value: &Value| [(key.to_owned(), value.clone())].into_iter().collect::<serde_json::Map<_, _>>();
        check(&format!("{key}: left_out"), given(&value).into(), gone(key));
        check(&format!("{key}: refused"), given(&value).into(), Err(key));
        if let Some(neutral) = neutral {
            check(&format!("{key}: refused"), given(&neutral).into(), Ok((json!({}), vec![])));
        }
    }
    check("several_answers: refused", json!({"n": 2}), Err("n"));
    check("several_answers: refused", json!({"n": 1}), Ok((json!({"n": 1}), vec![])));
    check("temperature_with_top_p: refused", json!({"temperature": 0.5, "top_p": 0.5}), Err("top_p"));
    check("thinking_off: refused", json!({"reasoning_effort": "none"}), Err("reasoning_effort"));
    check("stop: refused", json!({"stop": "a"}), Err("stop"));
    check(
        "json_object: refused",
        json!({"response_format": {"type": "json_object"}}),
        Err("response_format"),
    );
    let named = json!({"tool_choice": {"type": "function", "function": {"name": "f"}}});
    check("named_tool: refused", named.clone(), Err("tool_choice"));
    check(
        "named_tool: refused",
        json!({"tool_choice": "required"}),
        Ok((json!({"tool_choice": "required"}), vec![])),
    );
    let mut calm = named.clone();
    calm["reasoning_effort"] = "none".into();
    check("forced_tools: altered", named, Ok((calm, vec![])));
}

#[test]
fn tools_are_told_so_that_every_server_takes_them() {
    let check = |entry: &str, fields: Value, expected: Value| {
        assert_eq!(told(entry, &fields), Ok((expected, vec![])), "{entry} {fields}");
    };
    for choice in ["auto", "none"] {
        check(LOCAL, json!({"tools": [], "tool_choice": choice, "parallel_tool_calls": true}), json!({}));
        check(LOCAL, json!({"tool_choice": choice}), json!({}));
    }
    // Who requires a tool of none hears of it.
    check(LOCAL, json!({"tools": [], "tool_choice": "required"}), json!({"tool_choice": "required"}));
    let tool = |schema: Value| json!([{"type": "function", "function": {"name": "f", "parameters": schema}, "x": 1}]);
    let open = json!({"tools": tool(json!({"type": "object"}))});
    let closed = json!({"tools": tool(json!({"type": "object", "properties": {}}))});
    check(OPENAI, open.clone(), closed.clone());
    check(OPENAI, closed.clone(), closed);
    check(LOCAL, open.clone(), open);
}

#[test]
fn rows_of_other_providers_are_in_effect() {
    let check = |entry: &str, fields: Value, expected: Result<(Value, Vec<&'static str>), &str>| {
        assert_eq!(told(entry, &fields), expected.map_err(str::to_owned), "{entry} {fields}");
    };
    let warm = || json!({"temperature": 0.5, "presence_penalty": 0.5});
    let gone = || Ok((json!({}), vec!["temperature", "presence_penalty"]));
    for model in ["o3", "o4-mini", "gpt-5-mini", "gpt-6.1-sol"] {
        check(&format!("preset: openai, model: {model}"), warm(), gone());
        check(&format!("preset: openai, model: {model}"), json!({"logprobs": true}), Err("logprobs"));
    }
    for model in ["gpt-5-chat-latest", "gpt-5.1", "gpt-4o"] {
        check(&format!("preset: openai, model: {model}"), warm(), Ok((warm(), vec![])));
    }
    let thinks = json!({"reasoning_effort": "low", "temperature": 0.5});
    check(
        "preset: openai, model: gpt-5.1",
        thinks,
        Ok((json!({"reasoning_effort": "low"}), vec!["temperature"])),
    );
    check("preset: openai, model: o3", json!({"stop": "x"}), Err("stop"));
    check("preset: moonshot", warm(), gone());
    check("provider: openai, base_url: 'https://api.moonshot.cn/v1', model: kimi-k3", warm(), gone());
    check("preset: moonshot", json!({"n": 2}), Err("n"));
    check("preset: moonshot, model: moonshot-v1-8k", warm(), Ok((warm(), vec![])));
    check("preset: zhipu", json!({"tool_choice": "required"}), Err("tool_choice"));
    check("preset: zhipu", json!({"presence_penalty": 0.5}), Ok((json!({}), vec!["presence_penalty"])));
}

#[test]
fn ids_of_calls_have_the_form_of_the_model_and_results_follow_them() {
    let talk = |ids: [&str; 2]| {
        let call =
            |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "4"});
        json!({"messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": null, "tool_calls": [call(ids[0]), call(ids[1])]},
            result(ids[0]), result(ids[1])]})
    };
    let ids = |entry: &str, given: [&str; 2]| {
        let (told, left_out) = told(entry, &talk(given)).unwrap();
        assert!(left_out.is_empty());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let calls = &told["messages"][1]["tool_calls"];
        let both = [text(&calls[0]["id"]), text(&calls[1]["id"])];
        assert_eq!(told, talk([&both[0], &both[1]]), "results follow their calls");
        both
    };
    let long = "c".repeat(60);
    let odd = ["functions.bash:0", long.as_str()];
    let nine = ids("preset: vllm, model: mistralai/Mistral-Small-4", odd);
    assert!(
        nine.iter().all(|id| id.len() == 9 && id.bytes().all(|it| it.is_ascii_alphanumeric())),
        "{nine:?}"
    );
    assert_ne!(nine[0], nine[1]);
    assert_eq!(
        ids("preset: vllm, model: mistralai/Mistral-Small-4", ["aB3dE6gH9", "000000001"]),
        ["aB3dE6gH9", "000000001"]
    );
    let short = ids(OPENAI, odd);
    assert_eq!((short[0].as_str(), short[1].len()), (odd[0], 37));
    assert_eq!(ids(LOCAL, odd), odd);
}

#[test]
fn system_messages_stand_where_templates_take_them() {
    let message = |role: &str, content: Value| json!({"role": role, "content": content});
    let text = |text: &str| json!({"type": "text", "text": text});
    let call = json!({"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let result = json!({"role": "tool", "tool_call_id": "c", "content": "4"});
    let check = |entry: &str, messages: Value, expected: Value| {
        let told = told(entry, &json!({"messages": messages}));
        assert_eq!(told, Ok((json!({"messages": expected}), vec![])), "{entry} {messages}");
    };
    let user = |content: &str| message("user", json!(content));
    let system = |content: &str| message("system", json!(content));
    // Codex: instructions and a developer.
    let codex = json!([system("Be brief."), message("developer", json!("In \"Rust\".")), user("Go.")]);
    check(LOCAL, codex.clone(), json!([system("Be brief.\n\nIn \"Rust\"."), user("Go.")]));
    check(OPENAI, codex.clone(), codex);
    // Claude Code: what the program says in the middle, and after what a tool gave back.
    check(
        LOCAL,
        json!([system("a"), user("Go."), system("b"), call, result, message("system", json!([text("c")]))]),
        json!([system("a"), user("Go.\n\nb"), call, result, message("user", json!([text("c")]))]),
    );
    // Nothing stands between a call and its result.
    check(
        LOCAL,
        json!([user("Go."), call, system("b"), result, user("On.")]),
        json!([user("Go."), call, result, user("b\n\nOn.")]),
    );
    check(
        LOCAL,
        json!([
            message("developer", json!([text("a"), text("b")])),
            system("c"),
            user("Go."),
            message("assistant", json!("y")),
            system("d"),
            message("assistant", json!("z"))
        ]),
        json!([
            message("system", json!([text("a"), text("b"), text("c")])),
            user("Go."),
            message("assistant", json!("y")),
            user("d"),
            message("assistant", json!("z"))
        ]),
    );
    check(LOCAL, json!([message("developer", json!("a")), user("Go.")]), json!([system("a"), user("Go.")]));
    let plain = json!([system("a"), user("Go."), call, result, user("On.")]);
    check(LOCAL, plain.clone(), plain);
}

/// Whoever says nothing has no message, as long as the conversation ends as it did.
#[test]
fn blank_messages_are_left_out_where_nothing_is_lost() {
    let message = |role: &str, content: Value| json!({"role": role, "content": content});
    let text = |text: &str| json!({"type": "text", "text": text});
    let [system, user, assistant] =
        ["system", "user", "assistant"].map(|role| move |text: &str| message(role, json!(text)));
    let call = json!({"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let result = json!({"role": "tool", "tool_call_id": "c", "content": "4"});
    let check = |entry: &str, messages: Value, expected: Value| {
        let told = told(entry, &json!({"messages": messages}));
        assert_eq!(told, Ok((json!({"messages": expected}), vec![])), "{entry} {messages}");
    };
    let blank = json!([user("Go."), message("assistant", json!(" \n")), user("On.")]);
    check(NEWER, blank.clone(), json!([user("Go."), user("On.")]));
    check(OPENAI, blank.clone(), blank);
    check(NEWER, json!([user("x"), user(" ")]), json!([user("x")]));
    check(NEWER, json!([user("x"), assistant("b"), assistant(" ")]), json!([user("x"), assistant("b")]));
    check(NEWER, json!([user("x"), call, result, user(" ")]), json!([user("x"), call, result]));
    let alone = json!([system("s"), user(" ")]);
    check(NEWER, alone.clone(), alone);
    let later = json!([user("x"), assistant("b"), user(""), system("c")]);
    check(OLDER, later, json!([user("x"), assistant("b"), user("c")]));
    let parts = message("user", json!([text(" "), text("\n")]));
    for lost in [
        json!([user(" ")]),
        json!([user(""), assistant(" ")]),
        json!([user("x"), assistant("b"), user(" ")]),
        json!([user("x"), assistant("b"), parts]),
        json!([user("x"), assistant("b"), user("\n"), assistant("")]),
        json!([system("s"), user("x"), assistant("b"), user(" "), user(" ")]),
    ] {
        assert_eq!(told(NEWER, &json!({"messages": lost})), Err("messages".to_owned()), "{lost}");
        check(OPENAI, lost.clone(), lost);
    }
}

/// A client of Anthropic's API asks a model of Anthropic's API: what is not fitted is told byte for byte.
fn native(entry: &str, fields: Value, expected: Result<(Value, Vec<&'static str>), &str>) {
    let mut body = json!({"model": "m", "max_tokens": 9000, "messages": [{"role": "user", "content": "x"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let chat = ApiEndpoint::Messages.read(Bytes::from(body.to_string()), "r").unwrap().chat;
    let fit = UpstreamApi::Anthropic.native_fit(&chat, &takes_of(entry));
    let found = fit.map(|fit| {
        let body = chat.native().unwrap().body();
        let mut told: Value = serde_json::from_slice(&fit.applied(body)).unwrap();
        let given = fields.as_object().unwrap();
        told.as_object_mut().unwrap().retain(|name, _| {
            !matches!(name.as_str(), "model" | "max_tokens")
                && (name != "messages" || given.contains_key(name))
        });
        (told, fit.left_out)
    });
    assert_eq!(
        found.map_err(|bad| bad.param.unwrap_or_default().into_owned()),
        expected.map_err(str::to_owned),
        "{entry} {fields}"
    );
}

#[test]
fn a_message_goes_on_as_it_came_but_for_what_the_model_does_not_take() {
    native(NEWER, json!({"temperature": 0.5, "top_k": 3}), Ok((json!({}), vec!["temperature", "top_k"])));
    native(
        OLDER,
        json!({"temperature": 0.5, "top_p": 0.5}),
        Ok((json!({"temperature": 0.5}), vec!["top_p"])),
    );
    let thinking = json!({"type": "enabled", "budget_tokens": 2000});
    native(
        OLDER,
        json!({"thinking": thinking, "temperature": 0.5}),
        Ok((json!({"thinking": thinking}), vec!["temperature"])),
    );
    let tools = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    for choice in [json!({"type": "any"}), json!({"type": "tool", "name": "f"})] {
        let forced = json!({"thinking": thinking, "tools": tools, "tool_choice": choice});
        let calm = json!({"thinking": {"type": "disabled"}, "tools": tools, "tool_choice": choice});
        native(OLDER, forced, Ok((calm, vec!["thinking"])));
        native(FABLE, json!({"tools": tools, "tool_choice": choice}), Err("tool_choice"));
    }
    let effort = |word: &str| json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": word}});
    for (tokens, word) in [(2_000, "low"), (8_000, "medium"), (20_000, "high")] {
        let budget = json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
        native(NEWER, budget.clone(), Ok((effort(word), vec![])));
        native(OLDER, budget.clone(), Ok((budget, vec![])));
    }
    native(NEWER, effort("max"), Ok((effort("max"), vec![])));
    let adaptive = json!({"thinking": {"type": "adaptive"}});
    let budget = json!({"thinking": {"type": "enabled", "budget_tokens": 4500}});
    native(OLDER, adaptive, Ok((budget, vec![])));
    native(FABLE, json!({"thinking": {"type": "disabled"}}), Ok((json!({}), vec!["thinking"])));
    native(NEWER, json!({"tools": [], "tool_choice": {"type": "auto"}}), Ok((json!({"tools": []}), vec![])));
}

#[test]
fn what_a_program_says_in_the_middle_of_messages_stands_in_a_persons() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let call =
        json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]});
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": "4"});
    native(
        OLDER,
        json!({"messages": [
            {"role": "user", "content": "Go."}, {"role": "system", "content": "Skills: review."}, call,
            {"role": "user", "content": [result]}, {"role": "system", "content": [text("Tokens left: 9")]}]}),
        Ok((
            json!({"messages": [
                {"role": "user", "content": "Go.\n\nSkills: review."}, call,
                {"role": "user", "content": [result, text("Tokens left: 9")]}]}),
            vec![],
        )),
    );
}
