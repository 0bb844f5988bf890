//! The widths that faces have for handles.

use crate::handles::MojoHandle;

/// How a face writes a handle. The values are the same in all: a handle that one gave out means the same in another.
pub trait HandleWord: Copy {
    /// The handle, or 0, which names nothing, if the word is none.
    fn handle(self) -> MojoHandle;

    /// The word for a handle.
    fn new(handle: MojoHandle) -> Self;
}

impl HandleWord for u32 {
    #[inline]
    fn handle(self) -> MojoHandle {
        self
    }

    #[inline]
    fn new(handle: MojoHandle) -> Self {
        handle
    }
}

impl HandleWord for usize {
    #[inline]
    fn handle(self) -> MojoHandle {
        MojoHandle::try_from(self).unwrap_or(0)
    }

    #[inline]
    fn new(handle: MojoHandle) -> Self {
        handle as usize
    }
}
