//! Processes that do what they are told, one thing after another.
//!
//! | order | what is done | answer |
//! |---|---|---|
//! | `invite` | starts another one | the pipe by which to give it orders, and what it can be signalled by |
//! | `keep NAME`, with something | keeps it under the name | |
//! | `create NAME NAME` | makes a pipe | |
//! | `stream NAME NAME` | makes a data pipe | |
//! | `give NAME` | gives it up | it |
//! | `move NAME over NAME` | sends it over a pipe | |
//! | `take NAME from NAME` | waits for it to come over a pipe | |
//! | `fuse NAME with NAME` | joins two pipes | |
//! | `say TEXT on NAME` | sends a text over a pipe | |
//! | `hear NAME` | waits for a text | the text |
//! | `write TEXT to NAME` | writes into a data pipe, and closes it | |
//! | `read NAME` | reads a data pipe to its end | the text |
//! | `settle` | waits until nothing is passed on here any more | |

use crate::worlds::children::*;
use crate::worlds::*;
use libmojo::{Handle, Message, MessagePipe, Node};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

/// A process that does what it is told.
pub struct Servant {
    orders: MessagePipe,
    /// Stands for this process and no other, also when it is gone and another one has its number.
    process: OwnedFd,
}

/// The first one, which is this process's own child.
pub struct Root {
    pub servant: Servant,
    child: Child,
}

impl Root {
    pub fn start(node: &Node) -> Self {
        let mut child = launch(node, child_serves);
        let (placeholder, _) = MessagePipe::create_on(node);
        let orders = std::mem::replace(&mut child.pipe, placeholder);
        let process = process_of(&child);
        Self { servant: Servant { orders, process }, child }
    }

    /// Waits until it, and all that it has started, have ended in good order. All pipes must be closed.
    pub fn finish(self) {
        let Self { servant, child } = self;
        drop(servant);
        child.finish();
    }

    /// Waits for it, however it ends.
    pub fn bury(mut self) {
        self.child.wait();
    }
}

impl Servant {
    /// Gives an order, and does not wait for the answer.
    pub fn tell(&self, text: &str) {
        send(&self.orders, text);
    }

    /// Waits for the answer to the first order that was not answered yet.
    pub fn answer(&self) -> Message {
        self.orders.recv().unwrap()
    }

    pub fn order(&self, text: &str) -> Message {
        self.tell(text);
        self.answer()
    }

    pub fn give(&self, name: &str, handle: impl Into<Handle>) {
        self.orders.send(Message::from(format!("keep {name}").as_str()).with(handle)).unwrap();
        self.answer();
    }

    pub fn take(&self, name: &str) -> Handle {
        self.order(&format!("give {name}")).take_handles().unwrap().remove(0)
    }

    pub fn hear(&self, name: &str) -> String {
        text(&self.order(&format!("hear {name}"))).to_owned()
    }

    pub fn invite(&self) -> Servant {
        let mut handles = self.order("invite").take_handles().unwrap();
        let process = handles.remove(1).into_descriptor().unwrap();
        Servant { orders: handles.remove(0).into_pipe().unwrap(), process }
    }

    /// Makes a pipe between two of them; both know their end by the name.
    pub fn join(&self, other: &Servant, name: &str) {
        self.order(&format!("create {name} other"));
        other.give(name, self.take("other"));
    }

    pub fn signal(&self, signal: Signal) {
        pidfd_send_signal(&self.process, signal).unwrap();
    }
}

/// A descriptor of a process that nobody has waited for yet.
fn process_of(child: &Child) -> OwnedFd {
    pidfd_open(Pid::from_child(&child.process), PidfdFlags::empty()).unwrap()
}

/// Waits until none of them passes anything on any more. Everything must be where it is to stay.
pub fn settle<'a>(servants: impl IntoIterator<Item = &'a Servant> + Clone) {
    servants.clone().into_iter().for_each(|servant| servant.tell("settle"));
    servants.into_iter().for_each(|servant| drop(servant.answer()));
}

pub fn text(message: &Message) -> &str {
    std::str::from_utf8(message.payload()).unwrap()
}

// ---- the servant's side ----------------------------------------------------------------------------------

#[derive(Default)]
struct Household {
    things: HashMap<String, Handle>,
    children: Vec<Child>,
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_serves() {
    act(|orders| {
        let mut household = Household::default();
        while let Ok(message) = orders.recv() {
            // Nobody may be there to hear it any more.
            let _ = orders.send(household.obey(message));
        }
        let Household { things, children } = household;
        drop(things);
        // They have been told to go by then.
        for mut child in children {
            assert!(child.wait().success());
        }
    });
}

impl Household {
    fn pipe(&self, name: &str) -> &MessagePipe {
        let Some(Handle::Pipe(pipe)) = self.things.get(name) else { panic!("{name} is no pipe here") };
        pipe
    }

    fn give_up(&mut self, name: &str) -> Handle {
        self.things.remove(name).unwrap_or_else(|| panic!("there is no {name} here"))
    }

    fn keep(&mut self, name: &str, handle: impl Into<Handle>) {
        let previous = self.things.insert(name.to_owned(), handle.into());
        assert!(previous.is_none(), "there is a {name} here already");
    }

    fn obey(&mut self, mut message: Message) -> Message {
        let order = text(&message).to_owned();
        let done = Message::from("");
        match order.split(' ').collect::<Vec<_>>()[..] {
            ["invite"] => return self.invite(),
            ["keep", name] => self.keep(name, message.take_handles().unwrap().remove(0)),
            ["create", one, other] => {
                let (a, b) = MessagePipe::create();
                self.keep(one, a);
                self.keep(other, b);
            }
            ["stream", one, other] => {
                let (producer, consumer) = data_pipe_on(Node::process(), 1, 100);
                self.keep(one, producer);
                self.keep(other, consumer);
            }
            ["give", name] => return done.with(self.give_up(name)),
            ["move", name, "over", way] => {
                let thing = self.give_up(name);
                self.pipe(way).send(Message::from("").with(thing)).unwrap();
            }
            ["take", name, "from", way] => {
                let thing = recv_handle(self.pipe(way));
                self.keep(name, thing);
            }
            ["fuse", one, "with", other] => {
                let [one, other] = [one, other].map(|name| self.give_up(name).into_pipe().unwrap());
                one.fuse(other).unwrap();
            }
            ["say", text, "on", name] => send(self.pipe(name), text),
            ["hear", name] => return Message::from(recv(self.pipe(name)).as_str()),
            ["write", text, "to", name] => {
                self.give_up(name).into_producer().unwrap().write_all(text.as_bytes()).unwrap();
            }
            ["read", name] => {
                let mut text = String::new();
                self.give_up(name).into_consumer().unwrap().read_to_string(&mut text).unwrap();
                return Message::from(text.as_str());
            }
            ["settle"] => eventually("nothing is passed on here", || Node::process().port_counts().1 == 0),
            _ => panic!("an order {order:?}"),
        }
        done
    }

    fn invite(&mut self) -> Message {
        let mut child = launch(Node::process(), child_serves);
        let (placeholder, _) = MessagePipe::create();
        let orders = std::mem::replace(&mut child.pipe, placeholder);
        let answer = Message::from("").with(orders).with(process_of(&child));
        self.children.push(child);
        answer
    }
}
