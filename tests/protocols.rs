//! Protocols that others publish: `configs/protocols/`, each with less than a hundredth of its steps on made-up files of the
//! published format.

mod common;

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use common::{Scratch, results_without_cost, text};
use flate2::{Compression, write::GzEncoder};
use toml::{Table, Value};

/// Images of each class in the made-up training files, and in those of the test.
const IMAGES: [usize; 2] = [16, 8];

fn protocols() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/protocols");
    let path = |entry: fs::DirEntry| entry.path().canonicalize().unwrap();
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| path(entry.unwrap())).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

/// An idx file of bytes, gzipped.
fn idx(path: &Path, magic: u32, sizes: &[usize], bytes: &[u8]) {
    let mut file = GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast());
    let words = [magic].into_iter().chain(sizes.iter().map(|&size| u32::try_from(size).unwrap()));
    for word in words {
        file.write_all(&word.to_be_bytes()).unwrap();
    }
    file.write_all(bytes).unwrap();
    file.finish().unwrap();
}

/// The four files of MNIST with 28x28 images of ten classes, each a bar of its own in a brightness of the image's own.
fn four_files(dir: &Path) {
    fs::create_dir(dir).unwrap();
    for (split, each) in ["train", "t10k"].into_iter().zip(IMAGES) {
        let labels: Vec<u8> = (0..10 * each).map(|i| (i % 10) as u8).collect();
        let pixel = |i: usize, at: usize| {
            let row = 2 * (i % 10) + 4;
            if (row..row + 2).contains(&(at / 28)) { (100 + 155 * (i / 10) / each) as u8 } else { 0 }
        };
        let pixels: Vec<u8> =
            (0..labels.len()).flat_map(|i| (0..28 * 28).map(move |at| pixel(i, at))).collect();
        let file = |kind: &str| dir.join(format!("{split}-{kind}-ubyte.gz"));
        idx(&file("images-idx3"), 0x803, &[labels.len(), 28, 28], &pixels);
        idx(&file("labels-idx1"), 0x801, &[labels.len()], &labels);
    }
}

/// Makes every `batch_size` and every sampler of a strategy small.
fn shorten(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                match key.as_str() {
                    "batch_size" | "total" => *value = 4.into(),
                    "steps" => *value = 2.into(),
                    _ => shorten(value),
                }
            }
        }
        _ => {}
    }
}

/// The protocol with a narrow network and few images in all that it does; nothing is left out of it.
fn shortened(path: &Path) -> Table {
    let mut config: Table = fs::read_to_string(path).unwrap().parse().unwrap();
    shorten(config.get_mut("strategy").unwrap());
    let mut set = |room: &str, key: &str, value: &str| {
        let value = format!("value = {value}").parse::<Table>().unwrap().remove("value").unwrap();
        config[room].as_table_mut().unwrap().insert(key.into(), value);
    };
    set("model", "block_out_channels", "[8, 8, 16, 16]");
    set("model", "norm_num_groups", "4");
    set("training", "budget", "{ epochs = 1 }");
    set("training", "batch_size", "8");
    set("evaluation", "samples_per_task", "10");
    set("evaluation", "sampler", "{ ddim = { steps = 2 } }");
    set("evaluation", "likelihood", "{ images_per_task = 2, bins = 2, points_per_bin = 1 }");
    set("evaluation", "classifier", "{ channels = [4, 8], features = 8, epochs = 1, min_steps = 20 }");
    config
}

