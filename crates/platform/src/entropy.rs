//! Random bytes that nobody can guess.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use std::fs::File;
use std::io::{self, Read, Write};

/// `N` random bytes from the system. Waits only on a system that has just been started.
///
/// Where the system call is missing or forbidden, the bytes come from `/dev/urandom`. If that fails as well, this
/// prints a message and aborts the process: names that must not be guessed depend on these bytes, and no caller
/// could go on without them.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = from_call(&mut bytes).or_else(|_| from_device(&mut bytes)) {
        // Not `eprintln`, which panics if nobody reads the message.
        let _ = writeln!(io::stderr(), "libmojo: the system has no random numbers: {error}");
        std::process::abort();
    }
    bytes
}

fn from_call(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match getrandom(rest, GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn from_device(bytes: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_draws_are_alike() {
        assert_ne!(super::random::<16>(), super::random::<16>());
        assert_eq!(super::random::<0>(), []);
    }

    #[test]
    fn both_sources_fill_all_of_it() {
        for source in [super::from_call, super::from_device] {
            // More than the system call gives at once when it is interrupted. One byte in 256 is zero by chance.
            let mut bytes = vec![0; 4096];
            source(&mut bytes).unwrap();
            assert!(bytes.iter().rev().take(64).any(|byte| *byte != 0));
        }
    }
}
