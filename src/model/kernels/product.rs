//! A matrix product on the calling thread.

use gemm::{Parallelism, gemm};

/// A matrix as pointer, row stride and column stride.
pub type Matrix<P> = (P, isize, isize);

/// `out (+)= left · right` for (m, n, k) matrices: `out` [m, n], `left` [m, k], `right` [k, n].
///
/// # Safety
/// The pointers must reach the matrices that the sizes and strides describe; `out` is not read unless
/// `accumulate`.
pub unsafe fn product(
    (m, n, k): (usize, usize, usize),
    out: Matrix<*mut f32>,
    left: Matrix<*const f32>,
    right: Matrix<*const f32>,
    accumulate: bool,
) {
    #[cfg(feature = "meter")]
    let start = meter::now();
    // SAFETY: as promised by the caller.
    unsafe {
        gemm(
            m,
            n,
            k,
            out.0,
            out.2,
            out.1,
            accumulate,
            left.0,
            left.2,
            left.1,
            right.0,
            right.2,
            right.1,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
    #[cfg(feature = "meter")]
    meter::add(meter::now() - start, 2 * (m * n * k) as u64);
}

/// What products cost: for benches alone, which switch the feature `meter` on.
#[cfg(feature = "meter")]
pub mod meter {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    static NANOSECONDS: AtomicU64 = AtomicU64::new(0);
    static OPERATIONS: AtomicU64 = AtomicU64::new(0);

    /// Nanoseconds of processor time that this thread has had.
    pub(super) fn now() -> u64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call writes to `time` alone.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }

    pub(super) fn add(nanoseconds: u64, operations: u64) {
        NANOSECONDS.fetch_add(nanoseconds, Relaxed);
        OPERATIONS.fetch_add(operations, Relaxed);
    }

    /// Seconds of processor time in products, and their multiplications and additions, since the last call.
    pub fn take() -> (f64, f64) {
        let seconds = NANOSECONDS.swap(0, Relaxed) as f64 * 1e-9;
        (seconds, OPERATIONS.swap(0, Relaxed) as f64)
    }
}
