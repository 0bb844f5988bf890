//! Programs on tokio: a runtime that does the I/O of a node, and copying between data pipes and its sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::tokio::{Descriptor, drive};
use libmojo::{
    Consumer, DataPipeOptions, Message, MessagePipe, Node, Producer, Signals, Waitable, WatchEvent, Watcher,
};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
use worlds::*;

/// Expands each function to one test for each kind of runtime. They count descriptors, so they take turns.
macro_rules! in_runtimes {
    ($($(#[$attribute:meta])* fn $name:ident($runtime:ident: Runtime) $body:block)+) => {$(
        mod $name {
            use super::*;

            fn body($runtime: Runtime) $body

            $(#[$attribute])*
            #[test]
            fn of_one_thread() {
                let alone = alone();
                body(Builder::new_current_thread().enable_all().build().unwrap());
                alone.assert_nothing_left(&[]);
            }

            $(#[$attribute])*
            #[test]
            fn of_several_threads() {
                let alone = alone();
                body(Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
                alone.assert_nothing_left(&[]);
            }
        }
    )+};
}

/// Ends the connections of nodes on which everything else is closed.
fn dismiss(nodes: &[&Node]) {
    nodes.iter().for_each(|node| node.disconnect());
    for node in nodes {
        eventually("the node has no links left", || node.port_counts() == (0, 0) && !node.has_links());
    }
}

fn num_io_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "libmojo-io").count()
}

/// How many bytes of mapped memory objects are there.
fn shared_memory_in_use() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut is_shared, mut num_bytes) = (false, 0);
    for line in maps.lines() {
        if line.contains('-') && !line.contains(": ") {
            is_shared = line.contains("memfd");
        } else if let Some(resident) = line.strip_prefix("Rss:").filter(|_| is_shared) {
            num_bytes += resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
        }
    }
    num_bytes
}

async fn recv_text(pipe: &MessagePipe) -> String {
    String::from_utf8(pipe.recv_async().await.unwrap().payload().to_vec()).unwrap()
}

/// Messages in both directions, small and large, one after another.
async fn exchange(a: &MessagePipe, b: &MessagePipe) {
    let large = vec![7; 3 << 20];
    for number in 0..100 {
        send(a, &number.to_string());
        assert_eq!(recv_text(b).await, number.to_string());
        send(b, "received");
        assert_eq!(recv_text(a).await, "received");
    }
    a.send(Message::new(&large)).unwrap();
    b.send(Message::new(&large)).unwrap();
    assert!(a.recv_async().await.unwrap().payload() == large && b.recv_async().await.unwrap().payload() == large);
}

// ---- a runtime that does the I/O of a node ---------------------------------------------------------------

