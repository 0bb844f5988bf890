//! Message objects.

use crate::callbacks::*;
use crate::calls::{self, Payload};
use crate::support::*;
use mojo_system::*;

/// What a message can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Empty,
    WithContext,
    /// With a payload and a handle, to which more can be added.
    Growing,
    /// With a final payload and a handle.
    Committed,
    /// The handle was taken out.
    Emptied,
}

use State::{Committed, Emptied, Empty, Growing, WithContext};

const STATES: [State; 5] = [Empty, WithContext, Growing, Committed, Emptied];
const CONTEXT: usize = 0xC0;

/// A message and the peer of the pipe end that was attached to it.
struct Made {
    message: MojoMessageHandle,
    peer: MojoHandle,
}

impl Made {
    fn new(state: State) -> Self {
        let (mine, peer) = pipe();
        let handles = [mine];
        let message = match state {
            Empty => message(),
            WithContext => with_context(CONTEXT),
            Growing => built(b"text", &handles),
            Committed | Emptied => committed(b"text", &handles),
        };
        if state == Emptied {
            close(take(message).unwrap().1[0]).unwrap();
        }
        Self { message, peer }
    }

    /// The same, but read from a pipe; only what can be written can be read.
    fn received(state: State) -> Option<Self> {
        let Made { message, peer } = match state {
            Empty | Growing => return None,
            Emptied => Made::new(Committed),
            other => Made::new(other),
        };
        let (a, b) = pipe();
        write(a, message).unwrap();
        let message = read(b).unwrap();
        close_all(&[a, b]);
        if state == Emptied {
            close(take(message).unwrap().1[0]).unwrap();
        }
        Some(Self { message, peer })
    }

    /// The present state; the message is used up. `None` if it is gone.
    fn state(self) -> Option<State> {
        let state = match (context_of(self.message, 0), attach(self.message, 0, &[0])) {
            (Ok(_), _) => Some(WithContext),
            (Err(NOT_FOUND), Err(INVALID_ARGUMENT)) => Some(Empty),
            (Err(NOT_FOUND), _) => Some(match take(self.message) {
                Ok((_, handles)) => {
                    handles.into_iter().for_each(|handle| close(handle).unwrap());
                    Committed
                }
                Err(FAILED_PRECONDITION) => Growing,
                Err(NOT_FOUND) => Emptied,
                Err(code) => panic!("{code}"),
            }),
            _ => None,
        };
        assert_eq!(destroy(self.message).is_ok(), state.is_some());
        close(self.peer).unwrap();
        callbacks();
        state
    }
}

/// A serializer that attaches what the states above have.
fn serialize_like_a_message() {
    react(CONTEXT, |callback| {
        if let Callback::Serialize(_, message) = callback {
            let (handle, peer) = pipe();
            attach(message, 4, &[handle]).unwrap().write(0, b"text");
            close(peer).unwrap();
        }
    });
}

type Function = fn(MojoMessageHandle) -> MojoResult;

/// Every function on messages, but for one that gets its message from the pipe.
const FUNCTIONS: [(&str, Function); 11] = [
    ("attach context", |message| MojoAttachMessageContext(message, 1, None)),
    ("attach context with destructor", |message| MojoAttachMessageContextWithDestructor(message, 1, None, None)),
    ("get context", |message| code(context_of(message, 0))),
    ("release context", |message| code(context_of(message, RELEASE))),
    ("attach buffer", |message| code(attach(message, 3, &[]))),
    ("extend payload", |message| code(extend(message, 9, &[]))),
    ("commit", |message| code(commit(message, 4))),
    ("serialize", |message| MojoSerializeMessage(message)),
    ("get contents", |message| code(take(message))),
    ("destroy", |message| MojoDestroyMessage(message)),
    ("notify", |message| calls::notify_bad_message(message, Some(b"bad"), 3)),
];

