//! Data pipes.

use crate::callbacks::*;
use crate::calls;
use crate::support::*;
use mojo_system::*;

const ELEMENT: usize = 2;
const CAPACITY: usize = 8;
const TEXT: &[u8; CAPACITY] = b"abcdefgh";

/// A state in which a call can find a data pipe.
#[derive(Clone, Copy, Debug)]
struct State {
    /// How far the ring is turned, in bytes.
    turned: usize,
    /// How many bytes are there.
    filled: usize,
    /// A two-phase operation is in progress at the end that the call is for.
    busy: bool,
    /// The other end is closed.
    closed: bool,
}

struct Pipe {
    producer: MojoHandle,
    consumer: MojoHandle,
}

impl State {
    fn all() -> Vec<State> {
        let mut all = Vec::new();
        for turned in [0, 2, 6] {
            for filled in [0, 2, 6, 8] {
                for busy in [false, true] {
                    for closed in [false, true] {
                        all.push(State { turned, filled, busy, closed });
                    }
                }
            }
        }
        all
    }

    fn make(self) -> Pipe {
        let (producer, consumer) = data_pipe(ELEMENT as u32, CAPACITY as u32);
        assert_eq!(write_data(producer, &TEXT[..self.turned], 0), Ok(self.turned));
        if self.turned > 0 {
            assert_eq!(read_data(consumer, self.turned, 0).unwrap(), TEXT[..self.turned]);
        }
        assert_eq!(write_data(producer, &TEXT[..self.filled], 0), Ok(self.filled));
        Pipe { producer, consumer }
    }

    /// For a call to the producer; not all states can be.
    fn for_writing(self) -> Option<Pipe> {
        if self.busy && self.filled == CAPACITY {
            return None;
        }
        let pipe = self.make();
        if self.busy {
            begin_write(pipe.producer, 0).unwrap();
        }
        if self.closed {
            close(pipe.consumer).unwrap();
        }
        Some(pipe)
    }

    fn for_reading(self) -> Option<Pipe> {
        if self.busy && self.filled == 0 {
            return None;
        }
        let pipe = self.make();
        if self.busy {
            begin_read(pipe.consumer, 0).unwrap();
        }
        if self.closed {
            close(pipe.producer).unwrap();
        }
        Some(pipe)
    }

    fn free(self) -> usize {
        CAPACITY - self.filled
    }

    /// How much of the room or of the data lies in one piece.
    fn in_one_piece(self, amount: usize, from: usize) -> usize {
        amount.min(CAPACITY - from % CAPACITY)
    }
}

impl Pipe {
    /// Checks what is in the pipe, and closes it.
    fn end(self, expected: &[u8]) {
        if is_live(self.consumer) {
            let _ = end_read(self.consumer, 0);
            let found = read_data(self.consumer, CAPACITY, 0).unwrap_or_default();
            assert_eq!(found, expected);
        }
        let _ = (close(self.producer), close(self.consumer));
    }
}

const SIZES: [usize; 9] = [0, 1, 2, 3, 4, 6, 8, 10, 100];

// ---- creation --------------------------------------------------------------------------------------------

