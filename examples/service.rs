//! A service on tokio that other processes ask, and its clients.
//!
//! The service makes digests of whatever bytes it is sent: a question names them and carries the consumer of a data pipe
//! from which they come; the answer says how many there were, and their SHA-256. Every question is a task of its own, so that
//! a slow one holds up nobody, and ends when nobody waits for its answer any more. Server and clients have one thread each: the runtime
//! does the I/O of the library too.

#![allow(clippy::indexing_slicing)]

use libmojo::channel::{Reply, Request, Sender};
use libmojo::{AcceptedInvitation, Consumer, DataPipeOptions, Invitation, Node, Waitable};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::env;
use std::error::Error;
use std::process::{Command, ExitCode};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const USAGE: &str = "\
usage: service

Starts clients that ask for the digests of a few texts, all at once.
";

const CLIENTS: usize = 3;
const TEXTS: [&str; 3] = ["a short text", "", "one that is repeated quite often; "];
const REPETITIONS: [usize; 3] = [1, 1, 100_000];

/// How the service starts a client.
const CLIENT_ARGUMENT: &str = "--client";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Serialize, Deserialize)]
struct Question {
    name: String,
    contents: Consumer,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Answer {
    num_bytes: u64,
    sha256: [u8; 32],
}

fn main() -> ExitCode {
    let outcome = match env::args().nth(1).as_deref() {
        None => run(serve()),
        Some(CLIENT_ARGUMENT) => run(ask()),
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
            eprintln!("service: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a part of the program on a runtime that also does the I/O of the library.
fn run(part: impl Future<Output = Outcome<()>>) -> Outcome<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let driving = libmojo::tokio::drive(Node::process())?;
        tokio::select! {
            outcome = part => outcome,
            error = driving => Err(error.into()),
        }
    })
}

// ---- the service -----------------------------------------------------------------------------------------

async fn serve() -> Outcome<()> {
    let mut connections = Vec::new();
    for _ in 0..CLIENTS {
        let invitation = Invitation::new();
        let pipe = invitation.attach(b"questions")?;
        let (process, _) = invitation.spawn(Command::new(env::current_exe()?).arg(CLIENT_ARGUMENT))?;
        connections.push((process, tokio::spawn(answer_all(pipe.into()))));
    }
    let mut num_answers = 0;
    for (mut process, connection) in connections {
        // Ends when the client closes its end, or dies.
        num_answers += connection.await?;
        if !process.wait()?.success() {
            return Err("a client has failed".into());
        }
    }
    println!("{num_answers} questions of {CLIENTS} clients answered");
    Ok(())
}

async fn answer_all(mut questions: libmojo::channel::Receiver<Request<Question, Answer>>) -> usize {
    let mut num_answers = 0;
    loop {
        match questions.recv_async().await {
            Ok(Request { question, reply }) => {
                num_answers += 1;
                tokio::spawn(answer(question, reply));
            }
            // Not a question: it says where it came from, and the next one may be.
            Err(libmojo::channel::RecvError::Bad(bad)) => bad.report(),
            Err(_) => return num_answers,
        }
    }
}

async fn answer(question: Question, reply: Reply<Answer>) {
    let given_up = reply.closed();
    tokio::select! {
        digest = digest(question.contents) => match digest {
            // Nobody is told if the client has just gone.
            Ok(answer) => drop(reply.send(answer)),
            Err(error) => eprintln!("{}: {error}", question.name),
        },
        _ = given_up => {}
    }
}

async fn digest(contents: Consumer) -> Outcome<Answer> {
    let mut contents = contents.into_async();
    let (mut sha256, mut num_bytes, mut piece) = (Sha256::new(), 0, vec![0; 64 << 10]);
    loop {
        match contents.read(&mut piece).await? {
            0 => return Ok(Answer { num_bytes, sha256: sha256.finalize().into() }),
            read => {
                sha256.update(&piece[..read]);
                num_bytes += read as u64;
            }
        }
    }
}

// ---- a client --------------------------------------------------------------------------------------------

async fn ask() -> Outcome<()> {
    let questions = Sender::from(AcceptedInvitation::inherited()?.extract(b"questions")?);
    // One that is never answered, because its bytes never end: giving up is dropping the future.
    let (_producer, contents) = DataPipeOptions::default().create()?;
    let endless = questions.ask(Question { name: "endless".into(), contents });
    if timeout(Duration::from_millis(20), endless).await.is_ok() {
        return Err("an answer to nothing".into());
    }
    let asked = TEXTS.iter().zip(REPETITIONS).map(|(text, times)| ask_for(questions.clone(), text.repeat(times)));
    let asked: Vec<_> = asked.map(tokio::spawn).collect();
    for answer in asked {
        answer.await??;
    }
    Ok(())
}

async fn ask_for(questions: Sender<Request<Question, Answer>>, text: String) -> Outcome<()> {
    let (producer, contents) = DataPipeOptions::default().create()?;
    let expected = Answer { num_bytes: text.len() as u64, sha256: Sha256::digest(&text).into() };
    let writing = tokio::spawn(async move { producer.into_async().write_all(text.as_bytes()).await });
    let answer = questions.ask(Question { name: format!("{} bytes", expected.num_bytes), contents }).await?;
    writing.await??;
    if answer == expected { Ok(()) } else { Err(format!("{answer:?} instead of {expected:?}").into()) }
}
