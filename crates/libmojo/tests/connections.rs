//! Connections: invitations, isolated ones, named ones, servers, and how they are ended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::limits::MAX_INVITATION_NAME_BYTES;
use libmojo::{
    AcceptedInvitation, Connection, ErrorHandler, FuseError, INVITATION_VARIABLE, Invitation, InvitationError,
    MessagePipe, Node, ProcessError, SendOptions, Server, Signals, connect, connect_abstract, socket_pair,
};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use worlds::*;

const M: Signals = Signals::PEER_REMOTE;

// ---- helpers ---------------------------------------------------------------------------------------------

fn isolated(name: &str) -> SendOptions {
    SendOptions { isolation: Some(name.into()), ..SendOptions::default() }
}

fn send_from(node: &Node, socket: OwnedFd, name: &str) -> (MessagePipe, Connection) {
    let invitation = Invitation::new_on(node);
    let pipe = invitation.attach(b"main").unwrap();
    (pipe, invitation.send_with(socket, isolated(name)).unwrap())
}

fn accept_on(node: &Node, socket: OwnedFd) -> (MessagePipe, AcceptedInvitation) {
    let accepted = AcceptedInvitation::accept_isolated_on(node, socket).unwrap();
    (accepted.extract(b"main").unwrap(), accepted)
}

fn assert_connected(a: &MessagePipe, b: &MessagePipe) {
    send(a, "to b");
    send(b, "to a");
    assert_eq!(recv(b), "to b");
    assert_eq!(recv(a), "to a");
}

fn finish(alone: Alone, nodes: &[&Node]) {
    nodes.iter().for_each(|node| node.disconnect());
    alone.assert_nothing_left(nodes);
}

// ---- invitations -----------------------------------------------------------------------------------------

#[test]
fn each_pipe_of_an_invitation_has_its_own_traffic() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let (ours, theirs) = socket_pair().unwrap();
    let invitation = Invitation::new_on(&here);
    // A name is any bytes, also none.
    let names: [&[u8]; 3] = [b"one", b"", b"\0\xff"];
    let pipes = names.map(|name| invitation.attach(name).unwrap());
    pipes.iter().zip(["for one", "for none", "for bytes"]).for_each(|(pipe, text)| send(pipe, text));
    invitation.send(ours).unwrap();
    let accepted = AcceptedInvitation::accept_on(&there, theirs).unwrap();
    let accepted_pipes = names.map(|name| accepted.extract(name).unwrap());
    assert_eq!(accepted_pipes.each_ref().map(recv), ["for one", "for none", "for bytes"]);
    // Without the invitation they go on.
    drop(accepted);
    pipes.iter().zip(&accepted_pipes).for_each(|(a, b)| assert_connected(a, b));
    drop((pipes, accepted_pipes));
    finish(alone, &[&here, &there]);
}

#[test]
fn a_name_is_given_once_and_not_too_long() {
    let invitation = Invitation::new();
    let longest = [0; MAX_INVITATION_NAME_BYTES];
    let _pipe = invitation.attach(&longest).unwrap();
    assert!(matches!(invitation.attach(&longest), Err(InvitationError::AlreadyExists)));
    let too_long = [0; MAX_INVITATION_NAME_BYTES + 1];
    assert!(matches!(invitation.attach(&too_long), Err(InvitationError::InvalidName)));
}

#[test]
fn an_invitation_that_is_dropped_or_cannot_be_sent_closes_its_pipes() {
    let (alone, node) = (alone(), Node::new());
    let (invitation, other) = (Invitation::new_on(&node), Invitation::new_on(&node));
    let (a, b) = (invitation.attach(b"main").unwrap(), other.attach(b"main").unwrap());
    send(&a, "nobody reads this");
    drop(invitation);
    assert_closed(&a);
    // What comes back is what was given.
    let (error, file) = other.send(file_with("no socket")).unwrap_err();
    assert!(matches!(error, InvitationError::Socket(_)));
    assert_eq!(text_of(&file.into()), "no socket");
    assert_closed(&b);
    drop((a, b));
    finish(alone, &[&node]);
}

