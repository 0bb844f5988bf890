#![allow(unsafe_code)]
//! `thunks.h`: the library's own functions as a table.

use super::*;

/// The table that the header calls `MojoExtendedSystemThunks`.
#[repr(C)]
#[derive(Debug)]
pub struct MojoSystemThunks {
    /// The size of this structure in bytes.
    pub size: usize,
    /// The addresses of the functions.
    pub functions: [*const (); 38],
}

const THUNKS: MojoSystemThunks = MojoSystemThunks {
    size: size_of::<MojoSystemThunks>(),
    functions: [
        MojoGetTimeTicksNow as *const (),
        MojoClose as *const (),
        MojoQueryHandleSignalsState as *const (),
        MojoCreateMessagePipe as *const (),
        MojoWriteMessage as *const (),
        MojoReadMessage as *const (),
        MojoCreateDataPipe as *const (),
        MojoWriteData as *const (),
        MojoBeginWriteData as *const (),
        MojoEndWriteData as *const (),
        MojoReadData as *const (),
        MojoBeginReadData as *const (),
        MojoEndReadData as *const (),
        MojoCreateSharedBuffer as *const (),
        MojoDuplicateBufferHandle as *const (),
        MojoMapBuffer as *const (),
        MojoUnmapBuffer as *const (),
        MojoCreateWatcher as *const (),
        MojoWatch as *const (),
        MojoCancelWatch as *const (),
        MojoArmWatcher as *const (),
        MojoFuseMessagePipes as *const (),
        MojoCreateMessage as *const (),
        MojoDestroyMessage as *const (),
        MojoSerializeMessage as *const (),
        MojoAttachSerializedMessageBuffer as *const (),
        MojoExtendSerializedMessagePayload as *const (),
        MojoCommitSerializedMessageContents as *const (),
        MojoGetSerializedMessageContents as *const (),
        MojoAttachMessageContext as *const (),
        MojoGetMessageContext as *const (),
        MojoWrapPlatformHandle as *const (),
        MojoUnwrapPlatformHandle as *const (),
        MojoWrapPlatformSharedBufferHandle as *const (),
        MojoUnwrapPlatformSharedBufferHandle as *const (),
        MojoNotifyBadMessage as *const (),
        MojoGetProperty as *const (),
        // Behind what the API has, so that the size tells whether it is there.
        MojoAttachMessageContextWithDestructor as *const (),
    ],
};

/// The functions of this library as a table.
#[unsafe(no_mangle)]
pub extern "C" fn MojoEmbedderGetSystemThunks() -> &'static MojoSystemThunks {
    &THUNKS
}

/// The functions of the later generation as a table with handles as wide as pointers.
#[unsafe(no_mangle)]
pub extern "C" fn MojoEmbedderGetSystemThunks2() -> &'static libmojo_stable::Thunks {
    libmojo_stable::thunks::<usize>()
}

/// The functions of the later generation as a table with handles of 32 bits.
#[unsafe(no_mangle)]
pub extern "C" fn MojoEmbedderGetSystemThunks32() -> &'static libmojo_stable::Thunks {
    libmojo_stable::thunks::<u32>()
}
