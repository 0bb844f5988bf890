//! Steps with data pipes, shared buffers and native handles.

use crate::calls::{self, Spelling, Unwrapped, own};
use crate::steps::{FILE_BYTES, Mapped, Run};
use crate::support::*;
use crate::world::*;
use mojo_system::*;
use std::fs::File;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::fs::{FileExt, MetadataExt};

impl Run {
    pub fn create_data_pipe(&mut self) {
        if self.has_plenty() {
            return;
        }
        let size = self.choose(&[0, 3, 15, 16, 16, 16, 16, 24]);
        let flags = self.choose(&[0, 0, 0, 1, 1 << 31]);
        let element = self.choose(&[0, 1, 1, 2, 3, 5]);
        let count = self.random.below(6) as u32;
        let off = u32::from(self.random.once_in(10));
        let capacity = if self.random.once_in(30) { 0 } else { element * count.max(1) + off };
        let expected = match (size, flags, element) {
            (0..16, ..) => INVALID_ARGUMENT,
            (_, 1.., _) => UNIMPLEMENTED,
            (.., 0) => INVALID_ARGUMENT,
            _ if !capacity.is_multiple_of(element) => INVALID_ARGUMENT,
            _ => OK,
        };
        let made = create_data_pipe(&options(size, &[flags, element, capacity]));
        self.answered(&format!("create data pipe {element} {capacity}"), code(made), expected);
        if let Ok((producer, consumer)) = made {
            let capacity = if capacity == 0 { 65_536 / element * element } else { capacity };
            let ids = self.world.add_stream(element as usize, capacity as usize);
            self.named(producer, ids.0);
            self.named(consumer, ids.1);
        }
    }

    /// The number of the data pipe whose producer this is, and whether its consumer is closed.
    fn writing_to(&mut self, id: Option<Id>) -> Option<(usize, bool)> {
        let Thing::Producer(stream) = *self.world.thing(id?) else { return None };
        Some((stream, self.world.place(self.world.streams[stream].consumer) == Place::Gone))
    }

    fn reading_from(&mut self, id: Option<Id>) -> Option<(usize, bool)> {
        let Thing::Consumer(stream) = *self.world.thing(id?) else { return None };
        Some((stream, self.world.place(self.world.streams[stream].producer) == Place::Gone))
    }

    /// An amount of bytes, fewer than 30, mostly of whole elements.
    fn some_bytes(&mut self, id: Option<Id>) -> usize {
        let stream = match id.map(|id| self.world.thing(id)) {
            Some(Thing::Producer(stream) | Thing::Consumer(stream)) if !self.random.once_in(10) => *stream,
            _ => return self.random.below(30),
        };
        self.random.below(6) * self.world.streams[stream].element
    }

    fn streamed(&mut self, stream: usize) {
        let Stream { producer, consumer, .. } = self.world.streams[stream];
        self.world.changed(producer);
        self.world.changed(consumer);
    }

    pub fn write_bytes(&mut self) {
        let (producer, id) = self.handle(Kind::Producer);
        let (len, flags) = (self.some_bytes(id), self.choose(&[0, 0, 1, !1]));
        let bytes = self.random.bytes(len);
        let (has_elements, has_place) = (!self.random.once_in(20), !self.random.once_in(30));
        let expected = match self.writing_to(id).filter(|_| has_place) {
            None => Err(INVALID_ARGUMENT),
            Some((number, closed)) => {
                let stream = &mut self.world.streams[number];
                if stream.writing.is_some() {
                    Err(BUSY)
                } else if closed {
                    Err(FAILED_PRECONDITION)
                } else if !len.is_multiple_of(stream.element) || (len > 0 && !has_elements) {
                    Err(INVALID_ARGUMENT)
                } else if flags & 1 != 0 && len > stream.free() {
                    Err(OUT_OF_RANGE)
                } else if len > 0 && stream.free() == 0 {
                    Err(SHOULD_WAIT)
                } else {
                    let amount = len.min(stream.free());
                    stream.put(&bytes[..amount]);
                    self.streamed(number);
                    Ok(amount)
                }
            }
        };
        let mut num_bytes = len as u32;
        let (elements, place) = (has_elements.then_some(&bytes[..]), has_place.then_some(&mut num_bytes));
        let found = calls::write_data(producer, elements, place, flags);
        self.answered(&format!("write {len} bytes"), found, code(expected));
        assert_eq!(num_bytes as usize, expected.unwrap_or(len));
    }

