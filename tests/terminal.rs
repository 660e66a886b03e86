//! Nothing that a command prints is wider than 80 columns where output is no terminal and `COLUMNS` is not set.
//!
//! Excepted are words that alone are wider, as paths and addresses may be: they stand on a line of their own. Documents that
//! programs read (JSON, TOML, completions, man pages) are no lines for the eye.

mod common;

use std::process::Output;

use common::{Scratch, text};
use unicode_width::UnicodeWidthStr;

/// The program as a user runs it, with its output in a pipe.
fn run(scratch: &Scratch, arguments: &[&str]) -> Output {
    scratch.command().env_remove("COLUMNS").env("NO_COLOR", "1").args(arguments).output().unwrap()
}

/// Whether a line may stand.
fn fits(line: &str, width: usize) -> bool {
    line.width() <= width || !line.trim().contains(' ')
}

/// The output of a command, every line of which must fit.
fn fitting(output: &Output, arguments: &[&str]) -> String {
    let printed = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(!printed.is_empty(), "{arguments:?} printed nothing");
    for line in printed.lines() {
        assert!(fits(line, 80), "{arguments:?}, {} columns: {line}", line.width());
    }
    printed
}

/// Runs a command that has to succeed, and to print lines that fit.
fn succeeding(scratch: &Scratch, arguments: &[&str]) -> String {
    let output = run(scratch, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    fitting(&output, arguments)
}

#[test]
fn help_fits_for_every_command() {
    let scratch = Scratch::new();
    let metrics = ["fid", "kid", "precision-recall", "vendi", "memorisation", "stats"];
    let mut commands: Vec<Vec<&str>> = vec![vec![]];
    for name in [
        "run",
        "sample",
        "predict",
        "export",
        "bpd",
        "metric",
        "bench",
        "doctor",
        "list",
        "data",
        "weights",
        "config",
        "report",
        "completions",
    ] {
        commands.push(vec![name]);
    }
    commands.extend(metrics.map(|name| vec!["metric", name]));
    commands.extend(["list", "show", "fetch"].map(|name| vec!["data", name]));
    commands.extend(["list", "fetch", "convert"].map(|name| vec!["weights", name]));
    commands.extend(["check", "show", "schema"].map(|name| vec!["config", name]));
    for command in commands {
        for help in ["--help", "-h"] {
            let printed = succeeding(&scratch, &[&command[..], &[help]].concat());
            assert!(printed.contains("Usage: "), "{command:?}");
        }
    }
}

#[test]
fn lists_fit() {
    let scratch = Scratch::new();
    for what in [
        "strategies",
        "buffers",
        "streams",
        "data-sets",
        "samplers",
        "schedules",
        "networks",
        "features",
        "backends",
        "metrics",
    ] {
        succeeding(&scratch, &["list", what]);
    }
    succeeding(&scratch, &["data", "list"]);
    succeeding(&scratch, &["weights", "list"]);
    succeeding(&scratch, &["data", "show", "glyphs", "--out", "glyphs.png"]);
}

#[test]
fn errors_fit() {
    let scratch = Scratch::new();
    let long = format!("{}\n[training]\nbatch_sizes = 1 # {}\n", "name = 'x'", "many words ".repeat(40));
    scratch.write("long.toml", &long);
    for arguments in [
        &["list", "nothing"][..],
        &["run", "--backend", "tpu"],
        &["run", "--sede", "1"],
        &["--config", "long.toml"],
        &["--config", "smoke", "--strategy", "ewk"],
        &["--config", "smoke", "--set", "strategy.x.y=1"],
        &["--config", "smoke", "--set", "training.batch_size=0"],
        &["--config", "smoke", "--sweep", "training.batch_size=8,8"],
        &["data", "show", "nothing"],
        &["data", "fetch", "nothing"],
        &["sample", "--model", "nowhere", "--out", "x.png"],
        &["predict", "--model", "nowhere", "--input", "nowhere.safetensors", "--out", "x.safetensors"],
        &["metric", "fid", "nowhere", "nowhere"],
        &["weights", "fetch", "nothing"],
        &["report", "nowhere"],
        &["--quiet", "list", "metrics"],
    ] {
        let output = run(&scratch, arguments);
        let printed = fitting(&output, arguments);
        assert!(printed.starts_with("error: "), "{arguments:?}: {printed}");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_run_its_report_and_uses_of_its_model_fit() {
    let scratch = Scratch::new();
    let short = ["--config", "smoke", "--backend", "flex", "--set", "training.steps_per_experience=5"];
    let first = run(&scratch, &[&short[..], &["--out", "run"]].concat());
    assert!(first.status.success(), "{}", text(&first.stderr));
    fitting(&first, &["run"]);
    let table = text(&first.stdout);
    let header: Vec<&str> = table.lines().take_while(|line| !line.starts_with('─')).collect();
    let header = header.join(" ");
    for heading in ["FID", "forgetting", "bits/dim", "accuracy", "passes ×10³"] {
        assert!(header.contains(heading), "{heading}: {table}");
    }
    assert!(table.contains("more columns: cldiff report run --columns all"), "{table}");
    succeeding(&scratch, &["report", "run"]);
    succeeding(&scratch, &["report", "run", "--columns", "all"]);
    succeeding(&scratch, &[&short[..], &["--out", "run", "--resume"]].concat());
    let other = [&short[..], &["--quiet", "--out", "other", "--set", "training.batch_size=8"]].concat();
    assert!(run(&scratch, &other).status.success());
    succeeding(&scratch, &["report", "run", "other"]);
    figures_leave(&scratch);
    let model = "run/cells/finetune-0/checkpoints/after-task-2";
    let flex = ["--backend", "flex"];
    let of_model = |words: &[&str]| succeeding(&scratch, &[words, &["--model", model], &flex].concat());
    of_model(&["sample", "--n", "2", "--steps", "2", "--out", "samples.png"]);
    of_model(&["bpd", "--images", "glyphs", "--limit", "2", "--stride", "500", "--out", "bits.json"]);
    of_model(&["export", "--out", "pipeline"]);
    succeeding(&scratch, &["config", "check", "run/config.toml"]);
    succeeding(&scratch, &["doctor", "--backend", "flex"]);
    succeeding(&scratch, &["metric", "swd", "glyphs:test", "glyphs:test"]);
    succeeding(
        &scratch,
        &[
            "bench",
            "--workload",
            "mnist-small",
            "--what",
            "forward",
            "--repetitions",
            "1",
            "--backend",
            "flex",
        ],
    );
}

/// `--figures` writes each figure twice, and refuses runs that have none together.
fn figures_leave(scratch: &Scratch) {
    let printed = succeeding(scratch, &["report", "run", "--figures", "pictures"]);
    let written = std::fs::read_dir(scratch.path("pictures")).unwrap();
    let names: Vec<String> = written.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let endings = |ending: &str| names.iter().filter(|name| name.ends_with(ending)).count();
    assert!(endings(".svg") > 8 && endings(".svg") == endings(".pdf"), "{names:?}");
    assert!(
        printed.contains(&format!("figures: pictures ({}, each as SVG and PDF)", endings(".pdf"))),
        "{printed}"
    );
    assert!(names.iter().any(|name| name == "fid-matrix-finetune.pdf"), "{names:?}");
    let both = ["report", "run", "other", "--figures", "pictures"];
    let refused = run(scratch, &both);
    assert_eq!(refused.status.code(), Some(2));
    let message = fitting(&refused, &both);
    assert!(message.contains("--figures: runs of different settings"), "{message}");
}

/// `--columns` takes the names of the CSV, in the order that is asked for, and lists them if one is not known.
#[test]
fn columns_are_chosen_by_the_names_of_the_csv() {
    let scratch = Scratch::new();
    let short =
        ["--config", "smoke", "--backend", "flex", "--quiet", "--strategy", "finetune", "--out", "run"];
    assert!(
        run(&scratch, &[&short[..], &["--set", "training.steps_per_experience=5"]].concat()).status.success()
    );
    let printed = succeeding(
        &scratch,
        &["report", "run", "--columns", "cost.train_seconds,fid.forgetting,cost.training_passes"],
    );
    let row = printed.lines().find(|line| line.starts_with("finetune")).unwrap();
    assert_eq!(row.split_whitespace().count(), 4, "{printed}");
    let csv = std::fs::read_to_string(scratch.path("run/results.csv")).unwrap();
    let of = |metric: &str| {
        let line = csv.lines().find(|line| line.contains(&format!(",{metric},value,"))).unwrap();
        line.split(',').rev().nth(1).unwrap().parse::<f64>().unwrap()
    };
    let shown: Vec<f64> = row.split_whitespace().skip(1).map(|number| number.parse().unwrap()).collect();
    for (number, metric) in shown.iter().zip(["cost.train_seconds", "fid.forgetting", "cost.training_passes"])
    {
        let value = of(metric);
        assert!((number - value).abs() <= value.abs() * 1e-3 + 1e-6, "{metric}: {number} and {value}");
    }
    let output = run(&scratch, &["report", "run", "--columns", "fid.forgeting"]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    for part in [
        "--columns: no column is called `fid.forgeting`",
        "fid.forgetting",
        "cost.train_seconds",
        "bpd.final_average",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    // Every quality of the table that is not asked for is there with `all`.
    let all = succeeding(&scratch, &["report", "run", "--columns", "all"]);
    assert!(all.lines().filter(|line| line.starts_with("finetune")).count() > 3, "{all}");
}

#[test]
fn a_wide_terminal_is_used() {
    let scratch = Scratch::new();
    let width = |columns: &str| {
        let output = scratch.command().env("COLUMNS", columns).args(["list", "strategies"]).output().unwrap();
        text(&output.stdout)
            .lines()
            .filter(|line| line.trim().contains(' '))
            .map(UnicodeWidthStr::width)
            .max()
            .unwrap()
    };
    assert!(width("200") > 80 && width("60") <= 60);
}

/// Completions and man pages come from the command line as it is.
#[test]
fn completions_and_man_pages_know_every_command() {
    let scratch = Scratch::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(&scratch, &["completions", shell]);
        let script = text(&output.stdout);
        assert!(output.status.success(), "{}", text(&output.stderr));
        for word in ["cldiff", "sweep", "report", "convert"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
    assert!(run(&scratch, &["man", "pages"]).status.success());
    let page = |name: &str| std::fs::read_to_string(scratch.path("pages").join(name)).unwrap();
    for name in [
        "cldiff",
        "cldiff-run",
        "cldiff-report",
        "cldiff-data-list",
        "cldiff-metric-fid",
        "cldiff-weights-convert",
        "cldiff-completions",
    ] {
        let text = page(&format!("{name}.1"));
        assert!(text.contains(&format!(".TH {name} 1")), "{text}");
    }
    assert!(page("cldiff-run.1").contains("sweep") && !page("cldiff-list.1").contains("threads"));
    assert!(!scratch.path("pages/cldiff-man.1").exists());
}
