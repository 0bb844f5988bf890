//! Steps with message pipes and messages.

use crate::callbacks::*;
use crate::calls::{self, Memory, Payload};
use crate::steps::{Named, Run};
use crate::support::*;
use crate::world::*;
use mojo_system::*;

const MAX_MESSAGE_BYTES: usize = 256 << 20;

fn is_growing(message: &Message) -> bool {
    matches!(message, Message::Contents(Contents { is_committed: false, .. }))
}

impl Run {
    pub fn close_handle(&mut self) {
        if !self.has_plenty() && !self.random.once_in(3) {
            return;
        }
        let kind = self.choose(&Kind::ALL);
        let (handle, id) = self.handle(kind);
        if let Some(id) = id {
            self.world.close(id);
            self.retire(handle);
        }
        let expected = if id.is_some() { OK } else { INVALID_ARGUMENT };
        self.answered(&format!("close {kind:?}"), MojoClose(handle), expected);
    }

    pub fn query(&mut self) {
        let kind = self.choose(&Kind::ALL);
        let (handle, id) = self.handle(kind);
        if self.random.once_in(20) {
            return self.answered("query without place", calls::query_signals(handle, None), INVALID_ARGUMENT);
        }
        assert_eq!(signals(handle), id.map(|id| self.world.signals(id)).ok_or(INVALID_ARGUMENT));
    }

    pub fn create_pipe(&mut self) {
        if self.has_plenty() {
            return;
        }
        let size = self.choose(&[0, 3, 4, 7, 8, 8, 8, 16]);
        let flags = self.choose(&[0, 0, 0, 1, 1 << 31]);
        let expected = match (size, flags) {
            (0..4, _) => INVALID_ARGUMENT,
            (4..8, _) | (_, 0) => OK,
            _ => UNIMPLEMENTED,
        };
        let options = options(size, &[flags]);
        let made = outputs((STALE, STALE), |a, b| calls::create_message_pipe(Some(&options), Some(a), Some(b)));
        self.answered("create pipe", code(made), expected);
        if let Ok((a, b)) = made {
            let ids = self.world.add_pipe(Place::Held);
            self.named(a, ids.0);
            self.named(b, ids.1);
        }
    }

    pub fn write_message(&mut self) {
        let (pipe, id) = self.handle(Kind::Pipe);
        let (handle, at) = self.message(|message| !matches!(message, Message::Empty));
        let end = self.of_kind(id, Kind::Pipe);
        let contents = at.and_then(|at| self.messages[at].message.contents()).filter(|contents| !contents.is_emptied);
        let attached = contents.map(|contents| contents.attached.clone()).unwrap_or_default();
        if let Some(end) = end {
            let peer = self.world.end(end).peer;
            if !attached.contains(&peer) && self.world.closes_a_circle(peer, &attached) {
                return;
            }
        }
        let expected = match at {
            None => INVALID_ARGUMENT,
            Some(at) => {
                let message = self.take_message(at);
                self.expect_write(end, message)
            }
        };
        self.answered("write message", MojoWriteMessage(pipe, handle, 0), expected);
    }

    fn expect_write(&mut self, end: Option<Id>, mut message: Message) -> MojoResult {
        let code = (|| {
            let Some(end) = end else { return INVALID_ARGUMENT };
            if matches!(message, Message::Empty) {
                return NOT_FOUND;
            }
            let End { peer, peer_closed, .. } = *self.world.end(end);
            if peer_closed {
                return FAILED_PRECONDITION;
            }
            if message.contents().is_some_and(|contents| contents.attached.contains(&peer) && !contents.is_emptied) {
                return INVALID_ARGUMENT;
            }
            if let (Place::Away, &Message::Context(context)) = (self.world.place(peer), &message) {
                message = self.world.serialize(context);
                if !matches!(message, Message::Contents(_)) {
                    return INVALID_ARGUMENT;
                }
            }
            OK
        })();
        match end {
            Some(end) if code == OK => {
                if let Some(contents) = message.contents() {
                    contents.is_committed = true;
                    if std::mem::take(&mut contents.is_emptied) {
                        contents.attached.clear();
                    }
                }
                self.world.end(end).has_sent = true;
                let peer = self.world.end(end).peer;
                self.world.end(peer).queue.push_back(message);
                self.world.changed(peer);
            }
            _ => self.world.drop_message(message),
        }
        code
    }