#[test]
fn creation_checks_outputs_then_size_then_flags_then_sizes() {
    let fields = |size, flags, element, capacity| options(size, &[flags, element, capacity]);
    const MAX: u32 = u32::MAX;
    let mut rows = vec![(None, OK), (Some(fields(16, 0, 1, 0)), OK), (Some(fields(4096, 0, 100, 0)), OK)];
    rows.extend((0..16).map(|size| (Some(fields(size, MAX, 0, 1)), INVALID_ARGUMENT)));
    rows.extend((0..32).map(|bit| (Some(fields(16, 1 << bit, 0, 1)), UNIMPLEMENTED)));
    let sizes = [
        (0, 0, INVALID_ARGUMENT),
        (0, 16, INVALID_ARGUMENT),
        (2, 1, INVALID_ARGUMENT),
        (2, 7, INVALID_ARGUMENT),
        (7, 48, INVALID_ARGUMENT),
        (7, 49, OK),
        (49, 49, OK),
        (1, (1 << 30) + 1, RESOURCE_EXHAUSTED),
        (MAX, MAX, RESOURCE_EXHAUSTED),
        (MAX, 0, RESOURCE_EXHAUSTED),
        (MAX, 1, INVALID_ARGUMENT),
    ];
    for (element, capacity, expected) in sizes {
        rows.push((Some(fields(16, 0, element, capacity)), expected));
        rows.push((Some(fields(MAX, 0, element, capacity)), expected));
    }
    for (options, expected) in rows {
        let (mut producer, mut consumer) = (STALE, STALE);
        for (has_producer, has_consumer) in [(false, false), (true, false), (false, true)] {
            let (producer, consumer) = (has_producer.then_some(&mut producer), has_consumer.then_some(&mut consumer));
            assert_eq!(calls::create_data_pipe(options.as_deref(), producer, consumer), INVALID_ARGUMENT);
        }
        assert_eq!((producer, consumer), (STALE, STALE));
        let create =
            |options: Option<&[u8]>| outputs((STALE, STALE), |a, b| calls::create_data_pipe(options, Some(a), Some(b)));
        for made in anywhere(options.as_deref(), create) {
            assert_eq!(code(made), expected, "{options:?}");
            if let Ok((producer, consumer)) = made {
                assert_ne!(producer, consumer);
                close_all(&[producer, consumer]);
            }
        }
    }
}

#[test]
fn the_capacity_is_exact_and_has_a_default_of_whole_elements() {
    for (element, asked, capacity) in [
        (1, 0, 65_536),
        (1, 1, 1),
        (3, 0, 65_535),
        (100, 0, 65_500),
        (65_536, 0, 65_536),
        (65_537, 0, 65_537),
        (100_000, 0, 100_000),
        (7, 49, 49),
    ] {
        let (producer, consumer) = data_pipe(element, asked);
        let bytes = vec![7; capacity + element as usize];
        assert_eq!(write_data(producer, &bytes, 0), Ok(capacity));
        assert_eq!(available(consumer), Ok(capacity as u32));
        assert_eq!(begin_read(consumer, 0).unwrap().len, capacity);
        close_all(&[producer, consumer]);
    }
    let (mut producer, mut consumer) = (0, 0);
    assert_eq!(calls::create_data_pipe(None, Some(&mut producer), Some(&mut consumer)), OK);
    assert_eq!(write_data(producer, &[1; 65_537], 0), Ok(65_536));
    close_all(&[producer, consumer]);
}

// ---- immediate writing and reading -----------------------------------------------------------------------

#[test]
fn writing_checks_in_the_documented_order() {
    for state in State::all() {
        for wanted in SIZES {
            for (has_elements, flags) in
                [(true, 0), (false, 0), (true, u32::MAX - 1), (true, 1), (false, 1), (true, u32::MAX)]
            {
                let Some(pipe) = state.for_writing() else { continue };
                let expected = if state.busy {
                    BUSY
                } else if state.closed {
                    FAILED_PRECONDITION
                } else if !wanted.is_multiple_of(ELEMENT) {
                    INVALID_ARGUMENT
                } else if wanted == 0 {
                    OK
                } else if !has_elements {
                    INVALID_ARGUMENT
                } else if flags & WRITE_ALL_OR_NONE != 0 && wanted > state.free() {
                    OUT_OF_RANGE
                } else if state.free() == 0 {
                    SHOULD_WAIT
                } else {
                    OK
                };
                let bytes: Vec<u8> = (0..wanted).map(|at| b'A' + at as u8).collect();
                let mut num_bytes = wanted as u32;
                let elements = has_elements.then_some(&bytes[..]);
                let before = signals(pipe.producer);
                let code = calls::write_data(pipe.producer, elements, Some(&mut num_bytes), flags);
                assert_eq!(code, expected, "{state:?} {wanted} {has_elements} {flags:x}");
                let written = if code == OK { wanted.min(state.free()) } else { 0 };
                assert_eq!(num_bytes as usize, if code == OK { written } else { wanted });
                if written == 0 {
                    assert_eq!(signals(pipe.producer), before);
                }
                pipe.end(&[&TEXT[..state.filled], &bytes[..written]].concat());
            }
        }
    }
}

