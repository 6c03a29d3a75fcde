//! What an upstream's error means: whose fault it is, and so who may be asked next. The words are data: each list names whose
//! they are, from the providers' lists of errors and from public reports (December 2026). Texts are compared in lower case,
//! without what stands in quotation marks: that is often the client's own.

use super::unquoted::unquoted;
use super::{MALFORMED_EVENT, ProviderError};

/// Codes and types for a prompt that is too long: OpenAI, llama.cpp, Zhipu, Qianfan, GitHub, xAI.
const TOO_LONG: [&str; 6] = [
    "context_length_exceeded",
    "exceed_context_size_error",
    "1261",
    "tokens_too_long",
    "model_max_prompt_tokens_exceeded",
    "input_too_large",
];
/// OpenAI's code for a text that is too long. It is the prompt's length only where the text is what was said.
const TEXT_TOO_LONG: &str = "string_above_max_length";
/// Fields whose text is what was said.
const PROMPT_TEXTS: [&str; 7] = ["messages", "content", "text", "input", "output", "prompt", "instructions"];

/// What is said of one.
const TOO_LONG_SAID: &[&str] = &[
    // OpenAI and whoever is compatible, DeepSeek, Groq, Mistral, Ollama, SGLang; Anthropic; Moonshot.
    "context length",
    "context window",
    "context size",
    "exceed context limit",
    "prompt is too long",
    "prompt too long",
    "prompt is longer than",
    "model token limit",
    // vLLM, TensorRT-LLM, Ark.
    "maximum model length",
    "maximum input length",
    "exceeds the maximum length",
    "exceed max message tokens",
    "exceeds max_num_tokens",
    // Alibaba, Bedrock, Gemini, Moonshot, Hunyuan, Qianfan.
    "range of input length",
    "input is too long",
    "input token length too long",
    "exceeds the maximum number of tokens",
    "maximum input token limit",
    "max input tokens is",
    // xAI, old and new.
    "maximum prompt length",
    "[input_too_large]",
    // Text Generation Inference, Cohere, watsonx, GitHub.
    "inputs tokens + max_new_tokens must be",
    "inputs must have less than",
    "total number of tokens in the prompt cannot exceed",
    "the number of input tokens",
    "prompt token count of",
    "上下文长度",
    "输入长度超过",
    "输入超长",
    "prompt 超长",
];

/// Codes and types for what a provider's filter refused: OpenAI (and of its pictures), Azure, Alibaba, Stepfun, Zhipu, MiniMax
/// (of the prompt, of the answer).
const FILTERED: [&str; 13] = [
    "content_policy_violation",
    "content_policy",
    "moderation_blocked",
    "content_filter",
    "content_filtered",
    "responsibleaipolicyviolation",
    "datainspectionfailed",
    "data_inspection_failed",
    "censorship_blocked",
    "guardrail_intervened",
    "1301",
    "1026",
    "1027",
];
/// What such a code has in it: Ark's (`InputTextSensitiveContentDetected` and a dozen more), xAI's.
const FILTERED_WITHIN: [&str; 4] =
    ["sensitivecontentdetected", "riskdetection", "safety_check_type", "prohibited_content"];

/// What is said of it. Each speaks of what was said, never of an account: `your account was flagged` is the operator's matter.
const FILTERED_SAID: &[&str] = &[
    // DeepSeek, Moonshot, Alibaba, MiniMax.
    "content exists risk",
    "considered high risk",
    "contain inappropriate content",
    "new_sensitive",
    "data_inspection_failed",
    // xAI; OpenRouter; OpenAI; Anthropic; Azure; Google.
    "safety_check_type",
    "content violates usage guidelines",
    "input was flagged",
    "prompt was flagged",
    "request was flagged",
    "content was flagged",
    "content management policy",
    "content filtering policy",
    "violating our usage policy",
    "violate our usage policies",
    "rejected by the safety system",
    "rejected as a result of our safety system",
    "prohibited content",
    "blocked by our moderation",
    "blocked by content filter",
    // Zhipu, Ark, iFlytek, Qianfan, Tencent.
    "sensitive content",
    "敏感内容",
    "内容审核",
    "审核不通过",
    "内容安全",
    "违规内容",
    "内容违规",
];

/// Codes for money or a plan that is used up.
const SPENT: [&str; 13] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "insufficient_balance",
    "exceeded_current_quota_error",
    "billing_not_active",
    "billing_error",
    "accountoverdueerror",
    "arrearage",
    "1008",
    "1113",
    "1304",
    "1308",
    "1310",
];
const SPENT_SAID: &[&str] =
    &["insufficient balance", "insufficient_quota", "credit balance is too low", "余额不足", "欠费"];

