//! A chain of ten processes, each of which has been invited by the one before.

use crate::servants::*;
use crate::worlds::*;
use libmojo::Node;
use rustix::process::Signal;

const LENGTH: usize = 10;

struct Chain {
    alone: Alone,
    node: Node,
    root: Root,
    /// All but the first.
    rest: Vec<Servant>,
}

impl Chain {
    /// Starts them. Each has a pipe to the next, which both call by the number of the first of the two.
    fn start() -> Self {
        let (alone, node) = (alone(), Node::new());
        let root = Root::start(&node);
        let mut rest: Vec<Servant> = Vec::new();
        for number in 0..LENGTH - 1 {
            let last = rest.last().unwrap_or(&root.servant);
            let next = last.invite();
            last.join(&next, &number.to_string());
            rest.push(next);
        }
        let chain = Self { alone, node, root, rest };
        chain.settle();
        chain
    }

    fn at(&self, place: usize) -> &Servant {
        if place == 0 { &self.root.servant } else { &self.rest[place - 1] }
    }

    fn all(&self) -> impl Iterator<Item = &Servant> + Clone {
        (0..LENGTH).map(|place| self.at(place))
    }

    /// Has an end go from one place to another, and say at each what place that is. Everything is ordered at once, and
    /// happens by and by. Returns how many orders that makes at each place.
    fn send_on_its_way(&self, name: &str, from: usize, to: usize) -> Vec<(usize, usize)> {
        let mut orders = vec![(from, 1)];
        self.at(from).tell(&format!("say {from} on {name}"));
        let mut place = from;
        while place != to {
            let (next, way) = if to > place { (place + 1, place) } else { (place - 1, place - 1) };
            self.at(place).tell(&format!("move {name} over {way}"));
            self.at(next).tell(&format!("take {name} from {way}"));
            self.at(next).tell(&format!("say {next} on {name}"));
            orders.extend([(place, 1), (next, 2)]);
            place = next;
        }
        orders
    }

    fn await_answers(&self, orders: impl IntoIterator<Item = (usize, usize)>) {
        for (place, count) in orders {
            (0..count).for_each(|_| drop(self.at(place).answer()));
        }
    }

    /// Waits until nobody passes anything on, here neither.
    fn settle(&self) {
        settle(self.all());
        eventually("nothing is passed on here", || self.node.port_counts().1 == 0);
    }

    /// An end hears where the other one has been.
    fn assert_heard(&self, name: &str, at: usize, places: impl IntoIterator<Item = usize>) {
        for place in places {
            assert_eq!(self.at(at).hear(name), place.to_string());
        }
    }

    /// Two ends talk although nobody else runs.
    fn assert_direct(&self, [a, b]: [(&str, usize); 2]) {
        let others = || (0..LENGTH).filter(|place| ![a.1, b.1].contains(place)).map(|place| self.at(place));
        others().for_each(|servant| servant.signal(Signal::STOP));
        for (from, to) in [(a, b), (b, a)] {
            self.at(from.1).order(&format!("say directly on {}", from.0));
            assert_eq!(self.at(to.1).hear(to.0), "directly");
        }
        others().for_each(|servant| servant.signal(Signal::CONT));
    }

    fn finish(self) {
        let Self { alone, node, root, rest } = self;
        drop(rest);
        root.finish();
        finish(alone, &[&node]);
    }
}

#[test]
fn both_ends_of_a_pipe_move_through_ten_processes_at_once_and_nobody_stays_in_between() {
    let chain = Chain::start();
    // Away from each other.
    chain.at(4).order("create a b");
    let mut orders = chain.send_on_its_way("a", 4, 0);
    orders.extend(chain.send_on_its_way("b", 4, 9));
    chain.await_answers(orders);
    chain.settle();
    chain.assert_heard("a", 0, 4..=9);
    chain.assert_heard("b", 9, (0..=4).rev());
    chain.assert_direct([("a", 0), ("b", 9)]);
    // Past each other.
    let mut orders = chain.send_on_its_way("a", 0, 9);
    orders.extend(chain.send_on_its_way("b", 9, 0));
    chain.await_answers(orders);
    chain.settle();
    chain.assert_heard("a", 9, (0..=9).rev());
    chain.assert_heard("b", 0, 0..=9);
    chain.assert_direct([("a", 9), ("b", 0)]);
    chain.finish();
}

#[test]
fn pipes_are_fused_while_their_other_ends_move_away_and_nobody_stays_in_between() {
    let chain = Chain::start();
    chain.at(5).order("create a left");
    chain.at(5).order("create right b");
    let mut orders = chain.send_on_its_way("a", 5, 0);
    chain.at(5).tell("fuse left with right");
    orders.push((5, 1));
    orders.extend(chain.send_on_its_way("b", 5, 9));
    chain.await_answers(orders);
    chain.settle();
    chain.assert_heard("a", 0, 5..=9);
    chain.assert_heard("b", 9, (0..=5).rev());
    chain.assert_direct([("a", 0), ("b", 9)]);
    chain.finish();
}

#[test]
fn an_end_moves_inside_a_message_on_a_pipe_that_moves_and_nobody_stays_in_between() {
    let chain = Chain::start();
    chain.at(3).order("create outer carried");
    chain.at(3).order("create a b");
    chain.at(3).order("say inside on a");
    chain.at(3).order("move b over outer");
    // The message waits at an end that moves, while the other end of what is in it moves elsewhere.
    let mut orders = chain.send_on_its_way("a", 3, 0);
    // This end has nothing to say: what is said on it would come before what is in it.
    let mut place = 3;
    while place != 9 {
        chain.at(place).tell(&format!("move carried over {place}"));
        chain.at(place + 1).tell(&format!("take carried from {place}"));
        orders.extend([(place, 1), (place + 1, 1)]);
        place += 1;
    }
    chain.at(9).tell("take b from carried");
    orders.push((9, 1));
    chain.await_answers(orders);
    chain.settle();
    assert_eq!(chain.at(9).hear("b"), "inside");
    chain.assert_heard("b", 9, (0..=3).rev());
    chain.assert_direct([("a", 0), ("b", 9)]);
    chain.assert_direct([("outer", 3), ("carried", 9)]);
    chain.finish();
}
