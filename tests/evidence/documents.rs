//! The documents, and the marks in them. Between `<!-- evidence: EXPERIMENT/NAME -->` and `<!-- end of EXPERIMENT/NAME -->`
//! stands a block, with lines of its own; between `<!-- = EXPERIMENT/NAME -->` and `<!-- / -->` a value, in a sentence.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{
    made::{FIGURES, Made},
    repository,
};

const BLOCK: &str = "<!-- evidence: ";
const VALUE: &str = "<!-- = ";
const VALUE_END: &str = "<!-- / -->";
const CLOSED: &str = " -->";

/// The folder of the figures, from the root of the repository.
pub const FOLDER: &str = "docs/evidence";

/// The documents that may have marks, from the root of the repository.
pub fn documents() -> Vec<PathBuf> {
    let mut found = vec!["README.md".into(), "REPRODUCIBILITY.md".into()];
    collect(Path::new("docs"), &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    // The book as mdBook writes it.
    if folder == Path::new("docs/book") {
        return;
    }
    for entry in fs::read_dir(repository().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
}

/// The way from a document to the folder of the figures, with a slash at its end.
fn figures_from(document: &Path) -> String {
    let folder = document.parent().unwrap();
    let within = folder.strip_prefix("docs").ok();
    let up = within.map_or(0, |within| within.components().count());
    if within.is_some() { format!("{}evidence/", "../".repeat(up)) } else { format!("{FOLDER}/") }
}

/// Fills in the marks of a document, and notes their names.
///
/// # Errors
/// If a mark is not closed, if a value begins a line, or if nothing of its name is made.
pub fn filled(
    document: &Path,
    text: &str,
    made: &Made,
    names: &mut BTreeSet<String>,
) -> Result<String, String> {
    let (mut found, mut rest) = (String::new(), text);
    while let Some(at) = [rest.find(BLOCK), rest.find(VALUE)].into_iter().flatten().min() {
        let is_block = rest[at..].starts_with(BLOCK);
        let open = if is_block { BLOCK } else { VALUE };
        let unclosed = || format!("a mark {open} is not closed");
        let name = rest[at + open.len()..].split_once(CLOSED).ok_or_else(unclosed)?.0;
        let begin = at + open.len() + name.len() + CLOSED.len();
        let end = if is_block { format!("<!-- end of {name}{CLOSED}") } else { VALUE_END.to_owned() };
        let length =
            rest[begin..].find(&end).ok_or_else(|| format!("the mark of {name} has no end {end}"))?;
        let content = if is_block {
            made.blocks.get(name).map(|text| format!("\n{}", text.replace(FIGURES, &figures_from(document))))
        } else {
            made.values.get(name).cloned()
        };
        let content = content.ok_or_else(|| format!("nothing is made for the mark {open}{name}{CLOSED}"))?;
        let before = rest[..at].rsplit('\n').next().unwrap_or_default();
        if !is_block && before.trim().is_empty() {
            return Err(format!(
                "the mark of {name} begins a line, which Markdown would take for a block of HTML"
            ));
        }
        names.insert(name.to_owned());
        found.extend([&rest[..begin], &content, &end]);
        rest = &rest[begin + length + end.len()..];
    }
    Ok(found + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Made {
        let mut made = Made::default();
        made.blocks.insert("e/t".into(), format!("![T]({FIGURES}e-t.svg)\n"));
        made.values.insert("e/v".into(), "0.1 (0.1 to 0.3)".into());
        made
    }

    fn fill(path: &str, text: &str) -> Result<(String, Vec<String>), String> {
        let mut names = BTreeSet::new();
        let text = filled(Path::new(path), text, &made(), &mut names)?;
        Ok((text, names.into_iter().collect()))
    }

    #[test]
    fn marks_are_filled_in_and_all_else_stays() {
        let text = "a <!-- = e/v -->9<!-- / -->, b <!-- = e/v --><!-- / -->\n<!-- evidence: e/t -->\nold\n<!-- end of e/t -->\nend\n";
        let (filled, names) = fill("docs/a/x.md", text).unwrap();
        assert_eq!(
            filled,
            "a <!-- = e/v -->0.1 (0.1 to 0.3)<!-- / -->, b <!-- = e/v -->0.1 (0.1 to 0.3)<!-- / -->\n\
             <!-- evidence: e/t -->\n![T](../evidence/e-t.svg)\n<!-- end of e/t -->\nend\n"
        );
        assert_eq!(names, ["e/t", "e/v"]);
        assert_eq!(fill("docs/a/x.md", &filled).unwrap().0, filled, "once more changes nothing");
        assert!(fill("README.md", text).unwrap().0.contains("(docs/evidence/e-t.svg)"));
        assert!(fill("docs/x.md", text).unwrap().0.contains("(evidence/e-t.svg)"));
    }

    #[test]
    fn a_mark_without_a_value_or_an_end_is_a_mistake() {
        for (text, part) in [
            ("a <!-- = e/w -->1<!-- / -->", "nothing is made for the mark <!-- = e/w -->"),
            ("<!-- = e/v -->1", "the mark of e/v has no end"),
            ("<!-- evidence: e/t -->\n<!-- end of e/s -->", "the mark of e/t has no end"),
            ("<!-- = e/v", "is not closed"),
            ("a\n  <!-- = e/v -->1<!-- / -->", "begins a line"),
        ] {
            let error = fill("README.md", text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn documents_are_those_at_the_top_and_in_the_book() {
        let all = documents();
        for path in ["README.md", "REPRODUCIBILITY.md", "docs/concepts/timesteps.md", "docs/evidence.md"] {
            assert!(all.contains(&PathBuf::from(path)), "{path}");
        }
    }
}
