//! Bits per dimension against the quality of samples: of each strategy bits per dimension, FID and class divergence over the
//! stream, and from which timesteps the change of the bits comes. Three strategies stand side by side in a figure.

use super::{
    charts::{On, TASKS, bars_note, levels_note, lines_over_tasks, notes},
    drawing::{Drawing, Figure, Stroke},
    forgetting::{self, CurvePoint, Loss},
    frame::Frame,
    lines::{Line, draw_lines, y_scale},
    looks::{Look, looks},
    palette::Paint,
    scale::{Kind, Scale},
    small_multiples::{self, COLUMNS, Row},
};
use crate::{
    quantities::cells::{is_bound, strategies},
    results::{CellResult, Results},
};

/// The rows over the stream, from above, as means over the tasks seen: name, metric, scale.
const ROWS: [(&str, &str, Kind); 3] =
    [("bits/dim", "bpd", Kind::Linear), ("FID (log)", "fid", Kind::Log), ("class KLD", "kld", Kind::Linear)];

/// The most names below the bars of a narrow chart.
const MOST_BINS: usize = 5;

/// A figure with the names of its strategies; all figures share the scales of a row.
pub(super) fn draw(results: &Results) -> Vec<(String, Figure)> {
    let all = strategies(results);
    let competing: Vec<usize> = (0..all.len()).filter(|i| !is_bound(&all[*i].1)).collect();
    // A run of bounds alone shows them as if they competed.
    let shown: Vec<usize> = if competing.is_empty() { (0..all.len()).collect() } else { competing };
    let rows = ROWS.map(|(name, metric, kind)| Over::the_stream(results, (name, metric, kind)));
    let bars = Bars::of(results, &all);
    let bands =
        rows.iter().flat_map(|over| &over.lines).flat_map(|line| &line.band).any(|band| band.1.is_finite());
    let figure = |chunk: &[usize]| {
        let names: Vec<&str> = chunk.iter().map(|i| all[*i].0.as_str()).collect();
        let stream = rows.iter().enumerate().map(|(i, over)| over.row(chunk, &names, i));
        let all_rows: Vec<Row<'_>> = stream.chain(std::iter::once(bars.row(chunk))).collect();
        let title = format!("Bits per dimension and the quality of samples: {}", names.join(", "));
        let mut about = notes([bars_note(results, "samples or images"), levels_note(results)]);
        about.extend(bands.then(|| "Bands: 95 % interval of the mean over seeds.".to_owned()));
        about.push(
            "Last row: change at the end of the stream on old tasks, with the 95 % interval over images of each bin by itself \
             (± 1.96 se)."
                .into(),
        );
        let keys = rows[1].behind.iter().map(|line| line.look.key()).collect();
        (names.join(", "), Figure { title, notes: about, keys, ..small_multiples::draw(&all_rows) })
    };
    shown.chunks(COLUMNS).map(figure).collect()
}

/// A metric over the stream, of all strategies.
struct Over {
    name: &'static str,
    kind: Kind,
    lines: Vec<Line>,
    /// Bounds and the floor.
    behind: Vec<Line>,
    scales: (Scale, Scale),
}

impl Over {
    fn the_stream(results: &Results, (name, metric, kind): (&'static str, &str, Kind)) -> Self {
        let lines = lines_over_tasks(results, metric, On::Seen);
        let floor = On::Seen.floor(results, metric).map(|floor| Line::level(Look::floor(), floor));
        let bounds = lines.iter().filter(|line| line.look.marker.is_none()).cloned();
        let behind: Vec<Line> = bounds.chain(floor).collect();
        let all = || lines.iter().chain(&behind);
        // Every task is on the axis, whatever has a value there.
        let tasks = (1..=results.stream.tasks.len()).map(|k| k as f64);
        let x = Scale::of(TASKS.kind, tasks);
        let y = y_scale(kind, all());
        Self { name, kind, scales: (x, y), behind, lines }
    }

    fn row<'a>(&'a self, chunk: &'a [usize], names: &[&'a str], i: usize) -> Row<'a> {
        let is_last = i + 1 == ROWS.len();
        Row {
            headings: if i == 0 { names.to_vec() } else { Vec::new() },
            x: self.scales.0.clone(),
            y: self.scales.1.clone(),
            name: self.name,
            draw: Box::new(move |drawing, frame, column| {
                let own = &self.lines[chunk[column]];
                let lines: Vec<Line> = self.behind.iter().chain([own]).cloned().collect();
                draw_lines(drawing, frame, &lines, self.kind);
            }),
            ticks: vec![is_last; chunk.len()],
            x_name: if is_last { TASKS.name } else { "" },
        }
    }
}

/// The change of the bound in each bin, with the 95 % interval over images of the bin by itself.
struct Bars {
    changes: Vec<Vec<CurvePoint>>,
    paints: Vec<Paint>,
    scales: (Scale, Scale),
}

impl Bars {
    fn of(results: &Results, all: &[(String, Vec<&CellResult>)]) -> Self {
        let changes: Vec<Vec<CurvePoint>> =
            all.iter().map(|(_, cells)| forgetting::curve(results, cells, Loss::Vlb)).collect();
        let longest = changes.iter().max_by_key(|points| points.len()).map_or(&[][..], Vec::as_slice);
        let names: Vec<String> = longest.iter().map(|point| point.from.to_string()).collect();
        let ends = changes.iter().flatten().flat_map(|p| [p.absolute - p.margin(), p.absolute + p.margin()]);
        let scales = (Scale::places(&names, MOST_BINS), Scale::of(Kind::WithZero, ends));
        let paints = looks(results).into_iter().map(|look| look.paint).collect();
        Self { changes, paints, scales }
    }

    fn row<'a>(&'a self, chunk: &'a [usize]) -> Row<'a> {
        Row {
            headings: Vec::new(),
            x: self.scales.0.clone(),
            y: self.scales.1.clone(),
            name: "Δ bits/dim",
            draw: Box::new(move |drawing, frame, column| {
                let i = chunk[column];
                draw_bars(drawing, frame, &self.changes[i], self.paints[i]);
            }),
            ticks: vec![true; chunk.len()],
            x_name: "bin of timesteps, from t =",
        }
    }
}

fn draw_bars(drawing: &mut Drawing, frame: &Frame, points: &[CurvePoint], paint: Paint) {
    for (place, point) in points.iter().enumerate() {
        let x = place as f64;
        drawing.rectangle(frame.at(x - 0.36, 0.0), frame.at(x + 0.36, point.absolute), paint);
        if point.error.is_some() {
            let ends = [point.absolute - point.margin(), point.absolute + point.margin()];
            drawing.line(ends.map(|y| frame.at(x, y)), Stroke::new(Paint::INK, 1.0));
        }
    }
    frame.level(drawing, 0.0, Stroke::new(Paint::INK.faint(0.6), 1.0));
}
