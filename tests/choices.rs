//! Everything that can be chosen: it is listed, its configuration is fine, and it runs.

mod common;

use std::{collections::BTreeSet, fs, path::Path};

use common::{Scratch, results_without_cost, text};
use serde_json::Value;

fn configurations() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.canonicalize().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn listed(scratch: &Scratch, what: &str) -> Vec<Value> {
    let output = scratch.cldiff(&["list", what, "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// In backticks, on the page of its family: with formula, reference, deviations and cost.
#[test]
fn every_strategy_has_its_place_on_a_page() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/strategies");
    let pages: String = fs::read_dir(folder)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .map(|page| page.lines().filter(|line| line.starts_with(['#', '|'])).collect::<Vec<_>>().join("\n"))
        .collect();
    for strategy in listed(&Scratch::new(), "strategies") {
        let name = strategy["name"].as_str().unwrap();
        assert!(pages.contains(&format!("`{name}`")), "no heading or table of docs/strategies/ has {name}");
    }
}

#[test]
fn rounded_products_are_another_training_and_a_setting_of_the_run() {
    let scratch = Scratch::new();
    let few = ["--config", "smoke", "--backend", "flex", "--strategy", "finetune", "--quiet", "--out"];
    let bits = |out: &str, more: &[&str]| {
        let output = scratch.cldiff(&[&few[..], &[out], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let results = results_without_cost(&scratch.path(out));
        assert!(fs::read_to_string(scratch.path(out).join("config.toml")).unwrap().contains("precision = "));
        // The measurement is the same: the floor is between real images.
        (results["cells"][0]["summary"]["bpd.final_average"].as_f64().unwrap(), results["floor"].clone())
    };
    let exact = bits("auto", &[]);
    for precision in ["tf32", "bf16", "f16"] {
        let reduced = bits(precision, &["--precision", precision]);
        assert_eq!(exact.1, reduced.1);
        let (exact, reduced) = (exact.0, reduced.0);
        assert!(exact != reduced && (exact / reduced - 1.0).abs() < 0.02, "{exact} and {reduced}");
    }
    // A CPU has no tensor cores to be kept from.
    assert_eq!(bits("f32", &["--precision", "f32"]), exact);
    let output = scratch.cldiff(&[&few[..], &["bf16", "--resume"]].concat());
    assert!(
        text(&output.stderr).contains("`precision` is \"bf16\" there and \"auto\" here"),
        "{}",
        text(&output.stderr)
    );
    let output = scratch.cldiff(&[&few[..], &["x", "--precision", "f8"]].concat());
    assert!(text(&output.stderr).contains("possible values: auto, f32, tf32, bf16, f16"));
}

/// As in `cldiff list strategies | head -1`.
#[cfg(unix)]
#[test]
fn a_reader_who_has_enough_is_no_mistake() {
    let scratch = Scratch::new();
    // Nobody reads from the beginning, so that it does not matter which of the two processes is faster.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = scratch.command().args(["doctor", "--backend", "flex"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(141), ""));
}

/// As in `cldiff --config nowhere.toml 2>&1 | head -0`.
#[cfg(unix)]
#[test]
fn a_mistake_that_nobody_reads_keeps_its_exit_status() {
    let scratch = Scratch::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = scratch.command().args(["--config", "nowhere.toml"]).stderr(writer).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));
}

#[test]
fn the_doctor_says_what_is_here_and_that_it_computes_the_same() {
    let scratch = Scratch::new();
    let output = scratch.cldiff(&["doctor"]);
    let stdout = text(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", text(&output.stderr));
    for expected in ["cuda", "wgpu", "ndarray", "flex", "output: ", "gradient of ", ": fine"] {
        assert!(stdout.contains(expected), "no {expected} in {stdout}");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&scratch.cldiff(&["doctor", "--backend", "flex", "--json"]).stdout).unwrap();
    assert_eq!((&json[0]["backend"], &json[0]["fine"]), (&"flex".into(), &true.into()));
    assert!(json[0]["differences"][0]["value"].as_f64().unwrap() > 0.0, "another backend than the reference");
    let output = scratch.cldiff(&["doctor", "--backend", "cuda", "--device", "99"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--backend cuda"), "{}", text(&output.stderr));
}

/// On a CPU a resumed training is the uninterrupted one to the last bit, wherever it is interrupted.
#[test]
fn the_doctor_interrupts_a_training_and_it_comes_to_the_same() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("temporary")).unwrap();
    let doctor = |more: &[&str]| {
        let mut command = scratch.command();
        command.args(["doctor", "--resume", "--backend", "flex"]).args(more);
        command.env("TMPDIR", scratch.path("temporary")).output().unwrap()
    };
    let output = doctor(&["--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = json.as_array().unwrap();
    assert_eq!(found.len(), 3, "{json}");
    for moment in found {
        assert_eq!((&moment["backend"], &moment["fine"]), (&"flex".into(), &true.into()), "{moment}");
        for part in ["tensors", "numbers"] {
            assert_eq!(
                (moment[part]["largest"].as_f64(), moment[part]["tolerance"].as_f64()),
                (Some(0.0), Some(0.0))
            );
            assert!(moment[part]["count"].as_u64().unwrap() > 10, "{moment}");
        }
    }
    let told = text(&doctor(&[]).stdout);
    assert_eq!(told.matches("the same to the last bit: fine").count(), 6, "{told}");
    // Nothing is left, and what cannot be written is named.
    assert_eq!(std::fs::read_dir(scratch.path("temporary")).unwrap().count(), 0);
    std::fs::remove_dir(scratch.path("temporary")).unwrap();
    scratch.write("temporary", "");
    let output = doctor(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("temporary"), "{}", text(&output.stderr));
    assert_eq!(
        scratch.cldiff(&["doctor", "--resume", "--backend", "cuda", "--device", "99"]).status.code(),
        Some(2)
    );
}

#[test]
fn threads_may_stand_before_any_command_and_other_options_may_not() {
    let scratch = Scratch::new();
    for arguments in [["--threads", "1", "list", "metrics"], ["list", "metrics", "--threads", "1"]] {
        let output = scratch.cldiff(&arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    }
    for arguments in [["--threads", "0", "list", "metrics"], ["list", "metrics", "--threads", "0"]] {
        let output = scratch.cldiff(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("--threads 0"), "{arguments:?}");
    }
    for (option, value) in
        [("--seeds", "1"), ("--config", "smoke"), ("--set", "name=x"), ("--backend", "flex")]
    {
        let output = scratch.cldiff(&["--threads", "1", option, value, "list", "metrics"]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        let message = told.lines().next().unwrap_or_default();
        assert!(message.contains(&format!("{option} is an option of `run`")), "{told}");
        assert!(!message.contains("--threads"), "{told}");
    }
    let output = scratch.cldiff(&["--quiet", "bench", "--workload", "mnist-small"]);
    assert!(text(&output.stderr).contains("--quiet is an option of `run`: it cannot stand before `bench`"));
}

#[test]
fn lists_have_names_and_meanings_and_tables_show_them() {
    let scratch = Scratch::new();
    for what in ["strategies", "buffers", "streams", "data-sets", "samplers", "schedules", "metrics"] {
        let table = scratch.cldiff(&["list", what]);
        for choice in listed(&scratch, what) {
            let name = choice["name"].as_str().unwrap();
            assert!(choice["summary"].is_string() && choice["citation"].is_string(), "{choice}");
            assert!(text(&table.stdout).contains(name), "{name} is not in the table of {what}");
        }
    }
}

/// `configs/effects/glyphs.toml` has every strategy; it is the table of effects.
#[test]
fn every_strategy_has_a_configuration() {
    let scratch = Scratch::new();
    let effects = configurations().into_iter().find(|path| path.contains("effects")).unwrap();
    let parsed: toml::Table = fs::read_to_string(effects).unwrap().parse().unwrap();
    let configured: BTreeSet<String> = parsed["strategy"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|strategy| strategy.as_table().unwrap().keys().cloned())
        .collect();
    for choice in listed(&scratch, "strategies") {
        let name = choice["name"].as_str().unwrap();
        assert!(configured.contains(name), "{name} has no configuration");
    }
}

#[test]
fn every_configuration_is_fine_and_can_be_shown() {
    let scratch = Scratch::new();
    let configurations = configurations();
    let paths: Vec<&str> = configurations.iter().map(String::as_str).collect();
    let output = scratch.cldiff(&[&["config", "check"], &paths[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().filter(|line| line.contains(": fine")).count(), paths.len());
    // The configuration that is shown is one again.
    let shown = scratch.cldiff(&["config", "show", "--config", "smoke"]);
    fs::write(scratch.path("shown.toml"), &shown.stdout).unwrap();
    assert!(scratch.cldiff(&["config", "check", "shown.toml"]).status.success());
    let again = scratch.cldiff(&["config", "show", "--config", "shown.toml"]);
    assert_eq!(text(&again.stdout), text(&shown.stdout));
}

#[test]
fn the_schema_knows_every_part_of_a_configuration() {
    let scratch = Scratch::new();
    let schema: Value = serde_json::from_slice(&scratch.cldiff(&["config", "schema"]).stdout).unwrap();
    for key in ["data", "stream", "model", "process", "training", "evaluation", "strategy", "seeds", "name"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    let strategies = &schema["$defs"]["StrategySpec"]["properties"];
    assert!(strategies["replay"].is_object() && strategies["ewc"].is_object());
}

/// All cells of the table of effects, with so little training that it takes seconds.
#[test]
fn every_strategy_runs() {
    let scratch = Scratch::new();
    let effects = configurations().into_iter().find(|path| path.contains("effects")).unwrap();
    let mut arguments =
        vec!["--config", &effects, "--backend", "flex", "--seeds", "0", "--out", "run", "--quiet"];
    let short = [
        "training.steps_per_experience=3",
        "training.batch_size=4",
        "data.glyphs.train_per_class=100",
        "data.glyphs.eval_per_class=20",
        "evaluation.samples_per_task=40",
        "evaluation.sampler.ddim.steps=2",
        "evaluation.likelihood.images_per_task=2",
        "evaluation.classifier.epochs=1",
        "evaluation.classifier.min_steps=20",
    ];
    for change in short {
        arguments.extend(["--set", change]);
    }
    let output = scratch.cldiff(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let results = results_without_cost(&scratch.path("run"));
    let cells = results["cells"].as_array().unwrap();
    assert!(cells.len() >= 25, "{} cells", cells.len());
    for cell in cells {
        assert!(cell["summary"]["bpd.final_average"].is_number(), "{}", cell["label"]);
    }
}

#[test]
fn a_wrong_option_of_a_strategy_is_told_with_its_line() {
    let scratch = Scratch::new();
    let smoke = fs::read_to_string(configurations().into_iter().find(|p| p.ends_with("smoke.toml")).unwrap())
        .unwrap();
    for (strategy, expected) in [
        ("ewc = { lambda = -1.0 }", "`ewc.lambda`"),
        ("replay = { buffer = { herding = { per_class = 0 } } }", "`replay.buffer.herding.per_class`"),
        ("replay = { buffer = { reservoir = { total = 0 } } }", "`replay.buffer.reservoir.total`"),
        ("gem = { per_experience = 0 }", "`gem.per_experience`"),
        ("timestep_replay = { emphasis = { power = { exponent = -2.0 } } }", "above -1"),
    ] {
        let text_of = format!("{smoke}\n[[strategy]]\nlabel = \"wrong\"\n{strategy}\n");
        let line = text_of.lines().count();
        fs::write(scratch.path("wrong.toml"), &text_of).unwrap();
        let output = scratch.cldiff(&["config", "check", "wrong.toml"]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(message.contains(&format!("wrong.toml, line {line}")), "{line}: {message}");
    }
}

/// Images of the world, where they are beside the checkout.
#[test]
fn published_files_are_read_as_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets");
    if !root.is_dir() {
        eprintln!("skipped: no real data sets beside the checkout");
        return;
    }
    let scratch = Scratch::new();
    for (data_set, config) in [("digits", "digits/replay.toml"), ("cifar10", "cifar10/replay.toml")] {
        let config = configurations().into_iter().find(|path| path.ends_with(config)).unwrap();
        let dir = root.join(data_set);
        let output = scratch.cldiff(&["config", "check", &config, "--data-dir", dir.to_str().unwrap()]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let told = text(&output.stdout);
        assert!(told.lines().next().is_some_and(|line| line.ends_with(": fine")), "{told}");
        assert!(told.contains("10 classes, "), "{told}");
    }
}
