//! A value that is only reached by whoever owns it.

/// Makes a value that can go to other threads part of something that several threads may refer to, who cannot reach it
/// there: it is only taken out, by its owner.
#[derive(Debug)]
pub struct Exclusive<T>(std::sync::Mutex<T>);

impl<T> Exclusive<T> {
    /// Puts a value in.
    pub const fn new(value: T) -> Self {
        // Never locked. The standard library has nothing else that is `Sync` whatever the value is.
        Self(std::sync::Mutex::new(value))
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn what_only_one_thread_may_refer_to_can_be_part_of_what_many_refer_to() {
        fn is_sync<T: Sync>(_: &T) {}
        let exclusive = Exclusive::new(Cell::new(7));
        is_sync(&exclusive);
        assert_eq!(exclusive.into_inner().get(), 7);
    }
}
