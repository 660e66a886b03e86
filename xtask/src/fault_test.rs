//! The fault test at length: a small benchmark under a schedule of faults for each of many seeds.

use anyhow::{Result, bail};

use crate::build::cargo;

/// The options of `cargo xtask fault-test`.
#[derive(Debug, clap::Args)]
pub(crate) struct FaultTestArgs {
    /// The seeds, from A up to B without it; a seed and a commit give the same schedule again
    #[arg(long, value_name = "A..B", default_value = "0..1000")]
    seeds: String,
    /// A directory in which runs that are wrong are kept, with the operations of their processes
    #[arg(long, value_name = "DIR")]
    keep: Option<String>,
}

/// Runs it.
pub(crate) fn run(args: &FaultTestArgs) -> Result<()> {
    let seeds = range(&args.seeds)?;
    let mut environment = vec![("CLDIFF_FAULT_SEEDS", seeds.as_str())];
    environment.extend(args.keep.as_deref().map(|dir| ("CLDIFF_FAULT_KEEP", dir)));
    cargo(&["test", "-p", "cldiff-cli", "--test", "faults", "--", "--nocapture"], &environment)
}

/// Checks a range of seeds.
fn range(text: &str) -> Result<String> {
    let number = |text: &str| text.parse::<u64>().ok();
    match text.split_once("..").map(|(from, to)| (number(from), number(to))) {
        Some((Some(from), Some(to))) if from < to => Ok(format!("{from}..{to}")),
        _ => bail!("--seeds {text}: expected A..B with numbers A below B, such as 0..1000"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_that_is_not_empty() {
        assert_eq!(range("0..1000").unwrap(), "0..1000");
        for wrong in ["", "5", "5..", "5..5", "9..5", "a..b", "0..=9"] {
            let message = range(wrong).unwrap_err().to_string();
            assert!(message.starts_with(&format!("--seeds {wrong}: ")), "{message}");
        }
    }
}
