//! Processes whose parents, or their parents and so on, have been invited by one and the same.

use crate::servants::*;
use crate::worlds::*;
use libmojo::Node;
use rustix::process::Signal;

/// Starts a line of processes, each of which has been invited by the one before, and passes an end to the last.
fn descend(root: &Servant, depth: usize, end: &str) -> Vec<Servant> {
    let mut line: Vec<Servant> = Vec::new();
    for generation in 0..depth {
        let parent = line.last().unwrap_or(root);
        let child = parent.invite();
        let way = format!("{end}{generation}");
        parent.join(&child, &way);
        parent.order(&format!("move {end} over {way}"));
        child.order(&format!("take {end} from {way}"));
        line.push(child);
    }
    line
}

#[test]
fn cousins_of_any_degree_go_on_talking_while_all_who_have_introduced_them_are_stopped_and_after_their_death() {
    for depth in 1..=3 {
        let (alone, node) = (alone(), Node::new());
        let root = Root::start(&node);
        root.servant.order("create a b");
        let lines = [descend(&root.servant, depth, "a"), descend(&root.servant, depth, "b")];
        settle([&root.servant].into_iter().chain(lines.iter().flatten()));
        eventually("nothing is passed on here", || node.port_counts().1 == 0);
        let [(one, parents), (other, others)] = lines.each_ref().map(|line| line.split_last().unwrap());
        let between: Vec<&Servant> = [&root.servant].into_iter().chain(parents).chain(others).collect();
        between.iter().for_each(|servant| servant.signal(Signal::STOP));
        converse(one, other);
        between.iter().for_each(|servant| servant.signal(Signal::KILL));
        converse(one, other);
        drop(lines);
        root.bury();
        finish(alone, &[&node]);
    }
}

/// Exchanges all kinds of things over the ends `a` and `b`, and over what has been exchanged.
fn converse(one: &Servant, other: &Servant) {
    for number in 0..20 {
        one.order(&format!("say {number} on a"));
        other.order(&format!("say {number} on b"));
    }
    for number in 0..20 {
        assert_eq!((one.hear("a"), other.hear("b")), (number.to_string(), number.to_string()));
    }
    one.order("create c d");
    one.order("move d over a");
    other.order("take d from b");
    other.order("stream producer consumer");
    other.order("move consumer over d");
    other.order("write through-a-new-pipe to producer");
    one.order("take consumer from c");
    assert_eq!(text(&one.order("read consumer")), "through-a-new-pipe");
    drop((one.take("c"), other.take("d")));
}