    pub fn read_message(&mut self) {
        let (pipe, id) = self.handle(Kind::Pipe);
        if self.random.once_in(30) {
            return self.answered("read without place", calls::read_message(pipe, None), INVALID_ARGUMENT);
        }
        let end = self.of_kind(id, Kind::Pipe);
        let expected = match end.map(|end| self.world.end(end)) {
            None => Err(INVALID_ARGUMENT),
            Some(end) => end.queue.pop_front().ok_or(if end.peer_closed { FAILED_PRECONDITION } else { SHOULD_WAIT }),
        };
        let found = read(pipe);
        self.answered("read message", code(found), expected.as_ref().err().copied().unwrap_or(OK));
        if let (Ok(handle), Ok(mut message), Some(end)) = (found, expected, end) {
            if let Some(contents) = message.contents() {
                // How much room a serializer got only the library knows.
                let storage = commit(handle, contents.len).unwrap().bytes();
                assert!(storage[..contents.len] == contents.storage[..contents.len]);
                contents.storage = storage;
            }
            self.add_message(handle, message);
            self.world.changed(end);
        }
    }

    pub fn fuse(&mut self) {
        let (b, b_id) = self.handle(Kind::Pipe);
        let (c, c_id) = if self.random.once_in(10) { (b, b_id) } else { self.handle(Kind::Pipe) };
        let ends = (self.of_kind(b_id, Kind::Pipe), self.of_kind(c_id, Kind::Pipe));
        if let (Some(b), Some(c)) = ends {
            for (from, to) in [(b, c), (c, b)] {
                let to = self.world.end(to).peer;
                let queue = self.world.end(from).queue.iter_mut();
                let ids: Vec<Id> =
                    queue.filter_map(Message::contents).flat_map(|contents| contents.attached.clone()).collect();
                if self.world.closes_a_circle(to, &ids) {
                    return;
                }
            }
        }
        let expected = match ends {
            (Some(b), Some(c)) if b != c => {
                let is_one_pipe = self.world.end(b).peer == c;
                if is_one_pipe || self.world.end(b).has_sent || self.world.end(c).has_sent {
                    FAILED_PRECONDITION
                } else {
                    OK
                }
            }
            _ => INVALID_ARGUMENT,
        };
        match ends {
            (Some(b), Some(c)) if expected == OK => self.world.fuse(b, c),
            _ => {
                if let (Some(b), Some(c)) = ends {
                    self.world.cancel_all(b);
                    self.world.cancel_all(c);
                }
                for id in [b_id, c_id].into_iter().flatten() {
                    if self.world.place(id) == Place::Held {
                        self.world.close(id);
                    }
                }
            }
        }
        for (handle, id) in [(b, b_id), (c, c_id)] {
            if id.is_some() {
                self.retire(handle);
            }
        }
        self.answered("fuse", MojoFuseMessagePipes(b, c), expected);
    }

    // ---- messages ----------------------------------------------------------------------------------------

    pub fn create_message(&mut self) {
        if self.random.once_in(30) {
            return self.answered("create message without place", calls::create_message(None), INVALID_ARGUMENT);
        }
        if self.messages.len() < 40 {
            self.add_message(message(), Message::Empty);
        }
    }

    pub fn destroy_message(&mut self) {
        let (handle, at) = self.message(|_| true);
        if let Some(at) = at {
            let message = self.take_message(at);
            self.world.drop_message(message);
        }
        self.answered("destroy message", MojoDestroyMessage(handle), if at.is_some() { OK } else { INVALID_ARGUMENT });
    }

    pub fn serialize(&mut self) {
        let (handle, at) = self.message(|message| matches!(message, Message::Context(_)));
        let expected = match at.map(|at| &mut self.messages[at].message) {
            None => INVALID_ARGUMENT,
            Some(Message::Contents(_)) => FAILED_PRECONDITION,
            Some(Message::Empty) => NOT_FOUND,
            Some(Message::Context(context)) if serializing(*context) == Serializing::Impossible => NOT_FOUND,
            Some(message) => {
                let Message::Context(context) = std::mem::take(message) else { return };
                let serialized = self.world.serialize(context);
                let is_serialized = matches!(serialized, Message::Contents(_));
                *message = serialized;
                if is_serialized { OK } else { ABORTED }
            }
        };
        self.answered("serialize", MojoSerializeMessage(handle), expected);
        if let Some(at) = at.filter(|_| expected == OK) {
            let Named { handle, message } = &mut self.messages[at];
            let storage = commit(*handle, message.contents().unwrap().len).unwrap();
            message.contents().unwrap().storage = storage.bytes();
        }
    }

