//! A server that streams files to whoever connects, each through a data pipe.
//!
//! The server listens at a socket path, accepts each client with an invitation of its own, and answers requests on the
//! pipe that came with it. A request is the name of a file; the answer is one byte, and if that is `FOUND` the size in
//! eight bytes and the consumer of a data pipe, through which the contents come at the client's pace. What else a client
//! could do on its connection is its own affair: the connections are isolated, so clients do not meet each other.

use libmojo::{
    AcceptedInvitation, Consumer, DataPipeOptions, Invitation, Message, MessagePipe, SendOptions, Server, connect,
};
use std::error::Error;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::{env, thread};

const USAGE: &str = "\
usage: file_server serve SOCKET DIRECTORY    serve the files of DIRECTORY, until killed
       file_server get SOCKET NAME           write the file NAME to the standard output
";

const NOT_FOUND: u8 = 0;
const FOUND: u8 = 1;

/// As much as the server writes ahead of a slow client.
const CAPACITY: u32 = 256 << 10;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", socket, directory] => serve(socket, directory),
        ["get", socket, name] => get(socket, name),
        ["--help"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("file_server: {error}");
            ExitCode::FAILURE
        }
    }
}

// ---- the server ------------------------------------------------------------------------------------------

fn serve(socket: &str, directory: &str) -> Outcome<()> {
    let directory = PathBuf::from(directory);
    let server = Server::bind(socket)?;
    println!("serving {} at {socket}", directory.display());
    loop {
        let incoming = server.accept(None)?;
        let client = incoming.credentials().pid;
        let invitation = Invitation::new();
        let requests = invitation.attach(b"requests")?;
        let options = SendOptions { isolation: Some(Vec::new()), ..SendOptions::default() };
        if let Err((error, _)) = invitation.send_with(incoming, options) {
            eprintln!("client {client}: {error}");
            continue;
        }
        let directory = directory.clone();
        thread::spawn(move || answer_all(&requests, &directory, client));
    }
}

/// Until the client closes its end.
fn answer_all(requests: &MessagePipe, directory: &Path, client: u32) {
    while let Ok(request) = requests.recv() {
        let name = String::from_utf8_lossy(request.payload());
        let outcome = match open(directory, &name) {
            Ok(file) => answer(requests, file),
            Err(error) => {
                eprintln!("client {client}: {name}: {error}");
                requests.send(Message::from([NOT_FOUND].as_slice())).map_err(Into::into)
            }
        };
        if let Err(error) = outcome {
            eprintln!("client {client}: {name}: {error}");
        }
    }
}

/// Opens a file in the directory, or below; nothing above.
fn open(directory: &Path, name: &str) -> io::Result<File> {
    let name = Path::new(name);
    if !name.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let file = File::open(directory.join(name))?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

fn answer(requests: &MessagePipe, file: File) -> Outcome<()> {
    let (mut producer, consumer) =
        DataPipeOptions { capacity_num_bytes: CAPACITY, ..DataPipeOptions::default() }.create()?;
    let size = file.metadata()?.len();
    let head: Vec<u8> = [FOUND].into_iter().chain(size.to_le_bytes()).collect();
    requests.send(Message::new(&head).with(consumer))?;
    // From the file into the pipe's memory, without a buffer in between. Waits while the pipe is full, and ends with
    // `BrokenPipe` if the client goes away.
    producer.copy_from(&file)?;
    Ok(())
}

// ---- a client --------------------------------------------------------------------------------------------

fn get(socket: &str, name: &str) -> Outcome<()> {
    let accepted = AcceptedInvitation::accept_isolated(connect(socket)?).map_err(|(error, _)| error)?;
    let requests = accepted.extract(b"requests")?;
    requests.send(Message::from(name))?;
    let (size, mut contents) = found(requests.recv()?)?.ok_or("the server has no such file")?;
    let received = contents.copy_to(io::stdout())?;
    if received == size { Ok(()) } else { Err(format!("{received} of {size} bytes, then the server was gone").into()) }
}

fn found(mut answer: Message) -> Outcome<Option<(u64, Consumer)>> {
    let [FOUND, size @ ..] = answer.payload() else { return Ok(None) };
    let size = u64::from_le_bytes(size.try_into()?);
    let contents = answer.take_handles()?.pop().and_then(|handle| handle.into_consumer().ok());
    Ok(Some((size, contents.ok_or("an answer without contents")?)))
}
