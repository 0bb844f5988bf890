#![allow(unsafe_code)]
//! Message pipes.

use crate::args::{MojoOptions, two_required};
use crate::messages::MojoMessageHandle;
use crate::options::lenient;
use crate::pipes;
use crate::result::{MojoResult, code};
use libmojo_c_common::{HandleWord, refuse_if_forked};
use libmojo_core::node::Node;

pub(crate) unsafe extern "C" fn create_message_pipe<W: HandleWord>(
    options: *const MojoOptions,
    handle0: *mut W,
    handle1: *mut W,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or places to write to.
    let outputs = unsafe { two_required(handle0, handle1) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    let create = || {
        let (first, second) = outputs?;
        options?;
        let (a, b) = pipes::create()?;
        first.set(W::new(a));
        second.set(W::new(b));
        Ok(())
    };
    code(create())
}

pub(crate) extern "C" fn write_message<W: HandleWord>(
    handle: W,
    message: MojoMessageHandle,
    _options: *const MojoOptions,
) -> MojoResult {
    refuse_if_forked!();
    pipes::write(handle.handle(), message, false)
}

pub(crate) unsafe extern "C" fn read_message<W: HandleWord>(
    handle: W,
    _options: *const MojoOptions,
    message: *mut MojoMessageHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller's promises are that function's too.
    unsafe { pipes::read(handle.handle(), message) }
}

pub(crate) extern "C" fn fuse_message_pipes<W: HandleWord>(
    handle0: W,
    handle1: W,
    _options: *const MojoOptions,
) -> MojoResult {
    refuse_if_forked!();
    pipes::fuse(handle0.handle(), handle1.handle())
}

pub(crate) unsafe extern "C" fn notify_bad_message(
    message: MojoMessageHandle,
    error: *const u8,
    error_num_bytes: u32,
    _options: *const MojoOptions,
) -> MojoResult {
    refuse_if_forked!();
    let report = |sender: Option<_>, text: &str| {
        // What nobody hears of in particular is for the default handler.
        let heard = sender.filter(|sender: &std::sync::Arc<libmojo_core::node::Sender>| sender.is_heard_of());
        Node::process().report_bad_message_from(heard.as_ref(), text);
    };
    // SAFETY: the caller's promises are that function's too.
    unsafe { pipes::notify_bad(message, error, error_num_bytes as usize, report) }
}
