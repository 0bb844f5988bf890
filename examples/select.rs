//! A loop that waits for sockets and for pipes at once.
//!
//! Whoever connects to the program sends lines of text, and gets each back as a worker process has turned it round. The
//! loop is the program's own: it polls its sockets, and the one descriptor of a watcher that stands for all its pipes.
//! Without an argument the program is its own client.

#![allow(clippy::indexing_slicing)]

use libmojo::{AcceptedInvitation, Invitation, Message, Signals, Waitable, Watcher};
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, ExitCode};
use std::{env, thread};

const USAGE: &str = "\
usage: select            send a few lines to itself
       select ADDRESS    serve, at 127.0.0.1:7000 for instance, until killed
";

const LINES: [&str; 3] = ["never odd or even", "stressed", "libmojo"];

/// How the program starts its worker.
const WORKER_ARGUMENT: &str = "--worker";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let outcome = match env::args().nth(1).as_deref() {
        None => talk_to_itself(),
        Some(WORKER_ARGUMENT) => work(),
        Some("--help") => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some(address) => match address.parse() {
            Ok(address) => serve_at(address),
            Err(_) => {
                eprint!("{USAGE}");
                return ExitCode::from(2);
            }
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("select: {error}");
            ExitCode::FAILURE
        }
    }
}

fn talk_to_itself() -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let client = thread::spawn(move || -> std::io::Result<()> {
        let mut socket = TcpStream::connect(address)?;
        for line in LINES {
            writeln!(socket, "{line}")?;
        }
        for answer in BufReader::new(socket).lines().take(LINES.len()) {
            println!("{}", answer?);
        }
        Ok(())
    });
    serve(&listener, Some(1))?;
    client.join().map_err(|_| "the client has failed")??;
    Ok(())
}

fn serve_at(address: SocketAddr) -> Outcome<()> {
    let listener = TcpListener::bind(address)?;
    println!("serving at {}", listener.local_addr()?);
    serve(&listener, None)
}

// ---- the loop --------------------------------------------------------------------------------------------

/// Somebody who has connected.
struct Client {
    socket: TcpStream,
    /// The beginning of a line.
    input: Vec<u8>,
}

/// Serves clients: for good, or until so many have come and gone.
fn serve(listener: &TcpListener, until: Option<usize>) -> Outcome<()> {
    listener.set_nonblocking(true)?;
    let invitation = Invitation::new();
    let worker = invitation.attach(b"lines")?;
    let (mut process, _) = invitation.spawn(Command::new(env::current_exe()?).arg(WORKER_ARGUMENT))?;
    // Nothing is to be done in the callback: that the descriptor is readable is all the loop wants to know.
    let (watcher, pipes_ready) = Watcher::pollable(|_| {})?;
    watcher.watch(&worker, Signals::READABLE, 0)?;

    let mut clients: BTreeMap<u64, Client> = BTreeMap::new();
    let (mut next, mut gone) = (0, 0);
    // Whose the worker's next answers are: they come in the order of the questions.
    let mut asking: VecDeque<u64> = VecDeque::new();
    while until != Some(gone) {
        // An armed watcher makes its descriptor readable with the first message; one that cannot be armed has some already.
        if watcher.arm(0).is_ok() {
            let mut polled = vec![PollFd::new(listener, PollFlags::IN), PollFd::new(&pipes_ready, PollFlags::IN)];
            polled.extend(clients.values().map(|client| PollFd::new(&client.socket, PollFlags::IN)));
            poll(&mut polled, None)?;
        }
        watcher.dispatch();
        while let Ok(answer) = worker.try_recv() {
            // A client that is gone, or does not read, does without.
            if let Some(client) = asking.pop_front().and_then(|asker| clients.get_mut(&asker)) {
                let _ = client.socket.write_all(answer.payload());
            }
        }
        if !worker.signals().satisfiable.contains(Signals::READABLE) {
            return Err("the worker is gone".into());
        }
        if let Ok((socket, _)) = listener.accept() {
            socket.set_nonblocking(true)?;
            clients.insert(next, Client { socket, input: Vec::new() });
            next += 1;
        }
        clients.retain(|number, client| {
            let is_open = client.read();
            for line in client.take_lines() {
                // If it is gone, the loop finds out in the next round.
                let _ = worker.send(Message::new(&line));
                asking.push_back(*number);
            }
            gone += usize::from(!is_open);
            is_open
        });
    }
    drop(worker);
    process.wait()?;
    Ok(())
}

impl Client {
    /// Takes what has come. False if nothing will any more.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        loop {
            match self.socket.read(&mut bytes) {
                Ok(0) => return false,
                Ok(num_bytes) => self.input.extend_from_slice(&bytes[..num_bytes]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    /// The lines that are whole, with their ends.
    fn take_lines(&mut self) -> Vec<Vec<u8>> {
        let num_bytes = self.input.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.input.drain(..num_bytes).collect();
        whole.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }
}

// ---- the worker ------------------------------------------------------------------------------------------

fn work() -> Outcome<()> {
    let lines = AcceptedInvitation::inherited()?.extract(b"lines")?;
    while let Ok(line) = lines.recv() {
        let text = String::from_utf8_lossy(line.payload());
        let answer: String = text.trim_end().chars().rev().chain(['\n']).collect();
        if lines.send(Message::from(answer.as_str())).is_err() {
            break;
        }
    }
    Ok(())
}
