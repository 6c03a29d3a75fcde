//! A loaded model: its weights, vocabulary and template. The only file besides the worker that knows
//! llama.cpp.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::OnceLock;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use llguidance::toktrie::TokTrie;

use crate::constraint::GrammarVocabulary;
use crate::gguf_header::GgufHeader;
use crate::processor::backend;
use crate::special_tokens::SpecialTokens;
use crate::template::ChatTemplate;
use crate::template_facts::TemplateFacts;
use crate::{EngineOptions, GpuShare, LoadError, ModelFacts};
use crate::{gpu, load_log, memory};

/// The model that all threads of an engine share.
pub(crate) struct LoadedModel {
    weights: LlamaModel,
    /// How messages become a prompt.
    pub(crate) template: ChatTemplate,
    /// What the template can be told.
    pub(crate) template_facts: TemplateFacts,
    /// Control tokens that are a part of answers, such as the mark that begins a call.
    spoken: HashSet<LlamaToken>,
    /// Texts that the tokeniser takes for control tokens.
    pub(crate) marks: SpecialTokens,
    /// What is known of it.
    pub(crate) facts: ModelFacts,
    /// Length of the longest token, in bytes.
    longest: usize,
    add_bos: bool,
    bos: String,
    /// Made when the first answer is held to a grammar; it takes a tenth of a second, and some megabytes.
    grammars: OnceLock<Result<GrammarVocabulary, String>>,
}

impl LoadedModel {
    /// Reads a file.
    ///
    /// # Errors
    /// Any [`LoadError`] but `Option`.
    pub(crate) fn load(options: &EngineOptions) -> Result<Self, LoadError> {
        let path = options.weights.as_path();
        let backend = backend()?;
        let gpu = check_file(path, options)?;
        let params = model_params(gpu.as_ref());
        let (loaded, complaint) = load_log::listen(|| LlamaModel::load_from_file(backend, path, &params));
        let refused = |reason: String| LoadError::Refused { path: path.to_owned(), reason };
        let weights =
            loaded.map_err(|error| refusal(path, complaint.unwrap_or_else(|| error.to_string())))?;
        let vocabulary = weights.vocab();
        if vocabulary.n_tokens() < 2 {
            return Err(refused("it has no vocabulary".into()));
        }
        let text = |token: LlamaToken| {
            let known = (0..vocabulary.n_tokens()).contains(&token.0);
            known
                .then(|| vocabulary.text(token))
                .flatten()
                .map_or_else(String::new, |text| text.to_string_lossy().into_owned())
        };
        let bos = text(vocabulary.bos());
        let (template, own_template) = template_of(&weights, &bos, &text(vocabulary.eos()), path)?;
        let template_facts = TemplateFacts::of(&template);
        if let Some(reason) = template_facts.fault.clone() {
            return Err(LoadError::Template { path: path.to_owned(), reason });
        }
        let control = || vocabulary.tokens().filter(|token| vocabulary.is_control(*token));
        let marks = control().map(text).collect();
        let spoken = control().filter(|token| template_facts.speaks(&text(*token)));
        let spoken = spoken.filter(|token| !vocabulary.is_eog(*token)).collect();
        let longest =
            vocabulary.tokens().map(|token| vocabulary.token_to_piece(token, true, None).len()).max();
        Ok(Self {
            template,
            spoken,
            marks: SpecialTokens::new(marks),
            facts: ModelFacts {
                takes_thinking_switch: template_facts.thinking_switch,
                takes_reasoning_effort: template_facts.thinking_effort,
                gpu,
                ..facts(&weights, options, own_template)
            },
            longest: longest.unwrap_or(1).max(1),
            add_bos: vocabulary.should_add_bos(),
            bos,
            grammars: OnceLock::new(),
            template_facts,
            weights,
        })
    }

