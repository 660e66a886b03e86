//! Forgetting along the timesteps, a row of charts a strategy: relative by t, absolute by log-SNR, and of the bound by t,
//! each with the 95 % interval over images of every bin by itself.

use anyhow::Result;

use super::{
    forgetting::{self, CurvePoint, Loss},
    lines::{Axes, Line, draw_lines, range_of},
    palette,
    svg::figure,
};
use crate::{
    quantities::cells::strategies,
    results::{CellResult, Results},
};

/// x, the middle and half the width of the band, of a point.
type Place = fn(&CurvePoint) -> Option<(f64, f64, f64)>;

/// Loss, name of x, name of y, and where a point stands.
const PANELS: [(Loss, &str, &str, Place); 3] = [
    (Loss::Denoising, "timestep t", "Δ loss, %", |p| {
        Some((p.t, 100.0 * p.relative?, 100.0 * p.relative_margin()))
    }),
    (Loss::Denoising, "log-SNR", "Δ loss", |p| Some((p.log_snr?, p.absolute, p.margin()))),
    (Loss::Vlb, "timestep t", "Δ bits/dim in the bin", |p| Some((p.t, p.absolute, p.margin()))),
];

/// The row of one strategy; all strategies share the scales.
///
/// # Errors
/// If plotters cannot draw it.
pub(super) fn draw(results: &Results, cells: &[&CellResult]) -> Result<String> {
    let all = strategies(results);
    let index = all.iter().position(|(label, _)| *label == cells[0].label).unwrap_or(0);
    let title = format!("forgetting by timestep, with 95 % intervals over images, under {}", cells[0].label);
    figure((1140, 230), &title, |area| {
        for (panel, (loss, x, y, place)) in area.split_evenly((1, 3)).iter().zip(PANELS) {
            let lines: Vec<Line> = all
                .iter()
                .enumerate()
                .map(|(i, (_, cells))| line(&forgetting::curve(results, cells, loss), i, place))
                .collect();
            let axes = Axes { title: "", x, y, tasks: false, zero: true };
            draw_lines(panel, &axes, &lines[index..=index], range_of(&lines, true))?;
        }
        Ok(())
    })
}

fn line(points: &[CurvePoint], i: usize, place: Place) -> Line {
    let places: Vec<(f64, f64, f64)> = points.iter().filter_map(place).collect();
    let known = places.iter().any(|(.., margin)| *margin > 0.0);
    Line {
        colour: palette::strategy(i),
        points: places.iter().map(|(x, y, _)| (*x, *y)).collect(),
        band: if known { places.iter().map(|(x, y, m)| (*x, y - m, y + m)).collect() } else { Vec::new() },
        marker: i,
        is_bound: false,
    }
}
