//! The model: what objects, messages and watches are, and what becomes of them, without handles, memory or threads.

use crate::callbacks::*;
use crate::support::*;
use std::collections::{BTreeMap, VecDeque};

/// Names an object of the model.
pub type Id = usize;

/// Where an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has a handle.
    Held,
    /// In a message or an invitation.
    Away,
    Gone,
}

pub struct Object {
    pub place: Place,
    pub thing: Thing,
}

pub enum Thing {
    End(End),
    /// One end of the data pipe with this number.
    Producer(usize),
    Consumer(usize),
    Buffer(Buffer),
    /// A native handle: none, or one of a known file.
    Platform(Option<usize>),
    Watcher(Watcher),
    /// The pipe ends in it, by their names.
    Invitation(Vec<(Vec<u8>, Id)>),
}

pub struct End {
    pub peer: Id,
    pub peer_closed: bool,
    pub has_sent: bool,
    pub queue: VecDeque<Message>,
}

pub struct Stream {
    pub element: usize,
    pub capacity: usize,
    pub data: VecDeque<u8>,
    /// How many bytes were ever read.
    pub read: usize,
    pub is_new: bool,
    pub producer: Id,
    pub consumer: Id,
    /// What a two-phase operation has laid open.
    pub writing: Option<usize>,
    pub reading: Option<usize>,
}

impl Stream {
    pub fn free(&self) -> usize {
        self.capacity - self.data.len()
    }

    /// The room, or the data, that lies in one piece.
    pub fn contiguous_room(&self) -> usize {
        self.free().min(self.capacity - (self.read + self.data.len()) % self.capacity)
    }

    pub fn contiguous_data(&self) -> usize {
        self.data.len().min(self.capacity - self.read % self.capacity)
    }

    pub fn put(&mut self, bytes: &[u8]) {
        self.is_new |= !bytes.is_empty();
        self.data.extend(bytes);
    }

    pub fn consume(&mut self, count: usize) {
        self.data.drain(..count);
        self.read += count;
    }
}

#[derive(Clone, Copy)]
pub struct Buffer {
    /// The number of the memory, and how much of it.
    pub memory: usize,
    pub len: usize,
    pub is_read_only: bool,
    /// The memory came from outside.
    pub is_foreign: bool,
}

pub struct Watcher {
    pub is_armed: bool,
    /// By context: what is watched, and for what.
    pub watches: BTreeMap<usize, (Id, u32)>,
}

#[derive(Default)]
pub enum Message {
    #[default]
    Empty,
    Context(usize),
    Contents(Contents),
}

pub struct Contents {
    /// Everything there is room for. How much that is, only the library knows.
    pub storage: Vec<u8>,
    pub len: usize,
    pub attached: Vec<Id>,
    pub is_committed: bool,
    pub is_emptied: bool,
}

impl Message {
    pub fn contents(&mut self) -> Option<&mut Contents> {
        match self {
            Message::Contents(contents) => Some(contents),
            _ => None,
        }
    }
}

/// What a context does when it has to be serialized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serializing {
    Attaches,
    AttachesNothing,
    /// There is no serializer.
    Impossible,
}

/// A context's number says what it does.
pub fn serializing(context: usize) -> Serializing {
    match context % 4 {
        0 => Serializing::AttachesNothing,
        1 => Serializing::Impossible,
        _ => Serializing::Attaches,
    }
}

/// The payload of a serialized context.
pub fn serialized(context: usize) -> Vec<u8> {
    context.to_le_bytes()[..context % 8].to_vec()
}

/// What the library has to call back in the present call.
#[derive(Default)]
struct Expected {
    cancelled: Vec<usize>,
    /// Of each watcher that fires, what it may notify: of several watches that become ready in one call, any. None if
    /// the watch has ended since.
    fired: BTreeMap<Id, Vec<Option<Callback>>>,
    serialized: Vec<usize>,
    destroyed: Vec<usize>,
}

