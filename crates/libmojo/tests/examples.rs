//! The examples do what they say, and clean up after themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod programs;

use programs::example;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// What an example prints that ends well and has nothing to complain of.
fn printed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success() && stderr.is_empty(), "{status}: {}", text(stderr));
    text(stdout)
}

/// A program that runs until it is killed.
struct Serving(Child);

impl Serving {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    /// The first line that it prints: it is ready then.
    fn first_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        assert_eq!(self.0.wait().unwrap().signal(), Some(9));
    }
}

/// A directory that goes away with the value.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_pool_of_workers_does_every_job_though_some_workers_are_killed() {
    let table = printed(&mut example("worker_pool"));
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 41);
    assert_eq!(lines[0].split_whitespace().next(), Some("669"), "{table}");
    assert_eq!(lines[39], " 17984 primes up to 200000");
    let (_, redone) = lines[40].split_once("; ").unwrap();
    let redone: u32 = redone.split(' ').next().unwrap().parse().unwrap();
    assert!(redone > 0, "{table}");
}

#[test]
fn no_plugin_gets_at_files_or_programs_or_spoils_it_for_another() {
    let Output { status, stdout, stderr } = example("plugin_host").output().unwrap();
    assert!(status.success());
    assert_eq!(text(stderr), "chatter: Received bad user message: not a line of text\n");
    let expected = "\
        chatter  refused: a bad answer\n\
        crash    refused: the peer is closed\n\
        shell    Operation not permitted (os error 1)\n\
        sleep    refused: it does not answer\n\
        snoop    Operation not permitted (os error 1)\n\
        upper    HELLO\n\
        upper    STILL HERE\n";
    assert_eq!(text(stdout), expected);
}

#[test]
fn files_come_whole_from_the_file_server_and_nothing_from_outside_its_directory() {
    let directory = Directory::new("file-server");
    let socket = directory.0.join("socket");
    let served = directory.0.join("served");
    fs::create_dir_all(served.join("below")).unwrap();
    fs::write(directory.0.join("secret"), "secret").unwrap();
    fs::write(served.join("below/empty"), "").unwrap();
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(served.join("large"), &large).unwrap();

    let mut server = Serving::start(example("file_server").arg("serve").args([&socket, &served]).stderr(Stdio::null()));
    assert!(server.first_line().starts_with("serving "));
    let get = |name: &str| example("file_server").arg("get").arg(&socket).arg(name).output().unwrap();
    let several: Vec<_> = (0..3)
        .map(|_| example("file_server").arg("get").arg(&socket).arg("large").stdout(Stdio::piped()).spawn())
        .collect();
    for client in several {
        let output = client.unwrap().wait_with_output().unwrap();
        assert!(output.status.success() && output.stdout == large, "{} bytes", output.stdout.len());
    }
    let empty = get("below/empty");
    assert!(empty.status.success() && empty.stdout.is_empty());
    for name in ["../secret", "/etc/passwd", "below", "nothing", ""] {
        let output = get(name);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert_eq!(
            (text(output.stdout).as_str(), text(output.stderr).as_str()),
            ("", "file_server: the server has no such file\n")
        );
    }
}

#[test]
fn viewers_see_every_frame_whole_and_cannot_write() {
    let said = printed(&mut example("framebuffer"));
    assert_eq!(said, "60 frames of 640x480 seen whole by 3 viewers, none of which could write\n");
}

#[test]
fn the_loop_serves_sockets_and_pipes_at_once() {
    assert_eq!(printed(&mut example("select")), "neve ro ddo reven\ndesserts\nojombil\n");
}

#[test]
fn the_loop_tells_its_clients_apart_and_puts_up_with_those_that_leave() {
    let mut server = Serving::start(example("select").arg("127.0.0.1:0"));
    let address = server.first_line();
    let address = address.trim_end().strip_prefix("serving at ").unwrap();
    let mut clients: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        write!(client, "half of a line by {at}").unwrap();
    }
    drop(clients.drain(10..));
    for (at, client) in clients.iter_mut().enumerate() {
        writeln!(client, ", and the rest").unwrap();
        let mut answer = vec![0; format!("half of a line by {at}, and the rest\n").len()];
        client.read_exact(&mut answer).unwrap();
        let line: String = text(answer).trim_end().chars().rev().collect();
        assert_eq!(line, format!("half of a line by {at}, and the rest"));
    }
}

#[test]
fn each_example_says_how_it_is_used() {
    for name in ["worker_pool", "plugin_host", "file_server", "framebuffer", "select"] {
        let output = example(name).arg("--help").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert!(text(output.stdout).starts_with(&format!("usage: {name}")));
        let output = example(name).args(["--nonsense", "2", "3", "4"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(text(output.stderr).starts_with(&format!("usage: {name}")));
    }
}

#[cfg(all(feature = "serde", feature = "tokio"))]
#[test]
fn the_service_answers_its_clients_and_forgets_those_that_give_up() {
    assert_eq!(printed(&mut example("service")), "12 questions of 3 clients answered\n");
}
