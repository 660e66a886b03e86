//! The report in a browser and on paper: no page is wider than its window, of the smoke run and of 25 strategies with 10
//! seeds; samples enlarge; tables leave as LaTeX and Markdown.
//!
//! Pages are rendered by Chromium, found as `chromium`, `chromium-browser` or `google-chrome`. Where it is not installed, the
//! tests say so and check the rest.

mod browser;
#[path = "../common.rs"]
mod common;
mod crowd;

use std::fs;

use browser::{Browser, Measured};
use common::{Scratch, text};

/// A window for a screen, and one for half a screen.
const WIDTHS: [u32; 2] = [1280, 800];

/// Checks a page at both widths; gives the measurements at the first.
fn check(browser: &Browser, html: &str) -> Measured {
    let [first, second] = WIDTHS.map(|width| {
        let measured = browser.measure(html, width);
        assert!(measured.page <= measured.window, "{width} pixels: the page overflows: {measured:?}");
        assert!(measured.table <= measured.table_place, "{width} pixels: the table overflows: {measured:?}");
        assert_eq!(measured.first_column, "sticky", "{width} pixels");
        assert!(measured.contents <= 60, "{width} pixels: the bar of contents is no bar: {measured:?}");
        measured
    });
    assert!(second.window < first.window);
    first
}

fn smoke_run(scratch: &Scratch) {
    let short = ["--config", "smoke", "--backend", "flex", "--set", "training.steps_per_experience=5"];
    let output = scratch.cldiff(&[&short[..], &["--quiet", "--out", "run"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn the_report_of_a_run_fits_and_its_samples_enlarge() {
    let scratch = Scratch::new();
    smoke_run(&scratch);
    let html = fs::read_to_string(scratch.path("run/report.html")).unwrap();
    assert!(html.contains("Results of 3 strategies and 1 bound, one seed each"));
    assert!(!html.contains("<details class=\"family\">"), "a few strategies are not grouped");
    tables_leave(&scratch);
    let Some(browser) = Browser::find() else { return };
    let measured = check(&browser, &html);
    // The enlarged sample, and the real images beside it; Escape and a second click are the browser's own.
    assert_eq!(measured.enlarged, 2, "{measured:?}");
}

#[test]
fn a_report_of_25_strategies_and_10_seeds_fits_and_stays_short() {
    let run = crowd::run(25, 10);
    let html = cldiff_cli::report::render(&[run]).unwrap();
    for family in ["rehearsal of stored images", "penalties on parameters", "projected gradients"] {
        assert!(html.contains(&format!("<details class=\"family\"><summary>{family} ")), "{family}");
    }
    // A row for each competing strategy, and an entry for every two.
    let map = html.split_once("<caption>Verdicts by ").unwrap().1.split("</table>").next().unwrap();
    assert_eq!((map.matches("<tr>").count(), map.matches("<td class=\"self\">").count()), (1 + 24, 24));
    assert_eq!(map.matches("<td class=").count(), 24 * 24);
    let findings =
        html.split_once("<section id=\"findings\">").unwrap().1.split("</section>").next().unwrap();
    assert!(findings.matches("<li>").count() <= 5, "{findings}");
    let Some(browser) = Browser::find() else { return };
    // Half of the 40,000 pixels that such a report had.
    let measured = check(&browser, &html);
    assert!(measured.height < 20_000, "{measured:?}");
}

/// LaTeX and Markdown go to standard output alone, and no report is written.
fn tables_leave(scratch: &Scratch) {
    fs::remove_file(scratch.path("run/report.html")).unwrap();
    let printed = |arguments: &[&str]| {
        let output = scratch.cldiff(&[&["report", "run"], arguments].concat());
        assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let latex = printed(&["--latex"]);
    let lines: Vec<&str> = latex.lines().map(str::trim).collect();
    assert!(lines.contains(&"\\begin{tabular}{lrrrrr}") && lines.contains(&"\\end{table}"), "{latex}");
    assert!(latex.contains("One seed each; $\\pm$ is the standard error over samples or images."), "{latex}");
    assert!(latex.contains("FID from 80 samples a task in the features of the 16-d classifier"), "{latex}");
    assert!(
        lines.iter().any(|line| line.starts_with("joint (bound) & $") && line.ends_with("\\\\")),
        "{latex}"
    );
    assert!(!latex.contains("\\mathbf"), "one seed marks nothing: {latex}");
    let markdown = printed(&["--markdown", "--columns", "cost.buffer_bytes,fid.forgetting"]);
    let table: Vec<&str> = markdown.lines().take_while(|line| line.starts_with('|')).collect();
    assert_eq!(table[0], "| strategy | cost.buffer\\_bytes | fid.forgetting ↓ |");
    assert_eq!((table[1], table.len()), ("| --- | ---: | ---: |", 2 + 4));
    assert!(!scratch.path("run/report.html").exists());
    let both = scratch.cldiff(&["report", "run", "--latex", "--markdown"]);
    assert_eq!((both.status.code(), both.stdout.is_empty()), (Some(2), true));
    let page = scratch.cldiff(&["report", "run"]);
    assert!(page.status.success() && scratch.path("run/report.html").exists());
}
