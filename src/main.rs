//! mora: arguments in, exit code out.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mora::confined::Allocator<mimalloc::MiMalloc> =
    mora::confined::Allocator(mimalloc::MiMalloc);

/// `mi_option_purge_delay` of mimalloc's `mi_option_t`.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// How often a waiting thread of candle looks before it sleeps.
const SPIN_LIMIT: &str = "CANDLE_BARRIER_POOL_SPIN_LIMIT";

fn main() -> ExitCode {
    // Every tensor operation takes fresh megabytes: what is freed is kept for the next, not handed back.
    // SAFETY: sets a number inside the allocator, before any other thread runs.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
    // candle's threads for element-wise operations wait by spinning, and take the cores from the kernels'.
    if std::env::var_os(SPIN_LIMIT).is_none() {
        // SAFETY: as above, no other thread runs that might read the environment.
        unsafe { std::env::set_var(SPIN_LIMIT, "0") };
    }
    mora::cli::main()
}
