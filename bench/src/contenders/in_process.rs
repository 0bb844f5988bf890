//! Peers that connect threads of one process: crossbeam, the standard library, tokio, and a queue with a lock.

use crate::outcome::Outcome;
use crate::wire::{Local, Wire, look, run_tokio};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tokio::sync::mpsc as tokio_mpsc;

/// How many messages a channel holds.
const CAPACITY: usize = 1024;

/// What the channels carry: bytes by value, or in an allocation of their own.
pub trait Parcel: Send + Sized + 'static {
    fn pack(message: &[u8]) -> Outcome<Self>;
    fn bytes(&self) -> &[u8];
}

impl Parcel for [u8; 64] {
    fn pack(message: &[u8]) -> Outcome<Self> {
        Ok(message.try_into()?)
    }

    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Parcel for Box<[u8]> {
    fn pack(message: &[u8]) -> Outcome<Self> {
        Ok(message.into())
    }

    fn bytes(&self) -> &[u8] {
        self
    }
}

/// The two halves of one side.
pub struct Halves<S, R>(S, R);

macro_rules! blocking_channel {
    ($(#[$doc:meta])* $name:ident, $sender:ident::$sender_type:ident, $receiver:ident::$receiver_type:ident, $create:expr) => {
        $(#[$doc])*
        pub struct $name<T>(PhantomData<T>);

        impl<T: Parcel> Local for $name<T> {
            type Wire = Halves<$sender::$sender_type<T>, $receiver::$receiver_type<T>>;

            fn pair() -> Outcome<(Self::Wire, Self::Wire)> {
                let ((send_there, receive_there), (send_back, receive_back)) = ($create, $create);
                Ok((Halves(send_there, receive_back), Halves(send_back, receive_there)))
            }
        }

        impl<T: Parcel> Wire for Halves<$sender::$sender_type<T>, $receiver::$receiver_type<T>> {
            async fn send(&mut self, message: &[u8]) -> Outcome<()> {
                self.0.send(T::pack(message)?).map_err(|_| "nobody receives".into())
            }

            async fn receive(&mut self, num_bytes: usize) -> Outcome<u8> {
                look(self.1.recv()?.bytes(), num_bytes)
            }
        }
    };
}

blocking_channel!(
    /// A bounded channel of crossbeam.
    Crossbeam, crossbeam_channel::Sender, crossbeam_channel::Receiver, crossbeam_channel::bounded(CAPACITY)
);
blocking_channel!(
    /// A bounded channel of the standard library.
    StdMpsc, std_mpsc::SyncSender, std_mpsc::Receiver, std_mpsc::sync_channel(CAPACITY)
);

/// A bounded channel of tokio.
pub struct TokioMpsc<T>(PhantomData<T>);

impl<T: Parcel> Local for TokioMpsc<T> {
    type Wire = Halves<tokio_mpsc::Sender<T>, tokio_mpsc::Receiver<T>>;

    fn pair() -> Outcome<(Self::Wire, Self::Wire)> {
        let (send_there, receive_there) = tokio_mpsc::channel(CAPACITY);
        let (send_back, receive_back) = tokio_mpsc::channel(CAPACITY);
        Ok((Halves(send_there, receive_back), Halves(send_back, receive_there)))
    }

    fn run<R>(future: impl Future<Output = Outcome<R>>) -> Outcome<R> {
        run_tokio(future)
    }
}

impl<T: Parcel> Wire for Halves<tokio_mpsc::Sender<T>, tokio_mpsc::Receiver<T>> {
    async fn send(&mut self, message: &[u8]) -> Outcome<()> {
        self.0.send(T::pack(message)?).await.map_err(|_| "nobody receives".into())
    }

    async fn receive(&mut self, num_bytes: usize) -> Outcome<u8> {
        look(self.1.recv().await.ok_or("nobody sends")?.bytes(), num_bytes)
    }
}

/// Queues with locks: what a program would have without any library. A receiver that waits yields.
pub struct LockedQueue<T>(PhantomData<T>);

pub struct QueueWire<T> {
    outgoing: Arc<Mutex<VecDeque<T>>>,
    incoming: Arc<Mutex<VecDeque<T>>>,
}

impl<T: Parcel> Local for LockedQueue<T> {
    type Wire = QueueWire<T>;

    fn pair() -> Outcome<(Self::Wire, Self::Wire)> {
        let there = Arc::new(Mutex::new(VecDeque::with_capacity(CAPACITY)));
        let back = Arc::new(Mutex::new(VecDeque::with_capacity(CAPACITY)));
        let here = QueueWire { outgoing: there.clone(), incoming: back.clone() };
        Ok((here, QueueWire { outgoing: back, incoming: there }))
    }
}

impl<T: Parcel> Wire for QueueWire<T> {
    async fn send(&mut self, message: &[u8]) -> Outcome<()> {
        let parcel = T::pack(message)?;
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner).push_back(parcel);
        Ok(())
    }

    async fn receive(&mut self, num_bytes: usize) -> Outcome<u8> {
        loop {
            let parcel = self.incoming.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(parcel) = parcel {
                return look(parcel.bytes(), num_bytes);
            }
            thread::yield_now();
        }
    }
}
