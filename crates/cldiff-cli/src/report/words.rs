//! What the numbers show, in sentences computed from them; no claim that they do not carry.

use super::{
    forgetting::{self, Loss},
    numbers::{average_after, columns, entry, mean, pooled, strategies},
};
use crate::results::{CellResult, Results};

/// The setting, in a paragraph.
pub(super) fn setting(results: &Results) -> String {
    let tasks = &results.stream.tasks;
    let (train, eval): (usize, usize) =
        tasks.iter().fold((0, 0), |(train, eval), task| (train + task.train, eval + task.eval));
    let all = strategies(results);
    let seeds = all.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
    format!(
        "A denoising diffusion model learns {} tasks one after another ({train} training images in all, {eval} held \
         out) with each of {} strategies and {seeds} seed{}. After every task it is measured on every task: FID from \
         {} samples a task against the task's held-out images, in the features of the {}; and, on fixed images and \
         noise, its losses along the diffusion timesteps.",
        tasks.len(),
        all.len(),
        if seeds == 1 { "" } else { "s" },
        results.samples_per_task,
        results.features,
    )
}

/// The findings, a sentence each.
pub(super) fn findings(results: &Results) -> Vec<String> {
    let all = strategies(results);
    let last = results.stream.tasks.len().saturating_sub(1);
    let mut findings = Vec::new();
    let ranked = ranking(&all);
    if let [(best, value), .., (worst, most)] = &ranked[..] {
        findings.push(format!(
            "Final average FID is lowest under {best} ({value:.2}) and highest under {worst} ({most:.2})."
        ));
    }
    for (label, cells) in &all {
        let (Some(learned), Some(end)) = (entry(cells, "fid", 0, 0), entry(cells, "fid", last, 0)) else {
            continue;
        };
        if last > 0 {
            findings.push(format!(
                "{label}: FID on task 1 goes from {learned:.2} after the first task to {end:.2} after the last \
                 (×{:.2}).",
                end / learned.max(1e-9)
            ));
        }
    }
    if all.iter().all(|(_, cells)| cells.len() == 1) {
        findings
            .push("One seed each: differences between strategies are not tested for significance.".into());
    }
    findings
}

fn ranking(all: &[(String, Vec<&CellResult>)]) -> Vec<(String, f64)> {
    let fid = columns().into_iter().next().expect("the first column is FID");
    let mut ranked: Vec<(String, f64)> =
        all.iter().filter_map(|(label, cells)| Some((label.clone(), fid.mean(cells)?))).collect();
    ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
    ranked
}

/// Where along the timesteps forgetting is greatest, for each strategy.
pub(super) fn timesteps(results: &Results) -> Vec<String> {
    let (bins, old) = (forgetting::bins(results), results.stream.tasks.len().saturating_sub(1));
    strategies(results)
        .iter()
        .filter_map(|(label, cells)| {
            let by_bin: Vec<f64> = (0..bins)
                .map(|bin| mean((0..old).filter_map(|j| forgetting::relative(cells, j, bin))))
                .collect::<Option<_>>()?;
            let greatest = (0..bins).max_by(|&a, &b| by_bin[a].total_cmp(&by_bin[b]))?;
            let least = (0..bins).min_by(|&a, &b| by_bin[a].total_cmp(&by_bin[b]))?;
            Some(format!(
                "{label}: the change of the denoising loss on old tasks is highest at t = {} ({:+.0}%) and lowest \
                 at t = {} ({:+.0}%).",
                forgetting::bin_name(results, greatest),
                100.0 * by_bin[greatest],
                forgetting::bin_name(results, least),
                100.0 * by_bin[least]
            ))
        })
        .collect()
}

/// Bits per dimension against FID, for each strategy.
pub(super) fn bits_per_dimension(results: &Results) -> Vec<String> {
    let last = results.stream.tasks.len().saturating_sub(1);
    let bins = forgetting::bins(results);
    strategies(results)
        .iter()
        .filter_map(|(label, cells)| {
            let bpd = (average_after(cells, "bpd", 0)?, average_after(cells, "bpd", last)?);
            let fid = (pooled(cells, "fid", 0)?, pooled(cells, "fid", last)?);
            let shares: Vec<f64> = (0..bins)
                .filter_map(|bin| forgetting::absolute(results, cells, Loss::Vlb, bin))
                .collect();
            let total: f64 = shares.iter().sum();
            Some(format!(
                "{label}: over the stream, bits per dimension go from {:.3} to {:.3} ({:+.1}%) and FID from {:.2} to \
                 {:.2} ({:+.0}%), both over the tasks seen. On old tasks the bound changes by {total:+.3} bits/dim, of \
                 which {:+.3} in the first bin of timesteps.",
                bpd.0,
                bpd.1,
                100.0 * (bpd.1 / bpd.0 - 1.0),
                fid.0,
                fid.1,
                100.0 * (fid.1 / fid.0.max(1e-9) - 1.0),
                shares.first().copied().unwrap_or(0.0),
            ))
        })
        .collect()
}