in_runtimes! {
    fn a_node_that_a_runtime_drives_has_no_thread(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        runtime.block_on(async {
            let driving = [tokio::spawn(drive(&here).unwrap()), tokio::spawn(drive(&there).unwrap())];
            let (a, b) = link(&here, &there);
            exchange(&a, &b).await;
            assert_eq!(num_io_threads(), 0);
            // Ends of pipes that are sent on, and the news of a closure.
            let (c, d) = MessagePipe::create_on(&here);
            a.send(Message::new(b"").with(d)).unwrap();
            let d = b.recv_async().await.unwrap().take_handles().unwrap().remove(0).into_pipe().unwrap();
            exchange(&c, &d).await;
            drop(c);
            d.closed().await.unwrap();
            drop((a, b, d));
            driving.iter().for_each(|task| task.abort());
            for task in driving {
                assert!(task.await.unwrap_err().is_cancelled());
            }
        });
        dismiss(&[&here, &there]);
    }

    fn many_tasks_share_one_connection(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        runtime.block_on(async {
            let driving = tokio::spawn(drive(&here).unwrap());
            let (a, b) = link(&here, &there);
            let (mut clients, mut servers) = (Vec::new(), Vec::new());
            for _ in 0..50 {
                let (c, d) = MessagePipe::create_on(&here);
                a.send(Message::new(b"").with(d)).unwrap();
                let d = b.recv_async().await.unwrap().take_handles().unwrap().remove(0).into_pipe().unwrap();
                servers.push(tokio::spawn(async move {
                    while let Ok(message) = d.recv_async().await {
                        d.send(message).unwrap();
                    }
                }));
                clients.push(tokio::spawn(async move {
                    for number in 0..50 {
                        send(&c, &number.to_string());
                        assert_eq!(recv_text(&c).await, number.to_string());
                    }
                }));
            }
            for task in clients.into_iter().chain(servers) {
                task.await.unwrap();
            }
            drop((a, b));
            driving.abort();
            assert!(driving.await.unwrap_err().is_cancelled());
        });
        dismiss(&[&here, &there]);
    }

    fn other_processes_come_and_go_while_a_runtime_drives(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        runtime.block_on(async {
            let driving = [tokio::spawn(drive(&here).unwrap()), tokio::spawn(drive(&there).unwrap())];
            for introduces in [false, true] {
                let nodes = (here.clone(), there.clone());
                let join = move || children::join(&nodes.0, &nodes.1, introduces);
                let (mut child, a, b) = tokio::task::spawn_blocking(join).await.unwrap();
                exchange(&a, &b).await;
                if introduces {
                    drop((a, b));
                    child.dismiss();
                    assert!(tokio::task::spawn_blocking(move || child.wait()).await.unwrap().success());
                } else {
                    child.kill();
                    a.closed().await.unwrap();
                    b.closed().await.unwrap();
                }
            }
            driving.iter().for_each(|task| task.abort());
        });
        drop(runtime);
        dismiss(&[&here, &there]);
    }

    fn callbacks_for_what_other_processes_cause_run_in_the_runtime(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        let (events, happened) = std::sync::mpsc::channel();
        let watcher = Watcher::new(move |event| {
            let is_in_runtime = tokio::runtime::Handle::try_current().is_ok();
            events.send((is_in_runtime, event.from_system, event.event)).unwrap();
        });
        runtime.block_on(async {
            let driving = tokio::spawn(drive(&here).unwrap());
            let (a, b) = link(&here, &there);
            exchange(&a, &b).await;
            watcher.watch(&a, Signals::READABLE, 1).unwrap();
            watcher.arm(0).unwrap();
            send(&b, "hello");
            let event = loop {
                match happened.try_recv() {
                    Ok(event) => break event,
                    Err(_) => tokio::task::yield_now().await,
                }
            };
            assert_eq!(event, (true, true, WatchEvent::Satisfied));
            assert_eq!(recv_text(&a).await, "hello");
            drop((watcher, a, b));
            driving.abort();
        });
        drop(runtime);
        dismiss(&[&here, &there]);
    }

    fn connections_end_with_the_task_and_later_ones_have_a_thread(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        let (a, b) = runtime.block_on(async {
            let driving = tokio::spawn(drive(&here).unwrap());
            let (a, b) = link(&here, &there);
            exchange(&a, &b).await;
            send(&b, "unread");
            assert!(there.flush(None));
            driving.abort();
            assert!(driving.await.unwrap_err().is_cancelled());
            (a, b)
        });
        assert!(!here.has_links());
        // What had come before is handed on first.
        assert_eq!(recv(&a), "unread");
        assert_closed(&a);
        assert_closed(&b);
        let (c, d) = link(&here, &there);
        assert_connected(&c, &d);
        drop((a, b, c, d));
        dismiss(&[&here, &there]);
    }

    fn connections_end_with_the_runtime(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        let (a, b) = runtime.block_on(async {
            tokio::spawn(drive(&here).unwrap());
            let (a, b) = link(&here, &there);
            exchange(&a, &b).await;
            (a, b)
        });
        drop(runtime);
        assert_closed(&a);
        assert_closed(&b);
        drop((a, b));
        dismiss(&[&here, &there]);
    }

    fn a_driving_future_outlives_its_runtime_and_is_ready_then(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        let (mut driving, a, b) = runtime.block_on(async {
            let driving = drive(&here).unwrap();
            let (a, b) = link(&here, &there);
            (driving, a, b)
        });
        drop(runtime);
        assert!(poll_and_drop(&mut driving, 1).is_some());
        assert!(here.has_links());
        drop(driving);
        assert_closed(&a);
        assert_closed(&b);
        drop((a, b));
        dismiss(&[&here, &there]);
    }

    fn what_was_sent_arrives_before_a_good_end(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        let (a, b) = runtime.block_on(async {
            let driving = tokio::spawn(drive(&here).unwrap());
            let (a, b) = link(&here, &there);
            a.send(Message::new(&vec![7; 5 << 20])).unwrap();
            send(&a, "last words");
            let (node, deadline) = (here.clone(), Instant::now() + PATIENCE);
            assert!(tokio::task::spawn_blocking(move || node.shutdown(Some(deadline))).await.unwrap());
            driving.abort();
            (a, b)
        });
        drop(runtime);
        assert_eq!(b.recv().unwrap().payload().len(), 5 << 20);
        assert_eq!(recv(&b), "last words");
        assert_closed(&b);
        drop((a, b));
        dismiss(&[&here, &there]);
    }

    fn driving_that_loses_every_race_goes_on_from_wherever_it_is_polled_next(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        runtime.block_on(async {
            let mut driving = drive(&here).unwrap();
            let (a, b) = link(&here, &there);
            for number in 0..200 {
                send(&b, &number.to_string());
                // Polls without anybody who would be woken.
                assert!(poll_and_drop(&mut driving, number % 3).is_none());
                let text = tokio::select! {
                    biased;
                    error = &mut driving => panic!("{error}"),
                    text = recv_text(&a) => text,
                };
                assert_eq!(text, number.to_string());
            }
            let driving = tokio::spawn(driving);
            exchange(&a, &b).await;
            drop((a, b));
            driving.abort();
        });
        drop(runtime);
        dismiss(&[&here, &there]);
    }

    fn a_thread_that_waits_looks_for_itself_while_the_task_has_no_turn(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        runtime.block_on(async {
            let mut driving = drive(&here).unwrap();
            let (a, b) = link(&here, &there);
            tokio::select! {
                error = &mut driving => panic!("{error}"),
                () = exchange(&a, &b) => {}
            }
            if links_share_memory() {
                thread::scope(|scope| {
                    scope.spawn(|| send(&b, "nobody drives"));
                    assert_eq!(recv(&a), "nobody drives");
                });
            }
            drop((a, b));
        });
        dismiss(&[&here, &there]);
    }

    fn driving_goes_on_by_itself_as_long_as_there_is_more(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        runtime.block_on(async {
            let driving = tokio::spawn(drive(&here).unwrap());
            let (a, b) = link(&here, &there);
            exchange(&a, &b).await;
            let (a, b) = (Arc::new(a), Arc::new(b));
            let num_taken = Arc::new(AtomicUsize::new(0));
            let watcher = Arc::new_cyclic(|watcher: &Weak<Watcher>| {
                let (watcher, a, b, num_taken) = (watcher.clone(), a.clone(), b.clone(), num_taken.clone());
                Watcher::new(move |event| {
                    if event.event == WatchEvent::Satisfied {
                        a.try_recv().unwrap();
                        // Whoever looks into the connection need not be called for this.
                        if num_taken.fetch_add(1, Ordering::SeqCst) < 1000 {
                            send(&b, "one of many");
                        }
                        watcher.upgrade().unwrap().arm(0).unwrap();
                    }
                })
            });
            watcher.watch(&*a, Signals::READABLE, 1).unwrap();
            watcher.arm(0).unwrap();
            send(&b, "the first");
            while num_taken.load(Ordering::SeqCst) <= 1000 {
                tokio::task::yield_now().await;
            }
            drop((watcher, a, b));
            driving.abort();
        });
        drop(runtime);
        dismiss(&[&here, &there]);
    }

    fn driving_gives_way_to_other_tasks(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        let is_done = Arc::new(AtomicBool::new(false));
        runtime.block_on(async {
            let driving = tokio::spawn(drive(&here).unwrap());
            let (a, b) = link(&here, &there);
            exchange(&a, &b).await;
            let (a, done) = (Arc::new(a), is_done.clone());
            // Whatever is taken is followed by more, so there is always something to do.
            let flooding = thread::spawn({
                let a = a.clone();
                move || {
                    while !done.load(Ordering::SeqCst) {
                        send(&b, "more");
                        let _ = a.try_recv();
                    }
                }
            });
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            is_done.store(true, Ordering::SeqCst);
            flooding.join().unwrap();
            drop(a);
            driving.abort();
        });
        drop(runtime);
        dismiss(&[&here, &there]);
    }

    fn more_connections_than_are_looked_at_in_one_turn_all_have_theirs(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        runtime.block_on(async {
            let mut driving = drive(&here).unwrap();
            let pipes: Vec<_> = (0..150).map(|_| link_isolated(&here, &there)).collect();
            for round in 0..10 {
                pipes.iter().for_each(|(_, b)| send(b, &round.to_string()));
                let receive_all = async {
                    for (a, _) in &pipes {
                        assert_eq!(recv_text(a).await, round.to_string());
                    }
                };
                tokio::select! {
                    error = &mut driving => panic!("{error}"),
                    () = receive_all => {}
                }
            }
        });
        drop(runtime);
        dismiss(&[&here, &there]);
    }

    fn memory_of_connections_that_rest_is_given_back(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        runtime.block_on(async {
            let driving = [tokio::spawn(drive(&here).unwrap()), tokio::spawn(drive(&there).unwrap())];
            let (a, b) = link(&here, &there);
            exchange(&a, &b).await;
            // Nothing happens any more that would call the driver, but time goes by.
            while shared_memory_in_use() > 200 << 10 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            drop((a, b));
            driving.iter().for_each(|task| task.abort());
        });
        drop(runtime);
        dismiss(&[&here, &there]);
    }

    fn a_node_is_driven_by_one_at_a_time_and_from_the_beginning(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        runtime.block_on(async {
            let driving = drive(&here).unwrap();
            assert_eq!(drive(&here).unwrap_err().kind(), ErrorKind::AlreadyExists);
            let (a, b) = link(&here, &there);
            assert_eq!(drive(&there).unwrap_err().kind(), ErrorKind::AlreadyExists);
            drop((a, b, driving));
            drop(drive(&here).unwrap());
        });
        dismiss(&[&here, &there]);
    }
}

