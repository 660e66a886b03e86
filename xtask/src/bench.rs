//! Throughput of the whole program on a small configuration, backends in turn (A B A B ..), medians and ratios.
//!
//! The machines that this runs on are shared and noisy: only ratios within one run mean anything.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Runs the benchmark and prints a line a backend.
pub(crate) fn run(backends: &[String], runs: usize) -> Result<()> {
    let scratch = tempfile::tempdir().context("a scratch directory")?;
    let mut rates: Vec<(Vec<f64>, Vec<f64>)> = vec![(Vec::new(), Vec::new()); backends.len()];
    for run in 0..runs {
        for (backend, (train, sample)) in backends.iter().zip(&mut rates) {
            let (a, b) = measure(backend, &scratch.path().join(format!("{backend}-{run}")))?;
            train.push(a);
            sample.push(b);
        }
    }
    let medians: Vec<(f64, f64)> = rates.into_iter().map(|(a, b)| (median(a), median(b))).collect();
    println!(
        "{:<10}{:>18}{:>10}{:>22}{:>10}",
        "backend", "train images/s", "ratio", "sample passes/s", "ratio"
    );
    for (backend, (train, sample)) in backends.iter().zip(&medians) {
        let (a, b) = (train / medians[0].0, sample / medians[0].1);
        println!("{backend:<10}{train:>18.0}{a:>10.2}{sample:>22.0}{b:>10.2}");
    }
    Ok(())
}

/// Training images and sampling passes a second.
fn measure(backend: &str, out: &Path) -> Result<(f64, f64)> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let status = Command::new(cargo)
        .args(["run", "--quiet", "-p", "cldiff-cli", "--", "--quiet", "--config", "configs/default.toml"])
        .args(["--set", "training.steps_per_experience=20", "--set", "data.glyphs.train_per_class=100"])
        .args([
            "--set",
            "stream.class_incremental.experiences=1",
            "--strategy",
            "finetune",
            "--backend",
            backend,
        ])
        .arg("--out")
        .arg(out)
        .stdout(std::process::Stdio::null())
        .status()
        .context("cannot run cldiff")?;
    if !status.success() {
        bail!("cldiff --backend {backend}: {status}");
    }
    let results: Value = serde_json::from_str(&std::fs::read_to_string(out.join("results.json"))?)?;
    let cost = &results["cells"][0]["cost"];
    let number = |key: &str| cost[key].as_f64().with_context(|| format!("results.json has no cost.{key}"));
    let samples = results["samples_per_task"].as_f64().context("results.json has no samples_per_task")?;
    // Each sample takes the 16 DDIM steps of the default configuration.
    Ok((number("images_per_second")?, samples * 16.0 / number("sample_seconds")?))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