/// What a read should do: the code, how many bytes it reports, and how many of these it consumes.
fn expected_of_reading(state: State, wanted: usize, flags: u32, has_elements: bool) -> (MojoResult, usize, usize) {
    let has = |flag| flags & flag != 0;
    let if_open = |code| (if state.closed { FAILED_PRECONDITION } else { code }, 0, 0);
    let amount = wanted.min(state.filled);
    if state.busy {
        (BUSY, 0, 0)
    } else if has(QUERY) && (has(PEEK) || has(DISCARD)) {
        (INVALID_ARGUMENT, 0, 0)
    } else if has(QUERY) {
        (OK, state.filled, 0)
    } else if has(DISCARD) && has(PEEK) || !wanted.is_multiple_of(ELEMENT) {
        (INVALID_ARGUMENT, 0, 0)
    } else if has(READ_ALL_OR_NONE) && wanted > state.filled {
        if_open(OUT_OF_RANGE)
    } else if amount == 0 {
        if_open(SHOULD_WAIT)
    } else if !has(DISCARD) && !has_elements {
        (INVALID_ARGUMENT, 0, 0)
    } else {
        (OK, amount, if has(PEEK) { 0 } else { amount })
    }
}

#[test]
fn reading_checks_in_the_documented_order_with_every_combination_of_flags() {
    for state in State::all() {
        for wanted in SIZES {
            for flags in 0..16 {
                for (has_elements, flags) in [(true, flags), (false, flags), (true, flags | !15)] {
                    let Some(pipe) = state.for_reading() else { continue };
                    let what = format!("{state:?} {wanted} {flags:x} {has_elements}");
                    let (expected, reported, consumed) = expected_of_reading(state, wanted, flags, has_elements);
                    let mut elements = [0xEE; 100];
                    let mut num_bytes = wanted as u32;
                    let given = has_elements.then_some(&mut elements[..]);
                    let was_new = satisfied(pipe.consumer) & N != 0;
                    let code = calls::read_data(pipe.consumer, given, Some(&mut num_bytes), flags);
                    assert_eq!(code, expected, "{what}");
                    assert_eq!(num_bytes as usize, if code == OK { reported } else { wanted }, "{what}");
                    let is_copied = code == OK && flags & (QUERY | DISCARD) == 0;
                    let copied = if is_copied { reported } else { 0 };
                    assert_eq!(elements[..copied], TEXT[..copied], "{what}");
                    assert!(elements[copied..].iter().all(|byte| *byte == 0xEE), "{what}");
                    // Unless it is refused for its arguments, whatever is there is no longer new.
                    let is_new = satisfied(pipe.consumer) & N != 0;
                    assert_eq!(is_new, was_new && code == INVALID_ARGUMENT, "{what}");
                    pipe.end(&TEXT[consumed..state.filled]);
                }
            }
        }
    }
}

#[test]
fn all_or_none_reads_and_writes_exactly_what_is_asked_for() {
    let (producer, consumer) = data_pipe(1, 10);
    let bytes = |len: usize| (0..len as u8).collect::<Vec<u8>>();
    assert_eq!(write_data(producer, &bytes(20), 1), Err(OUT_OF_RANGE));
    assert_eq!(write_data(producer, &bytes(5), 1), Ok(5));
    assert_eq!(write_data(producer, &bytes(6), 1), Err(OUT_OF_RANGE));
    for flags in [0, DISCARD, PEEK] {
        assert_eq!(read_data(consumer, 11, flags | 1), Err(OUT_OF_RANGE));
        assert_eq!(read_data(consumer, 6, flags | 1), Err(OUT_OF_RANGE));
    }
    assert_eq!(read_data(consumer, 5, PEEK | 1).unwrap(), bytes(5));
    assert_eq!(read_data(consumer, 5, 1).unwrap(), bytes(5));
    assert_eq!(write_data(producer, &bytes(10), 1), Ok(10));
    assert_eq!(write_data(producer, &bytes(1), 1), Err(OUT_OF_RANGE));
    close(producer).unwrap();
    assert_eq!(read_data(consumer, 11, 1), Err(FAILED_PRECONDITION));
    assert_eq!(read_data(consumer, 10, 1).unwrap(), bytes(10));
    assert_eq!(read_data(consumer, 1, 1), Err(FAILED_PRECONDITION));
    close(consumer).unwrap();
}

