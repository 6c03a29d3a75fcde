//! Processes that are measured from outside: where they run, what they use.

use std::fmt::Display;
use std::fs;
use std::process::{Child, Command, Stdio};

/// A process that ends with this value.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts a program on these cores, as `taskset` writes them: `1`, or `0,1`.
    ///
    /// # Panics
    /// Where there is no such program, or no `taskset`.
    pub fn start(cores: impl Display, program: &str, arguments: &[&str]) -> Self {
        Self::start_with(cores, program, arguments, Stdio::null())
    }

    /// The same with what it says on standard output to be read.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_heard(cores: impl Display, program: &str, arguments: &[&str]) -> Self {
        Self::start_with(cores, program, arguments, Stdio::piped())
    }

    fn start_with(cores: impl Display, program: &str, arguments: &[&str], out: Stdio) -> Self {
        let mut command = Command::new("taskset");
        command.args(["-c", &cores.to_string(), program]).args(arguments).stdin(Stdio::null()).stdout(out);
        Self(command.spawn().unwrap_or_else(|e| panic!("cannot start {program} by taskset: {e}")))
    }

    /// What it says on standard output, once.
    pub fn heard(&mut self) -> impl std::io::Read + use<> {
        self.0.stdout.take().expect("it is asked for once, of a process that is heard")
    }

    /// It, and the processes that it has started.
    pub fn all(&self) -> Vec<u32> {
        let id = self.0.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        std::iter::once(id).chain(children).collect()
    }

    /// Processor time used so far, in nanoseconds, of all its threads and children.
    pub fn processor_time(&self) -> u64 {
        self.all().into_iter().map(of_threads).sum()
    }

    /// Resident memory in bytes that is no file's.
    ///
    /// # Panics
    /// Where the process has ended.
    pub fn memory(&self) -> u64 {
        let anonymous = |id: u32| {
            let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).expect("it is running");
            let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap_or_default();
            let kib = line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok());
            kib.expect("the kernel counts in kB") * 1024
        };
        self.all().into_iter().map(anonymous).sum()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that knows how to end its own children does so.
        let _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

/// Nanoseconds on a processor, by the scheduler's own count, of all threads of a process.
fn of_threads(id: u32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else { return 0 };
    let of = |thread: fs::DirEntry| {
        let counts = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        counts.split_whitespace().next()?.parse::<u64>().ok()
    };
    threads.flatten().filter_map(of).sum()
}

/// Keeps this process to these cores, as it does those that it starts from here on.
///
/// # Panics
/// Without `taskset`.
pub fn stay_on(cores: impl Display) {
    let id = std::process::id().to_string();
    let done =
        Command::new("taskset").args(["-a", "-cp", &cores.to_string(), &id]).stdout(Stdio::null()).status();
    assert!(done.is_ok_and(|status| status.success()), "taskset (Debian: util-linux) is needed");
}
