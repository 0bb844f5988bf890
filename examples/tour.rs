//! A tour of libmojo between two processes.
//!
//! The parent starts this program a second time as its child, sends it an invitation, and then moves a file over to
//! it in every way there is. It asks and the child answers, one request at a time, over the pipe that came with the
//! invitation:
//!
//! ```text
//! step            request, after its header     answer, after its header
//! greeting        GREETING                      GREETING_ANSWER
//! new pipe        attached: a message pipe      nothing
//! data pipe       attached: a consumer          SHA-256 of the bytes
//! shared buffer   attached: a buffer            SHA-256 of the bytes
//! descriptor      attached: a descriptor        SHA-256 of the bytes
//! lazy message    the serialized value          the same
//! closure         nothing                       none: the child exits
//! ```
//!
//! Over the new pipe the parent sends `PING`, and the child sends `PONG` back before it answers the request. What
//! follows the header of an answer is the reason if the child could not do what it was asked.

use libmojo::limits::MAX_SHARED_MEMORY_BYTES;
use libmojo::{
    AcceptedInvitation, Consumer, DataPipeOptions, Handle, Invitation, Message, MessagePipe, Producer, Serialize,
    SharedBuffer, Signals, Waitable, WatchEvent, Watcher, socket_pair,
};
use sha2::{Digest, Sha256};
use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const USAGE: &str = "\
usage: tour [FILE]
       tour --help

Starts a child process and moves FILE (by default this program) to it
through message pipes, a data pipe, a shared buffer and a descriptor.
FILE has at most 1 GiB.

bytes is the size of FILE in the steps that move it, and the payload of
the messages of both directions in the others. The time of a step that
moves FILE includes the child's SHA-256 of it.

Exit status: 0 if everything matched, 1 if not, 2 if there is nothing to
be done with the arguments or with FILE.
";

const EXIT_USAGE: u8 = 2;

/// How the parent starts its child.
const CHILD_ARGUMENT: &str = "--tour-child";

// ---- What parent and child say to each other ----

const PIPE_NAME: &[u8] = b"tour";
const GREETING: &str = "hello, child";
const GREETING_ANSWER: &str = "hello, parent";
const PING: &str = "ping over the new pipe";
const PONG: &str = "pong over the new pipe";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Greeting = 1,
    NewPipe,
    DataPipe,
    SharedBuffer,
    Descriptor,
    LazyMessage,
    Closure,
}

struct Request<'a> {
    step: Step,
    file_bytes: u64,
    text: &'a [u8],
}

/// The step and the size of the file.
const REQUEST_HEADER_BYTES: usize = 16;

impl Request<'_> {
    fn encode(&self) -> Message {
        Message::new(&[&(self.step as u64).to_le_bytes(), &self.file_bytes.to_le_bytes(), self.text].concat())
    }

    fn decode(payload: &[u8]) -> Option<Request<'_>> {
        let (number, rest) = payload.split_first_chunk()?;
        let number = u64::from_le_bytes(*number);
        let (step, ..) = STEPS.into_iter().find(|(step, ..)| *step as u64 == number)?;
        let (file_bytes, text) = rest.split_first_chunk()?;
        Some(Request { step, file_bytes: u64::from_le_bytes(*file_bytes), text })
    }
}

/// The step, and 0 if the child could do what it was asked.
const ANSWER_HEADER_BYTES: usize = 8;

fn encode_answer(step: Step, result: u32, text: &[u8]) -> Vec<u8> {
    [&(step as u32).to_le_bytes(), &result.to_le_bytes(), text].concat()
}

// ---- Files, a piece at a time ----

const PIECE_BYTES: usize = 64 << 10;

fn for_each_piece(num_bytes: u64, mut visit: impl FnMut(u64, &mut [u8]) -> io::Result<()>) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    for offset in (0..num_bytes).step_by(PIECE_BYTES) {
        // Only the last piece is shorter than the others.
        piece.truncate(to_usize(num_bytes - offset)?);
        visit(offset, &mut piece)?;
    }
    Ok(())
}

