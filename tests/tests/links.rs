//! Links between the project's pages: each leads to a file that is there, and to a heading that is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use super::tidy::{names, root};

/// The lines of a page that are text: none of code.
fn prose(page: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fenced = false;
    page.lines().enumerate().filter_map(move |(at, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        // What stands between backticks is code, too.
        let outside = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        (!fenced && !fence).then_some((at + 1, outside))
    })
}

/// The targets of a line's links and pictures, in Markdown and in HTML.
fn targets(line: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for (opening, closing) in [("](", [')', ' ']), ("href=\"", ['"', '"']), ("src=\"", ['"', '"'])] {
        for rest in line.split(opening).skip(1) {
            targets.extend(rest.split(closing).next().map(str::to_owned));
        }
    }
    if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
        targets.push(target.trim().to_owned());
    }
    targets
}

/// The names under which a page's headings can be linked to, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut fenced = false;
    let headings = page.lines().filter(|line| {
        fenced ^= line.trim_start().starts_with("```");
        !fenced && line.starts_with('#')
    });
    let mut anchors = BTreeSet::new();
    for heading in headings {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        // Of a link its text counts.
        let (first, rest) = text.split_once("](").unwrap_or((&text, ""));
        let text = format!("{first}{}", rest.split_once(')').map_or("", |(_, after)| after));
        let kept = text.chars().filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'));
        let name = kept.collect::<String>().replace(' ', "-");
        let count = seen.entry(name.clone()).or_default();
        anchors.insert(if *count == 0 { name.clone() } else { format!("{name}-{count}") });
        *count += 1;
    }
    for part in page.split("id=\"").skip(1).chain(page.split("name=\"").skip(1)) {
        anchors.extend(part.split('"').next().map(str::to_owned));
    }
    anchors
}

/// A path from the folder of a page, without `.` and `..`; `None`: it leads out of the project.
fn joined(page: &str, target: &str) -> Option<String> {
    let start = if target.starts_with('/') { Path::new("") } else { Path::new(page).parent()? };
    let mut parts: Vec<String> = Vec::new();
    for part in start.join(target.trim_start_matches('/')).components() {
        match part {
            Component::ParentDir => drop(parts.pop()?),
            Component::Normal(part) => parts.push(part.to_str()?.to_owned()),
            _ => {}
        }
    }
    Some(parts.join("/"))
}

/// What is wrong with a link from this page.
fn fault(files: &BTreeSet<String>, page: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") || target.is_empty() {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let file = if path.is_empty() { page.to_owned() } else { joined(page, path)? };
    let folder = format!("{}/", file.trim_end_matches('/'));
    if !files.contains(&file) && !files.iter().any(|known| known.starts_with(&folder)) {
        return Some(format!("no file {file}"));
    }
    let anchor = anchor.filter(|_| file.ends_with(".md"))?;
    let text = std::fs::read_to_string(root().join(&file)).expect("a page");
    (!anchors(&text).contains(anchor)).then(|| format!("no heading #{anchor} in {file}"))
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let files: BTreeSet<String> = names().into_iter().collect();
    let (mut findings, mut links) = (Vec::new(), 0);
    for page in files.iter().filter(|name| name.ends_with(".md")) {
        let text = std::fs::read_to_string(root().join(page)).expect("a page");
        for (line, prose) in prose(&text) {
            for target in targets(&prose) {
                links += 1;
                findings.extend(
                    fault(&files, page, &target).map(|why| format!("{page}:{line}: {target}: {why}")),
                );
            }
        }
    }
    assert!(findings.is_empty(), "links that lead nowhere:\n  {}", findings.join("\n  "));
    assert!(links > 50, "only {links} links were found");
}

#[test]
fn links_and_headings_are_found() {
    assert_eq!(targets("see [a](b.md#c) and ![d](e.svg \"t\")"), ["b.md#c", "e.svg"]);
    assert_eq!(targets("[a]: ../b.md"), ["../b.md"]);
    assert_eq!(prose("a\n```\n[x](y)\n```\nb `[x](y)` c\n").count(), 2);
    assert_eq!(prose("b `[x](y)` c").flat_map(|(_, line)| targets(&line)).count(), 0);
    let page = "# A `b` c's, d\n## 你好 (x)\n# a b cs d\n```\n# no\n```\n### [t](u) v\n";
    let expected = ["a-b-cs-d", "a-b-cs-d-1", "t-v", "你好-x"].map(str::to_owned);
    assert_eq!(anchors(page), expected.into());
    assert_eq!(joined("a/b.md", "../c/d.md").as_deref(), Some("c/d.md"));
    assert_eq!(joined("a.md", "../c"), None);
    let files = ["a.md", "b/c.rs"].map(str::to_owned).into();
    assert_eq!(fault(&files, "a.md", "b/"), None);
    assert_eq!(fault(&files, "a.md", "https://example.org/x"), None);
    assert_eq!(fault(&files, "a.md", "b/d.rs").as_deref(), Some("no file b/d.rs"));
}
