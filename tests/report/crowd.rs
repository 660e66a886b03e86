//! A run of many strategies and seeds that was never trained: the cell of an old run, with other names and numbers.

use std::{collections::BTreeMap, io::Cursor, path::Path};

use cldiff_cli::{
    report::ReportInput,
    results::{CellResult, Results},
};
use image::{ImageFormat, RgbImage};

const EXAMPLE: &str = include_str!("../../crates/fuzz-targets/examples/results.json");

/// Terms of strategies of every family; the first is a bound.
const TERMS: [&str; 12] = [
    "joint",
    "finetune",
    "replay",
    "timestep_replay",
    "generative_replay",
    "generative_distillation",
    "l2",
    "online_ewc",
    "si",
    "gem",
    "lora",
    "replay+ewc",
];

/// A number in [0, 1) that looks like chance, the same on every machine.
fn noise(i: u64) -> f64 {
    let mixed = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1_u64 << 53) as f64
}

fn cell(example: &CellResult, strategy: u64, seed: u64) -> CellResult {
    let term = TERMS[strategy as usize % TERMS.len()];
    let round = strategy as usize / TERMS.len();
    // One bound, and names as long as people make them.
    let term = if round > 0 && term == "joint" { "ewc" } else { term };
    let label = if round == 0 { term.to_owned() } else { format!("{term}-with-another-coefficient-{round}") };
    let worse = 1.0 + strategy as f64 * 0.3;
    let factor = |i: u64| worse * (1.0 + 0.2 * noise(strategy * 1_000 + seed * 10 + i));
    let mut cell = CellResult { strategy: term.into(), label, seed, ..example.clone() };
    for (i, value) in cell.summary.values_mut().flatten().enumerate() {
        *value *= factor(i as u64);
    }
    for (i, value) in cell.matrices.values_mut().flatten().flatten().flatten().enumerate() {
        *value *= factor(i as u64);
    }
    // Classes asked for and seen, as in a run of this version.
    cell.readings.class_names = (0..10).map(|class| format!("class {class}")).collect();
    cell.readings.class_confusion =
        vec![
            (0..10).map(|asked| (0..10).map(|seen| if asked == seen { 12 } else { 1 }).collect()).collect();
            2
        ];
    cell
}

/// A grid of two tasks as PNG.
fn grid(shade: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = RgbImage::from_fn(8 * 33 - 1, 2 * 33 - 1, |x, y| image::Rgb([shade, x as u8, y as u8]));
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The run.
pub fn run(strategies: u64, seeds: u64) -> ReportInput {
    let mut results = Results::parse(EXAMPLE, Path::new("results.json")).unwrap();
    let example = results.cells.remove(0);
    results.name = "many strategies".into();
    results.cells = (0..strategies)
        .flat_map(|strategy| (0..seeds).map(move |seed| (strategy, seed)))
        .map(|(strategy, seed)| cell(&example, strategy, seed))
        .collect();
    let pictures = || vec![grid(40), grid(200)];
    let grids = results.cells.iter().map(|cell| ((cell.label.clone(), cell.seed), pictures())).collect();
    ReportInput {
        place: "runs/many".into(),
        results,
        missing: Vec::new(),
        config_toml: "name = \"many\"".into(),
        data_sha256: BTreeMap::new(),
        manifest: Vec::new(),
        grids,
        real_grid: Some(grid(120)),
    }
}
