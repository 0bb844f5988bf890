//! libmojo through its Rust API.

use crate::outcome::Outcome;
use crate::process::{Cargo, Other, Setup};
use crate::wire::{Carrier, Local, Wire, look, run_tokio};
use libmojo::{AcceptedInvitation, Invitation, Message, MessagePipe, Node, Serialize, SharedBuffer};
use std::collections::VecDeque;
use std::fs::File;
use std::hint::black_box;

const PIPE_NAME: &[u8] = b"bench";

/// How many ends of pipes whose other ends were sent are kept: more than there are under way.
const KEPT_ENDS: usize = 1024;

/// Starts the other process with a pipe to it.
pub fn start(setup: &Setup) -> Outcome<(MessagePipe, Other)> {
    let invitation = Invitation::new();
    let pipe = invitation.attach(PIPE_NAME)?;
    let (child, _) = invitation.spawn(&mut setup.command()?)?;
    Ok((pipe, Other::new(child)))
}

/// The pipe that this process was started with.
pub fn join() -> Outcome<MessagePipe> {
    Ok(AcceptedInvitation::inherited()?.extract(PIPE_NAME)?)
}

/// One end of a pipe, which blocks.
pub struct MojoWire {
    pub pipe: MessagePipe,
    cargo: Option<Loader>,
}

impl MojoWire {
    pub fn new(pipe: MessagePipe) -> Self {
        Self { pipe, cargo: None }
    }
}

impl Wire for MojoWire {
    async fn send(&mut self, message: &[u8]) -> Outcome<()> {
        let mut message = Message::new(message);
        if let Some(loader) = &mut self.cargo {
            message = loader.load(message)?;
        }
        Ok(self.pipe.send(message).map_err(|refused| refused.kind)?)
    }

    async fn receive(&mut self, num_bytes: usize) -> Outcome<u8> {
        unload(self.pipe.recv()?, num_bytes, self.cargo.is_some())
    }
}

/// One end of a pipe, which is awaited.
pub struct AsyncWire(MessagePipe);

impl Wire for AsyncWire {
    async fn send(&mut self, message: &[u8]) -> Outcome<()> {
        Ok(self.0.send(Message::new(message)).map_err(|refused| refused.kind)?)
    }

    async fn receive(&mut self, num_bytes: usize) -> Outcome<u8> {
        unload(self.0.recv_async().await?, num_bytes, false)
    }
}

fn unload(mut message: Message, num_bytes: usize, has_cargo: bool) -> Outcome<u8> {
    if has_cargo {
        drop(message.take_handles()?);
    }
    look(message.payload(), num_bytes)
}

/// Attaches handles to messages.
struct Loader {
    cargo: Cargo,
    file: File,
    buffer: SharedBuffer,
    kept: VecDeque<MessagePipe>,
}

impl Loader {
    fn new(cargo: Cargo) -> Outcome<Option<Loader>> {
        if cargo == Cargo::Nothing {
            return Ok(None);
        }
        let (file, buffer) = (File::open("/dev/null")?, SharedBuffer::create(4096)?);
        Ok(Some(Loader { cargo, file, buffer, kept: VecDeque::with_capacity(KEPT_ENDS) }))
    }

    fn load(&mut self, mut message: Message) -> Outcome<Message> {
        match self.cargo {
            Cargo::Nothing => {}
            Cargo::Ends(number) => {
                for _ in 0..number {
                    let (kept, sent) = MessagePipe::create();
                    message = message.with(sent);
                    if self.kept.len() == KEPT_ENDS {
                        self.kept.pop_front();
                    }
                    self.kept.push_back(kept);
                }
            }
            Cargo::Descriptors(number) => {
                for _ in 0..number {
                    message = message.with(self.file.try_clone()?);
                }
            }
            Cargo::Buffers(number) => {
                for _ in 0..number {
                    message = message.with(self.buffer.duplicate()?);
                }
            }
        }
        Ok(message)
    }
}

pub struct Mojo;

impl Carrier for Mojo {
    type Wire = MojoWire;

    async fn start(setup: &Setup) -> Outcome<(MojoWire, Other)> {
        let (pipe, other) = start(setup)?;
        Ok((MojoWire { pipe, cargo: Loader::new(setup.cargo)? }, other))
    }

    /// What comes has cargo, what goes back has none.
    async fn join(_: &Setup) -> Outcome<MojoWire> {
        Ok(MojoWire::new(join()?))
    }
}

pub struct MojoOnTokio;

impl Carrier for MojoOnTokio {
    type Wire = AsyncWire;

    async fn start(setup: &Setup) -> Outcome<(AsyncWire, Other)> {
        let (pipe, other) = start(setup)?;
        Ok((AsyncWire(pipe), other))
    }

    async fn join(_: &Setup) -> Outcome<AsyncWire> {
        Ok(AsyncWire(join()?))
    }

    fn run<T>(future: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        run_tokio(async {
            let driving = libmojo::tokio::drive(Node::process())?;
            tokio::select! {
                outcome = future => outcome,
                error = driving => Err(error.into()),
            }
        })
    }
}

/// In one process.
pub struct MojoLocal;

impl Local for MojoLocal {
    type Wire = MojoWire;

    fn pair() -> Outcome<(MojoWire, MojoWire)> {
        let (a, b) = MessagePipe::create();
        Ok((MojoWire::new(a), MojoWire::new(b)))
    }
}

/// In one process, with values instead of bytes.
pub struct MojoLazy;

pub struct LazyWire(MessagePipe);

struct Value([u8; 64]);

impl Serialize for Value {
    fn serialize(self) -> Message {
        Message::new(&self.0)
    }
}

impl Local for MojoLazy {
    type Wire = LazyWire;

    fn pair() -> Outcome<(LazyWire, LazyWire)> {
        let (a, b) = MessagePipe::create();
        Ok((LazyWire(a), LazyWire(b)))
    }
}

impl Wire for LazyWire {
    async fn send(&mut self, message: &[u8]) -> Outcome<()> {
        let value = Value(message.try_into()?);
        Ok(self.0.send(Message::lazy(value)).map_err(|refused| refused.kind)?)
    }

    async fn receive(&mut self, num_bytes: usize) -> Outcome<u8> {
        let value: Value = self.0.recv()?.into_value().map_err(|_| "serialized")?;
        look(black_box(&value.0), num_bytes)
    }
}
