//! The handles inside a value: taken along while the value is serialized, given back while it is deserialized.
//!
//! Serde hands values through without a place for anything beside their bytes, so that place is the thread's. A value's
//! bytes have the position of a handle where the handle stands.

use crate::owned::{Close, Departure, Owned};
use crate::{Handle, Message};
use libmojo_core::message::Message as CoreMessage;
use libmojo_core::object::Object;
use libmojo_sync::{Arc, thread_local};
use std::cell::RefCell;

thread_local! {
    static LEAVING: RefCell<Option<Leaving>> = const { RefCell::new(None) };
    static ARRIVING: RefCell<Option<Arriving>> = const { RefCell::new(None) };
}

// ---- while a value is serialized -------------------------------------------------------------------------

/// What a value has shown of its handles. Until they are [loaded](Leaving::load) nothing has happened to them.
#[derive(Default)]
pub(crate) struct Leaving(Vec<(Object, Owner)>);

/// Who owns an object until the message was sent.
enum Owner {
    /// The value, which is told when it does so no more.
    Value(Departure),
    /// The value keeps a reference of its own.
    Shared,
    /// The message alone.
    Message,
}

/// Whom to tell whether the message was sent.
#[derive(Default)]
#[must_use = "either confirmed or undone"]
pub(crate) struct Loaded(Vec<Owner>);

/// Puts something in a thread's place as long as it lives, and then what was there before.
struct Placed<T: 'static> {
    place: &'static std::thread::LocalKey<RefCell<Option<T>>>,
    before: Option<T>,
}

impl<T> Placed<T> {
    fn new(place: &'static std::thread::LocalKey<RefCell<Option<T>>>, value: T) -> Self {
        Self { place, before: place.with(|place| place.borrow_mut().replace(value)) }
    }

    fn take(&self) -> Option<T> {
        self.place.with(|place| place.borrow_mut().take())
    }
}

impl<T> Drop for Placed<T> {
    fn drop(&mut self) {
        let before = self.before.take();
        let left = self.place.with(|place| std::mem::replace(&mut *place.borrow_mut(), before));
        // What is left may close objects, and that may call whoever watches their peers.
        drop(left);
    }
}

impl Leaving {
    /// Collects the handles of all that `serialize` serializes.
    pub(crate) fn during<R>(serialize: impl FnOnce() -> R) -> (R, Leaving) {
        let placed = Placed::new(&LEAVING, Leaving::default());
        let outcome = serialize();
        let leaving = placed.take().unwrap_or_default();
        (outcome, leaving)
    }

    fn add<E: serde::ser::Error>(object: Object, owner: Owner) -> Result<u32, E> {
        LEAVING.with(|place| {
            let mut place = place.borrow_mut();
            let leaving = place.as_mut().ok_or_else(|| E::custom("handles can only be sent through channels"))?;
            let position = u32::try_from(leaving.0.len()).map_err(E::custom)?;
            leaving.0.push((object, owner));
            Ok(position)
        })
    }

    /// True while a value is being serialized for a channel on this thread.
    pub(crate) fn is_under_way() -> bool {
        LEAVING.with(|place| place.borrow().is_some())
    }

    /// Takes an object along that the value owns; returns its position.
    pub(crate) fn add_owned<T: Close + Into<Object>, E: serde::ser::Error>(object: &Owned<T>) -> Result<u32, E> {
        Self::add((**object).clone().into(), Owner::Value(object.departure()))
    }

    /// Takes along a reference to an object that the value keeps, too.
    pub(crate) fn add_shared<E: serde::ser::Error>(object: Object) -> Result<u32, E> {
        Self::add(object, Owner::Shared)
    }

    /// Takes an object along that is made for the purpose.
    pub(crate) fn add_new<E: serde::ser::Error>(handle: Handle) -> Result<u32, E> {
        // Outside of a channel, it is still closed by its owner.
        if !Self::is_under_way() {
            return Err(E::custom("handles can only be sent through channels"));
        }
        Self::add(handle.into(), Owner::Message)
    }

