//! A framebuffer that one process draws and others look at; no pixel is ever sent.
//!
//! The memory is one shared buffer that holds two frames. The parent draws into one while its viewers, which have the
//! memory read-only, look at the other. What keeps the two apart is a message per frame and viewer, and one back when the
//! viewer has done with it. Each viewer says what it has seen, and that it cannot write.

#![allow(clippy::indexing_slicing)]

use libmojo::{AcceptedInvitation, AccessError, Invitation, Mapping, Message, MessagePipe, SharedBuffer};
use std::error::Error;
use std::process::{Child, Command, ExitCode};
use std::{env, io};

const USAGE: &str = "\
usage: framebuffer

Draws frames that other processes look at.
";

const WIDTH: usize = 640;
const HEIGHT: usize = 480;
const FRAME_BYTES: usize = WIDTH * HEIGHT * 4;
/// Frames in the buffer: one to draw, one to look at.
const SLOTS: usize = 2;
const FRAMES: u32 = 60;
const VIEWERS: usize = 3;

/// How the parent starts a viewer.
const VIEWER_ARGUMENT: &str = "--viewer";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let outcome = match env::args().nth(1).as_deref() {
        None => draw_for_viewers(),
        Some(VIEWER_ARGUMENT) => view(),
        Some("--help") => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some(_) => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("framebuffer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn slot_offset(frame: u32) -> usize {
    frame as usize % SLOTS * FRAME_BYTES
}

/// A sum of all pixels, which tells one frame from another and from a mixture of two.
fn checksum(pixels: &[u8]) -> u64 {
    pixels
        .chunks_exact(4)
        .fold(0, |sum: u64, pixel| sum.rotate_left(5) ^ u64::from(pixel[0]) ^ u64::from(pixel[1]) << 8)
}

// ---- the parent ------------------------------------------------------------------------------------------

fn draw_for_viewers() -> Outcome<()> {
    let buffer = SharedBuffer::create((SLOTS * FRAME_BYTES) as u64)?;
    let screen = buffer.map(0, buffer.num_bytes())?;
    let viewers = (0..VIEWERS).map(|_| start_viewer(&buffer)).collect::<Outcome<Vec<_>>>()?;
    let mut frame_pixels = vec![0; FRAME_BYTES];
    for frame in 0..FRAMES {
        // All have done with the frame that was in this slot before.
        if frame as usize >= SLOTS {
            viewers.iter().try_for_each(|(_, pipe)| pipe.recv().map(drop))?;
        }
        draw(frame, &mut frame_pixels);
        screen.write(slot_offset(frame), &frame_pixels)?;
        let announcement = [u64::from(frame).to_le_bytes(), checksum(&frame_pixels).to_le_bytes()].concat();
        viewers.iter().try_for_each(|(_, pipe)| pipe.send(Message::new(&announcement)))?;
    }
    for (mut process, pipe) in viewers {
        (0..SLOTS).try_for_each(|_| pipe.recv().map(drop))?;
        drop(pipe);
        if !process.wait()?.success() {
            return Err("a viewer has failed".into());
        }
    }
    println!("{FRAMES} frames of {WIDTH}x{HEIGHT} seen whole by {VIEWERS} viewers, none of which could write");
    Ok(())
}

fn start_viewer(buffer: &SharedBuffer) -> Outcome<(Child, MessagePipe)> {
    let invitation = Invitation::new();
    let pipe = invitation.attach(b"frames")?;
    let (process, _) = invitation.spawn(Command::new(env::current_exe()?).arg(VIEWER_ARGUMENT))?;
    pipe.send(Message::from("screen").with(buffer.duplicate_read_only()?))?;
    Ok((process, pipe))
}

/// A disc that moves over a gradient.
fn draw(frame: u32, pixels: &mut [u8]) {
    let centre = (frame as usize * 10 % WIDTH) as isize;
    for (at, pixel) in pixels.chunks_exact_mut(4).enumerate() {
        let (x, y) = ((at % WIDTH) as isize, (at / WIDTH) as isize);
        let in_disc = (x - centre).pow(2) + (y - 240).pow(2) < 2_500;
        pixel.copy_from_slice(&if in_disc { [255, 255, 255, 255] } else { [x as u8, y as u8, frame as u8, 255] });
    }
}

// ---- a viewer --------------------------------------------------------------------------------------------

fn view() -> Outcome<()> {
    let frames = AcceptedInvitation::inherited()?.extract(b"frames")?;
    let buffer = frames.recv()?.take_handles()?.pop().and_then(|handle| handle.into_buffer().ok());
    let screen = buffer.ok_or("no screen")?.map(0, (SLOTS * FRAME_BYTES) as u64)?;
    assert_cannot_write(&screen)?;
    let mut pixels = vec![0; FRAME_BYTES];
    while let Ok(announcement) = frames.recv() {
        let (frame, expected) = announcement.payload().split_at_checked(8).ok_or("no frame")?;
        let frame = u64::from_le_bytes(frame.try_into()?) as u32;
        screen.read(slot_offset(frame), &mut pixels)?;
        if checksum(&pixels).to_le_bytes() != expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("frame {frame} is torn")).into());
        }
        if frames.send(Message::from("done")).is_err() {
            break;
        }
    }
    Ok(())
}

fn assert_cannot_write(screen: &Mapping) -> Outcome<()> {
    match screen.write(0, &[0]) {
        Err(AccessError::ReadOnly) => Ok(()),
        other => Err(format!("writing to the screen: {other:?}").into()),
    }
}
