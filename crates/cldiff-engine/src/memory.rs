//! The peak of the process's resident memory, where the system tells it.

use std::fs;

/// Starts a new peak, as far as the system allows.
pub(crate) fn reset_peak() {
    // Writing 5 resets VmHWM (Linux, proc(5)); elsewhere the peak stays that of the whole process.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The largest resident memory since [`reset_peak`], in bytes.
pub(crate) fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
