//! The Rust side has the layouts that the headers promise; the C side is checked by `c/layout.c`.

use mojo_system::*;
use std::mem::offset_of;

macro_rules! assert_layouts {
    ($($name:ident { size $size:literal, align $align:literal, $($field:ident at $offset:literal,)+ })+) => {$(
        assert_eq!((size_of::<$name>(), align_of::<$name>()), ($size, $align), stringify!($name));
        $(assert_eq!(offset_of!($name, $field), $offset, stringify!($name.$field));)+
    )+};
}

#[test]
#[cfg(target_pointer_width = "64")]
fn structures_have_the_promised_layouts() {
    assert_layouts! {
        MojoHandleSignalsState { size 8, align 4, satisfied_signals at 0, satisfiable_signals at 4, }
        MojoOptions { size 8, align 8, struct_size at 0, flags at 4, }
        MojoCreateDataPipeOptions {
            size 16, align 8, struct_size at 0, flags at 4, element_num_bytes at 8, capacity_num_bytes at 12,
        }
        MojoPlatformHandle { size 16, align 8, struct_size at 0, kind at 4, value at 8, }
        MojoSharedBufferGuid { size 16, align 8, high at 0, low at 8, }
        MojoPlatformProcessHandle { size 16, align 8, struct_size at 0, value at 8, }
        MojoInvitationTransportEndpoint {
            size 24, align 8, struct_size at 0, kind at 4, num_platform_handles at 8, platform_handles at 16,
        }
        MojoProcessErrorDetails {
            size 24, align 8, struct_size at 0, error_message_length at 4, error_message at 8, flags at 16,
        }
        MojoSendInvitationOptions {
            size 24, align 8, struct_size at 0, flags at 4, isolated_connection_name at 8,
            isolated_connection_name_length at 16,
        }
        MojoConfiguration {
            size 72, align 8, struct_size at 0, max_message_num_bytes at 4, max_shared_memory_num_bytes at 8,
            max_mappings at 16, io_thread_name at 24, max_unread_num_messages at 40, max_unread_num_bytes at 48,
            max_queued_num_messages at 56, max_queued_num_bytes at 64,
        }
        MojoSystemThunks { size 312, align 8, size at 0, functions at 8, }
    }
}