/// What is said of a limit for some time, which a 413 may be, too (Groq: a request of more tokens than a minute has).
const PACED_SAID: &[&str] = &[
    "tokens per minute",
    "tokens per min",
    "tokens per day",
    "requests per minute",
    "(tpm)",
    "(tpd)",
    "(rpm)",
    "rate limit",
];

/// Codes for what only the endpoint's owner can mend: a model that is not there (Zhipu's is 1211), a key, an account.
const OWNERS: [&str; 13] = [
    "model_not_found",
    "modelnotfound",
    "invalid_model",
    "invalidmodel",
    "model_not_exist",
    "model_not_supported",
    "unknown_model",
    "deployment_not_found",
    "deploymentnotfound",
    "1211",
    "invalid_api_key",
    "invalidapikey",
    "account_deactivated",
];
/// What is said of it.
const OWNERS_SAID: &[&str] = &[
    // LiteLLM, Mistral, DeepSeek, MiniMax, OpenRouter, Alibaba.
    "invalid model name",
    "invalid model id",
    "invalid model:",
    "model not exist",
    "model does not exist",
    "model not found",
    "unknown model",
    "no such model",
    "not a valid model",
    "模型不存在",
    "模型未找到",
    "不存在的模型",
    "无效的模型",
    "未找到模型",
    // xAI and others who say 400 of a key; LM Studio; vLLM, started without a parser of calls.
    "incorrect api key",
    "invalid api key",
    "api key not valid",
    "no models loaded",
    "model is not loaded",
    "requires --enable-auto-tool-choice",
];
/// How a sentence begins and goes on that names a model which is not there.
const NAMED_MODEL: [&str; 4] = ["the model ", "model ", "模型", "the requested model "];
const NOT_THERE: [&str; 5] = ["does not exist", "not found", "is not available", "不存在", "未开通"];

/// Codes for a value or a field that the model does not take, though others may.
const UNABLE: [&str; 4] =
    ["unsupported_value", "unsupported_parameter", "unsupported_model_feature", "unsupported_feature"];
/// What is said of it.
const UNABLE_SAID: &[&str] = &[
    "with this model",
    "by this model",
    "for this model",
    "this model does not support",
    "model doesn't support",
    "model does not support",
    "该模型不支持",
    "模型不支持",
    "当前模型不支持",
    // llama.cpp, started without a projector.
    "image input is not supported",
    "audio input is not supported",
];

/// What llama.cpp says with a 500 of a request that is longer than its batch.
const BATCH_TOO_SMALL_SAID: [&str; 1] = ["is too large to process"];
/// What it says with a 500 though the request is at fault, or the model's template that does not take it.
const SERVERS_500_SAID: [&str; 8] = [
    "image input is not supported",
    "audio input is not supported",
    "failed to parse grammar",
    "failed to decode image",
    "conversation roles must alternate",
    "only user, assistant and tool roles are supported",
    "max_tokens must be at least 1",
    "failed to parse tool call arguments as json",
];

/// Codes that speak of a value or a field of the request: whatever its sentence quotes, it is about nothing else.
const ABOUT_A_VALUE: [&str; 20] = [
    "invalid_value",
    "invalid_type",
    "invalid_json_schema",
    "invalid_function_parameters",
    "missing_required_parameter",
    "unknown_parameter",
    "unsupported_value",
    "unsupported_parameter",
    "integer_above_max_value",
    "integer_below_min_value",
    "decimal_above_max_value",
    "decimal_below_min_value",
    "string_above_max_length",
    "string_below_min_length",
    "array_above_max_length",
    "array_below_min_length",
    "object_above_max_properties",
    "empty_string",
    "empty_array",
    "literal_error",
];

impl ProviderError {
    /// Whether the prompt was too long for the model. A limit for some time is none of its context, whatever the status.
    pub fn is_context_length(&self) -> bool {
        let said = self.is_request_fault() && self.speaks_of(TOO_LONG_SAID);
        let batch = matches!(self.status, None | Some(500)) && self.speaks_of(&BATCH_TOO_SMALL_SAID);
        let coded = self.is_one_of(&TOO_LONG) || self.is_long_prompt_text();
        coded || said || batch || (self.status == Some(413) && !self.is_rate_limit())
    }

