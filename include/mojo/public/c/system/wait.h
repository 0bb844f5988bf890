// Waiting for the signals of handles: by blocking a thread, or in a loop of the
// program's own.
//
// These functions are an addition to the C System API and not in core.h. Apart
// from the two that wait, and two of embedder.h, no function of this library
// blocks. Nothing that other processes send arrives while the thread of the library that receives it
// waits, so a callback with MOJO_WATCHER_NOTIFICATION_FLAG_FROM_SYSTEM must not
// wait for it.

#ifndef MOJO_PUBLIC_C_SYSTEM_WAIT_H_
#define MOJO_PUBLIC_C_SYSTEM_WAIT_H_

#include <stdint.h>

#include "mojo/public/c/system/system_export.h"
#include "mojo/public/c/system/types.h"
#include "mojo/public/c/system/watcher.h"

#ifdef __cplusplus
extern "C" {
#endif

// Blocks until |handle|, an end of a message pipe or a data pipe, has any of
// |signals|, or none of them can be any more, or |deadline| microseconds have
// passed. With 0 it only looks, with MOJO_DEADLINE_INDEFINITE it waits for as
// long as it takes. Signals delivered to the process do not end the wait.
//
// |signals_state| is optional. It receives the state that ended the wait, or
// with DEADLINE_EXCEEDED the present one.
//
//   OK                   one of |signals| is satisfied
//   INVALID_ARGUMENT     the handle has no signals
//   FAILED_PRECONDITION  none of |signals| can be satisfied any more
//   DEADLINE_EXCEEDED    the time has passed
//   CANCELLED            the handle was closed, sent or otherwise given away
//                        meanwhile; |*signals_state| is empty
MOJO_SYSTEM_EXPORT MojoResult MojoWait(MojoHandle handle,
                                       MojoHandleSignals signals,
                                       MojoDeadline deadline,
                                       MojoHandleSignalsState* signals_state);

// Blocks as MojoWait does, until the wait for one of |num_handles| handles ends,
// each with its own signals. The same handle may be listed more than once.
//
// |result_index| is optional. It receives the position of the handle whose wait
// has ended, the first if there are several; with INVALID_ARGUMENT that of the
// first handle that cannot be waited for. |signals_states| is optional, with
// room for |num_handles| elements. It receives the states of all handles, empty
// ones for those that are closed; it is untouched after INVALID_ARGUMENT.
//
//   OK, FAILED_PRECONDITION, CANCELLED
//                        as for MojoWait, for the handle at |*result_index|
//   INVALID_ARGUMENT     a handle is not valid or has no signals; or, with
//                        |*result_index| untouched, |num_handles| is 0 or
//                        |handles| or |signals| is null
//   DEADLINE_EXCEEDED    the time has passed; |*result_index| is untouched
MOJO_SYSTEM_EXPORT MojoResult
MojoWaitMany(const MojoHandle* handles,
             const MojoHandleSignals* signals,
             uint32_t num_handles,
             MojoDeadline deadline,
             uint32_t* result_index,
             MojoHandleSignalsState* signals_states);

// Makes a watcher for a program that waits for descriptors in a loop of its own
// (poll, epoll, or a library that does). Its callback is not called as soon as
// there is something to notify but by MojoDispatchWatcher; in all else it is as
// watcher.h describes. |*descriptor| is readable while there is something to
// dispatch. It belongs to the caller, who closes it some time, before or after
// the watcher, but neither reads from it nor writes to it.
//
// When the watcher is closed, what is left to notify, the cancellations of its
// watches, is notified before MojoClose returns.
//
//   OK                  |*watcher_handle| and |*descriptor| belong to the caller
//   INVALID_ARGUMENT    |callback| or an output is null
//   RESOURCE_EXHAUSTED  there is no handle or no descriptor left
MOJO_SYSTEM_EXPORT MojoResult
MojoCreatePollableWatcher(MojoWatcherNotificationCallback callback,
                          MojoHandle* watcher_handle,
                          int* descriptor);

// Calls the callback of a pollable watcher for everything that has become due,
// on the calling thread, until nothing is left. Several threads may do so at
// once; the callbacks for one watch do not overlap then either.
//
//   OK                  nothing is left, or other threads are at it
//   INVALID_ARGUMENT    the handle is not a watcher
//   FAILED_PRECONDITION the watcher is not pollable
MOJO_SYSTEM_EXPORT MojoResult MojoDispatchWatcher(MojoHandle watcher_handle);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_WAIT_H_
