//! What the children do.

use crate::worlds::children::*;
use crate::worlds::*;
use libmojo::{
    Consumer, DataPipeOptions, Handle, Message, MessagePipe, Node, Producer, RecvError, SharedBuffer, Signals,
    TryRecvError, Waitable, wait_many,
};
use std::io::{Read, Write};

fn take_pipes(message: &mut Message) -> Vec<MessagePipe> {
    message.take_handles().unwrap().into_iter().map(|handle| handle.into_pipe().unwrap()).collect()
}

fn text(message: &Message) -> &str {
    std::str::from_utf8(message.payload()).unwrap()
}

// ---- answering -------------------------------------------------------------------------------------------

#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_takes_out_and_returns() {
    act(|pipe| {
        while let Ok(mut message) = pipe.recv() {
            let handles = message.take_handles().unwrap();
            let answer = handles.into_iter().fold(Message::new(message.payload()), Message::with);
            pipe.send(answer).unwrap();
        }
    });
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_returns_unopened() {
    act(|pipe| {
        while let Ok(message) = pipe.recv() {
            pipe.send(message).unwrap();
        }
    });
}

/// Answers twice what it is told, until that is enough. Exits with the number of answers.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_doubles() {
    let count = act(|pipe| {
        for count in 0.. {
            let text = recv(pipe);
            if text == "enough" {
                return count;
            }
            send(pipe, &text.repeat(2));
        }
        unreachable!()
    });
    if let Some(count) = count {
        std::process::exit(count % 100);
    }
}

/// Asks three times at the pipe that it gets, as soon as it is told to, and finds the answers bad.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_finds_answers_bad() {
    act(|pipe| {
        let asked = recv_pipe(pipe);
        assert_eq!(recv(pipe), "go");
        for number in 0..3 {
            send(&asked, "question");
            asked.recv().unwrap().report_bad(&format!("answer {number}"));
        }
        send(pipe, "done");
        assert_closed(pipe);
    });
}

/// Answers on every pipe that it gets, on each by a thread of its own, until all are closed.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_answers_on_pipes() {
    act(|pipe| {
        let mut threads = Vec::new();
        while let Ok(mut message) = pipe.recv() {
            let handles = message.take_handles().unwrap();
            threads.push(std::thread::spawn(move || {
                let (mut pipes, mut rest) = (Vec::new(), Vec::new());
                for handle in handles {
                    match handle.into_pipe() {
                        Ok(pipe) => pipes.push(pipe),
                        Err(other) => rest.push(other),
                    }
                }
                for pipe in &pipes {
                    while let Ok(message) = pipe.recv() {
                        let _ = pipe.send(Message::from(text(&message).repeat(2).as_str()));
                    }
                }
                drop(rest);
            }));
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Answers on every pipe that it gets over any other, all by one thread.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_answers_wherever_it_is_asked() {
    act(|parent| {
        let mut pipes: Vec<MessagePipe> = Vec::new();
        loop {
            let objects: Vec<(&dyn Waitable, Signals)> =
                [parent].into_iter().chain(&pipes).map(|pipe| (pipe as _, Signals::READABLE)).collect();
            let (Ok((at, _)) | Err((at, _))) = wait_many(&objects, None);
            let pipe = if at == 0 { parent } else { &pipes[at - 1] };
            match pipe.try_recv() {
                Ok(mut message) => {
                    pipe.send(Message::from(text(&message).repeat(2).as_str())).unwrap();
                    pipes.extend(take_pipes(&mut message));
                }
                Err(TryRecvError::PeerClosed) if at == 0 => return,
                Err(_) => drop(pipes.remove(at - 1)),
            }
        }
    });
}

/// Asks a hundred questions over the pipe that it gets, then tells the parent.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_asks() {
    act(|parent| {
        let pipe = take_pipes(&mut parent.recv().unwrap()).remove(0);
        (0..100).for_each(|number| send(&pipe, &number.to_string()));
        (0..100).for_each(|number| assert_eq!(recv(&pipe), number.to_string().repeat(2)));
        send(parent, "answered");
        let _ = parent.recv();
    });
}

/// Makes a pipe, gives it away over the pipe that it gets, and doubles what comes over it until it is told to quit.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_converses_over_a_pipe_of_its_own() {
    act(|parent| {
        let carrier = take_pipes(&mut parent.recv().unwrap()).remove(0);
        let (pipe, given) = MessagePipe::create();
        carrier.send(Message::from("here").with(given)).unwrap();
        loop {
            match recv(&pipe).as_str() {
                "quit" => return,
                text => send(&pipe, &text.repeat(2)),
            }
        }
    });
}

// ---- using -----------------------------------------------------------------------------------------------

/// Does something with each object that it receives, closes it, and then answers.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_uses() {
    act(|pipe| {
        while let Ok(mut message) = pipe.recv() {
            let mut answer = String::new();
            for handle in message.take_handles().unwrap() {
                match handle {
                    Handle::Pipe(other) => {
                        answer += &format!("pipe {}; ", recv(&other));
                        send(&other, "from the child");
                    }
                    Handle::Producer(mut producer) => {
                        producer.write_all(b"produced by the child").unwrap();
                        answer += "producer; ";
                    }
                    Handle::Consumer(mut consumer) => {
                        let mut text = String::new();
                        consumer.read_to_string(&mut text).unwrap();
                        answer += &format!("consumer {text}; ");
                    }
                    Handle::Buffer(buffer) => {
                        let mapping = buffer.map(0, buffer.num_bytes()).unwrap();
                        let mut text = [0; 5];
                        mapping.read(0, &mut text).unwrap();
                        let written = mapping.write(5, b"child").is_ok();
                        answer += &format!("buffer {} {written}; ", String::from_utf8_lossy(&text));
                    }
                    Handle::Descriptor(Some(descriptor)) => {
                        let file = std::fs::File::from(descriptor);
                        answer += &format!("file {}; ", text_of(&file));
                    }
                    Handle::Descriptor(None) => answer += "no descriptor; ",
                    other => panic!("unknown {other:?}"),
                }
            }
            send(pipe, &answer);
        }
    });
}