#[derive(Default)]
pub struct World {
    objects: Vec<Object>,
    pub streams: Vec<Stream>,
    /// Bytes that several buffers and mappings share.
    pub memories: Vec<Vec<u8>>,
    expected: Expected,
}

impl World {
    pub fn add(&mut self, thing: Thing, place: Place) -> Id {
        self.objects.push(Object { place, thing });
        self.objects.len() - 1
    }

    pub fn add_pipe(&mut self, second_place: Place) -> (Id, Id) {
        let first = self.objects.len();
        let end = |peer| Thing::End(End { peer, peer_closed: false, has_sent: false, queue: VecDeque::new() });
        (self.add(end(first + 1), Place::Held), self.add(end(first), second_place))
    }

    pub fn add_stream(&mut self, element: usize, capacity: usize) -> (Id, Id) {
        let stream = self.streams.len();
        let producer = self.add(Thing::Producer(stream), Place::Held);
        let consumer = self.add(Thing::Consumer(stream), Place::Held);
        self.streams.push(Stream {
            element,
            capacity,
            data: VecDeque::new(),
            read: 0,
            is_new: false,
            producer,
            consumer,
            writing: None,
            reading: None,
        });
        (producer, consumer)
    }

    pub fn thing(&mut self, id: Id) -> &mut Thing {
        &mut self.objects[id].thing
    }

    pub fn place(&self, id: Id) -> Place {
        self.objects[id].place
    }

    pub fn kind(&self, id: Id) -> Kind {
        match self.objects[id].thing {
            Thing::End(_) => Kind::Pipe,
            Thing::Producer(_) => Kind::Producer,
            Thing::Consumer(_) => Kind::Consumer,
            Thing::Buffer(_) => Kind::Buffer,
            Thing::Platform(_) => Kind::Platform,
            Thing::Watcher(_) => Kind::Watcher,
            Thing::Invitation(_) => Kind::Invitation,
        }
    }

    pub fn end(&mut self, id: Id) -> &mut End {
        match self.thing(id) {
            Thing::End(end) => end,
            _ => panic!("no pipe end"),
        }
    }

    pub fn watcher(&mut self, id: Id) -> &mut Watcher {
        match self.thing(id) {
            Thing::Watcher(watcher) => watcher,
            _ => panic!("no watcher"),
        }
    }

    /// The satisfied and the satisfiable signals.
    pub fn signals(&self, id: Id) -> (u32, u32) {
        let set = |signals: &[(u32, bool)]| signals.iter().filter(|(_, is)| *is).map(|(signal, _)| signal).sum();
        match &self.objects[id].thing {
            Thing::End(end) => {
                let unread = !end.queue.is_empty();
                (
                    set(&[(R, unread), (W, !end.peer_closed), (C, end.peer_closed)]),
                    set(&[(R, unread || !end.peer_closed), (W, !end.peer_closed), (C, true)]),
                )
            }
            Thing::Producer(stream) => {
                let stream = &self.streams[*stream];
                let closed = self.place(stream.consumer) == Place::Gone;
                let is_ready = !closed && stream.writing.is_none() && stream.free() > 0;
                (set(&[(W, is_ready), (C, closed)]), set(&[(W, !closed), (C, true)]))
            }
            Thing::Consumer(stream) => {
                let stream = &self.streams[*stream];
                let closed = self.place(stream.producer) == Place::Gone;
                let has_data = !stream.data.is_empty();
                let is_ready = has_data && stream.reading.is_none();
                (
                    set(&[(R, is_ready), (N, is_ready && stream.is_new), (C, closed)]),
                    set(&[(R, has_data || !closed), (N, stream.is_new || !closed), (C, true)]),
                )
            }
            _ => (0, 0),
        }
    }

    // ---- watches -----------------------------------------------------------------------------------------

    /// Why a watch is ready, if it is.
    pub fn readiness(&self, id: Id, mask: u32) -> Option<u32> {
        let (satisfied, satisfiable) = self.signals(id);
        match (satisfied & mask != 0, satisfiable & mask != 0) {
            (true, _) => Some(OK),
            (false, false) => Some(FAILED_PRECONDITION),
            (false, true) => None,
        }
    }

