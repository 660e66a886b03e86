//! `KEY=VALUE` of the command line, applied to the table of a configuration.
//!
//! A key is a path through tables. Behind `strategy.` stands the label of a strategy instead of its place:
//! `strategy.replay-0.1.replay.rehearsal_coefficient`. Of two labels that fit, the longer counts. A value is read as TOML;
//! text that is no TOML is a string.

use cldiff_engine::StrategyTerm;
use toml::{Table, Value};

use crate::failure::Failure;

/// The key of the list of strategies.
const STRATEGY: &str = "strategy";

/// An assignment that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// The option that gave it: `--set` or `--sweep`.
    pub option: &'static str,
    /// `KEY=VALUE`, as it was typed.
    pub text: String,
    /// The key as it was typed.
    typed: String,
    /// The key with the place of a strategy for its label.
    key: String,
}

impl Assignment {
    /// Applies `KEY=VALUE` to a table.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for a text of another form, a label that no strategy has, and a key that goes through a value that
    /// is no table.
    pub(super) fn make(table: &mut Table, option: &'static str, text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| Failure::mistake(format!("{option} {text}: {why}"));
        let (typed, value) =
            text.split_once('=').ok_or_else(|| wrong("expected KEY=VALUE, as in training.batch_size=32"))?;
        let typed = typed.trim();
        if typed.split('.').any(str::is_empty) {
            return Err(wrong("the key, or a part of it, is empty"));
        }
        let value = parse_value(value.trim());
        let key = match typed.strip_prefix("strategy.") {
            Some(inner) => assign_in_strategy(table, inner, value).map_err(|why| wrong(&why))?,
            None => {
                assign(table, typed, value).map_err(|why| wrong(&why))?;
                typed.to_owned()
            }
        };
        Ok(Self { option, text: text.to_owned(), typed: typed.to_owned(), key })
    }

    /// Whether this gave the value of a key, in which a strategy stands by its place.
    pub(super) fn covers(&self, key: &str) -> bool {
        key.strip_prefix(&self.key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// The key as it was typed: `strategy.LABEL.`, or nothing, and the key inside.
    pub(super) fn parts(&self) -> (&str, &str) {
        let inner = match self.place() {
            Some((_, inner)) => inner.len(),
            None => self.typed.len(),
        };
        self.typed.split_at(self.typed.len() - inner)
    }

    /// The value as it was typed.
    pub(super) fn value(&self) -> &str {
        self.text.split_once('=').map_or("", |(_, value)| value.trim())
    }

    /// The table that the inner key is a path through: the configuration, or one of its strategies.
    pub(super) fn owner_in<'a>(&self, table: &'a Table) -> Option<&'a Table> {
        match self.place() {
            Some((place, _)) => table.get(STRATEGY)?.as_array()?.get(place)?.as_table(),
            None => Some(table),
        }
    }

    /// The place of a strategy, and the key inside it.
    fn place(&self) -> Option<(usize, &str)> {
        let (place, inner) = self.key.strip_prefix("strategy.")?.split_once('.')?;
        Some((place.parse().ok()?, inner))
    }

    /// Whether an earlier assignment is without effect after this one.
    pub(super) fn replaces(&self, earlier: &Self) -> bool {
        self.covers(&earlier.key)
    }

    /// The place of the strategy that this reaches into.
    pub(super) fn strategy(&self) -> Option<usize> {
        self.place().map(|(place, _)| place)
    }

    /// The option and its text, as they were typed.
    pub(super) fn typed(&self) -> String {
        format!("{} {}", self.option, self.text)
    }

    /// The option and a key that this covers, as it would be typed.
    pub(super) fn told(&self, key: &str) -> String {
        let rest = key.strip_prefix(&self.key).unwrap_or_default();
        format!("{} {}{rest}", self.option, self.typed)
    }
}

/// Assigns to a key inside a strategy, `LABEL.KEY`. The whole key, with the strategy's place.
fn assign_in_strategy(table: &mut Table, inner: &str, value: Value) -> Result<String, String> {
    let labels = labels(table);
    let behind = |label: &str| Some(inner.strip_prefix(label)?.strip_prefix('.')?.to_owned());
    let fitting = labels.iter().enumerate().filter_map(|(i, label)| Some((label.len(), i, behind(label)?)));
    let Some((_, place, rest)) = fitting.max_by_key(|(length, ..)| *length) else {
        return Err(format!(
            "expected strategy.LABEL.KEY with the label of a strategy: {}",
            labels.join(", ")
        ));
    };
    let strategy = table.get_mut(STRATEGY).and_then(|list| list.get_mut(place)).and_then(Value::as_table_mut);
    assign(strategy.ok_or("this strategy is no table")?, &rest, value)?;
    Ok(format!("{STRATEGY}.{place}.{rest}"))
}