#[test]
fn every_function_answers_in_every_state_as_documented_and_leaves_the_documented_state() {
    const E: Option<State> = Some(Empty);
    const X: Option<State> = Some(WithContext);
    const P: Option<State> = Some(Growing);
    const S: Option<State> = Some(Committed);
    const T: Option<State> = Some(Emptied);
    const NOT_SO: MojoResult = FAILED_PRECONDITION;
    let rows = [
        ("attach context", [(OK, X), (ALREADY_EXISTS, X), (NOT_SO, P), (NOT_SO, S), (NOT_SO, T)]),
        ("attach context with destructor", [(OK, X), (ALREADY_EXISTS, X), (NOT_SO, P), (NOT_SO, S), (NOT_SO, T)]),
        ("get context", [(NOT_FOUND, E), (OK, X), (NOT_FOUND, P), (NOT_FOUND, S), (NOT_FOUND, T)]),
        ("release context", [(NOT_FOUND, E), (OK, E), (NOT_FOUND, P), (NOT_FOUND, S), (NOT_FOUND, T)]),
        ("attach buffer", [(OK, P), (NOT_SO, X), (ALREADY_EXISTS, P), (ALREADY_EXISTS, S), (ALREADY_EXISTS, T)]),
        ("extend payload", [(NOT_SO, E), (NOT_SO, X), (OK, P), (NOT_SO, S), (NOT_SO, T)]),
        ("commit", [(NOT_SO, E), (NOT_SO, X), (OK, S), (OK, S), (OK, T)]),
        ("serialize", [(NOT_FOUND, E), (OK, S), (NOT_SO, P), (NOT_SO, S), (NOT_SO, T)]),
        ("get contents", [(NOT_SO, E), (NOT_SO, X), (NOT_SO, P), (OK, T), (NOT_FOUND, T)]),
        ("destroy", [(OK, None); 5]),
        ("notify", [(OK, E), (OK, X), (OK, P), (OK, S), (OK, T)]),
    ];
    serialize_like_a_message();
    for ((name, function), (row, cells)) in FUNCTIONS.into_iter().zip(rows) {
        assert_eq!(name, row);
        for (state, (expected, left)) in STATES.into_iter().zip(cells) {
            for made in [Some(Made::new(state)), Made::received(state)].into_iter().flatten() {
                assert_eq!(function(made.message), expected, "{name} in {state:?}");
                assert_eq!(made.state(), left, "{name} in {state:?}");
            }
        }
    }
}

#[test]
fn writing_consumes_a_message_in_every_state() {
    let cells =
        [(Empty, Err(NOT_FOUND)), (WithContext, Ok(())), (Growing, Ok(())), (Committed, Ok(())), (Emptied, Ok(()))];
    for (state, expected) in cells {
        for made in [Some(Made::new(state)), Made::received(state)].into_iter().flatten() {
            let (a, b) = pipe();
            // Checks that the message is gone.
            assert_eq!(write(a, made.message), expected, "{state:?}");
            if expected.is_ok() {
                let message = read(b).unwrap();
                match state {
                    WithContext => assert_eq!(context_of(message, 0), Ok(CONTEXT)),
                    // Handles that were taken out are not sent again.
                    _ => assert_eq!(look(message).unwrap().1, usize::from(state != Emptied), "{state:?}"),
                }
                destroy(message).unwrap();
            }
            assert_eq!(read(b), Err(SHOULD_WAIT));
            close_all(&[a, b, made.peer]);
        }
    }
}

#[test]
fn a_message_handle_that_names_no_message_is_refused_by_every_function() {
    let (live, gone, written) = (message(), message(), committed(b"", &[]));
    destroy(gone).unwrap();
    let (a, b) = pipe();
    write(a, written).unwrap();
    let other_generation = live ^ 1 << (usize::BITS / 2);
    for dead in [0, 1, 2, a as usize, usize::MAX, usize::MAX >> 1, 1 << 30, gone, written, other_generation, !live] {
        for (name, function) in FUNCTIONS {
            assert_eq!(function(dead), INVALID_ARGUMENT, "{name} with {dead:x}");
        }
        assert_eq!(MojoWriteMessage(a, dead, 0), INVALID_ARGUMENT);
        assert_eq!(MojoWriteMessage(0, dead, 0), INVALID_ARGUMENT);
    }
    assert_eq!(context_of(live, 0), Err(NOT_FOUND));
    destroy(live).unwrap();
    close_all(&[a, b]);
}

#[test]
fn a_message_handle_is_not_given_out_again_soon() {
    let first = message();
    destroy(first).unwrap();
    for _ in 0..10_000 {
        let next = message();
        assert_ne!(next, first);
        destroy(next).unwrap();
        assert_eq!(destroy(first), Err(INVALID_ARGUMENT));
    }
}

// ---- missing pointers and the order of checks ------------------------------------------------------------

#[test]
fn creating_needs_a_place_for_the_handle() {
    assert_eq!(calls::create_message(None), INVALID_ARGUMENT);
}

