//! What a thread that waits awake tells the processor and the system.

/// Waits some nanoseconds.
pub fn pause() {
    #[cfg(not(shuttle))]
    std::hint::spin_loop();
    #[cfg(shuttle)]
    shuttle::thread::yield_now();
}

/// Lets another thread have the processor.
pub fn give_way() {
    #[cfg(not(shuttle))]
    std::thread::yield_now();
    #[cfg(shuttle)]
    shuttle::thread::yield_now();
}

/// True if threads of this process can run at the same time. Asked once.
pub fn has_many_processors() -> bool {
    static ANSWER: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *ANSWER.get_or_init(|| std::thread::available_parallelism().is_ok_and(|number| number.get() > 1))
}
