//! Other processes: this same test binary, told to run one of its ignored tests.
//!
//! That test is the child's role. It calls `act`, which accepts the parent's invitation, says hello, and in the end
//! waits until nothing of what the child had is left and all that it sent is out. A child that loses its parent ends,
//! too.

use super::*;
use libmojo::{Connection, SendOptions, Server, connect};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// How a parent and its child are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The child is invited over a socket that it inherits.
    Child,
    /// The two are connected in isolation over a socket that the child inherits.
    Peer,
    /// The child asks a server for its invitation.
    NamedChild,
    /// The child asks a server for an isolated connection.
    NamedPeer,
}

impl Mode {
    const ALL: [Mode; 4] = [Mode::Child, Mode::Peer, Mode::NamedChild, Mode::NamedPeer];

    fn is_isolated(self) -> bool {
        matches!(self, Mode::Peer | Mode::NamedPeer)
    }

    fn is_named(self) -> bool {
        matches!(self, Mode::NamedChild | Mode::NamedPeer)
    }

    pub fn launch<F: Fn()>(self, node: &Node, role: F) -> Child {
        self.launch_with(node, role, SendOptions::default())
    }

    pub fn launch_with<F: Fn()>(self, node: &Node, role: F, options: SendOptions) -> Child {
        let invitation = Invitation::new_on(node);
        let pipe = invitation.attach(b"parent").unwrap();
        let (process, socket) = if self.is_named() {
            let directory = Directory(scratch_path());
            let server = Server::bind(directory.0.join("server")).unwrap();
            let process = execute(role, self, Place::Path(&directory.0.join("server")));
            let client = server.accept(Some(Instant::now() + PATIENCE)).unwrap();
            assert_eq!(client.credentials().pid, process.id());
            (process, client.into())
        } else {
            let (ours, theirs) = socket_pair().unwrap();
            (execute(role, self, Place::Inherited(theirs)), ours)
        };
        let isolation = self.is_isolated().then(Vec::new);
        let connection = invitation.send_with(socket, SendOptions { isolation, ..options }).unwrap();
        let child = Child { process, pipe, connection };
        assert_eq!(recv(&child.pipe), "hello");
        child
    }
}

/// Expands each function to one test for each way to connect a parent and its child. Bodies begin with `alone`.
macro_rules! in_modes {
    ($($(#[$attribute:meta])* fn $name:ident($mode:ident: Mode) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn body($mode: Mode) {
                $body
            }

            $(#[$attribute])*
            #[test]
            fn by_an_inherited_socket() {
                body(Mode::Child);
            }

            $(#[$attribute])*
            #[test]
            fn in_isolation_by_an_inherited_socket() {
                body(Mode::Peer);
            }

            $(#[$attribute])*
            #[test]
            fn by_a_server() {
                body(Mode::NamedChild);
            }

            $(#[$attribute])*
            #[test]
            fn in_isolation_by_a_server() {
                body(Mode::NamedPeer);
            }
        }
    )+};
}
pub(crate) use in_modes;

// ---- the parent's side -----------------------------------------------------------------------------------

pub struct Child {
    pub process: std::process::Child,
    pub pipe: MessagePipe,
    pub connection: Connection,
}

pub fn launch<F: Fn()>(node: &Node, role: F) -> Child {
    Mode::Child.launch(node, role)
}

/// Where a child finds its parent.
pub enum Place<'a> {
    Inherited(OwnedFd),
    Path(&'a Path),
}

const MODE: &str = "LIBMOJO_TEST_MODE";
const PATH: &str = "LIBMOJO_TEST_PATH";

/// Starts a process that has the role.
pub fn execute<F: Fn()>(_role: F, mode: Mode, place: Place) -> std::process::Child {
    // The name of the function is that of the test, behind the name of the binary.
    let (_, test) = std::any::type_name::<F>().split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--nocapture"]).stdout(Stdio::null());
    command.env(MODE, format!("{mode:?}"));
    match place {
        Place::Inherited(socket) => command.stdin(socket).env_remove(PATH),
        Place::Path(path) => command.stdin(Stdio::null()).env(PATH, path),
    };
    command.spawn().unwrap()
}

impl Child {
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    /// Closes the pipe to the child, which is its sign to end.
    pub fn dismiss(&mut self) {
        let (pipe, _) = MessagePipe::create();
        drop(std::mem::replace(&mut self.pipe, pipe));
    }

    /// Closes the pipe to the child, which is expected to end in good order then.
    pub fn finish(mut self) {
        self.dismiss();
        assert!(self.wait().success());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only if the process has been waited for already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A directory that goes away with the value.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

// ---- the child's side ------------------------------------------------------------------------------------

/// Plays a role, given the pipe to the parent. Does nothing in a process that is nobody's child.
pub fn act<R>(role: impl FnOnce(&MessagePipe) -> R) -> Option<R> {
    let mode = std::env::var(MODE).ok()?;
    let mode = Mode::ALL.into_iter().find(|known| format!("{known:?}") == mode).unwrap();
    let _watchdog = watchdog();
    let socket = match std::env::var_os(PATH) {
        Some(path) => connect(path).unwrap(),
        None => std::io::stdin().as_fd().try_clone_to_owned().unwrap(),
    };
    let pipe = accept(socket, mode.is_isolated()).extract(b"parent").unwrap();
    send(&pipe, "hello");
    let outcome = role(&pipe);
    drop(pipe);
    eventually("the child's node has no ports left", || Node::process().port_counts() == (0, 0));
    assert!(Node::process().shutdown(Some(Instant::now() + PATIENCE / 2)), "the child has something left to send");
    Some(outcome)
}

fn accept(socket: OwnedFd, is_isolated: bool) -> AcceptedInvitation {
    let outcome = match is_isolated {
        true => AcceptedInvitation::accept_isolated(socket),
        false => AcceptedInvitation::accept(socket),
    };
    outcome.unwrap()
}

// ---- a process between two nodes -------------------------------------------------------------------------

/// Starts a process that both nodes invite; returns a pipe whose ends, one on each node, are joined there. The process
/// introduces the nodes to each other, unless one of them keeps to itself.
pub fn join(one: &Node, other: &Node, may_introduce: bool) -> (Child, MessagePipe, MessagePipe) {
    let child = launch(one, child_joins_two_nodes);
    let (a, given) = MessagePipe::create_on(one);
    let invitation = Invitation::new_on(other);
    let b = invitation.attach(b"joined").unwrap();
    let (ours, theirs) = socket_pair().unwrap();
    let isolation = (!may_introduce).then(Vec::new);
    invitation.send_with(ours, SendOptions { isolation, ..SendOptions::default() }).unwrap();
    let text = if may_introduce { "introduce them" } else { "join them" };
    child.pipe.send(Message::from(text).with(given).with(theirs)).unwrap();
    (child, a, b)
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_joins_two_nodes() {
    act(|pipe| {
        let mut message = pipe.recv().unwrap();
        let mut handles = message.take_handles().unwrap();
        let accepted = accept(handles.remove(1).into_descriptor().unwrap(), message.payload() == b"join them");
        let given = handles.remove(0).into_pipe().unwrap();
        given.fuse(accepted.extract(b"joined").unwrap()).unwrap();
        assert_closed(pipe);
    });
}
