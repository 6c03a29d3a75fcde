use proptest::prelude::*;

use super::*;

/// How an answer comes out, as `thought|text|name(arguments)…`.
fn read(reader: &mut AnswerSplitter, pieces: &[&str]) -> String {
    let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::<(String, String)>::new());
    let mut take = |delta: AnswerDelta| {
        text += &delta.text;
        thought += &delta.thought;
        for call in delta.calls {
            if let Some(name) = call.name {
                assert_eq!(call.index as usize, calls.len());
                calls.push((name, String::new()));
            }
            calls[call.index as usize].1 += &call.arguments;
        }
    };
    pieces.iter().for_each(|piece| take(reader.push(piece)));
    take(reader.finish());
    let calls: String = calls.iter().map(|(name, arguments)| format!("{name}({arguments})")).collect();
    format!("{thought}|{text}|{calls}")
}

#[derive(Clone, Copy)]
struct AnswerCase {
    syntax: ToolSyntax,
    tools: bool,
    forced: bool,
    thinks: bool,
    opened: bool,
}

const HERMES: AnswerCase =
    AnswerCase { syntax: ToolSyntax::Hermes, tools: true, forced: false, thinks: false, opened: false };
const THINKS: AnswerCase = AnswerCase { thinks: true, ..HERMES };

fn reader(case: AnswerCase) -> AnswerSplitter {
    let tools = [crate::ToolDefinition::named("f"), crate::ToolDefinition::named("g")];
    let marks = ThoughtMarks { open: "<think>".into(), close: "</think>".into() };
    AnswerSplitter::new(AnswerParts {
        thoughts: case.thinks.then_some((marks, case.opened)),
        calls: case.tools.then(|| (case.syntax.triggers(&tools), case.syntax, case.forced)),
    })
}

/// The answer as one piece, and character by character.
#[track_caller]
fn check(case: AnswerCase, answer: &str, expected: &str) {
    assert_eq!(read(&mut reader(case), &[answer]), expected, "{answer}");
    let letters: Vec<String> = answer.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    assert_eq!(read(&mut reader(case), &letters), expected, "by letters: {answer}");
}

