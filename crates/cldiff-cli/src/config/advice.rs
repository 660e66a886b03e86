//! Advice beside the parser's words: how a file is written, and another assignment with which a configuration can be read.

use ddpm_core::plain_words;
use toml::{Table, Value};

use super::{
    Config,
    assign::{Assignment, parse_value},
};

/// The end of a message on a value that is none of the tables that stand for choices and options.
const NO_TABLE: &str = "expected a table";

/// The rest of a message on a file that cannot be read; `told` is the message as it is shown.
pub(super) fn of_file(text: &str, error: &toml::de::Error, told: &str) -> String {
    let strategies = || text.parse::<Table>().ok()?.get("strategy").map(Value::is_table);
    if told.contains("invalid type: map") && strategies() == Some(true) {
        ": write [[strategy]], with two brackets".to_owned()
    } else if told.ends_with(NO_TABLE) {
        key_before(text, error).map_or_else(String::new, |key| format!(", as in {key} = {{}}"))
    } else {
        String::new()
    }
}

/// The key whose value is at the place of an error.
fn key_before<'a>(text: &'a str, error: &toml::de::Error) -> Option<&'a str> {
    let before = text.get(..error.span()?.start)?.trim_end().strip_suffix('=')?.trim_end();
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let key = &before[before.trim_end_matches(is_of_key).len()..];
    (!key.is_empty()).then_some(key)
}

/// The message on assignments with which the configuration of a file cannot be read: the one to blame, or all of them if no
/// single one is; the words of the parser; and an assignment that can be read, where one is near.
pub(super) fn of_assignments(file: &Table, assignments: &[Assignment], told: &str) -> String {
    let typed = |assignment: &Assignment| format!("{} {}", assignment.option, assignment.text);
    let found = (0..assignments.len()).find_map(|i| Some((&assignments[i], without(file, assignments, i)?)));
    let Some((culprit, others)) = found else {
        let all: Vec<String> = assignments.iter().map(typed).collect();
        return format!("{}: {told}", all.join(" "));
    };
    let attempt = Attempt { others, culprit };
    let advised = attempt.another_key(told).or_else(|| attempt.keys_of_table(told));
    format!("{}: {}", typed(culprit), advised.as_deref().unwrap_or(told))
}

/// The table with all assignments but one, if a configuration can be read from it.
fn without(file: &Table, assignments: &[Assignment], left_out: usize) -> Option<Table> {
    let mut table = file.clone();
    for (_, other) in assignments.iter().enumerate().filter(|(i, _)| *i != left_out) {
        Assignment::make(&mut table, other.option, &other.text).ok()?;
    }
    table.clone().try_into::<Config>().ok().map(|_| table)
}

/// The assignment to blame, and the table without it.
struct Attempt<'a> {
    others: Table,
    culprit: &'a Assignment,
}

impl Attempt<'_> {
    /// The parser's words on the configuration with another assignment; none if it can be read.
    fn problem(&self, text: &str) -> Option<String> {
        let mut table = self.others.clone();
        if Assignment::make(&mut table, self.culprit.option, text).is_err() {
            return Some("no assignment".to_owned());
        }
        table.try_into::<Config>().err().map(|error| plain_words(error.message()))
    }

    /// For a key that its table does not have: the same key one table further in, or the choice of that name in place of the
    /// one that is there.
    fn another_key(&self, told: &str) -> Option<String> {
        let unknown = quoted_after(told, "unknown field ").or_else(|| quoted_after(told, "found "))?;
        let (owner, inner) = self.culprit.parts();
        let parts: Vec<&str> = inner.split('.').collect();
        let at = parts.iter().position(|part| *part == unknown)?;
        let value = self.culprit.value();
        let before: String = parts[..at].iter().map(|part| format!("{part}.")).collect();
        let rest = parts[at..].join(".");
        let deeper = |name: &String| format!("{owner}{before}{name}.{rest}");
        let mut deeper = self.tables_in(&parts[..at]).into_iter().map(|name| deeper(&name));
        if let Some(key) = deeper.find(|key| self.problem(&format!("{key}={value}")).is_none()) {
            let short = told.split(", expected").next().unwrap_or(told);
            return Some(format!("{short}; did you mean {key}?"));
        }
        let value = parse_value(value).to_string();
        let choice = parts[at..].iter().rev().fold(value, |value, part| format!("{{{part}={value}}}"));
        let whole = format!("{owner}{}={choice}", before.trim_end_matches('.'));
        let option = self.culprit.option;
        self.problem(&whole)
            .is_none()
            .then(|| format!("{told}; replace the whole choice: {option} '{whole}'"))
    }

    /// The names of the tables within a table of the whole configuration, defaults included.
    fn tables_in(&self, parts: &[&str]) -> Vec<String> {
        let whole = self.others.clone().try_into::<Config>().ok();
        let whole = whole.and_then(|config| Table::try_from(config).ok()).unwrap_or_default();
        let table = parts
            .iter()
            .try_fold(self.culprit.owner_in(&whole), |table, part| Some(table?.get(*part)?.as_table()));
        let inner = table.flatten().into_iter().flatten().filter(|(_, value)| value.is_table());
        inner.map(|(name, _)| name.clone()).collect()
    }

    /// For a value in place of a table: the keys that the table has.
    fn keys_of_table(&self, told: &str) -> Option<String> {
        let (owner, inner) = self.culprit.parts();
        if !told.ends_with(NO_TABLE) || parse_value(self.culprit.value()).is_table() {
            return None;
        }
        // No table has a key of this name, and the parser names the keys that it has.
        let problem = self.problem(&format!("{owner}{inner}={{\"?\"=0}}")).unwrap_or_default();
        Some(match problem.strip_prefix("unknown field `?`, expected ") {
            Some(keys) => format!("{told}; set {owner}{inner}.KEY=VALUE, where KEY is {keys}"),
            None => format!("{told}, as in {owner}{inner}={{}}"),
        })
    }
}

