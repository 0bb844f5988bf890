//! A pair of UNIX stream sockets on a tokio runtime of one thread.

use crate::contenders::sockets;
use crate::outcome::Outcome;
use crate::process::{Other, Setup};
use crate::wire::{Carrier, Wire, look, run_tokio};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

pub struct TokioUnix;

pub struct TokioWire {
    socket: UnixStream,
    buffer: Vec<u8>,
}

impl TokioWire {
    fn new(socket: StdUnixStream) -> Outcome<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixStream::from_std(socket)?, buffer: Vec::new() })
    }
}

impl Carrier for TokioUnix {
    type Wire = TokioWire;

    async fn start(setup: &Setup) -> Outcome<(TokioWire, Other)> {
        let (ours, theirs) = StdUnixStream::pair()?;
        let child = setup.command()?.stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
        Ok((TokioWire::new(ours)?, Other::new(child)))
    }

    async fn join(_: &Setup) -> Outcome<TokioWire> {
        TokioWire::new(sockets::inherited()?)
    }

    fn run<T>(future: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        run_tokio(future)
    }
}

impl Wire for TokioWire {
    async fn send(&mut self, message: &[u8]) -> Outcome<()> {
        Ok(self.socket.write_all(message).await?)
    }

    async fn receive(&mut self, num_bytes: usize) -> Outcome<u8> {
        self.buffer.resize(num_bytes, 0);
        self.socket.read_exact(&mut self.buffer).await?;
        look(&self.buffer, num_bytes)
    }
}
