//! How much of a model a graphics processor computes: as many of its layers as its memory has room for.

use llama_cpp_2::{LlamaBackendDevice, LlamaBackendDeviceType, list_llama_ggml_backend_devices};

use crate::gguf_header::GgufHeader;
use crate::processor::backend;
use crate::{EngineOptions, GpuShare, LoadError, memory};

/// Of a device's free memory so much is left to others, and to what a driver takes for itself.
const LEFT_FREE: f64 = 0.1;

/// A graphics processor that the engine can compute on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuDevice {
    /// As the engine calls it, such as `Vulkan0`.
    pub name: String,
    /// As its maker calls it.
    pub description: String,
    /// Bytes of its memory that are free now.
    pub free: u64,
}

/// The graphics processors that the engine can compute on: none, unless it was built for them (`small-model/gpu` has such a build).
///
/// The first call starts llama.cpp, which takes some milliseconds.
///
/// # Errors
/// [`LoadError::Processor`], as of [`instructions`](crate::instructions).
pub fn gpus() -> Result<Vec<GpuDevice>, LoadError> {
    backend()?;
    let known = |device: LlamaBackendDevice| GpuDevice {
        name: device.name,
        description: device.description,
        free: device.memory_free as u64,
    };
    Ok(found().map(known).collect())
}

/// The part of a model that the first graphics processor computes; `None` where there is none, or not a layer of it.
pub(crate) fn share(header: &GgufHeader, file_bytes: u64, options: &EngineOptions) -> Option<GpuShare> {
    let device = found().next()?;
    let of = u32::try_from(header.layers()).ok()?.checked_add(1)?;
    let room = layers(device.memory_free as u64, of, &memory::needs(header, file_bytes, options));
    let layers = options.gpu_layers.map_or(room, |asked| asked.min(of));
    let name = format!("{} ({})", device.name, device.description);
    (layers > 0).then_some(GpuShare { device: name, layers, of, index: device.index })
}

/// Graphics processors, those with memory of their own first.
fn found() -> impl Iterator<Item = LlamaBackendDevice> {
    let mut devices = list_llama_ggml_backend_devices();
    devices.retain(|device| {
        matches!(device.device_type, LlamaBackendDeviceType::Gpu | LlamaBackendDeviceType::IntegratedGpu)
    });
    devices.sort_by_key(|device| device.device_type != LlamaBackendDeviceType::Gpu);
    devices.into_iter()
}

/// How many of a model's layers there is room for.
fn layers(free: u64, of: u32, needs: &memory::MemoryNeeds) -> u32 {
    let room = (free as f64 * (1.0 - LEFT_FREE)) as u64;
    let room = room.saturating_sub(needs.step);
    let each = needs.layers().div_ceil(of.into()).max(1);
    u32::try_from(room / each).map_or(of, |layers| layers.min(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_layers_that_there_is_room_for() {
        let needs = memory::MemoryNeeds { weights: 900, conversations: 100, step: 50 };
        let check = |free, expected| assert_eq!(layers(free, 10, &needs), expected, "{free}");
        check(0, 0);
        check(50, 0);
        // A tenth of the memory stays free.
        check(166, 0);
        check(167, 1);
        check(1000, 8);
        check(1167, 10);
        check(u64::MAX, 10);
    }

    /// Without a graphics processor, or a build for one, nothing changes.
    #[test]
    fn a_build_for_the_processor_alone_finds_none() {
        if cfg!(not(target_os = "macos")) {
            assert_eq!(gpus().unwrap(), []);
        }
    }
}
