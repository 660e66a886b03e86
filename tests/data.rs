//! Data sets and streams as a user meets them: listed, shown, fetched, configured, and wrong.

mod common;

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    thread,
};

use common::{Scratch, results_without_cost, text};
use image::{Rgb, RgbImage};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::Value;

fn config(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(name);
    path.canonicalize().unwrap().to_str().unwrap().to_owned()
}

/// Real files, where they are beside the checkout.
fn real(name: &str) -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets").join(name);
    if !dir.is_dir() {
        eprintln!("skipped: no {name} beside the checkout");
        return None;
    }
    Some(dir)
}

/// Two classes of six pictures each, in two sizes.
fn pictures(dir: &Path) {
    for (class, colour) in [("cat", [250, 10, 10]), ("dog", [10, 250, 10])] {
        fs::create_dir_all(dir.join(class)).unwrap();
        for i in 0..6_u32 {
            let image = RgbImage::from_pixel(16 + 4 * (i % 2), 16, Rgb(colour));
            image.save(dir.join(class).join(format!("{i}.png"))).unwrap();
        }
    }
}

/// Eight grey images of two classes.
fn tensors(path: &Path) {
    let pixels: Vec<u8> = (0..8 * 64_u32).map(|i| (i * 7) as u8).collect();
    let labels: Vec<u8> = (0..8).map(|i| i % 2).collect();
    let images = TensorView::new(Dtype::U8, vec![8, 1, 8, 8], &pixels).unwrap();
    let labels = TensorView::new(Dtype::U8, vec![8], &labels).unwrap();
    fs::write(path, safetensors::serialize([("images", images), ("labels", labels)], None).unwrap()).unwrap();
}

/// Runs a configuration with so little training that it takes a second or two.
fn run_shortened(scratch: &Scratch, config: &str, strategies: &str, more: &[&str]) -> Value {
    let mut arguments = vec!["--config", config, "--backend", "flex", "--out", "run", "--quiet"];
    let short = [
        "training.steps_per_experience=2",
        "training.batch_size=4",
        "evaluation.samples_per_task=10",
        "evaluation.sampler.ddim.steps=2",
        "evaluation.likelihood.images_per_task=2",
        "evaluation.classifier.epochs=1",
        "evaluation.classifier.min_steps=20",
        "evaluation.classifier.max_train_images=1000",
    ];
    short.iter().for_each(|change| arguments.extend(["--set", change]));
    arguments.extend(["--strategy", strategies]);
    arguments.extend(more);
    let output = scratch.cldiff(&arguments);
    assert!(output.status.success(), "{config}: {}", text(&output.stderr));
    results_without_cost(&scratch.path("run"))
}

#[test]
fn every_stream_runs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/streams");
    let tasks = HashMap::from([
        ("blurry", 5),
        ("class_incremental", 5),
        ("data_set_sequence", 2),
        ("domain_incremental", 3),
        ("joint", 1),
        ("online", 5),
        ("subset", 3),
        ("unlearning", 2),
    ]);
    let mut ran = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let scratch = Scratch::new();
        let results =
            run_shortened(&scratch, path.canonicalize().unwrap().to_str().unwrap(), "finetune,replay", &[]);
        assert_eq!(results["stream"]["tasks"].as_array().unwrap().len(), tasks[name.as_str()], "{name}");
        // The configuration of the run parses as a configuration.
        let check = scratch.cldiff(&["config", "check", "run/config.toml"]);
        assert!(check.status.success(), "{name}: {}", text(&check.stderr));
        ran += 1;
    }
    assert_eq!(ran, tasks.len());
}

