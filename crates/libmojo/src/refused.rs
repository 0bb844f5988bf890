//! What the compiler must refuse, each beside what it must accept: programs that documentation tests try to compile.

/// What was sent is gone.
///
/// ```compile_fail,E0382
/// # use libmojo::{Message, MessagePipe};
/// let (a, _b) = MessagePipe::create();
/// let (talk, listen) = MessagePipe::create();
/// a.send(Message::from("").with(listen)).unwrap();
/// listen.recv();
/// ```
///
/// ```
/// # use libmojo::{Message, MessagePipe};
/// let (a, _b) = MessagePipe::create();
/// let (talk, listen) = MessagePipe::create();
/// a.send(Message::from("").with(listen)).unwrap();
/// talk.try_recv();
/// ```
struct UseAfterSending;

/// Both ends that are fused are gone.
///
/// ```compile_fail,E0382
/// # use libmojo::MessagePipe;
/// let ((a, _b), (c, _d)) = (MessagePipe::create(), MessagePipe::create());
/// a.fuse(c).unwrap();
/// drop(c);
/// ```
///
/// ```
/// # use libmojo::MessagePipe;
/// let ((a, _b), (c, _d)) = (MessagePipe::create(), MessagePipe::create());
/// a.fuse(c).unwrap();
/// ```
struct UseAfterFusing;

/// A sent invitation is gone.
///
/// ```compile_fail,E0382
/// # use libmojo::{Invitation, socket_pair};
/// let (ours, _theirs) = socket_pair().unwrap();
/// let invitation = Invitation::new();
/// invitation.send(ours).unwrap();
/// invitation.attach(b"late");
/// ```
///
/// ```
/// # use libmojo::{Invitation, socket_pair};
/// let (ours, _theirs) = socket_pair().unwrap();
/// let invitation = Invitation::new();
/// invitation.attach(b"early").unwrap();
/// invitation.send(ours).unwrap();
/// ```
struct UseAfterInviting;

/// While a window into a data pipe is open, its end can be neither sent, nor closed, nor read otherwise.
///
/// ```compile_fail,E0505
/// # use libmojo::DataPipeOptions;
/// let (producer, mut consumer) = DataPipeOptions::default().create().unwrap();
/// producer.try_write(b"bytes").unwrap();
/// let window = consumer.begin_read().unwrap();
/// drop(consumer);
/// window.commit(1).unwrap();
/// ```
///
/// ```compile_fail,E0502
/// # use libmojo::DataPipeOptions;
/// let (producer, mut consumer) = DataPipeOptions::default().create().unwrap();
/// producer.try_write(b"bytes").unwrap();
/// let window = consumer.begin_read().unwrap();
/// consumer.try_read(&mut [0]).unwrap();
/// window.commit(1).unwrap();
/// ```
///
/// ```compile_fail,E0499
/// # use libmojo::DataPipeOptions;
/// let (mut producer, _consumer) = DataPipeOptions::default().create().unwrap();
/// let first = producer.begin_write().unwrap();
/// let second = producer.begin_write().unwrap();
/// first.commit(0).unwrap();
/// ```
///
/// ```
/// # use libmojo::DataPipeOptions;
/// let (producer, mut consumer) = DataPipeOptions::default().create().unwrap();
/// producer.try_write(b"bytes").unwrap();
/// let window = consumer.begin_read().unwrap();
/// window.commit(1).unwrap();
/// consumer.try_read(&mut [0]).unwrap();
/// drop(consumer);
/// ```
struct WindowsBorrow;

/// What other threads may call or drop must allow that.
///
/// ```compile_fail,E0277
/// # use libmojo::Watcher;
/// let count = std::rc::Rc::new(0);
/// Watcher::new(move |_| drop(count.clone()));
/// ```
///
/// ```
/// # use libmojo::Watcher;
/// let count = std::sync::Arc::new(0);
/// Watcher::new(move |_| drop(count.clone()));
/// ```
///
/// ```compile_fail,E0277
/// # use libmojo::{Message, Serialize};
/// struct Local(std::rc::Rc<u32>);
/// impl Serialize for Local {
///     fn serialize(self) -> Message {
///         Message::new(&self.0.to_le_bytes())
///     }
/// }
/// ```
///
/// ```
/// # use libmojo::{Message, Serialize};
/// struct Own(std::cell::Cell<u32>);
/// impl Serialize for Own {
///     fn serialize(self) -> Message {
///         Message::new(&self.0.get().to_le_bytes())
///     }
/// }
/// ```
struct NothingLocalToAThread;

/// All objects may be used from any thread, and a mapping may outlive the buffer and go to another thread.
///
/// ```
/// # use libmojo::*;
/// fn is_for_any_thread<T: Send + Sync>() {}
/// is_for_any_thread::<MessagePipe>();
/// is_for_any_thread::<Message>();
/// is_for_any_thread::<Producer>();
/// is_for_any_thread::<Consumer>();
/// is_for_any_thread::<SharedBuffer>();
/// is_for_any_thread::<Mapping>();
/// is_for_any_thread::<Watcher>();
/// is_for_any_thread::<Invitation>();
/// is_for_any_thread::<Node>();
/// is_for_any_thread::<SendError>();
///
/// let mapping = SharedBuffer::create(8).unwrap().map(0, 8).unwrap();
/// std::thread::spawn(move || mapping.write(0, b"alive").unwrap()).join().unwrap();
/// ```
struct AnyThread;
