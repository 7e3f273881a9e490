//! `--timeout` and `--max-memory`: threads that watch, and ask the work to stop at its next check: between layers,
//! chunks and steps of a script.

use std::time::Duration;

use crate::{interrupt, memory, tensor};

/// How often memory is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// Stops the work after so many seconds.
pub fn watch_time(seconds: f64) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs_f64(seconds.min(1e9)));
        interrupt::request_because(format!("stopped: the run took longer than --timeout {seconds}"));
    });
}

/// Stops the work whenever the process comes to take more memory than this; a session may go on after it.
pub fn watch_memory(gib: f64) {
    let bytes = (gib * f64::from(1 << 30)) as usize;
    // One tensor that is larger than what is left is refused before it is made.
    tensor::limit_memory(bytes);
    std::thread::spawn(move || {
        let mut was_over = false;
        // Where the system does not say, there is nothing to watch.
        while let Some(taken) = memory::resident() {
            let is_over = taken > bytes;
            if is_over && !was_over {
                interrupt::request_because(format!(
                    "stopped: the run took more memory than --max-memory {gib}"
                ));
            }
            was_over = is_over;
            std::thread::sleep(PAUSE);
        }
    });
}