    /// Tells the armed watchers what has become of an object.
    pub fn changed(&mut self, id: Id) {
        if self.place(id) != Place::Held {
            return;
        }
        for watcher in 0..self.objects.len() {
            let Thing::Watcher(Watcher { is_armed: true, watches }) = &self.objects[watcher].thing else { continue };
            let watching = watches.iter().filter(|(_, (watched, _))| *watched == id);
            let contexts: Vec<usize> = watching.map(|(context, _)| *context).collect();
            contexts.into_iter().for_each(|context| self.look_at(watcher, context));
        }
    }

    /// Lets an armed watcher fire if one of its watches is ready.
    pub fn look_at(&mut self, watcher: Id, context: usize) {
        let (watched, mask) = self.watcher(watcher).watches[&context];
        if let Some(result) = self.readiness(watched, mask) {
            let callback = Callback::Notified(context, result, self.signals(watched));
            self.expected.fired.entry(watcher).or_default().push(Some(callback));
        }
    }

    /// Ends a watch; its cancellation overtakes what it was to be notified of.
    pub fn cancel(&mut self, watcher: Id, context: usize) {
        self.watcher(watcher).watches.remove(&context);
        self.expected.cancelled.push(context);
        for callback in self.expected.fired.entry(watcher).or_default() {
            callback.take_if(|callback| matches!(callback, Callback::Notified(other, ..) if *other == context));
        }
    }

    /// Ends all watches on an object.
    pub fn cancel_all(&mut self, id: Id) {
        for watcher in 0..self.objects.len() {
            if let Thing::Watcher(Watcher { watches, .. }) = &self.objects[watcher].thing {
                let ended = watches.iter().filter(|(_, (watched, _))| *watched == id);
                let ended: Vec<usize> = ended.map(|(context, _)| *context).collect();
                ended.into_iter().for_each(|context| self.cancel(watcher, context));
            }
        }
    }

    // ---- ends --------------------------------------------------------------------------------------------

    pub fn close(&mut self, id: Id) {
        self.cancel_all(id);
        self.objects[id].place = Place::Gone;
        match self.thing(id) {
            Thing::End(end) => {
                let (peer, peer_closed, queue) = (end.peer, end.peer_closed, std::mem::take(&mut end.queue));
                if !peer_closed {
                    self.end(peer).peer_closed = true;
                    self.changed(peer);
                }
                queue.into_iter().for_each(|message| self.drop_message(message));
            }
            Thing::Producer(stream) | Thing::Consumer(stream) => {
                let stream = *stream;
                let Stream { producer, consumer, .. } = self.streams[stream];
                self.changed(producer);
                self.changed(consumer);
            }
            Thing::Watcher(watcher) => {
                let ended: Vec<usize> = watcher.watches.keys().copied().collect();
                ended.into_iter().for_each(|context| self.cancel(id, context));
                self.watcher(id).is_armed = false;
            }
            Thing::Invitation(pipes) => {
                let pipes = std::mem::take(pipes);
                pipes.into_iter().for_each(|(_, end)| self.close(end));
            }
            Thing::Buffer(_) | Thing::Platform(_) => {}
        }
    }

    pub fn drop_message(&mut self, message: Message) {
        match message {
            Message::Empty => {}
            Message::Context(context) => self.expected.destroyed.push(context),
            Message::Contents(contents) if contents.is_emptied => {}
            Message::Contents(contents) => contents.attached.into_iter().for_each(|id| self.close(id)),
        }
    }

    /// Turns a context into what its serializer makes of it, whatever that is.
    pub fn serialize(&mut self, context: usize) -> Message {
        if serializing(context) == Serializing::Impossible {
            return Message::Context(context);
        }
        self.expected.serialized.push(context);
        self.expected.destroyed.push(context);
        match serializing(context) {
            Serializing::Attaches => {
                let bytes = serialized(context);
                let (len, attached) = (bytes.len(), Vec::new());
                Message::Contents(Contents { storage: bytes, len, attached, is_committed: true, is_emptied: false })
            }
            _ => Message::Empty,
        }
    }

