// Watchers: callbacks for changes in the signals of handles.
//
// A watcher has one callback and any number of watches. A watch is a handle, a
// set of its signals, and a context, a word that tells the watches apart. A
// watch is ready as soon as one of its signals is satisfied (OK) or none of
// them can be any more (FAILED_PRECONDITION).
//
// A watcher notifies only while it is armed, and it can be armed only while no
// watch is ready. The first watch that becomes ready disarms it and causes one
// notification. The usual cycle is: arm; when notified, or when arming answers
// FAILED_PRECONDITION, do what there is to do; arm again.

#ifndef MOJO_PUBLIC_C_SYSTEM_WATCHER_H_
#define MOJO_PUBLIC_C_SYSTEM_WATCHER_H_

#include "mojo/public/c/system/system_export.h"
#include "mojo/public/c/system/types.h"

#ifdef __cplusplus
extern "C" {
#endif

// Called for the watch with |context|:
//
//   OK                   a watched signal is satisfied
//   FAILED_PRECONDITION  no watched signal can be satisfied any more
//   CANCELLED            the watch has ended, as it was cancelled, or the
//                        watcher or the watched handle was closed, sent or
//                        otherwise given away. |signals_state| is empty. Comes
//                        exactly once for every watch, armed or not, and after
//                        everything else: the place to free what |context|
//                        stands for.
//
// |signals_state| is what caused the notification and may be out of date.
//
// If the cause is a call of this API, the callback runs on the thread of that
// call, before its outermost call returns; calls made within a callback count
// as part of it, and what they cause runs when it has returned. Otherwise it
// runs on a thread of the library, or where the program has it do its work
// (MojoRunIo() in embedder.h), and |flags| has
// MOJO_WATCHER_NOTIFICATION_FLAG_FROM_SYSTEM. No lock is held, every function
// may be called. Callbacks for one watch never overlap, those for different
// watches may. A notification that falls due on one thread while the callback
// for the same watch runs on another is delivered there, as soon as that one
// has returned.
typedef void (*MojoWatcherNotificationCallback)(
    uintptr_t context,
    MojoResult result,
    MojoHandleSignalsState signals_state,
    MojoWatcherNotificationFlags flags);

// Another name for the same.
typedef MojoWatcherNotificationCallback MojoWatcherCallback;

// Makes a watcher, disarmed and without watches.
//
//   OK                  |*watcher_handle| belongs to the caller. It cannot be
//                       sent in a message.
//   INVALID_ARGUMENT    |callback| or |watcher_handle| is null
//   RESOURCE_EXHAUSTED  there is no handle left
MOJO_SYSTEM_EXPORT MojoResult
MojoCreateWatcher(MojoWatcherNotificationCallback callback,
                  MojoHandle* watcher_handle);

// Adds a watch on |handle|, an end of a message pipe or a data pipe, for any of
// |signals|. |context| may be 0. With no signals, or none that the handle can
// have, the watch is always ready with FAILED_PRECONDITION. A watcher stays
// armed; if it is, and the new watch is ready, it notifies at once.
//
//   OK                added
//   INVALID_ARGUMENT  a handle is not valid, or |handle| cannot be watched
//   ALREADY_EXISTS    the watcher has a watch with |context| or on |handle|
MOJO_SYSTEM_EXPORT MojoResult MojoWatch(MojoHandle watcher_handle,
                                        MojoHandle handle,
                                        MojoHandleSignals signals,
                                        uintptr_t context);

// Ends the watch with |context|. Its callback still runs once more, with
// CANCELLED; this may be after the call has returned if the callback for the
// same watch is running on another thread. |context| can be used for a new
// watch at once. A watcher stays armed.
//
//   OK         the watch has ended
//   NOT_FOUND  the watcher has no watch with |context|
MOJO_SYSTEM_EXPORT MojoResult MojoCancelWatch(MojoHandle watcher_handle,
                                              uintptr_t context);

// Arms the watcher, unless a watch is ready.
//
// |num_ready_contexts| is optional. If it is given the three arrays must be
// too, each with room for |*num_ready_contexts| elements. They then receive,
// with FAILED_PRECONDITION, as many of the ready watches as fit: the context,
// the result and the signals of each; and |*num_ready_contexts| receives their
// number. Calls that have too little room show different ones in turn.
//
//   OK                   armed, or was armed before. Outputs are untouched.
//   INVALID_ARGUMENT     the handle is not a watcher, or an array is null
//   NOT_FOUND            the watcher has no watches
//   FAILED_PRECONDITION  a watch is ready; not armed
MOJO_SYSTEM_EXPORT MojoResult
MojoArmWatcher(MojoHandle watcher_handle,
               uint32_t* num_ready_contexts,
               uintptr_t* ready_contexts,
               MojoResult* ready_results,
               MojoHandleSignalsState* ready_signals_states);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_WATCHER_H_