    /// Attaches the objects to a message that is being built.
    ///
    /// # Errors
    /// One of them is in use, occurs twice or was sent away, or there are too many. Everything is as before then.
    pub(crate) fn load(self, message: &mut CoreMessage) -> Result<Loaded, ()> {
        let entries = std::mem::take(&mut { self }.0);
        let (objects, owners): (Vec<Object>, Vec<Owner>) = entries.into_iter().unzip();
        if let Some(at) = objects.iter().position(|object| object.begin_transit().is_err()) {
            objects.iter().take(at).for_each(Object::abort_transit);
            close_new(objects, owners);
            return Err(());
        }
        if objects.is_empty() {
            return Ok(Loaded::default());
        }
        match Object::attach_all(objects, message) {
            Ok(()) => Ok(Loaded(owners)),
            Err((_, objects)) => {
                objects.iter().for_each(Object::abort_transit);
                close_new(objects, owners);
                Err(())
            }
        }
    }
}

/// Closes those objects that nobody else owns.
fn close_new(objects: Vec<Object>, owners: Vec<Owner>) {
    for (object, owner) in objects.into_iter().zip(owners) {
        if matches!(owner, Owner::Message) {
            object.close();
        }
    }
}

/// Whoever panics while it serializes closes what was made for the message.
impl Drop for Leaving {
    fn drop(&mut self) {
        let (objects, owners) = std::mem::take(&mut self.0).into_iter().unzip();
        close_new(objects, owners);
    }
}

impl Loaded {
    /// The message was sent, and the objects with it.
    pub(crate) fn confirm(self) {
        for owner in self.0 {
            if let Owner::Value(departure) = owner {
                departure.confirm();
            }
        }
    }

    /// The message was not sent: the value has its objects back.
    pub(crate) fn undo(self, mut message: CoreMessage) {
        close_new(message.take_attachments().unwrap_or_default(), self.0);
    }
}

// ---- while a value is deserialized -----------------------------------------------------------------------

/// The handles that came with a value, and its bytes.
pub(crate) struct Arriving {
    handles: Vec<Option<Handle>>,
    message: Arc<Message>,
}

impl Arriving {
    /// Lets `deserialize` have the handles. True, beside the outcome, if it took them all.
    pub(crate) fn during<R>(
        handles: Vec<Handle>,
        message: &Arc<Message>,
        deserialize: impl FnOnce() -> R,
    ) -> (R, bool) {
        let arriving = Arriving { handles: handles.into_iter().map(Some).collect(), message: message.clone() };
        let placed = Placed::new(&ARRIVING, arriving);
        let outcome = deserialize();
        let left = placed.take();
        let all_taken = left.is_some_and(|left| left.handles.iter().all(Option::is_none));
        (outcome, all_taken)
    }

    /// Takes a handle out by its position.
    pub(crate) fn take<E: serde::de::Error>(position: u32) -> Result<Handle, E> {
        ARRIVING.with(|place| {
            let mut place = place.borrow_mut();
            let arriving = place.as_mut().ok_or_else(|| E::custom("handles only arrive through channels"))?;
            let handle = usize::try_from(position).ok().and_then(|at| arriving.handles.get_mut(at));
            handle.and_then(Option::take).ok_or_else(|| E::custom("no handle is left at this position"))
        })
    }

    /// The message that the bytes lie in, and where in its payload.
    pub(crate) fn locate(bytes: &[u8]) -> Option<(Arc<Message>, usize)> {
        ARRIVING.with(|place| {
            let place = place.borrow();
            let message = &place.as_ref()?.message;
            let payload = message.payload();
            let start = (bytes.as_ptr() as usize).checked_sub(payload.as_ptr() as usize)?;
            let is_inside = payload.get(start..)?.get(..bytes.len())?.as_ptr() == bytes.as_ptr();
            is_inside.then(|| (message.clone(), start))
        })
    }
}
