//! Panics in libraries that trust what they read: caught, and without their text on stderr.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// True while this thread runs work whose panics are expected.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives, or nothing where it panics. The panic is not reported; those of other threads are.
///
/// `work` must leave nothing half changed that outlives it.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                report(info);
            }
        }));
    });
    let outer = EXPECTED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(outer);
    result.ok()
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing_and_ends_the_silence() {
        assert_eq!(caught(|| 1), Some(1));
        assert_eq!(caught(|| -> u8 { panic!("not shown") }), None);
        assert!(!EXPECTED.get());
        let nested = caught(|| (caught(|| -> u8 { panic!("not shown") }), EXPECTED.get()));
        assert_eq!(nested, Some((None, true)));
        assert!(!EXPECTED.get());
    }
}