/// SHA-256 of the pieces that `read` fills in.
fn hash(num_bytes: u64, read: impl Fn(u64, &mut [u8]) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut hash = Sha256::new();
    for_each_piece(num_bytes, |offset, piece| {
        read(offset, piece)?;
        hash.update(piece);
        Ok(())
    })?;
    Ok(hash.finalize().to_vec())
}

fn hash_file(file: &File, num_bytes: u64) -> io::Result<Vec<u8>> {
    hash(num_bytes, |offset, piece| file.read_exact_at(piece, offset))
}

fn to_usize(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(io::Error::other)
}

// ---- Saying what went wrong ----

trait During<T> {
    /// Puts what was being done in front of the error.
    fn during(self, what: &str) -> io::Result<T>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn during(self, what: &str) -> io::Result<T> {
        self.map_err(Into::into).map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}")))
    }
}

/// Like `eprintln`, but does not panic if nobody can hear it.
fn complain(text: impl Display) {
    let _ = writeln!(io::stderr(), "tour: {text}");
}

// ---- The child ----

fn run_child() -> io::Result<ExitCode> {
    match accept_pipe().and_then(|pipe| serve(&pipe)).during("child") {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // The parent has gone; there is nobody left to tell.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::FAILURE),
        Err(error) => Err(error),
    }
}

fn accept_pipe() -> io::Result<MessagePipe> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let accepted = AcceptedInvitation::accept(socket).map_err(|(error, _)| error).during("accepting the invitation")?;
    Ok(accepted.extract(PIPE_NAME)?)
}

fn serve(pipe: &MessagePipe) -> io::Result<()> {
    loop {
        let mut message = pipe.recv()?;
        let handle = message.take_handles()?.pop();
        let request = Request::decode(message.payload()).ok_or(ErrorKind::InvalidData)?;
        let step = request.step;
        if step == Step::Closure {
            return Ok(());
        }
        let answer = match perform(request, handle) {
            Ok(text) => encode_answer(step, 0, &text),
            Err(error) => encode_answer(step, 1, error.to_string().as_bytes()),
        };
        pipe.send(Message::new(&answer))?;
    }
}

/// Returns the text of the answer.
fn perform(request: Request, handle: Option<Handle>) -> io::Result<Vec<u8>> {
    let Request { step, file_bytes, text } = request;
    match (step, handle) {
        (Step::Greeting, None) if text == GREETING.as_bytes() => Ok(GREETING_ANSWER.into()),
        (Step::NewPipe, Some(Handle::Pipe(pipe))) => talk_over(&pipe),
        (Step::DataPipe, Some(Handle::Consumer(consumer))) => hash_stream(consumer, file_bytes),
        (Step::SharedBuffer, Some(Handle::Buffer(buffer))) => hash_buffer(&buffer, file_bytes),
        (Step::Descriptor, Some(Handle::Descriptor(Some(file)))) => hash_file(&file.into(), file_bytes),
        (Step::LazyMessage, None) => Ok(text.to_vec()),
        _ => Err(io::Error::new(ErrorKind::InvalidInput, "not what this step is about")),
    }
}

fn talk_over(pipe: &MessagePipe) -> io::Result<Vec<u8>> {
    if pipe.recv()?.payload() != PING.as_bytes() {
        return Err(io::Error::new(ErrorKind::InvalidData, "not a ping"));
    }
    pipe.send(PONG.into())?;
    Ok(Vec::new())
}

fn hash_stream(mut consumer: Consumer, file_bytes: u64) -> io::Result<Vec<u8>> {
    let mut hash = Sha256::new();
    let mut piece = Vec::new();
    let mut done = 0;
    // Until the producer is closed, and everything that it wrote has been read.
    while consumer.wait(Signals::READABLE, None).is_ok() {
        let window = consumer.begin_read()?;
        piece.resize(window.len().min(PIECE_BYTES), 0);
        window.copy_out(0, &mut piece)?;
        window.commit(piece.len())?;
        hash.update(&piece);
        done += piece.len() as u64;
    }
    if done != file_bytes {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, format!("the stream ended after {done} bytes")));
    }
    Ok(hash.finalize().to_vec())
}

