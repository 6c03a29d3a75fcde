//! The `xietong` program: arguments, a runtime, an exit code. The work is in the library.

/// A request makes many small allocations on whichever thread serves it: `make speed` tells how much this one saves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    gateway::commands::main()
}
