//! The whole path, tiny: what a run leaves behind, and that it can be repeated.

mod common;

use std::fs;

use common::{Scratch, results_without_cost, text};
use serde_json::Value;

fn smoke(scratch: &Scratch, more: &[&str]) -> std::process::Output {
    scratch.cldiff(&[&["--config", "smoke", "--backend", "flex"], more].concat())
}

#[test]
fn a_run_leaves_table_pictures_models_and_a_report() {
    let scratch = Scratch::new();
    // The width is that of a terminal that does not say its own.
    let mut command = scratch.command();
    command.env_remove("COLUMNS").args(["--config", "smoke", "--backend", "flex", "--out", "run"]);
    let output = command.output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stderr}");
    for expected in ["joint", "finetune", "replay-1", "replay-0.1", "report: run/report.html"] {
        assert!(stdout.contains(expected), "no {expected} in\n{stdout}");
    }
    told_at_the_start(&stderr);
    let run = scratch.path("run");
    for file in ["config.toml", "manifest.json", "results.json", "report.html", "real.png"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    for file in [
        "metrics.jsonl",
        "samples/after-task-2.png",
        "checkpoints/after-task-2/config.json",
        "checkpoints/after-task-2/diffusion_pytorch_model.safetensors",
    ] {
        assert!(run.join("cells/replay-0.1-0").join(file).is_file(), "{file}");
    }
    let manifest: Value =
        serde_json::from_str(&fs::read_to_string(run.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["backend"], "flex");
    assert!(manifest["end"].is_string());
    let classes = manifest["classes"].as_array().unwrap();
    assert_eq!(classes.len(), 10);
    assert!(classes.iter().all(|class| (&class["train"], &class["eval"]) == (&60.into(), &40.into())));
    schema_1(&results_without_cost(&run));
    let again = scratch.cldiff(&["report", "run"]);
    assert!(again.status.success() && text(&again.stdout).contains("finetune"));
}

/// A run says in lines of at most 80 columns, without colours, what it does, on which images, where to and for how long.
fn told_at_the_start(stderr: &str) {
    for expected in [
        "smoke: 4 cells (4 strategies x 1 seed) on flex: CPU (",
        "results: run\n",
        "in 2 tasks: ",
        "10 classes, each with 60 images to train on and 40 held out\n",
        "this takes about ",
        "[4/4] replay-0.1  after task 2/2: FID over tasks seen ",
    ] {
        assert!(stderr.contains(expected), "no \"{expected}\" in\n{stderr}");
    }
    let before = stderr.find("this takes about ").unwrap();
    assert!(
        before < stderr.find("training the classifier").unwrap(),
        "told before anything is computed:\n{stderr}"
    );
    let longest = stderr.lines().max_by_key(|line| line.chars().count()).unwrap();
    assert!(longest.chars().count() <= 80, "{longest}");
    assert!(!stderr.contains('\x1b'), "{stderr}");
}

/// The keys and shapes of results.json.
fn schema_1(results: &Value) {
    assert_eq!(results["schema"], 1);
    assert_eq!(results["judge"]["n"], 400);
    assert!(results["judge"]["accuracy"].as_f64().unwrap() > 0.9, "{}", results["judge"]);
    assert!(results["features"].as_str().unwrap().starts_with("16-d classifier (weights sha256 "));
    let tasks = results["stream"]["tasks"].as_array().unwrap();
    assert_eq!(tasks[0]["classes"].as_array().unwrap().len(), 5);
    assert_eq!((&tasks[0]["train"], &tasks[0]["eval"]), (&300.into(), &200.into()));
    // 80 training images in place of samples, of 60 of each of five classes.
    for name in ["fid", "fid_pooled"] {
        assert_eq!(results["floor_samples"][name], serde_json::json!([80, 80]), "{name}");
    }
    assert!(results["floor_summary"]["fid.forgetting"].is_number());
    assert_eq!(results["floor_draws_overlap"], false);
    let seen = |row: &Value| row.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    let confusion = results["judge_confusion"].as_array().unwrap();
    assert!(confusion.len() == 10 && confusion.iter().all(|row| seen(row) == 40));
    for cell in results["cells"].as_array().unwrap() {
        assert_eq!(cell["pooled_samples"]["fid"], serde_json::json!([80, 80]));
        let sample_metrics =
            ["fid", "kid", "precision", "recall", "density", "coverage", "kld", "ard", "accuracy", "swd"];
        for name in sample_metrics {
            assert!(cell["matrices"][name][0][1].is_null(), "{name}");
            assert!(cell["pooled"][name][1].is_number(), "{name}");
            assert!(results["floor"][name][0].is_number(), "{name}");
            assert!(results["floor"][format!("{name}_pooled")][1].is_number(), "{name}");
        }
        assert_eq!(cell["bound"], cell["strategy"] == "joint", "{}", cell["label"]);
        let buffer = cell["strategy"] == "replay";
        assert_eq!(cell["matrices"]["memorisation"][1][0].is_number(), buffer, "{}", cell["label"]);
        // Copies of training images are looked for with and without a buffer.
        assert!(cell["matrices"]["memorised_training"][1][0].is_number(), "{}", cell["label"]);
        assert!(cell["summary"].get("memorised_training.forgetting").is_none());
        for name in ["fid", "kid", "precision", "recall", "coverage", "kld", "accuracy", "swd"] {
            assert!(cell["standard_errors"][name][1][0].is_number(), "{name}");
            assert!(cell["pooled_standard_errors"][name][1].is_number(), "{name}");
        }
        let both = ["bpd", "denoising_loss"];
        for name in sample_metrics.into_iter().chain(both) {
            let matrix = cell["matrices"][name].as_array().unwrap();
            assert!(
                matrix.len() == 2 && matrix.iter().all(|row| row.as_array().unwrap().len() == 2),
                "{name}"
            );
            assert!(matrix[1][0].is_number(), "{name}");
        }
        assert_eq!(cell["timestep"]["edges"].as_array().unwrap().len(), 6);
        for name in ["denoising_loss", "vlb"] {
            assert_eq!(cell["timestep"][name][1][0].as_array().unwrap().len(), 5);
        }
        for name in ["fid.final_average", "fid.forgetting", "fid.backward_transfer", "bpd.final_average"] {
            assert!(cell["summary"][name].is_number(), "{name}");
        }
    }
}

#[test]
fn two_runs_of_one_configuration_are_the_same_and_resuming_a_finished_one_changes_nothing() {
    let scratch = Scratch::new();
    let few = ["--strategy", "finetune,replay-1", "--quiet"];
    for out in ["a", "b"] {
        let output = smoke(&scratch, &[&["--out", out], &few[..]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(output.stderr.is_empty(), "--quiet says {}", text(&output.stderr));
    }
    let first = results_without_cost(&scratch.path("a"));
    assert_eq!(first, results_without_cost(&scratch.path("b")));
    // One cell is lost; resuming makes it again, and it is the same.
    fs::remove_file(scratch.path("b/cells/replay-1-0/result.json")).unwrap();
    let output = smoke(&scratch, &[&["--out", "b", "--resume"], &few[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(first, results_without_cost(&scratch.path("b")));
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let scratch = Scratch::new();
    let run = |threads: &str| {
        let out = format!("threads-{threads}");
        let status = scratch
            .command()
            .args([
                "--config",
                "smoke",
                "--backend",
                "flex",
                "--strategy",
                "replay-1",
                "--quiet",
                "--out",
                &out,
            ])
            .env("XDG_CACHE_HOME", scratch.path(&format!("cache-{threads}")))
            .env("RAYON_NUM_THREADS", threads)
            .env("CLDIFF_MORE_THREADS_THAN_CORES", "1")
            .status();
        assert!(status.unwrap().success());
        results_without_cost(&scratch.path(&out))
    };
    assert_eq!(run("1"), run("3"));
}

/// More threads than cores, asked for by the option or by rayon's variable, are as many as the cores, and a warning and the
/// manifest say so.
#[test]
fn there_are_no_more_threads_than_cores() {
    let scratch = Scratch::new();
    let cores = std::thread::available_parallelism().unwrap().get();
    let smallest = [
        "--strategy",
        "finetune",
        "--quiet",
        "--set",
        "training.steps_per_experience=1",
        "--set",
        "stream.class_incremental.experiences=1",
    ];
    let run = |out: &str, variable: Option<&str>, more: &[&str]| {
        let arguments =
            [&["--config", "smoke", "--backend", "flex", "--out", out], &smallest[..], more].concat();
        let mut command = scratch.command();
        command.args(arguments).envs(variable.map(|number| ("RAYON_NUM_THREADS", number)));
        let output = command.output().unwrap();
        let told = text(&output.stderr);
        assert!(output.status.success(), "{told}");
        let manifest = fs::read_to_string(scratch.path(out).join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        (told, manifest["sessions"][0]["threads"].as_u64().unwrap())
    };
    let lowered = |by: &str| format!("{by} is lowered to {cores}, the number of cores");
    let (told, threads) = run("option", None, &["--threads", "1000"]);
    assert!(told.contains(&lowered("--threads 1000")), "{told}");
    assert_eq!(threads, cores as u64);
    let (told, threads) = run("variable", Some("999"), &[]);
    assert!(told.contains(&lowered("RAYON_NUM_THREADS=999")), "{told}");
    assert_eq!(threads, cores as u64);
    // The option counts, and one thread is no more than there are cores.
    let (told, threads) = run("one", Some("999"), &["--threads", "1"]);
    assert!(!told.contains("lowered"), "{told}");
    assert_eq!(threads, 1);
    // Each cell has a thread.
    let (told, _) = run("jobs", None, &["--threads", "1", "--jobs", "7", "--seeds", "0,1"]);
    assert!(told.contains("--jobs 7 is lowered to 1, the number of threads"), "{told}");
}

#[test]
fn flex_and_ndarray_give_the_same_table_to_three_digits() {
    let scratch = Scratch::new();
    let average = |backend: &str| {
        let arguments = [
            "--config",
            "smoke",
            "--backend",
            backend,
            "--strategy",
            "finetune",
            "--quiet",
            "--out",
            backend,
        ];
        assert!(scratch.cldiff(&arguments).status.success());
        results_without_cost(&scratch.path(backend))["cells"][0]["summary"]["bpd.final_average"]
            .as_f64()
            .unwrap()
    };
    let (flex, ndarray) = (average("flex"), average("ndarray"));
    assert!((flex / ndarray - 1.0).abs() < 1e-3, "{flex} and {ndarray}");
}
