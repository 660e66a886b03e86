//! Where along the timesteps forgetting is greatest. The bin was searched for, so that intervals are simultaneous over
//! all bins and strategies, and the highest bin is compared with every other.

use std::cmp::Ordering;

use cl_metrics::summary::{BySeed, FEWEST_SEEDS, paired_difference};

use super::simultaneous;
use crate::{
    quantities::cells::{samples, spread, strategies},
    report::{
        forgetting::{self, CurvePoint, Estimate, Loss},
        simultaneous::{Family, Judged},
    },
    results::{CellResult, Results},
};

/// Degrees of freedom of a standard error whose number of images is not known (results of older versions).
const UNKNOWN: f64 = 1000.0;

/// The losses whose change over all timesteps is told.
const WHOLE: [(Loss, &str); 2] = [(Loss::Denoising, "the denoising loss"), (Loss::Vlb, "bits per dimension")];

/// A sentence for each strategy. For each of them a family has every bin, every two bins, and the whole change of two losses.
pub(in super::super) fn timesteps(results: &Results) -> Vec<String> {
    let (all, bins) = (strategies(results), forgetting::bins(results));
    let family = Family { tests: all.len() * (bins + bins * bins.saturating_sub(1) / 2 + WHOLE.len()) };
    all.iter().filter_map(|(label, cells)| sentence(results, label, cells, family)).collect()
}

/// The relative changes of the denoising loss in all bins, with the errors to judge them by.
struct Changes {
    family: Family,
    points: Vec<(CurvePoint, f64)>,
    /// The values of the seeds, bin by bin; empty for fewer than five seeds.
    by_seed: Vec<BySeed>,
    degrees: f64,
}

impl Changes {
    fn of(results: &Results, cells: &[&CellResult], family: Family) -> Option<Self> {
        let points = forgetting::curve(results, cells, Loss::Denoising).into_iter();
        let points: Vec<_> = points.map(|point| Some((point, point.relative?))).collect::<Option<_>>()?;
        let of_seed = |cell: &&CellResult| forgetting::curve(results, &[*cell], Loss::Denoising);
        let curves: Vec<_> = cells.iter().map(|cell| (cell.seed, of_seed(cell))).collect();
        let of_bin = |bin: usize| {
            curves
                .iter()
                .map(|(seed, points)| Some((*seed, points.get(bin)?.relative?)))
                .collect::<Option<BySeed>>()
        };
        let by_seed: Option<Vec<BySeed>> = (0..points.len()).map(of_bin).collect();
        let by_seed = by_seed.filter(|_| cells.len() >= FEWEST_SEEDS).unwrap_or_default();
        Some(Self { family, points, by_seed, degrees: degrees(results, cells) })
    }

    fn over(&self) -> &'static str {
        if self.by_seed.is_empty() { "images" } else { "seeds" }
    }

    /// The change in a bin: over five seeds and more the mean of the seeds' own, which its interval is of.
    fn value(&self, bin: usize) -> f64 {
        let of_seeds = self.by_seed.get(bin).and_then(|values| spread(values.values().copied().map(Some)));
        of_seeds.map_or(self.points[bin].1, |over| over.mean)
    }

    /// The change in a bin with its interval; none where its error is not known.
    fn rise(&self, bin: usize) -> Option<Judged> {
        match self.by_seed.get(bin) {
            Some(values) => self.family.over_seeds(&spread(values.values().copied().map(Some))?),
            None => {
                let (point, value) = self.points[bin];
                Some(self.family.over_images(value, point.relative_error?, self.degrees))
            }
        }
    }

    /// Whether the change in one bin is told to be greater than in another. Bins share their images: the sum of the two
    /// errors is the largest that their difference can have.
    fn is_greater(&self, a: usize, b: usize) -> bool {
        let judged = match (self.by_seed.get(a), self.by_seed.get(b)) {
            (Some(a), Some(b)) => paired_difference(a, b).and_then(|d| self.family.over_seeds(&d)),
            _ => {
                let ((a, value_a), (b, value_b)) = (self.points[a], self.points[b]);
                let error = a.relative_error.zip(b.relative_error).map(|(a, b)| a + b);
                error.map(|error| self.family.over_images(value_a - value_b, error, self.degrees))
            }
        };
        judged.is_some_and(|judged| judged.sign == Ordering::Greater)
    }
}

