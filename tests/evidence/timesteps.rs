//! Forgetting along the timesteps, F_{K,j}(t) at the end of the stream averaged over the old tasks j < K: of each label the
//! mean over the seeds with its 95 % t interval, against t and against the log of the signal-to-noise ratio.
//!
//! A label of which a seed lacks a number on an old task, in any bin, is not drawn and is named: it is no mean of what is left.

use std::collections::BTreeMap;

use cl_metrics::summary::{BySeed, over_seeds};
use cldiff_cli::report::plot::{Axis, Hue, Kind, Series, svg};
use cldiff_engine::StrategySpec;

use super::{
    number::listed,
    rows::{Part, Rows},
    spec::Timesteps,
};

/// A bin: its number, its first timestep and one more than its last.
pub type Bin = (usize, usize, usize);

/// The mean over the old tasks by bin and seed; the reason if a seed lacks a number.
pub fn by_bin(rows: &Rows, label: &str, metric: &str) -> Result<BTreeMap<Bin, BySeed>, String> {
    let last = rows.all_parts(metric).map(|part| part.after_task).max().unwrap_or(0);
    let bins: std::collections::BTreeSet<Bin> = rows.all_parts(metric).filter_map(|part| part.bin).collect();
    if last == 0 || bins.is_empty() {
        return Err(format!("{label} has no old tasks in {metric}"));
    }
    let mut found = BTreeMap::new();
    for bin in bins {
        let of_bin = |part: &&Part| part.bin == Some(bin) && part.after_task == last;
        let parts: Vec<&Part> = rows.parts(label, metric).iter().filter(of_bin).collect();
        found.insert(bin, over_tasks(&parts, &rows.seeds(label), last, label)?);
    }
    Ok(found)
}

/// The mean over the old tasks by seed; the reason if one lacks a number.
pub fn over_tasks(parts: &[&Part], seeds: &[u64], last: usize, label: &str) -> Result<BySeed, String> {
    let of_seed = |seed: u64| {
        let value = |task: usize| {
            let found = parts.iter().find(|part| part.seed == seed && part.on_task == task);
            found
                .and_then(|part| part.value)
                .ok_or_else(|| format!("{label} has no value with seed {seed} on task {}", task + 1))
        };
        let values: Vec<f64> = (0..last).map(value).collect::<Result<_, _>>()?;
        Ok((seed, values.iter().sum::<f64>() / values.len() as f64))
    };
    seeds.iter().map(|seed| of_seed(*seed)).collect()
}

/// The bins in which the mean over the old tasks is greatest in a seed, each with the number of its seeds, the most first.
pub fn peaks(rows: &Rows, label: &str, metric: &str) -> Result<Vec<(Bin, usize)>, String> {
    let by_bin = by_bin(rows, label, metric)?;
    let mut counts: BTreeMap<Bin, usize> = BTreeMap::new();
    for seed in rows.seeds(label) {
        let greatest = by_bin.iter().max_by(|a, b| a.1[&seed].total_cmp(&b.1[&seed]));
        *counts.entry(*greatest.ok_or("no bins")?.0).or_default() += 1;
    }
    let mut peaks: Vec<(Bin, usize)> = counts.into_iter().collect();
    peaks.sort_by_key(|peak| std::cmp::Reverse(peak.1));
    Ok(peaks)
}

/// The numbers by seed in the bin of a timestep.
pub fn at(rows: &Rows, label: &str, metric: &str, t: usize) -> Result<BySeed, String> {
    let mut bins = by_bin(rows, label, metric)?.into_iter();
    let found = bins.find(|((_, low, high), _)| (*low..*high).contains(&t));
    found.map(|(_, values)| values).ok_or_else(|| format!("{metric} has no bin of t = {t}"))
}

/// The axes of the figures: the name in the file, that in the figure, and whether x is the log of the signal-to-noise ratio.
const AXES: [(&str, &str, bool); 2] =
    [("t", "timestep t", false), ("snr", "log of the signal-to-noise ratio", true)];