    /// Whether the provider's filter refused what was said, wherever it says so.
    pub fn is_content_policy(&self) -> bool {
        let within = |word: &String| {
            let word = word.to_ascii_lowercase();
            FILTERED_WITHIN.iter().any(|part| word.contains(part))
        };
        let coded = self.is_one_of(&FILTERED) || [&self.code, &self.kind].into_iter().flatten().any(within);
        let spoken = matches!(self.status, None | Some(400 | 403 | 413 | 422 | 451));
        coded || self.status == Some(451) || (spoken && self.speaks_of(FILTERED_SAID))
    }

    /// Whether the money or the plan is used up: asking again does not help, whatever the status.
    pub fn is_balance(&self) -> bool {
        self.status == Some(402) || self.is_one_of(&SPENT) || self.speaks_of(SPENT_SAID)
    }

    /// Whether it is a limit for some time, and so no fault of the request's.
    pub fn is_rate_limit(&self) -> bool {
        self.status == Some(429) || self.is_one_of(&["rate_limit_exceeded"]) || self.says(PACED_SAID)
    }

    /// Whether the request has more tokens than its limit lets through at all, so that waiting does not help there.
    pub fn is_beyond_rate_limit(&self) -> bool {
        self.is_rate_limit() && (self.status == Some(413) || self.says(&["request too large"]))
    }

    /// Whether only the endpoint's owner can mend it, though the request is called bad: the model, its key or the account.
    pub fn is_owners_fault(&self) -> bool {
        self.is_balance()
            || self.is_one_of(&OWNERS)
            || self.speaks_of(OWNERS_SAID)
            || (!self.is_one_of(&ABOUT_A_VALUE) && self.names_no_model())
    }

    /// Whether it is the model that cannot do what is asked, so that another may.
    pub fn is_models_limit(&self) -> bool {
        self.is_one_of(&UNABLE) || self.says(UNABLE_SAID)
    }

    /// Whether a server failed, in its own words, because of the request or of what its model takes, so that another model
    /// may answer and the endpoint is well.
    pub fn is_requests_500(&self) -> bool {
        matches!(self.status, None | Some(500)) && self.says(&SERVERS_500_SAID)
    }

    /// Whether it is about an event that could not be read.
    pub fn is_malformed_event(&self) -> bool {
        self.code.as_deref() == Some(MALFORMED_EVENT) && self.status.is_none()
    }

    fn names_no_model(&self) -> bool {
        let message = self.said();
        NAMED_MODEL.iter().any(|begin| message.starts_with(begin))
            && NOT_THERE.iter().any(|end| message.contains(end))
    }

    fn is_one_of(&self, codes: &[&str]) -> bool {
        let words = [&self.code, &self.kind].into_iter().flatten();
        words.into_iter().any(|word| codes.iter().any(|code| word.eq_ignore_ascii_case(code)))
    }

    /// Whether the request is at fault, as far as the status says.
    fn is_request_fault(&self) -> bool {
        matches!(self.status, None | Some(400 | 413 | 422)) && !self.is_rate_limit()
    }

    /// Whether a text of the prompt is too long by its code. The field stands in quotation marks where no member names it.
    fn is_long_prompt_text(&self) -> bool {
        let field = self.param.as_deref().or_else(|| self.message.split('\'').nth(1)).unwrap_or_default();
        let last = field.rsplit('.').next().unwrap_or_default();
        let name = last.split('[').next().unwrap_or_default();
        self.is_one_of(&[TEXT_TOO_LONG]) && PROMPT_TEXTS.contains(&name)
    }

    /// Whether its sentence says so and no code says that it is about a value.
    fn speaks_of(&self, sayings: &[&str]) -> bool {
        !self.is_one_of(&ABOUT_A_VALUE) && self.says(sayings)
    }

    fn says(&self, sayings: &[&str]) -> bool {
        let message = self.said();
        sayings.iter().any(|saying| message.contains(saying))
    }