pub(super) fn assign(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    let mut parts: Vec<&str> = key.split('.').collect();
    let last = parts.pop().unwrap_or_default();
    let mut place = table;
    for part in parts {
        let inner = place.entry(part).or_insert_with(|| Value::Table(Table::new()));
        place = match inner {
            Value::Table(inner) => inner,
            _ => return Err(format!("`{part}` is not a table")),
        };
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

/// The labels of the strategies of a table: their `label`, else the names of their terms in the order of the list.
pub fn labels(table: &Table) -> Vec<String> {
    let strategies = table.get(STRATEGY).and_then(Value::as_array);
    strategies.into_iter().flatten().map(label).collect()
}

fn label(strategy: &Value) -> String {
    if let Some(label) = strategy.get("label").and_then(Value::as_str) {
        return label.to_owned();
    }
    let mut terms: Vec<&String> = strategy.as_table().into_iter().flat_map(Table::keys).collect();
    terms.sort_by_key(|term| StrategyTerm::list().position(term));
    terms.into_iter().map(String::as_str).collect::<Vec<_>>().join("+")
}

/// A TOML value; text that is not one is a string.
pub(super) fn parse_value(text: &str) -> Value {
    let document = format!("value = {text}");
    match document.parse::<Table>() {
        Ok(mut table) if table.len() == 1 => table.remove("value").unwrap_or_else(|| Value::from(text)),
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(table: &mut Table, text: &str) -> Result<Assignment, Failure> {
        Assignment::make(table, "--set", text)
    }

    #[test]
    fn an_assignment_reaches_into_tables_and_guesses_types() {
        let mut table: Table = toml::from_str("[training]\nbatch_size = 1\n").unwrap();
        set(&mut table, "training.batch_size=8").unwrap();
        set(&mut table, "training.ema.decay = 0.5").unwrap();
        set(&mut table, "name=plain words").unwrap();
        assert_eq!(table["training"]["batch_size"], Value::from(8));
        assert_eq!(table["training"]["ema"]["decay"], Value::from(0.5));
        assert_eq!(table["name"], Value::from("plain words"));
        assert!(set(&mut table, "nothing").is_err());
        assert!(set(&mut table, "name.inner=1").is_err());
        assert!(set(&mut table, "=1").is_err() && set(&mut table, "training..x=1").is_err());
    }

    #[test]
    fn a_label_may_have_points_and_the_longest_that_fits_counts() {
        let text = "[[strategy]]\nfinetune = {}\n[[strategy]]\nlabel = 'a'\nreplay = {}\n\
                    [[strategy]]\nlabel = 'a.replay'\nreplay = {}\n[[strategy]]\newc = {}\nreplay = {}\n";
        let mut table: Table = toml::from_str(text).unwrap();
        assert_eq!(labels(&table)[..3], ["finetune", "a", "a.replay"]);
        let composed = labels(&table)[3].clone();
        assert!(["ewc+replay", "replay+ewc"].contains(&composed.as_str()), "{composed}");
        let made = set(&mut table, "strategy.a.replay.replay.batch_size=2").unwrap();
        assert_eq!(table["strategy"][2]["replay"]["batch_size"], Value::from(2));
        assert!(made.covers("strategy.2.replay.batch_size") && !made.covers("strategy.1.replay.batch_size"));
        assert!(!made.covers("strategy.2.replay.batch_size_of_teacher"));
        assert_eq!(made.told("strategy.2.replay.batch_size"), "--set strategy.a.replay.replay.batch_size");
        let buffer = set(&mut table, "strategy.a.replay={ buffer = { reservoir = {} } }").unwrap();
        // `a.replay` is a label, and nothing stands behind it: the strategy `a` is meant.
        assert_eq!(
            buffer.told("strategy.1.replay.buffer.reservoir.total"),
            "--set strategy.a.replay.buffer.reservoir.total"
        );
        let last = set(&mut table, &format!("strategy.{composed}.ewc.lambda=3.0")).unwrap();
        assert_eq!(table["strategy"][3]["ewc"]["lambda"], Value::from(3.0));
        assert_eq!([made, buffer, last].map(|made| made.strategy()), [Some(2), Some(1), Some(3)]);
        assert_eq!(set(&mut table, "strategies.x.y=1").unwrap().strategy(), None);
    }

    #[test]
    fn a_later_assignment_to_the_key_or_to_its_table_leaves_nothing_of_the_first() {
        let mut table = Table::new();
        let mut made = |text: &str| set(&mut table, text).unwrap();
        let (size, whole, decay) =
            (made("training.batch_size=8"), made("training={ batch_size = 4 }"), made("training.ema=1"));
        assert!(whole.replaces(&size) && size.replaces(&size));
        assert!(!size.replaces(&whole) && !decay.replaces(&whole) && !decay.replaces(&size));
    }
}