#[test]
fn outside_of_a_runtime_nobody_drives() {
    let alone = alone();
    let (here, there) = (Node::new(), Node::new());
    drive(&here).unwrap_err();
    let (a, b) = link(&here, &there);
    assert_connected(&a, &b);
    drop((a, b));
    finish(alone, &[&here, &there]);
}

// ---- copying ---------------------------------------------------------------------------------------------

/// The ends of a data pipe between two nodes.
fn ends(here: &Node, there: &Node, capacity: u32) -> (Producer, Consumer) {
    let (a, b) = link(here, there);
    let (producer, consumer) = data_pipe_on(here, 1, capacity);
    (producer, pass_consumer(&a, &b, consumer))
}

/// A socket as any other descriptor.
fn any(socket: UnixStream) -> io::Result<AsyncFd<OwnedFd>> {
    #[allow(deprecated)]
    AsyncFd::new(socket.into_std()?.into())
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

/// Writes to one socket what comes out of the other, through a data pipe.
async fn copy_through(
    bytes: &[u8],
    (mut producer, mut consumer): (Producer, Consumer),
    (mut from, source): (impl AsyncWriteExt + Unpin + Send + 'static, impl Descriptor + Send + Sync + 'static),
    (target, mut to): (impl Descriptor + Send + Sync + 'static, impl AsyncReadExt + Unpin),
) {
    let written = bytes.to_vec();
    let writing = tokio::spawn(async move { from.write_all(&written).await.unwrap() });
    let copying = tokio::spawn(async move { producer.copy_from_async(&source).await.unwrap() });
    let copying_on = tokio::spawn(async move { consumer.copy_to_async(&target).await.unwrap() });
    let mut copied = Vec::new();
    to.read_to_end(&mut copied).await.unwrap();
    assert!(copied == bytes, "{} of {} bytes", copied.len(), bytes.len());
    writing.await.unwrap();
    assert_eq!(copying.await.unwrap(), bytes.len() as u64);
    assert_eq!(copying_on.await.unwrap(), bytes.len() as u64);
}

in_runtimes! {
    fn sockets_of_all_kinds_are_copied_through_a_pipe(runtime: Runtime) {
        let (here, there) = (Node::new(), Node::new());
        let bytes = Random::new(seed()).bytes(500_000);
        runtime.block_on(async {
            let driving = tokio::spawn(drive(&here).unwrap());
            let (a, source) = tcp_pair().await;
            let (target, b) = UnixStream::pair().unwrap();
            copy_through(&bytes, connect(&here, &there).await, (a, source), (any(target).unwrap(), b)).await;
            let (a, source) = UnixStream::pair().unwrap();
            let (target, b) = tcp_pair().await;
            let pipe = DataPipeOptions::default().create().unwrap();
            copy_through(&bytes, pipe, (a, any(source).unwrap()), (target, b)).await;
            driving.abort();
        });
        drop(runtime);
        dismiss(&[&here, &there]);
    }

    fn copying_that_is_dropped_at_any_moment_loses_and_repeats_no_byte(runtime: Runtime) {
        let (seed, (here, there)) = (seed(), (Node::new(), Node::new()));
        let bytes = Random::new(seed).bytes(200_000);
        let (mut producer, mut consumer) = ends(&here, &there, 1000);
        runtime.block_on(async {
            let ((mut from, source), (target, mut to)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
            let written = bytes.clone();
            let writing = tokio::spawn(async move { from.write_all(&written).await.unwrap() });
            let copying = tokio::spawn(async move {
                let mut random = Random::new(seed + 1);
                while run_for_a_while(&mut random, producer.copy_from_async(&source)).await.is_none() {}
            });
            let copying_on = tokio::spawn(async move {
                let mut random = Random::new(seed + 2);
                while run_for_a_while(&mut random, consumer.copy_to_async(&target)).await.is_none() {}
            });
            let mut copied = Vec::new();
            to.read_to_end(&mut copied).await.unwrap();
            assert!(copied == bytes, "{} of {} bytes", copied.len(), bytes.len());
            for task in [writing, copying, copying_on] {
                task.await.unwrap();
            }
        });
        drop(runtime);
        dismiss(&[&here, &there]);
    }

    fn what_cannot_be_copied_is_still_in_the_pipe(runtime: Runtime) {
        runtime.block_on(async {
            let (mut producer, mut consumer) = DataPipeOptions::default().create().unwrap();
            producer.try_write_all(b"hello").unwrap();
            let (target, gone) = UnixStream::pair().unwrap();
            drop(gone);
            assert_eq!(consumer.copy_to_async(&target).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            assert_eq!(consumer.available(), Ok(5));
            drop(consumer);
            let (mut from, source) = UnixStream::pair().unwrap();
            from.write_all(b"more").await.unwrap();
            assert_eq!(producer.copy_from_async(&source).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        });
    }

    fn a_task_that_never_has_to_wait_gives_way_all_the_same(runtime: Runtime) {
        let is_done = Arc::new(AtomicBool::new(false));
        runtime.block_on(async {
            let done = is_done.clone();
            let busy = tokio::spawn(async move {
                let (producer, consumer) = DataPipeOptions::default().create().unwrap();
                let (mut producer, mut consumer) = (producer.into_async(), consumer.into_async());
                while !done.load(Ordering::SeqCst) {
                    producer.write_all(b"x").await.unwrap();
                    consumer.read_exact(&mut [0; 1]).await.unwrap();
                }
            });
            let other = tokio::spawn(async move { is_done.store(true, Ordering::SeqCst) });
            busy.await.unwrap();
            other.await.unwrap();
        });
    }

    fn the_copying_of_tokio_works_with_the_ends_of_data_pipes(runtime: Runtime) {
        let bytes = Random::new(seed()).bytes(300_000);
        runtime.block_on(async {
            let (producer, consumer) = DataPipeOptions::default().create().unwrap();
            let (mut producer, mut consumer) = (producer.into_async(), consumer.into_async());
            let written = bytes.clone();
            let writing = tokio::spawn(async move {
                tokio::io::copy(&mut &written[..], &mut producer).await.unwrap();
                producer.shutdown().await.unwrap();
            });
            let mut copied = Vec::new();
            tokio::io::copy(&mut consumer, &mut copied).await.unwrap();
            assert!(copied == bytes);
            writing.await.unwrap();
        });
    }
}

/// The ends of a data pipe between two nodes, one of which only the runtime drives.
async fn connect(here: &Node, there: &Node) -> (Producer, Consumer) {
    let (a, b) = link(here, there);
    let (producer, consumer) = data_pipe_on(here, 1, 0);
    a.send(Message::new(b"").with(consumer)).unwrap();
    let consumer = b.recv_async().await.unwrap().take_handles().unwrap().remove(0).into_consumer().unwrap();
    (producer, consumer)
}

/// Polls a future some times, of which some wait for it, and drops it.
async fn run_for_a_while<T>(random: &mut Random, future: impl Future<Output = io::Result<T>>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..random.below(4) {
        if random.below(2) == 0 {
            if let std::task::Poll::Ready(outcome) = poll_once(future.as_mut(), Waker::noop()) {
                return Some(outcome.unwrap());
            }
            tokio::task::yield_now().await;
        } else if let Ok(outcome) = tokio::time::timeout(Duration::from_micros(50), &mut future).await {
            return Some(outcome.unwrap());
        }
    }
    None
}
