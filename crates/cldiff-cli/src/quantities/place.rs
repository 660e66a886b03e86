//! A place in `results.json`: a path in which indices and parts of keys are variables.
//!
//! `cells[cell].timestep.forgetting.LOSS[k][j].absolute[bin]` is one. A key with a point in it stands in brackets:
//! `cells[cell].summary["METRIC.forgetting"]`.

use std::fmt;

/// A path with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A key that is spelled out.
    Key(String),
    /// A key with a name in it.
    Named { before: String, variable: &'static str, after: String },
    /// An index of an array.
    Index(Index),
}

/// The objects that an index counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// The cells.
    Cell,
    /// After which task.
    AfterTask,
    /// On which task.
    OnTask,
    /// The bins of timesteps.
    Bin,
    /// The edges of the bins.
    Edge,
    /// The curves of hybrid sampling.
    Curve,
    /// The thresholds of such a curve.
    Threshold,
    /// The network's blocks.
    Block,
    /// The classes.
    Class,
    /// The classes that are seen in samples of a class.
    Seen,
    /// The looks within an experience.
    Point,
    /// An index that no row has.
    Other,
}

const INDICES: [(&str, Index); 12] = [
    ("cell", Index::Cell),
    ("k", Index::AfterTask),
    ("j", Index::OnTask),
    ("bin", Index::Bin),
    ("edge", Index::Edge),
    ("curve", Index::Curve),
    ("threshold", Index::Threshold),
    ("block", Index::Block),
    ("class", Index::Class),
    ("seen", Index::Seen),
    ("point", Index::Point),
    ("i", Index::Other),
];

/// The variables of keys.
const NAMES: [&str; 2] = ["METRIC", "LOSS"];

/// One step on the way to a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// A key of an object.
    Key(String),
    /// An index of an array.
    Index(usize),
}

impl Place {
    /// Reads the notation.
    ///
    /// # Panics
    /// For an index that is not known: places are constants of this program.
    pub fn of(text: &str) -> Self {
        let (mut steps, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let (step, after) = if let Some(quoted) = rest.strip_prefix("[\"") {
                let (key, after) = quoted.split_once("\"]").unwrap_or((quoted, ""));
                (Step::key(key), after)
            } else if let Some(bracketed) = rest.strip_prefix('[') {
                let (name, after) = bracketed.split_once(']').unwrap_or((bracketed, ""));
                let known = INDICES.iter().find(|(known, _)| *known == name);
                let (_, index) = known.unwrap_or_else(|| panic!("{text}: no index is called {name}"));
                (Step::Index(*index), after)
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                (Step::key(&rest[..end]), &rest[end..])
            };
            steps.push(step);
            rest = after.strip_prefix('.').unwrap_or(after);
        }
        Self(steps)
    }

    /// Whether the step at a depth can be that.
    pub fn fits(&self, depth: usize, at: &At) -> bool {
        match (self.0.get(depth), at) {
            (Some(Step::Index(_)), At::Index(_)) => true,
            (Some(Step::Key(key)), At::Key(found)) => key == found,
            (Some(Step::Named { before, after, .. }), At::Key(found)) => {
                found.len() > before.len() + after.len()
                    && found.starts_with(before.as_str())
                    && found.ends_with(after.as_str())
            }
            _ => false,
        }
    }

    /// Whether a cell has one number there.
    pub fn is_of_a_cell(&self) -> bool {
        let indices =
            self.0.iter().filter_map(|step| if let Step::Index(index) = step { Some(*index) } else { None });
        indices.eq([Index::Cell])
    }

    /// The number of steps.
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// A declared name with what the keys on a path that fits have in place of its variables.
    pub fn named(&self, name: &str, path: &[At]) -> String {
        self.0.iter().zip(path).fold(name.to_owned(), |name, step| match step {
            (Step::Named { before, variable, after }, At::Key(found)) => {
                name.replace(variable, &found[before.len()..found.len() - after.len()])
            }
            _ => name,
        })
    }

    /// The indices on a path that fits.
    pub fn indices<'a>(&'a self, path: &'a [At]) -> impl Iterator<Item = (Index, usize)> + 'a {
        self.0.iter().zip(path).filter_map(|step| match step {
            (Step::Index(index), At::Index(i)) => Some((*index, *i)),
            _ => None,
        })
    }
}

impl Step {
    fn key(text: &str) -> Self {
        let variable = NAMES.iter().find_map(|variable| Some((*variable, text.split_once(variable)?)));
        match variable {
            Some((variable, (before, after))) => {
                Self::Named { before: before.to_owned(), variable, after: after.to_owned() }
            }
            None => Self::Key(text.to_owned()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            let key = match step {
                Step::Key(key) => key.clone(),
                Step::Named { before, variable, after } => format!("{before}{variable}{after}"),
                Step::Index(index) => {
                    let known = INDICES.iter().find(|(_, known)| known == index);
                    write!(f, "[{}]", known.map_or("", |(name, _)| name))?;
                    continue;
                }
            };
            match (key.contains('.'), i) {
                (true, _) => write!(f, "[\"{key}\"]")?,
                (false, 0) => f.write_str(&key)?,
                (false, _) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_and_written() {
        for text in
            ["schema", "cells[cell].timestep.forgetting.LOSS[k][j].absolute[bin]", "floor.METRIC_pooled[k]"]
        {
            assert_eq!(Place::of(text).to_string(), text);
        }
        let quoted = "cells[cell].summary[\"METRIC.forgetting\"]";
        assert_eq!((Place::of(quoted).to_string().as_str(), Place::of(quoted).depth()), (quoted, 4));
    }

    #[test]
    fn variables_take_what_is_found() {
        let place = Place::of("summary[\"METRIC.forgetting\"][k]");
        let path = [At::Key("summary".into()), At::Key("fid.forgetting".into()), At::Index(3)];
        assert!(path.iter().enumerate().all(|(depth, at)| place.fits(depth, at)));
        assert_eq!(place.named("METRIC.forgetting", &path), "fid.forgetting");
        assert_eq!(place.indices(&path).collect::<Vec<_>>(), [(Index::AfterTask, 3)]);
        for other in [".forgetting", "forgetting", "fid.plasticity"] {
            assert!(!place.fits(1, &At::Key(other.into())), "{other}");
        }
        assert!(!place.fits(2, &At::Key("0".into())) && !place.fits(3, &At::Index(0)));
    }
}
