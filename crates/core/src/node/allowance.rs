//! A limit on what grows by amounts that are known, and shrinks without anybody counting.

use libmojo_ports::Amount;

/// The least part of a limit that is added before what is there is counted again.
const LEAST_PART: u64 = 64;

/// How much can be added before what is there has to be counted.
#[derive(Default)]
pub(super) struct Allowance {
    /// Nothing until the first use.
    left: Option<Amount>,
}

impl Allowance {
    /// Notes that something was added. `count` says how much there is now; it is called only if that could be more than
    /// the limit, and so seldom that it may be slow.
    ///
    /// # Errors
    /// How much there is, if that is more than the limit.
    pub(super) fn spend(&mut self, added: Amount, limit: Amount, count: impl FnOnce() -> Amount) -> Result<(), Amount> {
        let left = self.left.unwrap_or(limit);
        let messages = left.messages.checked_sub(added.messages);
        let bytes = left.bytes.checked_sub(added.bytes);
        if let (Some(messages), Some(bytes)) = (messages, bytes) {
            self.left = Some(Amount { messages, bytes });
            return Ok(());
        }
        let counted = count();
        if counted.exceeds(limit) {
            return Err(counted);
        }
        let left = |limit: u64, counted: u64| (limit - counted).max(limit / LEAST_PART);
        self.left =
            Some(Amount { messages: left(limit.messages, counted.messages), bytes: left(limit.bytes, counted.bytes) });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const LIMIT: Amount = Amount { messages: 640, bytes: 6400 };

    fn amount(messages: u64, bytes: u64) -> Amount {
        Amount { messages, bytes }
    }

    #[test]
    fn what_is_there_is_counted_only_when_it_could_be_too_much() {
        let (mut allowance, counts) = (Allowance::default(), Cell::new(0));
        let mut spend = |added, there| {
            allowance.spend(added, LIMIT, || {
                counts.set(counts.get() + 1);
                there
            })
        };
        for _ in 0..640 {
            assert_eq!(spend(amount(1, 10), amount(1000, 0)), Ok(()));
        }
        assert_eq!(counts.get(), 0);
        // Close to the limit it takes a part of that before there is another count.
        for _ in 0..12 {
            assert_eq!(spend(amount(1, 1), LIMIT), Ok(()));
        }
        assert_eq!(counts.get(), 2);
        assert_eq!(spend(amount(0, 7000), amount(0, 6401)), Err(amount(0, 6401)));
    }
}
