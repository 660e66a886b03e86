//! JSON as Python writes it: `Infinity`, `-Infinity` and `NaN` are numbers there, and none in JSON. They are read as
//! texts, so that a key that has to be a number refuses them by name, and written as Python reads them.

use std::{fs, io::Read, path::Path};

use serde_json::{Map, Value};

use super::fields::cut;
use crate::CoreError;

/// The betas of a million timesteps have room in it.
const MOST_BYTES: u64 = 64 << 20;

/// Numbers of Python that are none of JSON.
const NOT_FINITE: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// The object in a file.
pub(super) fn read_json(path: &Path) -> Result<Map<String, Value>, CoreError> {
    let format = |problem: String| CoreError::Format { path: path.to_owned(), problem };
    // A device, for example, may have no end.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(format("not a regular file".into()));
    }
    let mut text = Vec::new();
    let file = fs::File::open(path).map_err(CoreError::io(path))?;
    file.take(MOST_BYTES + 1).read_to_end(&mut text).map_err(CoreError::io(path))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format(format!("more than {MOST_BYTES} bytes: no configuration is that long")));
    }
    parse(&text).map_err(format)
}

/// The object of a text.
pub(super) fn parse(text: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(&quoted(text)) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(format!("expected a JSON object, found {}", cut(&other.to_string()))),
        Err(error) => Err(syntax_error(text, &error)),
    }
}

/// A mistake in the syntax with its line, where the key stands.
fn syntax_error(text: &[u8], error: &serde_json::Error) -> String {
    let line = text.split(|&byte| byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    match line.trim() {
        "" => error.to_string(),
        line => format!("{error}: {}", cut(line)),
    }
}

/// A text whose numbers that are not finite stand in quotes.
fn quoted(text: &[u8]) -> Vec<u8> {
    let (mut quoted, mut in_string, mut i) = (Vec::with_capacity(text.len()), false, 0);
    while i < text.len() {
        let rest = &text[i..];
        let word = NOT_FINITE.iter().find(|word| !in_string && rest.starts_with(word.as_bytes()));
        if let Some(word) = word {
            quoted.push(b'"');
            quoted.extend(word.as_bytes());
            quoted.push(b'"');
            i += word.len();
            continue;
        }
        // An escaped character ends no string.
        let length = if in_string && rest[0] == b'\\' { rest.len().min(2) } else { 1 };
        in_string ^= rest[0] == b'"';
        quoted.extend(&rest[..length]);
        i += length;
    }
    quoted
}

/// Writes a file that Python reads, and reads it back.
pub(super) fn write_json(path: &Path, value: &Value) -> Result<(), CoreError> {
    cldiff_durable::write(path, text_of(value).as_bytes()).map_err(CoreError::io(path))?;
    if value.as_object() == Some(&read_json(path)?) {
        return Ok(());
    }
    let problem = "it says something else than was written: the disk may be full or damaged".into();
    Err(CoreError::Format { path: path.to_owned(), problem })
}

fn text_of(value: &Value) -> String {
    let unquoted = |text: String, word: &&str| {
        text.replace(&format!(": \"{word}\",\n"), &format!(": {word},\n"))
            .replace(&format!(": \"{word}\"\n"), &format!(": {word}\n"))
    };
    NOT_FINITE.iter().fold(format!("{value:#}\n"), unquoted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_of_python_are_read_and_written() {
        let text = "{\n  \"a\": -Infinity,\n  \"b\": [NaN, 1],\n  \"c\": \"an \\\"Infinity\\\" in NaN words\\\\\",\n  \"d\": Infinity\n}\n";
        let fields = parse(text.as_bytes()).unwrap();
        assert_eq!(fields["a"], json!("-Infinity"));
        assert_eq!(fields["b"], json!(["NaN", 1]));
        assert_eq!(fields["c"], json!("an \"Infinity\" in NaN words\\"));
        let written = text_of(&Value::Object(fields));
        assert!(
            written.contains("\"a\": -Infinity,\n") && written.contains("\"d\": Infinity\n"),
            "{written}"
        );
        assert!(written.contains("an \\\"Infinity\\\" in NaN words"), "{written}");
    }

    #[test]
    fn a_mistake_shows_its_line() {
        for (text, told) in [
            ("{\n\"a\": 1,\n\"b\": 1e999\n}", "line 3"),
            ("{\n\"a\": 1,\n\"b\": nan\n}", "\"b\": nan"),
            ("{\"a\": 1", "{\"a\": 1"),
            ("[1, 2]", "expected a JSON object, found [1,2]"),
            ("\u{fffd}", "line 1"),
        ] {
            let message = parse(text.as_bytes()).unwrap_err();
            assert!(message.contains(told), "{message}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_written_is_read(words in proptest::collection::vec("\\PC{0,12}", 1..5), number in any::<f64>(), whole in any::<u64>()) {
            let mut fields: Map<String, Value> =
                words.iter().enumerate().map(|(i, word)| (i.to_string(), json!(word))).collect();
            fields.insert("number".into(), json!(number));
            fields.insert("whole".into(), json!(whole));
            let value = Value::Object(fields.clone());
            prop_assert_eq!(parse(text_of(&value).as_bytes()).unwrap(), fields);
        }
    }
}
