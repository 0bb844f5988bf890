//! An end of a pipe between actors: letters in both directions, numbered and counted.
//!
//! The state goes with the end when it moves. A side stops sending with an end letter, and is done when it has that of
//! the other side too: then nothing was lost. A side that is cut off before has got all letters up to some number.

use crate::fault::Fault;
use crate::letter::{Cargo, Kind, Letter};
use libmojo::{Message, MessagePipe, SendErrorKind, TryRecvError, Waitable};
use std::fmt;

/// How many letters may be under way, so that those who only send do not fill all memory.
const WINDOW: u64 = 8;

/// One end of a pipe.
pub struct Stream {
    pub pipe: MessagePipe,
    /// The same at both ends. An end travels only over pipes with a lower id, so no two can ever wait inside each
    /// other, where nobody would find them.
    pub id: u64,
    /// 0 or 1.
    side: u64,
    sent: u64,
    received: u64,
    /// How many of the letters that were sent the other side says it has received.
    acknowledged: u64,
    /// How many received letters the other side was told of.
    told: u64,
    has_ended: bool,
    peer_has_ended: bool,
}

/// What there is to receive.
pub enum Heard {
    Cargo(Vec<Cargo>),
    Nothing,
    /// Both sides have said all they had to say.
    Over,
    /// The other side is gone before it has said so.
    Cut,
}

impl Stream {
    pub fn new(pipe: MessagePipe, id: u64, side: u64) -> Self {
        Self::from_parts(pipe, [id, side, 0, 0, 0, 0, 0, 0])
    }

    pub fn into_parts(self) -> (MessagePipe, [u64; 8]) {
        let Self { pipe, id, side, sent, received, acknowledged, told, has_ended, peer_has_ended } = self;
        (pipe, [id, side, sent, received, acknowledged, told, has_ended.into(), peer_has_ended.into()])
    }

    pub fn from_parts(pipe: MessagePipe, state: [u64; 8]) -> Self {
        let [id, side, sent, received, acknowledged, told, has_ended, peer_has_ended] = state;
        let (has_ended, peer_has_ended) = (has_ended == 1, peer_has_ended == 1);
        Self { pipe, id, side, sent, received, acknowledged, told, has_ended, peer_has_ended }
    }

    /// A pipe that nobody has used.
    pub fn pair(id: u64) -> (Self, Self) {
        let (a, b) = MessagePipe::create();
        (Self::new(a, id, 0), Self::new(b, id, 1))
    }

    pub fn has_room(&self) -> bool {
        !self.has_ended && self.sent - self.acknowledged < WINDOW
    }

    /// How many letters were sent from here.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// True once both sides have said all that they had to say.
    fn is_over(&self) -> bool {
        self.has_ended && self.peer_has_ended
    }

    /// Sends a letter with attachments, which come back if the other side is gone.
    pub fn send(
        &mut self,
        kind: Kind,
        cargo: Vec<Cargo>,
        filler: usize,
        fault: Option<Fault>,
    ) -> Result<(), Vec<Cargo>> {
        assert!(!self.has_ended, "an end letter is the last one");
        let letter = Letter { kind, number: self.sent, received: self.received, cargo, filler };
        let mut message = letter.into_message(self.id, self.side);
        if fault == Some(Fault::Damage) {
            *message.payload_mut().last_mut().unwrap() ^= 1;
        }
        let again = (fault == Some(Fault::Repeat)).then(|| Message::new(message.payload()));
        if fault != Some(Fault::Skip)
            && let Err(error) = self.pipe.send(message)
        {
            assert!(error.kind == SendErrorKind::PeerClosed, "pipe {:x}: {}", self.id, error.kind);
            return Err(Letter::from_message(error.message, self.id, self.side).cargo);
        }
        again.into_iter().for_each(|message| drop(self.pipe.send(message)));
        self.sent += 1;
        self.told = self.received;
        self.has_ended = kind == Kind::End;
        Ok(())
    }

    /// Receives a letter, if there is one. Panics unless it is the next one, as it was sent.
    pub fn receive(&mut self) -> Heard {
        // Nothing more is to come, whether the other side knows that already or not.
        if self.is_over() {
            return Heard::Over;
        }
        let message = match self.pipe.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::PeerClosed) if self.peer_has_ended => return Heard::Over,
            Err(TryRecvError::PeerClosed) => return Heard::Cut,
            Err(_) => return Heard::Nothing,
        };
        let letter = Letter::from_message(message, self.id, 1 - self.side);
        let (id, expected) = (self.id, self.received);
        assert!(letter.number == expected, "pipe {id:x}: number {} instead of {expected}", letter.number);
        assert!(!self.peer_has_ended, "pipe {id:x}: a letter behind the last one");
        assert!(letter.received <= self.sent, "pipe {id:x}: {} of {} received", letter.received, self.sent);
        self.received += 1;
        self.acknowledged = letter.received;
        self.peer_has_ended = letter.kind == Kind::End;
        Heard::Cargo(letter.cargo)
    }

    /// True if the other side should hear what has been received, because it may wait for that.
    pub fn owes_receipt(&self) -> bool {
        !self.has_ended && self.received - self.told >= WINDOW / 2
    }

    /// True if the other side waits for this one's last letter.
    pub fn owes_end(&self) -> bool {
        self.peer_has_ended && !self.has_ended
    }

    /// Has the end of another pipe, which was never used, take the place of this one's. Nothing may have been sent.
    pub fn fuse(&mut self) {
        let (joined, kept) = MessagePipe::create();
        let old = std::mem::replace(&mut self.pipe, kept);
        old.fuse(joined).unwrap_or_else(|error| panic!("pipe {:x}: {error}", self.id));
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, side, sent, received, has_ended, peer_has_ended, .. } = self;
        let (out, inward) = (if *has_ended { "all" } else { "so far" }, if *peer_has_ended { "all" } else { "so far" });
        write!(f, "pipe {id:x}.{side} sent {sent} ({out}), received {received} ({inward}), {:?}", self.pipe.signals())
    }
}