#[test]
fn an_invitation_closes_its_pipes_if_the_other_end_of_the_socket_is_closed_before_or_after_it_is_sent() {
    let (alone, node) = (alone(), Node::new());
    for closes_before in [true, false] {
        let (ours, theirs) = socket_pair().unwrap();
        let mut theirs = Some(theirs);
        let invitation = Invitation::new_on(&node);
        let pipe = invitation.attach(b"main").unwrap();
        theirs.take_if(|_| closes_before);
        send(&pipe, "nobody reads this");
        invitation.send(ours).unwrap();
        drop(theirs);
        assert_closed(&pipe);
    }
    for has_extracted in [true, false] {
        let (ours, theirs) = socket_pair().unwrap();
        let accepted = AcceptedInvitation::accept_on(&node, ours).unwrap();
        let before = has_extracted.then(|| accepted.extract(b"main").unwrap());
        drop(theirs);
        before.iter().for_each(assert_closed);
        assert_closed(&accepted.extract(b"later").unwrap());
    }
    finish(alone, &[&node]);
}

#[test]
fn a_pipe_that_is_not_in_the_invitation_or_was_taken_out_before_is_closed() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let (ours, theirs) = socket_pair().unwrap();
    let accepted = AcceptedInvitation::accept_on(&there, theirs).unwrap();
    // Taken out before anybody can know what there is.
    let (b, unknown, again) = (accepted.extract(b"main"), accepted.extract(b"unknown"), accepted.extract(b"main"));
    let (b, unknown, again) = (b.unwrap(), unknown.unwrap(), again.unwrap());
    assert_closed(&again);
    let invitation = Invitation::new_on(&here);
    let (a, unwanted) = (invitation.attach(b"main").unwrap(), invitation.attach(b"unwanted").unwrap());
    invitation.send(ours).unwrap();
    assert_connected(&a, &b);
    assert_closed(&unknown);
    assert_closed(&accepted.extract(b"unknown").unwrap());
    assert_closed(&accepted.extract(b"main").unwrap());
    drop(accepted);
    assert_closed(&unwanted);
    drop((a, b, unknown, again, unwanted));
    finish(alone, &[&here, &there]);
}

// ---- isolated connections --------------------------------------------------------------------------------

#[test]
fn one_side_sends_and_the_other_accepts() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let (ours, theirs) = socket_pair().unwrap();
    let (a, connection) = send_from(&here, ours, "");
    send(&a, "before anybody accepts");
    let (b, accepted) = accept_on(&there, theirs);
    assert_eq!(recv(&b), "before anybody accepts");
    assert_connected(&a, &b);
    wait_for(&a, M);
    wait_for(&b, M);
    assert!(connection.is_open() && accepted.connection().is_open());
    drop((a, b));
    finish(alone, &[&here, &there]);
}

#[test]
fn both_sides_send() {
    let alone = alone();
    // Which side's pipe travels is up to chance: both happen in these rounds.
    for _ in 0..20 {
        let (here, there) = (Node::new(), Node::new());
        let (ours, theirs) = socket_pair().unwrap();
        let invitation = Invitation::new_on(&here);
        let (a, lonely) = (invitation.attach(b"main").unwrap(), invitation.attach(b"only here").unwrap());
        invitation.send_with(ours, isolated("")).unwrap();
        send(&a, "first");
        let (b, _) = send_from(&there, theirs, "");
        send(&b, "second");
        assert_eq!((recv(&b), recv(&a)), ("first".into(), "second".into()));
        assert_connected(&a, &b);
        assert_closed(&lonely);
        here.disconnect();
        assert_closed(&a);
        assert_closed(&b);
    }
    finish(alone, &[]);
}

#[test]
fn a_node_connects_with_itself() {
    let (alone, node) = (alone(), Node::new());
    for both_send in [false, true] {
        let (ours, theirs) = socket_pair().unwrap();
        let (a, connection) = send_from(&node, ours, "");
        let b = if both_send { send_from(&node, theirs, "").0 } else { accept_on(&node, theirs).0 };
        assert_connected(&a, &b);
        // Ends of other pipes pass through, also both ends of one.
        let (c, d) = MessagePipe::create_on(&node);
        let d = pass_pipe(&a, &b, d);
        assert_connected(&c, &d);
        let c = pass_pipe(&b, &a, c);
        assert_connected(&c, &d);
        connection.close();
        assert_closed(&a);
        assert_closed(&b);
        drop((a, b, c, d));
        eventually("the node forgets the pipes", || node.port_counts() == (0, 0));
    }
    finish(alone, &[&node]);
}