    pub fn read_bytes(&mut self) {
        let (consumer, id) = self.handle(Kind::Consumer);
        let any = self.random.below(16) as u32;
        let flags = self.choose(&[0, 0, 0, 1, DISCARD, QUERY, PEEK, any, any]) | self.choose(&[0, 0, !15]);
        let wanted = self.some_bytes(id);
        let (has_elements, has_place) = (!self.random.once_in(20), !self.random.once_in(30));
        let has = |flag| flags & flag != 0;
        // How many bytes are reported, and what is copied.
        let expected = match self.reading_from(id).filter(|_| has_place) {
            None => Err(INVALID_ARGUMENT),
            Some((number, closed)) => {
                let stream = &mut self.world.streams[number];
                let there = stream.data.len();
                let amount = wanted.min(there);
                let refused = |code| Err(if closed { FAILED_PRECONDITION } else { code });
                let contradiction = (has(QUERY) && has(PEEK | DISCARD)) || (has(DISCARD) && has(PEEK));
                let answer = if stream.reading.is_some() {
                    Err(BUSY)
                } else if contradiction || (!has(QUERY) && !wanted.is_multiple_of(stream.element)) {
                    Err(INVALID_ARGUMENT)
                } else if has(QUERY) {
                    Ok((there, Vec::new()))
                } else if has(READ_ALL_OR_NONE) && wanted > there {
                    refused(OUT_OF_RANGE)
                } else if amount == 0 {
                    refused(SHOULD_WAIT)
                } else if !has(DISCARD) && !has_elements {
                    Err(INVALID_ARGUMENT)
                } else {
                    let bytes = stream.data.iter().copied().take(if has(DISCARD) { 0 } else { amount }).collect();
                    if !has(PEEK) {
                        stream.consume(amount);
                    }
                    Ok((amount, bytes))
                };
                if !matches!(answer, Err(BUSY | INVALID_ARGUMENT)) {
                    stream.is_new = false;
                    self.streamed(number);
                }
                answer
            }
        };
        let (mut bytes, mut num_bytes) = ([0xEE; 30], wanted as u32);
        let (elements, place) = (has_elements.then_some(&mut bytes[..]), has_place.then_some(&mut num_bytes));
        let found = calls::read_data(consumer, elements, place, flags);
        self.answered(
            &format!("read {wanted} bytes, {flags:x}"),
            found,
            expected.as_ref().err().copied().unwrap_or(OK),
        );
        let (amount, copied) = expected.unwrap_or((wanted, Vec::new()));
        assert_eq!(num_bytes as usize, amount);
        assert!(bytes[..copied.len()] == copied && bytes[copied.len()..].iter().all(|byte| *byte == 0xEE));
    }

    pub fn begin_to_write(&mut self) {
        let (producer, id) = self.handle(Kind::Producer);
        let flags = self.choose(&[0, 0, 0, 1, !1]);
        let expected = match self.writing_to(id) {
            None => Err(INVALID_ARGUMENT),
            Some(_) if flags & 1 != 0 => Err(INVALID_ARGUMENT),
            Some((number, closed)) => {
                let stream = &mut self.world.streams[number];
                let room = stream.contiguous_room();
                match (stream.writing, closed, room) {
                    (Some(_), ..) => Err(BUSY),
                    (_, true, _) => Err(FAILED_PRECONDITION),
                    (.., 0) => Err(SHOULD_WAIT),
                    _ => {
                        stream.writing = Some(room);
                        self.streamed(number);
                        Ok(room)
                    }
                }
            }
        };
        let window = begin_write(producer, flags);
        self.answered("begin to write", code(window), code(expected));
        assert_eq!(window.map(|window| window.len), expected);
        // What is written is a function of the place, so that whoever ends this knows it.
        if let (Ok(window), Some((number, _))) = (window, self.writing_to(id)) {
            window.write(0, &window_bytes(&self.world.streams[number], window.len));
        }
    }

