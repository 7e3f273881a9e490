//! How much memory the machine has left.

/// What is taken where the machine does not say.
const FALLBACK: usize = 4 << 30;

/// Bytes that can be had without swapping.
pub fn free() -> usize {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = text.lines().find_map(|line| {
        line.strip_prefix("MemAvailable:")?.split_whitespace().next()?.parse::<usize>().ok()
    });
    kilobytes.map_or(FALLBACK, |kilobytes| kilobytes.saturating_mul(1024))
}