#[test]
fn a_connection_of_a_node_with_itself_that_is_fused_with_itself_leaves_nothing() {
    let (alone, node) = (alone(), Node::new());
    let (ours, theirs) = socket_pair().unwrap();
    let (a, _) = send_from(&node, ours, "");
    let (b, _) = accept_on(&node, theirs);
    wait_for(&b, M);
    // The two ends cannot know that they belong together.
    let outcome = a.fuse(b);
    assert!(matches!(outcome, Ok(()) | Err(FuseError::SamePipe)), "{outcome:?}");
    eventually("the circle is found", || node.port_counts() == (0, 0));
    finish(alone, &[&node]);
}

#[test]
fn several_connections_lead_to_the_same_node() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let (plain, plain_there) = link(&here, &there);
    let pairs: Vec<_> = (0..3)
        .map(|_| {
            let (ours, theirs) = socket_pair().unwrap();
            let (a, connection) = send_from(&here, ours, "");
            (a, accept_on(&there, theirs).0, connection)
        })
        .collect();
    for (a, b, _) in &pairs {
        assert_connected(a, b);
    }
    // What one of them brings can go back over another one.
    let (c, d) = MessagePipe::create_on(&here);
    let d = pass_pipe(&pairs[0].0, &pairs[0].1, d);
    let d = pass_pipe(&pairs[1].1, &pairs[1].0, d);
    assert_connected(&c, &d);
    let d = pass_pipe(&plain, &plain_there, d);
    assert_connected(&c, &d);
    pairs[2].2.close();
    assert_closed(&pairs[2].0);
    assert_closed(&pairs[2].1);
    assert_connected(&pairs[1].0, &pairs[1].1);
    assert_connected(&plain, &plain_there);
    assert_connected(&c, &d);
    drop((pairs, plain, plain_there, c, d));
    finish(alone, &[&here, &there]);
}

#[test]
fn a_name_admits_one_connection_at_a_time() {
    let (alone, here) = (alone(), Node::new());
    let others: Vec<Node> = (0..3).map(|_| Node::new()).collect();
    let (ours, pending) = socket_pair().unwrap();
    let (first, _) = send_from(&here, ours, "name");
    let (ours, theirs) = socket_pair().unwrap();
    let (second, connection) = send_from(&here, ours, "name");
    assert_closed(&first);
    drop(pending);
    let (b, _) = accept_on(&others[0], theirs);
    assert_connected(&second, &b);

    let (ours, theirs) = socket_pair().unwrap();
    let (other, _) = send_from(&here, ours, "another name");
    let (c, _) = accept_on(&others[1], theirs);
    assert_connected(&other, &c);
    assert_connected(&second, &b);

    let (ours, theirs) = socket_pair().unwrap();
    let (third, _) = send_from(&here, ours, "name");
    assert_closed(&second);
    assert_closed(&b);
    eventually("the connection is ended", || !connection.is_open());
    let (d, _) = accept_on(&others[2], theirs);
    assert_connected(&third, &d);
    assert_connected(&other, &c);
    drop((first, second, b, third, d, other, c));
    let nodes: Vec<&Node> = others.iter().chain([&here]).collect();
    finish(alone, &nodes);
}

#[test]
fn two_sides_that_want_different_connections_get_none() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let (ours, theirs) = socket_pair().unwrap();
    let (a, _) = send_from(&here, ours, "");
    let accepted = AcceptedInvitation::accept_on(&there, theirs).unwrap();
    assert_closed(&a);
    assert_closed(&accepted.extract(b"main").unwrap());

    let (ours, theirs) = socket_pair().unwrap();
    let invitation = Invitation::new_on(&here);
    let a = invitation.attach(b"main").unwrap();
    invitation.send(ours).unwrap();
    assert_closed(&accept_on(&there, theirs).0);
    assert_closed(&a);
    finish(alone, &[&here, &there]);
}

// ---- ending a connection ---------------------------------------------------------------------------------

fn recording() -> (Arc<Mutex<Vec<ProcessError>>>, ErrorHandler) {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let recorded = errors.clone();
    (errors, Arc::new(move |error: &ProcessError| recorded.lock().unwrap().push(error.clone())))
}