    pub fn end_writing(&mut self) {
        let (producer, id) = self.handle(Kind::Producer);
        let choice = self.random.below(5);
        let mut amount = choice;
        let expected = match self.writing_to(id) {
            None => INVALID_ARGUMENT,
            Some((number, _)) => {
                let stream = &mut self.world.streams[number];
                match stream.writing.take() {
                    None => FAILED_PRECONDITION,
                    Some(offered) => {
                        amount = [0, stream.element.min(offered), offered, offered + stream.element, 1][choice];
                        let is_fit = amount <= offered && amount.is_multiple_of(stream.element);
                        if is_fit {
                            let bytes = window_bytes(stream, amount);
                            stream.put(&bytes);
                        }
                        self.streamed(number);
                        if is_fit { OK } else { INVALID_ARGUMENT }
                    }
                }
            }
        };
        self.answered(&format!("end writing {amount}"), code(end_write(producer, amount)), expected);
    }

    pub fn begin_to_read(&mut self) {
        let (consumer, id) = self.handle(Kind::Consumer);
        let flags = self.choose(&[0, 0, 0, 1, 2, 4, 8, !15]);
        let expected = match self.reading_from(id) {
            None => Err(INVALID_ARGUMENT),
            Some((number, closed)) => {
                let stream = &mut self.world.streams[number];
                let there = stream.contiguous_data();
                if stream.reading.is_some() {
                    Err(BUSY)
                } else if flags & 15 != 0 {
                    Err(INVALID_ARGUMENT)
                } else {
                    stream.is_new = false;
                    stream.reading = (there > 0).then_some(there);
                    self.streamed(number);
                    if there > 0 { Ok(there) } else { Err(if closed { FAILED_PRECONDITION } else { SHOULD_WAIT }) }
                }
            }
        };
        let window = begin_read(consumer, flags);
        self.answered("begin to read", code(window), code(expected));
        assert_eq!(window.map(|window| window.len), expected);
        if let (Ok(window), Some((number, _))) = (window, self.reading_from(id)) {
            assert!(window.bytes().iter().eq(self.world.streams[number].data.iter().take(window.len)));
        }
    }

    pub fn end_reading(&mut self) {
        let (consumer, id) = self.handle(Kind::Consumer);
        let choice = self.random.below(5);
        let mut amount = choice;
        let expected = match self.reading_from(id) {
            None => INVALID_ARGUMENT,
            Some((number, _)) => {
                let stream = &mut self.world.streams[number];
                match stream.reading.take() {
                    None => FAILED_PRECONDITION,
                    Some(offered) => {
                        amount = [0, stream.element.min(offered), offered, offered + stream.element, 1][choice];
                        let is_fit = amount <= offered && amount.is_multiple_of(stream.element);
                        stream.consume(if is_fit { amount } else { 0 });
                        self.streamed(number);
                        if is_fit { OK } else { INVALID_ARGUMENT }
                    }
                }
            }
        };
        self.answered(&format!("end reading {amount}"), code(end_read(consumer, amount)), expected);
    }

    // ---- shared buffers ----------------------------------------------------------------------------------

    fn add_buffer(&mut self, handle: MojoHandle, buffer: Buffer) {
        let id = self.world.add(Thing::Buffer(buffer), Place::Held);
        self.named(handle, id);
    }

    fn buffer(&mut self, id: Option<Id>) -> Option<Buffer> {
        match *self.world.thing(id?) {
            Thing::Buffer(buffer) => Some(buffer),
            _ => None,
        }
    }