    /// A context for this many conversations at a time, each with the whole [`ModelFacts::context`], and
    /// batches of up to `batch` tokens.
    ///
    /// # Errors
    /// llama.cpp's reason, which is mostly memory.
    pub(crate) fn context(
        &self,
        slots: usize,
        batch: usize,
        threads: usize,
    ) -> Result<LlamaContext<'_>, String> {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let threads = i32::try_from(threads).unwrap_or(i32::MAX);
        let params = LlamaContextParams::default()
            // llama.cpp rounds each slot's share up to 256 by itself.
            .with_n_ctx(NonZeroU32::new(
                self.facts.context.next_multiple_of(256).saturating_mul(count(slots)),
            ))
            .with_n_seq_max(count(slots))
            .with_n_batch(count(batch))
            .with_n_ubatch(count(batch))
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_kv_unified(false)
            .with_no_perf(true);
        let backend = backend().map_err(|error| error.to_string())?;
        let (context, complaint) = load_log::listen(|| self.weights.new_context(backend, params));
        context.map_err(|error| complaint.unwrap_or_else(|| error.to_string()))
    }

    /// Tokens of a text that begins a prompt, with the token that begins all texts where the model
    /// wants one and the text does not bring it. Control tokens written out become control tokens.
    pub(crate) fn tokens_of_start(&self, text: &str) -> Vec<LlamaToken> {
        let add_bos = self.add_bos && (self.bos.is_empty() || !text.starts_with(&self.bos));
        self.weights.vocab().tokenize(text.as_bytes(), add_bos, true)
    }

    /// Tokens of a text that goes on. Control tokens written out become control tokens if `control`.
    pub(crate) fn tokens_of_more(&self, text: &str, control: bool) -> Vec<LlamaToken> {
        self.weights.vocab().tokenize(text.as_bytes(), false, control)
    }

    /// The fewest tokens that a text of this many bytes can have.
    pub(crate) fn fewest_tokens(&self, bytes: usize) -> usize {
        bytes / self.longest
    }

    /// The bytes of a token; none for control tokens that are no part of answers.
    pub(crate) fn bytes_of(&self, token: LlamaToken) -> Vec<u8> {
        self.weights.vocab().token_to_piece(token, self.spoken.contains(&token), None)
    }

    /// The token of a mark that the vocabulary has as one.
    pub(crate) fn mark(&self, text: &str) -> Option<u32> {
        match self.weights.vocab().tokenize(text.as_bytes(), false, true).as_slice() {
            [token] => u32::try_from(token.0).ok(),
            _ => None,
        }
    }

    /// The vocabulary as grammars see it.
    ///
    /// # Errors
    /// The vocabulary does not do, in words.
    pub(crate) fn grammars(&self) -> Result<&GrammarVocabulary, &str> {
        self.grammars.get_or_init(|| self.grammar_vocabulary()).as_ref().map_err(String::as_str)
    }

    fn grammar_vocabulary(&self) -> Result<GrammarVocabulary, String> {
        let vocabulary = self.weights.vocab();
        let word = |token| {
            let bytes = self.bytes_of(token);
            if !bytes.is_empty() {
                return bytes;
            }
            let mut marked = vec![TokTrie::SPECIAL_TOKEN_MARKER];
            marked.extend(vocabulary.token_to_piece(token, true, None));
            if marked.len() > 1 { marked } else { Vec::new() }
        };
        let words: Vec<Vec<u8>> = vocabulary.tokens().map(word).collect();
        let ends = vocabulary.tokens().filter(|token| self.ends(*token));
        let ends: Vec<u32> = ends.filter_map(|token| u32::try_from(token.0).ok()).collect();
        GrammarVocabulary::new(&words, &ends)
    }

    /// Whether this token ends an answer.
    pub(crate) fn ends(&self, token: LlamaToken) -> bool {
        self.weights.vocab().is_eog(token)
    }
}

/// Why llama.cpp does not take a file.
fn refusal(path: &Path, reason: String) -> LoadError {
    let path = path.to_owned();
    let unknown =
        reason.split_once("unknown model architecture: '").and_then(|(_, rest)| rest.split_once('\''));
    match unknown {
        Some((name, _)) => LoadError::Architecture { path, name: name.to_owned() },
        None => LoadError::Refused { path, reason },
    }
}