    /// A list of handles to attach, what they name, and the first thing that is wrong with one, if any.
    fn handles_to_attach(&mut self) -> (Vec<MojoHandle>, Vec<Id>, Option<MojoResult>) {
        let (mut handles, mut ids, mut wrong) = (Vec::new(), Vec::new(), None);
        for _ in 0..self.random.below(4) {
            let kind =
                self.choose(&[Kind::Pipe, Kind::Pipe, Kind::Producer, Kind::Consumer, Kind::Buffer, Kind::Platform]);
            let (handle, id) = self.handle(kind);
            let fault = match id {
                None => Some(INVALID_ARGUMENT),
                Some(_) if handles.contains(&handle) => Some(BUSY),
                Some(id) => match *self.world.thing(id) {
                    Thing::Watcher(_) | Thing::Invitation(_) => Some(INVALID_ARGUMENT),
                    Thing::Producer(stream) => self.world.streams[stream].writing.map(|_| BUSY),
                    Thing::Consumer(stream) => self.world.streams[stream].reading.map(|_| BUSY),
                    _ => None,
                },
            };
            wrong = wrong.or(fault);
            handles.push(handle);
            ids.extend(id);
        }
        (handles, ids, wrong)
    }

    fn send_away(&mut self, handles: &[MojoHandle], ids: &[Id]) {
        handles.iter().for_each(|handle| self.retire(*handle));
        ids.iter().for_each(|id| self.world.send_away(*id));
    }

    pub fn attach_buffer(&mut self) {
        let (handle, at) = self.message(|message| matches!(message, Message::Empty));
        let size = self.choose(&[0, 1, 9, 64, 65, 300, 5000, MAX_MESSAGE_BYTES + 1]);
        let (handles, ids, wrong) = self.handles_to_attach();
        let expected = match at.map(|at| &self.messages[at].message) {
            None => INVALID_ARGUMENT,
            Some(Message::Context(_)) => FAILED_PRECONDITION,
            Some(Message::Contents(_)) => ALREADY_EXISTS,
            Some(Message::Empty) if size > MAX_MESSAGE_BYTES => RESOURCE_EXHAUSTED,
            Some(Message::Empty) => wrong.unwrap_or(OK),
        };
        if self.random.once_in(30) {
            let payload = Payload {
                num_bytes: size as u32,
                handles: Some(&handles),
                num_handles: handles.len() as u32,
                buffer: None,
                buffer_size: Some(&mut 0),
            };
            return self.answered("attach without place", calls::attach_buffer(handle, payload), INVALID_ARGUMENT);
        }
        let found = attach(handle, size, &handles);
        self.answered("attach buffer", code(found), expected);
        if let (Ok(memory), Some(at)) = (found, at) {
            self.send_away(&handles, &ids);
            assert!(memory.len >= size && memory.bytes().iter().all(|byte| *byte == 0));
            let mut storage = vec![0; memory.len];
            self.scribble(memory, &mut storage);
            let contents = Contents { storage, len: size, attached: ids, is_committed: false, is_emptied: false };
            self.messages[at].message = Message::Contents(contents);
        }
    }

    /// Writes something somewhere, to the memory and to the model.
    pub fn scribble(&mut self, memory: Memory, model: &mut [u8]) {
        let from = self.random.below(memory.len);
        let len = 1 + self.random.below((memory.len - from).min(100));
        let bytes = self.random.bytes(len);
        memory.write(from, &bytes);
        model[from..from + len].copy_from_slice(&bytes);
    }

    pub fn extend_payload(&mut self) {
        let (handle, at) = self.message(is_growing);
        let (handles, ids, wrong) = self.handles_to_attach();
        let more = self.choose(&[0, 1, 63, 1000, MAX_MESSAGE_BYTES + 1]);
        let mut contents = at.and_then(|at| self.messages[at].message.contents());
        let len = contents.as_ref().map_or(0, |contents| contents.len);
        let size = if more == 1 && len > 0 { len - 1 } else { len + more };
        let expected = match &contents {
            None if at.is_none() => INVALID_ARGUMENT,
            None => FAILED_PRECONDITION,
            Some(contents) if contents.is_committed => FAILED_PRECONDITION,
            Some(_) if size < len => OUT_OF_RANGE,
            Some(_) if size > MAX_MESSAGE_BYTES => RESOURCE_EXHAUSTED,
            Some(_) => wrong.unwrap_or(OK),
        };
        let found = extend(handle, size, &handles);
        if let (Ok(memory), Some(contents)) = (found, &mut contents) {
            let mut bytes = memory.bytes();
            let (kept, new) = bytes.split_at(contents.storage.len());
            assert!(kept == contents.storage && new.iter().all(|byte| *byte == 0));
            (contents.storage, contents.len) = (std::mem::take(&mut bytes), size);
            contents.attached.extend(&ids);
            self.send_away(&handles, &ids);
        }
        self.answered("extend payload", code(found), expected);
    }

