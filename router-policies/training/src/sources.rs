//! What each source holds: its models by class, and the kinds of its prompts.

/// A file of labelled prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LabelSource {
    RouteLlm,
    MmluPro,
    ZeroEval,
    Fusion,
    LexEval,
    Gaokao,
    OpenAiGsm,
    Unlabelled,
}

/// A kind of prompts that one expert answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SourceKind {
    /// Questions with four options, all subjects.
    Exam,
    /// Questions with up to ten options.
    LongExam,
    /// Arithmetic in words.
    WordProblem,
    /// Competition mathematics.
    Mathematics,
    /// What a program prints.
    CodeOutput,
    /// Many tasks mixed.
    Mixed,
    /// Chinese school examinations.
    ChineseExam,
    /// Chinese law.
    ChineseLaw,
}

/// The models of a source by class, and the pair that it is evaluated with.
pub(crate) struct LabelledModels {
    pub(crate) tiny: &'static [&'static str],
    pub(crate) small: &'static [&'static str],
    pub(crate) medium: &'static [&'static str],
    pub(crate) frontier: &'static [&'static str],
    pub(crate) pair: (&'static str, &'static str),
}

impl LabelSource {
    pub(crate) const ALL: [Self; 8] = [
        Self::RouteLlm,
        Self::MmluPro,
        Self::ZeroEval,
        Self::Fusion,
        Self::LexEval,
        Self::Gaokao,
        Self::OpenAiGsm,
        Self::Unlabelled,
    ];

    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::RouteLlm => "routellm.jsonl.gz",
            Self::MmluPro => "mmlu_pro.jsonl.gz",
            Self::ZeroEval => "zeroeval.jsonl.gz",
            Self::Fusion => "llmrouter_fusion.jsonl.gz",
            Self::LexEval => "lexeval.jsonl.gz",
            Self::Gaokao => "gaokao.jsonl.gz",
            Self::OpenAiGsm => "openai_gsm.jsonl.gz",
            Self::Unlabelled => "queries_only.jsonl.gz",
        }
    }

    /// Where the rows come from, and their licence.
    pub(crate) fn origin(self) -> &'static str {
        match self {
            Self::RouteLlm => "lm-sys/RouteLLM 0b64fda (Apache-2.0)",
            Self::MmluPro => "TIGER-AI-Lab/MMLU-Pro f418b11 (Apache-2.0)",
            Self::ZeroEval => "WildEval/ZeroEval 8c1485e (Apache-2.0)",
            Self::Fusion => "ulab-uiuc/LLMRouter 4e7a796 (MIT)",
            Self::LexEval => "CSHaitao/LexEval 044c695 (MIT)",
            Self::Gaokao => "OpenLMLab/GAOKAO-Bench 6dbb24f (Apache-2.0)",
            Self::OpenAiGsm => "openai/grade-school-math 3101c7d (MIT)",
            Self::Unlabelled => "lmarena/arena-hard-auto (Apache-2.0), ruixiangcui/AGIEval (MIT)",
        }
    }

    pub(crate) fn models(self) -> LabelledModels {
        match self {
            Self::RouteLlm => LabelledModels {
                tiny: &[],
                small: &["weak:mixtral-8x7b"],
                medium: &[],
                frontier: &["strong:gpt-4-1106"],
                pair: ("weak:mixtral-8x7b", "strong:gpt-4-1106"),
            },
            Self::MmluPro => MMLU_PRO,
            Self::ZeroEval => ZERO_EVAL,
            Self::Fusion => LabelledModels {
                tiny: &[],
                small: &[
                    "qwen2.5-7b-instruct",
                    "llama-3.1-8b-instruct",
                    "gemma-2-9b-it",
                    "mistral-7b-instruct-v0.3",
                ],
                medium: &["llama-3.1-nemotron-51b-instruct", "llama-3.3-nemotron-super-49b-v1"],
                frontier: &["llama-3.1-nemotron-51b-instruct"],
                pair: ("qwen2.5-7b-instruct", "llama-3.1-nemotron-51b-instruct"),
            },
            Self::LexEval => LabelledModels {
                tiny: &[],
                small: &["Qwen_7B_chat", "Internlm_7B_chat", "Chatglm3_6B", "Chatglm2_6B"],
                medium: &["Qwen_14B_chat", "gpt35"],
                frontier: &["gpt4"],
                pair: ("Qwen_7B_chat", "gpt4"),
            },
            Self::Gaokao => LabelledModels {
                tiny: &[],
                small: &["gpt-3.5-turbo"],
                medium: &[],
                frontier: &["gpt-4-0314"],
                pair: ("gpt-3.5-turbo", "gpt-4-0314"),
            },
            Self::OpenAiGsm => LabelledModels {
                tiny: &[],
                small: &["6b_verification", "6b_finetuning"],
                medium: &[],
                frontier: &["175b_verification", "175b_finetuning"],
                pair: ("6b_verification", "175b_verification"),
            },
            Self::Unlabelled => {
                LabelledModels { tiny: &[], small: &[], medium: &[], frontier: &[], pair: ("", "") }
            }
        }
    }
}

