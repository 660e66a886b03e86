//! Links in documents: each leads to a file and a heading that exist, and the book's pages are all in its summary.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use super::{documents::documents, names, repository, text};

const SUMMARY: &str = "docs/SUMMARY.md";

/// The lines of a document outside of its fenced blocks, without what stands in backticks.
fn prose(document: &str) -> String {
    let mut within = false;
    let lines = document.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        within ^= fence;
        !within && !fence
    });
    lines.map(|line| line.split('`').step_by(2).collect::<Vec<_>>().join("_") + "\n").collect()
}

/// The targets of links and pictures, `[text](target)`, that lie in the repository.
fn links(document: &str) -> Vec<String> {
    let prose = prose(document);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(str::to_owned)
        .collect()
}

/// The heading's address, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    // Of a link in a heading, its text.
    let mut plain = String::new();
    let mut rest = heading.replace('`', "");
    while let Some((before, after)) = rest.clone().split_once("](") {
        plain.push_str(&before.replace('[', ""));
        rest = after.split_once(')').map_or(String::new(), |(_, after)| after.to_owned());
    }
    plain.push_str(&rest);
    let kept = |c: char| match c {
        ' ' => Some('-'),
        _ if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    };
    plain.trim().to_lowercase().chars().filter_map(kept).collect()
}

fn anchors(document: &str) -> BTreeSet<String> {
    let mut within = false;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for line in document.lines() {
        within ^= line.starts_with("```");
        let Some(heading) = line.strip_prefix('#').filter(|_| !within) else { continue };
        let anchor = anchor(heading.trim_start_matches('#'));
        let times = seen.entry(anchor.clone()).or_default();
        found.insert(if *times == 0 { anchor } else { format!("{anchor}-{times}") });
        *times += 1;
    }
    found
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(name) => parts.push(name.to_str().unwrap()),
            _ => {}
        }
    }
    parts.join("/")
}

/// The file of a link, from the root of the repository, and its heading.
fn target(document: &str, link: &str) -> (String, Option<String>) {
    let (path, heading) = link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
    let folder = Path::new(document).parent().unwrap();
    let path = if path.is_empty() { PathBuf::from(document) } else { folder.join(path) };
    (plain(&path), heading.map(str::to_owned))
}

#[test]
fn links_of_documents_lead_somewhere() {
    let mut broken = Vec::new();
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for document in documents() {
        for link in links(&text(&document)) {
            let (path, heading) = target(&document, &link);
            if !repository().join(&path).exists() {
                broken.push(format!("{document}: {link}: there is no {path}"));
            } else if let Some(heading) =
                heading.filter(|_| Path::new(&path).extension().is_some_and(|end| end == "md"))
            {
                let of_page = known.entry(path).or_insert_with_key(|path| anchors(&text(path)));
                if !of_page.contains(&heading) {
                    broken.push(format!("{document}: {link}: there is no such heading"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn pages() -> BTreeSet<String> {
    documents().into_iter().filter(|path| path.starts_with("docs/") && path != SUMMARY).collect()
}

#[test]
fn the_summary_of_the_book_has_every_page_once() {
    let listed: Vec<String> = links(&text(SUMMARY)).iter().map(|link| target(SUMMARY, link).0).collect();
    let set: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), set.len(), "a page is listed twice");
    assert_eq!(set, pages());
}

/// The book is read without the repository: a file beside it is named, not linked.
#[test]
fn pages_of_the_book_link_to_pages_of_the_book() {
    for page in pages() {
        for link in links(&text(&page)) {
            let (path, _) = target(&page, &link);
            assert!(path.starts_with("docs/"), "{page}: {link} leads out of the book: name the file instead");
        }
    }
}

#[test]
fn recipes_name_the_command_that_builds_the_book() {
    assert!(text("CONTRIBUTING.md").contains("mdbook build docs"));
    assert!(names("docs").contains(&"book.toml".to_owned()));
}

#[test]
fn links_and_headings_are_read_as_a_browser_reads_them() {
    let document = "# A `b` & c\n[x](y.md#z) ![p](../q.png) `[no](n.md)`\n```\n[no](n.md)\n# no\n```\n## `d.e_f`: [g](h.md)\n# A b & c\n";
    assert_eq!(links(document), ["y.md#z", "../q.png", "h.md"]);
    assert_eq!(anchors(document), ["a-b--c", "a-b--c-1", "de_f-g"].map(str::to_owned).into());
    assert_eq!(target("docs/a/b.md", "../c.md#d"), ("docs/c.md".into(), Some("d".into())));
    assert_eq!(target("docs/a.md", "#d"), ("docs/a.md".into(), Some("d".into())));
}
