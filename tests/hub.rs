//! `--model hf:OWNER/NAME` against a server of this process that answers as the Hub does. Only with the feature `hub`:
//! `cargo test -p cldiff-cli --features hub --test hub`.

#![cfg(feature = "hub")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Output,
    sync::{Arc, Mutex},
    thread,
};

use common::{Scratch, text};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A hub with one model, `me/glyphs`, and what was asked of it.
struct Hub {
    endpoint: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn of(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self::at(COMMIT, files)
    }

    /// A hub that says that its files are those of `commit`.
    fn at(commit: &'static str, files: BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), commit, &files, &noted);
            }
        });
        Self { endpoint, asked }
    }

    /// How often paths with this ending were asked for.
    fn count(&self, end: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|path| path.ends_with(end)).count()
    }
}

/// One request and its answer: the repository's files, or a range of one.
fn answer(
    mut stream: TcpStream,
    commit: &str,
    files: &BTreeMap<String, Vec<u8>>,
    asked: &Mutex<Vec<String>>,
) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        let found = headers
            .iter()
            .find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value.to_owned())
    };
    asked.lock().unwrap().push(path.clone());
    let (status, more, body) = if path == "/api/models/me/glyphs/revision/main" {
        let siblings: Vec<_> = files.keys().map(|name| serde_json::json!({"rfilename": name})).collect();
        let info = serde_json::json!({"sha": commit, "siblings": siblings}).to_string();
        ("200 OK", "Content-Type: application/json\r\n".to_owned(), info.into_bytes())
    } else if let Some(file) =
        path.strip_prefix(&format!("/me/glyphs/resolve/{commit}/")).and_then(|name| files.get(name))
    {
        let range = header("range").unwrap_or_default();
        let (from, to) = range.trim_start_matches("bytes=").split_once('-').unwrap_or(("0", ""));
        let from: usize = from.parse().unwrap();
        let to = to.parse().unwrap_or(usize::MAX).min(file.len() - 1);
        // Names that a client must not follow.
        let outside = "../../../../outside";
        let more = format!(
            "Content-Range: bytes {from}-{to}/{}\r\nETag: \"{outside}\"\r\nX-Repo-Commit: {outside}\r\n",
            file.len()
        );
        ("206 Partial Content", more, file[from..=to].to_vec())
    } else {
        ("404 Not Found", String::new(), Vec::new())
    };
    let head =
        format!("HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

/// The files of a directory by their names.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect()
}

fn cldiff(scratch: &Scratch, hub: &Hub, arguments: &[&str]) -> Output {
    let mut command = scratch.command();
    for variable in ["HF_TOKEN", "NO_PROXY", "no_proxy"] {
        command.env_remove(variable);
    }
    command
        .args(arguments)
        .env("HF_ENDPOINT", &hub.endpoint)
        .env("HF_HOME", scratch.path("hf"))
        .env("COLUMNS", "1000")
        .output()
        .unwrap()
}

#[test]
fn a_model_of_the_hub_is_got_once_and_draws_as_its_directory_does() {
    let scratch = Scratch::new();
    let smoke =
        ["--config", "smoke", "--backend", "flex", "--strategy", "finetune", "--quiet", "--out", "run"];
    let output = scratch.cldiff(&smoke);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let model = "run/cells/finetune-0/checkpoints/after-task-2";
    let mut served = files(&scratch.path(model));
    served.insert("README.md".into(), b"a model card".to_vec());
    let hub = Hub::of(served);
    let sample = ["sample", "--backend", "flex", "--n", "2", "--class", "1", "--steps", "2"];
    let output =
        scratch.cldiff(&[&sample[..], &["--model", model, "--out", "expected.safetensors"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    for out in ["first.safetensors", "second.safetensors"] {
        let output =
            cldiff(&scratch, &hub, &[&sample[..], &["--model", "hf:me/glyphs", "--out", out]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let drawn = |name: &str| fs::read(scratch.path(name)).unwrap();
        assert!(drawn(out) == drawn("expected.safetensors"), "{out}");
    }
    // The second command finds the file in the cache.
    assert_eq!(hub.count("/diffusion_pytorch_model.safetensors"), 1);
    assert_eq!(hub.count("README.md"), 0);
    let output = cldiff(
        &scratch,
        &hub,
        &["export", "--backend", "flex", "--model", "hf:me/glyphs", "--out", "pipeline"],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(scratch.path("pipeline/unet/config.json").is_file());
    // Nothing but the cache has been written by what the server said.
    let cached = scratch.path(&format!("hf/hub/models--me--glyphs/snapshots/{COMMIT}"));
    assert!(cached.join("config.json").is_file());
    let entries = fs::read_dir(scratch.path("hf/hub/models--me--glyphs")).unwrap();
    assert_eq!(entries.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>(), ["snapshots"]);
    assert!(!scratch.path("outside").exists() && !scratch.path("hf/outside").exists());
}

#[test]
fn a_server_that_names_a_path_as_the_commit_is_refused() {
    let scratch = Scratch::new();
    let hub = Hub::at("../../../outside", BTreeMap::from([("config.json".to_owned(), b"{}".to_vec())]));
    let arguments = ["sample", "--backend", "flex", "--model", "hf:me/glyphs", "--out", "samples.png"];
    let output = cldiff(&scratch, &hub, &arguments);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("expected a hexadecimal hash"), "{told}");
    assert!(!scratch.path("outside").exists() && !scratch.path("hf/hub").exists());
}

#[test]
fn what_is_not_there_is_told_before_anything_is_written() {
    let scratch = Scratch::new();
    let hub = Hub::of(BTreeMap::from([("README.md".to_owned(), b"no model".to_vec())]));
    for (model, expected) in [
        ("hf:me/absent", "404"),
        ("hf:me/glyphs", "it holds no model in diffusers' form; it holds \"README.md\""),
        ("hf:glyphs", "expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION"),
    ] {
        let arguments = ["sample", "--backend", "flex", "--model", model, "--out", "samples.png"];
        let output = cldiff(&scratch, &hub, &arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(&format!("--model {model}: ")) && told.contains(expected), "{told}");
        assert!(!scratch.path("samples.png").exists());
    }
}
