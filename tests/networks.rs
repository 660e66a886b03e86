//! Networks other than the default one: a DiT goes the whole way of a run and of a finished model.

mod common;

use std::{
    fs,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use common::{Scratch, results_without_cost, text};
use serde_json::Value;

/// `configs/networks/dit.toml` with fewer steps, in a scratch directory.
struct Dit(Scratch);

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/networks/dit.toml");
const SHORT: [&str; 12] = [
    "--set",
    "training.steps_per_experience=30",
    "--set",
    "training.batch_size=8",
    "--set",
    "evaluation.samples_per_task=20",
    "--set",
    "evaluation.cka.images=8",
    "--set",
    "checkpoints.every_steps=1",
    "--set",
    "checkpoints.most_time=1",
];

impl Dit {
    fn arguments<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let base = ["--config", CONFIG, "--backend", "flex", "--quiet", "--out", out];
        [&base[..], &SHORT, more].concat()
    }

    fn run(&self, out: &str, more: &[&str]) -> Value {
        let output = self.0.cldiff(&Self::arguments(out, more));
        assert!(output.status.success(), "{}", text(&output.stderr));
        results_without_cost(&self.0.path(out))
    }

    fn start(&self, out: &str, more: &[&str]) -> Child {
        let mut command = self.0.command();
        command.args(Self::arguments(out, more)).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    fn model(&self, arguments: &[&str]) -> String {
        let (subcommand, rest) = arguments.split_first().unwrap();
        let model = "run/cells/finetune-0/checkpoints/after-task-2";
        let output = self.0.cldiff(&[&[subcommand, "--model", model, "--backend", "flex"], rest].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

fn json(path: std::path::PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_dit_is_trained_measured_saved_and_used() {
    let dit = Dit(Scratch::new());
    let results = dit.run("run", &[]);
    let cell = &results["cells"][0];
    assert!(cell["matrices"]["fid"][1][0].is_number() && cell["matrices"]["bpd"][1][1].is_number());
    let blocks = cell["cka"]["blocks"].as_array().unwrap();
    let names: Vec<&str> = blocks.iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names, ["x_embedder", "blocks.0", "blocks.1", "blocks.2", "blocks.3"]);

    // The keys that the data decide are filled in, and read again.
    let config = fs::read_to_string(dit.0.path("run/config.toml")).unwrap();
    assert!(config.contains("[model.dit]") && config.contains("num_classes = 10"), "{config}");
    let saved = json(dit.0.path("run/cells/finetune-0/checkpoints/after-task-2/config.json"));
    assert_eq!(saved["_class_name"], "DiTTransformer2DModel");
    assert_eq!((&saved["sample_size"], &saved["num_layers"]), (&8.into(), &4.into()));

    dit.model(&["sample", "--n", "4", "--steps", "5", "--quiet", "--out", "x.safetensors"]);
    let bits = dit.model(&[
        "bpd", "--images", "glyphs", "--limit", "4", "--stride", "200", "--quiet", "--out", "b.json",
    ]);
    assert!(bits.contains("bits per dimension of 4 images"), "{bits}");
    dit.model(&["export", "--out", "pipeline"]);
    let exported = json(dit.0.path("pipeline/network/config.json"));
    assert_eq!(exported["_class_name"], "DiTTransformer2DModel");
    assert!(dit.0.path("pipeline/scheduler/scheduler_config.json").is_file());
    // The exported model draws what the checkpoint draws.
    let output = dit.0.cldiff(&[
        "sample",
        "--model",
        "pipeline",
        "--backend",
        "flex",
        "--quiet",
        "--n",
        "4",
        "--steps",
        "5",
        "--out",
        "y.safetensors",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        fs::read(dit.0.path("x.safetensors")).unwrap(),
        fs::read(dit.0.path("y.safetensors")).unwrap()
    );
}

#[test]
fn a_dit_that_is_killed_goes_on_to_the_same_results() {
    let dit = Dit(Scratch::new());
    let one = ["--strategy", "finetune"];
    let whole = dit.run("whole", &one);
    let mut child = dit.start("killed", &one);
    // Until there is a state to go on from.
    let (state, start) = (dit.0.path("killed/cells/finetune-0/state"), Instant::now());
    let has_state = || fs::read_dir(&state).is_ok_and(|mut entries| entries.next().is_some());
    while !has_state() && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_mins(5), "no state after five minutes");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(dit.run("killed", &[&one[..], &["--resume"]].concat()), whole);
}

#[test]
fn an_unconditional_dit_has_a_form_of_ours() {
    let dit = Dit(Scratch::new());
    let more = ["--strategy", "finetune", "--set", "training.condition_on=none"];
    dit.run("run", &more);
    let saved = json(dit.0.path("run/cells/finetune-0/checkpoints/after-task-2/config.json"));
    assert_eq!((&saved["_class_name"], &saved["hidden_size"]), (&"DiT".into(), &64.into()));
    dit.model(&["sample", "--n", "2", "--steps", "3", "--quiet", "--out", "x.png"]);
}

#[test]
fn mistakes_in_a_network_show_their_line() {
    let scratch = Scratch::new();
    let refused = |from: &str, to: &str| {
        let text_of_file = fs::read_to_string(CONFIG).unwrap().replace(from, to);
        let line = text_of_file.lines().position(|line| line.contains(to)).unwrap() + 1;
        scratch.write("dit.toml", &text_of_file);
        let output = scratch.cldiff(&["config", "check", "dit.toml"]);
        assert_eq!(output.status.code(), Some(2));
        let stderr = text(&output.stderr);
        assert!(stderr.contains(&format!("line {line}")), "line {line} in {stderr}");
        stderr
    };
    assert!(refused("patch_size = 2", "patch_size = 3").contains("`patch_size` is 3: expected a divisor"));
    assert!(refused("depth = 4", "in_channels = 3").contains("need 1; leave the key out"));
    assert!(refused("depth = 4", "depht = 4").contains("unknown field `depht`"));
    assert!(refused("[model.dit]", "[model.dti]").contains("`dit`"));
}
