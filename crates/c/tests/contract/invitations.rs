//! Invitations, as far as one process gets with them. What they lead to between two is in `processes`.

use crate::callbacks::*;
use crate::calls;
use crate::support::*;
use mojo_system::*;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr::null;

const CHANNEL: u32 = 0;

fn attach_pipe(invitation: MojoHandle, name: &[u8]) -> Outcome<MojoHandle> {
    let len = name.len() as u32;
    output(STALE, |handle| calls::attach_to_invitation(invitation, Some(name), len, None, Some(handle)))
}

fn extract_pipe(invitation: MojoHandle, name: &[u8]) -> Outcome<MojoHandle> {
    let len = name.len() as u32;
    output(STALE, |handle| calls::extract_from_invitation(invitation, Some(name), len, None, Some(handle)))
}

#[test]
fn creation_checks_the_output_and_the_options() {
    for (options, expected) in options_rows(0) {
        assert_eq!(calls::create_invitation(options.as_deref(), None), INVALID_ARGUMENT);
        let create = |options: Option<&[u8]>| output(STALE, |handle| calls::create_invitation(options, Some(handle)));
        for made in anywhere(options.as_deref(), create) {
            assert_eq!(code(made.and_then(close)), expected, "{options:?}");
        }
    }
}

#[test]
fn pipes_come_out_under_the_names_they_went_in_with() {
    let invitation = invitation();
    let names: [&[u8]; 4] = [b"a", b"b", b"\0", &[0xFF; 1024]];
    let ends = names.map(|name| attach_pipe(invitation, name).unwrap());
    for (name, end) in names.into_iter().zip(ends) {
        assert_eq!(attach_pipe(invitation, name), Err(ALREADY_EXISTS));
        send(end, b"written before it was extracted", &[]).unwrap();
        assert_eq!(signals(end), Ok((W, R | W | C)));
        let other = extract_pipe(invitation, name).unwrap();
        assert_eq!(receive(other).unwrap().0, b"written before it was extracted");
        assert_eq!(extract_pipe(invitation, name), Err(NOT_FOUND));
        close(other).unwrap();
        assert_eq!(signals(end), Ok((C, C)));
    }
    close_all(&ends);
    close(attach_pipe(invitation, b"a").unwrap()).unwrap();
    close(invitation).unwrap();
}

#[test]
fn names_options_and_places_are_checked() {
    let invitation = invitation();
    let kept = attach_pipe(invitation, b"kept").unwrap();
    for function in [calls::attach_to_invitation, calls::extract_from_invitation] {
        let mut handle = STALE;
        assert_eq!(function(invitation, Some(b"x"), 1, None, None), INVALID_ARGUMENT);
        assert_eq!(function(invitation, None, 1, None, Some(&mut handle)), INVALID_ARGUMENT);
        assert_eq!(function(invitation, None, 0, None, Some(&mut handle)), INVALID_ARGUMENT);
        assert_eq!(function(invitation, Some(b""), 0, None, Some(&mut handle)), INVALID_ARGUMENT);
        assert_eq!(function(invitation, Some(&[0; 1025]), 1025, None, Some(&mut handle)), INVALID_ARGUMENT);
        for (options, expected) in options_rows(0) {
            if expected != OK {
                assert_eq!(function(invitation, Some(b"x"), 1, options.as_deref(), Some(&mut handle)), expected);
            }
        }
        assert_eq!(handle, STALE);
    }
    assert_eq!(extract_pipe(invitation, b"x"), Err(NOT_FOUND), "nothing was attached");
    close_all(&[kept, invitation]);
}

#[test]
fn closing_an_invitation_closes_the_pipes_in_it() {
    let invitation = invitation();
    let end = attach_pipe(invitation, b"x").unwrap();
    let w = watcher();
    watch(w, end, C, 1).unwrap();
    arm(w).unwrap();
    close(invitation).unwrap();
    assert_eq!(callbacks(), [Callback::Notified(1, OK, (C, C))]);
    close_all(&[end, w]);
}