    // ---- movements ---------------------------------------------------------------------------------------

    pub fn send_away(&mut self, id: Id) {
        self.cancel_all(id);
        self.objects[id].place = Place::Away;
    }

    pub fn arrive(&mut self, id: Id) {
        self.objects[id].place = Place::Held;
        if let Thing::Consumer(stream) = *self.thing(id) {
            let stream = &mut self.streams[stream];
            stream.is_new = !stream.data.is_empty();
        }
    }

    /// Joins the peers of two ends.
    pub fn fuse(&mut self, b: Id, c: Id) {
        let mut take = |id: Id| {
            self.cancel_all(id);
            self.objects[id].place = Place::Gone;
            let end = self.end(id);
            (end.peer, end.peer_closed, std::mem::take(&mut end.queue))
        };
        let sides = [take(b), take(c)];
        let [(a, a_closed, for_d), (d, d_closed, for_a)] = sides;
        for (id, is_closed, peer, peer_closed, queue) in
            [(a, a_closed, d, d_closed, for_a), (d, d_closed, a, a_closed, for_d)]
        {
            if is_closed {
                queue.into_iter().for_each(|message| self.drop_message(message));
                continue;
            }
            let end = self.end(id);
            (end.peer, end.peer_closed) = (peer, peer_closed);
            end.queue.extend(queue);
            self.changed(id);
        }
    }

    /// True if what is put into the queue of `end` would come to lie, at whatever depth, in one of `ids`: what lies in
    /// a circle is never destroyed.
    pub fn closes_a_circle(&mut self, end: Id, ids: &[Id]) -> bool {
        let mut ids = ids.to_vec();
        while let Some(id) = ids.pop() {
            if id == end {
                return true;
            }
            if let Thing::End(inner) = self.thing(id) {
                for message in &mut inner.queue {
                    ids.extend(message.contents().iter().flat_map(|contents| &contents.attached));
                }
            }
        }
        false
    }

    // ---- callbacks ---------------------------------------------------------------------------------------

    /// Compares what the library has called back with what it had to.
    pub fn check_callbacks(&mut self, callbacks: &[Callback]) {
        let Expected { cancelled, fired, serialized, destroyed } = std::mem::take(&mut self.expected);
        let sorted = |mut contexts: Vec<usize>| {
            contexts.sort();
            contexts
        };
        let of = |select: &dyn Fn(Callback) -> Option<usize>| {
            sorted(callbacks.iter().filter_map(|callback| select(*callback)).collect())
        };
        let found_cancelled = of(&|callback| match callback {
            Callback::Notified(context, CANCELLED, (0, 0)) => Some(context),
            _ => None,
        });
        assert_eq!(found_cancelled, sorted(cancelled), "cancelled");
        let found_serialized = of(&|callback| match callback {
            Callback::Serialize(context, _) => Some(context),
            _ => None,
        });
        assert_eq!(found_serialized, sorted(serialized), "serialized");
        let found_destroyed = of(&|callback| match callback {
            Callback::Destroy(context) => Some(context),
            _ => None,
        });
        assert_eq!(found_destroyed, sorted(destroyed), "destroyed");

        let is_fired =
            |callback: &Callback| matches!(callback, Callback::Notified(_, result, _) if *result != CANCELLED);
        let mut notified: Vec<Callback> = callbacks.iter().copied().filter(is_fired).collect();
        for (watcher, candidates) in fired {
            if candidates.is_empty() {
                continue;
            }
            self.watcher(watcher).is_armed = false;
            match notified.iter().position(|callback| candidates.contains(&Some(*callback))) {
                Some(at) => drop(notified.swap_remove(at)),
                None => assert!(candidates.contains(&None), "none of {candidates:?} among {notified:?}"),
            }
        }
        assert_eq!(notified, [], "notified without cause");
    }
}