/// The fewest images of a task behind the losses, less one.
fn degrees(results: &Results, cells: &[&CellResult]) -> f64 {
    let last = results.stream.tasks.len().saturating_sub(1);
    let images = (0..last).filter_map(|j| samples(cells, "bpd", last, j)).map(|(least, _)| least).min();
    images.map_or(UNKNOWN, |n| n.saturating_sub(1).max(1) as f64)
}

fn sentence(results: &Results, label: &str, cells: &[&CellResult], family: Family) -> Option<String> {
    let changes = Changes::of(results, cells, family)?;
    let bins = 0..changes.points.len();
    let peak = bins.clone().max_by(|&a, &b| changes.value(a).total_cmp(&changes.value(b)))?;
    let names = |bins: &[usize]| {
        let name = |&bin: &usize| forgetting::bin_name(results, changes.points[bin].0.bin);
        bins.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let (percent, at) = (100.0 * changes.value(peak), names(&[peak]));
    let Some(rise) = changes.rise(peak) else {
        return Some(format!(
            "{label}: the change of the denoising loss on old tasks is highest at t = {at}, {percent:+.0} %; its error is \
             not known."
        ));
    };
    let scaled = Judged { low: 100.0 * rise.low, high: 100.0 * rise.high, ..rise };
    let interval = simultaneous(&scaled, changes.over(), 0);
    let is_told = |bin: &usize| changes.rise(*bin).is_some_and(|rise| rise.sign == Ordering::Greater);
    let risen: Vec<usize> = bins.clone().filter(is_told).collect();
    let tied: Vec<usize> = bins.filter(|&bin| bin != peak && !changes.is_greater(peak, bin)).collect();
    let found = match (risen.is_empty(), tied.is_empty()) {
        (true, _) => format!(
            "at no timestep is a rise of the denoising loss on old tasks told from 0; the highest of its changes is \
             {percent:+.0} % at t = {at} ({interval})."
        ),
        (false, true) => format!(
            "the denoising loss on old tasks rises most at t = {at}, by {percent:+.0} % ({interval}), more than in every \
             other bin."
        ),
        (false, false) => format!(
            "the denoising loss on old tasks rises at t = {}; its highest change, {percent:+.0} % at t = {at} ({interval}), \
             is not told from that at t = {}.",
            names(&risen),
            names(&tied)
        ),
    };
    let parts = WHOLE.map(|(loss, name)| part(&changes, cells, loss, name)).concat();
    Some(format!("{label}: {found}{parts}"))
}

/// How much of the change over all timesteps comes from those with more signal than noise, over all old tasks and seeds.
/// The share is given where the whole is told from 0.
fn part(changes: &Changes, cells: &[&CellResult], loss: Loss, name: &str) -> String {
    let (Some(total), Some(clear)) = (forgetting::total(cells, loss), forgetting::clear(cells, loss)) else {
        return String::new();
    };
    let Some(whole) = whole(changes, cells, loss, &total) else { return String::new() };
    let decimals = |value: f64| (2.0 - value.abs().max(1e-6).log10().floor()).clamp(2.0, 6.0) as usize;
    let digits = decimals(total.value);
    let (share, untold) = match whole.sign {
        Ordering::Equal => (String::new(), "; the whole is not told from 0"),
        _ => (format!(", {:.0} %,", 100.0 * clear.value / total.value), ""),
    };
    format!(
        " Of the change of {name} over all timesteps, {:+.digits$} ({}), {:+.digits$}{share} comes from timesteps with more \
         signal than noise{untold}.",
        total.value,
        simultaneous(&whole, changes.over(), digits),
        clear.value,
    )
}

/// The change over all timesteps, judged as the bins are.
fn whole(changes: &Changes, cells: &[&CellResult], loss: Loss, total: &Estimate) -> Option<Judged> {
    if changes.by_seed.is_empty() {
        return Some(changes.family.over_images(total.value, total.error?, changes.degrees));
    }
    let of_seeds = cells.iter().map(|cell| Some(forgetting::total(&[*cell], loss)?.value));
    changes.family.over_seeds(&spread(of_seeds)?)
}