/// The same classes in every task, in other images each time: only a model that is told the task can be asked for the
/// images of one. Every other has values over all tasks alone, with the reason, and N samples behind each.
#[test]
fn where_classes_come_again_in_other_domains_a_task_is_measured_only_if_it_can_be_asked_for() {
    for (condition, reason) in
        [("class", Some("conditioned on the class")), ("none", Some("is unconditional")), ("task", None)]
    {
        let scratch = Scratch::new();
        let condition = format!("training.condition_on={condition}");
        let more = ["--set", condition.as_str()];
        let results = run_shortened(&scratch, &config("streams/domain_incremental.toml"), "finetune", &more);
        let cell = &results["cells"][0];
        for k in 0..3 {
            assert!(cell["pooled"]["kid"][k].is_number() && cell["pooled_samples"]["kid"][k] == 10);
            for j in 0..=k {
                let value = &cell["matrices"]["kid"][k][j];
                assert_eq!(value.is_number(), reason.is_none(), "{condition}: {value}");
            }
        }
        assert!(cell["summary"]["bpd.final_average"].is_number());
        let told = cell["summary_missing"]["kid.final_average"].as_str();
        match reason {
            Some(reason) => {
                assert!(cell["summary"]["kid.final_average"].is_null());
                assert!(told.unwrap().starts_with("kid on task 1 after task 3 is missing: the model "));
                assert!(told.unwrap().contains(reason), "{told:?}");
            }
            None => assert_eq!(told, None),
        }
    }
}

#[test]
fn pictures_and_tensors_of_ones_own_can_be_trained_on() {
    let scratch = Scratch::new();
    pictures(&scratch.path("pictures"));
    let small = ["--set", "model.block_out_channels=[8, 16]", "--set", "model.norm_num_groups=4"];
    let mut arguments = vec!["--data-dir", "pictures", "--set", "data.image_folder.size=8"];
    arguments.extend(&small);
    let results = run_shortened(&scratch, &config("image_folder/replay.toml"), "finetune", &arguments);
    assert_eq!(results["stream"]["tasks"][0]["name"], "cat");
    let scratch = Scratch::new();
    tensors(&scratch.path("train.safetensors"));
    tensors(&scratch.path("eval.safetensors"));
    let files = [
        "--set",
        "data.tensors.train=train.safetensors",
        "--set",
        "data.tensors.eval=eval.safetensors",
        "--data-dir",
        ".",
    ];
    let results =
        run_shortened(&scratch, &config("tensors/replay.toml"), "finetune", &[&files[..], &small].concat());
    assert_eq!(results["stream"]["tasks"][1]["train"], 4);
}

/// Twelve pictures of three classes, in the files of `tools/golden/records.py`.
#[test]
fn records_of_parquet_files_and_tars_can_be_trained_on() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data-streams/tests/fixtures/records");
    let fixtures = fixtures.canonicalize().unwrap();
    for (kind, eval, third) in
        [("parquet", "train-00001-of-00002.parquet", "cat"), ("webdataset", "train-1.tar", "2")]
    {
        let scratch = Scratch::new();
        let (eval, size) = (format!("data.{kind}.eval={eval}"), format!("data.{kind}.size=8"));
        let settings = [
            eval.as_str(),
            &size,
            "stream.class_incremental.experiences=3",
            "model.block_out_channels=[8, 16]",
        ];
        let mut arguments =
            vec!["--data-dir", fixtures.to_str().unwrap(), "--set", "model.norm_num_groups=4"];
        settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        let results =
            run_shortened(&scratch, &config(&format!("{kind}/replay.toml")), "finetune", &arguments);
        let tasks = &results["stream"]["tasks"];
        assert_eq!(
            (&tasks[2]["name"], &tasks[2]["train"], &tasks[2]["eval"]),
            (&third.into(), &4.into(), &2.into())
        );
    }
}

#[test]
fn lists_name_every_data_set_and_stream_with_its_options() {
    let scratch = Scratch::new();
    let listed = |what: &str| -> HashMap<String, Vec<String>> {
        let output = scratch.cldiff(&["list", what, "--json"]);
        let choices: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let options = |choice: &Value| {
            let options = choice["options"].as_array().unwrap();
            options.iter().map(|o| o["name"].as_str().unwrap().to_owned()).collect()
        };
        choices.iter().map(|c| (c["name"].as_str().unwrap().to_owned(), options(c))).collect()
    };
    let sets = listed("data-sets");
    for (name, option) in [
        ("glyphs", "size"),
        ("mnist", "pad_to"),
        ("fashion_mnist", "dir"),
        ("kmnist", "dir"),
        ("emnist", "split"),
        ("cifar10", "dir"),
        ("cifar100", "dir"),
        ("digits", "dir"),
        ("image_folder", "fit"),
        ("tensors", "layout"),
        ("several", "parts"),
    ] {
        assert!(sets[name].iter().any(|o| o == option), "{name} has no {option}: {:?}", sets[name]);
    }
    let streams = listed("streams");
    for (name, option) in [
        ("class_incremental", "class_order"),
        ("data_set_sequence", "experiences_per_set"),
        ("domain_incremental", "domains"),
        ("blurry", "disjoint"),
        ("online", "drift"),
        ("subset", "train_per_class"),
    ] {
        assert!(streams[name].iter().any(|o| o == option), "{name} has no {option}: {:?}", streams[name]);
    }
    assert!(streams.contains_key("joint"));
}

