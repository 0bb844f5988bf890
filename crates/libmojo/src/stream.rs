//! An end of a message pipe as a stream and a sink.

use crate::wait::poll_wait;
use crate::{Message, MessagePipe, Ready, SendError, TryRecvError, Waitable};
use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// An end of a message pipe, as a [`Stream`] of what it receives and a [`Sink`] for what it sends, for tasks of any
/// executor. Needs the feature `futures`.
///
/// The stream ends when everything that was sent has been received and the peer is closed or lost; in a
/// [forked](crate#forking) process, at once. The sink is ready when the [quota](crate::quota) allows a message, and never
/// holds one back: what it accepts is sent, so there is nothing to flush. Closing the sink closes nothing, as the other
/// direction may still be in use; dropping the value closes the end.
///
/// A pending poll that is not repeated loses nothing. One task at a time can wait for each of the two directions.
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use libmojo::{Message, MessagePipe};
///
/// # futures_executor::block_on(async {
/// let (here, there) = MessagePipe::create();
/// let (mut here, mut there) = (here.into_stream(), there.into_stream());
/// here.send(Message::from("hello")).await?;
/// assert_eq!(there.next().await.unwrap().payload(), b"hello");
/// drop(here);
/// assert!(there.next().await.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct MessageStream {
    pipe: MessagePipe,
    /// The waits that are under way.
    readable: Option<Ready>,
    writable: Option<Ready>,
    has_ended: bool,
}

impl MessagePipe {
    /// The end as a stream and a sink. Needs the feature `futures`.
    pub fn into_stream(self) -> MessageStream {
        MessageStream { pipe: self, readable: None, writable: None, has_ended: false }
    }
}

impl MessageStream {
    /// The end itself, to be used beside the stream.
    pub fn pipe(&self) -> &MessagePipe {
        &self.pipe
    }

    /// The end itself. What has not been received yet can be received there.
    pub fn into_pipe(self) -> MessagePipe {
        self.pipe
    }
}

impl Stream for MessageStream {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let this = &mut *self;
        while !this.has_ended {
            match this.pipe.try_recv() {
                Ok(message) => return Poll::Ready(Some(message)),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::PeerClosed | TryRecvError::Forked) => {
                    this.has_ended = true;
                    break;
                }
            }
            // Whatever ends the wait shows when the next message is asked for.
            let _ = ready!(poll_wait(&mut this.readable, || this.pipe.readable(), context));
        }
        Poll::Ready(None)
    }
}

impl FusedStream for MessageStream {
    fn is_terminated(&self) -> bool {
        self.has_ended
    }
}

/// What is refused comes back with the reason, as [`MessagePipe::send`] says. The
/// [quota](crate::SendErrorKind::QuotaReached) refuses only messages that were not preceded by `poll_ready`, or that
/// somebody has got ahead of.
impl Sink<Message> for MessageStream {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = &mut *self;
        // Whatever else ends the wait shows when the message is sent, and brings it back.
        let _ = ready!(poll_wait(&mut this.writable, || this.pipe.writable(), context));
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        self.pipe.send(message)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }
}