    pub fn create_shared_buffer(&mut self) {
        if self.has_plenty() {
            return;
        }
        let len = self.choose(&[0, 1, 16, 5000, 1 << 40]);
        let options = options(self.choose(&[0, 4, 8, 8, 8]), &[self.choose(&[0, 0, 0, 1])]);
        let expected = match options[..] {
            [0, ..] => INVALID_ARGUMENT,
            [8, _, _, _, 1, ..] => UNIMPLEMENTED,
            _ if len == 0 => INVALID_ARGUMENT,
            _ if len > 1 << 30 => RESOURCE_EXHAUSTED,
            _ => OK,
        };
        let made = create_buffer(Some(&options), len);
        self.answered("create buffer", code(made), expected);
        if let Ok(handle) = made {
            self.world.memories.push(vec![0; len as usize]);
            let memory = self.world.memories.len() - 1;
            self.add_buffer(handle, Buffer { memory, len: len as usize, is_read_only: false, is_foreign: false });
        }
    }

    pub fn duplicate_buffer(&mut self) {
        let (handle, id) = self.handle(Kind::Buffer);
        let flags = self.choose(&[0, READ_ONLY, 2]);
        let source = self.buffer(id);
        let expected = match source {
            None => INVALID_ARGUMENT,
            Some(_) if flags == 2 => UNIMPLEMENTED,
            Some(buffer) if flags == READ_ONLY && buffer.is_foreign && !buffer.is_read_only => FAILED_PRECONDITION,
            Some(_) => OK,
        };
        let copy = duplicate(handle, flags);
        self.answered("duplicate", code(copy), expected);
        if let (Ok(copy), Some(buffer)) = (copy, source) {
            let is_read_only = buffer.is_read_only || flags == READ_ONLY;
            self.add_buffer(copy, Buffer { is_read_only, ..buffer });
        }
    }

    pub fn map_memory(&mut self) {
        let (handle, id) = self.handle(Kind::Buffer);
        let buffer = self.buffer(id);
        let (offset, len) = match buffer {
            Some(buffer) if self.random.once_in(2) => (0, buffer.len),
            _ => (self.random.below(5100), self.random.below(5100)),
        };
        if self.random.once_in(30) {
            let code = calls::map_buffer(handle, offset as u64, len as u64, None);
            return self.answered("map without place", code, INVALID_ARGUMENT);
        }
        let is_inside = buffer.is_some_and(|buffer| len > 0 && offset + len <= buffer.len);
        let mapping = map(handle, offset as u64, len as u64);
        self.answered("map", code(mapping), if is_inside { OK } else { INVALID_ARGUMENT });
        if let (Ok(at), Some(Buffer { memory, is_read_only, .. })) = (mapping, buffer) {
            self.mappings.push(Mapped { at, memory, offset, is_read_only });
        }
    }

    pub fn unmap_memory(&mut self) {
        if self.mappings.is_empty() || self.random.once_in(10) {
            let nothing =
                self.mappings.first().map_or(std::ptr::null_mut(), |mapped| mapped.at.address.wrapping_add(1));
            return self.answered("unmap nothing", MojoUnmapBuffer(nothing), INVALID_ARGUMENT);
        }
        let at = self.random.below(self.mappings.len());
        let mapped = self.mappings.swap_remove(at);
        self.answered("unmap", MojoUnmapBuffer(mapped.at.address), OK);
        self.answered("unmap again", MojoUnmapBuffer(mapped.at.address), INVALID_ARGUMENT);
    }

    pub fn touch_memory(&mut self) {
        if self.mappings.is_empty() {
            return;
        }
        let at = self.random.below(self.mappings.len());
        let Mapped { at, memory, offset, is_read_only } = self.mappings[at];
        let mut bytes = std::mem::take(&mut self.world.memories[memory]);
        assert!(at.bytes() == bytes[offset..offset + at.len]);
        if !is_read_only {
            self.scribble(at, &mut bytes[offset..offset + at.len]);
        }
        self.world.memories[memory] = bytes;
    }

    // ---- native handles ----------------------------------------------------------------------------------

