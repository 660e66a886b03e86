//! Files that PyTorch wrote (`tools/golden/state_dict.py`), and files that nobody should write.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use proptest::prelude::*;
use safetensors::SafeTensors;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::*;

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pytorch").join(name)).unwrap()
}

const FORMS: [&str; 2] = ["legacy.pth", "archive.pth"];

#[test]
fn both_forms_hold_what_pytorch_says_they_hold() {
    let bytes = fixture("expected.safetensors");
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    for form in FORMS {
        let state = StateDict::parse(fixture(form)).unwrap();
        let mut names = expected.names();
        names.sort_unstable();
        assert!(names.len() == 19 && state.names().eq(names), "{form}");
        for (name, view) in expected.tensors() {
            assert_eq!(state.form(&name), Some((view.dtype(), view.shape())), "{form}: {name}");
            assert_eq!(state.data(&name).unwrap(), view.data(), "{form}: {name}");
        }
        assert!(state.form("absent").is_none() && state.data("absent").is_none());
    }
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    for form in FORMS {
        let bytes = fixture(form);
        for end in 0..bytes.len() {
            assert!(StateDict::parse(bytes[..end].to_vec()).is_err(), "{form}: {end}");
        }
    }
}

/// A file in the older form around the pickle of an object, and one storage "0" of four numbers if it names one.
fn legacy(object: &[u8]) -> Vec<u8> {
    let storage = object.windows(7).any(|window| window == b"storage");
    legacy_of(object, storage)
}

fn legacy_of(object: &[u8], storage: bool) -> Vec<u8> {
    let mut file = legacy::MAGIC.to_vec();
    file.extend(b"\x80\x02M\xe9\x03.\x80\x02}X\x0d\0\0\0little_endian\x88s.");
    file.extend([0x80, 2]);
    file.extend(object);
    if !storage {
        file.extend(b".\x80\x02].");
        return file;
    }
    file.extend(b".\x80\x02]X\x01\0\0\x000a.\x04\0\0\0\0\0\0\0");
    file.extend([1.0_f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()));
    file
}

