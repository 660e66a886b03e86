//! `sample`, `predict`, `bpd` and `export` as a user calls them, on a small pipeline that diffusers wrote and whose
//! results under diffusers are known.

mod common;

use std::{collections::BTreeMap, fs, path::Path};

use common::{Scratch, text};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;

/// Class-conditional with 3 classes, 1x8x8, 1000 timesteps; `expected.safetensors` beside it has 3 images of each kind.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ddpm-core/tests/fixtures/pipeline");

/// A tensor as it stands in a file.
#[derive(Clone)]
struct Array {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Array {
    fn f32s(&self) -> Vec<f32> {
        self.bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    fn view(&self) -> TensorView<'_> {
        TensorView::new(self.dtype, self.shape.clone(), &self.bytes).unwrap()
    }

    fn images(n: usize, values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { dtype: Dtype::F32, shape: vec![n, 1, 8, 8], bytes }
    }

    fn indices(values: &[i64]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { dtype: Dtype::I64, shape: vec![values.len()], bytes }
    }
}

fn read(path: &Path) -> BTreeMap<String, Array> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let array =
        |t: TensorView<'_>| Array { dtype: t.dtype(), shape: t.shape().to_vec(), bytes: t.data().to_vec() };
    file.tensors().into_iter().map(|(name, t)| (name, array(t))).collect()
}

