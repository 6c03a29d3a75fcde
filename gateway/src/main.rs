//! The `xietong` program: arguments, a runtime, an exit code. The work is in the library.

/// A request takes and gives back memory some ninety times: here blocks of every size are at hand for the thread that asks.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    gateway::commands::main()
}
