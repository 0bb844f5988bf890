//! A clock that never goes back.

use rustix::time::{ClockId, clock_gettime};

/// Microseconds since some moment in the past, the same for all processes until the machine restarts. Not zero.
pub fn monotonic_micros() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec * 1_000_000 + now.tv_nsec / 1_000).max(1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn time_does_not_go_back() {
        let before = super::monotonic_micros();
        assert!(before > 0);
        assert!(super::monotonic_micros() >= before);
    }
}