// ---- two-phase -------------------------------------------------------------------------------------------

#[test]
fn beginning_to_write_checks_in_the_documented_order_and_offers_the_contiguous_room() {
    for state in State::all() {
        for flags in [0, 1, u32::MAX, u32::MAX - 1] {
            let Some(pipe) = state.for_writing() else { continue };
            let offered = state.in_one_piece(state.free(), state.turned + state.filled);
            let expected = if flags & WRITE_ALL_OR_NONE != 0 {
                Err(INVALID_ARGUMENT)
            } else if state.busy {
                Err(BUSY)
            } else if state.closed {
                Err(FAILED_PRECONDITION)
            } else if state.free() == 0 {
                Err(SHOULD_WAIT)
            } else {
                Ok(offered)
            };
            let window = begin_write(pipe.producer, flags);
            assert_eq!(window.map(|window| window.len), expected, "{state:?} {flags:x}");
            if let Ok(window) = window {
                window.write(0, &TEXT[..offered]);
                end_write(pipe.producer, offered).unwrap();
            }
            let written = if window.is_ok() { offered } else { 0 };
            pipe.end(&[&TEXT[..state.filled], &TEXT[..written]].concat());
        }
    }
}

#[test]
fn beginning_to_read_checks_in_the_documented_order_and_offers_the_contiguous_data() {
    for state in State::all() {
        for flags in (0..16).chain([!15]) {
            let Some(pipe) = state.for_reading() else { continue };
            let offered = state.in_one_piece(state.filled, state.turned);
            let expected = if state.busy {
                Err(BUSY)
            } else if flags & 15 != 0 {
                Err(INVALID_ARGUMENT)
            } else if state.filled == 0 {
                Err(if state.closed { FAILED_PRECONDITION } else { SHOULD_WAIT })
            } else {
                Ok(offered)
            };
            let was_new = satisfied(pipe.consumer) & N != 0;
            let window = begin_read(pipe.consumer, flags);
            assert_eq!(window.map(|window| window.len), expected, "{state:?} {flags:x}");
            if let Ok(window) = window {
                assert_eq!(window.bytes(), TEXT[..offered]);
                assert_eq!(satisfied(pipe.consumer) & (R | N), 0);
                end_read(pipe.consumer, offered).unwrap();
                pipe.end(&TEXT[offered..state.filled]);
            } else {
                let is_new = satisfied(pipe.consumer) & N != 0;
                assert_eq!(is_new, was_new && window == Err(INVALID_ARGUMENT), "{state:?} {flags:x}");
                pipe.end(&TEXT[..state.filled]);
            }
        }
    }
}

#[test]
fn the_size_on_input_is_not_a_request() {
    for hint in [0, 1, 100] {
        let (producer, consumer) = data_pipe(1, 8);
        let (mut to, mut from, mut num_bytes) = (stale_address(), stale_address::<u8>().cast_const(), hint);
        assert_eq!(calls::begin_write(producer, Some(&mut to), Some(&mut num_bytes), 0), OK);
        assert_eq!(num_bytes, 8);
        end_write(producer, 8).unwrap();
        num_bytes = hint;
        assert_eq!(calls::begin_read(consumer, Some(&mut from), Some(&mut num_bytes), 0), OK);
        assert_eq!(num_bytes, 8);
        close_all(&[producer, consumer]);
    }
}

