#![allow(unsafe_code)]
//! The tables, and how much of them a program gets.

use crate::args::read;
use crate::entries::*;
use libmojo_c_common::HandleWord;
use std::mem::offset_of;

/// How many functions a table has.
pub const NUM_ENTRIES: usize = 46;

/// A table of functions.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct Thunks {
    /// The size of the table in bytes.
    pub size: u32,
    /// Nothing.
    pub padding: u32,
    /// The addresses of the functions.
    pub entries: [*const (); NUM_ENTRIES],
}

/// The smallest table that there ever was: all up to accepting invitations.
const MIN_SIZE: u32 = 336;

/// Up to this size, tables have always had handles of 32 bits.
const MAX_SIZE_OF_32_BITS: u32 = 360;

/// A size that tables of both widths have had.
const AMBIGUOUS_SIZE: u32 = 368;

/// If it is `32` in the environment, tables of the ambiguous size get handles of 32 bits.
const HANDLE_BITS: &str = "LIBMOJO_HANDLE_BITS";

/// The table for one width of handles.
pub fn thunks<W: HandleWord>() -> &'static Thunks {
    const {
        &Thunks {
            size: size_of::<Thunks>() as u32,
            padding: 0,
            entries: [
                initialize as *const (),
                time_ticks_now as *const (),
                close::<W> as *const (),
                query_handle_signals_state::<W> as *const (),
                create_message_pipe::<W> as *const (),
                write_message::<W> as *const (),
                read_message::<W> as *const (),
                fuse_message_pipes::<W> as *const (),
                create_message as *const (),
                destroy_message as *const (),
                serialize_message as *const (),
                append_message_data::<W> as *const (),
                message_data::<W> as *const (),
                set_message_context as *const (),
                message_context as *const (),
                notify_bad_message as *const (),
                create_data_pipe::<W> as *const (),
                write_data::<W> as *const (),
                begin_write_data::<W> as *const (),
                end_write_data::<W> as *const (),
                read_data::<W> as *const (),
                begin_read_data::<W> as *const (),
                end_read_data::<W> as *const (),
                create_shared_buffer::<W> as *const (),
                duplicate_buffer_handle::<W> as *const (),
                map_buffer::<W> as *const (),
                unmap_buffer as *const (),
                buffer_info::<W> as *const (),
                create_trap::<W> as *const (),
                add_trigger::<W> as *const (),
                remove_trigger::<W> as *const (),
                arm_trap::<W> as *const (),
                wrap_platform_handle::<W> as *const (),
                unwrap_platform_handle::<W> as *const (),
                wrap_region::<W> as *const (),
                unwrap_region::<W> as *const (),
                create_invitation::<W> as *const (),
                attach_to_invitation::<W> as *const (),
                extract_from_invitation::<W> as *const (),
                send_invitation::<W> as *const (),
                accept_invitation::<W> as *const (),
                set_quota::<W> as *const (),
                query_quota::<W> as *const (),
                shutdown as *const (),
                set_default_process_error_handler as *const (),
                reserve_message_capacity as *const (),
            ],
        }
    }
}

/// Fills a table as far as it goes. One that is too small to be any has size 0 then.
///
/// # Safety
/// `table` is null, or begins with its size and can be written to that far.
pub unsafe fn fill<W: HandleWord>(table: *mut Thunks) {
    let size_field = table.cast::<u32>();
    // SAFETY: null, or there is a size, by this function's contract.
    let Some(size) = (unsafe { read(size_field) }) else { return };
    if size < MIN_SIZE {
        // SAFETY: not null, and there is a size, by this function's contract.
        unsafe { size_field.write_unaligned(0) };
        return;
    }
    let own = thunks::<W>();
    let size = size.min(own.size);
    let copied = Thunks { size, ..*own };
    // SAFETY: the table can be written to as far as its size says, and the copy is at least as large.
    unsafe { table.cast::<u8>().copy_from_nonoverlapping((&raw const copied).cast(), size as usize) };
}

/// Fills a table of the width that its size tells.
///
/// # Safety
/// As for [`fill`].
pub unsafe fn fill_by_size(table: *mut Thunks) {
    // SAFETY: null, or there is a size, by this function's contract.
    let Some(size) = (unsafe { read(table.cast::<u32>()) }) else { return };
    let is_narrow = match size {
        AMBIGUOUS_SIZE => std::env::var_os(HANDLE_BITS).is_some_and(|bits| bits == "32"),
        size => size <= MAX_SIZE_OF_32_BITS,
    };
    if is_narrow {
        // SAFETY: by this function's contract.
        unsafe { fill::<u32>(table) }
    } else {
        // SAFETY: by this function's contract.
        unsafe { fill::<usize>(table) }
    }
}

const _: () = assert!(size_of::<usize>() != 8 || (size_of::<Thunks>() == 376 && offset_of!(Thunks, entries) == 8));
