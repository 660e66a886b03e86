//! `cldiff bench`: speed and memory of a backend on a reference workload.

use std::time::Instant;

use cldiff_engine::{BenchmarkJob, Measurement, open};
use serde_json::json;

use crate::{
    args::{BenchArgs, Quantity},
    failure::Failure,
    ui::width::say,
};

/// Measures, and prints each quantity as soon as it is known.
///
/// # Errors
/// [`Failure::Mistake`] for a backend that is not there, or no repetitions.
pub fn bench(args: &BenchArgs, started: Instant) -> Result<(), Failure> {
    if args.repetitions == 0 {
        return Err(Failure::mistake("--repetitions 0: expected at least 1"));
    }
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
