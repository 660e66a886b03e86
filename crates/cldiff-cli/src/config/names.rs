//! Names from a configuration that become names of directories, on any system.

/// Longest label of a strategy; with a seed it is a directory's name.
const LONGEST_LABEL: usize = 60;
/// Longest name of a run, in bytes.
const LONGEST_NAME: usize = 100;
/// The names that Windows takes for a device, with any ending.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// The problem of a strategy's label.
pub(super) fn label_problem(label: &str) -> Option<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    if label.len() > LONGEST_LABEL
        || !label.starts_with(|c: char| c.is_ascii_alphanumeric())
        || !label.chars().all(fine)
    {
        return Some(format!(
            "the label {} cannot be part of a file name: expected at most {LONGEST_LABEL} letters, digits and `._+-`, \
             the first a letter or digit",
            shown(label)
        ));
    }
    reserved(label).then(|| format!("the label {} is the name of a device on Windows", shown(label)))
}

/// The problem of a run's name.
pub(super) fn run_problem(name: &str) -> Option<String> {
    let bad = |c: char| c.is_control() || "<>:\"/\\|?*".contains(c);
    if name.len() > LONGEST_NAME
        || !name.starts_with(char::is_alphanumeric)
        || name.ends_with(['.', ' '])
        || name.contains(bad)
    {
        return Some(format!(
            "`name` is {}, which cannot be a directory's: expected at most {LONGEST_NAME} bytes, the first a letter or \
             digit, the last no dot or space, and none of `<>:\"/\\|?*`",
            shown(name)
        ));
    }
    reserved(name).then(|| format!("`name` is {}, a device on Windows", shown(name)))
}

fn reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let port = ["com", "lpt"].iter().find_map(|port| stem.strip_prefix(port));
    RESERVED.contains(&stem.as_str())
        || port.is_some_and(|n| n.len() == 1 && n.chars().all(|c| c.is_ascii_digit()))
}

/// Quoted, with control characters escaped, and not long.
fn shown(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{:?}...", &name[..end]),
        None => format!("{name:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_directory() {
        let long = "a".repeat(101);
        for name in [
            "", ".", "..", "../x", "a/b", "a\\b", "/tmp/x", "C:x", "a\0b", "a\nb", "a.", "a ", "-x", "nul",
            &long,
        ]
        .iter()
        .chain(&["CON", "Aux.txt", "com1", "LPT9.x", "nul .x", "CONIN$"])
        {
            assert!(run_problem(name).is_some(), "{name:?}");
            assert!(label_problem(name).is_some() || *name == "a.", "{name:?}");
            let message = run_problem(name).unwrap_or_default();
            assert!(!message.contains(char::is_control) && message.len() < 400, "{message}");
        }
        for name in ["run", "plain words", "mnist-5", "größe 1.5", "console", "com10", "null", "a..b"] {
            assert_eq!(run_problem(name), None, "{name}");
        }
        for label in ["replay-0.1", "a+b", "ewc_2", "nullspace"] {
            assert_eq!(label_problem(label), None, "{label}");
        }
    }
}