#[test]
fn data_list_says_what_is_there() {
    let scratch = Scratch::new();
    let entries = |arguments: &[&str]| -> Vec<Value> {
        let output = scratch.cldiff(&[&["data", "list", "--json"], arguments].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let present = |entries: &[Value], name: &str| {
        entries.iter().find(|entry| entry["name"] == name).unwrap()["present"].as_bool().unwrap()
    };
    let found = entries(&[]);
    assert_eq!(found.len(), 8);
    assert!(present(&found, "glyphs") && !present(&found, "kmnist"));
    assert!(found[1]["dir"].as_str().unwrap().starts_with(scratch.path("cache").to_str().unwrap()));
    let table = scratch.cldiff(&["data", "list"]);
    assert!(text(&table.stdout).contains("fashion-mnist"));
    if let Some(dir) = real("") {
        let found = entries(&["--data-dir", dir.to_str().unwrap()]);
        for name in ["mnist", "fashion-mnist", "cifar10", "digits"] {
            assert!(present(&found, name), "{name}");
        }
        assert!(found[2]["bytes"].as_u64().unwrap() > 30_000_000, "{}", found[2]);
    }
}

#[test]
fn data_show_counts_and_pictures_a_directory() {
    let scratch = Scratch::new();
    pictures(&scratch.path("pictures"));
    let show = |arguments: &[&str]| scratch.cldiff(&[&["data", "show"], arguments].concat());
    let output = show(&["pictures", "--size", "8", "--split", "test", "--out", "grid.png", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["images"], 2);
    assert_eq!(found["classes"][1], serde_json::json!({ "name": "dog", "images": 1 }));
    let mean = found["mean"][0].as_f64().unwrap();
    assert!((mean - 130.0 / 255.0).abs() < 1e-9, "{mean}");
    let grid = image::open(scratch.path("grid.png")).unwrap().to_rgba8();
    assert_eq!(grid.dimensions(), (8, 17));
    assert_eq!((grid.get_pixel(0, 0).0, grid.get_pixel(0, 9).0), ([250, 10, 10, 255], [10, 250, 10, 255]));
    let output = show(&["pictures", "--size", "12x8", "--split", "test", "--out", "high.png"]);
    assert!(text(&output.stdout).contains("2 images of 3x12x8 in 2 classes"), "{}", text(&output.stdout));
    assert_eq!(image::open(scratch.path("high.png")).unwrap().to_rgba8().dimensions(), (8, 25));
    let output = show(&["glyphs", "--split", "train", "--columns", "3", "--out", "glyphs.png"]);
    assert!(text(&output.stdout).contains("glyphs, train: 5000 images of 1x16x16 in 10 classes"));
    assert_eq!(image::open(scratch.path("glyphs.png")).unwrap().to_rgb8().dimensions(), (50, 169));
    for (arguments, expected) in [
        (&["pictures"][..], "--size N"),
        (&["pictures", "--size", "1"], "--size 1: expected 4 to 1024"),
        (&["pictures", "--size", "8x1"], "--size 8x1: expected 4 to 1024"),
        (&["pictures", "--size", "8by8"], "expected N, or HxW"),
        (&["pictures", "--size", "8", "--data-dir", "x"], "--data-dir does not go with pictures"),
        (&["mnist", "--size", "8"], "--size does not go with mnist"),
        (&["nothing"], "no data set of that name"),
        (&["mnist", "--data-dir", "pictures"], "no mnist in pictures"),
        (&["mnist"], "cldiff data fetch mnist"),
        (&["glyphs", "--columns", "0"], "--columns 0"),
        (&["glyphs", "--out", "grid.jpg"], "expected FILE.png"),
        (&["glyphs", "--out", "nowhere/grid.png"], "nowhere/grid.png"),
        (&["cache"], "cache"),
    ] {
        let output = show(arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(expected), "{arguments:?}: no {expected:?} in {message}");
    }
}

#[test]
fn data_show_says_what_is_left_out_and_leaves_out_what_is_broken() {
    let scratch = Scratch::new();
    pictures(&scratch.path("pictures"));
    fs::write(scratch.path("pictures/cat/notes.txt"), "x").unwrap();
    fs::write(scratch.path("pictures/beside.png"), "x").unwrap();
    let show = |arguments: &[&str]| {
        scratch
            .cldiff(&[&["data", "show", "pictures", "--size", "8", "--split", "train"], arguments].concat())
    };
    let images = |output: &std::process::Output| -> Value {
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["images"].clone()
    };
    let output = show(&["--json"]);
    let stderr = text(&output.stderr);
    assert_eq!(images(&output), 10);
    assert!(
        stderr.contains("left out 2 files: 1 in no directory of a class (pictures/beside.png), 1 *.txt"),
        "{stderr}"
    );
    for i in 0..6 {
        fs::write(scratch.path(&format!("pictures/cat/{i}.png")), "words").unwrap();
    }
    let output = show(&[]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("; 5 pictures are broken, and 0 may be left out; --skip-broken 5 leaves"),
        "{stderr}"
    );
    let output = show(&["--skip-broken", "5", "--json"]);
    assert_eq!(images(&output), 5);
    assert_eq!(text(&output.stderr).matches("left out, since it is broken: pictures/cat/").count(), 5);
    let output = scratch.cldiff(&["data", "show", "glyphs", "--skip-broken", "1"]);
    assert!(text(&output.stderr).contains("--skip-broken does not go with glyphs"));
}

#[test]
fn data_show_reads_the_files_of_one_split_alone() {
    let Some(dir) = real("fashion-mnist") else { return };
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("part")).unwrap();
    for file in ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"] {
        fs::copy(dir.join(file), scratch.path("part").join(file)).unwrap();
    }
    let show = |split: &str| {
        scratch.cldiff(&["data", "show", "fashion-mnist", "--data-dir", "part", "--split", split, "--json"])
    };
    let found: Value = serde_json::from_slice(&show("test").stdout).unwrap();
    assert_eq!(found["images"], 10_000);
    // The published mean and standard deviation of the test images.
    assert!((found["mean"][0].as_f64().unwrap() - 0.2868).abs() < 1e-4);
    assert!((found["standard_deviation"][0].as_f64().unwrap() - 0.3524).abs() < 1e-4);
    assert_eq!(show("train").status.code(), Some(2));
}

/// Serves the files of a directory, and nothing else.
fn serve(dir: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/files/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            let _headers = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).count();
            let name = first.split_whitespace().nth(1).unwrap().rsplit('/').next().unwrap().to_owned();
            let (status, body) = match fs::read(dir.join(name)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    address
}

#[test]
fn data_fetch_gets_checks_and_puts_where_it_is_found() {
    let Some(dir) = real("fashion-mnist") else { return };
    let (scratch, mirror) = (Scratch::new(), serve(dir));
    let fetch = || {
        let to = ["data", "fetch", "fashion_mnist", "--data-dir", "data"];
        scratch.cldiff(&[&to[..], &["--only-mirror", "--mirror", &mirror]].concat())
    };
    let output = fetch();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("fashion-mnist: 4 files in data/fashion-mnist (licence: MIT)"));
    assert!(text(&fetch().stderr).contains("train-images-idx3-ubyte.gz: there already"));
    let arguments = ["data", "show", "fashion-mnist", "--data-dir", "data", "--split", "test"];
    assert!(scratch.cldiff(&arguments).status.success());
}

