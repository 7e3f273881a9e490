//! Memory of the process and of the machine in bytes, where the system says it.

/// What the process has now.
pub fn resident() -> Option<usize> {
    read("/proc/self/status", "VmRSS:")
}

/// The most that the process had so far.
pub fn most_resident() -> Option<usize> {
    read("/proc/self/status", "VmHWM:")
}

/// What can be had without swapping.
pub fn available() -> Option<usize> {
    read("/proc/meminfo", "MemAvailable:")
}

/// What the machine has.
pub fn total() -> Option<usize> {
    read("/proc/meminfo", "MemTotal:")
}

/// A line of a file of the kernel's, which counts in kibibytes.
fn read(file: &str, name: &str) -> Option<usize> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<usize>().ok()?.checked_mul(1024)
}
