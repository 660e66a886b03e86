use tempfile::TempDir;

use super::*;
use crate::{
    Split,
    test_support::{npy, npz},
};

fn array(number: Number, dimensions: &[usize], bytes: Vec<u8>) -> Array {
    Array { name: "x".into(), number, dimensions: dimensions.to_vec(), bytes }
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Halves: 0, 0.5, 1, -1, -0.5 by their bits (IEEE 754: one sign, five bits of exponent with bias 15, ten of fraction).
const HALVES: [u8; 10] = [0x00, 0x00, 0x00, 0x38, 0x00, 0x3c, 0x00, 0xbc, 0x00, 0xb8];

#[test]
fn floats_become_bytes_by_the_range_that_is_stated() {
    let read = |number, bytes: Vec<u8>, values| {
        let n = bytes.len() / Number::size(number);
        pixels(array(number, &[n], bytes), values)
    };
    let unit = Some(Values::Unit);
    // 0.5 * 255 = 127.5, rounded away from zero; 0.002 * 255 = 0.51.
    let expected = Ok(vec![0, 128, 255, 1]);
    assert_eq!(read(Number::F32, f32s(&[0.0, 0.5, 1.0, 0.002]), unit), expected);
    let signed = Some(Values::Signed);
    // (v + 1) / 2 * 255: 127.5, 191.25, 255, 0, 63.75.
    assert_eq!(read(Number::F16, HALVES.to_vec(), signed), Ok(vec![128, 191, 255, 0, 64]));
    let doubles: Vec<u8> = [0.0, 254.6, 255.4].iter().flat_map(|v: &f64| v.to_le_bytes()).collect();
    assert_eq!(read(Number::F64, doubles, Some(Values::Byte)), Ok(vec![0, 255, 255]));
    let wide: Vec<u8> = [0, 17, 255].iter().flat_map(|v: &i64| v.to_le_bytes()).collect();
    assert_eq!(read(Number::I64, wide, None), Ok(vec![0, 17, 255]));
    assert_eq!(read(Number::Bool, vec![0, 1], unit), Ok(vec![0, 255]));
}

#[test]
fn floats_without_a_range_and_numbers_beyond_it_are_refused() {
    let told = |values: &[f32], range| {
        pixels(array(Number::F32, &[2, values.len() / 2], f32s(values)), range).unwrap_err()
    };
    let unsaid = told(&[0.0, 0.5], None);
    assert!(unsaid.starts_with("`x` is float32: set `values` to \"unit\" (0 to 1), \"signed\""), "{unsaid}");
    let half = pixels(array(Number::F16, &[5], HALVES.to_vec()), None).unwrap_err();
    assert!(half.starts_with("`x` is float16: set"), "{half}");
    let beyond = told(&[0.0, 0.5, 1.0, 1.5], Some(Values::Unit));
    assert!(beyond.contains("`x` has the value 1.5 in image 1: expected 0 to 1"), "{beyond}");
    assert!(told(&[0.0, f32::NAN], Some(Values::Signed)).contains("the value NaN in image 1"));
    assert!(told(&[f32::INFINITY, 0.0], Some(Values::Byte)).contains("the value inf in image 0"));
    let negative = pixels(array(Number::I16, &[1], vec![0xff, 0xff]), None).unwrap_err();
    assert!(negative.contains("the value -1 in image 0: expected 0 to 255"), "{negative}");
}

#[test]
fn labels_in_a_row_in_a_column_and_as_rows_are_the_same() {
    let values = |array: Array| labels(&array).map(|labels| (labels.values, labels.classes));
    let integers = [2_i32, 0, 1].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    assert_eq!(values(array(Number::I32, &[3], integers.clone())), Ok((vec![2, 0, 1], None)));
    assert_eq!(values(array(Number::I32, &[3, 1], integers)), Ok((vec![2, 0, 1], None)));
    let rows = f32s(&[0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(values(array(Number::F32, &[3, 3], rows)), Ok((vec![2, 0, 1], Some(3))));
    // Integers that no float has.
    let large = u64::MAX.to_le_bytes().to_vec();
    assert_eq!(values(array(Number::U64, &[1], large)), Ok((vec![i128::from(u64::MAX)], None)));
    assert_eq!(values(array(Number::U8, &[0, 5], Vec::new())), Ok((Vec::new(), Some(5))));
}

#[test]
fn rows_that_are_no_class_and_labels_with_fractions_are_told() {
    let told = |array: Array| labels(&array).unwrap_err();
    let none = told(array(Number::U8, &[2, 2], vec![1, 0, 0, 0]));
    assert!(none.starts_with("row 1 of `x` is no class: expected a single 1 among 2"), "{none}");
    assert!(told(array(Number::U8, &[1, 3], vec![1, 1, 0])).starts_with("row 0"));
    assert!(told(array(Number::F32, &[1, 2], f32s(&[0.9, 0.1]))).starts_with("row 0"));
    let floats = told(array(Number::F32, &[1], f32s(&[3.0])));
    assert!(floats.starts_with("`x` is float32, not of an integer type"), "{floats}");
    assert!(told(array(Number::U8, &[1, 1, 1], vec![0])).contains("`x` is 1x1x1: expected one dimension"));
    assert!(told(array(Number::U8, &[], vec![0])).contains("a single number"));
    assert!(told(array(Number::U8, &[0, 1 << 40], Vec::new())).contains("at most 65535"));
}

#[test]
fn usual_names_are_found_and_the_plain_ones_first() {
    let found = |names: &[&str], split| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        find(&names, split).map(|pair| (pair.images, pair.labels))
    };
    let keras = ["y_test", "x_train", "x_test", "y_train"];
    assert_eq!(found(&keras, Split::Train), Ok(("x_train", "y_train")));
    assert_eq!(found(&keras, Split::Eval), Ok(("x_test", "y_test")));
    assert_eq!(found(&["arr_1", "arr_0"], Split::Eval), Ok(("arr_0", "arr_1")));
    assert_eq!(found(&["x_train", "y_train", "labels", "images"], Split::Train), Ok(("images", "labels")));
    assert_eq!(found(&["data", "targets"], Split::Train), Ok(("data", "targets")));
    let told = found(&["x_train", "y_train", "meta"], Split::Eval).unwrap_err();
    assert!(told.contains("nor `x_test` with `y_test`") && told.contains("\"meta\", \"x_train\""), "{told}");
    let alone = found(&["arr_0"], Split::Train).unwrap_err();
    assert_eq!(alone, "there is no array `arr_1`; there is \"arr_0\"");
}

#[test]
fn every_type_of_numpy_is_read_or_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.npz");
    let read = |kind: &str, bytes: &[u8]| {
        npz(&path, &[("a", npy(kind, "(1,)", bytes))]);
        Npz::open(&path).unwrap().array("a", 100).map(|array| (array.number, array.values().next().unwrap()))
    };
    for (kind, bytes, number, value) in [
        ("|b1", &[1][..], Number::Bool, 1.0),
        ("|i1", &[0xff], Number::I8, -1.0),
        (">u2", &[1, 2], Number::U16, 258.0),
        ("<i2", &[0xfe, 0xff], Number::I16, -2.0),
        (">i4", &[0, 0, 1, 0], Number::I32, 256.0),
        ("<u4", &[0, 0, 0, 0x80], Number::U32, 2_147_483_648.0),
        (">f2", &[0x3c, 0x00], Number::F16, 1.0),
        (">f4", &[0x40, 0x20, 0, 0], Number::F32, 2.5),
        ("<f8", &[0, 0, 0, 0, 0, 0, 0xf0, 0xbf], Number::F64, -1.0),
    ] {
        assert_eq!(read(kind, bytes), Ok((number, value)), "{kind}");
    }
    for (kind, expected) in [
        ("|O", "an array of Python objects"),
        ("<U3", "texts: expected numbers"),
        ("|S5", "texts: expected numbers"),
        ("<c8", "complex numbers"),
        ("<M8[D]", "times"),
        ("<f16", "of type"),
    ] {
        let told = read(kind, &[0; 16]).unwrap_err();
        assert!(told.starts_with("`a`: ") && told.contains(expected), "{kind}: {told}");
    }
}
