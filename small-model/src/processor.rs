//! llama.cpp's own start, and which instructions of the processor it computes with.
//!
//! `processors/` builds its processor code more than once, and chooses there when it starts. What was chosen, or why nothing
//! could be, stands only in its log.

use std::sync::OnceLock;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::{LogOptions, list_llama_ggml_backend_devices, send_logs_to_tracing};
use tracing_core::Level;

use crate::{LoadError, load_log};

/// How the log says what was chosen: `processors/choice.cpp` has the same words.
const CHOSEN: &str = "computes with ";

/// llama.cpp, once it runs.
struct StartedBackend {
    backend: LlamaBackend,
    instructions: Option<String>,
}

/// Which instructions the engine computes with, chosen by what this processor has: `amx`, `avx512` or `avx2`. `None` where
/// llama.cpp was built for one set of instructions only, as on processors of other kinds. The environment variable
/// `XIETONG_INSTRUCTIONS` asks for fewer than there are.
///
/// The first call starts llama.cpp, which takes some milliseconds.
///
/// # Errors
/// [`LoadError::Processor`] where this processor lacks instructions that the engine needs, or those that were asked for.
pub fn instructions() -> Result<Option<&'static str>, LoadError> {
    Ok(started()?.instructions.as_deref())
}

/// llama.cpp, started by the first call.
///
/// # Errors
/// [`LoadError::Processor`].
pub(crate) fn backend() -> Result<&'static LlamaBackend, LoadError> {
    Ok(&started()?.backend)
}

fn started() -> Result<&'static StartedBackend, LoadError> {
    static STARTED: OnceLock<Result<StartedBackend, String>> = OnceLock::new();
    STARTED.get_or_init(start).as_ref().map_err(|reason| LoadError::Processor(reason.clone()))
}

fn start() -> Result<StartedBackend, String> {
    if !has_least() {
        return Err("this processor lacks AVX2, FMA, F16C or BMI2".into());
    }
    // Away from standard error; only `load_log` listens.
    send_logs_to_tracing(LogOptions::default());
    let ((backend, devices), heard) = load_log::overhear(Level::INFO, || {
        // It fails only when it was called before, which the cell around this call rules out.
        let backend = LlamaBackend::init()
            .unwrap_or_else(|error| unreachable!("llama.cpp was started elsewhere: {error}"));
        // The first look at its devices makes it choose.
        (backend, list_llama_ggml_backend_devices())
    });
    if !devices.iter().any(|device| device.backend == "CPU") {
        let complaint = heard.into_iter().find(|(level, _)| *level == Level::ERROR);
        return Err(complaint.map_or_else(|| "llama.cpp finds no processor".into(), |(_, words)| words));
    }
    let instructions = heard.iter().find_map(|(_, words)| words.strip_prefix(CHOSEN)).map(Into::into);
    Ok(StartedBackend { backend, instructions })
}

/// Whether the processor has what all of llama.cpp's processor code is compiled for. Without it the process would die of
/// the first such instruction.
#[cfg(target_arch = "x86_64")]
fn has_least() -> bool {
    std::is_x86_feature_detected!("avx2")
        && std::is_x86_feature_detected!("fma")
        && std::is_x86_feature_detected!("f16c")
        && std::is_x86_feature_detected!("bmi2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_least() -> bool {
    true
}