#[test]
fn pointers_that_are_missing_are_refused_before_the_state_of_the_message_is_looked_at() {
    for state in STATES {
        let made = Made::new(state);
        let (kept, peer) = pipe();
        for (handles, has_buffer, has_size) in
            [(Some([kept]), false, true), (Some([kept]), true, false), (Some([kept]), false, false), (None, true, true)]
        {
            for function in [calls::attach_buffer, calls::extend_payload] {
                let (mut buffer, mut buffer_size) = (stale_address(), STALE_SIZE);
                let payload = Payload {
                    num_bytes: u32::MAX,
                    handles: handles.as_ref().map(|handles| &handles[..]),
                    num_handles: 1,
                    buffer: has_buffer.then_some(&mut buffer),
                    buffer_size: has_size.then_some(&mut buffer_size),
                };
                assert_eq!(function(made.message, payload), INVALID_ARGUMENT, "{state:?}");
                assert_eq!((buffer, buffer_size), (stale_address(), STALE_SIZE));
                assert!(is_live(kept));
            }
        }
        for flags in [0, RELEASE] {
            assert_eq!(calls::get_context(made.message, None, flags), INVALID_ARGUMENT);
        }
        assert_eq!(MojoAttachMessageContext(made.message, 0, None), INVALID_ARGUMENT);
        assert_eq!(
            MojoAttachMessageContextWithDestructor(made.message, 0, Some(serializer), Some(destructor)),
            INVALID_ARGUMENT
        );
        assert_eq!(made.state(), Some(state));
        close_all(&[kept, peer]);
    }
}

#[test]
fn handles_that_are_not_there_need_no_array() {
    let message = message();
    for function in [calls::attach_buffer, calls::extend_payload] {
        let (mut buffer, mut buffer_size) = (stale_address(), STALE_SIZE);
        let (buffer, buffer_size) = (Some(&mut buffer), Some(&mut buffer_size));
        let payload = Payload { num_bytes: 0, handles: None, num_handles: 0, buffer, buffer_size };
        assert_eq!(function(message, payload), OK);
    }
    assert_eq!(calls::commit(message, 0, None, None), OK);
    destroy(message).unwrap();
}

const MAX_MESSAGE_BYTES: usize = 256 << 20;
const MAX_HANDLES: usize = 65_535;

#[test]
fn the_state_of_a_message_counts_before_the_limits_and_these_before_the_handles() {
    let dead = vec![0; MAX_HANDLES + 1];
    let too_much = [(MAX_MESSAGE_BYTES + 1, &dead[..1]), (u32::MAX as usize, &dead[..0]), (0, &dead[..])];
    for (num_bytes, handles) in too_much {
        for (state, expected) in [
            (Empty, RESOURCE_EXHAUSTED),
            (WithContext, FAILED_PRECONDITION),
            (Growing, ALREADY_EXISTS),
            (Committed, ALREADY_EXISTS),
        ] {
            let made = Made::new(state);
            assert_eq!(attach(made.message, num_bytes, handles), Err(expected), "{state:?}");
            assert_eq!(made.state(), Some(state));
        }
        for (state, expected) in [
            (Empty, FAILED_PRECONDITION),
            (WithContext, FAILED_PRECONDITION),
            (Growing, RESOURCE_EXHAUSTED),
            (Committed, FAILED_PRECONDITION),
        ] {
            let made = Made::new(state);
            assert_eq!(extend(made.message, num_bytes.max(4), handles), Err(expected), "{state:?}");
            assert_eq!(made.state(), Some(state));
        }
    }
    // Shrinking is refused before too many and before bad handles.
    let made = Made::new(Growing);
    assert_eq!(extend(made.message, 3, &dead), Err(OUT_OF_RANGE));
    assert_eq!(extend(made.message, 3, &dead[..1]), Err(OUT_OF_RANGE));
    // The handles that are there count.
    assert_eq!(extend(made.message, 4, &dead[..MAX_HANDLES]), Err(RESOURCE_EXHAUSTED));
    assert_eq!(extend(made.message, 4, &dead[..MAX_HANDLES - 1]), Err(INVALID_ARGUMENT));
    assert_eq!(made.state(), Some(Growing));
}

#[test]
fn too_many_handles_are_refused_without_being_looked_at() {
    let (empty, growing) = (message(), built(b"", &[]));
    for num_handles in [MAX_HANDLES as u32 + 1, 1 << 30, u32::MAX] {
        assert_eq!(calls::claim_handles(empty, 0, num_handles), RESOURCE_EXHAUSTED);
        assert_eq!(calls::claim_handles(growing, 1, num_handles), RESOURCE_EXHAUSTED);
    }
    destroy(empty).unwrap();
    destroy(growing).unwrap();
}

#[test]
fn the_largest_payload_is_accepted_and_can_be_sent() {
    let (a, b) = pipe();
    let message = message();
    assert_eq!(attach(message, MAX_MESSAGE_BYTES, &[]).unwrap().len, MAX_MESSAGE_BYTES);
    write(a, message).unwrap();
    let message = read(b).unwrap();
    assert_eq!(look(message).unwrap().0.len, MAX_MESSAGE_BYTES);
    destroy(message).unwrap();
    close_all(&[a, b]);
}

