//! The `xietong` program with an engine that computes on a GPU: the same program, with llama.cpp built for one.

// Its features are the engine's, as both use the same crate.
use llama_cpp_2 as _;

/// As in the program without a GPU.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    gateway::commands::main()
}
