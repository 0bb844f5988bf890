//! Random calls on one thread, each with what the model says it has to answer.

use crate::callbacks::*;
use crate::calls::Memory;
use crate::random::Random;
use crate::support::*;
use crate::world::*;
use mojo_system::*;
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// A mapping that is there.
pub struct Mapped {
    pub at: Memory,
    pub memory: usize,
    pub offset: usize,
    pub is_read_only: bool,
}

/// A message, under its handle.
pub struct Named {
    pub handle: MojoMessageHandle,
    pub message: Message,
}

/// One life of a world: the model, and the handles that the library has given for it. Choices depend on the seed
/// alone, never on the values of handles.
pub struct Run {
    pub random: Random,
    pub world: World,
    pub handles: Vec<(MojoHandle, Id)>,
    pub messages: Vec<Named>,
    pub mappings: Vec<Mapped>,
    /// Some values that named something once.
    retired: Vec<MojoHandle>,
    retired_messages: Vec<MojoMessageHandle>,
    /// Files of known lengths, each with the number of its memory.
    pub files: Vec<(File, usize)>,
    next_context: usize,
    trace: VecDeque<String>,
}

/// The length of the files.
pub const FILE_BYTES: usize = 4096;

type Step = fn(&mut Run);

/// Every step, with how often it is taken.
const STEPS: [(u32, Step); 37] = [
    (6, Run::close_handle),
    (10, Run::query),
    (7, Run::create_pipe),
    (24, Run::write_message),
    (24, Run::read_message),
    (2, Run::fuse),
    (20, Run::create_message),
    (2, Run::destroy_message),
    (5, Run::serialize),
    (20, Run::attach_buffer),
    (8, Run::extend_payload),
    (6, Run::commit_payload),
    (14, Run::get_contents),
    (8, Run::attach_context),
    (5, Run::get_context),
    (1, Run::notify_bad_message),
    (6, Run::create_data_pipe),
    (16, Run::write_bytes),
    (8, Run::begin_to_write),
    (8, Run::end_writing),
    (20, Run::read_bytes),
    (8, Run::begin_to_read),
    (8, Run::end_reading),
    (3, Run::create_shared_buffer),
    (4, Run::duplicate_buffer),
    (3, Run::map_memory),
    (3, Run::unmap_memory),
    (4, Run::touch_memory),
    (4, Run::create_watcher),
    (20, Run::add_watch),
    (4, Run::cancel_watch),
    (24, Run::arm_watcher),
    (3, Run::wrap_native),
    (2, Run::unwrap_native),
    (2, Run::wrap_memory),
    (2, Run::unwrap_memory),
    (4, Run::use_invitation),
];

impl Run {
    pub fn new(seed: u64, files: &[File]) -> Self {
        let mut world = World::default();
        let files = files.iter().map(|file| {
            world.memories.push(vec![0; FILE_BYTES]);
            file.write_all_at(&[0; FILE_BYTES], 0).unwrap();
            (file.try_clone().unwrap(), world.memories.len() - 1)
        });
        let files = files.collect();
        Self {
            random: Random::new(seed),
            world,
            handles: Vec::new(),
            messages: Vec::new(),
            mappings: Vec::new(),
            retired: vec![0],
            retired_messages: vec![0],
            files,
            next_context: 1 << 20,
            trace: VecDeque::new(),
        }
    }

    pub fn step(&mut self) {
        let total: u32 = STEPS.iter().map(|(weight, _)| weight).sum();
        let mut at = self.random.below(total as usize) as u32;
        let step = STEPS.iter().find(|(weight, _)| {
            let is_it = at < *weight;
            at = at.wrapping_sub(*weight);
            is_it
        });
        step.unwrap().1(self);
        self.world.check_callbacks(&callbacks());
    }

    /// Compares all signals, windows and mappings with the model.
    pub fn check_everything(&mut self) {
        for (handle, id) in &self.handles {
            assert_eq!(signals(*handle), Ok(self.world.signals(*id)), "{:?}", self.world.kind(*id));
        }
        for Mapped { at, memory, offset, .. } in &self.mappings {
            assert!(at.bytes() == self.world.memories[*memory][*offset..offset + at.len]);
        }
        for handle in &self.retired {
            assert_eq!(signals(*handle), Err(INVALID_ARGUMENT));
        }
    }

