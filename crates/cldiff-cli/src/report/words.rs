//! What the numbers show, in sentences computed from them; no claim that they do not carry.

use cl_metrics::summary::{OverSeeds, bootstrap::chance_of_one_sign, over_seeds, paired_difference};

use super::{
    forgetting::{self, Loss},
    hybrid::{self, Above},
    statistics::{self, Pair},
};
use crate::{
    quantities::{
        cells::{average_after, entry, mean, pooled, strategies},
        columns::{Column, qualities},
    },
    results::{CellResult, Results},
};

/// A change of bits per dimension on old tasks below this part of them is called small.
const SMALL_CHANGE: f64 = 0.05;
/// FID on an old task that has grown by this factor is called lost.
const LOST: f64 = 2.0;

/// The setting, in a paragraph.
pub(super) fn setting(results: &Results) -> String {
    let tasks = &results.stream.tasks;
    let (train, eval): (usize, usize) =
        tasks.iter().fold((0, 0), |(train, eval), task| (train + task.train, eval + task.eval));
    let seeds = statistics::most_seeds(results);
    format!(
        "A denoising diffusion model learns {} tasks one after another ({train} training images in all, {eval} held \
         out) with each of {} strategies and {seeds} seed{}. After every task it is measured on every task: FID from \
         {} samples a task against the task's held-out images, in the features of the {}; and, on fixed images and \
         noise, its losses along the diffusion timesteps.",
        tasks.len(),
        strategies(results).len(),
        if seeds == 1 { "" } else { "s" },
        results.samples_per_task,
        results.features,
    )
}

/// The findings, a sentence each.
pub(super) fn findings(results: &Results) -> Vec<String> {
    let mut findings = vec![doubt(results)];
    findings.extend(best_and_worst(results));
    findings
        .extend(strategies(results).iter().filter_map(|(label, cells)| first_task(results, label, cells)));
    findings.extend(pitfall(results));
    findings.extend(skipped(results));
    findings
}

