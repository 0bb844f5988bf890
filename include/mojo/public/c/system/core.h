// The whole C System API in one include. Not included are the bootstrap of
// connections between processes (invitation.h) and function tables (thunks.h).
//
// Rules that hold for every function, unless its description says otherwise:
//
// - It may be called on any thread, at any time, also from within callbacks,
//   and on the same object from many threads at once. An operation that races
//   with the closing of its handle either takes place before the closing or
//   answers MOJO_RESULT_INVALID_ARGUMENT.
// - It never blocks. To wait, use a watcher (watcher.h).
// - It answers MOJO_RESULT_INVALID_ARGUMENT if a handle is 0, closed, given
//   away or of the wrong kind, or if a pointer is null that is not described
//   as optional.
// - After a failure its outputs are as they were before the call, and the
//   caller still owns what it passed in.
// - In a process that was forked off, without executing a program, from one that
//   uses the library, it does nothing and answers
//   MOJO_RESULT_FAILED_PRECONDITION, whatever its arguments; the handles and the
//   connections are the parent's, who notices nothing. Excepted are
//   MojoGetTimeTicksNow(), MojoGetProperty() and what only stores a value of the
//   program (MojoSetProperty(), MojoConfigure()). Mappings of shared buffers are
//   there and can be used. A process that forks before it uses the library can
//   use it on both sides.
// - Sizes are in bytes.
// - A pointer to a structure of options may be null: every option then has its
//   default. Otherwise |struct_size| must be set to the size of the structure.
//   A field that lies beyond |struct_size| has its default and is not read;
//   what lies beyond the fields known here is ignored. A |struct_size| below 4
//   gives MOJO_RESULT_INVALID_ARGUMENT, an unknown bit in the |flags| of the
//   structure MOJO_RESULT_UNIMPLEMENTED.
// - Unknown bits in a |flags| parameter are ignored.
//
// The descriptions list results without their prefix MOJO_RESULT_, in the order
// in which the conditions are checked as far as that matters.
// INVALID_ARGUMENT is listed where there are reasons besides those above.

#ifndef MOJO_PUBLIC_C_SYSTEM_CORE_H_
#define MOJO_PUBLIC_C_SYSTEM_CORE_H_

#include "mojo/public/c/system/buffer.h"
#include "mojo/public/c/system/data_pipe.h"
#include "mojo/public/c/system/functions.h"
#include "mojo/public/c/system/macros.h"
#include "mojo/public/c/system/message_pipe.h"
#include "mojo/public/c/system/platform_handle.h"
#include "mojo/public/c/system/system_export.h"
#include "mojo/public/c/system/types.h"
#include "mojo/public/c/system/watcher.h"

#endif  // MOJO_PUBLIC_C_SYSTEM_CORE_H_
