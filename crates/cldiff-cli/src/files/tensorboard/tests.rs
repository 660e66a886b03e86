use super::*;

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Records of `tools/golden/event_records.py`: the same events by TensorBoard's own library.
#[test]
fn records_are_those_of_tensorboards_library() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("records.json")).unwrap();
    let scalars = [("loss/training".to_owned(), 0.25), ("fid/task-1".to_owned(), 0.0)];
    let infinite = [("loss/training".to_owned(), f64::INFINITY)];
    let picture = Picture { height: 2, width: 300, png: (0..=255).collect() };
    for (name, step, content) in [
        ("version", 0, Content::Version),
        ("start", 41, Content::Start),
        ("start_0", 0, Content::Start),
        ("scalars", 300, Content::Scalars(&scalars)),
        ("infinite", 1 << 40, Content::Scalars(&infinite)),
        ("picture", 7, Content::Picture("samples", &picture)),
    ] {
        let record = record::framed(&event(1_700_000_000.5, step, content));
        assert_eq!(record, bytes(golden[name].as_str().unwrap()), "{name}");
    }
}

#[test]
fn files_come_one_after_another_whatever_the_clock_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for now in [1_700_000_000, 1_700_000_000, 1_600_000_000, 1_800_000_000, 5] {
        let name = next_name(dir.path(), now).unwrap();
        fs::write(dir.path().join(&name), b"").unwrap();
        names.push(name);
    }
    assert_eq!(names[0], "events.out.tfevents.1700000000.cldiff.0000");
    assert_eq!(names[2], "events.out.tfevents.1700000000.cldiff.0002");
    assert_eq!(names[4], "events.out.tfevents.1800000000.cldiff.0004");
    assert!(names.is_sorted());
    fs::write(dir.path().join("metrics.jsonl"), b"").unwrap();
    assert!(next_name(dir.path(), 0).unwrap().ends_with(".0005"));
}

#[test]
fn a_session_begins_with_version_and_start() {
    let dir = tempfile::tempdir().unwrap();
    let cell = dir.path().join("cell");
    EventFile::start(&cell, 0).unwrap().scalars(1, &[("x".to_owned(), 1.0)]).unwrap();
    EventFile::start(&cell, 3).unwrap();
    let mut files: Vec<_> = fs::read_dir(&cell).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let lengths: Vec<usize> = files.iter().map(|path| fs::read(path).unwrap().len()).collect();
    // Frames of 16 bytes; events of 9 bytes of time, 15 of version, 4 of start, 2 of step, 12 of a scalar.
    assert_eq!(lengths, [(16 + 9 + 15) + (16 + 9 + 4) + (16 + 9 + 2 + 12), (16 + 9 + 15) + (16 + 9 + 2 + 4)]);
}