    pub fn wrap_native(&mut self) {
        if self.has_plenty() {
            return;
        }
        let file = self.random.below(self.files.len());
        let fd = self.files[file].0.try_clone().unwrap();
        let (kind, size) = (self.choose(&[0, 1, 1, 1, 2, u32::MAX]), self.choose(&[0, 15, 16, 16, 16, 24]));
        let expected = if size < 16 || kind > 1 { INVALID_ARGUMENT } else { OK };
        let native = platform_handle(size, kind, fd.as_raw_fd() as u64);
        let made = output(STALE, |handle| calls::wrap(Some(&native), Some(handle)));
        self.answered("wrap", code(made), expected);
        if let Ok(handle) = made {
            let wrapped = (kind == 1).then_some(file);
            if wrapped.is_some() {
                let _ = fd.into_raw_fd();
            }
            let id = self.world.add(Thing::Platform(wrapped), Place::Held);
            self.named(handle, id);
        }
    }

    pub fn unwrap_native(&mut self) {
        let (handle, id) = self.handle(Kind::Platform);
        if let Some(id) = id {
            self.retire(handle);
            self.world.close(id);
        }
        let wrapped = id.and_then(|id| match self.world.thing(id) {
            Thing::Platform(file) => Some(*file),
            _ => None,
        });
        if self.random.once_in(5) {
            let mut native = platform_handle(self.random.below(16) as u32, 0, 0);
            return self.answered("unwrap into too little", calls::unwrap(handle, Some(&mut native)), INVALID_ARGUMENT);
        }
        let native = unwrap(handle);
        self.answered("unwrap", code(native), if wrapped.is_some() { OK } else { INVALID_ARGUMENT });
        match (native, wrapped) {
            (Ok((1, fd)), Some(Some(file))) => assert_eq!(inode(&own(fd)), inode(&self.files[file].0)),
            (found, Some(None)) => assert_eq!(found, Ok((0, u64::MAX))),
            (found, _) => assert!(found.is_err()),
        }
    }

    pub fn wrap_memory(&mut self) {
        if self.has_plenty() {
            return;
        }
        let file = self.random.below(self.files.len());
        let len = self.choose(&[0, 1, 1000, FILE_BYTES, FILE_BYTES + 1]);
        let guid = self.choose(&[(0, 0), (1, 0), (0, 1), (1, 2)]);
        let flags = self.choose(&[0, READ_ONLY]);
        let expected = match len {
            0 => INVALID_ARGUMENT,
            _ if guid == (0, 0) => INVALID_ARGUMENT,
            1..=FILE_BYTES => OK,
            _ => UNKNOWN,
        };
        let fd = self.files[file].0.try_clone().unwrap();
        let made = wrap_buffer(fd.as_raw_fd() as u64, len, guid, flags);
        self.answered("wrap memory", code(made), expected);
        if let Ok(handle) = made {
            let _ = fd.into_raw_fd();
            let memory = self.files[file].1;
            self.add_buffer(handle, Buffer { memory, len, is_read_only: flags == READ_ONLY, is_foreign: true });
        }
    }

    pub fn unwrap_memory(&mut self) {
        let (handle, id) = self.handle(Kind::Buffer);
        let buffer = self.buffer(id);
        if let Some(id) = id {
            self.retire(handle);
            self.world.close(id);
        }
        if self.random.once_in(5) {
            let outputs = Unwrapped { platform_handle: None, num_bytes: None, guid: None, flags: None };
            let code = calls::unwrap_buffer(Spelling::WithHandle, handle, outputs);
            return self.answered("unwrap memory to nowhere", code, INVALID_ARGUMENT);
        }
        let native = unwrap_buffer(handle);
        self.answered("unwrap memory", code(native), if buffer.is_some() { OK } else { INVALID_ARGUMENT });
        if let (Ok(native), Some(buffer)) = (native, buffer) {
            assert_eq!((native.kind, native.num_bytes), (1, buffer.len));
            assert_eq!(native.flags == READ_ONLY, buffer.is_read_only);
            let mut bytes = vec![0; buffer.len];
            own(native.value).read_exact_at(&mut bytes, 0).unwrap();
            assert!(bytes == self.world.memories[buffer.memory][..buffer.len]);
        }
    }
}

/// What is written into a window at the present place of the stream.
fn window_bytes(stream: &Stream, len: usize) -> Vec<u8> {
    let from = stream.read + stream.data.len();
    (from..from + len).map(|at| at as u8).collect()
}

fn inode(file: &File) -> u64 {
    file.metadata().unwrap().ino()
}