#[test]
fn closing_a_connection_closes_its_pipes_and_tells_the_handler_once() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let (errors, handler) = recording();
    let (ours, theirs) = socket_pair().unwrap();
    let invitation = Invitation::new_on(&here);
    let a = invitation.attach(b"main").unwrap();
    let options = SendOptions { handler: Some(handler), ..SendOptions::default() };
    let connection = invitation.send_with(ours, options).unwrap();
    let accepted = AcceptedInvitation::accept_on(&there, theirs).unwrap();
    let b = accepted.extract(b"main").unwrap();
    assert_connected(&a, &b);
    connection.close();
    connection.close();
    assert_closed(&a);
    assert_closed(&b);
    eventually("both sides know", || !connection.is_open() && !accepted.connection().is_open());
    eventually("the handler is told", || !errors.lock().unwrap().is_empty());
    assert_eq!(*errors.lock().unwrap(), [ProcessError { message: String::new(), disconnected: true }]);
    drop((a, b, accepted));
    finish(alone, &[&here, &there]);
}

#[test]
fn a_connection_closed_before_the_other_side_accepts_is_closed_for_it_too() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let (ours, theirs) = socket_pair().unwrap();
    let (a, connection) = send_from(&here, ours, "");
    connection.close();
    assert_closed(&a);
    assert_closed(&accept_on(&there, theirs).0);
    finish(alone, &[&here, &there]);
}

// ---- servers ---------------------------------------------------------------------------------------------

fn directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("libmojo-connections-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    path
}

#[test]
fn each_client_of_a_server_gets_an_invitation_of_its_own() {
    let (alone, here, directory) = (alone(), Node::new(), directory("server"));
    let path = directory.join("socket");
    let server = Server::bind(&path).unwrap();
    assert_eq!(server.accept(Some(Instant::now())).unwrap_err().kind(), ErrorKind::TimedOut);
    let clients: Vec<(Node, MessagePipe)> = (0..3)
        .map(|number| {
            let node = Node::new();
            let accepted = AcceptedInvitation::accept_on(&node, connect(&path).unwrap()).unwrap();
            let pipe = accepted.extract(b"main").unwrap();
            send(&pipe, &format!("client {number}"));
            (node, pipe)
        })
        .collect();
    for (number, (_, client)) in clients.iter().enumerate() {
        let incoming = server.accept(None).unwrap();
        assert_eq!(incoming.credentials().pid, std::process::id());
        let invitation = Invitation::new_on(&here);
        let pipe = invitation.attach(b"main").unwrap();
        invitation.send(incoming).unwrap();
        assert_eq!(recv(&pipe), format!("client {number}"));
        assert_connected(client, &pipe);
    }
    // One that is not welcome.
    let refused = AcceptedInvitation::accept_on(&clients[0].0, connect(&path).unwrap()).unwrap();
    drop(server.accept(Some(Instant::now() + Duration::from_secs(10))).unwrap());
    assert_closed(&refused.extract(b"main").unwrap());
    drop(server);
    assert_eq!(connect(&path).unwrap_err().kind(), ErrorKind::NotFound);
    let (nodes, pipes): (Vec<Node>, Vec<MessagePipe>) = clients.into_iter().unzip();
    drop(pipes);
    std::fs::remove_dir_all(directory).unwrap();
    let nodes: Vec<&Node> = nodes.iter().chain([&here]).collect();
    finish(alone, &nodes);
}

#[test]
fn a_server_waits_for_a_client_that_comes_later() {
    let (alone, directory) = (alone(), directory("later"));
    let path = directory.join("socket");
    let server = Server::bind(&path).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.accept(None).unwrap());
        let mut client = UnixStream::connect(&path).unwrap();
        let incoming = waiting.join().unwrap();
        client.write_all(b"x").unwrap();
        drop(OwnedFd::from(incoming));
    });
    assert!(server.try_accept().unwrap().is_none());
    drop(server);
    std::fs::remove_dir_all(directory).unwrap();
    finish(alone, &[]);
}

