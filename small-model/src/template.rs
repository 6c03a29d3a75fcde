//! From messages to the text of a prompt: runs the chat template that the model carries.
//!
//! Templates are Jinja programs out of the model's file. They run with bounded work and can reach
//! nothing but the messages.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value, context};

use crate::{ChatMessage, EngineRefusal};

/// For models that know ChatML's marks but carry no template.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// Instructions that a template may take; thousands of messages take fewer.
const FUEL: u64 = 10_000_000;

/// A chat template that was read without an error.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    source: String,
    environment: Environment<'static>,
    /// Texts of the tokens that begin and end a text, which many templates name.
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(source: String, bos: String, eos: String) -> Result<Self, Error> {
        let mut environment = Environment::new();
        // As Hugging Face's transformers sets them, which templates are written for.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax?);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.template_from_str(&source)?;
        Ok(Self { source, environment, bos, eos })
    }

    /// ChatML.
    ///
    /// # Errors
    /// None in practice: the text is a constant.
    pub(crate) fn chatml(bos: String, eos: String) -> Result<Self, Error> {
        Self::new(CHATML.into(), bos, eos)
    }

    /// The prompt of a conversation, ready for the assistant's answer.
    ///
    /// # Errors
    /// [`EngineRefusal::Invalid`] when the template does not take these messages, with its reason.
    pub(crate) fn render(&self, messages: &[ChatMessage]) -> Result<String, EngineRefusal> {
        let value = |message: &ChatMessage| context! { role => message.role.as_str(), content => message.content.as_str() };
        let values = context! {
            messages => messages.iter().map(value).collect::<Vec<Value>>(),
            add_generation_prompt => true,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
        };
        let refuse = |error: Error| {
            let reason = error.detail().map_or_else(|| error.to_string(), Into::into);
            EngineRefusal::Invalid(format!(
                "messages: the model's chat template does not take them: {reason}"
            ))
        };
        let template = self.environment.template_from_str(&self.source).map_err(refuse)?;
        template.render(values).map_err(refuse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, messages: &[(&str, &str)], expected: &str) {
        let template = ChatTemplate::new(source.into(), "<s>".into(), "</s>".into()).unwrap();
        let messages: Vec<_> =
            messages.iter().map(|(role, content)| ChatMessage::new(*role, *content)).collect();
        let prompt = template.render(&messages).unwrap_or_else(|refusal| refusal.to_string());
        assert_eq!(prompt, expected);
    }

    #[test]
    fn renders() {
        check(
            CHATML,
            &[("system", "Be brief."), ("user", "协同 & <b>?")],
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n协同 & <b>?<|im_end|>\n<|im_start|>assistant\n",
        );
        check(
            "{{ bos_token }}{{ messages[0].content.strip() }}{{ eos_token }}",
            &[("user", " x ")],
            "<s>x</s>",
        );
        check(
            "{% for m in messages %}\n    {% if m.role == 'user' %}\n[{{ m['content'] }}]\n    {% endif %}\n{% endfor %}",
            &[("user", "x")],
            "[x]\n",
        );
        check(
            "{{ messages[0].tool_calls is defined }}{{ tools is defined }}",
            &[("user", "x")],
            "FalseFalse",
        );
    }

    #[test]
    fn refuses_with_the_templates_own_reason() {
        check(
            "{{ raise_exception('roles must alternate') }}",
            &[("user", "x")],
            "messages: the model's chat template does not take them: roles must alternate",
        );
        let endless = "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}";
        let template = ChatTemplate::new(endless.into(), String::new(), String::new()).unwrap();
        assert!(template.render(&[ChatMessage::new("user", "x")]).is_err());
        assert!(ChatTemplate::new("{% for %}".into(), String::new(), String::new()).is_err());
    }
}