#[test]
fn ending_ends_in_any_case_and_transfers_only_what_is_valid() {
    for closed in [false, true] {
        for (amount, expected) in [
            (0, Ok(())),
            (2, Ok(())),
            (6, Ok(())),
            (1, Err(INVALID_ARGUMENT)),
            (3, Err(INVALID_ARGUMENT)),
            (8, Err(INVALID_ARGUMENT)),
            (u32::MAX as usize - 1, Err(INVALID_ARGUMENT)),
            (u32::MAX as usize, Err(INVALID_ARGUMENT)),
        ] {
            // Six bytes of room.
            let pipe = State { turned: 0, filled: 2, busy: true, closed }.for_writing().unwrap();
            assert_eq!(end_write(pipe.producer, amount), expected, "{amount}");
            assert_eq!(end_write(pipe.producer, 0), Err(FAILED_PRECONDITION), "it has ended");
            if !closed {
                let written = if expected.is_ok() { amount as u32 } else { 0 };
                assert_eq!(available(pipe.consumer), Ok(2 + written));
            }
            let _ = (close(pipe.producer), close(pipe.consumer));

            // Six bytes of data.
            let pipe = State { turned: 0, filled: 6, busy: true, closed }.for_reading().unwrap();
            assert_eq!(end_read(pipe.consumer, amount), expected, "{amount}");
            assert_eq!(end_read(pipe.consumer, 0), Err(FAILED_PRECONDITION), "it has ended");
            pipe.end(&TEXT[if expected.is_ok() { amount } else { 0 }..6]);
        }
    }
}

#[test]
fn ending_what_has_not_begun_is_refused() {
    for state in State::all().into_iter().filter(|state| !state.busy) {
        for amount in [0, 1, 2, u32::MAX as usize] {
            let pipe = state.for_writing().unwrap();
            assert_eq!(end_write(pipe.producer, amount), Err(FAILED_PRECONDITION));
            pipe.end(&TEXT[..state.filled]);
            let pipe = state.for_reading().unwrap();
            assert_eq!(end_read(pipe.consumer, amount), Err(FAILED_PRECONDITION));
            pipe.end(&TEXT[..state.filled]);
        }
    }
}

#[test]
fn what_lies_open_is_not_disturbed_by_the_other_end() {
    let (producer, consumer) = data_pipe(1, 8);
    write_data(producer, b"abcd", 0).unwrap();
    let reading = begin_read(consumer, 0).unwrap();
    let writing = begin_write(producer, 0).unwrap();
    assert_eq!((reading.len, writing.len), (4, 4));
    writing.write(0, b"ef");
    end_write(producer, 2).unwrap();
    assert_eq!(write_data(producer, b"ghi", 0), Ok(2));
    close(producer).unwrap();
    assert_eq!(reading.bytes(), b"abcd");
    assert_eq!(read_data(consumer, 1, QUERY), Err(BUSY));
    end_read(consumer, 1).unwrap();
    assert_eq!(read_data(consumer, 8, 0).unwrap(), b"bcdefgh");
    close(consumer).unwrap();
}

// ---- missing pointers ------------------------------------------------------------------------------------

