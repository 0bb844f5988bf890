//! A node, driven by this thread, at the other end of which is a hostile process whose words the bytes decide. Whatever it
//! says, the node has nothing left of it in the end, and its friend notices nothing.

use crate::attacker::{self, Attacker, NAME, PEER, PORT, PREVIOUS, data_pipe_memory, message, port, wrong_descriptor};
use crate::scene::Scene;
use libmojo::{Handle, Message, MessagePipe, Waitable};
use libmojo_core::node::fuzzing::{self, Frame, Input};
use libmojo_platform::SharedMemory;
use libmojo_ports::{Address, Amount, Body, Event, Meter, NodeName, PortDescriptor, PortName, Receiving, Sending};

thread_local! {
    static SCENE: Scene = Scene::new();
}

/// See the module.
pub fn link(data: &[u8]) {
    SCENE.with(|scene| attack(scene, data));
}

fn attack(scene: &Scene, data: &[u8]) {
    let mut input = Input::new(data);
    let before = scene.holdings();
    let way = input.u8();
    let (pipe, mut attacker) = attacker::begin(&scene.node, way & 1 == 0, None);
    scene.turn();
    attacker.listen();
    let hello = attacker.hello(way & 2 == 0);
    say(&mut attacker, &mut input, &hello, way & 4 == 0);
    if let Some(invitation) = attacker.invitation() {
        say(&mut attacker, &mut input, &invitation, way & 8 == 0);
    }
    scene.turn();
    if way & 2 == 0 {
        scene.go_on_in_memory(&mut attacker, way & 1 == 0);
    }
    let mut program = Program { pipe, held: Vec::new() };
    let mut held_back: Option<Frame> = None;
    while !input.is_empty() {
        match input.u8() {
            0..128 => {
                let frame = any_frame(&mut input, attacker.victim.unwrap_or(NAME));
                let is_honest = !input.once_in(4);
                say(&mut attacker, &mut input, &frame, is_honest);
                match input.u8() % 16 {
                    0 => attacker.say(&frame),
                    1 => held_back = Some(frame),
                    2 => held_back.take().iter().for_each(|frame| attacker.say(frame)),
                    _ => {}
                }
            }
            128..144 => {
                if let Some(lanes) = attacker.lanes() {
                    let (word, number) = (input.below(16), input.number());
                    lanes.change(word, |old| if number & 1 == 0 { number } else { old.wrapping_add(number) });
                }
                attacker.ring();
            }
            144..200 => scene.turn(),
            _ => program.step(&mut input, scene),
        }
    }
    scene.turn();
    let Program { pipe, held } = program;
    drop((held, held_back));
    scene.end(pipe, attacker, before);
}

/// Says a frame as it is, or with something in it changed.
fn say(attacker: &mut Attacker, input: &mut Input<'_>, frame: &Frame, is_honest: bool) {
    let mut bytes = frame.bytes();
    if !is_honest {
        match input.u8() % 4 {
            0 => bytes.truncate(input.below(bytes.len())),
            1 => bytes.extend(input.bytes(16)),
            _ => {
                // Wherever a field begins, and however long it is, this finds it.
                let (at, len) = (input.below(bytes.len()), 1 << input.below(5));
                let number = u128::from(input.number()).to_le_bytes();
                bytes.iter_mut().skip(at).zip(number).take(len).for_each(|(byte, new)| *byte = new);
            }
        }
    }
    if attacker.lanes().is_some() {
        let is_large = input.once_in(4);
        attacker.show(frame, &bytes, is_large);
    } else {
        attacker.say_changed(frame, &bytes);
    }
}

// ---- frames ----------------------------------------------------------------------------------------------

fn any_frame(input: &mut Input<'_>, victim: NodeName) -> Frame {
    let number = input.number();
    let name = |input: &mut Input<'_>| [NAME.0, victim.0, 3, 4, 5][input.below(5)];
    match input.u8() % 32 {
        0 => fuzzing::ask(number, name(input)),
        1 => fuzzing::known(number, &[(name(input), name(input))]),
        2 => fuzzing::meet(number, std::array::from_fn(|_| name(input)), None),
        3 | 4 => {
            let socket = libmojo::socket_pair().unwrap().0;
            let socket = if input.once_in(4) { wrong_descriptor(input.below(8)) } else { socket };
            fuzzing::meet(number, std::array::from_fn(|_| name(input)), Some(socket))
        }
        5 => fuzzing::met(number, input.once_in(2)),
        6 => fuzzing::talk(number),
        7 => fuzzing::parted(number),
        8 => fuzzing::report(number, "bad"),
        9 => fuzzing::taken(input.once_in(2)),
        10 => fuzzing::switch(),
        11 => fuzzing::region(wrong_descriptor(input.below(8))),
        12 => fuzzing::invitation(&[(b"pipe".to_vec(), any_port(input, victim))]),
        13..24 => any_message(input, victim),
        _ => any_event(input, victim),
    }
}

fn any_name(input: &mut Input<'_>) -> PortName {
    [PORT, PORT, PORT, PEER, PREVIOUS, PortName(0x2001), PortName(0x2002), PortName(0x2003)][input.below(8)]
}

fn any_address(input: &mut Input<'_>, victim: NodeName) -> Address {
    let node = [NAME, victim, NodeName(0xBAD)][input.below(3)];
    Address { node, port: any_name(input) }
}

fn any_amount(input: &mut Input<'_>) -> Amount {
    Amount { messages: input.number(), bytes: input.number() }
}