fn hash_buffer(buffer: &SharedBuffer, file_bytes: u64) -> io::Result<Vec<u8>> {
    let mapping = buffer.map(0, buffer.num_bytes())?;
    hash(file_bytes, |offset, piece| mapping.read(to_usize(offset)?, piece).map_err(io::Error::other))
}

// ---- The parent: its child and its file ----

/// A child process that is not left behind, whatever happens.
struct ChildProcess(Child);

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // Nothing happens if it has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_child(program: &Path) -> io::Result<(ChildProcess, MessagePipe)> {
    let (ours, theirs) = socket_pair().during("making a socket pair")?;
    // The command is dropped at once, and their socket with it: were it still open here, nobody would notice that
    // the child has died.
    let child = Command::new(program).arg(CHILD_ARGUMENT).stdin(Stdio::from(theirs)).spawn();
    let child = ChildProcess(child.during(&format!("starting {}", program.display()))?);

    let invitation = Invitation::new();
    let pipe = invitation.attach(PIPE_NAME).during("attaching a pipe")?;
    invitation.send(ours).map_err(|(error, _)| error).during("inviting the child")?;
    Ok((child, pipe))
}

struct Source {
    file: File,
    num_bytes: u64,
    digest: Vec<u8>,
}

impl Source {
    fn open(path: &Path) -> io::Result<Source> {
        // Asked before it is opened: opening a named pipe would wait for a writer.
        let metadata = fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let num_bytes = metadata.len();
        if num_bytes > MAX_SHARED_MEMORY_BYTES {
            return Err(io::Error::other("larger than 1 GiB"));
        }
        let file = File::open(path)?;
        let digest = hash_file(&file, num_bytes)?;
        Ok(Source { file, num_bytes, digest })
    }
}

// ---- The parent: the steps ----

type TakeStep = fn(&mut Tour) -> io::Result<u64>;

const STEPS: [(Step, &str, TakeStep); 7] = [
    (Step::Greeting, "greeting", Tour::greeting),
    (Step::NewPipe, "new pipe", Tour::new_pipe),
    (Step::DataPipe, "data pipe", Tour::data_pipe),
    (Step::SharedBuffer, "shared buffer", Tour::shared_buffer),
    (Step::Descriptor, "descriptor", Tour::descriptor),
    (Step::LazyMessage, "lazy message", Tour::lazy_message),
    (Step::Closure, "closure", Tour::closure),
];

struct Tour {
    pipe: MessagePipe,
    child: ChildProcess,
    source: Source,
}

/// Each step returns how many bytes were moved.
impl Tour {
    fn request(&self, step: Step, text: &str) -> Message {
        Request { step, file_bytes: self.source.num_bytes, text: text.as_bytes() }.encode()
    }

    fn ask(&self, request: Message) -> io::Result<()> {
        self.pipe.send(request).during("sending the request")
    }

    /// Has to follow every request that went out, whatever else failed: otherwise the next step would get this
    /// one's answer.
    fn hear(&self, step: Step, expected: &[u8]) -> io::Result<()> {
        let message = self.pipe.recv().during("waiting for the answer")?;
        if message.payload() == encode_answer(step, 0, expected) {
            return Ok(());
        }
        let text = message.payload().get(ANSWER_HEADER_BYTES..).unwrap_or_default();
        Err(io::Error::other(format!("the child's answer does not match: {}", text.escape_ascii())))
    }

    fn greeting(&mut self) -> io::Result<u64> {
        self.ask(self.request(Step::Greeting, GREETING))?;
        self.hear(Step::Greeting, GREETING_ANSWER.as_bytes())?;
        Ok(exchanged(GREETING, GREETING_ANSWER))
    }

    /// A message pipe inside a message.
    fn new_pipe(&mut self) -> io::Result<u64> {
        let (ours, theirs) = MessagePipe::create();
        self.ask(self.request(Step::NewPipe, "").with(theirs))?;
        let pinged = ping(ours);
        let heard = self.hear(Step::NewPipe, b"");
        pinged.and(heard)?;
        Ok(exchanged("", "") + (PING.len() + PONG.len()) as u64)
    }