#[test]
fn no_storage_is_reported_that_could_not_be_sent() {
    let message = message();
    attach(message, MAX_MESSAGE_BYTES / 2 + 16, &[]).unwrap();
    let storage = extend(message, MAX_MESSAGE_BYTES / 2 + 32, &[]).unwrap();
    assert!(storage.len <= MAX_MESSAGE_BYTES, "{}", storage.len);
    let (a, b) = pipe();
    commit(message, storage.len).unwrap();
    write(a, message).unwrap();
    close_all(&[a, b]);
}

// ---- payloads --------------------------------------------------------------------------------------------

#[test]
fn storage_is_zero_aligned_writable_throughout_and_never_at_null() {
    for num_bytes in [0, 1, 7, 63, 64, 65, 4095, 4096, 4097, 100_000] {
        let message = message();
        let storage = attach(message, num_bytes, &[]).unwrap();
        assert!(!storage.address.is_null() && storage.address.addr().is_multiple_of(8), "{storage:?}");
        assert!(storage.len >= num_bytes);
        assert!(storage.bytes().iter().all(|byte| *byte == 0));
        storage.write(0, &vec![0xAB; storage.len]);
        let (a, b) = pipe();
        write(a, message).unwrap();
        // Only the declared part is sent.
        assert_eq!(receive(b).unwrap().0, vec![0xAB; num_bytes]);
        close_all(&[a, b]);
    }
}

#[test]
fn a_payload_that_is_never_filled_arrives_as_zeros() {
    let (a, b) = pipe();
    let message = message();
    attach(message, 10, &[]).unwrap();
    extend(message, 10_000, &[]).unwrap();
    write(a, message).unwrap();
    assert_eq!(receive(b).unwrap().0, vec![0; 10_000]);
    close_all(&[a, b]);
}

#[test]
fn extending_keeps_the_bytes_and_appends_the_handles() {
    for step in [1, 2, 3, 64, 509, 4096, 16_384, 65_535] {
        let message = message();
        let handles = [buffer(1), buffer(2), buffer(3)];
        let mut storage = attach(message, 0, &handles[..1]).unwrap();
        let mut expected = Vec::new();
        for round in 0..200 {
            let piece: Vec<u8> = (0..step).map(|at| (at + round) as u8).collect();
            let added = if round == 7 { &handles[1..] } else { &[] };
            storage = extend(message, expected.len() + step, added).unwrap();
            storage.write(expected.len(), &piece);
            expected.extend(piece);
            assert!(storage.len >= expected.len());
        }
        assert_eq!(extend(message, expected.len(), &[]), Ok(storage));
        assert_eq!(commit(message, expected.len()), Ok(storage));
        let (bytes, handles) = take(message).unwrap();
        assert!(bytes == expected);
        destroy(message).unwrap();
        assert_eq!(handles.len(), 3);
        for (size, handle) in (1..).zip(handles) {
            assert_eq!(map(handle, size, 1), Err(INVALID_ARGUMENT), "in their order");
            close(handle).unwrap();
        }
    }
}

#[test]
fn commit_accepts_any_size_from_the_declared_one_to_the_storage_and_stores_what_it_is_asked_for() {
    let growing = built(b"12345", &[]);
    let storage = extend(growing, 10, &[]).unwrap();
    for out_of_range in [0, 9, storage.len + 1, u32::MAX as usize] {
        assert_eq!(commit(growing, out_of_range), Err(OUT_OF_RANGE));
    }
    assert_eq!(calls::commit(growing, 12, None, None), OK);
    assert_eq!(look(growing).unwrap().0.len, 12);
    // Once more changes nothing, but the size must still be possible.
    for (num_bytes, expected) in [(12, OK), (storage.len, OK), (11, OUT_OF_RANGE), (storage.len + 1, OUT_OF_RANGE)] {
        assert_eq!(code(commit(growing, num_bytes)), expected, "{num_bytes}");
        assert_eq!(look(growing).unwrap().0.len, 12);
    }
    let (mut address, mut len) = (stale_address(), STALE_SIZE);
    assert_eq!(calls::commit(growing, 12, Some(&mut address), None), OK);
    assert_eq!(calls::commit(growing, 12, None, Some(&mut len)), OK);
    assert_eq!((address, len as usize), (storage.address, storage.len));
    // The bytes can be changed until the message is gone.
    storage.write(5, b"6789abc");
    let (a, b) = pipe();
    write(a, growing).unwrap();
    assert_eq!(receive(b).unwrap().0, b"123456789abc");
    close_all(&[a, b]);
}