/// Reads each pipe that it gets to its end, and answers with what came.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_reads_to_the_end() {
    act(|parent| {
        while let Ok(mut message) = parent.recv() {
            let mut answer = String::new();
            for pipe in take_pipes(&mut message) {
                while let Ok(message) = pipe.recv() {
                    answer += &format!("{}, ", text(&message));
                }
                answer += "closed; ";
            }
            send(parent, &answer);
        }
    });
}

/// Copies from the consumer to the producer that it gets.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_copies() {
    act(|pipe| {
        let mut handles = pipe.recv().unwrap().take_handles().unwrap();
        let mut producer = handles.remove(1).into_producer().unwrap();
        let mut consumer = handles.remove(0).into_consumer().unwrap();
        let copied = std::io::copy(&mut consumer, &mut producer).unwrap();
        drop((consumer, producer));
        send(pipe, &copied.to_string());
        assert_eq!(pipe.recv().unwrap_err(), RecvError::PeerClosed);
    });
}

/// Keeps nothing of a buffer but a mapping. Whenever it is told a number, that is what the buffer must hold at this
/// place; it puts the same at the next one.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_takes_turns_in_a_buffer() {
    act(|parent| {
        let buffer = parent.recv().unwrap().take_handles().unwrap().remove(0).into_buffer().unwrap();
        let mapping = buffer.map(0, buffer.num_bytes()).unwrap();
        drop(buffer);
        while let Ok(message) = parent.recv() {
            let number: usize = text(&message).parse().unwrap();
            let mut byte = [0];
            mapping.read(number, &mut byte).unwrap();
            assert_eq!(usize::from(byte[0]), number);
            mapping.write(number + 1, &byte).unwrap();
            parent.send(message).unwrap();
        }
    });
}

// ---- making ----------------------------------------------------------------------------------------------