#[test]
fn strangers_connect_through_an_abstract_name() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let name = format!("libmojo-connections-{}", std::process::id());
    let server = Server::bind_abstract(name.as_bytes()).unwrap();
    assert_eq!(Server::bind_abstract(name.as_bytes()).unwrap_err().kind(), ErrorKind::AddrInUse);
    let (b, _) = accept_on(&there, connect_abstract(name.as_bytes()).unwrap());
    let (a, _) = send_from(&here, server.accept(None).unwrap().into(), "");
    assert_connected(&a, &b);
    drop((server, a, b));
    assert_eq!(connect_abstract(name.as_bytes()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    finish(alone, &[&here, &there]);
}

#[test]
fn a_listening_socket_of_somebody_else_becomes_a_server() {
    let (alone, directory) = (alone(), directory("adopted"));
    std::fs::create_dir(&directory).unwrap();
    let path = directory.join("socket");
    let server = Server::from_socket(UnixListener::bind(&path).unwrap().into()).unwrap();
    let client = connect(&path).unwrap();
    let incoming = server.accept(None).unwrap();
    drop((client, incoming, server));
    // It was not bound here, so it is not removed here.
    assert!(path.exists());
    let (one, _other) = socket_pair().unwrap();
    let (error, socket) = Server::from_socket(one).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    drop((socket, _other));
    std::fs::remove_dir_all(directory).unwrap();
    finish(alone, &[]);
}

// ---- a good end ------------------------------------------------------------------------------------------

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(20))
}

#[test]
fn a_node_without_connections_shuts_down_at_once_and_keeps_its_own_pipes() {
    let node = Node::new();
    let (a, b) = MessagePipe::create_on(&node);
    assert!(node.flush(None));
    assert!(node.shutdown(None));
    assert_connected(&a, &b);
}

#[test]
fn shutting_down_ends_the_connections_and_not_the_node() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let (a, b) = link(&here, &there);
    let (c, d) = MessagePipe::create_on(&here);
    send(&a, "last words");
    assert!(here.shutdown(None));
    assert!(!here.has_links());
    assert_eq!(recv(&b), "last words");
    assert_closed(&a);
    assert_closed(&b);
    assert_connected(&c, &d);
    let (e, f) = link(&here, &there);
    assert_connected(&e, &f);
    drop((a, b, c, d, e, f));
    finish(alone, &[&here, &there]);
}

#[test]
fn an_invitation_that_nobody_accepts_is_not_flushed() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let (ours, theirs) = socket_pair().unwrap();
    let invitation = Invitation::new_on(&here);
    let a = invitation.attach(b"main").unwrap();
    invitation.send(ours).unwrap();
    send(&a, "waits");
    assert!(!here.flush(soon()));
    let accepted = AcceptedInvitation::accept_on(&there, theirs).unwrap();
    assert!(here.flush(None));
    assert!(here.shutdown(Some(Instant::now() + PATIENCE)));
    assert_eq!(recv(&accepted.extract(b"main").unwrap()), "waits");
    drop((a, accepted));
    finish(alone, &[&here, &there]);
}

/// Two nodes that know each other only through a third, which is isolated from one of them and so does not introduce
/// them to each other; and a pipe between them.
fn relayed() -> ([Node; 3], [MessagePipe; 2], [(MessagePipe, MessagePipe); 2]) {
    let (left, middle, right) = (Node::new(), Node::new(), Node::new());
    let (to_left, at_left) = link(&middle, &left);
    let (ours, theirs) = socket_pair().unwrap();
    let (to_right, _) = send_from(&middle, ours, "");
    let (at_right, _) = accept_on(&right, theirs);
    let (c, d) = MessagePipe::create_on(&middle);
    let c = pass_pipe(&to_left, &at_left, c);
    let d = pass_pipe(&to_right, &at_right, d);
    assert_connected(&c, &d);
    ([left, middle, right], [c, d], [(to_left, at_left), (to_right, at_right)])
}

#[test]
fn a_node_that_relays_for_others_does_not_shut_down_in_good_order() {
    let (alone, (nodes, [c, d], carriers)) = (alone(), relayed());
    assert!(!nodes[1].shutdown(soon()));
    assert_closed(&c);
    assert_closed(&d);
    drop((c, d, carriers));
    finish(alone, &nodes.each_ref());
}

#[test]
fn a_node_shuts_down_in_good_order_as_soon_as_the_others_are_done() {
    let (alone, (nodes, [c, d], carriers)) = (alone(), relayed());
    std::thread::scope(|scope| {
        let shutdown = scope.spawn(|| nodes[1].shutdown(None));
        assert_connected(&c, &d);
        send(&c, "last words");
        drop(c);
        assert_eq!(recv(&d), "last words");
        assert_closed(&d);
        assert!(shutdown.join().unwrap());
    });
    drop((d, carriers));
    finish(alone, &nodes.each_ref());
}

// ---- introductions ---------------------------------------------------------------------------------------