/// Which trainings left steps out.
fn skipped(results: &Results) -> Option<String> {
    let told = results.cells.iter().filter_map(|cell| {
        let steps = cell.cost.get("skipped_steps").filter(|steps| *steps > 0.0)?;
        Some(format!("{steps} under {} (seed {})", cell.label, cell.seed))
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| {
        format!(
            "Steps whose loss or gradients were not finite were left out of training: {}.",
            told.join(", ")
        )
    })
}

/// How much the seeds can tell at all.
fn doubt(results: &Results) -> String {
    match statistics::most_seeds(results) {
        0 | 1 => "One seed each: what follows describes these runs; nothing is claimed of other seeds, and differences \
                  between strategies are not tested."
            .into(),
        2 => "Two seeds each: too few for an interval; nothing is claimed of other seeds.".into(),
        n => format!(
            "{n} seeds: one strategy is called better than another where the 95 % bootstrap interval of their difference \
             on the same seeds does not contain 0. Intervals of few seeds are too narrow: {n} differences have one sign \
             by mere chance with a probability of {:.2}.",
            chance_of_one_sign(n)
        ),
    }
}

fn best_and_worst(results: &Results) -> Option<String> {
    let fid = qualities(results).into_iter().next()?;
    let all = strategies(results);
    let mut ranked: Vec<(&String, f64)> =
        all.iter().filter_map(|(label, cells)| Some((label, fid.mean(cells)?))).collect();
    ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
    let [(best, value), .., (worst, most)] = &ranked[..] else { return None };
    let mut sentence = format!(
        "Final average FID is lowest under {best} ({value:.2}) and highest under {worst} ({most:.2})"
    );
    if statistics::most_seeds(results) >= cl_metrics::summary::bootstrap::FEWEST {
        sentence.push_str(&told_apart(&statistics::pairs(results), &fid, best));
    }
    Some(sentence + ".")
}

/// From which strategies the best can be told.
fn told_apart(pairs: &[Pair], column: &Column, best: &str) -> String {
    let with_best = |pair: &&Pair| pair.column.key == column.key && (pair.a == best || pair.b == best);
    let other = |pair: &Pair| if pair.a == best { pair.b.clone() } else { pair.a.clone() };
    let (told, tied): (Vec<&Pair>, Vec<&Pair>) =
        pairs.iter().filter(with_best).partition(|pair| pair.better.as_deref() == Some(best));
    let names = |pairs: Vec<&Pair>| pairs.into_iter().map(other).collect::<Vec<_>>().join(", ");
    match (told.is_empty(), tied.is_empty()) {
        (true, _) => format!("; the seeds do not tell {best} from any other"),
        (false, true) => format!("; {best} is better than every other beyond the seeds' doubt"),
        (false, false) => {
            format!("; {best} is better than {}, and not told apart from {}", names(told), names(tied))
        }
    }
}

/// What became of task 1.
fn first_task(results: &Results, label: &str, cells: &[&CellResult]) -> Option<String> {
    let last = results.stream.tasks.len().checked_sub(1).filter(|last| *last > 0)?;
    let (learned, end) = (entry(cells, "fid", 0, 0)?, entry(cells, "fid", last, 0)?);
    let differences = over_seeds(
        cells
            .iter()
            .filter_map(|cell| Some(entry(&[*cell], "fid", last, 0)? - entry(&[*cell], "fid", 0, 0)?)),
    )?;
    Some(format!(
        "{label}: FID on task 1 goes from {learned:.2} after the first task to {end:.2} after the last (×{:.2}){}.",
        end / learned.max(1e-9),
        beyond_doubt(&differences, ("an increase", "a decrease")),
    ))
}

/// Whether a difference over seeds is one; nothing to say for too few seeds.
fn beyond_doubt(difference: &OverSeeds, (more, less): (&str, &str)) -> String {
    let Some(interval) = difference.interval else { return String::new() };
    let range = format!("{:+.2} to {:+.2}", interval.low, interval.high);
    match () {
        () if interval.low > 0.0 => format!(", {more} beyond the seeds' doubt ({range})"),
        () if interval.high < 0.0 => format!(", {less} beyond the seeds' doubt ({range})"),
        () => format!(", which the seeds do not tell from no change ({range})"),
    }
}

/// Strategies under which bits per dimension look well while samples are gone.
fn pitfall(results: &Results) -> Option<String> {
    let last = results.stream.tasks.len().checked_sub(1).filter(|last| *last > 0)?;
    let fallen: Vec<String> = strategies(results)
        .iter()
        .filter_map(|(label, cells)| {
            let (bits, margin) = forgetting::total(cells, Loss::Vlb)?;
            let before = mean((0..last).filter_map(|j| entry(cells, "bpd", j, j)))?;
            let (learned, end) = (entry(cells, "fid", 0, 0)?, entry(cells, "fid", last, 0)?);
            // Even the upper end of what the images leave open is small.
            let small = (bits + margin) / before < SMALL_CHANGE;
            (small && end > LOST * learned).then(|| {
                format!(
                    "{label} (bits/dim on old tasks {bits:+.3} ± {margin:.3} of {before:.3}; FID on task 1 ×{:.1})",
                    end / learned
                )
            })
        })
        .collect();
    (!fallen.is_empty()).then(|| {
        format!(
            "The pitfall of bits per dimension shows under {}: the likelihood of old tasks has hardly changed while their \
             samples are at least {LOST} times as far from the data.",
            fallen.join(", ")
        )
    })
}

/// Where along the timesteps forgetting is greatest, for each strategy.
pub(super) fn timesteps(results: &Results) -> Vec<String> {
    strategies(results).iter().filter_map(|(label, cells)| timesteps_of(results, label, cells)).collect()
}

fn timesteps_of(results: &Results, label: &str, cells: &[&CellResult]) -> Option<String> {
    let points = forgetting::curve(results, cells, Loss::Denoising);
    let relative = |bin: usize| points[bin].relative.unwrap_or(f64::NEG_INFINITY);
    let greatest = (0..points.len()).max_by(|&a, &b| relative(a).total_cmp(&relative(b)))?;
    let peak = points[greatest];
    let value = peak.relative?;
    let known = peak.relative_margin > 0.0;
    let margin = if known { format!(" ± {:.0}", 100.0 * peak.relative_margin) } else { String::new() };
    let bin = forgetting::bin_name(results, greatest);
    if value <= peak.relative_margin {
        return Some(format!(
            "{label}: at no timestep does the denoising loss on old tasks rise beyond the images' doubt; the highest of its \
             changes is {:+.0}{margin} %, at t = {bin}.",
            100.0 * value
        ));
    }
    let clear = |loss| forgetting::clear_part(cells, loss).filter(|_| known);
    let part = |loss, name: &str| match clear(loss) {
        Some(part) => format!(
            " Of the change of {name}, {:.0} % comes from timesteps with more signal than noise.",
            100.0 * part
        ),
        None => format!(" The change of {name} over all timesteps is not told from 0."),
    };
    let parts = if known {
        part(Loss::Denoising, "the denoising loss") + &part(Loss::Vlb, "bits per dimension")
    } else {
        String::new()
    };
    Some(format!(
        "{label}: the denoising loss on old tasks rises most at t = {bin}, by {:+.0}{margin} %.{parts}",
        100.0 * value
    ))
}

/// Bits per dimension against FID, for each strategy.
pub(super) fn bits_per_dimension(results: &Results) -> Vec<String> {
    let last = results.stream.tasks.len().saturating_sub(1);
    strategies(results)
        .iter()
        .filter_map(|(label, cells)| {
            let bpd = |k| average_after(cells, "bpd", k);
            let (bpd, fid) = ((bpd(0)?, bpd(last)?), (pooled(cells, "fid", 0)?, pooled(cells, "fid", last)?));
            let points = forgetting::curve(results, cells, Loss::Vlb);
            let total: f64 = points.iter().map(|p| p.absolute).sum();
            let margin = forgetting::total(cells, Loss::Vlb).map_or_else(String::new, |t| format!(" ± {:.3}", t.1));
            let first = points.first().map_or(0.0, |p| p.absolute);
            Some(format!(
                "{label}: over the stream, bits per dimension go from {:.3} to {:.3} ({:+.1} %) and FID from {:.2} to \
                 {:.2} ({:+.0} %), both over the tasks seen. On old tasks the bound changes by {total:+.3}{margin} \
                 bits/dim, of which {first:+.3} in the first bin of timesteps.",
                bpd.0,
                bpd.1,
                100.0 * (bpd.1 / bpd.0 - 1.0),
                fid.0,
                fid.1,
                100.0 * (fid.1 / fid.0.max(1e-9) - 1.0),
            ))
        })
        .collect()
}

/// What hybrid sampling shows of a task, for each strategy.
pub(super) fn hybrid(results: &Results, task: usize) -> Vec<String> {
    strategies(results).iter().filter_map(|(label, cells)| hybrid_of(label, cells, task)).collect()
}

fn hybrid_of(label: &str, cells: &[&CellResult], task: usize) -> Option<String> {
    let thresholds = hybrid::thresholds(cells, task);
    let last = thresholds.len().checked_sub(1)?;
    let mean = |above, i| mean(hybrid::values(cells, task, above, i).into_iter().map(|v| v.1));
    let (old, new) = (mean(Above::Old, 0)?, mean(Above::New, 0)?);
    let middle = (1..last).min_by_key(|&i| thresholds[i].abs_diff(thresholds[last] / 2))?;
    let (by_old, by_new) = (mean(Above::Old, middle)?, mean(Above::New, middle)?);
    let verdict = verdict(
        difference(cells, task, (Above::New, 0), (Above::Old, 0)),
        difference(cells, task, (Above::Old, middle), (Above::New, middle)),
    );
    let t = thresholds[middle];
    Some(format!(
        "{label}: FID on task {} is {old:.2} by the model right after it and {new:.2} by the final one; {by_old:.2} with \
         the old model at t ≥ {t} only, {by_new:.2} with it below only.{verdict}",
        task + 1
    ))
}

/// FID at one place of the curves minus FID at another, over seeds.
fn difference(
    cells: &[&CellResult],
    task: usize,
    (a, i): (Above, usize),
    (b, j): (Above, usize),
) -> Option<OverSeeds> {
    let by_seed = |above, i| hybrid::values(cells, task, above, i).into_iter().collect();
    paired_difference(&by_seed(a, i), &by_seed(b, j))
}

/// Which part of the trajectory was to be remembered: of the final model's FID less the old one's, and of the FID with
/// the old model above less that with it below.
fn verdict(forgotten: Option<OverSeeds>, above_less_below: Option<OverSeeds>) -> &'static str {
    let interval = |difference: Option<OverSeeds>| difference.and_then(|d| d.interval);
    let (Some(forgotten), Some(parts)) = (interval(forgotten), interval(above_less_below)) else { return "" };
    match () {
        () if forgotten.low <= 0.0 => {
            " Nothing was forgotten beyond the seeds' doubt, so that there is nothing to place."
        }
        () if parts.high < 0.0 => " Over the seeds, the noisy part is the one to remember.",
        () if parts.low > 0.0 => " Over the seeds, the clear part is the one to remember.",
        () => " The seeds do not tell which part matters more.",
    }
}
