//! The figures of a report: what they draw, how they can be read, and their files.

use std::fs;

use super::*;
use crate::{
    quantities::cells::strategies,
    report::drawing::{Figure, well_formed},
};

/// A run with every figure: two competing strategies and two bounds.
fn run(seeds: u64) -> ReportInput {
    let strategies = ["finetune", "replay", "joint", "cumulative"];
    let of_seed = |seed: u64| {
        strategies.map(|name| {
            let readings = every_reading(3);
            let mut cell = CellResult { strategy: name.into(), readings, ..cell(name, seed, 3) };
            let spread = 2.0 * seed as f64;
            let fid = |k: usize, j: usize| (j <= k).then_some(40.0 - 10.0 * (k + j) as f64 / 2.0 + spread);
            if name == "joint" {
                let rows = (0..3).map(|k| (0..3).map(|j| fid(k, j)).collect()).collect();
                cell.matrices.insert("fid".into(), rows);
            }
            cell.standard_errors.insert("fid".into(), vec![vec![Some(1.5); 3]; 3]);
            cell
        })
    };
    input((0..seeds).flat_map(of_seed).collect(), 3)
}

fn figures(run: &ReportInput) -> Vec<(String, Figure)> {
    let gallery = Gallery::of(&run.results);
    gallery.named().into_iter().map(|(name, figure)| (name, figure.clone())).collect()
}

fn figure(run: &ReportInput, name: &str) -> Figure {
    figures(run).into_iter().find(|(of, _)| of == name).unwrap_or_else(|| panic!("no figure {name}")).1
}

