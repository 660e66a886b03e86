//! Batches that Python wrote (`tools/golden/cifar_pickles.py`), and batches that nobody should write.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::*;
use crate::{
    Places, PublishedSet, Split,
    dataset::{
        DatasetOptions,
        cifar::{load_cifar_pair, load_cifar_split},
        cifar10::{CIFAR10, Cifar10Config},
        cifar100::{CIFAR100, Cifar100Config},
    },
};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cifar").join(name)).unwrap()
}

const TEN: [&str; 3] = ["cifar10-python2", "cifar10-python3-2", "cifar10-python3-4"];
const HUNDRED: [&str; 2] = ["cifar100-python2", "cifar100-python3-5"];

/// The pixels that the generator wrote.
fn pattern() -> Vec<u8> {
    (0..2 * 3072).map(|p| ((7 * (p % 3072) + 13 * (p / 3072)) % 251) as u8).collect()
}

#[test]
fn batches_of_every_python_hold_what_was_written() {
    for name in TEN {
        assert_eq!(parse(&fixture(name), CIFAR10), Ok((pattern(), vec![6, 9])), "{name}");
    }
    for name in HUNDRED {
        assert_eq!(parse(&fixture(name), CIFAR100), Ok((pattern(), vec![19, 99])), "{name}");
    }
}

#[test]
fn batches_of_the_other_data_set_are_refused_with_what_they_hold() {
    let told = parse(&fixture(HUNDRED[0]), CIFAR10).unwrap_err();
    assert!(told.contains("no `labels`, as cifar10 has it") && told.contains("fine_labels"), "{told}");
    let told = parse(&fixture(TEN[0]), CIFAR100).unwrap_err();
    assert!(told.contains("no `fine_labels`") && told.contains("batch_label"), "{told}");
}

#[test]
fn a_batch_that_ends_early_is_refused_wherever_it_ends() {
    for name in [TEN[0], TEN[1], TEN[2]] {
        let bytes = fixture(name);
        for end in (0..bytes.len()).rev().step_by(7) {
            assert!(parse(&bytes[..end], CIFAR10).is_err(), "{name}: {end}");
        }
        let told = parse(&bytes[..bytes.len() / 2], CIFAR10).unwrap_err();
        assert!(told.contains("the file is cut off"), "{told}");
        let told = parse(&[&bytes[..], b"more"].concat(), CIFAR10).unwrap_err();
        assert_eq!(told, "4 bytes after the end of its pickle");
    }
}

/// A dict at protocol 2: an array of bytes with dimensions, and the instructions of its labels.
fn batch(kind: &str, rows: u8, columns: u16, bytes: usize, labels: &[u8]) -> Vec<u8> {
    let mut pickle =
        b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R"
            .to_vec();
    pickle.extend(b"(K\x01K");
    pickle.push(rows);
    pickle.push(b'M');
    pickle.extend(columns.to_le_bytes());
    pickle.extend(b"\x86cnumpy\ndtype\nU\x02");
    pickle.extend(kind.as_bytes());
    pickle.extend(b"K\0K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T");
    pickle.extend((bytes as u32).to_le_bytes());
    pickle.extend(vec![7; bytes]);
    pickle.extend(b"tbU\x06labels");
    pickle.extend(labels);
    pickle.extend(b"u.");
    pickle
}

#[test]
fn arrays_and_labels_have_to_be_those_of_the_data_set() {
    let two = b"](K\x03K\x04e";
    assert_eq!(parse(&batch("u1", 2, 3072, 6144, two), CIFAR10), Ok((vec![7; 6144], vec![3, 4])));
    for (pickle, problem) in [
        (batch("u1", 2, 3073, 6146, two), "`data` is 2x3073 of uint8: expected N x 3072 of uint8"),
        (batch("u1", 0, 3072, 0, b"]"), "`data` is 0x3072 of uint8"),
        (batch("i1", 2, 3072, 6144, two), "2x3072 of int8"),
        (batch("f4", 2, 3072, 24576, two), "2x3072 of float32"),
        (batch("u1", 2, 3072, 6143, two), "an array of 2x3072 uint8 in 6143 bytes"),
        (batch("u1", 255, 65535, 10, two), "an array of 255x65535 uint8 in 10 bytes"),
        (batch("O8", 2, 3072, 6144, two), "an array of \"O8\", expected numbers"),
        (batch("u1", 2, 3072, 6144, b"](K\x03e"), "2 images and 1 labels"),
        (batch("u1", 2, 3072, 6144, b"](K\x03K\x0ae"), "label 10 of image 1 is out of range"),
        (batch("u1", 2, 3072, 6144, b"](K\x03J\xff\xff\xff\xffe"), "label -1 of image 1"),
        (batch("u1", 2, 3072, 6144, b"](K\x03Ne"), "`labels` has None at 1, expected a number"),
        (batch("u1", 2, 3072, 6144, b"N"), "`labels` is None, expected a list"),
        (b"\x80\x02](K\x03e.".to_vec(), "a pickle of a list, expected a dict of arrays"),
        (b"\x80\x02}(U\x04dataNU\x06labels]u.".to_vec(), "`data` is None, expected an array"),
        (b"\x80\x02}.".to_vec(), "there is no `data`, as cifar10 has it; there is nothing"),
    ] {
        let told = parse(&pickle, CIFAR10).unwrap_err();
        assert!(told.contains(problem), "{told}: expected {problem}");
    }
}

