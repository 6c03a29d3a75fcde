//! What a chat template can be told, found out by asking it.

use crate::answer_marks::ThoughtMarks;
use crate::template::{ChatTemplate, TemplateError, TemplateInput};
use crate::tool_syntax::ToolSyntax;
use crate::{ChatMessage, ThinkingOptions, ToolDefinition};

/// The marks of thoughts that models are known to write.
const THOUGHT_MARKS: [(&str, &str); 5] = [
    ("<think>", "</think>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel>thought", "<channel|>"),
];

/// What is known of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateFacts {
    /// How calls are written.
    pub(crate) syntax: ToolSyntax,
    /// Whether the template itself shows tools, calls and their answers; else they are told as text.
    pub(crate) tools: bool,
    /// Whether it takes a system message.
    pub(crate) system: bool,
    /// The marks around thoughts, where the template has any.
    pub(crate) thoughts: Option<ThoughtMarks>,
    /// Whether `enable_thinking` changes anything.
    pub(crate) thinking_switch: bool,
    /// Whether `reasoning_effort` does.
    pub(crate) thinking_effort: bool,
    /// What it cannot do here: every prompt would fail with this.
    pub(crate) fault: Option<String>,
}

impl TemplateFacts {
    /// Asks a template.
    pub(crate) fn of(template: &ChatTemplate) -> Self {
        let source = template.source();
        let syntax = ToolSyntax::of_template(source);
        let user = [ChatMessage::new("user", "Hi")];
        let plain = template.render(TemplateInput { messages: &user, ..TemplateInput::default() });
        let system = [ChatMessage::new("system", "qxj"), ChatMessage::new("user", "Hi")];
        let system = template.render(TemplateInput { messages: &system, ..TemplateInput::default() });
        let marks =
            THOUGHT_MARKS.iter().find(|(open, close)| source.contains(open) && source.contains(close));
        Self {
            syntax: syntax.unwrap_or(ToolSyntax::Hermes),
            tools: syntax.is_some() && shows_tools(template),
            system: system.is_ok_and(|prompt| prompt.contains("qxj")),
            thoughts: marks
                .map(|(open, close)| ThoughtMarks { open: (*open).into(), close: (*close).into() }),
            thinking_switch: told(template, Some(true), None) != told(template, Some(false), None),
            thinking_effort: told(template, None, Some("low")) != told(template, None, Some("high")),
            fault: match plain {
                Err(TemplateError::Failed(reason)) => Some(reason),
                Ok(_) | Err(TemplateError::Raised(_)) => None,
            },
        }
    }

    /// Whether a control token of this text is a part of answers.
    pub(crate) fn speaks(&self, token: &str) -> bool {
        let thoughts = self.thoughts.iter().flat_map(|marks| [marks.open.as_str(), marks.close.as_str()]);
        let calls = crate::tool_syntax::CALL_MARKS.into_iter().filter(|_| self.tools);
        token.len() > 1 && thoughts.chain(calls).any(|mark| mark.contains(token))
    }
}

/// Whether a template shows the tools, a call, and what the tool answered.
fn shows_tools(template: &ChatTemplate) -> bool {
    let tools = [ToolDefinition::named("qxj_tool")];
    let call = crate::ToolCall { id: "abcdefghi".into(), name: "qxj_called".into(), arguments: "{}".into() };
    let messages = [
        ChatMessage::new("user", "Hi"),
        ChatMessage { tool_calls: vec![call], ..ChatMessage::new("assistant", "") },
        ChatMessage {
            tool_call_id: Some("abcdefghi".into()),
            name: Some("qxj_called".into()),
            ..ChatMessage::new("tool", "qxj_answered")
        },
    ];
    let all = template.render(TemplateInput { messages: &messages, tools: &tools, thinking: None });
    all.is_ok_and(|prompt| prompt.contains("qxj_called") && prompt.contains("qxj_answered"))
        && template
            .render(TemplateInput { messages: &messages[..1], tools: &tools, thinking: None })
            .is_ok_and(|prompt| prompt.contains("qxj_tool"))
}

/// A short prompt, told this of thinking.
fn told(template: &ChatTemplate, enabled: Option<bool>, effort: Option<&str>) -> Option<String> {
    let thinking = ThinkingOptions { enabled, effort: effort.map(Into::into) };
    let messages = &[ChatMessage::new("user", "Hi")];
    template.render(TemplateInput { messages, tools: &[], thinking: Some(&thinking) }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(source: &str) -> TemplateFacts {
        TemplateFacts::of(&ChatTemplate::new(source, String::new(), String::new()).unwrap())
    }

    const PLAIN: &str = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";

    #[test]
    fn a_plain_template_is_told_of_tools_as_text() {
        let plain = facts(PLAIN);
        assert_eq!(
            (plain.syntax, plain.tools, plain.system, plain.thinking_switch, plain.thinking_effort),
            (ToolSyntax::Hermes, false, true, false, false)
        );
        assert_eq!((plain.thoughts, plain.fault), (None, None));
    }

    #[test]
    fn a_template_that_takes_tools_is_found_by_what_it_shows() {
        let source = "{% if tools %}<tool_call> arguments {{ tools|tojson }}{% endif %}\
            {% for m in messages %}{{ m.content }}{% for c in m.tool_calls|default([]) %}{{ c.function.name }}{% endfor %}{% endfor %}";
        assert!(facts(source).tools);
        assert!(!facts(&source.replace("<tool_call>", "<other>")).tools);
        assert!(!facts(&source.replace("{{ c.function.name }}", "")).tools);
    }

    #[test]
    fn faults_and_refusals_are_two_things() {
        assert_eq!(facts("{{ raise_exception('no') }}").fault, None);
        assert!(facts("{{ frobnicate() }}").fault.unwrap().contains("frobnicate"));
        let no_system = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}";
        assert!(!facts(&format!("{no_system}{PLAIN}")).system);
    }

    #[test]
    fn thinking_is_found_by_marks_and_by_what_changes() {
        let source = format!("{PLAIN}{{% if enable_thinking is false %}}<think>\n\n</think>{{% endif %}}");
        let found = facts(&source);
        assert_eq!((found.thinking_switch, found.thinking_effort), (true, false));
        let effort = facts(&format!("{PLAIN}{{{{ reasoning_effort }}}}"));
        assert_eq!((effort.thinking_switch, effort.thinking_effort), (false, true));
        assert_eq!(found.thoughts.unwrap().close, "</think>");
    }
}
