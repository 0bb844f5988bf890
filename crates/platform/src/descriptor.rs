//! Counting descriptors, for tests that look for leaks.

/// How many descriptors this process has open; 0 where the system does not tell.
pub fn open_descriptor_count() -> usize {
    // The directory that is being listed is one of them.
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count().saturating_sub(1))
}
