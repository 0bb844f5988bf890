//! Blocked threads and pending tasks against what they wait for.

use crate::changes::{Change, any_change, message_arrives};
use crate::{any, explore, pause, put_into_message};
use libmojo_core::node::Node;
use libmojo_core::object::Object;
use libmojo_core::pipe::Pipe;
use libmojo_core::signals::{Signals, SignalsState};
use libmojo_core::wait::{Interest, Signalled, WaitError, wait_many};
use libmojo_core::watcher::WatchEvent;
use shuttle::future::block_on;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

type Outcome = Result<SignalsState, WaitError>;

/// Waits in one of all ways, which the schedule decides.
fn wait(object: &Object, signals: Signals) -> Outcome {
    any(&[blocked, pending, pending_elsewhere])(object, signals)
}

/// Also waits for something that does not happen, which it looks at first.
fn blocked(object: &Object, signals: Signals) -> Outcome {
    let (_peer, idle) = Pipe::create(&Node::new());
    let idle = Object::from(idle);
    let interests = [Interest::new(&idle, Signals::READABLE), Interest::new(object, signals)];
    let outcome = wait_many(&interests, None);
    idle.close();
    match outcome {
        Ok((1, state)) => Ok(state),
        Err((1, error)) => Err(error),
        other => panic!("{other:?}"),
    }
}

fn pending(object: &Object, signals: Signals) -> Outcome {
    block_on(Signalled::new(object.clone(), signals))
}

/// First polled by a task that then loses interest.
fn pending_elsewhere(object: &Object, signals: Signals) -> Outcome {
    let mut signalled = pin!(Signalled::new(object.clone(), signals));
    match signalled.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => block_on(signalled),
    }
}

#[test]
fn whoever_waits_hears_of_the_change() {
    explore(|| {
        let Change { object, signals, cause, event } = any_change();
        let mut outcome = None;
        at_once!(outcome = Some(wait(&object, signals)), assert!(cause()));
        match (outcome.unwrap(), event) {
            (Ok(state), WatchEvent::Satisfied) => assert!(state.satisfied.intersects(signals)),
            (Err(WaitError::Unsatisfiable(state)), WatchEvent::Unsatisfiable) => {
                assert!(!state.satisfiable.intersects(signals));
            }
            (outcome, event) => panic!("{outcome:?} for {event:?}"),
        }
        object.close();
    });
}

#[test]
fn whoever_waits_hears_that_the_object_is_gone() {
    explore(|| {
        let Change { object, signals, .. } = any_change();
        let end = any(&[Object::close, |object: &Object| drop(put_into_message(object))]);
        let mut outcome = None;
        at_once!(outcome = Some(wait(&object, signals)), end(&object));
        assert_eq!(outcome, Some(Err(WaitError::Cancelled)));
    });
}

#[test]
fn whoever_waits_hears_of_a_change_while_the_object_is_away() {
    explore(|| {
        let Change { object, signals, cause, event } = any_change();
        let mut outcome = None;
        at_once!(outcome = Some(wait(&object, signals)), assert!(cause()), {
            object.begin_transit().unwrap();
            pause();
            object.abort_transit();
        });
        match outcome.unwrap() {
            Ok(_) => assert_eq!(event, WatchEvent::Satisfied),
            Err(WaitError::Unsatisfiable(_)) => assert_eq!(event, WatchEvent::Unsatisfiable),
            Err(error) => assert_eq!(error, WaitError::Cancelled),
        }
        object.close();
    });
}

#[test]
fn whoever_waits_hears_that_the_object_was_sent_away_although_it_has_arrived_in_the_same_process() {
    explore(|| {
        let Change { object, signals, cause, event } = any_change();
        let mut outcome = None;
        at_once!(outcome = Some(wait(&object, signals)), {
            let mut message = put_into_message(&object).unwrap();
            drop(message.take_attachments().unwrap());
            pause();
            assert!(cause());
        });
        match outcome.unwrap() {
            Ok(_) => assert_eq!(event, WatchEvent::Satisfied),
            Err(WaitError::Unsatisfiable(_)) => assert_eq!(event, WatchEvent::Unsatisfiable),
            Err(error) => assert_eq!(error, WaitError::Cancelled),
        }
        object.close();
    });
}

#[test]
fn all_who_wait_for_one_message_hear_of_it() {
    explore(|| {
        let Change { object, signals, cause, .. } = message_arrives();
        at_once!(assert!(wait(&object, signals).is_ok()), assert!(wait(&object, signals).is_ok()), assert!(cause()));
        object.close();
    });
}
