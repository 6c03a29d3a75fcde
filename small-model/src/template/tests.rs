use serde_json::json;

use super::*;
use crate::ToolCall;

fn rendered(source: &str, input: TemplateInput<'_>) -> String {
    let template = ChatTemplate::new(source, "<s>".into(), "</s>".into()).unwrap();
    template.render(input).unwrap_or_else(|error| format!("{error:?}"))
}

#[track_caller]
fn check(source: &str, messages: &[(&str, &str)], expected: &str) {
    let messages: Vec<_> = messages.iter().map(|(role, content)| ChatMessage::new(*role, *content)).collect();
    assert_eq!(rendered(source, TemplateInput { messages: &messages, ..TemplateInput::default() }), expected);
}

#[test]
fn renders() {
    check(
        CHATML,
        &[("system", "Be brief."), ("user", "协同 & <b>?")],
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n协同 & <b>?<|im_end|>\n<|im_start|>assistant\n",
    );
    check("{{ bos_token }}{{ messages[0].content.strip() }}{{ eos_token }}", &[("user", " x ")], "<s>x</s>");
    check(
        "{% for m in messages %}\n    {% if m.role == 'user' %}\n[{{ m['content'] }}]\n    {% endif %}\n{% endfor %}",
        &[("user", "x")],
        "[x]\n",
    );
    check(
        "{{ messages[0].tool_calls is defined }}{{ tools is none }}{{ documents is none }}{{ enable_thinking is defined }}",
        &[("user", "x")],
        "FalseTrueTrueFalse",
    );
}

/// What Python's jinja2 3.1.6 makes of these with transformers' settings; `small-model/examples/render_templates.py` has them.
#[test]
fn does_what_python_does() {
    let mut wrong = Vec::new();
    for line in include_str!("constructs.jsonl").lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let (source, expected) = (case["template"].as_str().unwrap(), case["expected"].as_str().unwrap());
        let template = ChatTemplate::new(source, "<s>".into(), "</s>".into()).unwrap();
        let tool = ToolDefinition {
            description: json!({"type": "function", "function": {
                "name": "f", "description": "Größe <b> & 'x' \"y\"",
                "parameters": {"type": "object", "properties": {"b": {"type": "number", "minimum": 1.0}, "a": {}}},
            }}),
            ..ToolDefinition::named("f")
        };
        let call = ToolCall {
            id: "c1".into(),
            name: "f".into(),
            arguments: r#"{"b": 1.5, "a": ["x", null, true]}"#.into(),
        };
        let messages = [
            ChatMessage::new("system", "Be brief."),
            ChatMessage::new("user", " What is 协同?\n"),
            ChatMessage { tool_calls: vec![call], ..ChatMessage::new("assistant", "") },
            ChatMessage {
                tool_call_id: Some("c1".into()),
                name: Some("f".into()),
                ..ChatMessage::new("tool", "7 < 8")
            },
        ];
        let input = TemplateInput { messages: &messages, tools: &[tool], thinking: None };
        let own = template.render(input).unwrap_or_else(|error| format!("{error:?}"));
        if own != expected {
            wrong.push(format!("{source}\n  engine: {own:?}\n  jinja2: {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_template_that_fails_is_told_from_one_that_refuses() {
    let message = [ChatMessage::new("user", "x")];
    let input = TemplateInput { messages: &message, ..TemplateInput::default() };
    let error = |source: &str| {
        ChatTemplate::new(source, String::new(), String::new()).unwrap().render(input).unwrap_err()
    };
    let raised = TemplateError::Raised("roles must alternate".into());
    assert_eq!(error("{{ raise_exception('roles must alternate') }}"), raised);
    assert_eq!(
        error("{% macro m() %}{{ raise_exception('roles must alternate') }}{% endmacro %}{{ m() }}"),
        raised
    );
    assert!(matches!(error("{{ frobnicate() }}"), TemplateError::Failed(_)));
    assert!(matches!(error("{{ messages[0].content|frobnicate }}"), TemplateError::Failed(_)));
    let endless = "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}";
    assert!(matches!(error(endless), TemplateError::Failed(_)));
    assert!(ChatTemplate::new("{% for %}", String::new(), String::new()).is_err());
}

#[test]
fn is_told_of_thinking_only_what_is_asked() {
    let message = [ChatMessage::new("user", "x")];
    let source = "{{ enable_thinking|default('-') }} {{ reasoning_effort|default('-') }}";
    let check = |enabled: Option<bool>, effort: Option<&str>, expected: &str| {
        let thinking = ThinkingOptions { enabled, effort: effort.map(Into::into) };
        let input =
            TemplateInput { messages: &message, thinking: Some(&thinking), ..TemplateInput::default() };
        assert_eq!(rendered(source, input), expected);
    };
    check(None, None, "- -");
    check(Some(false), None, "False -");
    check(Some(true), Some("low"), "True low");
}
