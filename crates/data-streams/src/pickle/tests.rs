//! Pickles by hand, in the dialect of arrays.

use proptest::prelude::*;

use super::*;
use crate::arrays::pickled::Arrays;

fn run(pickle: &[u8]) -> Result<Value<'_, <Arrays as Dialect<'_>>::Object>, PickleError> {
    Machine::new(pickle, 0, Arrays::of(pickle.len())).run()
}

fn refusal(pickle: &[u8]) -> String {
    run(pickle).unwrap_err().to_string()
}

#[test]
fn texts_and_bytes_of_every_protocol_are_read() {
    for pickle in [
        &b"U\x03abc."[..],
        b"T\x03\0\0\0abc.",
        b"C\x03abc.",
        b"B\x03\0\0\0abc.",
        b"\x8e\x03\0\0\0\0\0\0\0abc.",
        b"\x96\x03\0\0\0\0\0\0\0abc.",
        b"X\x03\0\0\0abc.",
        b"\x8c\x03abc.",
        b"\x80\x04\x95\x05\0\0\0\0\0\0\0\x8c\x03abc\x94.",
        b"c_codecs\nencode\nX\x03\0\0\0abcX\x06\0\0\0latin1\x86R.",
    ] {
        assert_eq!(run(pickle).unwrap().text(), Some("abc"), "{pickle:?}");
    }
    // A place in the memo is the number of those before it.
    let recalled = run(b"\x8c\x01a\x94\x8c\x01b\x94h\0\x87.").unwrap();
    let Value::Tuple(found) = recalled else { panic!("{recalled:?}") };
    let texts: Vec<Option<&str>> = found.items.iter().map(Value::text).collect();
    assert_eq!(texts, [Some("a"), Some("b"), Some("a")]);
}

#[test]
fn lengths_that_are_claimed_take_no_memory() {
    for pickle in [
        &b"T\xff\xff\xff\xffabc."[..],
        b"B\xff\xff\xff\x7fabc.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc.",
        b"\x96\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        b"X\xff\xff\xff\xffabc.",
    ] {
        assert!(refusal(pickle).contains("the file is cut off"), "{pickle:?}");
    }
    // A text that is decoded again and again.
    let text = vec![b'a'; 255];
    let pickle = [
        &b"X\xff\0\0\0"[..],
        &text,
        b"q\0c_codecs\nencode\nq\x01X\x06\0\0\0latin1q\x02",
        &b"h\x01h\0h\x02\x86R".repeat(50),
        b".",
    ]
    .concat();
    assert!(refusal(&pickle).contains("more bytes than the file has"));
    assert!(
        refusal(b"c_codecs\nencode\nX\x02\0\0\0\xc4\x80X\x06\0\0\0latin1\x86R.").contains("bytes beyond 255")
    );
    assert!(refusal(&b"N".repeat((1 << 21) + 1)).contains("instructions"));
}

/// An array is made empty and filled later: what is recalled between is another one.
#[test]
fn an_array_in_two_places_is_refused() {
    let pickle = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87Rq\0h\0\x86.";
    assert!(refusal(pickle).contains("another value that changes"));
    assert!(refusal(b"cnumpy\nndarray\n)R.").contains("arguments that numpy.ndarray does not take"));
    assert!(refusal(b"N(b.").contains("a value is missing"));
    assert!(refusal(b"N(Nb.").contains("attributes of nothing"));
    assert!(refusal(b"NQ.").contains("nothing outside of its pickle"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_pickle_is_read_or_refused(pickle in prop::collection::vec(
        prop_oneof![
            prop::sample::select(&b"NKMJX}])(tauserqhjQRbcUTCB.\x80\x85\x86\x87\x88\x89\x8a\x8c\x8e\x93\x94\x95\x96\n\0\x01\x02"[..]),
            any::<u8>(),
        ], 0..60)) {
        let _ = run(&pickle);
    }
}
