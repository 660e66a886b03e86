//! `cldiff bench`: speed and memory of a backend on a reference workload.

use std::time::Instant;

use cldiff_engine::{BenchmarkJob, Measurement, open};
use serde_json::json;

use crate::{
    args::{BenchArgs, Quantity},
    failure::Failure,
    ui::width::say,
};

/// More are beyond anybody's patience.
const MOST_REPETITIONS: usize = 1_000_000;

/// Measures, and prints each quantity as soon as it is known.
///
/// # Errors
/// [`Failure::Mistake`] for a backend that is not there, and for no repetitions or more than a million.
pub fn bench(args: &BenchArgs, started: Instant) -> Result<(), Failure> {
    check_repetitions(args.repetitions)?;
    let engine = open(args.backend.name(), args.device).map_err(|error| Failure::of_backend(&error))?;
    let wants = |quantity| args.what.contains(&quantity);
    let job = BenchmarkJob {
        workload: args.workload.into(),
        repetitions: args.repetitions,
        train: wants(Quantity::Train),
        forward: wants(Quantity::Forward),
        sample: wants(Quantity::Sample),
        started,
        precision: args.precision.into(),
    };
    let workload = job.workload.name();
    if !args.json {
        say(&format!("{workload} on {}: {}", engine.backend(), engine.device()));
    }
    let mut tell = |Measurement { what, value, unit }: Measurement| {
        if args.json {
            let backend = engine.backend();
            let line =
                json!({"workload": workload, "backend": backend, "what": what, "value": value, "unit": unit});
            println!("{line}");
        } else {
            println!("{what:<12}{value:>12.2} {unit}");
        }
    };
    engine.benchmark(&job, &mut tell).map_err(|error| Failure::Other(error.into()))
}

fn check_repetitions(repetitions: usize) -> Result<(), Failure> {
    let expected = match repetitions {
        0 => "at least 1".to_owned(),
        1..=MOST_REPETITIONS => return Ok(()),
        _ => format!("at most {MOST_REPETITIONS}"),
    };
    Err(Failure::mistake(format!("--repetitions {repetitions}: expected {expected}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_that_cannot_be_made_are_refused() {
        assert!(check_repetitions(1).is_ok() && check_repetitions(1_000_000).is_ok());
        for (repetitions, told) in [
            (0, "--repetitions 0: expected at least 1"),
            (10_000_000_000_000, "--repetitions 10000000000000: expected at most 1000000"),
        ] {
            let refused = check_repetitions(repetitions);
            assert!(matches!(&refused, Err(Failure::Mistake(message)) if message == told), "{refused:?}");
        }
    }
}
