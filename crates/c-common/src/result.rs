//! Result codes.

/// What a function answers.
pub type MojoResult = u32;

/// It worked.
pub const OK: MojoResult = 0;
/// A wait or a watch was ended.
pub const CANCELLED: MojoResult = 1;
/// Something that has no code of its own.
pub const UNKNOWN: MojoResult = 2;
/// An argument cannot be used.
pub const INVALID_ARGUMENT: MojoResult = 3;
/// The deadline has passed.
pub const DEADLINE_EXCEEDED: MojoResult = 4;
/// There is no such thing.
pub const NOT_FOUND: MojoResult = 5;
/// There is such a thing already.
pub const ALREADY_EXISTS: MojoResult = 6;
/// A limit was reached, or the system has nothing left.
pub const RESOURCE_EXHAUSTED: MojoResult = 8;
/// The object is in the wrong state, for good.
pub const FAILED_PRECONDITION: MojoResult = 9;
/// It was given up half-way.
pub const ABORTED: MojoResult = 10;
/// More, or less, than there is.
pub const OUT_OF_RANGE: MojoResult = 11;
/// A flag or a kind that is not known.
pub const UNIMPLEMENTED: MojoResult = 12;
/// An operation in two phases, or another thread, uses the object.
pub const BUSY: MojoResult = 16;
/// Not yet.
pub const SHOULD_WAIT: MojoResult = 17;

/// Either the way on, or the code to answer with.
pub type Outcome<T> = Result<T, MojoResult>;

/// The code of an outcome.
#[inline]
pub fn code(outcome: Outcome<()>) -> MojoResult {
    outcome.err().unwrap_or(OK)
}

/// Begins every function that is more than a look at a value: in a process that was forked off, it answers at once,
/// whatever its arguments, for its objects are the parent's.
#[macro_export]
macro_rules! refuse_if_forked {
    () => {
        if $crate::is_forked() {
            return $crate::result::FAILED_PRECONDITION;
        }
    };
}
pub use crate::refuse_if_forked;
