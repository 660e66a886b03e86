//! Parts of files that killed processes were writing. Nobody reads them; the next owner of their directory removes them.

use std::{fs, path::Path, time::Duration};

use cl_strategies::durable::part_of;

use super::{lease, machine};

/// No write takes so long, on whatever disk.
const LONG: Duration = Duration::from_hours(1);

/// The processes that write into a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Its owner alone.
    Owner,
    /// Its owner, and processes that own nothing, as `cldiff report`: on other machines too.
    Any,
}

/// Removes the parts in a directory, which is `owned` or within it; the lease of `owned` is this process's, written a moment
/// ago. The parts of processes of this machine that live stay, and those that may be of others. Best effort.
pub fn remove(owned: &Path, dir: &Path, writers: Writers) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        let Some((_, process)) = part_of(&name) else { continue };
        let is_dead = || process != std::process::id() && machine::lives(process) != Some(true);
        if lease::is_before(owned, &path, LONG) || writers == Writers::Owner && is_dead() {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs::File,
        process::{Command, id},
        time::SystemTime,
    };

    use super::*;

    fn names(dir: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn parts_of_the_dead_and_old_ones_go_and_those_of_others_stay() {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let dir = tempfile::tempdir().unwrap();
        assert!(lease::Lease::new().write_over(dir.path()).unwrap());
        let write = |name: &str| {
            fs::write(dir.path().join(name), "half").unwrap();
            name.to_owned()
        };
        let others = ["lease.json".to_owned(), write("real.png"), write("notes.tmp")];
        let lives = write(&format!("real.png.tmp-{}-1f-0", id()));
        let dead = write(&format!("real.png.tmp-{}-1f-0", child.id()));
        let old = write(&format!("real.png.tmp-{}-1f-1", id()));
        let file = File::options().write(true).open(dir.path().join(&old)).unwrap();
        file.set_modified(SystemTime::now() - 2 * LONG).unwrap();

        // Where others write too, a number says nothing: it may be of another machine.
        remove(dir.path(), dir.path(), Writers::Any);
        let kept: BTreeSet<String> = others.iter().chain([&lives, &dead]).cloned().collect();
        assert_eq!(names(dir.path()), kept);
        remove(dir.path(), dir.path(), Writers::Owner);
        let kept: BTreeSet<String> = others.iter().chain([&lives]).cloned().collect();
        assert_eq!(names(dir.path()), kept);
    }
}