/// Two nodes that a third one has invited, and their pipes to it.
struct Siblings {
    parent: Node,
    nodes: [Node; 2],
    carriers: [(MessagePipe, MessagePipe); 2],
}

impl Siblings {
    fn new() -> Self {
        let (parent, nodes) = (Node::new(), [Node::new(), Node::new()]);
        let carriers = [link(&parent, &nodes[0]), link(&parent, &nodes[1])];
        Self { parent, nodes, carriers }
    }

    /// A pipe of the parent's, one end of which goes to each.
    fn pipe(&self) -> (MessagePipe, MessagePipe) {
        let (a, b) = MessagePipe::create_on(&self.parent);
        let [first, second] = &self.carriers;
        (pass_pipe(&first.0, &first.1, a), pass_pipe(&second.0, &second.1, b))
    }

    fn finish(self, alone: Alone) {
        drop(self.carriers);
        finish(alone, &[&self.parent, &self.nodes[0], &self.nodes[1]]);
    }
}

#[test]
fn siblings_come_to_talk_directly_without_any_traffic() {
    let (alone, siblings) = (alone(), Siblings::new());
    let (a, b) = siblings.pipe();
    eventually("the parent passes nothing on", || siblings.parent.port_counts().1 == 0);
    assert_connected(&a, &b);
    // All without the parent.
    siblings.parent.disconnect();
    eventually("the parent is gone", || !siblings.parent.has_links());
    assert_connected(&a, &b);
    let (c, d) = MessagePipe::create_on(&siblings.nodes[0]);
    let d = pass_pipe(&a, &b, d);
    assert_connected(&c, &d);
    drop((a, b, c, d));
    siblings.finish(alone);
}

#[test]
fn messages_keep_their_order_while_their_pipe_is_shortened() {
    let (alone, siblings) = (alone(), Siblings::new());
    for round in 0..20 {
        let (a, b) = siblings.pipe();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..500).for_each(|number| send(&a, &format!("{round} {number}"))));
            for number in 0..500 {
                assert_eq!(recv(&b), format!("{round} {number}"));
            }
        });
        assert_connected(&a, &b);
    }
    eventually("the parent passes nothing on", || siblings.parent.port_counts().1 == 0);
    siblings.finish(alone);
}

#[test]
fn every_kind_of_handle_goes_between_siblings() {
    let (alone, siblings) = (alone(), Siblings::new());
    let (a, b) = siblings.pipe();
    for _ in 0..3 {
        let (mut producer, consumer) = data_pipe_on(&siblings.nodes[0], 1, 100);
        let mut consumer = pass_consumer(&a, &b, consumer);
        let file = pass(&a, &b, file_with("contents")).into_descriptor().unwrap();
        assert_eq!(text_of(&file.into()), "contents");
        let (c, d) = MessagePipe::create_on(&siblings.nodes[1]);
        let d = pass_pipe(&b, &a, d);
        assert_connected(&c, &d);
        producer.write_all(b"through").unwrap();
        drop(producer);
        let mut text = String::new();
        consumer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
    }
    drop((a, b));
    siblings.finish(alone);
}

#[test]
fn an_end_that_goes_round_between_siblings_and_their_parent_stays_connected() {
    let (alone, siblings) = (alone(), Siblings::new());
    let (a, mut b) = siblings.pipe();
    let [first, second] = &siblings.carriers;
    let (x, y) = siblings.pipe();
    for _ in 0..20 {
        b = pass_pipe(&second.1, &second.0, b);
        b = pass_pipe(&first.0, &first.1, b);
        assert_connected(&a, &b);
        b = pass_pipe(&x, &y, b);
        assert_connected(&a, &b);
    }
    for node in siblings.nodes.iter().chain([&siblings.parent]) {
        eventually("nobody passes anything on", || node.port_counts().1 == 0);
    }
    drop((a, b, x, y));
    siblings.finish(alone);
}

#[test]
fn a_chain_of_nodes_that_each_know_the_next_becomes_one_where_all_do() {
    let alone = alone();
    let nodes: Vec<Node> = (0..10).map(|_| Node::new()).collect();
    let carriers: Vec<_> = nodes.windows(2).map(|pair| link(&pair[0], &pair[1])).collect();
    let (a, mut b) = MessagePipe::create_on(&nodes[0]);
    for (near, far) in &carriers {
        send(&a, "on the way");
        b = pass_pipe(near, far, b);
    }
    for _ in &carriers {
        assert_eq!(recv(&b), "on the way");
    }
    for node in &nodes {
        eventually("nobody passes anything on", || node.port_counts().1 == 0);
    }
    for node in &nodes[1..9] {
        node.disconnect();
    }
    assert_connected(&a, &b);
    drop((a, b, carriers));
    finish(alone, &nodes.iter().collect::<Vec<_>>());
}

