//! A queue that mostly holds one element, for which it needs no allocation.

use std::collections::VecDeque;

pub(crate) struct Queue<T> {
    /// Comes before all others.
    first: Option<T>,
    others: VecDeque<T>,
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self { first: None, others: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, element: T) {
        if self.first.is_none() && self.others.is_empty() {
            self.first = Some(element);
        } else {
            self.others.push_back(element);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.first.take().or_else(|| self.others.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_first_is_popped_first() {
        let mut queue = Queue::new();
        let (mut pushed, mut popped) = (0, 0);
        for (pushes, pops) in [(1, 1), (3, 2), (1, 0), (2, 3), (0, 1), (1, 1), (2, 2)] {
            for _ in 0..pushes {
                queue.push(pushed);
                pushed += 1;
            }
            for _ in 0..pops {
                assert_eq!(queue.pop(), Some(popped));
                popped += 1;
            }
        }
        assert_eq!((queue.pop(), popped), (None, pushed));
    }
}
