//! ipc-channel: channels of bytes, and typed ones for what is attached to messages.

use crate::outcome::Outcome;
use crate::process::{Cargo, Other, Setup};
use crate::wire::{Carrier, Wire, look};
use ipc_channel::ipc::{
    self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcReceiver, IpcSender, IpcSharedMemory,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many receivers whose senders were sent are kept: more than there are under way.
const KEPT_ENDS: usize = 1024;

/// Starts the other process, which connects and sends its ends.
fn start<T: Serialize + for<'de> Deserialize<'de>>(setup: &Setup) -> Outcome<(T, Other)> {
    let (server, address) = IpcOneShotServer::<T>::new()?;
    let child = Setup { address, ..setup.clone() }.command()?.spawn()?;
    let (_, ends) = server.accept()?;
    Ok((ends, Other::new(child)))
}

fn join<T: Serialize + for<'de> Deserialize<'de>>(setup: &Setup, ends: T) -> Outcome<()> {
    Ok(IpcSender::connect(setup.address.clone())?.send(ends)?)
}

pub struct Bytes;

pub struct BytesWire(IpcBytesSender, IpcBytesReceiver);

impl Carrier for Bytes {
    type Wire = BytesWire;

    async fn start(setup: &Setup) -> Outcome<(BytesWire, Other)> {
        let ((sender, receiver), other) = start(setup)?;
        Ok((BytesWire(sender, receiver), other))
    }

    async fn join(setup: &Setup) -> Outcome<BytesWire> {
        let ((send_there, receive_there), (send_back, receive_back)) = (ipc::bytes_channel()?, ipc::bytes_channel()?);
        join(setup, (send_there, receive_back))?;
        Ok(BytesWire(send_back, receive_there))
    }
}

impl Wire for BytesWire {
    async fn send(&mut self, message: &[u8]) -> Outcome<()> {
        Ok(self.0.send(message)?)
    }

    async fn receive(&mut self, num_bytes: usize) -> Outcome<u8> {
        look(&self.1.recv()?, num_bytes)
    }
}

#[derive(Serialize, Deserialize)]
struct Parcel {
    kind: u8,
    ends: Vec<IpcSender<()>>,
    buffers: Vec<IpcSharedMemory>,
}

pub struct Typed;

pub struct TypedWire {
    sender: IpcSender<Parcel>,
    receiver: IpcReceiver<Parcel>,
    cargo: Cargo,
    buffer: IpcSharedMemory,
    kept: VecDeque<IpcReceiver<()>>,
}

impl TypedWire {
    fn new(sender: IpcSender<Parcel>, receiver: IpcReceiver<Parcel>, cargo: Cargo) -> Self {
        Self { sender, receiver, cargo, buffer: IpcSharedMemory::from_byte(0, 4096), kept: VecDeque::new() }
    }
}

impl Carrier for Typed {
    type Wire = TypedWire;

    async fn start(setup: &Setup) -> Outcome<(TypedWire, Other)> {
        let ((sender, receiver), other) = start(setup)?;
        Ok((TypedWire::new(sender, receiver, setup.cargo), other))
    }

    async fn join(setup: &Setup) -> Outcome<TypedWire> {
        let ((send_there, receive_there), (send_back, receive_back)) = (ipc::channel()?, ipc::channel()?);
        join(setup, (send_there, receive_back))?;
        Ok(TypedWire::new(send_back, receive_there, Cargo::Nothing))
    }
}

impl Wire for TypedWire {
    async fn send(&mut self, message: &[u8]) -> Outcome<()> {
        let kind = message.first().copied().ok_or("empty")?;
        let mut parcel = Parcel { kind, ends: Vec::new(), buffers: Vec::new() };
        match self.cargo {
            Cargo::Nothing => {}
            Cargo::Ends(number) => {
                for _ in 0..number {
                    let (sent, kept) = ipc::channel()?;
                    parcel.ends.push(sent);
                    if self.kept.len() == KEPT_ENDS {
                        self.kept.pop_front();
                    }
                    self.kept.push_back(kept);
                }
            }
            Cargo::Descriptors(_) => return Err("it carries no descriptors of the program's own".into()),
            Cargo::Buffers(number) => parcel.buffers.resize_with(number, || self.buffer.clone()),
        }
        Ok(self.sender.send(parcel)?)
    }

    async fn receive(&mut self, _: usize) -> Outcome<u8> {
        Ok(self.receiver.recv()?.kind)
    }
}
