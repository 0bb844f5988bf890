//! Result codes.

/// What a function answers.
pub type MojoResult = u32;

pub(crate) const OK: MojoResult = 0;
pub(crate) const CANCELLED: MojoResult = 1;
pub(crate) const UNKNOWN: MojoResult = 2;
pub(crate) const INVALID_ARGUMENT: MojoResult = 3;
pub(crate) const DEADLINE_EXCEEDED: MojoResult = 4;
pub(crate) const NOT_FOUND: MojoResult = 5;
pub(crate) const ALREADY_EXISTS: MojoResult = 6;
pub(crate) const RESOURCE_EXHAUSTED: MojoResult = 8;
pub(crate) const FAILED_PRECONDITION: MojoResult = 9;
pub(crate) const ABORTED: MojoResult = 10;
pub(crate) const OUT_OF_RANGE: MojoResult = 11;
pub(crate) const UNIMPLEMENTED: MojoResult = 12;
pub(crate) const BUSY: MojoResult = 16;
pub(crate) const SHOULD_WAIT: MojoResult = 17;

/// Either the way on, or the code to answer with.
pub(crate) type Outcome<T> = Result<T, MojoResult>;

/// The code of an outcome.
pub(crate) fn code(outcome: Outcome<()>) -> MojoResult {
    outcome.err().unwrap_or(OK)
}

/// Begins every function that is more than a look at a value: in a process that was forked off, it answers at once,
/// whatever its arguments, for its objects are the parent's.
macro_rules! refuse_if_forked {
    () => {
        if libmojo_core::is_forked() {
            return $crate::result::FAILED_PRECONDITION;
        }
    };
}
pub(crate) use refuse_if_forked;