#[test]
fn pointers_that_are_missing_are_refused_before_anything_happens() {
    for state in State::all() {
        if let Some(pipe) = state.for_writing() {
            assert_eq!(calls::write_data(pipe.producer, Some(TEXT), None, 0), INVALID_ARGUMENT);
            let (mut buffer, mut num_bytes) = (stale_address(), STALE_SIZE);
            assert_eq!(calls::begin_write(pipe.producer, None, Some(&mut num_bytes), 0), INVALID_ARGUMENT);
            assert_eq!(calls::begin_write(pipe.producer, Some(&mut buffer), None, 0), INVALID_ARGUMENT);
            assert_eq!((buffer, num_bytes), (stale_address(), STALE_SIZE));
            let in_progress = end_write(pipe.producer, 0);
            assert_eq!(in_progress, if state.busy { Ok(()) } else { Err(FAILED_PRECONDITION) });
            pipe.end(&TEXT[..state.filled]);
        }
        if let Some(pipe) = state.for_reading() {
            let before = signals(pipe.consumer);
            for flags in [0, DISCARD, QUERY, PEEK] {
                assert_eq!(calls::read_data(pipe.consumer, Some(&mut [0; 8]), None, flags), INVALID_ARGUMENT);
            }
            let (mut buffer, mut num_bytes) = (stale_address::<u8>().cast_const(), STALE_SIZE);
            assert_eq!(calls::begin_read(pipe.consumer, None, Some(&mut num_bytes), 0), INVALID_ARGUMENT);
            assert_eq!(calls::begin_read(pipe.consumer, Some(&mut buffer), None, 0), INVALID_ARGUMENT);
            assert_eq!((buffer, num_bytes), (stale_address::<u8>().cast_const(), STALE_SIZE));
            assert_eq!(signals(pipe.consumer), before);
            let in_progress = end_read(pipe.consumer, 0);
            assert_eq!(in_progress, if state.busy { Ok(()) } else { Err(FAILED_PRECONDITION) });
            pipe.end(&TEXT[..state.filled]);
        }
    }
}

// ---- signals ---------------------------------------------------------------------------------------------

