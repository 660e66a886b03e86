//! The fate of each mutant, as cargo-mutants writes it into `outcomes.json`, and the table of a run.

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::listed::Mutant;

/// The fate of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// A test failed, or the tests did not end.
    Killed,
    /// All tests passed.
    Survived,
    /// The changed code does not compile: it says nothing about the tests.
    Unbuildable,
}

impl Fate {
    /// Reads cargo-mutants' word for it.
    fn of(summary: &str) -> Result<Self> {
        Ok(match summary {
            "CaughtMutant" | "Timeout" => Self::Killed,
            "MissedMutant" => Self::Survived,
            "Unviable" => Self::Unbuildable,
            other => bail!("a mutant came to an unknown end: {other}"),
        })
    }
}

/// The fates in `outcomes.json`, in its order; the run without a mutant is left out.
///
/// # Errors
/// For what is not such a file, and for an outcome that it is not known to have.
pub(super) fn fates(json: &str) -> Result<Vec<(Mutant, Fate)>> {
    let outcomes: Value = serde_json::from_str(json).context("the outcomes are not JSON")?;
    let outcomes = outcomes["outcomes"].as_array().context("the outcomes are not a list")?;
    let of_mutants = outcomes.iter().filter(|outcome| outcome["scenario"] != "Baseline");
    of_mutants
        .map(|outcome| {
            let mutant = Mutant::of(&outcome["scenario"]["Mutant"])?;
            let summary = outcome["summary"].as_str().context("an outcome has no summary")?;
            Ok((mutant, Fate::of(summary)?))
        })
        .collect()
}

/// A line a crate, one for all of them, then each survivor. The share is of the mutants that compile.
pub(super) fn table(crates: &[&str], fates: &[(Mutant, Fate)]) -> String {
    let mut text =
        format!("{:14} {:>7} {:>9} {:>12} {:>7}\n", "", "killed", "survived", "unbuildable", "share");
    let mut line = |name: &str, of: &dyn Fn(&Mutant) -> bool| {
        let count = |fate| fates.iter().filter(|(mutant, found)| *found == fate && of(mutant)).count();
        let (killed, survived) = (count(Fate::Killed), count(Fate::Survived));
        let share = match killed + survived {
            0 => "-".to_owned(),
            all => format!("{:.1} %", 100.0 * killed as f64 / all as f64),
        };
        let unbuildable = count(Fate::Unbuildable);
        let _ = writeln!(text, "{name:14} {killed:>7} {survived:>9} {unbuildable:>12} {share:>7}");
    };
    for name in crates {
        line(name, &|mutant| mutant.package == *name);
    }
    line("all", &|_| true);
    for (mutant, _) in fates.iter().filter(|(_, fate)| *fate == Fate::Survived) {
        let _ = writeln!(text, "survived: {}", mutant.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{
        Fate::{Killed, Survived, Unbuildable},
        *,
    };

    fn outcomes() -> Vec<(Mutant, Fate)> {
        fates(include_str!("../../fixtures/outcomes.json")).unwrap()
    }

    /// In the form of cargo-mutants 27 (`src/outcome.rs`): a run without a mutant, then three mutants of each crate.
    #[test]
    fn outcomes_are_read_without_the_baseline() {
        let found: Vec<Fate> = outcomes().into_iter().map(|(_, fate)| fate).collect();
        assert_eq!(found, [Killed, Survived, Killed, Survived, Unbuildable, Killed]);
        let unknown = r#"{"outcomes":[{"scenario":{"Mutant":{"package":"a","name":"b"}},"summary":"Lost"}]}"#;
        assert!(fates(unknown).unwrap_err().to_string().contains("Lost"));
        assert!(fates("{}").is_err());
        assert_eq!(Fate::of("Timeout").unwrap(), Fate::Killed);
    }

    /// Of `a` one killed, one survivor and one that does not compile; of `b` two killed, one because its tests did not end, and
    /// one survivor. Three of five that compile are 60 %.
    #[test]
    fn the_table_counts_by_crate_and_names_the_survivors() {
        let expected = "                killed  survived  unbuildable   share
a                    1         1            1  50.0 %
b                    2         1            0  66.7 %
none                 0         0            0       -
all                  3         2            1  60.0 %
survived: crates/b/src/lib.rs:2:7: replace > with >= in larger
survived: crates/a/src/lib.rs:5:9: replace <impl PartialEq<u32> for One>::eq -> bool with true
";
        assert_eq!(table(&["a", "b", "none"], &outcomes()), expected);
    }
}
