//! `--tensorboard`: the event files of a run say what `metrics.jsonl` says, before and after an interruption, and change no
//! result. The reader here shares nothing with the program's writer.

mod common;

use std::{collections::BTreeMap, fs, path::Path};

use common::{Scratch, results_without_cost, text};
use serde_json::Value;

const RUN: [&str; 15] = [
    "--config",
    "smoke",
    "--backend",
    "flex",
    "--quiet",
    "--strategy",
    "finetune",
    "--set",
    "training.log_every=1",
    "--set",
    "checkpoints.every_steps=1",
    "--set",
    "checkpoints.most_time=1",
    "--out",
    "run",
];

/// A field of a protocol buffer: its number, and what it holds.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed(&'a [u8]),
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (this, rest) = bytes.split_at(n);
    *bytes = rest;
    this
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let low_first = take(bytes, end + 1);
    low_first.iter().rev().fold(0, |value, byte| (value << 7) | u64::from(byte & 0x7F))
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Fixed(take(&mut bytes, 8)),
            2 => {
                let length = varint(&mut bytes) as usize;
                Field::Bytes(take(&mut bytes, length))
            }
            5 => Field::Fixed(take(&mut bytes, 4)),
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, field));
    }
    found
}

fn bytes_of(message: &[u8], number: u64) -> Option<&[u8]> {
    fields(message).into_iter().find_map(|(at, field)| match field {
        Field::Bytes(bytes) | Field::Fixed(bytes) if at == number => Some(bytes),
        _ => None,
    })
}

fn number_of(message: &[u8], number: u64) -> u64 {
    let found = fields(message).into_iter().find_map(|(at, field)| match field {
        Field::Number(value) if at == number => Some(value),
        _ => None,
    });
    found.unwrap_or(0)
}

/// CRC-32C bit by bit, masked as TensorFlow masks it.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    let crc = !crc;
    crc.rotate_left(17).wrapping_add(0xA282_EAD8)
}

/// The events of a file, each in a frame with right checksums.
fn events(path: &Path) -> Vec<Vec<u8>> {
    let file = fs::read(path).unwrap();
    let (mut rest, mut found) = (&file[..], Vec::new());
    while !rest.is_empty() {
        let (length, after) = rest.split_at(8);
        let sum = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
        assert_eq!(sum(after), checksum(length));
        let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
        let (data, after) = after[4..].split_at(length);
        assert_eq!(sum(after), checksum(data));
        found.push(data.to_vec());
        rest = &after[4..];
    }
    found
}

/// The content that TensorBoard shows of a cell: numbers and pictures by tag and step, without what a restart made void.
#[derive(Default)]
struct Board {
    scalars: BTreeMap<(String, u64), f32>,
    pictures: BTreeMap<u64, Vec<u8>>,
    starts: Vec<u64>,
}

fn board(cell: &Path) -> Board {
    let mut files: Vec<_> = fs::read_dir(cell).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("events.out.tfevents."));
    files.sort();
    let mut board = Board::default();
    for file in files {
        for (i, event) in events(&file).iter().enumerate() {
            let time = f64::from_le_bytes(bytes_of(event, 1).unwrap().try_into().unwrap());
            assert!(time > 1.7e9, "{time}");
            assert_eq!(bytes_of(event, 3).is_some_and(|version| version == b"brain.Event:2"), i == 0);
            let step = number_of(event, 2);
            if let Some(log) = bytes_of(event, 7) {
                assert_eq!((i, number_of(log, 1)), (1, 1));
                board.scalars.retain(|(_, at), _| *at < step);
                board.pictures.retain(|at, _| *at < step);
                board.starts.push(step);
            }
            bytes_of(event, 5).into_iter().for_each(|summary| board.add(step, summary));
        }
    }
    board
}

impl Board {
    fn add(&mut self, step: u64, summary: &[u8]) {
        for (_, value) in fields(summary) {
            let Field::Bytes(value) = value else { panic!("a value is a message") };
            let tag = String::from_utf8(bytes_of(value, 1).unwrap().to_vec()).unwrap();
            if let Some(image) = bytes_of(value, 4) {
                assert_eq!((tag.as_str(), number_of(image, 3)), ("samples", 4));
                self.pictures.insert(step, bytes_of(image, 4).unwrap().to_vec());
            } else {
                let number = f32::from_le_bytes(bytes_of(value, 2).unwrap().try_into().unwrap());
                assert!(self.scalars.insert((tag, step), number).is_none(), "step {step} occurs twice");
            }
        }
    }
}