fn any_port(input: &mut Input<'_>, victim: NodeName) -> PortDescriptor {
    let shape = input.u8();
    let mut port = port(any_name(input));
    if shape & 3 == 0 {
        port.peer = (shape & 4 == 0).then(|| any_address(input, victim));
        port.previous = any_name(input);
        port.has_sent = shape & 8 == 0;
        port.sending = (shape & 16 == 0).then(|| Box::new(Sending::from_parts(any_amount(input), any_amount(input))));
        port.receiving = (shape & 32 == 0).then(|| {
            let meter = Meter { step: any_amount(input), taken: any_amount(input), uncounted: input.number() };
            Box::new(Receiving::from_parts(any_amount(input), (shape & 64 == 0).then_some(meter)))
        });
    }
    port
}

/// The place of an event: mostly one that is to come next.
fn any_head(input: &mut Input<'_>) -> (PortName, PortName, u64) {
    let from = if input.once_in(8) { any_name(input) } else { PREVIOUS };
    let number = if input.once_in(8) { input.number() } else { u64::from(input.u8() % 8) };
    (any_name(input), from, number)
}

fn any_event(input: &mut Input<'_>, victim: NodeName) -> Frame {
    let (to, from, number) = any_head(input);
    let body = match input.u8() % 9 {
        0 => Body::Message { message: libmojo_core::message::Message::with_payload(b"mere"), ports: Vec::new() },
        1 => Body::Closure,
        2 => Body::PreviousHop(any_address(input, victim)),
        3 => Body::ObserveProxyAck,
        4 => Body::Accepted,
        5 => Body::ObserveProxy(any_address(input, victim)),
        6 => Body::Probe { origin: any_name(input), hops_left: input.u16() },
        7 => Body::Meter { step: any_amount(input), uncounted: (input.once_in(2)).then(|| input.number()) },
        _ => Body::Credit(any_amount(input)),
    };
    fuzzing::event(Event { to, from, number, body })
}

fn any_message(input: &mut Input<'_>, victim: NodeName) -> Frame {
    let head = any_head(input);
    let (mut attachments, mut ports, mut descriptors) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..input.below(4) {
        let wrong = (input.once_in(8)).then(|| wrong_descriptor(input.below(8)));
        match input.u8() % 6 {
            0 => {
                attachments.push(vec![0]);
                ports.push(any_port(input, victim));
            }
            kind @ (1 | 2) => {
                let (element, capacity) = (1 + u32::from(input.u8() % 3), u32::from(input.u8()));
                let (index, other) = (input.number(), input.number());
                let memory = data_pipe_memory(capacity, index, other);
                let numbers = [element.to_le_bytes(), capacity.to_le_bytes()].concat();
                attachments.push([vec![kind], numbers, index.to_le_bytes().to_vec()].concat());
                descriptors.push(wrong.unwrap_or(memory));
                ports.push(any_port(input, victim));
            }
            3 => {
                let len = 1 + u64::from(input.u8());
                let said = if input.once_in(8) { input.number() } else { len };
                let memory = SharedMemory::create(len, true).unwrap().into_descriptors();
                attachments.push([&[3][..], &said.to_le_bytes(), &[0; 16], &[1, 1]].concat());
                descriptors.push(wrong.unwrap_or(memory.0.unwrap()));
                descriptors.extend(memory.1);
            }
            4 => {
                attachments.push(vec![4, 1]);
                descriptors.push(wrong.unwrap_or_else(|| wrong_descriptor(6)));
            }
            _ => attachments.push(vec![5, 0]),
        }
    }
    let payload = vec![1; input.below(40)];
    message(head, &attachments, &ports, &payload, descriptors)
}

// ---- the program -----------------------------------------------------------------------------------------

/// What the victim's program does with what it gets.
struct Program {
    pipe: MessagePipe,
    held: Vec<Handle>,
}

impl Program {
    fn step(&mut self, input: &mut Input<'_>, scene: &Scene) {
        match input.u8() % 8 {
            0..4 => {
                if let Ok(mut message) = self.pipe.try_recv() {
                    self.held.extend(message.take_handles().unwrap_or_default());
                }
            }
            4 => {
                let (a, b) = MessagePipe::create_on(&scene.node);
                let _ = self.pipe.send(Message::new(&vec![2; input.below(5000)]).with(a));
                self.held.push(b.into());
            }
            5 if !self.held.is_empty() => {
                let handle = self.held.swap_remove(input.below(self.held.len()));
                let to = if input.once_in(2) { &self.pipe } else { &scene.pipe };
                let _ = to.send(Message::new(b"").with(handle));
            }
            _ if !self.held.is_empty() => {
                let at = input.below(self.held.len());
                self.touch(at, input);
            }
            _ => {}
        }
    }

    /// Uses something that has come.
    fn touch(&mut self, at: usize, input: &mut Input<'_>) {
        let handle = self.held.swap_remove(at);
        let handle: Handle = match handle {
            Handle::Pipe(pipe) => {
                let _ = (pipe.send(Message::new(b"hello")), pipe.signals());
                if let Ok(mut message) = pipe.try_recv() {
                    self.held.extend(message.take_handles().unwrap_or_default());
                }
                pipe.into()
            }
            Handle::Producer(producer) => {
                let _ = (producer.try_write(&vec![1; input.below(100)]), producer.signals());
                producer.into()
            }
            Handle::Consumer(consumer) => {
                let mut bytes = vec![0; input.below(100)];
                if let Ok(read) = consumer.try_read(&mut bytes) {
                    assert!(read <= bytes.len());
                }
                consumer.into()
            }
            Handle::Buffer(buffer) => {
                if let Ok(mapping) = buffer.map(0, buffer.num_bytes()) {
                    let mut byte = [0];
                    let _ = (mapping.read(0, &mut byte), mapping.write(0, &[1]));
                }
                buffer.into()
            }
            other => other,
        };
        if !input.once_in(4) {
            self.held.push(handle);
        }
    }
}