#[test]
fn many_siblings_have_one_link_for_each_two_of_them() {
    let alone = alone();
    let (parent, nodes) = (Node::new(), [(); 5].map(|()| Node::new()));
    let carriers: Vec<_> = nodes.iter().map(|node| link(&parent, node)).collect();
    let before = libmojo_platform::open_descriptor_count();
    let mut pipes = Vec::new();
    for round in 0..3 {
        for from in 0..5 {
            for to in 0..from {
                let (a, b) = MessagePipe::create_on(&parent);
                let a = pass_pipe(&carriers[from].0, &carriers[from].1, a);
                let b = pass_pipe(&carriers[to].0, &carriers[to].1, b);
                let (c, d) = MessagePipe::create_on(&nodes[from]);
                let d = pass_pipe(&a, &b, d);
                send(&a, &round.to_string());
                pipes.push((a, b, c, d));
            }
        }
    }
    for (a, b, c, d) in &pipes {
        assert_eq!(recv(b).len(), 1);
        assert_connected(a, b);
        assert_connected(c, d);
    }
    for node in nodes.iter().chain([&parent]) {
        eventually("nobody passes anything on", || node.port_counts().1 == 0);
    }
    assert_eq!(libmojo_platform::open_descriptor_count(), before + 2 * 10);
    drop((pipes, carriers));
    let all: Vec<&Node> = nodes.iter().chain([&parent]).collect();
    finish(alone, &all);
}

#[test]
fn a_bad_message_of_a_sibling_is_reported_to_whoever_invited_it() {
    let (alone, parent, nodes) = (alone(), Node::new(), [Node::new(), Node::new()]);
    let (errors, handler) = recording();
    let first = link(&parent, &nodes[0]);
    let (ours, theirs) = socket_pair().unwrap();
    let invitation = Invitation::new_on(&parent);
    let at_parent = invitation.attach(b"main").unwrap();
    let options = SendOptions { handler: Some(handler), ..SendOptions::default() };
    invitation.send_with(ours, options).unwrap();
    let accepted = AcceptedInvitation::accept_on(&nodes[1], theirs).unwrap();
    let second = (at_parent, accepted.extract(b"main").unwrap());
    let (a, b) = MessagePipe::create_on(&parent);
    let a = pass_pipe(&first.0, &first.1, a);
    let b = pass_pipe(&second.0, &second.1, b);
    eventually("the parent passes nothing on", || parent.port_counts().1 == 0);
    send(&b, "nonsense");
    let message = a.recv().unwrap();
    message.report_bad("this makes no sense");
    eventually("the handler is told", || !errors.lock().unwrap().is_empty());
    let expected = "Received bad user message: this makes no sense";
    assert_eq!(*errors.lock().unwrap(), [ProcessError { message: expected.into(), disconnected: false }]);
    drop((a, b, first, second, accepted, message));
    finish(alone, &[&parent, &nodes[0], &nodes[1]]);
}

/// Invites two nodes and gives each an end of a pipe; then tells when it passes nothing on.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_introduces_two_nodes() {
    children::act(|pipe| {
        let sockets = pipe.recv().unwrap().take_handles().unwrap();
        let (a, b) = MessagePipe::create();
        let carriers: Vec<MessagePipe> = sockets
            .into_iter()
            .zip([a, b])
            .map(|(socket, end)| {
                let invitation = Invitation::new();
                let carrier = invitation.attach(b"carrier").unwrap();
                invitation.send(socket.into_descriptor().unwrap()).unwrap();
                carrier.send(libmojo::Message::from("an end").with(end)).unwrap();
                carrier
            })
            .collect();
        // From the moment that both have their ends.
        carriers.iter().for_each(|carrier| assert_eq!(recv(carrier), "got it"));
        eventually("this node passes nothing on", || Node::process().port_counts().1 == 0);
        send(pipe, "introduced");
        assert_closed(pipe);
    });
}

