//! What it costs to hold an answer to a JSON schema: llguidance, which the engine uses, beside llama.cpp's own grammars.
//!
//! `cargo run --release -p small-model --example grammars -- models/FILE.gguf [TOKENS]`
//!
//! One thread, one process, in turn: the same prompt and schema, always the likeliest token. "free" holds to nothing.
#![allow(clippy::print_stdout)] // It is a program for people.

use std::error::Error;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use llguidance::api::TopLevelGrammar;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::json;

const PROMPT: &str = "<|im_start|>user\nDescribe five rivers as JSON: an array of objects with name, country, length_km and tributaries.<|im_end|>\n<|im_start|>assistant\n";

/// The same language as [`schema`], as llama.cpp's own converter writes it.
const GBNF: &str = r#"
root ::= "[" space (river ("," space river)*)? "]" space
river ::= "{" space "\"name\"" space ":" space string "," space "\"country\"" space ":" space string "," space "\"length_km\"" space ":" space integer "," space "\"tributaries\"" space ":" space "[" space (string ("," space string)*)? "]" space "}" space
integer ::= ("-"? integral-part) space
integral-part ::= [0] | [1-9] [0-9]{0,15}
string ::= "\"" char* "\"" space
char ::= [^"\\\x7F\x00-\x1F] | [\\] (["\\bfnrt] | "u" [0-9a-fA-F]{4})
space ::= | " " | "\n"{1,2} [ \t]{0,20}
"#;

fn schema() -> serde_json::Value {
    let string = json!({"type": "string"});
    json!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "name": string, "country": string, "length_km": {"type": "integer"},
                "tributaries": {"type": "array", "items": string},
            },
            "required": ["name", "country", "length_km", "tributaries"],
            "additionalProperties": false,
        },
        "x-guidance": {"whitespace_flexible": true, "whitespace_pattern": r" |\n{1,2}[ \t]{0,20}"},
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let weights = arguments.next().ok_or("usage: grammars FILE.gguf [TOKENS]")?;
    let tokens: usize = arguments.next().map_or(Ok(128), |text| text.parse())?;
    let mut backend = LlamaBackend::init()?;
    backend.void_logs();
    let model = LlamaModel::load_from_file(&backend, weights, &LlamaModelParams::default())?;
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(2048))
        .with_n_threads(1)
        .with_n_threads_batch(1);
    let mut run = GrammarRun { context: model.new_context(&backend, params)?, model: &model, tokens };

    let begun = Instant::now();
    let factory = factory(&model)?;
    println!("llguidance's vocabulary of {} tokens: {:.1?}", model.n_vocab(), begun.elapsed());
    for _ in 0..3 {
        run.report("free", |_, _| Ok(()))?;
        let begun = Instant::now();
        let parser = factory.create_parser(TopLevelGrammar::from_json_schema(schema()))?;
        let mut matcher = Matcher::new(Ok(parser));
        println!("llguidance compiles the schema in {:.1?}", begun.elapsed());
        run.report("llguidance", |logits, chosen| match chosen {
            Some(chosen) => Ok(matcher.consume_token(u32::try_from(chosen.0)?)?),
            None => {
                let mask = matcher.compute_mask_or_eos()?;
                mask.iter_unset_entries(|token| logits[token] = f32::NEG_INFINITY);
                Ok(())
            }
        })?;
        let begun = Instant::now();
        let mut sampler = LlamaSampler::grammar(&model, GBNF, "root")?;
        println!("llama.cpp compiles the grammar in {:.1?}", begun.elapsed());
        run.report("llama.cpp's grammar", |logits, chosen| {
            if let Some(chosen) = chosen {
                sampler.accept(chosen);
                return Ok(());
            }
            let all =
                (0..).zip(logits.iter()).map(|(id, logit)| LlamaTokenData::new(LlamaToken(id), *logit, 0.0));
            let mut all = LlamaTokenDataArray::from_iter(all, false);
            sampler.apply(&mut all);
            for data in &all.data {
                logits[usize::try_from(data.id().0)?] = data.logit();
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn factory(model: &LlamaModel) -> Result<ParserFactory, Box<dyn Error>> {
    let vocabulary = model.vocab();
    let words: Vec<Vec<u8>> = vocabulary
        .tokens()
        .map(|token| {
            let bytes = vocabulary.token_to_piece(token, false, None);
            if bytes.is_empty() {
                [vec![0xff], vocabulary.token_to_piece(token, true, None)].concat()
            } else {
                bytes
            }
        })
        .collect();
    let ends: Vec<u32> = vocabulary
        .tokens()
        .filter(|token| vocabulary.is_eog(*token))
        .filter_map(|token| u32::try_from(token.0).ok())
        .collect();
    let info = TokRxInfo::new(u32::try_from(words.len())?, *ends.first().ok_or("no end")?);
    let tokens: TokEnv =
        Arc::new(ApproximateTokEnv::new(TokTrie::from(&info, &words).with_eos_tokens(&ends)));
    let slices = SlicedBiasComputer::general_slices();
    Ok(ParserFactory::new(&tokens, InferenceCapabilities::default(), &slices)?)
}

struct GrammarRun<'a> {
    model: &'a LlamaModel,
    context: LlamaContext<'a>,
    tokens: usize,
}

impl GrammarRun<'_> {
    /// Writes an answer. `hold` is called with the logits to leave out what may not come, then with the token that comes.
    fn report(
        &mut self,
        name: &str,
        mut hold: impl FnMut(&mut [f32], Option<LlamaToken>) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let prompt = self.model.vocab().tokenize(PROMPT.as_bytes(), true, true);
        self.context.clear_kv_cache();
        let mut batch = LlamaBatch::new(512, 1);
        for (position, token) in prompt.iter().enumerate() {
            batch.add(*token, i32::try_from(position)?, &[0], position + 1 == prompt.len())?;
        }
        self.context.decode(&mut batch)?;
        let (begun, mut held, mut answer, mut output) =
            (Instant::now(), Vec::new(), Vec::new(), batch.n_tokens() - 1);
        for position in (prompt.len()..).take(self.tokens) {
            let mut logits = self.context.get_logits_ith(output).to_vec();
            let masking = Instant::now();
            hold(&mut logits, None)?;
            let mut spent = masking.elapsed();
            let best = (0..).zip(logits).max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |best| best.0);
            if self.model.vocab().is_eog(LlamaToken(best)) {
                break;
            }
            let masking = Instant::now();
            hold(&mut [], Some(LlamaToken(best)))?;
            spent += masking.elapsed();
            held.push(spent);
            answer.extend(self.model.vocab().token_to_piece(LlamaToken(best), false, None));
            batch.clear();
            batch.add(LlamaToken(best), i32::try_from(position)?, &[0], true)?;
            self.context.decode(&mut batch)?;
            output = 0;
        }
        let rate = held.len() as f64 / begun.elapsed().as_secs_f64();
        let sum: Duration = held.iter().sum();
        let count = u32::try_from(held.len().max(1))?;
        let most = held.iter().max().copied().unwrap_or_default();
        println!(
            "{name}: {} tokens, {rate:.1} tokens/s; held in {:.1?} a token, at most {most:.1?}, {:.1} % of the time",
            held.len(),
            sum / count,
            100.0 * sum.as_secs_f64() / begun.elapsed().as_secs_f64()
        );
        println!(
            "  {}",
            String::from_utf8_lossy(&answer).chars().take(100).collect::<String>().replace('\n', "⏎")
        );
        Ok(())
    }
}