/// An endpoint with a native handle, or without.
fn endpoint(kind: u32, native: Option<&MojoPlatformHandle>) -> MojoInvitationTransportEndpoint {
    let size = size_of::<MojoInvitationTransportEndpoint>() as u32;
    MojoInvitationTransportEndpoint {
        struct_size: size,
        kind,
        num_platform_handles: native.is_some().into(),
        platform_handles: native.map_or(null(), std::ptr::from_ref),
    }
}

#[test]
fn sending_and_accepting_refuse_what_is_unfit_and_take_nothing_they_refuse() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let invitation = invitation();
    let end = attach_pipe(invitation, b"x").unwrap();
    let native = |struct_size, kind, value| MojoPlatformHandle { struct_size, kind, value };
    let socket = native(16, 1, ours.as_raw_fd() as u64);
    let fit = endpoint(CHANNEL, Some(&socket));

    let no_socket =
        [native(16, 0, 0), native(16, 1, u64::MAX), native(15, 1, socket.value), native(16, 2, socket.value)];
    let (reader, _writer) = std::io::pipe().unwrap();
    let listener_path = format!("/tmp/libmojo-contract-{}", std::process::id());
    let listener = std::os::unix::net::UnixListener::bind(&listener_path).unwrap();
    std::fs::remove_file(&listener_path).unwrap();
    let other_sorts = [native(16, 1, reader.as_raw_fd() as u64), native(16, 1, listener.as_raw_fd() as u64)];
    let mut rows = vec![(None, INVALID_ARGUMENT), (Some(endpoint(CHANNEL, None)), INVALID_ARGUMENT)];
    rows.push((Some(endpoint(2, Some(&socket))), UNIMPLEMENTED));
    rows.push((Some(endpoint(u32::MAX, Some(&socket))), UNIMPLEMENTED));
    for size in 0..24 {
        rows.push((Some(MojoInvitationTransportEndpoint { struct_size: size, ..fit }), INVALID_ARGUMENT));
    }
    for native in no_socket.iter().chain(&other_sorts) {
        rows.push((Some(endpoint(CHANNEL, Some(native))), INVALID_ARGUMENT));
    }
    rows.push((Some(MojoInvitationTransportEndpoint { platform_handles: null(), ..fit }), INVALID_ARGUMENT));
    for (transport, expected) in rows {
        let send = |invitation| calls::send_invitation(invitation, None, transport.as_ref(), None, None);
        assert_eq!(send(invitation), expected, "{transport:?}");
        let accepted = output(STALE, |handle| calls::accept_invitation(transport.as_ref(), None, Some(handle)));
        assert_eq!(accepted, Err(expected), "{transport:?}");
    }
    let processes = (0..16).map(|size| options(size, &[0, 1, 0]));
    for process in processes {
        assert_eq!(calls::send_invitation(invitation, Some(&process), Some(&fit), None, None), INVALID_ARGUMENT);
    }
    let refused = options_rows(1).into_iter().filter(|(_, expected)| *expected != OK);
    for (options, expected) in refused {
        let options = options.as_deref();
        assert_eq!(calls::send_invitation(invitation, None, Some(&fit), None, options), expected);
        assert_eq!(calls::accept_invitation(Some(&fit), options, None), INVALID_ARGUMENT);
        let accepted = output(STALE, |handle| calls::accept_invitation(Some(&fit), options, Some(handle)));
        assert_eq!(accepted, Err(expected));
    }
    assert_eq!(calls::accept_invitation(Some(&fit), None, None), INVALID_ARGUMENT);
    for wrong in dead_handles().into_iter().chain([end]) {
        assert_eq!(calls::send_invitation(wrong, None, Some(&fit), None, None), INVALID_ARGUMENT);
    }
    let bare = self::invitation();
    assert_eq!(calls::send_invitation(bare, None, Some(&fit), None, None), FAILED_PRECONDITION);

    // The socket is still ours, and the invitation as it was.
    use std::io::{Read, Write};
    (&ours).write_all(b"x").unwrap();
    (&theirs).read_exact(&mut [0]).unwrap();
    close(extract_pipe(invitation, b"x").unwrap()).unwrap();
    assert_eq!(signals(end), Ok((C, C)), "and no pipe looks remote");
    close_all(&[end, invitation, bare]);
}