    /// Ends everything, in random order; nothing may be left.
    pub fn finish(&mut self) {
        while !(self.handles.is_empty() && self.messages.is_empty() && self.mappings.is_empty()) {
            match self.random.below(3) {
                0 if !self.handles.is_empty() => {
                    let at = self.random.below(self.handles.len());
                    let (handle, id) = self.handles.swap_remove(at);
                    self.trace(format!("close {:?}", self.world.kind(id)));
                    self.world.close(id);
                    close(handle).unwrap();
                }
                1 if !self.messages.is_empty() => {
                    let at = self.random.below(self.messages.len());
                    let Named { handle, message } = self.messages.swap_remove(at);
                    self.trace("destroy".to_owned());
                    self.world.drop_message(message);
                    destroy(handle).unwrap();
                }
                2 if !self.mappings.is_empty() => unmap(self.mappings.swap_remove(0).at).unwrap(),
                _ => {}
            }
            self.world.check_callbacks(&callbacks());
        }
    }

    // ---- choices -----------------------------------------------------------------------------------------

    pub fn trace(&mut self, what: String) {
        self.trace.push_back(what);
        if self.trace.len() > 40 {
            self.trace.pop_front();
        }
    }

    /// Traces a call with its answer, which must be the expected one.
    pub fn answered(&mut self, what: &str, found: MojoResult, expected: MojoResult) {
        self.trace(format!("{what}: {found}"));
        assert_eq!(found, expected, "{what}");
    }

    pub fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.random.below(choices.len())]
    }

    /// A value to use as a handle: mostly of the kind that is wanted, and what it names if anything.
    pub fn handle(&mut self, kind: Kind) -> (MojoHandle, Option<Id>) {
        let fit: Vec<(MojoHandle, Id)> =
            self.handles.iter().copied().filter(|(_, id)| self.world.kind(*id) == kind).collect();
        let of = |(handle, id): (MojoHandle, Id)| (handle, Some(id));
        match self.random.below(60) {
            0 => (self.choose(&[0, 1, u32::MAX, 1_000_000_000]), None),
            1 => (self.choose(&self.retired.clone()), None),
            2 if !self.handles.is_empty() => of(self.choose(&self.handles.clone())),
            // Another generation of a value that is in use.
            3 if !self.handles.is_empty() => (self.choose(&self.handles.clone()).0 ^ (1 << 22), None),
            _ if !fit.is_empty() => of(self.choose(&fit)),
            _ => (0, None),
        }
    }

    /// What is named, if it is of that kind.
    pub fn of_kind(&self, id: Option<Id>, kind: Kind) -> Option<Id> {
        id.filter(|id| self.world.kind(*id) == kind)
    }

    /// A value to use as a message handle, mostly of a message that is wanted, and where that is among those that
    /// there are.
    pub fn message(&mut self, is_wanted: impl Fn(&Message) -> bool) -> (MojoMessageHandle, Option<usize>) {
        let fit = (0..self.messages.len()).filter(|at| is_wanted(&self.messages[*at].message));
        let fit: Vec<usize> = fit.collect();
        let at = match self.random.below(60) {
            0 => return (self.choose(&[0, 1, usize::MAX, 1 << 30]), None),
            1 => return (self.choose(&self.retired_messages.clone()), None),
            2..40 if !fit.is_empty() => self.choose(&fit),
            _ if !self.messages.is_empty() => self.random.below(self.messages.len()),
            _ => return (0, None),
        };
        (self.messages[at].handle, Some(at))
    }

    pub fn new_context(&mut self) -> usize {
        self.next_context += self.random.below(7) + 1;
        self.next_context
    }

    // ---- handles come and go -----------------------------------------------------------------------------

    pub fn named(&mut self, handle: MojoHandle, id: Id) {
        assert!(handle != 0 && self.handles.iter().all(|(other, _)| *other != handle));
        self.handles.push((handle, id));
    }

    pub fn retire(&mut self, handle: MojoHandle) {
        self.handles.retain(|(other, _)| *other != handle);
        if self.retired.len() > 50 {
            self.retired.swap_remove(1);
        }
        self.retired.push(handle);
    }

    pub fn add_message(&mut self, handle: MojoMessageHandle, message: Message) {
        assert!(handle != 0 && self.messages.iter().all(|other| other.handle != handle));
        self.messages.push(Named { handle, message });
    }

    pub fn take_message(&mut self, at: usize) -> Message {
        let Named { handle, message } = self.messages.swap_remove(at);
        if self.retired_messages.len() > 50 {
            self.retired_messages.swap_remove(1);
        }
        self.retired_messages.push(handle);
        message
    }

    /// There are enough objects for interesting things to happen.
    pub fn has_plenty(&self) -> bool {
        self.handles.len() > 60
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.trace.iter().for_each(|what| println!("{what}"));
        }
    }
}