/// How llama.cpp is to load a model.
fn model_params(gpu: Option<&GpuShare>) -> LlamaModelParams {
    // The one whose memory was looked at, or none: left alone llama.cpp has all there are compute long prompts.
    let devices: Vec<usize> = gpu.map(|gpu| gpu.index).into_iter().collect();
    // It was just found, so that it is there.
    let params = LlamaModelParams::default().with_devices(&devices).unwrap_or_default();
    // Read, not mapped: tensors that are repacked for the processor would be in memory twice.
    params.with_use_mmap(false).with_n_gpu_layers(gpu.map_or(0, |gpu| gpu.layers))
}

/// What of the model a graphics processor is to compute. llama.cpp says too little of a file that is none of its own, or is not
/// all there, and nothing of one that the memory does not hold.
fn check_file(path: &Path, options: &EngineOptions) -> Result<Option<GpuShare>, LoadError> {
    let unreadable =
        |error: std::io::Error| LoadError::Unreadable { path: path.to_owned(), reason: error.to_string() };
    if !path.exists() {
        return Err(LoadError::Missing(path.to_owned()));
    }
    let mut magic = Vec::new();
    let mut file = File::open(path).map_err(unreadable)?;
    file.by_ref().take(4).read_to_end(&mut magic).map_err(unreadable)?;
    if magic != b"GGUF" {
        return Err(LoadError::NotGguf(path.to_owned()));
    }
    if path.to_str().is_none() {
        return Err(LoadError::Unreadable {
            path: path.to_owned(),
            reason: "its path is not valid Unicode".into(),
        });
    }
    file.rewind().map_err(unreadable)?;
    let has = file.metadata().map_err(unreadable)?.len();
    let cut = |needs| LoadError::Cut { path: path.to_owned(), has, needs };
    match GgufHeader::read(BufReader::new(file)) {
        Ok(GgufHeader { needs: Some(needs), .. }) if has < needs => Err(cut(Some(needs))),
        Ok(header) => {
            let gpu = gpu::share(&header, has, options);
            let elsewhere = gpu.as_ref().map(|gpu| (gpu.layers, gpu.of));
            memory::check(&memory::needs(&header, has, options), elsewhere, options)?;
            Ok(gpu)
        }
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(cut(None)),
        // llama.cpp says what it makes of it.
        Err(_) => Ok(None),
    }
}

/// The model's template and whether it is its own: ChatML stands in where the vocabulary has its marks.
fn template_of(
    weights: &LlamaModel,
    bos: &str,
    eos: &str,
    path: &Path,
) -> Result<(ChatTemplate, bool), LoadError> {
    let own = weights.chat_template(None).ok().and_then(|template| template.to_string().ok());
    if let Some(source) = own {
        let template = ChatTemplate::new(&source, bos.into(), eos.into());
        return template
            .map(|template| (template, true))
            .map_err(|error| LoadError::Template { path: path.to_owned(), reason: error.to_string() });
    }
    let known = |mark: &str| weights.vocab().tokenize(mark.as_bytes(), false, true).len() == 1;
    if known("<|im_start|>")
        && known("<|im_end|>")
        && let Ok(template) = ChatTemplate::chatml(bos.into(), eos.into())
    {
        return Ok((template, false));
    }
    Err(LoadError::NoTemplate(path.to_owned()))
}

fn facts(weights: &LlamaModel, options: &EngineOptions, own_template: bool) -> ModelFacts {
    let file =
        options.weights.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let trained = weights.n_ctx_train();
    ModelFacts {
        name: weights.meta_val_str("general.name").ok().filter(|name| !name.is_empty()).unwrap_or(file),
        parameters: weights.n_params(),
        bytes: weights.size(),
        context: options.context.min(trained),
        trained_context: trained,
        own_template,
        takes_thinking_switch: false,
        takes_reasoning_effort: false,
        gpu: None,
    }
}