/// One epoch of 32 images a task: 4 steps, where a hundredth of 200 epochs of 12,000 images in batches of 256 is 93; `noncl` has up to 20.
#[test]
fn every_protocol_runs() {
    let mut ran = Vec::new();
    for (name, path) in protocols() {
        let scratch = Scratch::new();
        four_files(&scratch.path("files"));
        let config = shortened(&path);
        fs::write(scratch.path("short.toml"), config.to_string()).unwrap();
        let arguments = ["--config", "short.toml", "--backend", "flex", "--quiet", "--out", "run"];
        let output = scratch.cldiff(&[&arguments[..], &["--data-dir", "files"]].concat());
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let results = results_without_cost(&scratch.path("run"));
        assert_eq!(results["stream"]["tasks"].as_array().unwrap().len(), 5, "{name}");
        let labels = |cells: &[serde_json::Value]| {
            cells.iter().map(|cell| cell["label"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let cells = results["cells"].as_array().unwrap();
        let configured = config["strategy"].as_array().unwrap();
        let configured: Vec<&str> = configured.iter().map(|s| s["label"].as_str().unwrap()).collect();
        assert_eq!(labels(cells), configured, "{name}");
        for cell in cells {
            let fid = &cell["pooled"]["fid"][4];
            assert!(fid.is_number(), "{name}, {}: {fid}", cell["label"]);
            assert!(cell["summary"]["bpd.final_average"].is_number(), "{name}, {}", cell["label"]);
        }
        ran.push(name);
    }
    assert_eq!(ran, ["clog-fashion-mnist-5t", "clog-mnist-5t", "masip-fashion-mnist"]);
}

/// The changes that a protocol's comment tells of, by `--set`.
fn told(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let change = |line: &str| Some(line.strip_prefix("#   --set '")?.strip_suffix('\'')?.to_owned());
    text.lines().filter_map(change).collect()
}

/// Five orders of CLoG, three seeds of Masip et al.: each a configuration, and unlike the others.
#[test]
fn the_class_orders_of_the_comments_are_configurations() {
    for (name, path) in protocols() {
        let orders: Vec<String> =
            told(&path).into_iter().filter(|change| change.contains("class_order")).collect();
        assert_eq!(orders.len(), if name.starts_with("clog") { 4 } else { 2 }, "{name}");
        let mut seen = BTreeSet::new();
        for order in &orders {
            let scratch = Scratch::new();
            four_files(&scratch.path("files"));
            let shown = shown(&scratch, &path, &["--set", order]);
            let given = shown["stream"]["class_incremental"]["class_order"]["given"].clone();
            seen.insert(given.to_string());
        }
        let config: Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let own = &config["stream"]["class_incremental"]["class_order"];
        seen.insert(own.get("given").unwrap_or(own).to_string());
        assert_eq!(seen.len(), orders.len() + 1, "{name}: {seen:?}");
    }
}

/// The complete configuration, once the data have decided their part and every value was checked.
fn shown(scratch: &Scratch, path: &Path, more: &[&str]) -> Table {
    let arguments = ["config", "show", "--config", path.to_str().unwrap(), "--data-dir", "files"];
    let output = scratch.cldiff(&[&arguments[..], more].concat());
    assert!(output.status.success(), "{}, {more:?}: {}", path.display(), text(&output.stderr));
    text(&output.stdout).parse().unwrap()
}

/// Training as published: the numbers that the sources state, read back from the complete configuration.
#[test]
fn protocols_train_as_published() {
    let scratch = Scratch::new();
    four_files(&scratch.path("files"));
    for (name, path) in protocols() {
        let shown = shown(&scratch, &path, &[]);
        let (training, optimizer) = (&shown["training"], &shown["training"]["optimizer"]);
        let is = |value: &Value, expected: &str| assert_eq!(value.to_string(), expected, "{name}");
        assert_eq!(optimizer["learning_rate"].as_float(), Some(2e-4), "{name}");
        is(&shown["process"]["timesteps"], "1000");
        let (samples, sampler) = (&shown["evaluation"]["samples_per_task"], &shown["evaluation"]["sampler"]);
        if name.starts_with("clog") {
            is(&training["budget"]["epochs"], "200");
            is(&training["batch_size"], "256");
            is(&optimizer["warmup_steps"], "500");
            is(&optimizer["schedule"], "\"cosine\"");
            is(&optimizer["schedule_over"], "\"experience\"");
            is(samples, "2048");
            is(&sampler["ddim"]["steps"], "50");
            let buffer =
                |strategy: &Value| Some(strategy.get("replay")?["buffer"]["reservoir"]["total"].clone());
            let strategies = shown["strategy"].as_array().unwrap();
            is(&strategies.iter().find_map(buffer).unwrap(), "200");
        } else {
            is(&training["budget"]["epochs"], "100");
            is(&training["batch_size"], "128");
            is(samples, "10000");
            let strategies = shown["strategy"].as_array().unwrap();
            let rehearsals = strategies.iter().filter_map(|strategy| {
                strategy.get("generative_replay").or_else(|| strategy.get("generative_distillation"))
            });
            let mixings: Vec<String> = rehearsals.map(|terms| terms["mixing"].to_string()).collect();
            assert_eq!(mixings, ["\"task_shares\""; 7], "{name}");
        }
    }
}
