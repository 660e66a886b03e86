//! `--sweep KEY=A,B,C`: the values of a key, and the runs that several sweeps make together.

use super::assign::parse_value;
use crate::failure::Failure;

/// The longest name of a directory of a run.
const LONGEST: usize = 150;

/// The values of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// The key.
    pub key: String,
    /// Its values, as `--set` takes them.
    pub values: Vec<String>,
}

impl Sweep {
    /// Reads the arguments of all `--sweep`.
    ///
    /// # Errors
    /// [`Failure::Mistake`] that names the key: for another form, an empty value, one value alone, a value that occurs
    /// twice, a key that has two sweeps, and the name of the run, by which no two runs differ.
    pub fn all(arguments: &[String]) -> Result<Vec<Self>, Failure> {
        let sweeps: Vec<Self> =
            arguments.iter().map(|argument| Self::parse(argument)).collect::<Result<_, _>>()?;
        let twice = (1..sweeps.len()).find(|&i| sweeps[..i].iter().any(|other| other.key == sweeps[i].key));
        match twice {
            Some(i) => Err(wrong(&sweeps[i].key, "the key has two sweeps; give all its values in one")),
            None => Ok(sweeps),
        }
    }

    fn parse(argument: &str) -> Result<Self, Failure> {
        let Some((key, values)) = argument.split_once('=') else {
            return Err(wrong(argument, "expected KEY=VALUE,VALUE, as in training.batch_size=16,32"));
        };
        let key = key.trim();
        let values: Vec<String> = split(values).into_iter().map(|value| value.trim().to_owned()).collect();
        if values.iter().any(String::is_empty) {
            return Err(wrong(key, "a value is empty; expected KEY=VALUE,VALUE"));
        }
        let read: Vec<toml::Value> = values.iter().map(|value| parse_value(value)).collect();
        if let Some(i) = (1..read.len()).find(|&i| read[..i].contains(&read[i])) {
            return Err(wrong(key, &format!("the value {} occurs twice", values[i])));
        }
        if let [value] = &values[..] {
            return Err(wrong(key, &format!("{value} alone makes one run; give it by --set {key}={value}")));
        }
        if key == "name" {
            return Err(wrong(key, "runs that differ in their name alone are one run"));
        }
        Ok(Self { key: key.to_owned(), values })
    }

    /// Every combination of values, the last key varying fastest: `KEY=VALUE` for each key, and the name of the run's
    /// directory.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for values whose directories would have one name, or too long a name.
    pub fn combinations(sweeps: &[Self]) -> Result<Vec<(Vec<String>, String)>, Failure> {
        let mut all: Vec<Vec<&str>> = vec![Vec::new()];
        for sweep in sweeps {
            let mut longer = Vec::new();
            for values in &all {
                longer.extend(sweep.values.iter().map(|value| [&values[..], &[value.as_str()]].concat()));
            }
            all = longer;
        }
        let words: Vec<String> = sweeps.iter().map(|sweep| short(sweep, sweeps)).collect();
        let mut found: Vec<(Vec<String>, String)> = Vec::new();
        for values in all {
            let assignments =
                sweeps.iter().zip(&values).map(|(sweep, value)| format!("{}={value}", sweep.key));
            let parts: Vec<String> =
                words.iter().zip(&values).map(|(word, value)| format!("{word}={}", plain(value))).collect();
            let directory = parts.join(",");
            let key = sweeps.last().map_or("", |sweep| sweep.key.as_str());
            if directory.len() > LONGEST {
                return Err(wrong(key, &format!("the directory {directory} would have too long a name")));
            }
            if found.iter().any(|(_, other)| other.eq_ignore_ascii_case(&directory)) {
                return Err(wrong(key, &format!("two values would have the directory {directory}")));
            }
            found.push((assignments.collect(), directory));
        }
        Ok(found)
    }
}

fn wrong(key: &str, why: &str) -> Failure {
    Failure::mistake(format!("--sweep {key}: {why}"))
}

/// The last part of a key, if no other sweep's key ends alike, else the whole key.
fn short(sweep: &Sweep, all: &[Sweep]) -> String {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let word = last(&sweep.key);
    let alike = all.iter().filter(|other| last(&other.key) == word).count();
    plain(if alike > 1 { &sweep.key } else { &word })
}

