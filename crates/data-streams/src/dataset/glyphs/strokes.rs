//! The ten symbols, as polylines in the unit square (x to the right, y down), within 0.2 to 0.8.

use std::f32::consts::{PI, TAU};

/// The names of the classes.
pub(super) const CLASSES: [&str; 10] =
    ["ring", "cross", "triangle", "arrow", "square", "star", "spiral", "tee", "wave", "ladder"];

/// Points on a circle or arc are this many to a full turn.
const POINTS_PER_TURN: f32 = 32.0;

/// The polylines of a class.
pub(super) fn strokes(class: usize) -> Vec<Vec<[f32; 2]>> {
    match CLASSES[class] {
        "ring" => vec![arc([0.5, 0.5], 0.28, 0.28, 0.0, TAU)],
        "cross" => vec![vec![[0.24, 0.24], [0.76, 0.76]], vec![[0.76, 0.24], [0.24, 0.76]]],
        "triangle" => vec![vec![[0.5, 0.2], [0.8, 0.75], [0.2, 0.75], [0.5, 0.2]]],
        "arrow" => vec![vec![[0.5, 0.8], [0.5, 0.2]], vec![[0.28, 0.44], [0.5, 0.2], [0.72, 0.44]]],
        "square" => vec![vec![[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75], [0.25, 0.25]]],
        "star" => (0..3).map(|i| diameter(i as f32 * PI / 3.0)).collect(),
        "spiral" => vec![spiral()],
        "tee" => vec![vec![[0.22, 0.25], [0.78, 0.25]], vec![[0.5, 0.25], [0.5, 0.8]]],
        "wave" => vec![(0..=24).map(wave_point).collect()],
        _ => vec![
            vec![[0.3, 0.2], [0.3, 0.8]],
            vec![[0.7, 0.2], [0.7, 0.8]],
            vec![[0.3, 0.37], [0.7, 0.37]],
            vec![[0.3, 0.63], [0.7, 0.63]],
        ],
    }
}

fn arc(centre: [f32; 2], rx: f32, ry: f32, from: f32, to: f32) -> Vec<[f32; 2]> {
    let n = ((to - from).abs() / TAU * POINTS_PER_TURN).ceil() as usize;
    (0..=n)
        .map(|i| from + (to - from) * i as f32 / n as f32)
        .map(|angle| [centre[0] + rx * angle.cos(), centre[1] + ry * angle.sin()])
        .collect()
}

/// A line through the centre.
fn diameter(angle: f32) -> Vec<[f32; 2]> {
    let (dx, dy) = (0.3 * angle.cos(), 0.3 * angle.sin());
    vec![[0.5 - dx, 0.5 - dy], [0.5 + dx, 0.5 + dy]]
}

/// One and a half turns outwards.
fn spiral() -> Vec<[f32; 2]> {
    let turns = 1.6;
    let n = (turns * POINTS_PER_TURN) as usize;
    (0..=n)
        .map(|i| i as f32 / n as f32)
        .map(|u| (0.03 + 0.28 * u, turns * TAU * u))
        .map(|(r, angle)| [0.5 + r * angle.cos(), 0.5 + r * angle.sin()])
        .collect()
}

/// A sine with one and a half periods.
fn wave_point(i: u8) -> [f32; 2] {
    let u = f32::from(i) / 24.0;
    [0.18 + 0.64 * u, 0.5 - 0.2 * (1.5 * TAU * u).sin()]
}
