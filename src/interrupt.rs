//! Stopping long work from outside.
//!
//! One flag for the process, as there is one Ctrl-C. Whoever runs long work asks [`check`] between
//! layers, chunks or steps; whoever owns the terminal calls [`request`] from its signal handler and
//! [`clear`] before the next piece of work.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// How often it was asked for.
static REQUESTED: AtomicUsize = AtomicUsize::new(0);
/// The limit that was reached, where it was not a person who asked.
static LIMIT: Mutex<Option<String>> = Mutex::new(None);

/// Asks the running work to stop at its next check; gives how often that was asked before. Safe to call from a
/// signal handler.
pub fn request() -> usize {
    REQUESTED.fetch_add(1, Ordering::Relaxed)
}

/// Asks the running work to stop because a limit was reached, and says which. Not for signal handlers.
pub fn request_because(limit: String) {
    if let Ok(mut reached) = LIMIT.lock() {
        reached.get_or_insert(limit);
    }
    request();
}

/// Forgets an earlier request.
pub fn clear() {
    REQUESTED.store(0, Ordering::Relaxed);
    if let Ok(mut reached) = LIMIT.lock() {
        *reached = None;
    }
}

/// The limit that was reached, where one was.
pub fn limit() -> Option<String> {
    LIMIT.lock().ok().and_then(|reached| reached.clone())
}

/// What a stopped piece of work ends with.
pub fn stopped() -> Error {
    limit().map_or_else(Error::interrupted, |limit| {
        Error::stopped(limit).hint("what was written until now is whole; a larger limit lets it go on")
    })
}

/// True after [`request`] and before [`clear`].
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed) > 0
}

/// Fails with [`stopped`] where a stop was requested.
pub fn check() -> Result<()> {
    if requested() { Err(stopped()) } else { Ok(()) }
}