/// A text with `-` for what no name of a directory has on some system.
fn plain(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let inner = text.trim_matches(|c| !is_plain(c));
    inner.chars().map(|c| if is_plain(c) { c } else { '-' }).collect()
}

/// A text at its commas, but for those in brackets, braces and quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0_usize, None);
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) => quote = quote.filter(|_| c != open),
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            (None, _) => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweeps(arguments: &[&str]) -> Result<Vec<Sweep>, Failure> {
        Sweep::all(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    fn told<T>(outcome: Result<T, Failure>) -> String {
        match outcome {
            Err(Failure::Mistake(message)) => message,
            _ => panic!("it was accepted"),
        }
    }

    #[test]
    fn two_sweeps_multiply() {
        let key = "strategy.replay-0.1.replay.rehearsal_coefficient";
        let sweeps = sweeps(&[&format!("{key}=0.1, 1.0"), "training.batch_size=8,16"]).unwrap();
        let found = Sweep::combinations(&sweeps).unwrap();
        let directories: Vec<&str> = found.iter().map(|(_, directory)| directory.as_str()).collect();
        assert_eq!(
            directories,
            [
                "rehearsal_coefficient=0.1,batch_size=8",
                "rehearsal_coefficient=0.1,batch_size=16",
                "rehearsal_coefficient=1.0,batch_size=8",
                "rehearsal_coefficient=1.0,batch_size=16",
            ]
        );
        assert_eq!(found[3].0, [format!("{key}=1.0"), "training.batch_size=16".to_owned()]);
    }

    #[test]
    fn lists_and_tables_are_values() {
        let sweeps = sweeps(&[
            "model.block_out_channels=[8, 16],[16, 32]",
            "stream={ joint = {} },{ online = { a = [1,2] } }",
        ]);
        let sweeps = sweeps.unwrap();
        assert_eq!(sweeps[0].values, ["[8, 16]", "[16, 32]"]);
        assert_eq!(sweeps[1].values, ["{ joint = {} }", "{ online = { a = [1,2] } }"]);
        let found = Sweep::combinations(&sweeps).unwrap();
        assert_eq!(found[0].1, "block_out_channels=8--16,stream=joint");
        assert_eq!((plain("-1.5"), plain("\"a b\"")), ("-1.5".into(), "a-b".into()));
        assert_eq!(split("'a,b',\"c,d\",e"), ["'a,b'", "\"c,d\"", "e"]);
    }

    #[test]
    fn keys_that_end_alike_are_written_whole() {
        let sweeps = sweeps(&["strategy.a.ewc.lambda=1,3", "strategy.b.ewc.lambda=2,4"]).unwrap();
        let found = Sweep::combinations(&sweeps).unwrap();
        assert_eq!(found[0].1, "strategy.a.ewc.lambda=1,strategy.b.ewc.lambda=2");
    }

    #[test]
    fn mistakes_name_the_key() {
        for (arguments, expected) in [
            (&["training.batch_size"][..], "--sweep training.batch_size: expected KEY=VALUE,VALUE"),
            (&["training.batch_size=8,,16"], "--sweep training.batch_size: a value is empty"),
            (&["training.batch_size=8, 8"], "--sweep training.batch_size: the value 8 occurs twice"),
            (&["seeds=[0],[1]", "seeds=[2],[3]"], "--sweep seeds: the key has two sweeps"),
            (
                &["training.batch_size=8"],
                "--sweep training.batch_size: 8 alone makes one run; give it by --set training.batch_size=8",
            ),
            (&["name=a,b"], "--sweep name: runs that differ in their name alone are one run"),
        ] {
            let message = told(sweeps(arguments));
            assert!(message.starts_with(expected), "{message}");
        }
        let alike = sweeps(&["data.tensors.train=a b,a/b"]).unwrap();
        assert!(
            told(Sweep::combinations(&alike))
                .starts_with("--sweep data.tensors.train: two values would have the directory train=a-b")
        );
        let long = sweeps(&[&format!("data.tensors.train={},b", "a".repeat(200))]).unwrap();
        assert!(told(Sweep::combinations(&long)).contains("too long a name"));
    }
}