const MMLU_PRO: LabelledModels = LabelledModels {
    tiny: &["Phi-3-mini-4k-instruct", "Llama-2-7b-hf"],
    small: &[
        "Meta-Llama-3_1-8B-Instruct",
        "Meta-Llama-3-8B",
        "Mistral-7B-Instruct-v0.2",
        "Qwen1.5-7B-Chat",
        "gemma-7b",
        "mathstral-7B",
    ],
    medium: &["Meta-Llama-3_1-70B-Instruct", "Meta-Llama-3-70B", "Qwen1.5-72B-Chat", "Yi-34B"],
    frontier: &["gemini-1.5-pro-002", "DeepSeek-Coder-V2", "gemini-1.5-flash-002"],
    pair: ("Meta-Llama-3_1-8B-Instruct", "Meta-Llama-3_1-70B-Instruct"),
};

const ZERO_EVAL: LabelledModels = LabelledModels {
    tiny: &["gemma-2-2b-it", "Qwen2.5-3B-Instruct", "Phi-3-mini-4k-instruct", "Phi-3.5-mini-instruct"],
    small: &[
        "Meta-Llama-3.1-8B-Instruct",
        "Meta-Llama-3-8B-Instruct",
        "gemma-2-9b-it",
        "Qwen2-7B-Instruct",
        "Qwen2.5-7B-Instruct",
        "Yi-1.5-9B-Chat",
        "Mistral-Nemo-Instruct-2407",
    ],
    medium: &[
        "Meta-Llama-3.1-70B-Instruct",
        "Meta-Llama-3-70B-Instruct",
        "Qwen2-72B-Instruct",
        "Qwen2.5-72B-Instruct",
        "Athene-70B",
        "gemma-2-27b-it",
    ],
    frontier: &[
        "claude-3-5-sonnet-20241022",
        "claude-3-5-sonnet-20240620",
        "gpt-4o-2024-05-13",
        "gpt-4o-2024-08-06",
        "Mistral-Large-2",
        "Llama-3.1-405B-Inst-fp8",
        "gpt-4-turbo-2024-04-09",
    ],
    pair: ("Meta-Llama-3.1-8B-Instruct", "Meta-Llama-3.1-70B-Instruct"),
};

impl SourceKind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Exam,
        Self::LongExam,
        Self::WordProblem,
        Self::Mathematics,
        Self::CodeOutput,
        Self::Mixed,
        Self::ChineseExam,
        Self::ChineseLaw,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exam => "exam",
            Self::LongExam => "long_exam",
            Self::WordProblem => "word_problem",
            Self::Mathematics => "mathematics",
            Self::CodeOutput => "code_output",
            Self::Mixed => "mixed",
            Self::ChineseExam => "chinese_exam",
            Self::ChineseLaw => "chinese_law",
        }
    }

    /// The source whose levels the kind's chances are set to; those of other sources are moved to it.
    pub(crate) fn reference(self) -> LabelSource {
        match self {
            Self::Exam => LabelSource::RouteLlm,
            Self::LongExam => LabelSource::MmluPro,
            Self::WordProblem | Self::Mathematics | Self::CodeOutput => LabelSource::ZeroEval,
            Self::Mixed => LabelSource::Fusion,
            Self::ChineseExam => LabelSource::Gaokao,
            Self::ChineseLaw => LabelSource::LexEval,
        }
    }
}

/// The kind of a prompt.
pub(crate) fn kind_of(source: LabelSource, task: &str) -> Option<SourceKind> {
    match source {
        LabelSource::RouteLlm if task == "mmlu" => Some(SourceKind::Exam),
        LabelSource::RouteLlm => Some(SourceKind::WordProblem),
        // Models of 2021, whose gains run against those of later ones: it measures, but does not teach.
        LabelSource::OpenAiGsm => None,
        LabelSource::MmluPro => Some(SourceKind::LongExam),
        LabelSource::ZeroEval => Some(match task {
            "gsm" => SourceKind::WordProblem,
            "crux" => SourceKind::CodeOutput,
            _ => SourceKind::Mathematics,
        }),
        LabelSource::Fusion => Some(SourceKind::Mixed),
        LabelSource::LexEval => Some(SourceKind::ChineseLaw),
        LabelSource::Gaokao => Some(SourceKind::ChineseExam),
        LabelSource::Unlabelled => None,
    }
}