#[test]
fn data_fetch_says_what_every_mirror_said() {
    let scratch = Scratch::new();
    let empty = scratch.path("empty");
    fs::create_dir(&empty).unwrap();
    let mirror = serve(empty);
    let fetch =
        |arguments: &[&str]| scratch.cldiff(&[&["data", "fetch", "--data-dir", "data"], arguments].concat());
    let output = fetch(&["digits", "--only-mirror", "--mirror", &mirror, "--quiet"]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(&mirror) && message.contains("digits: cannot get"), "{message}");
    let output = fetch(&["imagenet"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("expected mnist, fashion-mnist"));
}

/// A configuration with one line of data or stream that is wrong.
#[test]
fn wrong_data_and_streams_are_told_with_their_line() {
    let scratch = Scratch::new();
    tensors(&scratch.path("a.safetensors"));
    pictures(&scratch.path("pictures"));
    fs::write(scratch.path("pictures/dog/5.png"), "words").unwrap();
    let glyphs = "glyphs = { size = 8, train_per_class = 4, eval_per_class = 2 }";
    for (data, stream, line, expected) in [
        (glyphs, "blurry = { disjoint = 2.0 }", 5, "`stream.blurry.disjoint` is 2.0"),
        (glyphs, "online = { drift = { linear = { width = 0.0 } } }", 5, "above 0 and at most 1"),
        (glyphs, "online = { drift = { linear = { with = 0.5 } } }", 5, "unexpected keys in table: with"),
        (glyphs, "online = { stream = { class_incremental = { experiences = 3 } } }", 5, "1, 2, 5, 10"),
        (glyphs, "subset = { experiences = [7] }", 5, "some of 0 to 4"),
        (glyphs, "domain_incremental = { domains = [] }", 5, "at least one domain"),
        (glyphs, "domain_incremental = { domains = [{ blur = { sigma = -1.0 } }] }", 5, "blur.sigma"),
        (glyphs, "class_incremental = { class_order = { given = [0, 1] } }", 5, "each of the 10 classes"),
        (glyphs, "data_set_sequence = {}", 5, "data.several.parts"),
        (
            "tensors = { train = \"a.safetensors\", eval = \"a.safetensors\", size = 3 }",
            "joint = {}",
            2,
            "unknown field `size`",
        ),
        (
            "several = { parts = [{ glyphs = { size = 8 } }, { glyphs = { size = 9 } }] }",
            "joint = {}",
            2,
            "`data.several.size` is not set",
        ),
        (
            "several = { parts = [{ glyphs = { size = 8 } }, { glyphs = { size = 7 } }] }",
            "joint = {}",
            2,
            "`data.several.parts.1.glyphs.size` is 7",
        ),
        ("image_folder = { dir = \"pictures\" }", "joint = {}", 2, "`data.image_folder.size` is not set"),
        ("image_folder = { size = 8 }", "joint = {}", 2, "`data.image_folder.dir` is not set"),
        // Files are told by their names.
        (
            "image_folder = { dir = \"pictures\", size = 8 }",
            "joint = {}",
            0,
            "pictures/dog/5.png: cannot be decoded",
        ),
        (
            "tensors = { train = \"a.safetensors\", eval = \"a.safetensors\", class_names = [\"x\"] }",
            "joint = {}",
            0,
            "a.safetensors: label 1 of image 1",
        ),
    ] {
        let config = format!("[data]\n{data}\n\n[stream]\n{stream}\n\n[[strategy]]\nfinetune = {{}}\n");
        scratch.write("wrong.toml", &config);
        let output = scratch.cldiff(&["config", "check", "wrong.toml"]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{config}{message}");
        assert!(message.contains(expected), "{config}no {expected:?} in {message}");
        if line > 0 {
            let at = [format!("line {line}:"), format!("line {line},")];
            assert!(at.iter().any(|at| message.contains(at)), "{config}no line {line} in {message}");
        }
    }
    // A directory that is absent here may be present on another machine.
    let absent = "[data]\nimage_folder = { dir = \"nowhere\", size = 8 }\n[[strategy]]\nfinetune = {}\n";
    scratch.write("absent.toml", absent);
    let output = scratch.cldiff(&["config", "check", "absent.toml"]);
    assert!(output.status.success() && text(&output.stdout).contains("no such directory"));
    assert_eq!(scratch.cldiff(&["--config", "absent.toml"]).status.code(), Some(2));
}
