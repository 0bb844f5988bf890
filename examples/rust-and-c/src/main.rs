//! A Rust program with a service written in C inside it. Both use one engine: a pipe has one end here and the other
//! there, and what is attached to a message changes hands without copies or other processes.
#![allow(unsafe_code)]

use libmojo::{Consumer, Message, MessagePipe, Serialize};
use mojo_system::{MojoHandle, from_raw, into_raw};
use std::error::Error;
use std::ffi::{CStr, c_char};
use std::io::Read;

unsafe extern "C" {
    /// Answers messages in capitals until the peer is closed. Takes the handle.
    safe fn shout(pipe: MojoHandle) -> u32;
    /// Makes a data pipe that holds the text; returns its consumer.
    fn pour(text: *const c_char) -> MojoHandle;
}

struct Greeting {
    name: String,
}

impl Serialize for Greeting {
    fn serialize(self) -> Message {
        Message::from(format!("good morning, {}", self.name).as_str())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (here, there) = MessagePipe::create();
    let handle = into_raw(there)?;
    let service = std::thread::spawn(move || shout(handle));

    // An end of another pipe goes to the C code and comes back.
    let (near, far) = MessagePipe::create();
    here.send(Message::from("keep this for a moment").with(far))?;
    let mut answer = here.recv()?;
    println!("{}", str::from_utf8(answer.payload())?);
    let far = answer.take_handles()?.remove(0).into_pipe().map_err(|_| "not a pipe")?;
    near.send(Message::from("still connected"))?;
    println!("{}", str::from_utf8(far.recv()?.payload())?);

    // A value travels as it is, and is turned into bytes because the C code asks for them.
    here.send(Message::lazy(Greeting { name: "C".into() }))?;
    println!("{}", str::from_utf8(here.recv()?.payload())?);
    drop(here);
    println!("{} answers", service.join().map_err(|_| "the service panicked")?);

    let text: &CStr = c"poured by C, drunk by Rust";
    // SAFETY: the text ends with a zero byte and lives through the call.
    let mut consumer: Consumer = from_raw(unsafe { pour(text.as_ptr()) })?;
    let mut poured = String::new();
    consumer.read_to_string(&mut poured)?;
    println!("{poured}");
    Ok(())
}