    /// The file through a data pipe.
    fn data_pipe(&mut self) -> io::Result<u64> {
        let options = DataPipeOptions { capacity_num_bytes: 1 << 20, ..Default::default() };
        let (producer, consumer) = options.create().during("creating a data pipe")?;
        self.ask(self.request(Step::DataPipe, "").with(consumer))?;
        let streamed = stream(&self.source, producer);
        let heard = self.hear(Step::DataPipe, &self.source.digest);
        streamed.and(heard)?;
        Ok(self.source.num_bytes)
    }

    /// The file in shared memory.
    fn shared_buffer(&mut self) -> io::Result<u64> {
        // There are no empty buffers, but there are empty files.
        let buffer = SharedBuffer::create(self.source.num_bytes.max(1)).during("creating a buffer")?;
        fill(&buffer, &self.source).during("filling the buffer")?;
        let read_only = buffer.duplicate_read_only().during("making a read-only handle")?;
        self.ask(self.request(Step::SharedBuffer, "").with(read_only))?;
        self.hear(Step::SharedBuffer, &self.source.digest)?;
        Ok(self.source.num_bytes)
    }

    /// The file itself.
    fn descriptor(&mut self) -> io::Result<u64> {
        let file = self.source.file.try_clone().during("duplicating the descriptor")?;
        self.ask(self.request(Step::Descriptor, "").with(file))?;
        self.hear(Step::Descriptor, &self.source.digest)?;
        Ok(self.source.num_bytes)
    }

    /// A message that becomes bytes only if it has to.
    fn lazy_message(&mut self) -> io::Result<u64> {
        let text = "a triangle with sides of 3, 4 and 5";
        let triangle = Triangle { sides: [3, 4, 5], file_bytes: self.source.num_bytes };
        self.ask(Message::lazy(triangle))?;
        self.hear(Step::LazyMessage, text.as_bytes())?;
        Ok(exchanged(text, text))
    }

    /// The end, seen from the other end.
    fn closure(&mut self) -> io::Result<u64> {
        self.ask(self.request(Step::Closure, ""))?;
        wait_for_closure(&self.pipe).during("waiting for the pipe to close")?;
        let status = self.child.0.wait().during("waiting for the child")?;
        if !status.success() {
            return Err(io::Error::other(format!("the child: {status}")));
        }
        Ok(REQUEST_HEADER_BYTES as u64)
    }
}

/// The payload of a request with `text` and of an answer with `answer`.
fn exchanged(text: &str, answer: &str) -> u64 {
    (REQUEST_HEADER_BYTES + text.len() + ANSWER_HEADER_BYTES + answer.len()) as u64
}

/// Closes the pipe at its end: the child must not wait for a ping that failed.
fn ping(pipe: MessagePipe) -> io::Result<()> {
    pipe.send(PING.into()).during("writing to the new pipe")?;
    if pipe.recv().during("reading from the new pipe")?.payload() != PONG.as_bytes() {
        return Err(io::Error::other("reading from the new pipe: not a pong"));
    }
    Ok(())
}

/// Closes the producer at its end, which is what tells the child that the stream is complete.
fn stream(source: &Source, mut producer: Producer) -> io::Result<()> {
    for_each_piece(source.num_bytes, |offset, piece| {
        source.file.read_exact_at(piece, offset).during("reading the file")?;
        write_all(&mut producer, piece).during("writing to the data pipe")
    })
}

fn write_all(producer: &mut Producer, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // Ends without room if the child has closed its end. Then there is no window, and the reason is clear.
        let _ = producer.wait(Signals::WRITABLE, None);
        let mut window = producer.begin_write()?;
        let (now, later) = bytes.split_at(window.len().min(bytes.len()));
        window.fill(0, now)?;
        window.commit(now.len())?;
        bytes = later;
    }
    Ok(())
}

fn fill(buffer: &SharedBuffer, source: &Source) -> io::Result<()> {
    let mapping = buffer.map(0, buffer.num_bytes())?;
    for_each_piece(source.num_bytes, |offset, piece| {
        source.file.read_exact_at(piece, offset)?;
        mapping.write(to_usize(offset)?, piece).map_err(io::Error::other)
    })
}

struct Triangle {
    sides: [u32; 3],
    file_bytes: u64,
}

