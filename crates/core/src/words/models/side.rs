//! A process at one end of a link, as far as it calls and is called: its words, and the threads that look.

use crate::words::wake::{self, Call, WAITER};
use crate::words::{Attendance, Quiet, request, seen, show};
use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};

/// How much must be taken of a lane until there is room.
const ENOUGH: u64 = 2;

/// Where a thread sleeps.
pub(super) struct Bed {
    has_rung: Mutex<bool>,
    changed: Condvar,
}

impl Bed {
    pub(super) fn new() -> Self {
        Self { has_rung: Mutex::new(false), changed: Condvar::new() }
    }

    /// What is written to a socket remains there.
    pub(super) fn ring(&self) {
        *self.has_rung.lock().unwrap() = true;
        self.changed.notify_one();
    }

    pub(super) fn sleep_until_rung(&self) {
        let mut has_rung = self.has_rung.lock().unwrap();
        while !*has_rung {
            has_rung = self.changed.wait(has_rung).unwrap();
        }
        *has_rung = false;
    }

    /// Wakes the thread, if it sleeps on words.
    fn wake(&self) {
        drop(self.has_rung.lock().unwrap());
        self.changed.notify_one();
    }

    /// Looks at words and falls asleep; whoever [wakes](Self::wake) does so before or after both.
    fn sleep_while(&self, holds: impl Fn() -> bool) {
        let mut guard = self.has_rung.lock().unwrap();
        while holds() {
            guard = self.changed.wait(guard).unwrap();
        }
    }
}

/// A thread that waits for messages.
struct Waiter {
    bed: Bed,
    /// Somebody of its own process has something for it.
    is_told: AtomicBool,
}

pub(super) struct Side {
    /// How many messages were shown to this side, and how many it has taken.
    tail: AtomicU64,
    taken: AtomicU64,
    wake: AtomicU32,
    attendance: Attendance,
    pub(super) io: Bed,
    waiters: [Waiter; 2],
    /// How often the other side has called a waiter.
    num_called: AtomicU32,
    num_observers: AtomicUsize,
    quiet: Quiet,
    is_listed: Mutex<bool>,
    /// How much the other side has taken of what this one wrote, and whether this one wants to know.
    head: AtomicU64,
    wanted: AtomicU32,
    /// What had to wait for room is written.
    is_written: Mutex<bool>,
    /// For scenes that end when an urgent message was taken, or when they say so: its number, and that.
    pub(super) urgent: AtomicU64,
    pub(super) is_over: AtomicBool,
}

impl Side {
    /// One where so many observers wait.
    pub(super) fn new(num_observers: usize) -> Arc<Self> {
        let waiter = |()| Waiter { bed: Bed::new(), is_told: AtomicBool::new(false) };
        Arc::new(Self {
            tail: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            wake: AtomicU32::new(wake::IO),
            attendance: Attendance::new(),
            io: Bed::new(),
            waiters: [(); 2].map(waiter),
            num_called: AtomicU32::new(0),
            num_observers: AtomicUsize::new(num_observers),
            quiet: Quiet::new(),
            is_listed: Mutex::new(false),
            head: AtomicU64::new(0),
            wanted: AtomicU32::new(0),
            is_written: Mutex::new(false),
            urgent: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        })
    }

    // ---- the other process -------------------------------------------------------------------------------

    /// Shows one more message, and calls if need be.
    pub(super) fn send(&self, is_urgent: bool) {
        let number = self.tail.fetch_add(1, Ordering::Release) + 1;
        if is_urgent {
            self.urgent.store(number, Ordering::Release);
        }
        self.call(is_urgent);
    }

    pub(super) fn send_all(&self, are_urgent: [bool; 2]) {
        for is_urgent in are_urgent {
            self.send(is_urgent);
        }
    }

    fn call(&self, is_urgent: bool) {
        match wake::call(&self.wake, is_urgent) {
            Call::Nobody => {}
            Call::Io => self.io.ring(),
            Call::Waiter => {
                self.num_called.fetch_add(1, Ordering::Relaxed);
                self.waiters.iter().for_each(|waiter| waiter.bed.wake());
            }
        }
    }