fn write(path: &Path, tensors: &[(&str, &Array)]) {
    let views = tensors.iter().map(|&(name, array)| (name, array.view()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn expected() -> BTreeMap<String, Array> {
    read(&Path::new(MODEL).join("expected.safetensors"))
}

fn largest_difference(a: &Array, b: &Array) -> f32 {
    assert_eq!(a.shape, b.shape);
    a.f32s().iter().zip(b.f32s()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Runs a subcommand on the fixture.
fn run(scratch: &Scratch, arguments: &[&str]) -> std::process::Output {
    let (subcommand, rest) = arguments.split_first().unwrap();
    scratch.cldiff(&[&[subcommand, "--model", MODEL, "--backend", "flex", "--quiet"], rest].concat())
}

fn succeeds(scratch: &Scratch, arguments: &[&str]) -> String {
    let output = run(scratch, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The program must refuse with status 2, say all of `parts` in one message, and write nothing.
fn refused(scratch: &Scratch, arguments: &[&str], parts: &[&str]) {
    let before = files(scratch);
    told(&run(scratch, arguments), arguments, parts);
    assert_eq!(files(scratch), before, "{arguments:?} left something behind");
}

fn told(output: &std::process::Output, arguments: &[&str], parts: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{arguments:?}: no \"{part}\" in:\n{stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

fn files(scratch: &Scratch) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(scratch.0.path()).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn samples_from_given_noise_are_those_of_diffusers() {
    let scratch = Scratch::new();
    let expected = expected();
    write(&scratch.path("noise.safetensors"), &[("x_T", &expected["x_T"])]);
    let said = succeeds(
        &scratch,
        &["sample", "--x-T", "noise.safetensors", "--steps", "50", "--out", "x.safetensors"],
    );
    assert!(said.contains("3 samples: x.safetensors"), "{said}");
    let samples = read(&scratch.path("x.safetensors"));
    let difference = largest_difference(&samples["x_0"], &expected["x_0"]);
    assert!(difference < 1e-3, "{difference}");
}

#[test]
fn samples_depend_on_seed_and_class_and_not_on_the_batch() {
    let scratch = Scratch::new();
    let sample = |extra: &[&str]| {
        succeeds(
            &scratch,
            &[&["sample", "--n", "3", "--steps", "5", "--out", "x.safetensors"], extra].concat(),
        );
        read(&scratch.path("x.safetensors")).remove("x_0").unwrap()
    };
    let first = sample(&[]);
    assert_eq!(first.shape, [3, 1, 8, 8]);
    for sampler in ["ddim", "ancestral", "dpm-solver", "heun"] {
        let of_three = sample(&["--sampler", sampler]);
        assert_eq!(of_three.bytes, sample(&["--sampler", sampler, "--batch", "2"]).bytes, "{sampler}");
        assert_eq!(of_three.bytes == first.bytes, sampler == "ddim", "{sampler}");
    }
    assert_ne!(sample(&["--seed", "1"]).bytes, first.bytes);
    assert_ne!(sample(&["--eta", "1"]).bytes, first.bytes);
    // Without a class, they come in turn: the first sample has class 0.
    let image = |a: &Array| a.bytes[..256].to_vec();
    assert_eq!(image(&sample(&["--class", "0"])), image(&first));
    assert_ne!(image(&sample(&["--class", "1"])), image(&first));
    // A scale of 1 is no guidance; the last class is the one without a label.
    let guided = |scale| sample(&["--guidance", scale, "--class", "1"]);
    let unguided = sample(&["--class", "1"]);
    assert!(largest_difference(&guided("1"), &unguided) < 1e-5);
    assert!(largest_difference(&guided("4"), &unguided) > 1e-3);
}

/// A run says whether its model has a class that stands for "no label".
#[test]
fn guidance_needs_a_model_whose_labels_were_dropped() {
    let scratch = Scratch::new();
    let model = scratch.path("model");
    copy(Path::new(MODEL), &model);
    let sample = |no_label: bool, extra: &[&str]| {
        let text = format!(r#"{{"sampler": {{"ddim": {{"steps": 5}}}}, "no_label": {no_label}}}"#);
        fs::write(model.join("cldiff_sampling.json"), text).unwrap();
        let all = ["sample", "--model", "model", "--backend", "flex", "--n", "3", "--out", "x.safetensors"];
        scratch.cldiff(&[&all, extra].concat())
    };
    let without = sample(false, &["--guidance", "2"]);
    told(&without, &["--guidance 2"], &["--guidance 2", "label dropout"]);
    // Classes in turn: of three, or of two and "no label".
    let drawn = |no_label| {
        let output = sample(no_label, &[]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        read(&scratch.path("x.safetensors")).remove("x_0").unwrap().bytes
    };
    let (of_three, of_two) = (drawn(false), drawn(true));
    assert_eq!(of_three[..512], of_two[..512]);
    assert_ne!(of_three[512..], of_two[512..]);
    assert!(sample(true, &["--guidance", "2"]).status.success());
}

#[test]
fn pictures_are_one_file_or_many() {
    let scratch = Scratch::new();
    succeeds(&scratch, &["sample", "--n", "5", "--steps", "2", "--out", "all.png"]);
    let all = image::open(scratch.path("all.png")).unwrap();
    assert!(all.width() > all.height(), "five samples are a row of three and one of two");
    succeeds(&scratch, &["sample", "--n", "2", "--steps", "2", "--out", "each"]);
    assert!(scratch.path("each/00000.png").exists() && scratch.path("each/00001.png").exists());
    assert_eq!(fs::read_dir(scratch.path("each")).unwrap().count(), 2);
    // As files and as a tensor they are one set of grey images of 8 bits.
    for out in ["six", "six.safetensors"] {
        succeeds(&scratch, &["sample", "--n", "6", "--steps", "2", "--out", out]);
    }
    let output = scratch.cldiff(&["metric", "swd", "six", "six.safetensors", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["swd"], &found["n_a"], &found["n_b"]), (&0.0.into(), &6.into(), &6.into()));
    // Samples of another model are not mixed in.
    refused(&scratch, &["sample", "--n", "1", "--steps", "2", "--out", "each"], &["--out each", "not empty"]);
}

#[test]
fn predictions_are_those_of_diffusers() {
    let scratch = Scratch::new();
    let expected = expected();
    let tensors = ["x_t", "t", "y"].map(|name| (name, &expected[name]));
    write(&scratch.path("in.safetensors"), &tensors);
    for backend in ["flex", "ndarray"] {
        let arguments = ["predict", "--input", "in.safetensors", "--out", "out.safetensors"];
        let output = scratch.cldiff(&[&arguments[..], &["--model", MODEL, "--backend", backend]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let out = read(&scratch.path("out.safetensors"));
        let difference = largest_difference(&out["prediction"], &expected["prediction"]);
        assert!(difference < 1e-5, "{backend}: {difference}");
    }
}

#[test]
fn bits_per_dimension_are_their_terms() {
    let scratch = Scratch::new();
    let pixels = Array { dtype: Dtype::U8, shape: vec![4, 1, 8, 8], bytes: (0..=255).collect() };
    write(
        &scratch.path("in.safetensors"),
        &[("images", &pixels), ("labels", &Array::indices(&[0, 1, 2, 0]))],
    );
    let bits = |stride: &str, draws: &str| -> Value {
        let images = ["bpd", "--images", "in.safetensors", "--out", "bits.json"];
        succeeds(&scratch, &[&images[..], &["--stride", stride, "--draws", draws]].concat());
        serde_json::from_str(&fs::read_to_string(scratch.path("bits.json")).unwrap()).unwrap()
    };
    let all = bits("1", "1");
    let terms = all["terms"].as_array().unwrap();
    assert_eq!(terms.len(), 1000);
    let sum: f64 = terms.iter().map(|t| t["vlb"].as_f64().unwrap()).sum();
    let total = all["bpd"].as_f64().unwrap();
    assert!((sum + all["prior"].as_f64().unwrap() - total).abs() < 1e-9 * total, "{sum} of {total}");
    assert!(all["standard_error"].as_f64().unwrap() > 0.0, "four images differ");
    // A quarter of the timesteps, drawn once or twice: an estimate with its error.
    for draws in ["1", "2"] {
        let some = bits("4", draws);
        let terms = some["terms"].as_array().unwrap();
        let widths: u64 = terms.iter().map(|t| t["width"].as_u64().unwrap()).sum();
        assert!(widths == 1000 && terms.len() == 252, "{widths} in {} strata", terms.len());
        assert_eq!(some["draws"].to_string(), draws);
        let error = some["standard_error"].as_f64().unwrap();
        let difference = (some["bpd"].as_f64().unwrap() - total).abs();
        assert!(error > 0.0 && difference < 6.0 * error, "{difference}, {error}");
    }
}

#[test]
fn bits_per_dimension_of_a_data_set() {
    let scratch = Scratch::new();
    // The model has three classes, the data set ten.
    refused(
        &scratch,
        &["bpd", "--images", "glyphs", "--limit", "40", "--stride", "100", "--out", "b.json"],
        &["labels", "expected 0 to 2"],
    );
    let model = scratch.path("ten");
    copy(Path::new(MODEL), &model);
    edit(&model.join("unet/config.json"), "\"num_class_embeds\": 3", "\"num_class_embeds\": null");
    let weights = model.join("unet/diffusion_pytorch_model.safetensors");
    let tensors = read(&weights);
    let kept: Vec<_> = tensors
        .iter()
        .filter(|(n, _)| *n != "class_embedding.weight")
        .map(|(n, a)| (n.as_str(), a))
        .collect();
    write(&weights, &kept);
    let output = scratch.cldiff(&[
        "bpd",
        "--model",
        "ten",
        "--backend",
        "flex",
        "--images",
        "glyphs",
        "--limit",
        "4",
        "--stride",
        "100",
        "--out",
        "b.json",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("bits per dimension of 4 images"), "{}", text(&output.stdout));

    // Any published data set, whole or one of its splits.
    fs::create_dir_all(scratch.path("data/digits")).unwrap();
    let line = |label: usize| format!("{}{label}\n", "8,".repeat(64));
    fs::write(scratch.path("data/digits/optdigits.tes"), (0..3).map(line).collect::<String>()).unwrap();
    fs::write(scratch.path("data/digits/optdigits.tra"), (0..5).map(line).collect::<String>()).unwrap();
    for (images, count) in [("digits", 3), ("digits:test", 3), ("digits:train", 5)] {
        let arguments = ["bpd", "--model", "ten", "--backend", "flex", "--images", images];
        let rest = ["--data-dir", "data", "--stride", "500", "--out", "b.json"];
        let output = scratch.cldiff(&[&arguments[..], &rest[..]].concat());
        let told = text(&output.stdout);
        assert!(
            told.contains(&format!("bits per dimension of {count} images")),
            "{told}{}",
            text(&output.stderr)
        );
        let published =
            if count == 3 { "3 of the 1797 published test" } else { "5 of the 3823 published training" };
        let warning = format!("digits: {published} images are there");
        assert_eq!(text(&output.stderr).matches(&warning).count(), 1, "{}", text(&output.stderr));
    }
}

#[test]
fn an_exported_model_predicts_the_same() {
    let scratch = Scratch::new();
    let expected = expected();
    succeeds(&scratch, &["export", "--out", "pipeline"]);
    for file in ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"] {
        assert!(scratch.path("pipeline").join(file).exists(), "{file}");
    }
    let tensors = ["x_t", "t", "y"].map(|name| (name, &expected[name]));
    write(&scratch.path("in.safetensors"), &tensors);
    let output = scratch.cldiff(&[
        "predict",
        "--model",
        "pipeline",
        "--backend",
        "flex",
        "--input",
        "in.safetensors",
        "--out",
        "out.safetensors",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = read(&scratch.path("out.safetensors"));
    assert!(largest_difference(&out["prediction"], &expected["prediction"]) < 1e-5);
    refused(&scratch, &["export", "--out", "pipeline"], &["--out pipeline", "exists"]);
}

#[test]
fn arguments_of_sample_are_checked() {
    let scratch = Scratch::new();
    let sample = |extra: &[&str], parts: &[&str]| {
        refused(&scratch, &[&["sample", "--out", "x.png"], extra].concat(), parts);
    };
    sample(&["--n", "0"], &["--n 0", "at least 1"]);
    sample(&["--n", "many"], &["--n", "many"]);
    for option in ["--n", "--batch"] {
        sample(&[option, "10000000000000"], &[&format!("{option} 10000000000000"), "at most 10000000"]);
    }
    sample(&["--batch", "0"], &["--batch 0", "at least 1"]);
    sample(&["--steps", "0"], &["--steps 0", "at least 1"]);
    sample(&["--steps", "1001"], &["--steps 1001", "1 to 1000"]);
    sample(&["--sampler", "plms"], &["plms", "ddim", "ancestral", "dpm-solver", "heun"]);
    sample(&["--class", "3"], &["--class 3", "expected 0 to 2"]);
    sample(&["--class", "-1"], &["-1"]);
    sample(&["--eta=-0.5"], &["--eta -0.5", "0 or more"]);
    sample(&["--eta", "nan"], &["--eta NaN", "0 or more"]);
    sample(&["--sampler", "heun", "--eta", "1"], &["--eta 1", "`heun`", "no such option"]);
    sample(&["--guidance", "inf"], &["--guidance", "finite"]);
    sample(&["--seed", "x"], &["--seed", "x"]);
    sample(&["--device", "3"], &["--device 3"]);
    sample(&["--step", "3"], &["--step", "--steps"]);
    for (out, problem) in [
        ("x.jpg", "`.jpg` is not understood"),
        ("nowhere/x.png", "No such file or directory"),
        ("/proc/x.safetensors", "/proc/x.safetensors"),
        ("/proc/samples", "/proc/samples"),
    ] {
        refused(&scratch, &["sample", "--out", out], &[&format!("--out {out}"), problem]);
    }
    let output = scratch.cldiff(&["sample", "--model", MODEL]);
    told(&output, &["no --out"], &["--out"]);
}

#[test]
fn tensors_given_are_checked() {
    let scratch = Scratch::new();
    let file = |name: &str, tensors: &[(&str, &Array)]| write(&scratch.path(name), tensors);
    let noise = |parts: &[&str]| {
        refused(&scratch, &["sample", "--x-T", "in.safetensors", "--out", "x.png"], parts);
    };
    let predict = |parts: &[&str]| {
        let arguments = ["predict", "--input", "in.safetensors", "--out", "out.safetensors"];
        refused(&scratch, &arguments, parts);
    };
    let name = "in.safetensors";
    noise(&[name, "No such file"]);
    scratch.write(name, "no tensors");
    noise(&[name, "not a safetensors file"]);
    let x = Array::images(3, &[0.5; 192]);
    file(name, &[("noise", &x)]);
    noise(&[name, "no tensor `x_T`", "noise"]);
    file(name, &[("x_T", &Array { shape: vec![192], ..x.clone() })]);
    noise(&[name, "`x_T`", "[192]", "N x C x H x W"]);
    file(name, &[("x_T", &Array { shape: vec![1, 3, 8, 8], ..x.clone() })]);
    noise(&["--x-T", "[1, 3, 8, 8]", "1 channels"]);
    file(name, &[("x_T", &Array { shape: vec![64, 1, 1, 3], ..x.clone() })]);
    noise(&["--x-T", "multiples of 2"]);
    file(name, &[("x_T", &Array::images(3, &[f32::NAN; 192]))]);
    noise(&[name, "`x_T`", "not finite"]);
    file(name, &[("x_T", &x)]);
    refused(
        &scratch,
        &["sample", "--x-T", name, "--n", "2", "--out", "x.png"],
        &["--x-T", "expected 2 images"],
    );

    let (t, y) = (Array::indices(&[0, 5, 999]), Array::indices(&[0, 1, 2]));
    file(name, &[("x_t", &x), ("y", &y)]);
    predict(&[name, "no tensor `t`"]);
    file(name, &[("x_t", &x), ("t", &Array::indices(&[0, 5])), ("y", &y)]);
    predict(&["`t`", "expected 3 timesteps"]);
    file(name, &[("x_t", &x), ("t", &Array::indices(&[0, 5, 1000])), ("y", &y)]);
    predict(&["`t` 1000", "0 to 999"]);
    file(name, &[("x_t", &x), ("t", &Array::indices(&[0, 5, -1])), ("y", &y)]);
    predict(&[name, "`t` has -1"]);
    file(name, &[("x_t", &x), ("t", &x), ("y", &y)]);
    predict(&[name, "`t`", "one dimension"]);
    file(name, &[("x_t", &x), ("t", &t)]);
    predict(&["`y`", "class-conditional"]);
    file(name, &[("x_t", &x), ("t", &t), ("y", &Array::indices(&[0, 1, 3]))]);
    predict(&["`y` 3", "0 to 2"]);

    let bpd = |images: &str, parts: &[&str]| {
        refused(&scratch, &["bpd", "--images", images, "--stride", "500", "--out", "b.json"], parts);
    };
    bpd("cifar", &["--images cifar", "cldiff data list"]);
    bpd("cifar10:half", &["--images cifar10:half", "`half` is no split"]);
    bpd("mnist", &["--data-dir"]);
    file(name, &[("images", &x), ("labels", &y)]);
    bpd(name, &[name, "`images`", "F32, expected U8"]);
    let pixels = Array { dtype: Dtype::U8, shape: vec![3, 1, 8, 8], bytes: vec![9; 192] };
    file(name, &[("images", &pixels)]);
    bpd(name, &[name, "no tensor `labels`"]);
    let low = Array { dtype: Dtype::U8, shape: vec![3, 1, 4, 8], bytes: vec![9; 96] };
    file(name, &[("images", &low), ("labels", &y)]);
    bpd(name, &["--images in.safetensors", "images of 4x8, but the model was trained on 8x8"]);
    file(name, &[("images", &pixels), ("labels", &Array::indices(&[0, 1]))]);
    bpd(name, &[name, "labels"]);
    file(name, &[("images", &pixels), ("labels", &Array::indices(&[0, 1, 7]))]);
    bpd(name, &["labels", "7", "expected 0 to 2"]);
    // A name for each class up to such a label would take all memory.
    file(name, &[("images", &pixels), ("labels", &Array::indices(&[0, 1, 4_000_000_000]))]);
    bpd(name, &[name, "label 4000000000", "expected 0 to 2"]);
    file(name, &[("images", &pixels), ("labels", &y)]);
    for (option, value) in [("--stride", "0"), ("--draws", "0"), ("--batch", "0"), ("--limit", "0")] {
        refused(
            &scratch,
            &["bpd", "--images", name, option, value, "--out", "b.json"],
            &[&format!("{option} 0"), "at least 1"],
        );
    }
    refused(&scratch, &["bpd", "--images", name, "--out", "nowhere/b.json"], &["--out nowhere/b.json"]);
    refused(
        &scratch,
        &["bpd", "--images", name, "--draws", "10000000000000", "--out", "b.json"],
        &["--draws 10000000000000", "at most 10000000"],
    );
}

/// A device that is always full: there is nothing that the user should have typed otherwise.
#[test]
#[cfg(target_os = "linux")]
fn a_result_that_the_disk_does_not_take_is_no_mistake() {
    let scratch = Scratch::new();
    let pixels = Array { dtype: Dtype::U8, shape: vec![1, 1, 8, 8], bytes: vec![9; 64] };
    write(&scratch.path("in.safetensors"), &[("images", &pixels), ("labels", &Array::indices(&[0]))]);
    let output =
        run(&scratch, &["bpd", "--images", "in.safetensors", "--stride", "500", "--out", "/dev/full"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot write /dev/full"), "{stderr}");
}

#[test]
fn models_that_cannot_be_read_are_told() {
    let scratch = Scratch::new();
    let sample = |parts: &[&str]| {
        let arguments = ["sample", "--model", "model", "--backend", "flex", "--out", "x.png"];
        told(&scratch.cldiff(&arguments), &arguments, parts);
        assert!(!scratch.path("x.png").exists());
    };
    sample(&["--model", "model", "no such directory"]);
    let model = scratch.path("model");
    copy(Path::new(MODEL), &model);
    let config = model.join("unet/config.json");
    edit(&config, "\"norm_num_groups\": 4", "\"norm_num_groups\": 3");
    sample(&["config.json", "norm_num_groups"]);
    edit(&config, "\"norm_num_groups\": 3", "\"norm_num_groups\": 4");
    edit(&config, "\"sample_size\": 8", "\"sample_size\": null");
    sample(&["sample_size", "--x-T"]);
    let weights = model.join("unet/diffusion_pytorch_model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    sample(&["diffusion_pytorch_model.safetensors"]);
    fs::rename(&weights, model.join("unet/diffusion_pytorch_model.bin")).unwrap();
    sample(&["diffusion_pytorch_model.bin", "safetensors"]);
    edit(&model.join("model_index.json"), "DDPMPipeline", "StableDiffusionPipeline");
    sample(&["model_index.json", "StableDiffusionPipeline"]);
}

/// Samples of a model's directory.
fn samples_of(scratch: &Scratch, model: &str, extra: &[&str]) -> Vec<u8> {
    let arguments = ["sample", "--model", model, "--backend", "flex", "--quiet", "--n", "2"];
    let output = scratch.cldiff(&[&arguments[..], &["--out", "x.safetensors"], extra].concat());
    assert!(output.status.success(), "{model}: {}", text(&output.stderr));
    fs::read(scratch.path("x.safetensors")).unwrap()
}

/// The pipeline with another scheduler's file.
fn with_scheduler(scratch: &Scratch, name: &str, scheduler: &str) {
    copy(Path::new(MODEL), &scratch.path(name));
    fs::write(scratch.path(name).join("scheduler/scheduler_config.json"), scheduler).unwrap();
}

#[test]
fn an_export_samples_as_its_source_and_keeps_every_setting() {
    let scratch = Scratch::new();
    let plain = samples_of(&scratch, MODEL, &["--steps", "6"]);
    for (i, scheduler) in [
        r#"{"_class_name": "PNDMScheduler", "beta_schedule": "scaled_linear", "skip_prk_steps": true, "steps_offset": 1}"#,
        r#"{"_class_name": "DDIMScheduler", "clip_sample_range": 0.5, "beta_schedule": "squaredcos_cap_v2"}"#,
        r#"{"_class_name": "DDPMScheduler", "thresholding": true, "sample_max_value": 3.0, "timestep_spacing": "linspace"}"#,
        r#"{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity, "variance_type": null}"#,
    ]
    .into_iter()
    .enumerate()
    {
        let (source, target) = (format!("source-{i}"), format!("target-{i}"));
        with_scheduler(&scratch, &source, scheduler);
        let output = scratch.cldiff(&["export", "--model", &source, "--out", &target, "--backend", "flex"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let exported = fs::read_to_string(scratch.path(&target).join("scheduler/scheduler_config.json")).unwrap();
        let words: Vec<&str> = scheduler.trim_matches(['{', '}']).split(", ").collect();
        for setting in words {
            assert!(exported.contains(setting), "{setting} of {source}: {exported}");
        }
        let class = scheduler.split('"').nth(3).unwrap();
        let index = fs::read_to_string(scratch.path(&target).join("model_index.json")).unwrap();
        assert!(index.contains(class), "{index}");
        let before = samples_of(&scratch, &source, &["--steps", "6"]);
        assert!(before == samples_of(&scratch, &target, &["--steps", "6"]), "{scheduler}");
        assert!(before != plain, "{scheduler}");
    }
}

/// The number of steps, eta and samplers that diffusers does not have: none of them is in `scheduler_config.json`.
#[test]
fn a_checkpoint_and_its_export_are_drawn_from_as_in_the_run() {
    let scratch = Scratch::new();
    let run = |out: &str, sampler: &str| {
        let sampler = format!("evaluation.sampler={sampler}");
        let short = ["training.steps_per_experience=3", "stream.class_incremental.experiences=1"];
        let set = ["--set", &sampler, "--set", short[0], "--set", short[1]];
        let fixed =
            ["--config", "smoke", "--backend", "flex", "--quiet", "--strategy", "finetune", "--out", out];
        let output = scratch.cldiff(&[&fixed[..], &set].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        format!("{out}/cells/finetune-0/checkpoints/after-task-1")
    };
    let model = run("ddim", "{ddim={steps=6,eta=1.0}}");
    let drawn = samples_of(&scratch, &model, &[]);
    let named = |extra: &[&str]| samples_of(&scratch, &model, &[&["--sampler", "ddim"], extra].concat());
    assert!(drawn == named(&["--steps", "6", "--eta", "1"]));
    assert!(drawn != named(&["--steps", "6"]) && drawn != named(&["--eta", "1"]));
    assert!(samples_of(&scratch, &model, &["--steps", "4"]) == named(&["--steps", "4", "--eta", "1"]));
    assert!(samples_of(&scratch, &model, &["--eta", "0"]) == named(&["--steps", "6"]));
    let output = scratch.cldiff(&["export", "--model", &model, "--out", "exported", "--backend", "flex"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(drawn == samples_of(&scratch, "exported", &[]));

    // A scheduler that the user has changed is followed; the number of steps and eta are no keys of it.
    let scheduler = scratch.path(&model).join("scheduler_config.json");
    edit(&scheduler, "\"clip_sample\": true", "\"clip_sample\": false");
    let unclipped = samples_of(&scratch, &model, &[]);
    assert!(unclipped != drawn && unclipped == named(&["--steps", "6", "--eta", "1"]));

    let heun = run("heun", "{heun={steps=5}}");
    assert!(
        samples_of(&scratch, &heun, &[])
            == samples_of(&scratch, &heun, &["--sampler", "heun", "--steps", "5"])
    );
    let arguments = ["sample", "--model", &heun, "--eta", "1", "--backend", "flex", "--out", "x.png"];
    told(&scratch.cldiff(&arguments), &arguments, &["--eta 1", "`heun`", "no such option"]);
    // A file that is not understood is no reason to draw otherwise.
    fs::write(scratch.path(&heun).join("cldiff_sampling.json"), "{}").unwrap();
    let arguments = ["sample", "--model", &heun, "--backend", "flex", "--out", "x.png"];
    told(&scratch.cldiff(&arguments), &arguments, &["cldiff_sampling.json", "sampler"]);
    let named = [&arguments[..], &["--sampler", "ddim", "--steps", "2"]].concat();
    told(&scratch.cldiff(&named), &named, &["cldiff_sampling.json", "sampler"]);
}

#[test]
fn schedulers_of_other_processes_and_ranges_that_cannot_work_are_refused() {
    let scratch = Scratch::new();
    for (i, (scheduler, parts)) in [
        (r#"{"_class_name": "TCDScheduler"}"#, ["TCDScheduler", "not supported"]),
        (r#"{"_class_name": "DDPMWuerstchenScheduler"}"#, ["DDPMWuerstchenScheduler", "not supported"]),
        (r#"{"_class_name": "EDMDPMSolverMultistepScheduler"}"#, ["_class_name", "DDPMScheduler"]),
        (r#"{"clip_sample_range": -1.5}"#, ["clip_sample_range", "above 0"]),
        (r#"{"sample_max_value": 0.0, "thresholding": true}"#, ["sample_max_value", "above 0"]),
    ]
    .into_iter()
    .enumerate()
    {
        let model = format!("model-{i}");
        with_scheduler(&scratch, &model, scheduler);
        let arguments = ["sample", "--model", &model, "--backend", "flex", "--out", "x.png"];
        told(&scratch.cldiff(&arguments), &arguments, &["scheduler_config.json", parts[0], parts[1]]);
    }
}

#[test]
fn steps_that_were_not_asked_for_fit_the_process() {
    let scratch = Scratch::new();
    for timesteps in ["2", "15", "33"] {
        with_scheduler(
            &scratch,
            timesteps,
            &format!(r#"{{"num_train_timesteps": {timesteps}, "beta_end": 0.3}}"#),
        );
        for sampler in ["ddim", "ancestral", "dpm-solver", "heun"] {
            samples_of(&scratch, timesteps, &["--sampler", sampler]);
        }
        let arguments =
            ["sample", "--model", timesteps, "--steps", "34", "--backend", "flex", "--out", "x.png"];
        told(&scratch.cldiff(&arguments), &arguments, &["--steps 34", &format!("1 to {timesteps}")]);
    }
}

/// The fixture with the numbers of a tensor changed.
fn with_tensor(scratch: &Scratch, name: &str, tensor: &str, values: &dyn Fn(usize, f32) -> f32) {
    let model = scratch.path(name);
    copy(Path::new(MODEL), &model);
    let weights = model.join("unet/diffusion_pytorch_model.safetensors");
    let mut tensors = read(&weights);
    let array = tensors.get_mut(tensor).unwrap();
    array.bytes = array.f32s().iter().enumerate().flat_map(|(i, &v)| values(i, v).to_le_bytes()).collect();
    let all: Vec<(&str, &Array)> = tensors.iter().map(|(name, array)| (name.as_str(), array)).collect();
    write(&weights, &all);
}

#[test]
fn a_model_that_is_not_finite_gives_nothing() {
    let scratch = Scratch::new();
    let one_infinite = |i: usize, v: f32| if i == 3 { f32::INFINITY } else { v };
    with_tensor(&scratch, "infinite", "conv_in.weight", &one_infinite);
    with_tensor(&scratch, "nan", "class_embedding.weight", &|_, _| f32::NAN);
    with_tensor(&scratch, "signed", "conv_out.bias", &|_, _| f32::NEG_INFINITY);
    for (model, tensor) in
        [("infinite", "conv_in.weight"), ("nan", "class_embedding.weight"), ("signed", "conv_out.bias")]
    {
        let common = ["--model", model, "--backend", "flex", "--quiet"];
        for rest in [
            &["sample", "--n", "1", "--steps", "2", "--out", "x.png"][..],
            &["export", "--out", "exported"],
            &["bpd", "--images", "glyphs", "--limit", "1", "--stride", "500", "--out", "b.json"],
        ] {
            let arguments = [rest, &common].concat();
            let output = scratch.cldiff(&arguments);
            told(&output, &arguments, &[tensor, "not finite", "diffusion_pytorch_model.safetensors"]);
        }
        for left in ["x.png", "exported", "b.json"] {
            assert!(!scratch.path(left).exists(), "{left} of {model}");
        }
    }
}

/// The weights are finite, and what comes of them is not.
#[test]
fn samples_that_are_not_finite_are_no_picture() {
    let scratch = Scratch::new();
    with_tensor(&scratch, "huge", "conv_out.weight", &|_, v| v * 3e38);
    let unclipped = r#"{"_class_name": "DDIMScheduler", "clip_sample": false}"#;
    fs::write(scratch.path("huge/scheduler/scheduler_config.json"), unclipped).unwrap();
    let arguments =
        ["sample", "--model", "huge", "--backend", "flex", "--n", "2", "--steps", "4", "--out", "x.png"];
    let output = scratch.cldiff(&arguments);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("2 of 2 samples have numbers that are not finite"), "{stderr}");
    assert!(!scratch.path("x.png").exists());
}

#[test]
fn a_directory_above_models_names_them() {
    let scratch = Scratch::new();
    for model in ["run/checkpoint-500/unet", "run/checkpoint-500/unet_ema", "run/final/unet"] {
        copy(&Path::new(MODEL).join("unet"), &scratch.path(model));
    }
    for (model, named) in [
        ("run", ["run/checkpoint-500/unet", "run/final/unet"]),
        ("run/checkpoint-500", ["run/checkpoint-500/unet", "run/checkpoint-500/unet_ema"]),
        ("run/final", ["run/final/unet", "give one of them"]),
    ] {
        let arguments = ["sample", "--model", model, "--backend", "flex", "--out", "x.png"];
        told(&scratch.cldiff(&arguments), &arguments, &["--model", named[0], named[1]]);
    }
    samples_of(&scratch, "run/final/unet", &["--steps", "2"]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replace(from, to)).unwrap();
}
