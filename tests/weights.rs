//! The weights of Inception-v3 as a user meets them: listed, fetched, converted, found, and wrong.

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::Output,
    thread,
};

use cl_metrics::features::{dinov2, inception};
use common::{Scratch, text};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::Value;

/// Every weight is this one.
const WEIGHT: f32 = 0.01;

/// Pickle's instruction for a number.
fn int(n: usize) -> Vec<u8> {
    [&b"J"[..], &i32::try_from(n).unwrap().to_le_bytes()].concat()
}

/// Pickle's instruction for text.
fn string(text: &str) -> Vec<u8> {
    [&b"X"[..], &u32::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat()
}

fn tuple(numbers: &[usize]) -> Vec<u8> {
    let items: Vec<u8> = numbers.iter().flat_map(|&n| int(n)).collect();
    [&b"("[..], &items, b"t"].concat()
}

/// A state dict of a whole network in PyTorch's older form, as Inception's published file has it: up to 95 MB.
fn state_dict(parameters: &[(String, Vec<usize>)]) -> Vec<u8> {
    let (mut object, mut keys, mut numbers) = (b"\x80\x02}(".to_vec(), b"\x80\x02](".to_vec(), Vec::new());
    for (i, (name, shape)) in parameters.iter().enumerate() {
        let count: usize = shape.iter().product();
        let stride: Vec<usize> = (0..shape.len()).map(|d| shape[d + 1..].iter().product::<usize>()).collect();
        object.extend(string(name));
        object.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        object.extend(string("storage"));
        object.extend(b"ctorch\nFloatStorage\n");
        object.extend([string(&i.to_string()), string("cpu"), int(count)].concat());
        object.extend(b"NtQ");
        object.extend([int(0), tuple(shape), tuple(&stride)].concat());
        object.extend(b"\x89}tR");
        keys.extend(string(&i.to_string()));
        numbers.extend((count as u64).to_le_bytes());
        numbers.extend(WEIGHT.to_le_bytes().repeat(count));
    }
    object.extend(b"u.");
    keys.extend(b"e.");
    let mut file = vec![0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
    file.extend(b"\x80\x02M\xe9\x03.\x80\x02}");
    file.extend(string("little_endian"));
    file.extend(b"\x88s.");
    [file, object, keys, numbers].concat()
}

fn said(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn succeeds(scratch: &Scratch, arguments: &[&str]) -> String {
    let output = scratch.cldiff(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    text(&output.stdout)
}

/// Status 2, one message with these parts, nothing on stdout.
fn refused(scratch: &Scratch, arguments: &[&str], parts: &[&str]) {
    let output = scratch.cldiff(arguments);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
    assert!(output.stdout.is_empty() && told.matches("error:").count() == 1, "{told}");
    for part in parts {
        assert!(told.contains(part), "{arguments:?}: no {part:?} in: {told}");
    }
}

fn listed(scratch: &Scratch) -> Value {
    let all: Value = serde_json::from_str(&succeeds(scratch, &["weights", "list", "--json"])).unwrap();
    all[0].clone()
}

/// Two images, and a configuration that asks for Inception's features.
fn with_images() -> Scratch {
    let scratch = Scratch::new();
    let pixels: Vec<u8> = (0..2 * 64_u32).map(|i| (i * 3) as u8).collect();
    let view = TensorView::new(Dtype::U8, vec![2, 1, 8, 8], &pixels).unwrap();
    fs::write(scratch.path("a.safetensors"), safetensors::serialize([("images", view)], None).unwrap())
        .unwrap();
    let config =
        "name = \"x\"\n[data.glyphs]\n[evaluation.features]\ninception = {}\n[[strategy]]\nfinetune = {}\n";
    scratch.write("inception.toml", config);
    scratch
}

const FID: [&str; 9] = [
    "metric",
    "fid",
    "a.safetensors",
    "a.safetensors",
    "--features",
    "inception",
    "--backend",
    "flex",
    "--json",
];

#[test]
fn without_weights_the_way_to_them_is_told() {
    let scratch = with_images();
    let entry = listed(&scratch);
    assert_eq!((&entry["name"], &entry["present"]), (&"inception".into(), &false.into()));
    assert!(entry["path"].as_str().unwrap().starts_with(scratch.path("cache").to_str().unwrap()));
    assert!(entry["sha256"].is_null() && entry["sources"].as_array().unwrap().len() == 2);
    let told = succeeds(&scratch, &["weights", "list"]);
    assert!(
        told.contains("no: get them by `cldiff weights fetch`")
            && told.contains("6726825d")
            && told.contains("Apache-2.0")
    );
    refused(&scratch, &FID, &["cldiff weights fetch", "--weights FILE.safetensors"]);
    let key = "`evaluation.features.inception.weights` is absent";
    refused(
        &scratch,
        &["config", "check", "inception.toml"],
        &["inception.toml, line 4", key, "cldiff weights fetch"],
    );
}

#[test]
fn converted_weights_are_found_and_told_by_their_hash() {
    let scratch = with_images();
    fs::write(scratch.path("weights.pth"), state_dict(&inception::parameters())).unwrap();
    let told = succeeds(&scratch, &["weights", "convert", "weights.pth"]);
    let entry = listed(&scratch);
    let (sha256, source) = (entry["sha256"].as_str().unwrap(), entry["pytorch_sha256"].as_str().unwrap());
    assert!(entry["present"] == true && sha256.len() == 64 && source.len() == 64 && sha256 != source);
    assert!(told.contains(sha256) && told.contains(source) && told.contains("471 tensors"), "{told}");
    // The same tensors are the same file, wherever it is put.
    succeeds(&scratch, &["weights", "convert", "weights.pth", "--out", "again.safetensors"]);
    let cached = fs::read(entry["path"].as_str().unwrap()).unwrap();
    assert!(fs::read(scratch.path("again.safetensors")).unwrap() == cached);
    assert!(!scratch.path("again.safetensors.part").exists());

    let found: Value = serde_json::from_str(&succeeds(&scratch, &FID)).unwrap();
    assert!(found["features"].as_str().unwrap().contains(&sha256[..16]), "{found}");
    assert!(found["fid"].as_f64().unwrap().abs() < 1e-6);
    let shown = succeeds(&scratch, &["config", "show", "--config", "inception.toml"]);
    assert!(shown.contains(entry["path"].as_str().unwrap()), "{shown}");
    // Weights that are there are not fetched again: no server is asked.
    let told = succeeds(&scratch, &["weights", "fetch", "--only-mirror", "--mirror", "http://127.0.0.1:1"]);
    assert!(told.contains("there already") && told.contains(sha256));

    fs::write(entry["path"].as_str().unwrap(), &cached[..1000]).unwrap();
    refused(&scratch, &["weights", "fetch"], &["not a safetensors file", "remove it"]);
    let entry = listed(&scratch);
    assert!(entry["present"] == false && entry["problem"].is_string());
}

#[test]
fn weights_of_dinov2_are_told_by_their_tensors_and_give_features() {
    let scratch = with_images();
    let fid = [&FID[..5], &["dinov2"], &FID[6..]].concat();
    refused(&scratch, &fid, &["dinov2_vits14_pretrain.pth", "cldiff weights convert"]);
    refused(&scratch, &["weights", "fetch", "dinov2"], &["not fetched", "dinov2_vits14_pretrain.pth"]);
    let mut all = dinov2::parameters();
    all.push(("mask_token".into(), vec![1, 384]));
    fs::write(scratch.path("dinov2.pth"), state_dict(&all)).unwrap();
    let told = succeeds(&scratch, &["weights", "convert", "dinov2.pth"]);
    assert!(told.contains("174 tensors; left out") && told.contains("mask_token"), "{told}");
    let entries: Value = serde_json::from_str(&succeeds(&scratch, &["weights", "list", "--json"])).unwrap();
    assert_eq!((&entries[1]["name"], &entries[1]["present"]), (&"dinov2".into(), &true.into()));
    assert_eq!(entries[0]["present"], false);
    let found: Value = serde_json::from_str(&succeeds(&scratch, &fid)).unwrap();
    let sha256 = entries[1]["sha256"].as_str().unwrap();
    let features = found["features"].as_str().unwrap();
    assert!(features.starts_with("384-d DINOv2") && features.contains(&sha256[..16]), "{found}");
    assert!(found["fid"].as_f64().unwrap().abs() < 1e-6);
    assert!(succeeds(&scratch, &["weights", "fetch", "dinov2"]).contains("there already"));
}

#[test]
fn what_is_no_state_dict_of_this_network_is_refused() {
    let scratch = Scratch::new();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../cl-metrics/tests/fixtures/pytorch/");
    let whole = fs::read(format!("{fixtures}legacy.pth")).unwrap();
    fs::write(scratch.path("cut.pth"), &whole[..whole.len() - 1]).unwrap();
    let call = b"cos\nsystem\nX\x0a\0\0\0touch here\x85R.";
    let evil = [&whole[..15], b"\x80\x02M\xe9\x03.\x80\x02", call].concat();
    fs::write(scratch.path("evil.pth"), evil).unwrap();
    fs::write(scratch.path("text.pth"), "weights").unwrap();
    let convert = |file: &str, parts: &[&str]| {
        refused(&scratch, &["weights", "convert", file, "--out", "w.safetensors"], parts);
        assert!(!scratch.path("w.safetensors").exists());
    };
    for form in ["legacy", "archive"] {
        convert(&format!("{fixtures}{form}.pth"), &["tensor `fc.weight` is missing"]);
    }
    convert("cut.pth", &["cut.pth", "cut off"]);
    convert("evil.pth", &["evil.pth", "`os.system`", "refused"]);
    convert("text.pth", &["not a file of torch.save"]);
    convert("absent.pth", &["absent.pth"]);
    assert!(!scratch.path("here").exists(), "nothing was run");
    refused(&scratch, &["weights", "fetch", "resnet"], &["resnet", "expected inception or dinov2"]);
}

/// Answers every request with the same bytes.
fn serve(body: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let _headers = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).count();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    url
}

#[test]
fn a_mirror_with_another_file_is_refused() {
    let (scratch, mirror) = (Scratch::new(), serve(b"something else"));
    let output = scratch.cldiff(&["weights", "fetch", "--only-mirror", "--mirror", &mirror]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for part in ["pt_inception-2015-12-05-6726825d.pth", "SHA-256", "expected 6726825d"] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(listed(&scratch)["present"], false);
}
