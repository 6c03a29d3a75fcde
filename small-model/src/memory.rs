//! How much memory there is for a model, by what the system says, and how much one takes.

use std::fs;
use std::path::Path;

use crate::gguf_header::GgufHeader;
use crate::options::batch_size;
use crate::{EngineOptions, LoadError};

/// Bytes for what a step computes, beside the logits: more than measured for models of up to 2 billion parameters.
const STEP: u64 = 64 << 20;

/// Bytes that a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryNeeds {
    /// Its weights.
    pub(crate) weights: u64,
    /// The conversations of all slots.
    pub(crate) conversations: u64,
    /// What a step computes.
    pub(crate) step: u64,
}

impl MemoryNeeds {
    /// What belongs to layers, and so lies where they are computed.
    pub(crate) fn layers(&self) -> u64 {
        self.weights.saturating_add(self.conversations)
    }
}

/// What a model takes with these options.
pub(crate) fn needs(header: &GgufHeader, file_bytes: u64, options: &EngineOptions) -> MemoryNeeds {
    let tokens = u64::from(options.context).saturating_mul(options.slots as u64);
    let logits = header.vocabulary().saturating_mul(4 * batch_size(options.slots) as u64);
    MemoryNeeds {
        weights: file_bytes,
        conversations: header.cache_per_token().saturating_mul(tokens),
        step: logits.saturating_add(STEP),
    }
}

/// Refuses a model for which there is not enough memory, before the system ends the process for it. `elsewhere` are the layers
/// whose memory is a graphics processor's, and of how many.
///
/// # Errors
/// [`LoadError::Memory`].
pub(crate) fn check(
    all: &MemoryNeeds,
    elsewhere: Option<(u32, u32)>,
    options: &EngineOptions,
) -> Result<(), LoadError> {
    let (here, of) = elsewhere.map_or((1, 1), |(layers, of)| (u64::from(of - layers), u64::from(of)));
    let part = |bytes: u64| bytes / of * here;
    let conversations = part(all.conversations);
    let needs = part(all.weights).saturating_add(conversations).saturating_add(all.step);
    match available() {
        Some(available) if needs > available => {
            let path = options.weights.clone();
            Err(LoadError::Memory { path, needs, conversations, available })
        }
        _ => Ok(()),
    }
}

/// Bytes that this process can still take: of the machine's memory, and of what its control group may have. `None` where
/// the system does not say.
fn available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| field(&text, "MemAvailable:"));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().filter_map(left_in_group).min();
    [machine.map(|kilobytes| kilobytes.saturating_mul(1024)), group].into_iter().flatten().min()
}

/// What a control group, as a line of `/proc/self/cgroup` names it, has left.
fn left_in_group(line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (root, limit, used, cached) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max", "memory.current", "file"),
        "memory" => {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache")
        }
        _ => return None,
    };
    // In a container the group's own folder is the root.
    let inside = Path::new(root).join(path.trim_start_matches('/'));
    let folder = if inside.join(limit).exists() { inside } else { root.into() };
    let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
    let files = text("memory.stat").and_then(|text| field(&text, cached)).unwrap_or(0);
    Some(left(number(limit)?, number(used)?, files))
}

/// The pages of files that a group has read can be given up.
fn left(limit: u64, used: u64, files: u64) -> u64 {
    limit.saturating_sub(used.saturating_sub(files))
}

/// The number after a word at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line =
        text.lines().find_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with([' ', '\t'])))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_system_says() {
        let meminfo =
            "MemTotal:       24683520 kB\nMemFree:          584704 kB\nMemAvailable:   22724608 kB\n";
        assert_eq!(field(meminfo, "MemAvailable:"), Some(22_724_608));
        assert_eq!(field("anon 7\nfile_mapped 2\nfile 5\n", "file"), Some(5));
        assert_eq!(field("anon 7\n", "file"), None);
        assert_eq!(left_in_group("8:pids:/"), None);
        assert_eq!(left_in_group("nonsense"), None);
    }

    #[test]
    fn what_files_take_of_a_group_can_be_given_up() {
        assert_eq!(left(1000, 700, 0), 300);
        assert_eq!(left(1000, 700, 500), 800);
        assert_eq!(left(1000, 1200, 0), 0);
        assert_eq!(left(u64::MAX, 5, 9), u64::MAX);
    }
}
