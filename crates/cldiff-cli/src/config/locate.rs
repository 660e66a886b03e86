//! From a key to its line in a TOML file, so that a value that parses but cannot work is shown where it stands.

use toml::de::{DeTable, DeValue};

/// The line (from 1) of a dotted key such as `training.batch_size` or `strategy.2.replay`; the line of the deepest
/// part that is there, or none if even the first is not.
pub fn line_of(text: &str, key: &str) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let mut parts = key.split('.');
    let (name, value) = table.get_ref().get_key_value(parts.next()?)?;
    let mut offset = name.span().start;
    let mut value = value.get_ref();
    for part in parts {
        let found = match value {
            DeValue::Table(table) => {
                table.get_key_value(part).map(|(name, value)| (name.span().start, value.get_ref()))
            }
            DeValue::Array(array) => {
                let item = part.parse::<usize>().ok().and_then(|i| array.get(i));
                item.map(|item| (item.span().start, item.get_ref()))
            }
            _ => None,
        };
        let Some((start, inner)) = found else { break };
        (offset, value) = (start, inner);
    }
    Some(text[..offset].lines().count().max(1) + usize::from(text[..offset].ends_with('\n')))
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn keys_are_found_in_tables_inline_tables_and_arrays_of_tables() {
        let text = "name = \"x\"\n\n[training]\nsteps = 1\nema = { decay = 0.9 }\n\n[[strategy]]\nfinetune = {}\n\n[[strategy]]\n[strategy.replay]\nlambda = 2\n";
        assert_eq!(line_of(text, "name"), Some(1));
        assert_eq!(line_of(text, "training.steps"), Some(4));
        assert_eq!(line_of(text, "training.ema.decay"), Some(5));
        assert_eq!(line_of(text, "strategy.1.replay.lambda"), Some(12));
        assert_eq!(line_of(text, "training.absent"), Some(3));
        assert_eq!(line_of(text, "absent"), None);
    }
}
