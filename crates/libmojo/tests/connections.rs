//! Connections: invitations, isolated ones, named ones, servers, and how they are ended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::limits::MAX_INVITATION_NAME_BYTES;
use libmojo::{
    AcceptedInvitation, Connection, FuseError, Invitation, InvitationError, MessagePipe, Node, ProcessError,
    SendOptions, Server, Signals, connect, connect_abstract, socket_pair,
};
use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
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

#[test]
fn a_second_invitation_between_nodes_that_are_connected_is_refused() {
    let alone = alone();
    let (here, there) = (Node::new(), Node::new());
    let (a, b) = link(&here, &there);
    assert_connected(&a, &b);
    for (inviter, invitee) in [(&here, &there), (&there, &here)] {
        let (c, d) = link(inviter, invitee);
        assert_closed(&c);
        assert_closed(&d);
    }
    assert_connected(&a, &b);
    drop((a, b));
    finish(alone, &[&here, &there]);
}

#[test]
fn an_invitation_of_a_node_to_itself_is_refused_if_it_is_an_ordinary_one() {
    let alone = alone();
    let node = Node::new();
    let (a, b) = link(&node, &node);
    assert_closed(&a);
    assert_closed(&b);
    drop((a, b));
    finish(alone, &[&node]);
}