    pub fn commit_payload(&mut self) {
        let (handle, at) = self.message(is_growing);
        let choice = self.random.below(5);
        let mut contents = at.and_then(|at| self.messages[at].message.contents());
        let (len, room) = contents.as_ref().map_or((0, 0), |contents| (contents.len, contents.storage.len()));
        let size = [len, len, len.saturating_sub(1), room, room + 1][choice];
        let expected = match &mut contents {
            None if at.is_none() => INVALID_ARGUMENT,
            None => FAILED_PRECONDITION,
            Some(_) if size < len || size > room => OUT_OF_RANGE,
            Some(contents) => {
                if !std::mem::replace(&mut contents.is_committed, true) {
                    contents.len = size;
                }
                OK
            }
        };
        let found = commit(handle, size);
        if let (Ok(memory), Some(contents)) = (found, &mut contents) {
            assert!(memory.bytes() == contents.storage);
        }
        self.answered("commit", code(found), expected);
    }

    pub fn get_contents(&mut self) {
        let (handle, at) =
            self.message(|message| matches!(message, Message::Contents(Contents { is_committed: true, .. })));
        let mut contents = at.and_then(|at| self.messages[at].message.contents());
        let attached = contents.as_ref().map_or(0, |contents| contents.attached.len());
        let expected = match &contents {
            None if at.is_none() => INVALID_ARGUMENT,
            None => FAILED_PRECONDITION,
            Some(contents) if !contents.is_committed => FAILED_PRECONDITION,
            Some(contents) if contents.is_emptied => NOT_FOUND,
            Some(_) => OK,
        };
        // Too little room changes nothing.
        if attached > 0 && matches!(expected, OK | NOT_FOUND) {
            let (mut handles, mut count) = (vec![STALE; attached - 1], attached as u32 - 1);
            let (mut address, mut len) = (stale_address(), 0);
            let places = (Some(&mut address), Some(&mut len));
            let code = calls::get_contents(handle, places.0, places.1, Some(&mut handles), Some(&mut count));
            assert_eq!((code, count as usize), (RESOURCE_EXHAUSTED, attached));
            assert!(handles.iter().all(|handle| *handle == STALE));
        }
        let found = take(handle);
        let ids = contents.as_mut().map(|contents| contents.attached.clone()).unwrap_or_default();
        if let (Ok((bytes, _)), Some(contents)) = (&found, &mut contents) {
            assert!(*bytes == contents.storage[..contents.len]);
            contents.is_emptied = !ids.is_empty();
        }
        self.answered("get contents", found.as_ref().err().copied().unwrap_or(OK), expected);
        if let Ok((_, handles)) = found {
            assert_eq!(handles.len(), ids.len());
            for (handle, id) in handles.into_iter().zip(ids) {
                self.world.arrive(id);
                self.named(handle, id);
            }
        }
    }

    pub fn attach_context(&mut self) {
        let (handle, at) = self.message(|message| matches!(message, Message::Empty));
        let context = if self.random.once_in(20) { 0 } else { self.new_context() };
        let expected = match at.map(|at| &mut self.messages[at].message) {
            Some(_) if context == 0 => INVALID_ARGUMENT,
            None => INVALID_ARGUMENT,
            Some(Message::Context(_)) => ALREADY_EXISTS,
            Some(Message::Contents(_)) => FAILED_PRECONDITION,
            Some(message) => {
                *message = Message::Context(context);
                OK
            }
        };
        let function = if serializing(context) == Serializing::Impossible { None } else { Some(serializer as _) };
        if expected == OK && serializing(context) == Serializing::Attaches {
            react(context, |callback| {
                if let Callback::Serialize(context, message) = callback {
                    let bytes = serialized(context);
                    attach(message, bytes.len(), &[]).unwrap().write(0, &bytes);
                }
            });
        }
        let found = MojoAttachMessageContextWithDestructor(handle, context, function, Some(destructor));
        self.answered("attach context", found, expected);
    }

    pub fn get_context(&mut self) {
        let (handle, at) = self.message(|message| matches!(message, Message::Context(_)));
        let flags = self.choose(&[0, RELEASE, !RELEASE, u32::MAX]);
        let expected = match at.map(|at| &mut self.messages[at].message) {
            None => Err(INVALID_ARGUMENT),
            Some(message) => match *message {
                Message::Context(context) => {
                    if flags & RELEASE != 0 {
                        *message = Message::Empty;
                    }
                    Ok(context)
                }
                _ => Err(NOT_FOUND),
            },
        };
        assert_eq!(context_of(handle, flags), expected);
    }

    pub fn notify_bad_message(&mut self) {
        let (handle, at) = self.message(|_| true);
        let (text, len) = self.choose(&[(Some(&b"bad"[..]), 3), (None, 0), (None, 1)]);
        let expected = if at.is_none() || (text.is_none() && len > 0) { INVALID_ARGUMENT } else { OK };
        self.answered("notify", calls::notify_bad_message(handle, text, len), expected);
    }
}
