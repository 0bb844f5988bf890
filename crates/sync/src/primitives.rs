//! What everything else is made of: the standard library's primitives or, when compiled with `--cfg shuttle`, ones that
//! let a test decide which thread runs next. With `--cfg loom`, some of them are a model's.
//!
//! A configuration option that only the one who compiles can set is no feature that some dependency could turn on.

#[cfg(shuttle)]
pub use scheduled::OnceLock;
#[cfg(shuttle)]
pub use shuttle::{
    sync::{Arc, Condvar, Mutex, MutexGuard, Weak},
    thread_local,
};
#[cfg(not(shuttle))]
pub use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak, atomic},
    thread_local,
};

#[cfg(shuttle)]
pub mod atomic {
    //! Atomics whose use is a point where another thread may go on. All orderings count as sequentially consistent.

    pub use shuttle::sync::atomic::*;
    // These also stand for words in memory that processes share.
    pub use std::sync::atomic::{AtomicU32, AtomicU64};

    /// A fence, which between two of those words is where another thread may go on.
    pub fn fence(_: Ordering) {
        shuttle::thread::sleep(std::time::Duration::ZERO);
    }
}

pub mod modelled {
    //! The atomics of protocols between processes: with `--cfg loom`, ones that let a model try all orders in which their
    //! changes can be seen. Only models run then, and all else remains the standard library's.

    #[cfg(not(loom))]
    pub use super::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
    #[cfg(loom)]
    pub use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
}

#[cfg(shuttle)]
mod scheduled {
    use std::sync;

    /// A cell that is written once. Unlike in the standard library's, a thread that waits for another's initializer
    /// lets that one run.
    pub struct OnceLock<T> {
        writer: shuttle::sync::Mutex<()>,
        value: sync::OnceLock<T>,
    }

    impl<T> OnceLock<T> {
        /// Makes an empty cell.
        pub const fn new() -> Self {
            Self { writer: shuttle::sync::Mutex::new(()), value: sync::OnceLock::new() }
        }

        /// The value, if it was written.
        pub fn get(&self) -> Option<&T> {
            self.value.get()
        }

        /// Writes the value; it comes back if there is one.
        pub fn set(&self, value: T) -> Result<(), T> {
            let _writer = self.writer.lock();
            self.value.set(value)
        }

        /// The value, written first if need be.
        pub fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
            let _writer = self.writer.lock();
            self.value.get_or_init(init)
        }
    }

    impl<T> Default for OnceLock<T> {
        fn default() -> Self {
            Self::new()
        }
    }
}
