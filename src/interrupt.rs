//! Stopping long work from outside.
//!
//! One flag for the process, as there is one Ctrl-C. Whoever runs long work asks [`check`] between
//! layers, chunks or steps; whoever owns the terminal calls [`request`] from its signal handler and
//! [`clear`] before the next piece of work.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Asks the running work to stop at its next check. Safe to call from a signal handler.
pub fn request() {
    REQUESTED.store(true, Ordering::Relaxed);
}

/// Forgets an earlier request.
pub fn clear() {
    REQUESTED.store(false, Ordering::Relaxed);
}

/// True after [`request`] and before [`clear`].
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Fails with [`Error::interrupted`] where a stop was requested.
pub fn check() -> Result<()> {
    if requested() { Err(Error::interrupted()) } else { Ok(()) }
}