fn signal(process: &std::process::Child, signal: &str) {
    let status = Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn those_who_were_introduced_go_on_talking_while_whoever_introduced_them_is_stopped() {
    let (alone, main, nodes) = (alone(), Node::new(), [Node::new(), Node::new()]);
    let mut child = children::launch(&main, child_introduces_two_nodes);
    let [(first, first_theirs), (second, second_theirs)] = [socket_pair().unwrap(), socket_pair().unwrap()];
    child.pipe.send(libmojo::Message::from("").with(first_theirs).with(second_theirs)).unwrap();
    let carriers: Vec<MessagePipe> = nodes
        .iter()
        .zip([first, second])
        .map(|(node, socket)| AcceptedInvitation::accept_on(node, socket).unwrap().extract(b"carrier").unwrap())
        .collect();
    let ends: Vec<MessagePipe> = carriers.iter().map(recv_pipe).collect();
    carriers.iter().for_each(|carrier| send(carrier, "got it"));
    assert_eq!(recv(&child.pipe), "introduced");
    signal(&child.process, "-STOP");
    for _ in 0..100 {
        assert_connected(&ends[0], &ends[1]);
    }
    let (mut producer, consumer) = data_pipe_on(&nodes[0], 1, 100);
    let mut consumer = pass_consumer(&ends[0], &ends[1], consumer);
    producer.write_all(b"while nobody else runs").unwrap();
    drop(producer);
    let mut text = String::new();
    consumer.read_to_string(&mut text).unwrap();
    assert_eq!(text, "while nobody else runs");
    // Nor does its death concern them.
    child.kill();
    carriers.iter().for_each(assert_closed);
    assert_connected(&ends[0], &ends[1]);
    drop((ends, carriers, consumer, child));
    finish(alone, &[&main, &nodes[0], &nodes[1]]);
}

// ---- processes that are started with an invitation -------------------------------------------------------

fn this_test_binary(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--nocapture"]).stdout(std::process::Stdio::null());
    command
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_was_started_with_an_invitation() {
    let Ok(accepted) = AcceptedInvitation::inherited() else { return };
    let _watchdog = watchdog();
    let again = AcceptedInvitation::inherited().unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
    let pipe = accepted.extract(b"main").unwrap();
    // Another process that this one starts has the variable, and nothing else.
    let status = this_test_binary("child_has_only_the_variable").status().unwrap();
    assert!(status.success());
    send(&pipe, "hello");
    assert_closed(&pipe);
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_has_only_the_variable() {
    if std::env::var_os(INVITATION_VARIABLE).is_some() {
        assert_eq!(AcceptedInvitation::inherited().unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn a_process_is_started_with_an_invitation_that_nobody_else_inherits() {
    let (alone, node) = (alone(), Node::new());
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let siblings = scope.spawn(|| {
            let mut count = 0;
            while !is_done.load(std::sync::atomic::Ordering::SeqCst) || count == 0 {
                let output = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
                let listed = String::from_utf8(output.stdout).unwrap();
                assert!(listed.contains("pipe:") && !listed.contains("socket:"), "{listed}");
                count += 1;
            }
        });
        for _ in 0..10 {
            let invitation = Invitation::new_on(&node);
            let pipe = invitation.attach(b"main").unwrap();
            let mut command = this_test_binary("child_was_started_with_an_invitation");
            let (mut child, connection) = invitation.spawn(&mut command).unwrap();
            // The same command again starts a process that inherits nothing.
            let mut other = command.spawn().unwrap();
            assert_eq!(recv(&pipe), "hello");
            drop(pipe);
            assert!(child.wait().unwrap().success());
            assert!(other.wait().unwrap().success());
            eventually("the connection has ended", || !connection.is_open());
        }
        is_done.store(true, std::sync::atomic::Ordering::SeqCst);
        siblings.join().unwrap();
    });
    finish(alone, &[&node]);
}

#[test]
fn a_process_that_cannot_be_started_closes_the_pipes_of_its_invitation() {
    let alone = alone();
    let invitation = Invitation::new();
    let pipe = invitation.attach(b"main").unwrap();
    let error = invitation.spawn(&mut Command::new("/nowhere/to/be/found")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_closed(&pipe);
    assert_eq!(AcceptedInvitation::inherited().unwrap_err().kind(), ErrorKind::NotFound);
    drop(pipe);
    finish(alone, &[]);
}
