//! Steps with watchers and invitations.

use crate::callbacks::*;
use crate::calls;
use crate::steps::Run;
use crate::support::*;
use crate::world::*;
use mojo_system::*;
use std::collections::BTreeMap;

impl Run {
    pub fn create_watcher(&mut self) {
        if self.has_plenty() {
            return;
        }
        let (handle, watches) = (watcher(), BTreeMap::new());
        let id = self.world.add(Thing::Watcher(Watcher { is_armed: false, watches }), Place::Held);
        self.named(handle, id);
    }

    /// A context that no other watcher has.
    fn context(&mut self, watcher: Option<Id>) -> usize {
        watcher.unwrap_or(0) * 8 + self.random.below(6)
    }

    pub fn add_watch(&mut self) {
        let (handle, id) = self.handle(Kind::Watcher);
        let kind = self.choose(&[Kind::Pipe, Kind::Pipe, Kind::Producer, Kind::Consumer]);
        let (watched, watched_id) = self.handle(kind);
        let mask = self.choose(&[0, R, W, C, N, R | C, W | C, M, u32::MAX, R | N]);
        let context = self.context(id);
        let expected = match (self.of_kind(id, Kind::Watcher), watched_id) {
            (Some(id), Some(watched)) => {
                let can_be_watched = self.world.kind(watched).has_signals();
                let Watcher { is_armed, watches } = self.world.watcher(id);
                if watches.contains_key(&context) || watches.values().any(|(other, _)| *other == watched) {
                    ALREADY_EXISTS
                } else if !can_be_watched {
                    INVALID_ARGUMENT
                } else {
                    watches.insert(context, (watched, mask));
                    if *is_armed {
                        self.world.look_at(id, context);
                    }
                    OK
                }
            }
            _ => INVALID_ARGUMENT,
        };
        self.answered(&format!("watch {kind:?} for {mask:b}"), MojoWatch(handle, watched, mask, context), expected);
    }

    pub fn cancel_watch(&mut self) {
        let (handle, id) = self.handle(Kind::Watcher);
        let context = self.context(id);
        let expected = match self.of_kind(id, Kind::Watcher) {
            None => INVALID_ARGUMENT,
            Some(id) if self.world.watcher(id).watches.contains_key(&context) => {
                self.world.cancel(id, context);
                OK
            }
            Some(_) => NOT_FOUND,
        };
        self.answered("cancel", MojoCancelWatch(handle, context), expected);
    }

    pub fn arm_watcher(&mut self) {
        let (handle, id) = self.handle(Kind::Watcher);
        let room = self.random.below(5);
        if self.random.once_in(20) {
            let code = calls::arm(handle, Some(&mut 0), None, Some(&mut []), Some(&mut []));
            return self.answered("arm without array", code, INVALID_ARGUMENT);
        }
        let mut ready = Vec::new();
        let expected = match self.of_kind(id, Kind::Watcher) {
            None => INVALID_ARGUMENT,
            Some(id) => {
                let watches = self.world.watcher(id).watches.clone();
                for (context, (watched, mask)) in &watches {
                    let readiness = self.world.readiness(*watched, *mask);
                    ready.extend(readiness.map(|result| (*context, result, self.world.signals(*watched))));
                }
                match (watches.is_empty(), ready.is_empty()) {
                    (true, _) => NOT_FOUND,
                    (false, false) => FAILED_PRECONDITION,
                    (false, true) => {
                        self.world.watcher(id).is_armed = true;
                        OK
                    }
                }
            }
        };
        let (found, listed) = arm_with_room(handle, room).err().unwrap_or((OK, Vec::new()));
        self.answered("arm", found, expected);
        assert_eq!(listed.len(), ready.len().min(room));
        for (at, watch) in listed.iter().enumerate() {
            assert!(ready.contains(watch) && !listed[..at].contains(watch), "{watch:?} of {ready:?}");
        }
    }

    pub fn use_invitation(&mut self) {
        let choice = self.random.below(3);
        if choice == 0 {
            if !self.has_plenty() {
                let handle = output(STALE, |handle| calls::create_invitation(None, Some(handle))).unwrap();
                let id = self.world.add(Thing::Invitation(Vec::new()), Place::Held);
                self.named(handle, id);
            }
            return;
        }
        let (handle, id) = self.handle(Kind::Invitation);
        let name = self.choose(&[&b""[..], b"a", b"b"]);
        let invitation = self.of_kind(id, Kind::Invitation).filter(|_| !name.is_empty());
        let at = invitation.and_then(|id| match self.world.thing(id) {
            Thing::Invitation(pipes) => Some(pipes.iter().position(|(other, _)| other == name)),
            _ => None,
        });
        let len = name.len() as u32;
        let (expected, found) = if choice == 1 {
            let expected = match at {
                None => INVALID_ARGUMENT,
                Some(None) => OK,
                Some(Some(_)) => ALREADY_EXISTS,
            };
            let call = |end: &mut MojoHandle| calls::attach_to_invitation(handle, Some(name), len, None, Some(end));
            (expected, output(STALE, call))
        } else {
            let expected = match at {
                None => INVALID_ARGUMENT,
                Some(None) => NOT_FOUND,
                Some(Some(_)) => OK,
            };
            let call = |end: &mut MojoHandle| calls::extract_from_invitation(handle, Some(name), len, None, Some(end));
            (expected, output(STALE, call))
        };
        self.answered("use invitation", code(found), expected);
        let (Ok(end), Some(invitation)) = (found, invitation) else { return };
        if let Some(at) = at.flatten() {
            let Thing::Invitation(pipes) = self.world.thing(invitation) else { return };
            let (_, id) = pipes.swap_remove(at);
            self.world.arrive(id);
            self.named(end, id);
        } else {
            let (kept, inside) = self.world.add_pipe(Place::Away);
            let Thing::Invitation(pipes) = self.world.thing(invitation) else { return };
            pipes.push((name.to_vec(), inside));
            self.named(end, kept);
        }
    }
}
