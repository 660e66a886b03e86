//! Every mistake gets exit status 2 and one message that says what is wrong, where, and what would be right.

mod common;

use std::{fs, io::Write, path::Path};

use common::{Scratch, text};
use flate2::{Compression, write::GzEncoder};

const SMOKE: &str = include_str!("../configs/smoke.toml");

/// The program must refuse, and say all of `expected`; nothing may be left behind.
fn refused(scratch: &Scratch, arguments: &[&str], expected: &[&str]) {
    let output = scratch.cldiff(&[&["--backend", "flex", "--out", "run"], arguments].concat());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    for part in expected {
        assert!(stderr.contains(part), "{arguments:?}: no \"{part}\" in:\n{stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(!scratch.path("run").join("config.toml").exists(), "{arguments:?} left a run behind");
}

/// The smoke configuration with one line changed must be refused.
fn refused_change(from: &str, to: &str, expected: &[&str]) {
    assert!(SMOKE.contains(from), "{from}");
    let scratch = Scratch::new();
    scratch.write("changed.toml", &SMOKE.replacen(from, to, 1));
    refused(&scratch, &["--config", "changed.toml"], &[&["changed.toml"], expected].concat());
}

/// The line on which a text stands in the smoke configuration.
fn line(of: &str) -> String {
    format!("line {}", SMOKE[..SMOKE.find(of).unwrap()].matches('\n').count() + 1)
}

#[test]
fn an_unknown_key_is_told_with_its_line() {
    refused_change(
        "batch_size = 16",
        "batch_sizes = 16",
        &[&line("batch_size"), "batch_sizes", "batch_size"],
    );
}

#[test]
fn a_wrong_type_is_told_with_its_line() {
    refused_change(
        "batch_size = 16",
        "batch_size = \"many\"",
        &[&line("batch_size"), "string", "a whole number"],
    );
    refused_change("batch_size = 16", "batch_size = -3", &[&line("batch_size"), "-3"]);
}

#[test]
fn counts_that_would_overflow_are_told_with_their_key() {
    for (from, to, key) in [
        (
            "steps_per_experience = 40",
            "steps_per_experience = 9000000000000000000",
            "training.steps_per_experience",
        ),
        ("samples_per_task = 80", "samples_per_task = 4611686018427387904", "evaluation.samples_per_task"),
        ("train_per_class = 60", "train_per_class = 2305843009213693952", "data.glyphs.train_per_class"),
        ("per_class = 10", "per_class = 9223372036854775807", "class_balanced.per_class"),
        // Each is possible, and their product is not.
        (
            "batch_size = 16",
            "batch_size = 1000000000000\naccumulated_batches = 10000000",
            "training.batch_size",
        ),
        (
            "images_per_task = 16",
            "images_per_task = 1000000000000, draws = 1000000000",
            "evaluation.likelihood.images_per_task",
        ),
    ] {
        refused_change(from, to, &[&line(from), key]);
    }
}

/// Messages are in the words of their reader.
#[test]
fn no_message_has_words_of_rust() {
    let scratch = Scratch::new();
    for change in [
        "training.batch_size=\"many\"",
        "training.optimizer.learning_rate=\"fast\"",
        "training.optimizer.learning_rate=true",
        "evaluation.guidance=[1]",
        "process.timesteps=-4",
        "process.timesteps=1.5",
        "process.schedule={linear={beta_start=0.1,beta_end=1.5}}",
        "process.zero_terminal_snr=true",
        "model.norm_num_groups=3",
        "model.sample_size=9",
        "seeds=[-1]",
        "name=3",
        "stream.class_incremental.sizes=[3,3]",
        "stream.class_incremental.class_order={given=[1,2]}",
        "stream={online={drift={linear={width=2.0}}}}",
        "stream={subset={classes=[3,3]}}",
        "data.glyphs.size=3",
        "data={image_folder={channels=2}}",
        "model={dit={patch_size=3}}",
        "training.label_dropout=2",
        "training.ema.decay=2",
        "training.budget={passes=0}",
        "evaluation.sampler={ddim={steps=0}}",
        "evaluation.likelihood={bins=0}",
        "evaluation.hybrid_sampling.thresholds=[0.5,0.2]",
        "evaluation.classifier.channels=[3]",
        "evaluation.every_steps=0",
        "evaluation.guidance=inf",
        "evaluation.sampler={ddim={eta=nan}}",
        "precision=\"f8\"",
        "checkpoints.most_time=2.0",
    ] {
        let output =
            scratch.cldiff(&["--backend", "flex", "--out", "run", "--config", "smoke", "--set", change]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{change}: {stderr}");
        for word in ["Some(", "None", "{ ", "usize", "u64", "i64", "f64", "Epsilon", "Linear"] {
            assert!(!stderr.contains(word), "{change}: `{word}` in {stderr}");
        }
    }
}

/// The words that every test looks for in what the program says.
#[test]
fn words_of_rust_are_told_from_others() {
    for (said, word) in [
        ("`key` is Some(8): fewer", Some("Some(")),
        ("it is None", Some("None")),
        ("the value None, perhaps", Some("None")),
        ("an Io { kind: NotFound }", Some("Io")),
        ("expected usize", Some("usize")),
        ("called unwrap on Err(3)", Some("Err(")),
        ("Nonetheless, noneSome(", None),
        ("needs features = { inception = {} }", None),
        ("KL(q || p) of 3 images", None),
        ("the `usize_of` key", None),
    ] {
        assert_eq!(common::word_of_rust(said), word, "{said}");
    }
}

#[test]
fn a_buffer_of_two_sizes_or_none_is_told() {
    let one = "expected one of `per_class` and `total`";
    refused_change(
        "per_class = 10",
        "per_class = 10, total = 5",
        &["class_balanced", "is `per_class` and `total`", one],
    );
    refused_change("class_balanced = { per_class = 10 }", "class_balanced = { }", &["class_balanced"]);
}

#[test]
fn a_size_of_zero_is_told_with_its_line() {
    refused_change(
        "batch_size = 16",
        "batch_size = 0",
        &[&line("batch_size"), "`training.batch_size` is 0", "at least 1"],
    );
    refused_change(
        "samples_per_task = 80",
        "samples_per_task = 0",
        &[&line("samples_per_task"), "at least 2"],
    );
    refused_change("per_class = 10", "per_class = 0", &["class_balanced.per_class", "at least 1"]);
    refused_change("size = 8", "size = 0", &[&line("size = 8"), "8 to 64"]);
}

#[test]
fn numbers_that_do_not_fit_each_other_are_told() {
    refused_change(
        "experiences = 2",
        "experiences = 3",
        &[&line("experiences"), "10 classes", "1, 2, 5, 10"],
    );
    refused_change(
        "norm_num_groups = 4",
        "norm_num_groups = 3",
        &[&line("block_out"), "`norm_num_groups` = 3 does not divide 8"],
    );
    refused_change("size = 8", "size = 9", &["sample_size", "is 9", "multiple of 2"]);
    refused_change("steps = 8", "steps = 2000", &["evaluation.sampler.ddim.steps", "1 to 1000"]);
    refused_change("bins = 5", "bins = 5000", &["evaluation.likelihood.bins", "1 to 1000"]);
    refused_change("per_class = 10", "total = 0", &["class_balanced.total", "at least 1"]);
    refused_change("decay = 0.95", "decay = 1.5", &[&line("decay"), "training.ema.decay"]);
    refused_change(
        "decay = 0.95",
        "decay = 0.95\nmin_decay = 0.96",
        &["`training.ema.min_decay` is 0.96", "at most `decay`, 0.95"],
    );
    // Images of 8 pixels: a shift by five leaves less than half of one, and one by eight nothing.
    refused_change(
        "batch_size = 16",
        "augmentation = { padding_crop = 5 }\nbatch_size = 16",
        &[&line("batch_size = 16"), "`training.augmentation.padding_crop` is 5", "at most 4, half"],
    );
    refused_change(
        "rehearsal_coefficient = 1.0",
        "rehearsal_coefficient = -1.0",
        &["rehearsal_coefficient", "0 or more"],
    );
    refused_change("label = \"replay-1\"", "label = \"../out\"", &[&line("label"), "file name"]);
    refused_change("label = \"replay-1\"", "label = \"NUL.1\"", &[&line("label"), "device"]);
    refused_change("label = \"replay-1\"", "label = \"Replay-0.1\"", &["two strategies", "replay-0.1"]);
    refused_change("label = \"replay-1\"", "label = \"replay-0.1\"", &["two strategies", "replay-0.1"]);
}

/// A small classifier's probabilities do not make an Inception score.
#[test]
fn the_inception_score_is_refused_without_inception() {
    refused_change(
        "samples_per_task = 80",
        "samples_per_task = 80\nmetrics = [\"fid\", \"inception_score\"]",
        &["evaluation.metrics", "inception_score needs features = { inception = {} }"],
    );
}

#[test]
fn an_unknown_strategy_is_told_with_the_known_ones() {
    let known = "joint, cumulative, ensemble, finetune, gdumb, replay";
    let quoted = "`joint`, `cumulative`, `ensemble`, `finetune`, `gdumb`, `replay`";
    let near = "did you mean `finetune`?";
    refused_change("finetune = {}", "finetoon = {}", &[&line("finetune"), "finetoon", quoted, near]);
    let ewk = ["ewk", "did you mean `ewc`?", "replay-0.1", known];
    refused(&Scratch::new(), &["--config", "smoke", "--strategy", "ewk"], &ewk);
}

/// `[[strategy]]` of the second was forgotten.
#[test]
fn two_strategies_under_one_header_are_told_apart() {
    let told = "`joint` and `finetune` are strategies of their own: begin each with [[strategy]]";
    let header =
        format!("line {}", line("joint = {}").trim_start_matches("line ").parse::<usize>().unwrap() - 1);
    refused_change("joint = {}", "joint = {}\nfinetune = {}", &[&header, told]);
    refused_change(
        "samples_per_task = 80",
        "samples_per_task = 80\nmetrics = [\"fid\", \"kid\", \"fid\"]",
        &["`evaluation.metrics` is \"fid\" twice: expected each metric once"],
    );
}

/// A run into a directory of that name does not take the name away.
#[test]
fn a_directory_hides_no_configuration() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("smoke")).unwrap();
    refused(&scratch, &["--config", "smoke", "--seeds", "1,1"], &["a seed occurs twice"]);
    refused(&scratch, &["--config", "./smoke"], &["./smoke", "`default`"]);
}

#[test]
fn arguments_are_checked() {
    let scratch = Scratch::new();
    refused(&scratch, &["--config", "nowhere.toml"], &["nowhere.toml", "`default`"]);
    refused(&scratch, &["--config", "smoke", "--set", "training"], &["--set training", "KEY=VALUE"]);
    refused(
        &scratch,
        &["--config", "smoke", "--set", "strategy.replay.replay.rehearsal_coefficient=1"],
        &[
            "--set strategy.replay.replay.rehearsal_coefficient=1",
            "strategy.LABEL.KEY",
            "replay-1, replay-0.1",
        ],
    );
    refused(
        &scratch,
        &["--config", "smoke", "--sweep", "training.batch_size=8,0"],
        &["--sweep training.batch_size: ", "at least 1"],
    );
    refused(
        &scratch,
        &["--config", "smoke", "--sweep", "training.batchsize=8,16"],
        &["--sweep training.batchsize=8: ", "batch_size"],
    );
    refused(
        &scratch,
        &["--config", "smoke", "--sweep", "training.batch_size"],
        &["--sweep training.batch_size", "KEY=VALUE"],
    );
    refused(
        &scratch,
        &["--config", "smoke", "--set", "training.batch_size=none"],
        &["--set training.batch_size=none"],
    );
    refused(
        &scratch,
        &["--config", "smoke", "--set", "training.batch_size=0"],
        &["--set training.batch_size", "at least 1"],
    );
    refused(&scratch, &["--config", "smoke", "--seeds", "1,1"], &["a seed occurs twice"]);
    refused(&scratch, &["--config", "smoke", "--seeds", "x"], &["--seeds"]);
    // No file of the run could hold these.
    for seed in ["9223372036854775809", "10000000000000000000", "18446744073709551615"] {
        refused(
            &scratch,
            &["--config", "smoke", "--seeds", &format!("1,{seed}")],
            &["--seeds: ", seed, "at most"],
        );
    }
    refused(&scratch, &["--config", "smoke", "--device", "7"], &["--device 7", "device 0 only"]);
    let output = scratch.cldiff(&["--backend", "tpu"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("possible values: auto, cuda, wgpu, flex, ndarray"));
    let output = scratch.cldiff(&["report", "nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("nowhere: no such directory"));
}

#[test]
fn an_output_directory_is_never_written_over() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("taken")).unwrap();
    scratch.write("taken/config.toml", "precious");
    let refuse = |arguments: &[&str], expected: &str| {
        let output = scratch.cldiff(&[&["--config", "smoke", "--backend", "flex"], arguments].concat());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    };
    refuse(&["--out", "taken"], "holds another run");
    refuse(&["--out", "taken", "--resume"], "config.toml is not TOML");
    fs::create_dir(scratch.path("work")).unwrap();
    scratch.write("work/thesis.tex", "precious");
    refuse(&["--out", "work", "--resume"], "holds thesis.tex");
    refuse(&["--resume"], "--resume needs --out");
    assert_eq!(fs::read_to_string(scratch.path("taken/config.toml")).unwrap(), "precious");
    // Root may write anywhere but here.
    refuse(&["--out", "/proc/cldiff"], "cannot be made or written");
}

#[test]
fn missing_libraries_are_told_in_one_sentence() {
    let scratch = Scratch::new();
    let output =
        scratch.cldiff(&["--config", "smoke", "--backend", "cuda", "--strategy", "finetune", "--out", "run"]);
    if output.status.success() {
        println!("skipped: there is an NVIDIA GPU here");
        return;
    }
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.starts_with("error: --backend cuda: ") && stderr.lines().count() == 1, "{stderr}");
}

/// Three 28x28 images and labels in each split.
fn idx_directory(scratch: &Scratch) -> std::path::PathBuf {
    let dir = scratch.path("data");
    fs::create_dir(&dir).unwrap();
    for split in ["train", "t10k"] {
        let images = [&[0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 28, 0, 0, 0, 28][..], &[7; 3 * 784][..]].concat();
        gz(&dir.join(format!("{split}-images-idx3-ubyte.gz")), &images);
        gz(&dir.join(format!("{split}-labels-idx1-ubyte.gz")), &[0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 2]);
    }
    dir
}

fn gz(path: &Path, bytes: &[u8]) {
    let mut encoder = GzEncoder::new(fs::File::create(path).unwrap(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap();
}

/// Data files damaged by `damage` must be refused.
fn refused_data(damage: impl FnOnce(&Path), expected: &[&str]) {
    let scratch = Scratch::new();
    scratch.write("mnist.toml", "data = { mnist = {} }\n[[strategy]]\nfinetune = {}\n");
    damage(&idx_directory(&scratch));
    refused(&scratch, &["--config", "mnist.toml", "--data-dir", "data"], expected);
}

#[test]
fn damaged_data_are_told_with_their_file() {
    let images = "train-images-idx3-ubyte.gz";
    refused_data(|dir| fs::remove_dir_all(dir).unwrap(), &["no mnist in data", images, "--data-dir"]);
    refused_data(|dir| fs::remove_file(dir.join(images)).unwrap(), &["no mnist in data", images]);
    let truncate = |dir: &Path| {
        let bytes = fs::read(dir.join(images)).unwrap();
        fs::write(dir.join(images), &bytes[..bytes.len() / 2]).unwrap();
    };
    refused_data(truncate, &[images, "truncated"]);
    refused_data(
        |dir| gz(&dir.join(images), &[0, 0, 9, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7]),
        &[images, "0x00000903", "0x00000803"],
    );
    let labels = "train-labels-idx1-ubyte.gz";
    refused_data(
        |dir| gz(&dir.join(labels), &[0, 0, 8, 1, 0, 0, 0, 2, 0, 1]),
        &[labels, "2 labels", "3 images"],
    );
    refused_data(
        |dir| gz(&dir.join(labels), &[0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 200]),
        &[labels, "label 200", "10 classes"],
    );
    // Three images cannot be split over five tasks.
    refused_data(|_| {}, &["has 0 training"]);
}

#[test]
fn the_name_of_a_run_cannot_lead_out_of_its_directory() {
    let name = SMOKE.lines().find(|line| line.starts_with("name = ")).unwrap();
    for (bad, part) in
        [("../../out", "directory"), ("/tmp/out", "directory"), ("a\\u0000b", "\\0"), ("aux", "device")]
    {
        refused_change(name, &format!("name = \"{bad}\""), &[&line(name), "`name` is", part]);
    }
}

#[test]
fn a_configuration_is_not_read_without_end() {
    let scratch = Scratch::new();
    scratch.write("long.toml", &format!("{SMOKE}{}", " ".repeat(1 << 20)));
    refused(&scratch, &["--config", "long.toml"], &["long.toml", "more than 1048576 bytes"]);
}

/// A folder of pictures with a new subdirectory in it would have a class without images.
#[test]
fn a_directory_of_something_else_is_refused_and_left_as_it_is() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("pictures/a")).unwrap();
    let run = ["--config", "smoke", "--backend", "flex", "--out", "pictures", "--resume"];
    let prepare = ["prepare", "smoke", "--backend", "flex", "--out", "pictures"];
    for arguments in [&run[..], &prepare] {
        let output = scratch.cldiff(arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("--out pictures: it has no manifest.json"), "{told}");
        let names: Vec<_> =
            fs::read_dir(scratch.path("pictures")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["a"], "{arguments:?}");
    }
}

#[test]
fn a_sweep_does_not_go_into_the_directory_of_a_run() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("run")).unwrap();
    fs::write(scratch.path("run/manifest.json"), "{}").unwrap();
    for more in [&[][..], &["--resume"]] {
        let sweep =
            ["--config", "smoke", "--backend", "flex", "--sweep", "training.batch_size=8,16", "--out", "run"];
        let output = scratch.cldiff(&[&sweep[..], more].concat());
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("--out run: the directory holds a run"), "{told}");
        assert_eq!(fs::read_dir(scratch.path("run")).unwrap().count(), 1, "{more:?}");
    }
}
