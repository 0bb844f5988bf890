//! Where attacks take place: a node that the thread of the attack drives, so that what happens depends on the attack alone,
//! and its friend.

use crate::attacker::{self, Attacker};
use libmojo::{AcceptedInvitation, Driver, Invitation, Message, MessagePipe, Node, Signals, Waitable, socket_pair};
use libmojo_core::node::fuzzing;
use libmojo_platform::open_descriptor_count;
use std::cell::RefCell;

/// How often the node is driven before what should have happened has happened.
const MANY_TURNS: usize = 2000;

/// False if links go over sockets alone.
pub fn shares_memory() -> bool {
    std::env::var_os("LIBMOJO_SHARED_MEMORY").is_none_or(|value| value != "0")
}

/// A node and its friend, who stay.
pub struct Scene {
    /// The victim.
    pub node: Node,
    friend: Node,
    /// The victim's pipe to its friend.
    pub pipe: MessagePipe,
    friends_pipe: MessagePipe,
    drivers: RefCell<[Driver; 2]>,
}

impl Scene {
    /// The two, connected.
    pub fn new() -> Self {
        let (node, friend) = (Node::new(), Node::new());
        let drivers = [node.drive().unwrap(), friend.drive().unwrap()];
        let (ours, theirs) = socket_pair().unwrap();
        let invitation = Invitation::new_on(&node);
        let pipe = invitation.attach(b"friend").unwrap();
        invitation.send(ours).unwrap();
        let accepted = AcceptedInvitation::accept_on(&friend, theirs).unwrap();
        let friends_pipe = accepted.extract(b"friend").unwrap();
        let scene = Self { node, friend, pipe, friends_pipe, drivers: drivers.into() };
        scene.assert_friend_is_there();
        scene
    }

    /// Has the node and its friend do what there is to do.
    pub fn turn(&self) {
        self.drivers.borrow_mut().iter_mut().for_each(|driver| {
            driver.run_once();
        });
    }

    /// Drives the node until something has happened.
    pub fn eventually(&self, what: &str, condition: impl Fn() -> bool) {
        for _ in 0..MANY_TURNS {
            if condition() {
                return;
            }
            self.turn();
        }
        let descriptors = open_descriptor_count();
        panic!(
            "never happens: {what}; {descriptors} descriptors, {}, {}",
            self.node.snapshot(),
            self.friend.snapshot()
        );
    }

    /// Nothing has come between the two.
    pub fn assert_friend_is_there(&self) {
        for (from, to) in [(&self.pipe, &self.friends_pipe), (&self.friends_pipe, &self.pipe)] {
            from.send(Message::from("are you there?")).unwrap();
            // What the program has passed on comes before.
            self.eventually("a friend hears", || {
                to.try_recv().is_ok_and(|message| message.payload() == b"are you there?")
            });
        }
    }

    /// A connection to an attacker that has said what an honest process says first, over a socket or in memory.
    pub fn connect(&self, is_invited: bool, in_memory: bool) -> (MessagePipe, Attacker) {
        let (pipe, mut attacker) = attacker::begin(&self.node, is_invited, None);
        self.turn();
        attacker.listen();
        attacker.say(&attacker.hello(in_memory));
        attacker.invitation().iter().for_each(|invitation| attacker.say(invitation));
        self.turn();
        if in_memory {
            self.go_on_in_memory(&mut attacker, is_invited);
        }
        (pipe, attacker)
    }

    /// Has the attacker and the victim agree on memory, if the victim can be won for it.
    pub fn go_on_in_memory(&self, attacker: &mut Attacker, is_invited: bool) {
        if is_invited {
            if let Some(taken) = attacker.take_offer() {
                attacker.say(&taken);
            }
        } else {
            let offer = attacker.offer();
            attacker.say(&offer);
            self.turn();
            attacker.say(&fuzzing::switch());
        }
        self.turn();
    }

    /// What the node and the process have.
    pub fn holdings(&self) -> Holdings {
        Holdings { ports: self.node.port_counts(), descriptors: open_descriptor_count() }
    }

    /// Ends an attack: the pipe is closed then, and nothing is left of what was there since `before`.
    pub fn end(&self, pipe: MessagePipe, attacker: Attacker, before: Holdings) {
        attacker.hang_up();
        self.eventually("the pipe is closed", || {
            while pipe.try_recv().is_ok() {}
            pipe.signals().satisfied.contains(Signals::PEER_CLOSED)
        });
        drop((pipe, attacker));
        self.assert_friend_is_there();
        self.eventually("nothing is left", || self.holdings() == before);
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

/// What must be the same before and after an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    ports: (usize, usize),
    descriptors: usize,
}