    pub(super) fn num_called(&self) -> u32 {
        self.num_called.load(Ordering::Relaxed)
    }

    pub(super) fn make_room(&self) {
        for head in 1..=ENOUGH {
            show(&self.head, head);
            if request::take(&self.wanted, || head == ENOUGH) {
                self.call(true);
            }
        }
    }

    // ---- any thread of this one --------------------------------------------------------------------------

    fn has_room(&self) -> bool {
        seen(&self.head) == ENOUGH
    }

    fn has_work(&self) -> bool {
        seen(&self.tail) > self.taken() || self.attendance.is_waiting_for_room() && self.has_room()
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    /// Takes what has come, tells those who wait for it, and writes what there is room for.
    fn take(&self) {
        let tail = seen(&self.tail);
        if self.taken.fetch_max(tail, Ordering::AcqRel) < tail {
            for waiter in &self.waiters {
                waiter.is_told.store(true, Ordering::Release);
                waiter.bed.wake();
            }
        }
        if self.attendance.is_waiting_for_room() {
            self.write();
        }
    }

    /// Writes if there is room, or asks for some.
    pub(super) fn write(&self) {
        let mut is_written = self.is_written.lock().unwrap();
        *is_written |= self.has_room() || self.attendance.ask_for_room(&self.wanted, || self.has_room());
        self.attendance.set_waiting_for_room(!*is_written);
        if *is_written {
            // For the scene, which ends with this.
            self.io.ring();
        }
    }

    pub(super) fn is_written(&self) -> bool {
        *self.is_written.lock().unwrap()
    }

    fn attend(&self) {
        self.attendance.attend(Some(&self.wake));
    }

    fn leave(&self) -> bool {
        let is_waited_on = || self.num_observers.load(Ordering::SeqCst) > 0;
        let list = || self.quiet.list(|| *self.is_listed.lock().unwrap() = true);
        self.attendance.leave(|| Some(&self.wake), is_waited_on, list) && self.has_work()
    }

    /// Begins to wait for what the I/O thread is to take.
    pub(super) fn observe(&self) {
        self.num_observers.fetch_add(1, Ordering::SeqCst);
        self.end_quiet();
    }

    pub(super) fn end_quiet(&self) {
        let was_listed = self.quiet.end(|| std::mem::take(&mut *self.is_listed.lock().unwrap()));
        if was_listed && self.attendance.end_quiet(&self.wake) && self.has_work() {
            self.io.ring();
        }
    }

    pub(super) fn unobserve(&self) {
        self.num_observers.fetch_sub(1, Ordering::SeqCst);
    }

    // ---- the I/O thread ----------------------------------------------------------------------------------

    pub(super) fn do_io_until(&self, is_done: impl Fn() -> bool) {
        while !is_done() {
            self.io.sleep_until_rung();
            self.look_and_leave();
        }
    }

    pub(super) fn look_and_leave(&self) {
        loop {
            self.attend();
            self.take();
            if !self.leave() {
                return;
            }
        }
    }

    // ---- threads that wait -------------------------------------------------------------------------------

    /// Waits, as one of two, until so many messages were taken by whomever. How often this thread may have been called.
    pub(super) fn wait_for(&self, num_messages: u64, which: usize) -> u32 {
        let mut num_sleeps = 0;
        self.attend();
        self.take();
        while self.taken() < num_messages {
            num_sleeps += u32::from(self.sleep(&self.waiters[which]));
            self.take();
        }
        if self.leave() {
            self.take();
        }
        num_sleeps
    }

    /// Sleeps until something comes, or this thread is told. True if the other side may have called it.
    fn sleep(&self, waiter: &Waiter) -> bool {
        let is_announced = self.attendance.announce_sleep(&self.wake);
        if !is_announced && self.leave() {
            self.io.ring();
        }
        if !self.has_work() {
            let is_called = || is_announced && self.wake.load(Ordering::Relaxed) != WAITER;
            waiter.bed.sleep_while(|| !waiter.is_told.load(Ordering::Acquire) && !is_called());
        }
        waiter.is_told.store(false, Ordering::Relaxed);
        if is_announced {
            self.attendance.withdraw_sleep(&self.wake);
        } else {
            self.attend();
        }
        is_announced
    }
}
