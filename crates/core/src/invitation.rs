//! Invitations: how two processes get their first pipes in common.
//!
//! The inviter attaches pipes under names, keeps one end of each, and sends the invitation over a connected
//! socket of which another process has the other end. That process accepts it and extracts the pipes by name.
//! Both can use their ends at once; what they write waits until the connection stands.

use crate::limits::{MAX_INVITATION_NAME_BYTES, MAX_INVITATION_PIPES};
use crate::node::{ErrorHandler, LinkRole, Node, Sender, connect};
use crate::pipe::Pipe;
use libmojo_platform::Socket;
use libmojo_sync::{Arc, Mutex, Rank};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

/// An invitation, on either side. A clone refers to the same one.
#[derive(Clone)]
pub struct Invitation(Arc<Inner>);

struct Inner {
    node: Node,
    state: Mutex<State>,
}

enum State {
    Outgoing(Vec<NamedPipe>),
    Incoming(Arc<Arrivals>),
    /// Sent, or closed.
    Spent,
}

/// Why an operation on an invitation failed.
#[derive(Debug)]
pub enum InvitationError {
    /// The name is longer than [`MAX_INVITATION_NAME_BYTES`].
    InvalidName,
    /// A pipe of that name is attached already.
    AlreadyExists,
    /// The invitation has none of that name.
    NotFound,
    /// It is of the other kind, or was sent or closed before.
    FailedPrecondition,
    /// It holds [`MAX_INVITATION_PIPES`] already.
    ResourceExhausted,
    /// The socket cannot be used: it is no connected UNIX stream socket, or the system has no thread or
    /// descriptors left.
    Socket(io::Error),
}

/// The other end of an attached pipe, in transit. Closed when dropped, unless taken.
pub(crate) struct NamedPipe(Option<(Vec<u8>, Pipe)>);

impl NamedPipe {
    pub(crate) fn take(&mut self) -> Option<(Vec<u8>, Pipe)> {
        self.0.take()
    }

    fn has_name(&self, name: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|(own, _)| own == name)
    }
}

impl Drop for NamedPipe {
    fn drop(&mut self) {
        if let Some((_, pipe)) = &self.0 {
            pipe.end_transit();
            pipe.close();
        }
    }
}

impl Invitation {
    /// Makes an invitation for another process.
    pub fn new(node: &Node) -> Self {
        Self::with_state(node, State::Outgoing(Vec::new()))
    }

    fn with_state(node: &Node, state: State) -> Self {
        Self(Arc::new(Inner { node: node.clone(), state: Mutex::new(Rank::Invitation, state) }))
    }

    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// True if it is yet to be sent and has no pipes.
    pub fn is_bare(&self) -> bool {
        matches!(&*self.0.state.lock(), State::Outgoing(pipes) if pipes.is_empty())
    }

    /// Attaches a new pipe under a name, any bytes, and returns this process's end of it.
    pub fn attach(&self, name: &[u8]) -> Result<Pipe, InvitationError> {
        if name.len() > MAX_INVITATION_NAME_BYTES {
            return Err(InvitationError::InvalidName);
        }
        let mut state = self.0.state.lock();
        let State::Outgoing(pipes) = &mut *state else { return Err(InvitationError::FailedPrecondition) };
        if pipes.iter().any(|pipe| pipe.has_name(name)) {
            return Err(InvitationError::AlreadyExists);
        }
        if pipes.len() >= MAX_INVITATION_PIPES {
            return Err(InvitationError::ResourceExhausted);
        }
        let (kept, sent) = Pipe::create(&self.0.node);
        // A fresh end is open.
        let _ = sent.begin_transit();
        pipes.push(NamedPipe(Some((name.to_vec(), sent))));
        Ok(kept)
    }

    /// Sends the invitation over a connected UNIX stream socket, whose other end is, or will be, with the invited
    /// process. `handler` hears of what that process does wrong, and of its end.
    ///
    /// # Errors
    /// The socket comes back, and the invitation is as before.
    pub fn send(&self, socket: OwnedFd, handler: Option<ErrorHandler>) -> Result<(), (InvitationError, OwnedFd)> {
        let socket = match Socket::from_fd(socket) {
            Ok(socket) => socket,
            Err((error, socket)) => return Err((InvitationError::Socket(error), socket)),
        };
        let pipes = {
            let mut state = self.0.state.lock();
            match std::mem::replace(&mut *state, State::Spent) {
                State::Outgoing(pipes) => pipes,
                other => {
                    *state = other;
                    return Err((InvitationError::FailedPrecondition, socket.into()));
                }
            }
        };
        let role = LinkRole::Inviter(Mutex::new(Rank::Invitation, pipes));
        connect(self.0.node.routing(), socket, role, Sender::new(handler)).map_err(|(error, socket, role)| {
            if let LinkRole::Inviter(pipes) = role {
                let pipes = std::mem::take(&mut *pipes.lock());
                *self.0.state.lock() = State::Outgoing(pipes);
            }
            (InvitationError::Socket(error), socket.into())
        })
    }