#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_makes_and_exits() {
    act(|pipe| {
        let (kept, given) = MessagePipe::create();
        send(&kept, "left in the pipe");
        let (mut producer, consumer) = DataPipeOptions::default().create().unwrap();
        producer.write_all(b"left in the data pipe").unwrap();
        let buffer = SharedBuffer::create(1000).unwrap();
        buffer.map(0, 1000).unwrap().write(990, b"left here").unwrap();
        let viewer = buffer.duplicate_read_only().unwrap();
        let file = file_with("left in the file");
        let message = Message::from("made").with(given).with(consumer).with(buffer).with(viewer).with(file);
        pipe.send(message).unwrap();
        assert_eq!(recv(pipe), "everything is here");
    });
}

/// Gives away one end of a pipe, moved before, whose other end is used up and closed, and a consumer whose producer
/// is used only then.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_gives_away_ends() {
    act(|parent| {
        let (used, given) = MessagePipe::create();
        send(&used, "first");
        send(&used, "second");
        drop(used);
        let (a, b) = MessagePipe::create();
        let given = pass_pipe(&a, &b, given);
        let (mut producer, consumer): (Producer, Consumer) = DataPipeOptions::default().create().unwrap();
        parent.send(Message::from("these").with(given).with(consumer)).unwrap();
        producer.write_all(b"written afterwards").unwrap();
        drop(producer);
        let _ = parent.recv();
    });
}

/// Sends a hundred messages with attachments over a pipe that it gets, then says so, then ends when told to.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_sends_a_hundred() {
    act(|pipe| {
        let other = take_pipes(&mut pipe.recv().unwrap()).remove(0);
        for number in 0..100 {
            let buffer = SharedBuffer::create(8).unwrap();
            other.send(Message::from(number.to_string().as_str()).with(buffer)).unwrap();
        }
        send(pipe, "sent");
        let _ = pipe.recv();
        std::process::exit(0);
    });
}

/// Makes a buffer and sends it to two others, over the two pipes that it gets.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_gives_a_buffer() {
    act(|parent| {
        let pipes = take_pipes(&mut parent.recv().unwrap());
        let buffer = SharedBuffer::create(10).unwrap();
        buffer.map(0, 5).unwrap().write(0, b"given").unwrap();
        for pipe in &pipes {
            pipe.send(Message::from("a buffer").with(buffer.duplicate().unwrap())).unwrap();
        }
        let _ = parent.recv();
    });
}

/// Writes into the buffer that comes over the first pipe that it gets, and says so over the second.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_edits_a_buffer() {
    act(|parent| {
        let pipes = take_pipes(&mut parent.recv().unwrap());
        let buffer = pipes[0].recv().unwrap().take_handles().unwrap().remove(0).into_buffer().unwrap();
        let mapping = buffer.map(0, 10).unwrap();
        let mut text = [0; 5];
        mapping.read(0, &mut text).unwrap();
        assert_eq!(&text, b"given");
        mapping.write(5, b" back").unwrap();
        send(&pipes[1], "edited");
        let _ = parent.recv();
    });
}

// ---- passing on ------------------------------------------------------------------------------------------

/// Launches a child of its own and passes everything on to that.
fn pass_on_to<F: Fn()>(role: F, mode: Mode) {
    act(|pipe| {
        let grandchild = mode.launch(Node::process(), role);
        while let Ok(message) = pipe.recv() {
            grandchild.pipe.send(message).unwrap();
            send(pipe, "passed on");
        }
        grandchild.finish();
    });
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_has_an_isolated_child_that_answers_on_pipes() {
    pass_on_to(child_answers_on_pipes, Mode::Peer);
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_has_a_child_that_gives_a_buffer() {
    pass_on_to(child_gives_a_buffer, Mode::Child);
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_has_a_child_that_edits_a_buffer() {
    pass_on_to(child_edits_a_buffer, Mode::Child);
}

/// Takes everything that comes over the first pipe that it gets out, and sends it over the second.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_passes_along() {
    act(|parent| {
        let pipes = take_pipes(&mut parent.recv().unwrap());
        while let Ok(mut message) = pipes[0].recv() {
            let handles = message.take_handles().unwrap();
            pipes[1].send(handles.into_iter().fold(Message::new(message.payload()), Message::with)).unwrap();
        }
    });
}

// ---- not even accepting ----------------------------------------------------------------------------------

#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_never_accepts() {}