#[test]
fn text_is_text() {
    check(HERMES, "", "||");
    check(HERMES, " Paris.\n", "| Paris.\n|");
    check(HERMES, "a <tool", "|a <tool|");
    check(HERMES, "a < b <tool_ x", "|a < b <tool_ x|");
    check(HERMES, r#"{"name": "h", "arguments": {}}"#, r#"|{"name": "h", "arguments": {}}|"#);
    check(HERMES, r#"Say {"name": "f"}"#, r#"|Say {"name": "f"}|"#);
    check(AnswerCase { tools: false, ..HERMES }, "<tool_call>", "|<tool_call>|");
    check(AnswerCase { tools: false, ..HERMES }, "<think>x</think>", "|<think>x</think>|");
}

#[test]
fn calls_are_read_in_every_syntax() {
    let call = r#"{"name": "f", "arguments": {"a": "}\"{", "b": [{}]}}"#;
    let read = r#"f({"a": "}\"{", "b": [{}]})"#;
    check(HERMES, &format!("<tool_call>\n{call}\n</tool_call>"), &format!("||{read}"));
    check(
        HERMES,
        &format!("Let me see.\n<tool_call>\n{call}\n</tool_call>"),
        &format!("|Let me see.|{read}"),
    );
    let second = r#"{"name": "g", "arguments": {}}"#;
    check(
        HERMES,
        &format!("<tool_call>\n{call}\n</tool_call>\n<tool_call>\n{second}\n</tool_call>"),
        &format!("||{read}g({{}})"),
    );
    check(HERMES, call, &format!("||{read}"));
    check(HERMES, &format!("```json\n{call}\n```"), &format!("||{read}"));
    check(HERMES, "{\n  \"name\": \"f\",\n  \"arguments\": {\n  }\n}", "||f({\n  })");
    let llama = AnswerCase { syntax: ToolSyntax::Llama, ..HERMES };
    check(llama, r#"{"name": "f", "parameters": {"a": 1}}"#, r#"||f({"a": 1})"#);
    check(llama, r#"<|python_tag|>{"name": "f", "parameters": {}}"#, "||f({})");
    let list = AnswerCase { syntax: ToolSyntax::MistralList, ..HERMES };
    check(list, &format!("[TOOL_CALLS] [{call}, {second}]"), &format!("||{read}g({{}})"));
    check(list, r#"[TOOL_CALLS][{"name": "f", "arguments": {}, "id": "}{"}]"#, "||f({})");
    let arguments = AnswerCase { syntax: ToolSyntax::MistralArguments, ..HERMES };
    check(
        arguments,
        r#"[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[CALL_ID]x[ARGS]{}"#,
        r#"||f({"a": 1})g({})"#,
    );
    let forced = AnswerCase { forced: true, ..HERMES };
    check(forced, &format!("<tool_call>\n{call}\n</tool_call>"), &format!("||{read}"));
}

#[test]
fn a_call_that_is_cut_keeps_what_there_is() {
    check(HERMES, "<tool_call>\n{\"name\": \"f", "||");
    check(HERMES, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"x", "||f({\"a\": \"x)");
}

#[test]
fn a_call_that_is_repeated_ends_the_calls() {
    let call = |arguments: &str| {
        format!("<tool_call>\n{{\"name\": \"f\", \"arguments\": {arguments}}}\n</tool_call>\n")
    };
    let check_calls = |arguments: &[&str], expected: &str| {
        let answer: String = arguments.iter().map(|arguments| call(arguments)).collect();
        check(HERMES, &answer, &format!("||{expected}"));
    };
    check_calls(&["{\"a\": 1}", "{\"a\": 12}", "{\"b\": 1}"], "f({\"a\": 1})f({\"a\": 12})f({\"b\": 1})");
    check_calls(&["{\"a\": 1}", "{\"b\": 1}", "{\"a\": 1}", "{\"c\": 1}"], "f({\"a\": 1})f({\"b\": 1})");
    check_calls(&["{}", "{}"], "f({})");
    // The same arguments of another tool are another call.
    check(
        HERMES,
        &(call("{}") + "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>"),
        "||f({})g({})",
    );
    // One that is cut while it is the same is none.
    check(
        HERMES,
        &(call("{\"a\": 1}") + "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\""),
        "||f({\"a\": 1})",
    );
    let mut reader = reader(HERMES);
    reader.push(&call("{}"));
    assert!(!reader.has_repeated());
    reader.push(&call("{}"));
    assert!(reader.has_repeated());
}

#[test]
fn thoughts_are_split_off() {
    check(THINKS, "<think>\nHm.\n</think>\n\nParis.", "Hm.|Paris.|");
    check(THINKS, "\n<think>\n\n</think>\n\nParis.", "|Paris.|");
    check(THINKS, "Paris <think>", "|Paris <think>|");
    check(THINKS, "<thin", "|<thin|");
    check(THINKS, "<think>a</thin b", "a</thin b||");
    check(THINKS, "<think>a  b\n\nc", "a  b\n\nc||");
    let opened = AnswerCase { opened: true, ..THINKS };
    check(opened, "Hm.\n</think>\nParis.", "Hm.|Paris.|");
    check(opened, "Hm", "Hm||");
    let call = r#"<tool_call>{"name": "f", "arguments": {}}</tool_call>"#;
    check(THINKS, &format!("<think>{call}</think>{call}"), &format!("{call}||f({{}})"));
    check(AnswerCase { forced: true, ..opened }, &format!("Hm.</think>\n\n{call}"), "Hm.||f({})");
}

proptest! {
    /// Whatever way an answer is cut, the same comes out of it, and nothing of a plain one is lost.
    #[test]
    fn cuts_make_no_difference(
        parts in proptest::collection::vec(prop_oneof![
            Just("<think>"), Just("</think>"), Just("<tool_call>"), Just("</tool_call>"), Just("\n"), Just(" "),
            Just("{\"name\": \"f\", \"arguments\": {\"a\": 1}}"), Just("```json\n"), Just("协同"), Just("x"), Just("<"),
        ], 0..12),
        cuts in proptest::collection::vec(1_usize..6, 1..40),
        thinks in any::<bool>(), opened in any::<bool>(), forced in any::<bool>(),
    ) {
        let case = AnswerCase { thinks, opened, forced, ..HERMES };
        let answer = parts.concat();
        let (mut pieces, mut rest) = (Vec::new(), answer.as_str());
        for cut in cuts.iter().cycle() {
            let at = rest.char_indices().nth(*cut).map_or(rest.len(), |(at, _)| at);
            pieces.push(&rest[..at]);
            rest = &rest[at..];
            if rest.is_empty() { break; }
        }
        prop_assert_eq!(read(&mut reader(case), &pieces), read(&mut reader(case), &[&answer]));
        let plain = AnswerCase { tools: false, thinks: false, ..case };
        let plain = AnswerCase { forced: false, ..plain };
        prop_assert_eq!(read(&mut reader(plain), &pieces), format!("|{answer}|"));
    }
}