    fn said(&self) -> String {
        unquoted(&self.message.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_error;

    /// What an error is sorted as.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Sorted {
        Context,
        Policy,
        Balance,
        Owner,
        Model,
        Pace,
        Other,
    }
    use Sorted::{Balance, Context, Model, Other, Owner, Pace, Policy};

    fn check(status: u16, body: &str, expected: Sorted) {
        let complaint = read_error(status, body.as_bytes());
        let all = [
            (complaint.is_content_policy(), Policy),
            (complaint.is_context_length(), Context),
            (complaint.is_balance(), Balance),
            (complaint.is_rate_limit() && !complaint.is_balance(), Pace),
            (complaint.is_owners_fault() && !complaint.is_balance(), Owner),
            (complaint.is_models_limit(), Model),
        ];
        let found: Vec<Sorted> = all.into_iter().filter(|(is, _)| *is).map(|(_, sorted)| sorted).collect();
        let expected = if expected == Other { vec![] } else { vec![expected] };
        assert_eq!(found, expected, "{status} {body}");
    }

    fn says(status: u16, message: &str, expected: Sorted) {
        check(status, &serde_json::json!({"error": {"message": message}}).to_string(), expected);
    }

    #[test]
    fn too_long_in_many_words() {
        check(400, r#"{"error":{"code":"context_length_exceeded","message":"x"}}"#, Context);
        check(400, r#"{"error":{"type":"exceed_context_size_error","message":"x"}}"#, Context);
        check(400, r#"{"error":{"code":"1261","message":"x"}}"#, Context);
        check(400, r#"{"error":{"code":"tokens_too_long","message":"x"}}"#, Context);
        check(
            400,
            r#"{"code":"InvalidParameter","message":"Range of input length should be [1, 30720]"}"#,
            Context,
        );
        check(
            400,
            r#"{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 537812 tokens."}"#,
            Context,
        );
        check(
            422,
            r#"{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 20 `max_new_tokens`"}"#,
            Context,
        );
        for message in [
            "This model's maximum context length is 8192 tokens.",
            "Your request exceeded model token limit: 8192",
            "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease input length or `max_tokens` and try again",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "[input_too_large] Current message (1149677 tokens) exceeds budget (975424 tokens)",
            "Total tokens of image and text exceed max message tokens",
            "Input length 140000 exceeds the maximum length 131072",
            "Your input exceeds the maximum input token limit of the model.",
            "the max input tokens is 7168",
            "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
            "Prompt length (9000) exceeds maximum input length (8192).",
            "too many tokens: total number of tokens in the prompt cannot exceed 4081",
            "the number of input tokens 5000 cannot exceed the total tokens limit 4096 for this tier",
            "输入长度超过模型上限",
        ] {
            says(400, message, Context);
        }
        check(413, "", Context);
        check(413, "<html>413 Request Entity Too Large</html>", Context);
        check(500, r#"{"error":"the context window process died"}"#, Other);
        says(500, "input (5000 tokens) is too large to process. increase the physical batch size", Context);
        says(503, "input (5000 tokens) is too large to process", Other);
        says(400, "max_tokens is too large: 100000. It may be at most 16384", Other);
    }

    #[test]
    fn what_a_provider_quotes_says_nothing() {
        for value in [
            "insufficient balance",
            "insufficient_quota",
            "余额不足",
            "no such model",
            "incorrect api key",
            "context window",
            "the prompt is too long",
            "content exists risk",
            "it's the prompt is too long",
        ] {
            for message in [
                format!("Invalid value: '{value}'. Supported values are: 'low', 'medium', and 'high'."),
                format!("Invalid value: \"{value}\"."),
                format!("invalid value `{value}` of tool_choice"),
                format!("invalid value “{value}”"),
                format!("参数「{value}」无效"),
                format!(
                    "litellm.BadRequestError: {{\"error\":{{\"message\":\"Invalid value: '{value}'\"}}}}"
                ),
                format!("Invalid value, cut short: '{value}"),
            ] {
                says(400, &message, Other);
            }
            for code in ["invalid_value", "invalid_type", "integer_above_max_value"] {
                let message = format!("Invalid value: 'x' {value}");
                let body = serde_json::json!({"error": {"message": message, "code": code, "param": "stop"}});
                check(400, &body.to_string(), Other);
            }
        }
        says(400, "The model of 'x' is not found in 'does not exist'", Owner);
        says(400, "The model takes no 'does not exist'", Other);
        says(400, r#"DeepseekException - {"error":{"message":"Model Not Exist","code":"x"}}"#, Owner);
        says(400, "Error code: 400 - {'error': {'message': 'Insufficient Balance', 'code': 'x'}}", Balance);
    }

    #[test]
    fn a_long_text_is_a_long_prompt_only_where_it_is_what_was_said() {
        for (param, expected) in [
            ("messages[1].content", Context),
            ("messages[0].content[2].text", Context),
            ("input", Context),
            ("input[0]", Context),
            ("input[2].content[0].text", Context),
            ("input[3].output", Context),
            ("instructions", Context),
            ("tools[0].function.name", Other),
            ("tools[0].function.description", Other),
            ("messages[1].tool_calls[0].id", Other),
            ("messages[1].content[0].image_url", Other),
            ("metadata.key", Other),
            ("user", Other),
        ] {
            let message = format!("Invalid '{param}': string too long.");
            for param in [Some(param), None] {
                let error = serde_json::json!({"message": message, "param": param, "code": "string_above_max_length"});
                check(400, &serde_json::json!({"error": error}).to_string(), expected);
            }
        }
    }

    #[test]
    fn a_limit_for_some_time_is_not_too_long() {
        let groq = r#"{"error":{"message":"Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7000, please reduce your message size and try again.","type":"tokens","code":"rate_limit_exceeded"}}"#;
        check(413, groq, Pace);
        assert!(read_error(413, groq.as_bytes()).is_beyond_rate_limit());
        check(429, r#"{"error":{"code":"1302","message":"concurrency"}}"#, Pace);
        check(429, r#"{"error":{"code":"rate_limit_exceeded","message":"slow down"}}"#, Pace);
        says(429, "This request with a context window of 1000000 would exceed the rate limit", Pace);
        assert!(!read_error(429, b"{}").is_beyond_rate_limit());
    }

    #[test]
    fn what_a_filter_refused() {
        for body in [
            r#"{"error":{"code":"content_policy_violation","message":"x"}}"#,
            r#"{"error":{"code":"content_filter","message":"x"}}"#,
            r#"{"error":{"code":"1301","message":"x"}}"#,
            r#"{"code":"DataInspectionFailed","message":"x"}"#,
            r#"{"error":{"code":"InputTextSensitiveContentDetected.SevereViolation","message":"x"}}"#,
            r#"{"error":{"code":"OutputImageSensitiveContentDetected","message":"x"}}"#,
            r#"{"error":{"type":"censorship_blocked","message":"x"}}"#,
            r#"{"choices":null,"base_resp":{"status_code":1026,"status_msg":"input new_sensitive"}}"#,
            r#"{"choices":null,"base_resp":{"status_code":1027,"status_msg":"output new_sensitive"}}"#,
        ] {
            for status in [400, 403, 422, 500] {
                check(status, body, Policy);
            }
        }
        for message in [
            "Content Exists Risk",
            "Your chosen model requires moderation and your input was flagged",
            "Content violates usage guidelines. Team: t, API key ID: k, Model: m, Failed check: SAFETY_CHECK_TYPE_CSAM",
            "Output blocked by content filtering policy",
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
            "The request was rejected because it was considered high risk",
            "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语",
        ] {
            for status in [400, 403] {
                says(status, message, Policy);
            }
        }
        says(451, "blocked", Policy);
        says(403, "Your account has been suspended", Other);
        says(403, "Access to this region is not allowed", Other);
        says(503, "The moderation service is not there", Other);
    }

    #[test]
    fn what_only_the_owner_can_mend() {
        check(429, r#"{"error":{"code":"1113","message":"您的账户已欠费，请充值"}}"#, Balance);
        check(400, r#"{"code":"Arrearage","message":"x"}"#, Balance);
        check(402, r#"{"error":{"message":"Insufficient Balance"}}"#, Balance);
        check(400, r#"{"error":{"code":"1211","message":"模型不存在，请检查模型代码。"}}"#, Owner);
        for message in [
            "litellm.BadRequestError: Invalid model name passed in model=m. Call `/v1/models`",
            "Model Not Exist",
            "The model `m` does not exist or you do not have access to it.",
            "model m not found",
            "m is not a valid model ID",
            "invalid params, unknown model 'm'",
            "模型 m 不存在",
            "Incorrect API key provided: [key].",
            "\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set",
        ] {
            says(400, message, Owner);
        }
        for message in
            ["The tool `weather` does not exist", "messages.0: the file does not exist", "Bad request: x"]
        {
            says(400, message, Other);
        }
    }

    #[test]
    fn what_the_model_alone_cannot() {
        check(
            400,
            r#"{"error":{"message":"Unsupported value: 'temperature' does not support 0.2 with this model.","code":"unsupported_value","param":"temperature"}}"#,
            Model,
        );
        check(400, r#"{"error":{"message":"x","code":"unsupported_parameter","param":"stop"}}"#, Model);
        says(400, "`temperature` is deprecated for this model.", Model);
        says(400, "temperature and top_p cannot both be specified for this model", Model);
        says(400, "当前模型不支持 tools", Model);
        says(400, "temperature must be at most 2", Other);
    }
}
