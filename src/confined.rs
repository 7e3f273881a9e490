//! Work on texts from strangers, such as a chat template: on a thread of its own, with limits on memory and time.
//!
//! Libraries that run such texts have no limit on memory, and none on what a single operation does. So the thread is
//! watched from outside: [`Allocator`], which the program installs, counts what it takes. A thread cannot be ended;
//! one that goes beyond a limit sleeps from its next allocation on, and keeps what it holds. Whoever calls [`run`]
//! should not try the same work again.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::interrupt;
use crate::panics::caught;

/// How often the work is looked at while it runs.
const TICK: Duration = Duration::from_millis(10);

/// How much work may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Memory in bytes, where the program has installed [`Allocator`].
    pub memory: usize,
    /// Time, counted in moments in which this process ran: a machine that slept took none.
    pub time: Duration,
    /// Stack in bytes. It is address space, and memory only where it is used.
    pub stack: usize,
}

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It took more memory than it may.
    Memory,
    /// It took longer than it may.
    Time,
    /// It panicked.
    Panic,
    /// A person or a limit of the whole run asked for the end.
    Interrupt,
}

/// What a confined thread and its caller know of each other.
#[derive(Debug)]
struct Tether {
    /// Bytes that the thread may still take.
    left: AtomicIsize,
    /// The thread took too much.
    is_over: AtomicBool,
    /// The caller waits no longer.
    is_cut: AtomicBool,
}

thread_local! {
    /// The thread's tether; null for all threads that are not confined.
    static TETHER: Cell<*const Tether> = const { Cell::new(ptr::null()) };
}

/// What `work` gives, within limits.
///
/// # Errors
/// The thread cannot be started. The inner result says which limit was reached.
pub fn run<T: Send + 'static>(
    limits: Limits,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<std::result::Result<T, Stop>> {
    let tether = Arc::new(Tether {
        left: AtomicIsize::new(isize::try_from(limits.memory).unwrap_or(isize::MAX)),
        is_over: AtomicBool::new(false),
        is_cut: AtomicBool::new(false),
    });
    let (sender, receiver) = sync_channel(1);
    let own = tether.clone();
    std::thread::Builder::new()
        .name("confined".into())
        .stack_size(limits.stack)
        .spawn(move || {
            TETHER.set(Arc::as_ptr(&own));
            let result = caught(work);
            // Before `own` is dropped, to which the pointer leads.
            TETHER.set(ptr::null());
            let _ = sender.send(result);
        })
        .map_err(|error| Error::from(error).within("cannot start a thread"))?;
    let ticks = limits.time.as_millis() / TICK.as_millis();
    let mut stop = Stop::Time;
    for _ in 0..ticks {
        match receiver.recv_timeout(TICK) {
            Ok(result) => return Ok(result.ok_or(Stop::Panic)),
            Err(RecvTimeoutError::Disconnected) => return Ok(Err(Stop::Panic)),
            Err(RecvTimeoutError::Timeout) if tether.is_over.load(Ordering::Relaxed) => {
                stop = Stop::Memory;
                break;
            }
            Err(RecvTimeoutError::Timeout) if interrupt::requested() => {
                stop = Stop::Interrupt;
                break;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    tether.is_cut.store(true, Ordering::Relaxed);
    Ok(Err(stop))
}

/// The program's allocator, which also counts what confined threads take.
#[derive(Debug)]
pub struct Allocator<A>(pub A);

/// Counts bytes that the thread is about to take, or gives back; does not return where it may not go on.
fn count(bytes: isize) {
    let tether = TETHER.get();
    if tether.is_null() {
        return;
    }
    // SAFETY: the pointer is set only while the thread holds the tether's Arc.
    let tether = unsafe { &*tether };
    let left = tether.left.fetch_sub(bytes, Ordering::Relaxed).saturating_sub(bytes);
    if bytes > 0 && (left < 0 || tether.is_cut.load(Ordering::Relaxed)) {
        tether.is_over.store(left < 0, Ordering::Relaxed);
        loop {
            std::thread::sleep(Duration::from_secs(3600));
        }
    }
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// SAFETY: every call is handed on as it came; counting neither allocates nor unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Allocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: the caller's promise is handed on.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: the caller's promise is handed on.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(signed(size) - signed(layout.size()));
        // SAFETY: the caller's promise is handed on.
        unsafe { self.0.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        // SAFETY: the caller's promise is handed on.
        unsafe { self.0.dealloc(pointer, layout) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: Allocator<std::alloc::System> = Allocator(std::alloc::System);

    const LIMITS: Limits = Limits { memory: 1 << 20, time: Duration::from_millis(100), stack: 1 << 20 };

    #[test]
    fn work_gives_its_result() {
        assert_eq!(run(LIMITS, || vec![1; 3].len()).unwrap(), Ok(3));
        assert_eq!(run(LIMITS, || -> u8 { panic!("not shown") }).unwrap(), Err(Stop::Panic));
    }

    #[test]
    fn work_that_takes_too_much_is_left_behind() {
        let fits = || (0..100).map(|_| vec![0_u8; 1 << 19].len()).sum::<usize>();
        assert_eq!(run(LIMITS, fits).unwrap(), Ok(100 << 19));
        let takes: [fn() -> usize; 3] = [
            || vec![0_u8; 2 << 20].len(),
            || (0..1 << 20).map(|i| i.to_string()).collect::<Vec<_>>().len(),
            || {
                let mut all = Vec::new();
                while all.len() < 2 << 20 {
                    all.push(1_u8);
                }
                all.len()
            },
        ];
        for work in takes {
            assert_eq!(run(LIMITS, work).unwrap(), Err(Stop::Memory));
        }
    }

    #[test]
    fn work_that_takes_long_is_left_behind() {
        let endless = || std::thread::sleep(Duration::from_secs(3600));
        assert_eq!(run(LIMITS, endless).unwrap(), Err(Stop::Time));
    }
}