    /// Accepts an invitation over a connected UNIX stream socket. Returns at once: whether there is anybody at
    /// the other side shows at the extracted pipes.
    ///
    /// # Errors
    /// The socket comes back.
    pub fn accept(node: &Node, socket: OwnedFd) -> Result<Self, (InvitationError, OwnedFd)> {
        let socket = match Socket::from_fd(socket) {
            Ok(socket) => socket,
            Err((error, socket)) => return Err((InvitationError::Socket(error), socket)),
        };
        let arrivals = Arc::new(Arrivals::new(node));
        match connect(node.routing(), socket, LinkRole::Invitee(arrivals.clone()), Sender::new(None)) {
            Ok(()) => Ok(Self::with_state(node, State::Incoming(arrivals))),
            Err((error, socket, _)) => Err((InvitationError::Socket(error), socket.into())),
        }
    }

    /// Takes a pipe out by its name.
    ///
    /// From an accepted invitation this always returns a pipe at once; if the inviter turns out not to have
    /// attached one of that name, or it was extracted before, its peer is closed. From an invitation that was
    /// not sent it returns the other end of the pipe that was attached.
    pub fn extract(&self, name: &[u8]) -> Result<Pipe, InvitationError> {
        if name.len() > MAX_INVITATION_NAME_BYTES {
            return Err(InvitationError::InvalidName);
        }
        let arrivals = {
            let mut state = self.0.state.lock();
            match &mut *state {
                State::Incoming(arrivals) => arrivals.clone(),
                State::Outgoing(pipes) => {
                    let at = pipes.iter().position(|pipe| pipe.has_name(name));
                    let mut named = at.map(|at| pipes.remove(at)).ok_or(InvitationError::NotFound)?;
                    let (_, pipe) = named.take().ok_or(InvitationError::NotFound)?;
                    pipe.end_transit();
                    return Ok(pipe);
                }
                State::Spent => return Err(InvitationError::FailedPrecondition),
            }
        };
        Ok(arrivals.extract(name))
    }

    /// Gives the invitation up. Pipes that were neither sent nor extracted are closed; extracted ones go on.
    pub fn close(&self) {
        let state = std::mem::replace(&mut *self.0.state.lock(), State::Spent);
        if let State::Incoming(arrivals) = &state {
            arrivals.close();
        }
        drop(state);
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.0.state.lock() {
            State::Outgoing(_) => "Invitation(outgoing)",
            State::Incoming(_) => "Invitation(incoming)",
            State::Spent => "Invitation(spent)",
        })
    }
}

/// Where the pipes of an accepted invitation meet those who extract them.
pub(crate) struct Arrivals {
    node: Node,
    state: Mutex<ArrivalState>,
}

#[derive(Default)]
struct ArrivalState {
    /// The inviter has said which pipes there are, or is gone.
    is_answered: bool,
    /// Nobody will extract any more.
    is_closed: bool,
    arrived: HashMap<Vec<u8>, Pipe>,
    /// Ends whose peers were extracted before the inviter answered.
    awaited: HashMap<Vec<u8>, Pipe>,
}

impl Arrivals {
    fn new(node: &Node) -> Self {
        Self { node: node.clone(), state: Mutex::new(Rank::Invitation, ArrivalState::default()) }
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.state.lock().is_answered
    }

    fn extract(&self, name: &[u8]) -> Pipe {
        let mut state = self.state.lock();
        if let Some(pipe) = state.arrived.remove(name) {
            return pipe;
        }
        let (kept, other) = Pipe::create(&self.node);
        let is_hopeless = state.is_answered || state.awaited.contains_key(name);
        if is_hopeless {
            drop(state);
            other.close();
        } else {
            state.awaited.insert(name.to_vec(), other);
        }
        kept
    }

    /// Takes the inviter's answer: the pipes there are. Those that were extracted meanwhile are joined with what
    /// was handed out for them.
    pub(crate) fn announce(&self, pipes: Vec<(Vec<u8>, Pipe)>) {
        let (mut awaited, mut joined, mut unwanted) = (HashMap::new(), Vec::new(), Vec::new());
        {
            let mut state = self.state.lock();
            if !state.is_answered {
                state.is_answered = true;
                std::mem::swap(&mut awaited, &mut state.awaited);
            }
            for (name, pipe) in pipes {
                match awaited.remove(&name) {
                    Some(other) => joined.push((other, pipe)),
                    None if state.is_closed => unwanted.push(pipe),
                    None => unwanted.extend(state.arrived.insert(name, pipe)),
                }
            }
        }
        for (other, pipe) in joined {
            // Refused only if the inviter's pipe is not as fresh as it promised; then both are closed.
            let _ = other.fuse(&pipe);
        }
        awaited.into_values().chain(unwanted).for_each(|pipe| pipe.close());
    }

    fn close(&self) {
        let unwanted = {
            let mut state = self.state.lock();
            state.is_closed = true;
            std::mem::take(&mut state.arrived)
        };
        unwanted.into_values().for_each(|pipe| pipe.close());
    }
}