#[test]
fn nothing_but_arrays_is_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("data_batch_1");
    for (pickle, problem) in [
        (&b"\x80\x02cposix\nsystem\nU\x04true\x85R."[..], "it names Python's `posix.system`"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.", "`builtins.eval`"),
        (b"\x80\x02cnumpy\nload\n.", "`numpy.load`"),
        (b"\x80\x02c_codecs\ndecode\n.", "`_codecs.decode`"),
        (b"\x80\x02(S'true'\nios\nsystem\n.", "instruction 0x53"),
        (b"(dp0\n.", "instruction 0x64"),
        (b"\x80\x06N.", "its protocol is 6, expected 2 to 5"),
    ] {
        fs::write(&path, pickle).unwrap();
        let told = load_cifar_split(dir.path(), CIFAR10, Split::Train).unwrap_err().to_string();
        assert!(told.contains("data_batch_1: ") && told.contains(problem), "{told}");
    }
}

#[test]
fn each_data_set_has_its_own_names() {
    let names =
        ["data_batch_1", "data_batch_12", "test_batch", "train", "test", "data_batch_", "train2", "meta"];
    let of = |cifar, split| names.into_iter().filter(|name| is_of(name, cifar, split)).collect::<Vec<_>>();
    assert_eq!(of(CIFAR10, Split::Train), ["data_batch_1", "data_batch_12"]);
    assert_eq!(of(CIFAR10, Split::Eval), ["test_batch"]);
    assert_eq!(of(CIFAR100, Split::Train), ["train"]);
    assert_eq!(of(CIFAR100, Split::Eval), ["test"]);
    assert!(!is_of("data_batch_1.npy", CIFAR10, Split::Train) && !is_of("x7", CIFAR10, Split::Train));
}

/// `cifar-10-batches-py` as torchvision leaves it beside its archive, all in one directory or in the archive's own.
#[test]
fn it_is_found_where_torchvision_puts_it_and_the_binary_form_goes_before_it() {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for (i, name) in TEN.iter().enumerate() {
        write(&format!("cifar-10-batches-py/data_batch_{}", i + 1), &fixture(name));
    }
    write("cifar-10-batches-py/test_batch", &fixture(TEN[0]));
    write("cifar-10-batches-py/batches.meta", b"not read");
    // An unpacked archive is not read again.
    write("cifar-10-python.tar.gz", b"no archive");
    let places = Places { data_dir: Some(dir.path().into()), cache: "cache".into() };
    let pair = Cifar10Config::default().build(&places).unwrap();
    assert_eq!(pair.train.labels(), [6, 9, 6, 9, 6, 9]);
    assert_eq!(pair.train.pixels_of(5), &pattern()[3072..]);
    assert_eq!((pair.eval.len(), pair.eval.class_names()[9].as_str()), (2, "truck"));

    let record = |label: u8| [vec![label], vec![5; 3072]].concat();
    write("cifar-10-batches-bin/data_batch_1.bin", &record(3));
    write("cifar-10-batches-bin/test_batch.bin", &record(4));
    write("data_batch_1", &fixture(TEN[0]));
    let pair = Cifar10Config::default().build(&places).unwrap();
    assert_eq!((pair.train.labels(), pair.eval.labels()), (vec![3], vec![4]));
    // Beside each other too.
    write("cifar-10-batches-py/data_batch_1.bin", &record(8));
    let beside = load_cifar_split(&dir.path().join("cifar-10-batches-py"), CIFAR10, Split::Train).unwrap();
    assert_eq!(beside.labels(), [8]);

    write("cifar-100-python/train", &fixture(HUNDRED[0]));
    write("cifar-100-python/test", &fixture(HUNDRED[1]));
    let pair = Cifar100Config::default().build(&places).unwrap();
    assert_eq!((pair.train.labels(), pair.eval.labels()), (vec![19, 99], vec![19, 99]));
    let home = Cifar100Config::default().home(dir.path(), Split::Train);
    assert_eq!(load_cifar_pair(&home, CIFAR100).unwrap().train.pixels_of(0), &pattern()[..3072]);
}

/// As torchvision leaves it where the directory beside it was removed.
#[test]
fn an_archive_is_read_in_the_order_of_its_names() {
    let dir = TempDir::new().unwrap();
    let archive = |members: &[(&str, Vec<u8>)]| {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, &bytes[..]).unwrap();
        }
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, &tar.into_inner().unwrap()).unwrap();
        gz.finish().unwrap()
    };
    let path = dir.path().join("cifar-10-python.tar.gz");
    let second = batch("u1", 1, 3072, 3072, b"](K\x03e");
    let members = [
        ("cifar-10-batches-py/data_batch_2", second),
        ("cifar-10-batches-py/batches.meta", b"not read".to_vec()),
        ("cifar-10-batches-py/data_batch_1", fixture(TEN[0])),
    ];
    fs::write(&path, archive(&members)).unwrap();
    let places = Places { data_dir: Some(dir.path().into()), cache: "cache".into() };
    let train = Cifar10Config::default().build_split(&places, Split::Train).unwrap();
    assert_eq!((train.labels(), train.pixels_of(2)), (vec![6, 9, 3], &[7; 3072][..]));

    let told = |split| load_cifar_split(dir.path(), CIFAR10, split).unwrap_err().to_string();
    let message = told(Split::Eval);
    assert!(message.contains("tar.gz: there is no batch of cifar10 in it"), "{message}");
    let evil = b"\x80\x02cposix\nsystem\nU\x04true\x85R.".to_vec();
    fs::write(&path, archive(&[("data_batch_1", evil)])).unwrap();
    let message = told(Split::Train);
    assert!(message.contains("\"data_batch_1\": it names Python's `posix.system`"), "{message}");
    let whole = archive(&members);
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(told(Split::Train).contains("cifar-10-python.tar.gz: "), "{}", told(Split::Train));
    // Another data set's is none.
    assert!(load_cifar_split(dir.path(), CIFAR100, Split::Train).unwrap_err().is_missing());
}