/// An operation on a data pipe, and the signals of the producer and of the consumer after it. No signals: closed.
type Step = (&'static str, fn(&Pipe) -> MojoResult, Option<(u32, u32)>, Option<(u32, u32)>);

/// Goes through steps and compares the signals, and what watchers are told, with what they should be.
fn walk(steps: &[Step]) {
    let (producer, consumer) = data_pipe(1, 4);
    let pipe = Pipe { producer, consumer };
    let mut ends = [Some(Observed::new(producer)), Some(Observed::new(consumer))];
    for (name, operation, producer, consumer) in steps {
        println!("{name}");
        operation(&pipe);
        let callbacks = callbacks();
        for (end, expected) in ends.iter_mut().zip([producer, consumer]) {
            match expected {
                Some(expected) => end.as_mut().unwrap().check(*expected, &callbacks),
                None => *end = None,
            }
        }
    }
    drop(ends);
    let _ = (close(producer), close(consumer));
}

const PRODUCER: u32 = W | C;
const CONSUMER: u32 = R | N | C;

#[test]
fn signals_follow_data_and_looking_at_it() {
    const WRITABLE: Option<(u32, u32)> = Some((W, PRODUCER));
    const EMPTY: Option<(u32, u32)> = Some((0, CONSUMER));
    const NEW: Option<(u32, u32)> = Some((R | N, CONSUMER));
    const SEEN: Option<(u32, u32)> = Some((R, CONSUMER));
    walk(&[
        ("fresh", |_| OK, WRITABLE, EMPTY),
        ("empty write", |pipe| code(write_data(pipe.producer, b"", 0)), WRITABLE, EMPTY),
        ("write", |pipe| code(write_data(pipe.producer, b"ab", 0)), WRITABLE, NEW),
        ("fill", |pipe| code(write_data(pipe.producer, b"cdef", 0)), Some((0, PRODUCER)), NEW),
        ("write in vain", |pipe| code(write_data(pipe.producer, b"g", 0)), Some((0, PRODUCER)), NEW),
        ("query", |pipe| code(available(pipe.consumer)), Some((0, PRODUCER)), SEEN),
        ("read", |pipe| code(read_data(pipe.consumer, 1, 0)), WRITABLE, SEEN),
        ("write more", |pipe| code(write_data(pipe.producer, b"x", 0)), Some((0, PRODUCER)), NEW),
        ("peek", |pipe| code(read_data(pipe.consumer, 1, PEEK)), Some((0, PRODUCER)), SEEN),
        ("discard", |pipe| code(read_data(pipe.consumer, 2, DISCARD)), WRITABLE, SEEN),
        ("write more", |pipe| code(write_data(pipe.producer, b"y", 0)), WRITABLE, NEW),
        ("refused read", |pipe| code(read_data(pipe.consumer, 4, 1)), WRITABLE, SEEN),
        ("write more", |pipe| code(write_data(pipe.producer, b"z", 0)), Some((0, PRODUCER)), NEW),
        ("zero read", |pipe| code(read_data(pipe.consumer, 0, 0)), Some((0, PRODUCER)), SEEN),
        ("drain", |pipe| code(read_data(pipe.consumer, 4, 0)), WRITABLE, EMPTY),
        ("empty read", |pipe| code(read_data(pipe.consumer, 4, 0)), WRITABLE, EMPTY),
    ]);
}

#[test]
fn signals_follow_two_phase_operations() {
    const WRITABLE: Option<(u32, u32)> = Some((W, PRODUCER));
    const OFF: Option<(u32, u32)> = Some((0, PRODUCER));
    const EMPTY: Option<(u32, u32)> = Some((0, CONSUMER));
    const NEW: Option<(u32, u32)> = Some((R | N, CONSUMER));
    const SEEN: Option<(u32, u32)> = Some((R, CONSUMER));
    walk(&[
        ("begin to write", |pipe| code(begin_write(pipe.producer, 0)), OFF, EMPTY),
        ("end with nothing", |pipe| code(end_write(pipe.producer, 0)), WRITABLE, EMPTY),
        ("begin to write", |pipe| code(begin_write(pipe.producer, 0)), OFF, EMPTY),
        ("end with too much", |pipe| code(end_write(pipe.producer, 5)), WRITABLE, EMPTY),
        ("begin to write", |pipe| code(begin_write(pipe.producer, 0)), OFF, EMPTY),
        ("end", |pipe| code(end_write(pipe.producer, 1)), WRITABLE, NEW),
        ("begin to read", |pipe| code(begin_read(pipe.consumer, 0)), WRITABLE, EMPTY),
        ("write meanwhile", |pipe| code(write_data(pipe.producer, b"b", 0)), WRITABLE, EMPTY),
        ("end with nothing", |pipe| code(end_read(pipe.consumer, 0)), WRITABLE, NEW),
        ("begin to read", |pipe| code(begin_read(pipe.consumer, 0)), WRITABLE, EMPTY),
        ("end with too much", |pipe| code(end_read(pipe.consumer, 3)), WRITABLE, SEEN),
        ("begin to write", |pipe| code(begin_write(pipe.producer, 0)), OFF, SEEN),
        ("read meanwhile", |pipe| code(read_data(pipe.consumer, 2, 0)), OFF, EMPTY),
        ("end with all", |pipe| code(end_write(pipe.producer, 2)), WRITABLE, NEW),
        ("begin to read", |pipe| code(begin_read(pipe.consumer, 0)), WRITABLE, EMPTY),
        ("fill meanwhile", |pipe| code(write_data(pipe.producer, b"cd", 0)), OFF, EMPTY),
        ("end with some", |pipe| code(end_read(pipe.consumer, 1)), WRITABLE, NEW),
    ]);
}

#[test]
fn signals_follow_the_closure_of_the_producer() {
    const DONE: Option<(u32, u32)> = Some((C, C));
    walk(&[("close", |pipe| code(close(pipe.producer)), None, DONE)]);
    walk(&[
        ("write", |pipe| code(write_data(pipe.producer, b"ab", 0)), Some((W, PRODUCER)), Some((R | N, CONSUMER))),
        ("close", |pipe| code(close(pipe.producer)), None, Some((R | N | C, CONSUMER))),
        ("query", |pipe| code(available(pipe.consumer)), None, Some((R | C, R | C))),
        ("begin to read", |pipe| code(begin_read(pipe.consumer, 0)), None, Some((C, R | C))),
        ("end", |pipe| code(end_read(pipe.consumer, 1)), None, Some((R | C, R | C))),
        ("drain", |pipe| code(read_data(pipe.consumer, 1, 0)), None, DONE),
    ]);
    walk(&[
        ("write", |pipe| code(write_data(pipe.producer, b"a", 0)), Some((W, PRODUCER)), Some((R | N, CONSUMER))),
        ("begin to read", |pipe| code(begin_read(pipe.consumer, 0)), Some((W, PRODUCER)), Some((0, CONSUMER))),
        ("write meanwhile", |pipe| code(write_data(pipe.producer, b"b", 0)), Some((W, PRODUCER)), Some((0, CONSUMER))),
        ("close meanwhile", |pipe| code(close(pipe.producer)), None, Some((C, CONSUMER))),
        ("end", |pipe| code(end_read(pipe.consumer, 1)), None, Some((R | N | C, CONSUMER))),
        ("drain", |pipe| code(read_data(pipe.consumer, 1, 0)), None, DONE),
    ]);
    walk(&[
        ("begin to write", |pipe| code(begin_write(pipe.producer, 0)), Some((0, PRODUCER)), Some((0, CONSUMER))),
        ("close", |pipe| code(close(pipe.producer)), None, DONE),
    ]);
}

#[test]
fn signals_follow_the_closure_of_the_consumer() {
    const DONE: Option<(u32, u32)> = Some((C, C));
    walk(&[("close", |pipe| code(close(pipe.consumer)), DONE, None)]);
    walk(&[
        ("fill", |pipe| code(write_data(pipe.producer, b"abcd", 0)), Some((0, PRODUCER)), Some((R | N, CONSUMER))),
        ("close", |pipe| code(close(pipe.consumer)), DONE, None),
    ]);
    walk(&[
        ("begin to write", |pipe| code(begin_write(pipe.producer, 0)), Some((0, PRODUCER)), Some((0, CONSUMER))),
        ("close", |pipe| code(close(pipe.consumer)), DONE, None),
        ("end", |pipe| code(end_write(pipe.producer, 1)), DONE, None),
    ]);
}

// ---- transfer --------------------------------------------------------------------------------------------

#[test]
fn an_end_keeps_bytes_positions_and_closure_in_a_message() {
    for (turned, filled) in [(0, 0), (0, 6), (6, 6), (2, 8)] {
        for closed in [false, true] {
            let pipe = State { turned, filled, busy: false, closed }.for_reading().unwrap();
            available(pipe.consumer).unwrap();
            let consumer = pass(pipe.consumer);
            let expected = match (filled > 0, closed) {
                (true, false) => (R | N, CONSUMER),
                (true, true) => (R | N | C, CONSUMER),
                (false, false) => (0, CONSUMER),
                (false, true) => (C, C),
            };
            assert_eq!(signals(consumer), Ok(expected), "what has arrived is new to whoever gets it");
            Pipe { producer: pipe.producer, consumer }.end(&TEXT[..filled]);

            let pipe = State { turned, filled, busy: false, closed }.for_writing().unwrap();
            let producer = pass(pipe.producer);
            let expected = match (filled < CAPACITY, closed) {
                (true, false) => (W, PRODUCER),
                (false, false) => (0, PRODUCER),
                (_, true) => (C, C),
            };
            assert_eq!(signals(producer), Ok(expected));
            Pipe { producer, consumer: pipe.consumer }.end(&TEXT[..filled]);
        }
    }
}

#[test]
fn the_other_end_goes_on_while_one_is_in_a_message() {
    let (producer, consumer) = data_pipe(1, 4);
    let moving = built(b"", &[consumer]);
    assert_eq!(write_data(producer, b"abcdef", 0), Ok(4));
    assert_eq!(signals(producer), Ok((0, PRODUCER)));
    close(producer).unwrap();
    commit(moving, 0).unwrap();
    let consumer = take(moving).unwrap().1[0];
    assert_eq!(signals(consumer), Ok((R | N | C, CONSUMER)));
    assert_eq!(read_data(consumer, 9, 0).unwrap(), b"abcd");
    close(consumer).unwrap();
    destroy(moving).unwrap();
}
