//! Invitations: how two processes get their first pipes in common.
//!
//! The inviter attaches pipes under names, keeps one end of each, and sends the invitation over a connected
//! socket of which another process has the other end. That process accepts it and extracts the pipes by name.
//! Both can use their ends at once; what they write waits until the connection stands.

use crate::limits::{MAX_INVITATION_NAME_BYTES, MAX_INVITATION_PIPES};
use crate::node::{Carrier, Connection, ErrorHandler, LinkRole, Node, Sender, Terms, connect};
use crate::pipe::Pipe;
use libmojo_platform::{Listener, Socket, is_forked};
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

/// What an invitation is sent over.
#[derive(Debug)]
pub enum Transport {
    /// A connected UNIX stream socket, whose other end is, or will be, with the invited process.
    Connected(OwnedFd),
    /// A listening one: the first process to connect is invited, no other.
    Listening(OwnedFd),
}

/// How an invitation is sent.
#[derive(Default)]
pub struct SendOptions {
    /// Hears of what the invited process does wrong, and of its end.
    pub handler: Option<ErrorHandler>,
    /// Makes an isolated connection: the two sides share the pipes and nothing else, and either may be the one that
    /// sends the invitation, or both. Unless it is empty, the name admits one connection at a time: one that has it
    /// already is ended.
    pub isolation: Option<Vec<u8>>,
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
        if let Some((_, pipe)) = &self.0
            && !is_forked()
        {
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

    /// True if it is yet to be sent and has one pipe, whose name is one of these.
    pub fn has_only_one_of(&self, names: &[&[u8]]) -> bool {
        match &*self.0.state.lock() {
            State::Outgoing(pipes) => {
                matches!(pipes.as_slice(), [pipe] if names.iter().any(|name| pipe.has_name(name)))
            }
            _ => false,
        }
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

    /// Sends the invitation.
    ///
    /// # Errors
    /// The socket comes back, and the invitation is as before.
    pub fn send(&self, transport: Transport, options: SendOptions) -> Result<Connection, (InvitationError, OwnedFd)> {
        let carrier = match transport {
            Transport::Connected(socket) => Socket::from_fd(socket).map(Carrier::Connected),
            Transport::Listening(socket) => Listener::from_fd(socket).map(Carrier::Listening),
        };
        let carrier = carrier.map_err(|(error, socket)| (InvitationError::Socket(error), socket))?;
        let pipes = {
            let mut state = self.0.state.lock();
            match std::mem::replace(&mut *state, State::Spent) {
                State::Outgoing(pipes) => pipes,
                other => {
                    *state = other;
                    return Err((InvitationError::FailedPrecondition, carrier.into()));
                }
            }
        };
        let pipes = Mutex::new(Rank::Invitation, pipes);
        let role = match &options.isolation {
            None => LinkRole::Inviter(pipes),
            Some(_) => LinkRole::Stranger { pipes, arrivals: Arc::new(Arrivals::unneeded(&self.0.node)) },
        };
        let terms = Terms { role, sender: Sender::new(options.handler), isolation: options.isolation };
        connect(self.0.node.routing(), carrier, terms).map_err(|(error, carrier, role)| {
            if let LinkRole::Inviter(pipes) | LinkRole::Stranger { pipes, .. } = role {
                let pipes = std::mem::take(&mut *pipes.lock());
                *self.0.state.lock() = State::Outgoing(pipes);
            }
            (InvitationError::Socket(error), carrier.into())
        })
    }

    /// Accepts an invitation over a connected UNIX stream socket; an isolated one if the other side sends one. Returns
    /// at once: whether there is anybody at the other side shows at the extracted pipes.
    ///
    /// # Errors
    /// The socket comes back.
    pub fn accept(
        node: &Node,
        socket: OwnedFd,
        is_isolated: bool,
    ) -> Result<(Self, Connection), (InvitationError, OwnedFd)> {
        let socket = match Socket::from_fd(socket) {
            Ok(socket) => socket,
            Err((error, socket)) => return Err((InvitationError::Socket(error), socket)),
        };
        let arrivals = Arc::new(Arrivals::new(node));
        let role = LinkRole::Invitee(arrivals.clone());
        let terms = Terms { role, sender: Sender::new(None), isolation: is_isolated.then(Vec::new) };
        match connect(node.routing(), Carrier::Connected(socket), terms) {
            Ok(connection) => Ok((Self::with_state(node, State::Incoming(arrivals)), connection)),
            Err((error, carrier, _)) => Err((InvitationError::Socket(error), carrier.into())),
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

    /// For a side that may turn out to be the one that is awaited.
    fn unneeded(node: &Node) -> Self {
        let state = ArrivalState { is_answered: true, is_closed: true, ..ArrivalState::default() };
        Self { node: node.clone(), state: Mutex::new(Rank::Invitation, state) }
    }

    /// Has pipes wait for those that the other side attached under the same names.
    pub(crate) fn await_peers_of(&self, pipes: Vec<NamedPipe>) {
        let mut state = self.state.lock();
        state.is_answered = false;
        for mut named in pipes {
            if let Some((name, pipe)) = named.take() {
                pipe.end_transit();
                state.awaited.insert(name, pipe);
            }
        }
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