#[test]
fn every_figure_is_well_formed_and_its_letters_can_be_read() {
    let run = run(2);
    let page = render(std::slice::from_ref(&run)).unwrap();
    let in_page: Vec<&str> = page.match_indices("<svg ").map(|(at, _)| &page[at..]).collect();
    let all = figures(&run);
    assert_eq!(in_page.len(), all.len());
    for svg in in_page.into_iter().map(|rest| &rest[..rest.find("</svg>").unwrap() + 6]) {
        well_formed(svg).unwrap();
        let sizes = svg.split(" font-size=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        let sizes: Vec<f64> = sizes.map(|size| size.parse().unwrap()).collect();
        assert!(!sizes.is_empty() && sizes.iter().all(|size| *size >= 11.0), "{sizes:?}");
    }
    for (name, figure) in &all {
        let svg = figure.svg();
        assert!(well_formed(&svg).unwrap().len() > 5, "{name}");
        assert!(!svg.contains("NaN") && !svg.contains("inf\"") && !svg.contains("inf "), "{name}");
        // A tick like 4.3999999999999995.
        let texts = svg.split("</text>").filter_map(|before| before.rsplit('>').next());
        assert!(texts.clone().all(|text| text.len() < 12 || text.parse::<f64>().is_err()), "{name}");
        assert!(!figure.title.is_empty(), "{name}");
    }
}

/// A figure that is shown smaller has smaller letters.
#[test]
fn figures_fit_the_narrow_page() {
    for (name, figure) in figures(&run(1)) {
        assert!(figure.width <= 736.0, "{name}: {}", figure.width);
    }
}

#[test]
fn bounds_and_the_floor_are_lines_of_reference() {
    let run = run(1);
    for name in ["cost-1", "cost-2", "fid-1", "fid-2", "bits", "hybrid-1"] {
        let figure = figure(&run, name);
        let keys: Vec<&str> = figure.keys.iter().map(|key| key.label.as_str()).collect();
        assert!(keys.contains(&"floor") && keys.contains(&"joint"), "{name}: {keys:?}");
        let svg = figure.svg();
        for dash in ["9 4", "1.5 3"] {
            // In the chart, and once more in the legend.
            assert!(svg.matches(&format!("stroke-dasharray=\"{dash}\"")).count() >= 2, "{name}: {dash}");
        }
    }
    // Joint training is a level at its end, 30: as high left as right.
    let svg = figure(&run, "fid-1").svg();
    let level = svg.split("<path d=\"M").find(|path| path.contains("\"9 4\"")).unwrap();
    let (start, end) = level.split('"').next().unwrap().split_once('L').unwrap();
    let (start, end) = (start.split_once(' ').unwrap(), end.split_once(' ').unwrap());
    assert!(start.1 == end.1 && start.0 != end.0, "{level}");
    assert!(figure(&run, "fid-1").notes[0].contains("shown at its end"));
}

#[test]
fn the_matrix_of_fid_has_the_floor_as_its_last_row() {
    let svg = figure(&run(1), "fid-matrix-finetune").svg();
    assert!(svg.contains(">floor</text>") && svg.contains(">0.50</text>") && svg.contains(">±1.50</text>"));
    assert!(svg.contains("± se over samples"));
}

#[test]
fn every_bar_says_over_what_it_is() {
    for (seeds, told) in [(1, "± se over samples, one seed"), (2, "± sd over 2 seeds")] {
        let run = run(seeds);
        for name in ["cost-1", "fid-1", "fid-2", "drift"] {
            assert!(figure(&run, name).notes[0].contains(told), "{name}: {:?}", figure(&run, name).notes);
        }
    }
    assert!(figure(&run(1), "timestep-1").notes[0].contains("± se over images, one seed"));
    assert!(figure(&run(1), "hybrid-1").notes.is_empty());
}

#[test]
fn a_bar_is_as_long_as_the_deviation() {
    let line = |seeds: u64, strategy: usize| {
        charts::lines_over_tasks(&run(seeds).results, "fid", charts::On::First)[strategy].clone()
    };
    // FID on task 1 is 10 after it and 40 then; with one seed, its standard error is 1.5.
    assert_eq!(line(1, 0).bars[..2], [(1.0, 8.5, 11.5), (2.0, 38.5, 41.5)]);
    assert!(line(1, 2).is_level && line(1, 2).bars.is_empty() && !line(1, 3).is_level);
    // Two seeds of equal values have no deviation, whatever their standard errors are.
    assert_eq!(line(2, 1).bars[0], (1.0, 10.0, 10.0));
    // The mean over two tasks, each with an error of 1.5.
    let seen = charts::lines_over_tasks(&run(1).results, "fid", charts::On::Seen)[0].bars[1];
    assert!((seen.2 - seen.1 - 2.0 * 1.5 / 2.0_f64.sqrt()).abs() < 1e-12, "{seen:?}");
}

#[test]
fn small_multiples_have_one_chart_a_strategy_and_one_pair_of_axes() {
    let svg = figure(&run(1), "timestep-small-1").svg();
    assert!(svg.contains(">finetune</text>") && svg.contains(">replay</text>"));
    for name in ["timestep t", "Δ loss, %"] {
        assert_eq!(svg.matches(&format!(">{name}</text>")).count(), 1, "{name}");
    }
    // Every competing strategy has its own chart, bounds are behind each, and the two charts share their ticks of y.
    assert_eq!(svg.matches(">0</text>").count(), 1, "{svg}");
}

#[test]
fn every_figure_leaves_as_svg_and_pdf() {
    let mut run = run(1);
    for (i, label) in ["../up", "a/b", "a b"].into_iter().enumerate() {
        run.results.cells[i].label = label.into();
    }
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("new/figures");
    let count = write_figures(std::slice::from_ref(&run), &out).unwrap();
    let mut names: Vec<String> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!((names.len(), strategies(&run.results).len()), (2 * count, 4));
    for wanted in [
        "fid-matrix-a-b.svg",
        "fid-matrix-a-b-2.pdf",
        "fid-matrix--up.svg",
        "cost-1.pdf",
        "drift.svg",
        "bits.pdf",
    ] {
        assert!(names.iter().any(|name| name == wanted), "{wanted}: {names:?}");
    }
    let pdf = fs::read(out.join("cost-1.pdf")).unwrap();
    assert!(pdf.starts_with(b"%PDF-") && pdf.ends_with(b"%%EOF"));
    // Again over the files that are there, and nowhere where a file stands in the way.
    assert_eq!(write_figures(&[run.clone()], &out).unwrap(), count);
    let message = format!("{:#}", write_figures(&[run], &out.join("cost-1.pdf")).unwrap_err());
    assert!(
        message.contains("the figures cannot be written to") && message.contains("cost-1.pdf"),
        "{message}"
    );
}
