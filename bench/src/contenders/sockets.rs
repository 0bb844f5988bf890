//! A pair of UNIX stream sockets, without any library between, for bytes and for descriptors.

use crate::outcome::Outcome;
use crate::process::{Cargo, Other, Setup};
use crate::wire::{Carrier, Wire, look};
use rustix::io::{IoSlice, IoSliceMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write, stdin};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

/// How many sockets whose other ends were sent are kept: more than there are under way.
const KEPT_ENDS: usize = 1024;

/// The most descriptors in a message of this program, and room for them.
const MAX_DESCRIPTORS: usize = 16;
const CONTROL_BYTES: usize = rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS));

pub struct SocketPair;

pub struct SocketWire {
    socket: UnixStream,
    buffer: Vec<u8>,
    cargo: Cargo,
    file: File,
    kept: VecDeque<OwnedFd>,
}

impl SocketWire {
    fn new(socket: UnixStream, cargo: Cargo) -> Outcome<Self> {
        Ok(Self { socket, buffer: Vec::new(), cargo, file: File::open("/dev/null")?, kept: VecDeque::new() })
    }

    fn load(&mut self) -> Outcome<Vec<OwnedFd>> {
        let mut descriptors = Vec::with_capacity(MAX_DESCRIPTORS);
        match self.cargo {
            Cargo::Nothing => {}
            Cargo::Ends(number) => {
                for _ in 0..number {
                    let (kept, sent) = UnixStream::pair()?;
                    descriptors.push(sent.into());
                    if self.kept.len() == KEPT_ENDS {
                        self.kept.pop_front();
                    }
                    self.kept.push_back(kept.into());
                }
            }
            Cargo::Descriptors(number) | Cargo::Buffers(number) => {
                for _ in 0..number {
                    descriptors.push(self.file.try_clone()?.into());
                }
            }
        }
        Ok(descriptors)
    }
}

impl Carrier for SocketPair {
    type Wire = SocketWire;

    async fn start(setup: &Setup) -> Outcome<(SocketWire, Other)> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = setup.command()?.stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
        Ok((SocketWire::new(ours, setup.cargo)?, Other::new(child)))
    }

    async fn join(setup: &Setup) -> Outcome<SocketWire> {
        SocketWire::new(inherited()?, setup.cargo)
    }
}

/// The socket that this process was started with.
pub fn inherited() -> Outcome<UnixStream> {
    Ok(stdin().as_fd().try_clone_to_owned()?.into())
}

impl Wire for SocketWire {
    async fn send(&mut self, message: &[u8]) -> Outcome<()> {
        if self.cargo == Cargo::Nothing {
            return Ok(self.socket.write_all(message)?);
        }
        let descriptors = self.load()?;
        let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
            return Err("no room for so many descriptors".into());
        }
        let sent = sendmsg(&self.socket, &[IoSlice::new(message)], &mut control, SendFlags::NOSIGNAL)?;
        if sent == message.len() { Ok(()) } else { Err("sent in part".into()) }
    }

    async fn receive(&mut self, num_bytes: usize) -> Outcome<u8> {
        self.buffer.resize(num_bytes, 0);
        if self.cargo == Cargo::Nothing {
            self.socket.read_exact(&mut self.buffer)?;
            return look(&self.buffer, num_bytes);
        }
        let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut pieces = [IoSliceMut::new(&mut self.buffer)];
        let received = recvmsg(&self.socket, &mut pieces, &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                descriptors.for_each(drop);
            }
        }
        look(self.buffer.get(..received).unwrap_or_default(), num_bytes)
    }
}
