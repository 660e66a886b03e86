//! Forgetting along the timesteps, a small chart a strategy: relative by t, absolute by log-SNR, and of the bound by t, each
//! with the 95 % interval over images of every bin by itself.

use super::{
    charts::{by_strategy, is_joint},
    drawing::Figure,
    forgetting::{self, CurvePoint, Loss},
    lines::{Axis, Line},
    looks::Look,
    scale::Kind,
    small_multiples,
};
use crate::{
    quantities::cells::strategies,
    results::{CellResult, Results},
};

/// x, the middle and half the width of the band, of a point.
type Place = fn(&CurvePoint) -> Option<(f64, f64, f64)>;

/// Title, loss, name of x, name of y, and where a point stands.
const PANELS: [(&str, Loss, &str, &str, Place); 3] = [
    (
        "Relative change of the denoising loss, by timestep",
        Loss::Denoising,
        "timestep t",
        "Δ loss, %",
        |p| Some((p.t, 100.0 * p.relative?, 100.0 * p.relative_margin())),
    ),
    ("Change of the denoising loss, by log-SNR", Loss::Denoising, "log-SNR", "Δ loss", |p| {
        Some((p.log_snr?, p.absolute, p.margin()))
    }),
    (
        "Change of the variational bound in each bin, by timestep",
        Loss::Vlb,
        "timestep t",
        "Δ bits/dim",
        |p| Some((p.t, p.absolute, p.margin())),
    ),
];

/// The figures. Bounds stand behind every chart, but for training on all tasks from the start, whose change is that of a
/// training and not of forgetting.
pub(super) fn draw(results: &Results) -> Vec<Figure> {
    PANELS.into_iter().map(|panel| figure(results, panel)).collect()
}

fn figure(results: &Results, (title, loss, x, y, place): (&str, Loss, &str, &str, Place)) -> Figure {
    let lines = by_strategy(results, |look, cells| line(results, look, cells, (loss, place)));
    let (bounds, own): (Vec<Line>, Vec<Line>) =
        lines.into_iter().partition(|line| line.look.marker.is_none());
    let all = strategies(results);
    let is_joint =
        |line: &&Line| all.iter().any(|(label, cells)| *label == line.look.label && is_joint(cells));
    let behind: Vec<Line> = bounds.iter().filter(|line| !is_joint(line)).cloned().collect();
    // A run of bounds alone has a chart for each of them.
    let (charts, behind) = if own.is_empty() { (bounds, Vec::new()) } else { (own, behind) };
    let charts: Vec<(&str, Vec<Line>)> =
        charts.iter().map(|line| (line.look.label.as_str(), vec![line.clone()])).collect();
    let (x, y) = (Axis { name: x, kind: Kind::Linear }, Axis { name: y, kind: Kind::WithZero });
    Figure {
        title: title.to_owned(),
        notes: vec![
            "Mean over all tasks but the last. Bands: ± 1.96 se over images, the 95 % interval of each bin by itself.".into(),
        ],
        keys: behind.iter().map(|line| line.look.key()).collect(),
        ..small_multiples::of_lines(x, y, &charts, &behind)
    }
}

fn line(results: &Results, look: Look, cells: &[&CellResult], (loss, place): (Loss, Place)) -> Line {
    let places: Vec<(f64, f64, f64)> =
        forgetting::curve(results, cells, loss).iter().filter_map(place).collect();
    let known = look.marker.is_some() && places.iter().any(|(.., margin)| *margin > 0.0);
    let band = if known { places.iter().map(|(x, y, m)| (*x, y - m, y + m)).collect() } else { Vec::new() };
    Line { band, ..Line::new(look, places.iter().map(|(x, y, _)| (*x, *y)).collect()) }
}
