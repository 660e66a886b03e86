//! This machine, as far as a process of another can be told from one here: a host's name is not enough, since containers
//! share processes' numbers and names come back.

use std::fs;

/// The host's name.
pub fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// The same for two processes that can see each other, and for no others: on Linux the boot and the namespace of process
/// numbers, elsewhere the host's name.
pub fn identity() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let namespace = fs::read_link("/proc/self/ns/pid").ok();
    match (boot, namespace) {
        (Some(boot), Some(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
        _ => host(),
    }
}

/// Whether a process of this machine lives; none where that cannot be told.
pub fn lives(process: u32) -> Option<bool> {
    if !fs::exists("/proc/self/stat").unwrap_or(false) {
        return None;
    }
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    // Behind the name, which stands in brackets: a dead process that nobody has waited for is a zombie.
    Some(stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_one_that_was_waited_for_does_not() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        if let Some(lives_here) = lives(std::process::id()) {
            assert!(lives_here);
            assert_eq!(lives(child.id()), Some(false));
        }
        assert_eq!(identity(), identity());
        assert!(!identity().is_empty() && !host().is_empty());
    }
}
