//! Images that are not square, from the data to the report: their height and width are kept by networks, samples,
//! checkpoints, metrics and pictures.

mod common;

use std::{fs, path::Path};

use common::{Scratch, results_without_cost, text};
use image::{Rgb, RgbImage};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};

const SMOKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/smoke.toml");
const DIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/networks/dit.toml");
const SHORT: [&str; 10] = [
    "training.steps_per_experience=4",
    "training.batch_size=4",
    "evaluation.samples_per_task=10",
    "evaluation.grid_columns=4",
    "evaluation.sampler.ddim.steps=3",
    "evaluation.likelihood.images_per_task=4",
    "evaluation.classifier.epochs=1",
    "evaluation.classifier.min_steps=20",
    "evaluation.classifier.max_train_images=1000",
    "evaluation.gradients.images=4",
];
const MODEL: &str = "run/cells/finetune-0/checkpoints/after-task-2";

/// Runs a configuration with little training into `run`.
fn run(scratch: &Scratch, config: &str, more: &[&str]) -> Value {
    let mut arguments = vec!["--config", config, "--backend", "flex", "--out", "run", "--quiet"];
    SHORT.iter().for_each(|change| arguments.extend(["--set", change]));
    let output = scratch.cldiff(&[&arguments[..], more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    results_without_cost(&scratch.path("run"))
}

/// Uses a model.
fn uses(scratch: &Scratch, model: &str, arguments: &[&str]) -> String {
    let (subcommand, rest) = arguments.split_first().unwrap();
    let all = [&[*subcommand, "--model", model, "--backend", "flex"][..], rest].concat();
    let output = scratch.cldiff(&all);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The program must refuse with status 2, and say all of `parts`.
fn refused(scratch: &Scratch, arguments: &[&str], parts: &[&str]) {
    let output = scratch.cldiff(arguments);
    // A message is broken where the line ends.
    let stderr = text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{arguments:?}: no \"{part}\" in:\n{stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// The smoke configuration on other data.
fn smoke_on(scratch: &Scratch, data: &str) -> String {
    let smoke = fs::read_to_string(SMOKE).unwrap();
    let glyphs = "[data.glyphs]\nsize = 8\ntrain_per_class = 60\neval_per_class = 40\n";
    assert!(smoke.contains(glyphs));
    scratch.write("config.toml", &smoke.replace(glyphs, data)).to_str().unwrap().to_owned()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Two classes of twelve pictures each, 16 wide and 8 high.
fn pictures(dir: &Path) {
    for (class, tint) in [("bright", 200), ("dark", 20)] {
        fs::create_dir_all(dir.join(class)).unwrap();
        for i in 0..12_u32 {
            let pixel = |x: u32, y: u32| Rgb([tint, (16 * x) as u8, (16 * y + i) as u8]);
            RgbImage::from_fn(16, 8, pixel).save(dir.join(class).join(format!("{i}.png"))).unwrap();
        }
    }
}

fn write_images(path: &Path, shape: [usize; 4]) {
    let pixels: Vec<u8> = (0..shape.iter().product::<usize>()).map(|i| (i * 7) as u8).collect();
    let labels: Vec<u8> = (0..shape[0]).map(|i| (i % 2) as u8).collect();
    let images = TensorView::new(Dtype::U8, shape.to_vec(), &pixels).unwrap();
    let labels = TensorView::new(Dtype::U8, vec![shape[0]], &labels).unwrap();
    fs::write(path, safetensors::serialize([("images", images), ("labels", labels)], None).unwrap()).unwrap();
}

fn write_noise(path: &Path, shape: [usize; 4]) {
    let values: Vec<u8> =
        (0..shape.iter().product::<usize>()).flat_map(|i| (i as f32 * 0.7).sin().to_le_bytes()).collect();
    let noise = TensorView::new(Dtype::F32, shape.to_vec(), &values).unwrap();
    fs::write(path, safetensors::serialize([("x_T", noise)], None).unwrap()).unwrap();
}

fn sides(path: &Path) -> (u32, u32) {
    let picture = image::open(path).unwrap();
    (picture.width(), picture.height())
}

#[test]
fn a_folder_of_wide_pictures_goes_the_whole_way() {
    let scratch = Scratch::new();
    pictures(&scratch.path("wide"));
    let config = smoke_on(&scratch, "[data.image_folder]\nfit = \"exact\"\neval_share = 0.5\n");
    let arguments = [
        "--data-dir",
        "wide",
        "--strategy",
        "finetune,replay-1",
        "--set",
        "training.augmentation={ horizontal_flip = true, padding_crop = 2 }",
        "--set",
        "model.add_attention=true",
        "--set",
        "evaluation.cka.images=4",
        "--set",
        "evaluation.hybrid_sampling.thresholds=[0.5]",
    ];
    let results = run(&scratch, &config, &arguments);
    for cell in results["cells"].as_array().unwrap() {
        for metric in ["bpd", "fid", "kid"] {
            assert!(cell["matrices"][metric][1][0].is_number(), "{metric}: {}", cell["matrices"][metric]);
        }
        assert!(cell["gradient_cosine"][1][0][0].is_number());
        assert_eq!(cell["cka"]["blocks"][0], "conv_in");
    }
    let resolved = fs::read_to_string(scratch.path("run/config.toml")).unwrap();
    assert!(resolved.contains("sample_size = [8, 16]"), "{resolved}");
    assert_eq!(json_of(&scratch.path(MODEL).join("config.json"))["sample_size"], json!([8, 16]));
    // Two tasks of four columns each, with a line of transparent pixels between images.
    let grid = scratch.path("run/cells/finetune-0/samples/after-task-2.png");
    assert_eq!(sides(&grid), (4 * 16 + 3, 2 * 8 + 1));
    let html = fs::read_to_string(scratch.path("run/report.html")).unwrap();
    // The beginning of a PNG of 67 x 17 pixels, in base 64.
    assert!(html.contains("base64,iVBORw0KGgoAAAANSUhEUgAAAEMAAAAR"));
    // All of it is read back: nothing is left to do.
    assert_eq!(run(&scratch, &config, &[&arguments[..], &["--resume"]].concat()), results);
    the_model_is_used_as_it_was_trained(&scratch);
}

fn the_model_is_used_as_it_was_trained(scratch: &Scratch) {
    let sample = |model: &str, out: &str, n: &str| {
        uses(scratch, model, &["sample", "--n", n, "--steps", "2", "--quiet", "--out", out]);
    };
    sample(MODEL, "x.png", "5");
    assert_eq!(sides(&scratch.path("x.png")), (2 * 16 + 1, 3 * 8 + 2));
    sample(MODEL, "x.safetensors", "2");
    let bytes = fs::read(scratch.path("x.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("x_0").unwrap().shape(), [2, 3, 8, 16]);
    uses(scratch, MODEL, &["export", "--out", "pipeline"]);
    assert_eq!(json_of(&scratch.path("pipeline/unet/config.json"))["sample_size"], json!([8, 16]));
    sample("pipeline", "y.safetensors", "2");
    assert_eq!(fs::read(scratch.path("y.safetensors")).unwrap(), bytes);

    let bits = |shape| {
        write_images(&scratch.path("images.safetensors"), shape);
        ["bpd", "--images", "images.safetensors", "--stride", "100", "--quiet", "--out", "bits.json"]
    };
    let said = uses(scratch, MODEL, &bits([4, 3, 8, 16]));
    assert!(said.contains("bits per dimension of 4 images"), "{said}");
    let odd = bits([4, 3, 8, 13]);
    let odd = [&odd[..1], &["--model", MODEL, "--backend", "flex"], &odd[1..]].concat();
    let told = "images of 8x13, but the model was trained on 8x16";
    refused(scratch, &odd, &["--images images.safetensors", told]);
}

#[test]
fn tensors_higher_than_wide_are_trained_on() {
    let scratch = Scratch::new();
    write_images(&scratch.path("train.safetensors"), [12, 1, 12, 8]);
    write_images(&scratch.path("eval.safetensors"), [8, 1, 12, 8]);
    let data = "[data.tensors]\ntrain = \"train.safetensors\"\neval = \"eval.safetensors\"\n";
    let config = smoke_on(&scratch, data);
    let results = run(&scratch, &config, &["--data-dir", ".", "--strategy", "finetune"]);
    assert!(results["cells"][0]["matrices"]["bpd"][1][1].is_number());
    assert_eq!(json_of(&scratch.path(MODEL).join("config.json"))["sample_size"], json!([12, 8]));
    let grid = scratch.path("run/cells/finetune-0/samples/after-task-1.png");
    assert_eq!(sides(&grid), (4 * 8 + 3, 2 * 12 + 1));
}

/// diffusers' transformer takes squares only, so that the directory has the class `DiT` and the options' own keys.
#[test]
fn a_transformer_of_rectangles_has_a_form_of_ours() {
    let scratch = Scratch::new();
    let wide = ["--set", "data.glyphs.size=[8, 16]", "--strategy", "finetune"];
    let results = run(&scratch, DIT, &wide);
    assert!(results["cells"][0]["matrices"]["fid"][1][1].is_number());
    let saved = json_of(&scratch.path(MODEL).join("config.json"));
    assert_eq!((&saved["_class_name"], &saved["input_size"]), (&json!("DiT"), &json!([8, 16])));
    assert!(fs::read_to_string(scratch.path("run/config.toml")).unwrap().contains("input_size = [8, 16]"));

    let sample = |model: &str, out: &str| {
        uses(&scratch, model, &["sample", "--n", "3", "--steps", "2", "--quiet", "--out", out]);
        fs::read(scratch.path(out)).unwrap()
    };
    let drawn = sample(MODEL, "x.safetensors");
    uses(&scratch, MODEL, &["export", "--out", "pipeline"]);
    assert_eq!(json_of(&scratch.path("pipeline/network/config.json"))["_class_name"], "DiT");
    assert_eq!(sample("pipeline", "y.safetensors"), drawn);
    // The program draws glyphs in the size of the model.
    let glyphs =
        ["bpd", "--images", "glyphs", "--limit", "4", "--stride", "200", "--quiet", "--out", "b.json"];
    assert!(uses(&scratch, MODEL, &glyphs).contains("bits per dimension of 4 images"));
    for (shape, found) in [([1, 1, 8, 8], "[1, 1, 8, 8]"), ([1, 1, 16, 8], "[1, 1, 16, 8]")] {
        write_noise(&scratch.path("noise.safetensors"), shape);
        let arguments =
            ["sample", "--model", MODEL, "--backend", "flex", "--x-T", "noise.safetensors", "--out", "z.png"];
        refused(&scratch, &arguments, &["--x-T", found, "takes images of 8 x 16 pixels alone"]);
    }
}

#[test]
fn sides_that_do_not_fit_are_named_with_their_key() {
    let scratch = Scratch::new();
    for (config, change, parts) in [
        (
            "smoke",
            "data.glyphs.size=[8, 13]",
            &["`sample_size` is [8, 13]", "the width, 13,", "multiple of 2"][..],
        ),
        ("smoke", "data.glyphs.size=[9, 16]", &["`sample_size` is [9, 16]", "the height, 9,"]),
        (DIT, "data.glyphs.size=[8, 13]", &["`patch_size` is 2", "the width, 13,", "`input_size`, [8, 13]"]),
        ("smoke", "data.glyphs.size=[8, 65]", &["data.glyphs.size", "[8, 65]", "8 to 64"]),
        ("smoke", "data.glyphs.size=[8]", &["expected a whole number of pixels, or [height, width]"]),
        ("smoke", "model.sample_size=[16, 8]", &["`sample_size` is [16, 8]", "need 8; leave the key out"]),
    ] {
        let arguments = ["--config", config, "--backend", "flex", "--out", "run", "--set", change];
        refused(&scratch, &arguments, parts);
        assert!(!scratch.path("run").exists(), "{change}");
    }
}

/// A checkpoint of squares whose configuration was changed, as a UNet takes images of any size.
#[test]
fn a_size_of_two_numbers_in_a_checkpoint_is_drawn() {
    let scratch = Scratch::new();
    run(&scratch, "smoke", &["--strategy", "finetune"]);
    let config = scratch.path(MODEL).join("config.json");
    let text = fs::read_to_string(&config).unwrap();
    // As it was before there were rectangles.
    assert!(text.contains("\"sample_size\": 8,"), "{text}");
    fs::write(&config, text.replace("\"sample_size\": 8,", "\"sample_size\": [16, 8],")).unwrap();
    uses(&scratch, MODEL, &["sample", "--n", "2", "--steps", "2", "--quiet", "--out", "x.png"]);
    // Images higher than wide stand side by side.
    assert_eq!(sides(&scratch.path("x.png")), (2 * 8 + 1, 16));
}
