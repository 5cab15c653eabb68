//! Freeing what takes long to free, without making anybody wait.
//!
//! A search may hold millions of small allocations when the caller's time is up, and giving them
//! back one by one takes as long as many polls of the budget. Nothing is decided after that, so
//! nothing depends on when they are gone.

use std::thread::Builder;

/// Frees `held` on a thread of its own; here, where there is none to be had.
pub(super) fn aside<T: Send + 'static>(held: T) {
    // What a thread that cannot be started was given is dropped with it.
    let _ = Builder::new().name("free".into()).spawn(move || drop(held));
}