/// A dict with the tensor `w`: its offset, and the instructions that push its shape and stride.
fn tensor(offset: u8, shape: &[u8], stride: &[u8]) -> Vec<u8> {
    let mut object = b"}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(".to_vec();
    object.extend(b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04NtQ");
    object.extend([b'K', offset]);
    object.extend(shape);
    object.extend(stride);
    object.extend(b"\x89}tRs");
    object
}

fn refusal(file: Vec<u8>) -> String {
    StateDict::parse(file).unwrap_err().to_string()
}

#[test]
fn views_stay_within_their_storage() {
    let two_by_two = legacy(&tensor(0, b"K\x02K\x02\x86", b"K\x01K\x02\x86"));
    let state = StateDict::parse(two_by_two).unwrap();
    let numbers: Vec<u8> = [1.0_f32, 3.0, 2.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(state.data("w").unwrap(), numbers);
    // A stride that is never taken may be any.
    assert!(StateDict::parse(legacy(&tensor(3, b"K\x01\x85", b"J\xff\xff\xff\x7f\x85"))).is_ok());

    let beyond = "`w`: it reaches beyond its storage of 4 numbers";
    let largest = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85";
    for (offset, shape, stride) in [
        (4, &b"K\x01\x85"[..], &b"K\x01\x85"[..]),
        (1, b"K\x04\x85", b"K\x01\x85"),
        (0, b"K\x02\x85", b"K\x04\x85"),
        (0, b"K\x02\x85", largest),
        (0, largest, b"K\x01\x85"),
        (0, b"K\xff\x85", b"K\x00\x85"),
        (0, b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87", b"K\x00K\x00K\x00\x87"),
    ] {
        assert_eq!(refusal(legacy(&tensor(offset, shape, stride))), beyond);
    }
    let takes = "arguments that torch._utils._rebuild_tensor_v2 does not take";
    for (shape, stride) in
        [(&b"J\xff\xff\xff\xff\x85"[..], &b"K\x01\x85"[..]), (b"K\x01\x85", b")"), (b"]", b"]")]
    {
        assert!(refusal(legacy(&tensor(0, shape, stride))).contains(takes));
    }
}

#[test]
fn nothing_is_called_that_is_not_known() {
    for (object, expected) in [
        (&b"cos\nsystem\nX\x04\0\0\0true\x85R"[..], "it names Python's `os.system`"),
        (b"cbuiltins\neval\n", "`builtins.eval`"),
        (b"ctorch\nload\n", "`torch.load`"),
        (b"c__builtin__\ngetattr\n", "`__builtin__.getattr`"),
        (b"\x93", "instruction 0x93"),
        (b"(S'true'\nios\nsystem\n", "instruction 0x53"),
        (b"\x82\x01", "instruction 0x82"),
        (b"ccollections\nOrderedDict\n)\x81", "instruction 0x81"),
        (b"X\x01\0\0\0x)R", "a call of what is no name"),
        (b"ccollections\nOrderedDict\nK\x01\x85R", "arguments that collections.OrderedDict does not take"),
    ] {
        let told = refusal(legacy(object));
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn values_are_trees_of_little_depth() {
    let deep = [&b"N"[..], &vec![0x85; 1_000_000]].concat();
    assert!(refusal(legacy(&deep)).contains("values within values"));
    let lists = b"]".repeat(100_000).into_iter().chain(b"a".repeat(99_999)).collect::<Vec<_>>();
    assert!(refusal(legacy(&lists)).contains("values within values"));
    assert!(refusal(legacy(b"}q\0X\x01\0\0\0xh\0s")).contains("a list or dict in two places"));
}

#[test]
fn only_a_dict_of_tensors_will_do() {
    for (object, expected) in [
        (&b"N"[..], "expected a dict of tensors, found None"),
        (b"}K\x01K\x02s", "a key of the dict is a number"),
        (b"}X\x05\0\0\0modelK\x02s", "`model`: it is a number, no tensor"),
        (b"}X\x01\0\0\0w", "ends with other than one value"),
        (b"(}", "ends with other than one value"),
        (b"t", "a mark is missing"),
        (b"}X\xff\xff\xff\xff", "it ends at byte"),
        (b"X\x01\0\0\0\xff", "not UTF-8"),
    ] {
        let told = refusal(legacy(object));
        assert!(told.contains(expected), "{told}");
    }
    assert!(refusal(b"\x93NUMPY".to_vec()).contains("not a file of torch.save"));
    assert!(refusal(legacy_of(b"}", true)).contains("a storage that no tensor has"));
}

fn archive(method: CompressionMethod, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn archives_are_stored_whole_and_little_endian() {
    let object = tensor(0, b"K\x04\x85", b"K\x01\x85");
    let pickle = [b"\x80\x02", &object[..], b"."].concat();
    let numbers = [7_u8; 16];
    let whole = [("m/data.pkl", &pickle[..]), ("m/byteorder", b"little"), ("m/data/0", &numbers)];
    let good = archive(CompressionMethod::Stored, &whole);
    assert_eq!(StateDict::parse(good.clone()).unwrap().data("w").unwrap(), numbers);

    assert!(refusal(archive(CompressionMethod::Deflated, &whole)).contains("is compressed"));
    assert!(refusal(archive(CompressionMethod::Stored, &whole[..2])).contains("m/data/0"));
    assert!(refusal(archive(CompressionMethod::Stored, &whole[1..])).contains("it has no data.pkl"));
    let big = [whole[0], ("m/byteorder", &b"big"[..]), whole[2]];
    assert!(refusal(archive(CompressionMethod::Stored, &big)).contains("byte order"));
    let short = [whole[0], ("m/data/0", &numbers[..15])];
    assert!(
        refusal(archive(CompressionMethod::Stored, &short)).contains("15 bytes, expected 4 numbers of F32")
    );
    let mut flipped = good;
    let at = flipped.windows(16).position(|window| window == numbers).unwrap();
    flipped[at] ^= 1;
    assert!(refusal(flipped).contains("checksum"));
}

#[test]
fn a_missing_or_enormous_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(StateDict::read(&dir.path().join("absent")), Err(StateDictError::Io(_))));
    // Sparse: nothing of it is on the disk, and nothing is read.
    let path = dir.path().join("large");
    fs::File::create(&path).unwrap().set_len(MOST_BYTES + 1).unwrap();
    assert!(matches!(StateDict::read(&path), Err(StateDictError::Large { .. })));
}

/// Everything read from a damaged file keeps its promises.
fn examine(bytes: Vec<u8>) {
    let size = bytes.len();
    let Ok(state) = StateDict::parse(bytes) else { return };
    for name in state.names() {
        let (dtype, shape) = state.form(name).unwrap();
        let data = state.data(name).unwrap();
        assert_eq!(data.len(), shape.iter().product::<usize>() * dtype.bitsize() / 8);
        assert!(data.len() <= size);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_files_are_read_or_refused(
        form in 0_usize..2,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..6),
    ) {
        let mut bytes = fixture(FORMS[form]);
        for (at, byte, kind) in changes {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        examine(bytes);
    }

    #[test]
    fn any_pickle_is_read_or_refused(object in prop::collection::vec(
        prop_oneof![
            prop::sample::select(&b"NKMJX}])(tauserqhjQRbc.\x80\x85\x86\x87\x88\x89\x8a\n\0\x01\x02"[..]),
            any::<u8>(),
        ], 0..60)) {
        examine(legacy(&object));
    }
}
