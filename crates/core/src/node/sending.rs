//! Writing to a link, and calling the other side when there is something to read.

use super::frame::{DOORBELL, OutFrame};
use super::link::Link;
use super::outgoing::{Outgoing, Progress, Written};
use super::region::Region;
use crate::words::request;
use crate::words::wake::{self, Call};
use libmojo_platform::{Interest, wake_one};
use libmojo_sync::{Arc, MutexGuard};
use std::io::IoSlice;
use std::os::fd::AsFd;

impl Link {
    /// Writes a frame, or queues what there is no room for now. Never blocks.
    pub(crate) fn send(&self, frame: OutFrame) {
        let mut outgoing = self.outgoing.lock();
        if outgoing.write_at_once(&frame) {
            drop(outgoing);
            return self.call_peer(frame.is_urgent);
        }
        match outgoing.push(frame) {
            None => self.write(outgoing),
            Some(refused) => {
                // Closing descriptors takes its time; not under the lock.
                drop(outgoing);
                drop(refused);
            }
        }
    }

    /// Sends a last frame over the socket; everything from now on goes into the region.
    pub(super) fn send_and_switch(&self, frame: OutFrame, region: &Arc<Region>) {
        let mut outgoing = self.outgoing.lock();
        if outgoing.push(frame).is_none() {
            outgoing.switch(region);
        }
        self.write(outgoing);
    }

    /// Goes on writing what has been queued.
    pub(super) fn flush(&self) {
        self.write(self.outgoing.lock());
    }

    /// Has the other side make room, even if it waits for nothing.
    pub(super) fn press(&self) {
        self.call_peer(true);
    }

    /// Writes as much as there is room for, and arranges for the rest to follow.
    fn write<'a>(&'a self, mut outgoing: MutexGuard<'a, Outgoing>) {
        // Another thread that writes something large gets round to what is left.
        let stays = !outgoing.is_attended();
        loop {
            let progress = self.step(&mut outgoing);
            if outgoing.has_grown()
                && let Some(io) = self.io.upgrade()
            {
                io.note_growth();
            }
            let goes_on = stays && progress.written == Written::More;
            if stays {
                outgoing.set_attended(goes_on);
            }
            drop(outgoing);
            if progress.has_shown || progress.is_urgent {
                self.call_peer(progress.is_urgent);
            }
            match progress.violation {
                Some(violation) => self.fail(violation.0),
                None if progress.written == Written::Broken => self.give_up_writing(),
                None => {}
            }
            if !goes_on {
                return;
            }
            outgoing = self.outgoing.lock();
        }
    }

    /// Writes a little, and says what is waited for if that was not all.
    fn step(&self, outgoing: &mut Outgoing) -> Progress {
        let mut progress = outgoing.step(&self.socket);
        if progress.written == Written::NoRoom && self.ask_for_room() {
            let more = outgoing.step(&self.socket);
            progress = Progress {
                has_shown: progress.has_shown || more.has_shown,
                is_urgent: progress.is_urgent || more.is_urgent,
                violation: more.violation,
                // There was room a moment ago; if there is none left, somebody has to ask again.
                written: if more.written == Written::NoRoom { Written::More } else { more.written },
            };
        }
        self.attendance.set_waiting_for_room(progress.written == Written::NoRoom);
        self.wait_for_socket(outgoing, progress.written);
        progress
    }

    /// Asks the other side to call when there is room. True if by then there is.
    fn ask_for_room(&self) -> bool {
        let Some(region) = self.region.get() else { return false };
        self.attendance.ask_for_room(region.own_wanted_word(), || region.has_room())
    }

    fn wait_for_socket(&self, outgoing: &mut Outgoing, written: Written) {
        let is_full = written == Written::SocketFull;
        let is_stalled = written == Written::TooManyReferences;
        let has_changed = outgoing.note_waiting(is_full, is_stalled);
        if !has_changed && !is_stalled {
            return;
        }
        if let Some(io) = self.io.upgrade() {
            if has_changed {
                let interest = Interest { read: true, write: is_full };
                // Fails only if the link has been given up, and then nothing is waited for.
                let _ = io.poller.modify(self.socket.as_fd(), self.token, interest);
            }
            if is_stalled {
                io.note_stall();
            }
        }
    }

    /// Gives back the memory of lanes that are not used. True if there is some to be given back later.
    pub(super) fn shrink(&self) -> bool {
        let mut outgoing = self.outgoing.lock();
        outgoing.shrink();
        outgoing.has_grown()
    }

    /// Stops writing because the other side is gone. What it still sent is read before the link is given up.
    fn give_up_writing(&self) {
        let refused = self.outgoing.lock().close();
        drop(refused);
    }

    /// Calls the other side, if it sleeps, to look at what it has been shown. If it waits for no messages, only if that
    /// is urgent.
    pub(super) fn call_peer(&self, is_urgent: bool) {
        let Some(region) = self.region.get() else { return };
        let word = region.peer_wake_word();
        match wake::call(word, is_urgent) {
            Call::Nobody => {}
            Call::Waiter => wake_one(word, true),
            Call::Io => self.ring(),
        }
    }

    /// Has the other side's I/O thread look into the region.
    fn ring(&self) {
        let outgoing = self.outgoing.lock();
        if !outgoing.is_between_pieces() {
            // The socket is full, so it rings already.
            return;
        }
        // Nothing but whole pieces is written from now on, so the lock is only needed for what was there before.
        let outgoing = if outgoing.is_socket_free() {
            drop(outgoing);
            None
        } else {
            Some(outgoing)
        };
        let doorbell = OutFrame::plain(DOORBELL, Vec::new()).header(false).encode();
        let sent = self.socket.send(&[IoSlice::new(&doorbell)], &[]);
        drop(outgoing);
        match sent {
            Ok(num_bytes) if num_bytes < doorbell.len() => self.close(),
            // A full socket rings already; one that has ended is noticed by whoever reads from it.
            Ok(_) | Err(_) => {}
        }
    }

    /// Tells the other side, if it has asked, that there is room for more.
    pub(super) fn offer_room(&self) {
        let Some(region) = self.region.get() else { return };
        if request::take(region.peer_wanted_word(), || region.leaves_room()) {
            self.call_peer(true);
        }
    }
}