impl Serialize for Triangle {
    fn serialize(self) -> Message {
        let [a, b, c] = self.sides;
        let text = format!("a triangle with sides of {a}, {b} and {c}");
        Request { step: Step::LazyMessage, file_bytes: self.file_bytes, text: text.as_bytes() }.encode()
    }
}

fn wait_for_closure(pipe: &MessagePipe) -> io::Result<()> {
    let (events, happened) = mpsc::channel();
    let watcher = Watcher::new(move |notification| {
        // Fails once nobody wants to know any more.
        let _ = events.send(notification);
    });
    watcher.watch(pipe, Signals::PEER_CLOSED, 0)?;
    let notification = match watcher.arm(1) {
        Ok(()) => happened.recv().ok(),
        // A watcher refuses to be armed while there is something to report.
        Err(ready) => ready.into_iter().next(),
    };
    match notification.map(|notification| notification.event) {
        Some(WatchEvent::Satisfied) => Ok(()),
        other => Err(io::Error::other(format!("{other:?}"))),
    }
}

// ---- The parent: the table ----

fn print_row(name: &str, moved: Option<u64>, time: Duration) -> io::Result<()> {
    let result = if moved.is_some() { "ok" } else { "FAILED" };
    let bytes = moved.unwrap_or(0);
    let micros = (time.as_secs_f64() * 1e6).max(1.0);
    // Bytes per microsecond are megabytes per second.
    let (millis, rate) = (micros / 1e3, bytes as f64 / micros);
    writeln!(io::stdout(), "{name:<15} {result:<7} {bytes:>14} {millis:>9.2} ms {rate:>12.1}")
}

fn take_steps(tour: &mut Tour) -> io::Result<bool> {
    let mut is_good = true;
    for (_, name, take) in STEPS {
        let begin = Instant::now();
        let moved = take(tour).map_err(|error| complain(format_args!("{name}: {error}"))).ok();
        print_row(name, moved, begin.elapsed())?;
        is_good &= moved.is_some();
        // Nothing more can be asked if the child is gone.
        if !is_good && tour.pipe.signals().satisfied.contains(Signals::PEER_CLOSED) {
            break;
        }
    }
    Ok(is_good)
}

fn print_tour(path: &Path, tour: &mut Tour) -> io::Result<bool> {
    let mut out = io::stdout();
    writeln!(out, "tour of {} ({} bytes)", path.display(), tour.source.num_bytes)?;
    writeln!(out, "{:<15} {:<7} {:>14} {:>12} {:>12}", "step", "result", "bytes", "time", "MB/s")?;
    let is_good = take_steps(tour)?;
    writeln!(out, "{}", if is_good { "everything matched" } else { "something did not match" })?;
    Ok(is_good)
}

// ---- The program ----

fn refuse(why: impl Display) -> ExitCode {
    complain(why);
    ExitCode::from(EXIT_USAGE)
}

fn run_parent(path: &Path, program: &Path) -> io::Result<ExitCode> {
    let source = match Source::open(path) {
        Ok(source) => source,
        Err(error) => return Ok(refuse(format_args!("{}: {error}", path.display()))),
    };
    let (child, pipe) = start_child(program)?;
    let is_good = print_tour(path, &mut Tour { pipe, child, source }).during("writing the table")?;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(arguments: &[OsString]) -> io::Result<ExitCode> {
    let program = env::current_exe().during("finding this program")?;
    match arguments {
        [] => run_parent(&program, &program),
        [only] if only == CHILD_ARGUMENT => run_child(),
        [only] if only == "--help" => io::stdout().write_all(USAGE.as_bytes()).map(|()| ExitCode::SUCCESS),
        [only] if only == "--" => run_parent(&program, &program),
        [option] if option.as_encoded_bytes().starts_with(b"-") => {
            Ok(refuse(format_args!("unknown option {} (try tour --help)", option.display())))
        }
        [path] => run_parent(path.as_ref(), &program),
        // Lets the name of FILE begin with a dash.
        [dashes, path] if dashes == "--" => run_parent(path.as_ref(), &program),
        _ => Ok(refuse("too many arguments (try tour --help)")),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    run(&arguments).unwrap_or_else(|error| {
        complain(error);
        ExitCode::FAILURE
    })
}
