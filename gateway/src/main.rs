//! The `xietong` program: arguments, a runtime, an exit code. The work is in the library.

fn main() -> std::process::ExitCode {
    gateway::commands::main()
}
