//! `--timeout` and `--max-memory`: threads that watch, and ask the work to stop at its next check: between layers,
//! chunks and steps of a script.

use std::time::Duration;

use crate::interrupt;
use crate::tensor;

/// How often memory is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// Stops the work after so many seconds.
pub fn watch_time(seconds: f64) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs_f64(seconds.min(1e9)));
        interrupt::request_because(format!("stopped: the run took longer than --timeout {seconds}"));
    });
}

/// Stops the work where the process takes more memory than this.
pub fn watch_memory(gib: f64) {
    let bytes = (gib * f64::from(1 << 30)) as usize;
    // One tensor that is larger than what is left is refused before it is made.
    tensor::limit_memory(bytes);
    std::thread::spawn(move || {
        while resident().is_none_or(|taken| taken <= bytes) {
            std::thread::sleep(PAUSE);
        }
        interrupt::request_because(format!("stopped: the run took more memory than --max-memory {gib}"));
    });
}

/// Memory of the process in bytes, where the system says it.
fn resident() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<usize>().ok()? * 1024)
}