fn log(cell: &Path) -> Vec<Value> {
    let text = fs::read_to_string(cell.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The smoke run has two tasks of 40 steps.
fn global(line: &Value) -> u64 {
    40 * line["task"].as_u64().unwrap() + line["step"].as_u64().unwrap()
}

/// Every number of the log that is valid, by tag and step.
fn expected(log: &[Value]) -> BTreeMap<(String, u64), f32> {
    let mut found = BTreeMap::new();
    for line in log {
        match line["event"].as_str().unwrap() {
            "train" => {
                found.insert(
                    ("loss/training".to_owned(), global(line)),
                    line["loss"].as_f64().unwrap() as f32,
                );
            }
            "resumed" => {
                let end = 40 * (line["task"].as_u64().unwrap() + 1);
                found.retain(|(_, at), _| *at < (global(line) + 1).min(end));
            }
            "evaluation" => {
                let step = 40 * (line["task"].as_u64().unwrap() + 1);
                for metric in ["fid", "bpd"] {
                    for (j, value) in line[metric].as_array().unwrap().iter().enumerate() {
                        if let Some(value) = value.as_f64() {
                            found.insert((format!("{metric}/task-{}", j + 1), step), value as f32);
                        }
                    }
                }
                found
                    .insert(("fid/tasks-seen".to_owned(), step), line["fid_pooled"].as_f64().unwrap() as f32);
            }
            _ => {}
        }
    }
    found
}

fn check(scratch: &Scratch, sessions: usize) {
    let cell = scratch.path("run/cells/finetune-0");
    let (board, log) = (board(&cell), log(&cell));
    assert_eq!(board.starts.len(), sessions);
    let expected = expected(&log);
    for (key, value) in &expected {
        assert_eq!(board.scalars.get(key), Some(value), "{key:?}");
    }
    let others: Vec<_> = board.scalars.keys().filter(|key| !expected.contains_key(key)).collect();
    let known = |tag: &str| ["loss", "fid", "bpd"].iter().any(|known| tag.split('/').next() == Some(known));
    assert!(others.iter().all(|(tag, _)| !known(tag)), "{others:?}");
    // The loss of every step; that of a task's last step may be void after an interruption right there.
    for step in 1..80 {
        let is_there = board.scalars.contains_key(&("loss/training".to_owned(), step));
        assert!(is_there || (step == 40 && sessions > 1), "step {step}");
    }
    for (step, file) in [(40, "after-task-1.png"), (80, "after-task-2.png")] {
        assert_eq!(board.pictures[&step], fs::read(cell.join("samples").join(file)).unwrap());
    }
}

#[test]
fn event_files_say_what_the_log_says_and_go_on_after_an_interruption() {
    let scratch = Scratch::new();
    let output = scratch.cldiff(&RUN);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let plain = results_without_cost(&scratch.path("run"));
    let cell = scratch.path("run/cells/finetune-0");
    let is_event_file = |name: &str| name.starts_with("events.");
    let names = fs::read_dir(&cell).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !is_event_file(name.to_str().unwrap())), "without being asked");

    fs::remove_dir_all(scratch.path("run")).unwrap();
    let output = scratch.cldiff(&[&RUN[..], &["--tensorboard"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    check(&scratch, 1);
    assert_eq!(results_without_cost(&scratch.path("run")), plain);

    fs::remove_dir_all(scratch.path("run")).unwrap();
    let mut more = vec!["--tensorboard"];
    for fault in ["panic:30", "panic:60"] {
        let output = scratch.command().args([&RUN[..], &more].concat()).env("CLDIFF_FAULT", fault).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        more = vec!["--tensorboard", "--resume"];
    }
    let output = scratch.cldiff(&[&RUN[..], &more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(log(&cell).iter().any(|line| line["event"] == "resumed"));
    check(&scratch, 3);
    assert_eq!(results_without_cost(&scratch.path("run")), plain);
}
