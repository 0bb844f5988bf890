//! Random bytes that nobody can guess.

use rustix::rand::{GetRandomFlags, getrandom};

/// `N` random bytes from the system. Waits only on a system that has just been started.
///
/// Names that must not be guessed depend on these bytes, so a system that has none to give ends the process.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match getrandom(rest, GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                eprintln!("libmojo: the system has no random numbers: {error}");
                std::process::abort();
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_draws_are_alike() {
        assert_ne!(super::random::<16>(), super::random::<16>());
        assert_eq!(super::random::<0>(), []);
    }
}
