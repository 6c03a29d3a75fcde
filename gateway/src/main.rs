//! The `xietong` program: arguments, a runtime, an exit code. The work is in the library.

/// Takes and gives back what requests use without asking the system, and keeps blocks of all sizes at hand.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    gateway::commands::main()
}
