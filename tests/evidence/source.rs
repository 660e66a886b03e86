//! The line that says where numbers come from.

use super::spec::Spec;

/// Command, machine, commit and day.
pub fn source(spec: &Spec) -> String {
    let Spec { command, machine, commit, date, .. } = spec;
    format!("`{command}`, {machine}, commit {commit}, {date}.")
}
