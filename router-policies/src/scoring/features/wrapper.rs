//! What coding agents wrap around the words of a person: reminders, the state of the editor, results of tools.
//! It says nothing about how hard the request is, and there is a lot of it.

use std::borrow::Cow;

/// Blocks that are dropped with what they hold.
const DROPPED: [&str; 28] = [
    "system-reminder",
    "system_reminder",
    "environment_details",
    "environment_context",
    "user_instructions",
    "user_info",
    "user_rules",
    "INSTRUCTIONS",
    "permissions",
    "collaboration_mode",
    "skills_instructions",
    "command-name",
    "command-message",
    "local-command-stdout",
    "local-command-caveat",
    "bash-stdout",
    "bash-stderr",
    "tool_result",
    "tool_response",
    "function_results",
    "file_content",
    "attached_files",
    "additional_data",
    "open_and_recently_viewed_files",
    "project_layout",
    "git_status",
    "slash_commands",
    "custom_instructions",
];

/// Marks around a person's own words: the marks go, the words stay.
const OPENED: [&str; 8] = [
    "task",
    "user_query",
    "user_message",
    "feedback",
    "answer",
    "user-prompt-submit-hook",
    "command-args",
    "bash-input",
];

/// A heading after which the person's own words come; what stands before it is the editor's.
const HEADINGS: [&str; 2] = ["## My request for Codex:", "# User request:"];

/// How a turn in the user's name begins that is really a tool's or the agent's.
const AGENT_TURNS: [&str; 7] = [
    "[ERROR] You did not use a tool",
    "[TASK RESUMPTION]",
    "Caveat: The messages below were generated",
    "# AGENTS.md instructions",
    "This session is being continued from a previous conversation",
    "[Request interrupted by user",
    "Tool execution results",
];

/// The person's own words in a turn; empty when there are none. Linear in the text.
pub(super) fn own_words(text: &str) -> Cow<'_, str> {
    // One sign is looked for much faster than a heading.
    let asked = || HEADINGS.iter().find_map(|heading| text.split_once(heading));
    let text = if text.contains('#') { asked().map_or(text, |(_, rest)| rest) } else { text };
    let words = if text.contains('<') { without_blocks(text) } else { Cow::Borrowed(text) };
    let begins = words.trim_start();
    let of_agent = AGENT_TURNS.iter().any(|start| begins.starts_with(start)) || is_tool_result(begins);
    if of_agent || begins.is_empty() { Cow::Borrowed("") } else { words }
}

/// `[read_file for 'src/main.rs'] Result:`, the way of Cline and its kin.
fn is_tool_result(text: &str) -> bool {
    text.starts_with('[') && text.lines().next().is_some_and(|line| line.trim_end().ends_with("] Result:"))
}

fn without_blocks(text: &str) -> Cow<'_, str> {
    // A tag whose end was once not found has none further on either: this keeps the whole linear.
    let mut endless = [false; DROPPED.len()];
    let mut kept = String::new();
    let mut changed = false;
    let (mut from, mut at) = (0, 0);
    while let Some(open) = text[at..].find('<').map(|found| at + found) {
        match block(text, open, &mut endless) {
            Some(end) => {
                kept.push_str(&text[from..open]);
                changed = true;
                from = end;
                at = end;
            }
            None => at = open + 1,
        }
    }
    if !changed {
        return Cow::Borrowed(text);
    }
    kept.push_str(&text[from..]);
    Cow::Owned(kept)
}

/// Where what begins at `open` ends, if it is to go.
fn block(text: &str, open: usize, endless: &mut [bool; DROPPED.len()]) -> Option<usize> {
    let rest = &text[open + 1..];
    let closing = rest.starts_with('/');
    let name = &rest[usize::from(closing)..];
    if let Some(tag) = OPENED.iter().find(|tag| is_tag(name, tag)) {
        let end = open + 1 + usize::from(closing) + tag.len();
        return text[end..].starts_with('>').then_some(end + 1);
    }
    let which = DROPPED.iter().position(|tag| is_tag(name, tag))?;
    if closing || endless[which] {
        return None;
    }
    let tag = DROPPED[which];
    let mut at = open + 1 + tag.len();
    while let Some(found) = text[at..].find("</") {
        let after = at + found + 2;
        if is_tag(&text[after..], tag) {
            return Some(text[after..].find('>').map_or(text.len(), |end| after + end + 1));
        }
        at = after;
    }
    endless[which] = true;
    None
}

/// Whether a tag of this name begins here.
fn is_tag(text: &str, tag: &str) -> bool {
    let after = text.as_bytes().get(tag.len());
    text.as_bytes().starts_with(tag.as_bytes()) && matches!(after, Some(b'>' | b' ' | b'\n' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(own_words(text).trim(), expected);
    }

    #[test]
    fn keeps_what_a_person_wrote() {
        check("fix the bug", "fix the bug");
        check("a < b and <b>bold</b>", "a < b and <b>bold</b>");
        check("<system-reminder>\nas you <b>know</b>\n</system-reminder>\nfix the bug", "fix the bug");
        check("<task>\nfix it\n</task>\n<environment_details>\n# Tabs\n</environment_details>", "fix it");
        check("<file_content path=\"a.rs\">\nfn main() {}\n</file_content>\nwhy?", "why?");
        check("<environment_context>\n <cwd>/x</cwd>\n</environment_context>", "");
        check(
            "# Context from my IDE setup:\n\n## Open tabs:\n- a\n\n## My request for Codex:\nrename x",
            "rename x",
        );
        check("<user_query>\n重构这个函数\n</user_query>", "重构这个函数");
    }

    #[test]
    fn knows_turns_that_no_person_wrote() {
        check("[read_file for 'src/a.rs'] Result:\nfn main() {}", "");
        check("[TASK RESUMPTION] This task was interrupted", "");
        check("Caveat: The messages below were generated by the user", "");
        check("<tool_result>\n42\n</tool_result>", "");
    }

    #[test]
    fn a_block_without_end_stays() {
        check("<system-reminder> is a tag", "<system-reminder> is a tag");
        check("<task>", "");
        check("<task", "<task");
    }

    #[test]
    fn is_linear_in_unclosed_tags() {
        let text = "<system-reminder></x>".repeat(100_000);
        assert_eq!(own_words(&text).len(), text.len());
    }
}