/// The figures by the ending of their names, and the words about labels that are not drawn.
pub fn figures(of: &Timesteps, rows: &Rows) -> (Vec<(String, String)>, Vec<String>) {
    let (mut lines, mut gaps) = (Vec::new(), Vec::new());
    for label in &of.labels {
        match by_bin(rows, label, &of.metric) {
            Ok(found) => lines.push((label.as_str(), found)),
            Err(reason) => gaps.push(reason),
        }
    }
    let mut figures = Vec::new();
    for (ending, name, is_log_snr) in AXES {
        let x = |bin: &Bin| if is_log_snr { middle_log_snr(rows, bin) } else { Some(middle(bin)) };
        let series: Option<Vec<Series>> =
            lines.iter().enumerate().map(|(i, line)| series(i, line, rows, &x)).collect();
        let Some(series) = series else { continue };
        let (x, y) = (Axis { name, kind: Kind::Linear }, Axis { name: &of.y, kind: Kind::WithZero });
        figures.push((ending.to_owned(), svg(&of.title, x, y, &series, notes(&gaps))));
    }
    (figures, gaps)
}

fn notes(gaps: &[String]) -> Vec<String> {
    let about = "Mean over the old tasks and the seeds; bands: 95 % t interval over the seeds, of each bin by itself.";
    let mut notes = vec![about.to_owned()];
    if !gaps.is_empty() {
        notes.push(format!("Not drawn: {}.", listed(gaps)));
    }
    notes
}

fn middle(bin: &Bin) -> f64 {
    (bin.1 + bin.2) as f64 / 2.0
}

/// Halfway between the edges.
fn middle_log_snr(rows: &Rows, bin: &Bin) -> Option<f64> {
    Some(f64::midpoint(rows.log_snr(bin.1)?, rows.log_snr(bin.2)?))
}

/// None if a bin has no x.
fn series(
    i: usize,
    (label, by_bin): &(&str, BTreeMap<Bin, BySeed>),
    rows: &Rows,
    x: &dyn Fn(&Bin) -> Option<f64>,
) -> Option<Series> {
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for (bin, values) in by_bin {
        let (x, over) = (x(bin)?, over_seeds(values.values().copied())?);
        points.push((x, over.mean));
        band.extend(over.interval().map(|of| (x, of.low, of.high)));
    }
    let family = StrategySpec::family_named(rows.strategy(label));
    Some(Series { band, ..Series::joined(*label, Hue::Family(family), i, points) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRIC: &str = "timestep_forgetting.denoising_loss.absolute";

    /// Two seeds, three tasks, two bins: seed s, task j, bin b has 10 s + j + 100 b.
    fn rows(lost: Option<(u64, usize)>) -> Rows {
        let mut rows = Rows::default();
        for seed in [1, 2] {
            rows.add_value("a".into(), Some("replay".into()), "m".into(), seed, Some(0.0));
            for (after_task, on_task) in [(1, 0), (2, 0), (2, 1)] {
                for bin in [0, 1] {
                    let sum = 10.0 * seed as f64 + on_task as f64 + 100.0 * bin as f64;
                    let value = if after_task == 2 { sum } else { -1.0 };
                    let value = (lost != Some((seed, on_task))).then_some(value);
                    let bin = Some((bin, 500 * bin, 500 * bin + 500));
                    rows.push_part("a".into(), METRIC.into(), Part { seed, after_task, on_task, bin, value });
                }
            }
        }
        rows
    }

    #[test]
    fn the_mean_is_over_the_old_tasks_after_the_last() {
        let found = by_bin(&rows(None), "a", METRIC).unwrap();
        assert_eq!(found[&(0, 0, 500)], BySeed::from([(1, 10.5), (2, 20.5)]));
        assert_eq!(found[&(1, 500, 1000)], BySeed::from([(1, 110.5), (2, 120.5)]));
        assert_eq!(peaks(&rows(None), "a", METRIC), Ok(vec![((1, 500, 1000), 2)]));
        assert_eq!(at(&rows(None), "a", METRIC, 499), Ok(BySeed::from([(1, 10.5), (2, 20.5)])));
        assert!(at(&rows(None), "a", METRIC, 1000).is_err());
    }

    #[test]
    fn a_label_that_lacks_a_task_is_named_and_not_averaged() {
        let rows = rows(Some((2, 1)));
        assert_eq!(by_bin(&rows, "a", METRIC).unwrap_err(), "a has no value with seed 2 on task 2");
        let of: Timesteps = toml::from_str(&format!(
            "name = \"n\"\ntitle = \"T\"\nmetric = \"{METRIC}\"\ny = \"y\"\nlabels = [\"a\"]"
        ))
        .unwrap();
        let (figures, gaps) = figures(&of, &rows);
        assert_eq!(gaps.len(), 1);
        assert!(figures[0].1.contains("Not drawn: a has no value with seed 2 on task 2."));
    }
}
