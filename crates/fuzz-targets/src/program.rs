//! The files that the program reads beside data and models.

use std::{collections::BTreeMap, fs, path::Path, sync::OnceLock};

use cldiff_cli::{
    input,
    report::{self, ReportInput},
    results::Results,
};
use data_streams::{ClassIncremental, Stream, StreamBuilder, dataset::glyphs::GlyphsConfig};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{choice, files, in_directory, write};

/// A small stream, in place of the one that a configuration asks for: its data are another parser's.
fn stream() -> &'static Stream {
    static STREAM: OnceLock<Stream> = OnceLock::new();
    STREAM.get_or_init(|| {
        let glyphs = GlyphsConfig { train_per_class: 2, eval_per_class: 1, ..GlyphsConfig::default() };
        let data = glyphs.build().expect("glyphs can be drawn");
        ClassIncremental { experiences: 5, ..ClassIncremental::default() }.build(data).expect("ten classes")
    })
}

/// A configuration, through to the one with everything filled in; that is a configuration again, and the same.
pub fn config(data: &[u8]) {
    in_directory(|dir| {
        let path = dir.join("config.toml");
        write(&path, data);
        let Ok(resolved) = input::configuration(&path, stream()) else { return };
        write(&path, resolved.as_bytes());
        match input::configuration(&path, stream()) {
            Ok(again) => assert_eq!(again, resolved),
            Err(error) => panic!("{error}, in\n{resolved}"),
        }
    });
}

/// A `results.json`, and its report.
pub fn results(data: &[u8]) {
    let path = Path::new("results.json");
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(results) = Results::parse(text, path) else { return };
    let text = results.to_json().expect("accepted numbers can be written");
    // Not the results themselves: a number that is not finite equals none.
    let again = Results::parse(&text, path).expect("what is written can be read");
    assert_eq!(again.to_json().expect("what was read can be written"), text);
    let input = ReportInput {
        place: "run".into(),
        results,
        missing: Vec::new(),
        config_toml: String::new(),
        data_sha256: BTreeMap::new(),
        manifest: Vec::new(),
        grids: BTreeMap::new(),
        real_grid: None,
    };
    if let Ok(html) = report::render(&[input]) {
        // The page's own script is the only one.
        assert_eq!(html.matches("<script").count(), 1);
    }
}

/// A run's `manifest.json`: what is accepted is written again, and the same.
pub fn manifest(data: &[u8]) {
    in_directory(|dir| {
        let run = dir.join("run");
        write(&run.join("manifest.json"), data);
        match input::manifest(&run) {
            Ok(text) => {
                write(&run.join("manifest.json"), text.as_bytes());
                assert_eq!(input::manifest(&run).as_ref(), Ok(&text));
            }
            Err(message) => assert!(message.contains("manifest.json"), "{message}"),
        }
    });
}

/// A cell's `status.json` and `result.json`: a result is taken with its hash alone, and what is taken is written again and
/// the same.
pub fn cell(data: &[u8]) {
    in_directory(|dir| {
        let [status, result] = files(data);
        let cell = dir.join("cells/finetune-0");
        let end = |status: &[u8], result: &[u8]| {
            write(&cell.join("status.json"), status);
            write(&cell.join("result.json"), result);
            input::cell_end(dir)
        };
        let hash = |result: &[u8]| -> String {
            Sha256::digest(result).iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let with_hash = |result: &[u8]| {
            format!(r#"{{"schema":1,"state":"finished","result_sha256":"{}"}}"#, hash(result))
        };
        if let Some(Ok(_)) = end(status, result) {
            let status: Value = serde_json::from_slice(status).expect("a status is JSON");
            assert_eq!(status["result_sha256"], hash(result), "a result without its hash was taken");
        }
        if let Some(Ok(text)) = end(with_hash(result).as_bytes(), result) {
            assert_eq!(end(with_hash(text.as_bytes()).as_bytes(), text.as_bytes()), Some(Ok(text.clone())));
            let other = format!("{text} ");
            assert_eq!(end(with_hash(text.as_bytes()).as_bytes(), other.as_bytes()), None);
        }
    });
}

/// The argument of `--cell`, and the number that a batch system gives a task: the first byte says how many cells there are,
/// the second how many a task makes.
pub fn cells(data: &[u8]) {
    let (of, rest) = choice(data);
    let (per_task, rest) = choice(rest);
    let (of, per_task) = (usize::from(of), usize::from(per_task));
    let [asked, task] = files(rest).map(String::from_utf8_lossy);
    let Ok(chosen) = input::cells(&asked, of, per_task, Some(&task)) else { return };
    assert!(!chosen.is_empty(), "nothing was asked for");
    assert!(chosen.windows(2).all(|two| two[0] < two[1]), "each cell once, in order: {chosen:?}");
    assert!(chosen.iter().all(|cell| *cell < of), "{chosen:?} of {of}");
}

/// A `lease.json`: what is accepted is written again, and the same.
pub fn lease(data: &[u8]) {
    let Some(text) = input::lease(&String::from_utf8_lossy(data)) else { return };
    assert_eq!(input::lease(&text).as_ref(), Some(&text));
}

/// A cell's `metrics.jsonl`, which a killed process may have left: whole lines stay, half of one is cut off, and the next
/// line stands alone.
pub fn events(data: &[u8]) {
    in_directory(|dir| {
        let path = dir.join("metrics.jsonl");
        write(&path, data);
        let added = input::add_event(&path).expect("a temporary file can be written");
        let whole = data.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let found = fs::read(&path).expect("a temporary file can be read");
        let last = found.strip_prefix(&data[..whole]).expect("whole lines stay");
        assert_eq!(last, format!("{added}\n").as_bytes());
    });
}

/// A set of `cldiff metric`: safetensors or npz.
pub fn metric(data: &[u8]) {
    let (choice, bytes) = choice(data);
    in_directory(|dir| {
        let name = if choice & 1 == 0 { "set.npz" } else { "set.safetensors" };
        let path = dir.join(name);
        write(&path, bytes);
        if let Ok(moments) = input::metric_set(&path) {
            assert!(moments.iter().all(|value| value.is_finite()));
        }
        let _ = fs::remove_file(path);
    });
}