/// The text in backticks behind some words.
fn quoted_after<'a>(told: &'a str, words: &str) -> Option<&'a str> {
    told.split_once(words)?.1.strip_prefix('`')?.split('`').next()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use crate::{args::SettingArgs, config::load, failure::Failure};

    fn refused(args: &SettingArgs) -> String {
        match load(args) {
            Err(Failure::Mistake(message)) => message,
            _ => panic!("it was accepted"),
        }
    }

    fn set(assignment: &str) -> String {
        let mut args = SettingArgs::of_config(Path::new("smoke"));
        args.changes.overrides = vec!["training.batch_size=4".to_owned(), assignment.to_owned()];
        let told = refused(&args);
        told.strip_prefix(&format!("--set {assignment}: ")).unwrap_or_else(|| panic!("{told}")).to_owned()
    }

    fn file(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        fs::write(&path, text).unwrap();
        refused(&SettingArgs::of_config(&path))
    }

    #[test]
    fn a_key_one_table_too_far_out_is_found() {
        assert_eq!(
            set("strategy.replay-1.rehearsal_coefficient=1"),
            "unknown field `rehearsal_coefficient`; did you mean strategy.replay-1.replay.rehearsal_coefficient?"
        );
        // The table need not stand in the file.
        assert_eq!(
            set("training.warmup_steps=3"),
            "unknown field `warmup_steps`; did you mean training.optimizer.warmup_steps?"
        );
        assert_eq!(
            set("strategy.replay-1.replay.buffer.per_class=3"),
            "expected one buffer, found `per_class` beside `class_balanced`; did you mean \
             strategy.replay-1.replay.buffer.class_balanced.per_class?"
        );
        let nowhere = set("strategy.replay-1.rehearsal=1");
        assert!(nowhere.starts_with("unknown field `rehearsal`, expected one of `label`"), "{nowhere}");
        assert!(!nowhere.contains("did you mean"), "{nowhere}");
    }

    #[test]
    fn another_choice_replaces_the_whole() {
        let buffer = "strategy.replay-1.replay.buffer";
        assert_eq!(
            set(&format!("{buffer}.reservoir.total=30")),
            format!(
                "expected one buffer, found `reservoir` beside `class_balanced`; replace the whole choice: --set \
                 '{buffer}={{reservoir={{total=30}}}}'"
            )
        );
        assert_eq!(
            set("strategy.replay-1.replay.buffer.heap.total=30"),
            "expected one buffer, found `heap` beside `class_balanced`"
        );
    }

    #[test]
    fn a_value_in_place_of_a_table_is_told_its_keys() {
        assert_eq!(
            set("training.objective=eps"),
            "invalid type: string \"eps\", expected a table; set training.objective.KEY=VALUE, where KEY is \
             `weighting` or `vlb_weight`"
        );
        let finetune = set("strategy.finetune.finetune=3");
        assert_eq!(
            finetune,
            "invalid type: integer `3`, expected a table, as in strategy.finetune.finetune={}"
        );
    }

    #[test]
    fn a_file_is_told_how_its_tables_are_written() {
        let head = "[data.glyphs]\n";
        let single = file(&format!("{head}[strategy]\nfinetune = {{}}\n"));
        assert!(single.contains("a.toml: TOML parse error at line 2"), "{single}");
        assert!(single.ends_with("expected a list: write [[strategy]], with two brackets"), "{single}");
        let number = file(&format!("{head}[[strategy]]\nfinetune = 3\n"));
        assert!(number.ends_with("integer `3`, expected a table, as in finetune = {}"), "{number}");
        let within = file(&format!("{head}[[strategy]]\nlwf = {{ }}\n[training]\nobjective = 'eps'\n"));
        assert!(within.ends_with("expected a table, as in objective = {}"), "{within}");
        // The parser names all strategies: they are listed once.
        let unknown = file(&format!("{head}[[strategy]]\nfinetoon = {{}}\n"));
        assert!(unknown.ends_with("\ndid you mean `finetune`?"), "{unknown}");
        assert_eq!(
            (unknown.matches("`packnet`").count(), unknown.matches("packnet").count()),
            (1, 1),
            "{unknown}"
        );
    }
}
