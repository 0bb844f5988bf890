// Types and constants that are common to all parts of the API.

#ifndef MOJO_PUBLIC_C_SYSTEM_TYPES_H_
#define MOJO_PUBLIC_C_SYSTEM_TYPES_H_

#include <stddef.h>
#include <stdint.h>

#include "mojo/public/c/system/macros.h"

// Microseconds since a moment that stays the same until the machine restarts.
typedef int64_t MojoTimeTicks;

// A span of time in microseconds. No function takes one at present.
typedef uint64_t MojoDeadline;

// A span of time that never ends.
#ifdef __cplusplus
const MojoDeadline MOJO_DEADLINE_INDEFINITE = UINT64_MAX;
#else
#define MOJO_DEADLINE_INDEFINITE ((MojoDeadline)UINT64_MAX)
#endif

// Names, in this process, a message pipe endpoint, an end of a data pipe, a
// shared buffer, a wrapped platform handle, a watcher or an invitation. Values
// are not 0. The value of a handle that is gone may come back for another one.
typedef uint32_t MojoHandle;

// Never the value of a handle.
#ifdef __cplusplus
const MojoHandle MOJO_HANDLE_INVALID = 0;
#else
#define MOJO_HANDLE_INVALID ((MojoHandle)0)
#endif

// What became of a call, or what a watch has to report.
typedef uint32_t MojoResult;

// OK                   Done. The only value that means success.
// CANCELLED            The watch has ended. Only passed to callbacks.
// UNKNOWN              Failed for a reason that has no code of its own.
// INVALID_ARGUMENT     An argument is wrong whatever the state of the objects.
// DEADLINE_EXCEEDED    Not used.
// NOT_FOUND            What the call refers to is not there.
// ALREADY_EXISTS       What the call would add is there already.
// PERMISSION_DENIED    Not used.
// RESOURCE_EXHAUSTED   A limit is reached: memory, handles, descriptors, or the
//                      storage that the caller provides for output.
// FAILED_PRECONDITION  Not possible in this state, typically for good, as the
//                      peer is closed.
// ABORTED              Attachments could not be packed or unpacked.
// OUT_OF_RANGE         A size cannot be met now or lies outside of its bounds.
// UNIMPLEMENTED        An option is unknown to this library.
// INTERNAL             Not used.
// UNAVAILABLE          Not used.
// DATA_LOSS            Not used.
// BUSY                 The object is in use by an operation not yet finished.
// SHOULD_WAIT          Nothing can be done now, but later perhaps.
#ifdef __cplusplus
const MojoResult MOJO_RESULT_OK = 0;
const MojoResult MOJO_RESULT_CANCELLED = 1;
const MojoResult MOJO_RESULT_UNKNOWN = 2;
const MojoResult MOJO_RESULT_INVALID_ARGUMENT = 3;
const MojoResult MOJO_RESULT_DEADLINE_EXCEEDED = 4;
const MojoResult MOJO_RESULT_NOT_FOUND = 5;
const MojoResult MOJO_RESULT_ALREADY_EXISTS = 6;
const MojoResult MOJO_RESULT_PERMISSION_DENIED = 7;
const MojoResult MOJO_RESULT_RESOURCE_EXHAUSTED = 8;
const MojoResult MOJO_RESULT_FAILED_PRECONDITION = 9;
const MojoResult MOJO_RESULT_ABORTED = 10;
const MojoResult MOJO_RESULT_OUT_OF_RANGE = 11;
const MojoResult MOJO_RESULT_UNIMPLEMENTED = 12;
const MojoResult MOJO_RESULT_INTERNAL = 13;
const MojoResult MOJO_RESULT_UNAVAILABLE = 14;
const MojoResult MOJO_RESULT_DATA_LOSS = 15;
const MojoResult MOJO_RESULT_BUSY = 16;
const MojoResult MOJO_RESULT_SHOULD_WAIT = 17;
#else
#define MOJO_RESULT_OK ((MojoResult)0)
#define MOJO_RESULT_CANCELLED ((MojoResult)1)
#define MOJO_RESULT_UNKNOWN ((MojoResult)2)
#define MOJO_RESULT_INVALID_ARGUMENT ((MojoResult)3)
#define MOJO_RESULT_DEADLINE_EXCEEDED ((MojoResult)4)
#define MOJO_RESULT_NOT_FOUND ((MojoResult)5)
#define MOJO_RESULT_ALREADY_EXISTS ((MojoResult)6)
#define MOJO_RESULT_PERMISSION_DENIED ((MojoResult)7)
#define MOJO_RESULT_RESOURCE_EXHAUSTED ((MojoResult)8)
#define MOJO_RESULT_FAILED_PRECONDITION ((MojoResult)9)
#define MOJO_RESULT_ABORTED ((MojoResult)10)
#define MOJO_RESULT_OUT_OF_RANGE ((MojoResult)11)
#define MOJO_RESULT_UNIMPLEMENTED ((MojoResult)12)
#define MOJO_RESULT_INTERNAL ((MojoResult)13)
#define MOJO_RESULT_UNAVAILABLE ((MojoResult)14)
#define MOJO_RESULT_DATA_LOSS ((MojoResult)15)
#define MOJO_RESULT_BUSY ((MojoResult)16)
#define MOJO_RESULT_SHOULD_WAIT ((MojoResult)17)
#endif

// A set of signals of a handle. Only ends of message pipes and data pipes have
// any.
typedef uint32_t MojoHandleSignals;

// NONE               The empty set.
// READABLE           A message, or a byte, can be read (message pipe,
//                    consumer).
// WRITABLE           A message, or a byte, can be written (message pipe,
//                    producer). A message pipe is never full.
// PEER_CLOSED        The other end is closed. What it sent before may still be
//                    there to be read, or be on its way.
// NEW_DATA_READABLE  Bytes can be read that arrived after the last attempt to
//                    read (consumer). Implies READABLE.
// PEER_REMOTE        The other end is in another process, as far as known.
#ifdef __cplusplus
const MojoHandleSignals MOJO_HANDLE_SIGNAL_NONE = 0;
const MojoHandleSignals MOJO_HANDLE_SIGNAL_READABLE = 1 << 0;
const MojoHandleSignals MOJO_HANDLE_SIGNAL_WRITABLE = 1 << 1;
const MojoHandleSignals MOJO_HANDLE_SIGNAL_PEER_CLOSED = 1 << 2;
const MojoHandleSignals MOJO_HANDLE_SIGNAL_NEW_DATA_READABLE = 1 << 3;
const MojoHandleSignals MOJO_HANDLE_SIGNAL_PEER_REMOTE = 1 << 4;
#else
#define MOJO_HANDLE_SIGNAL_NONE ((MojoHandleSignals)0)
#define MOJO_HANDLE_SIGNAL_READABLE ((MojoHandleSignals)1 << 0)
#define MOJO_HANDLE_SIGNAL_WRITABLE ((MojoHandleSignals)1 << 1)
#define MOJO_HANDLE_SIGNAL_PEER_CLOSED ((MojoHandleSignals)1 << 2)
#define MOJO_HANDLE_SIGNAL_NEW_DATA_READABLE ((MojoHandleSignals)1 << 3)
#define MOJO_HANDLE_SIGNAL_PEER_REMOTE ((MojoHandleSignals)1 << 4)
#endif

// The state of a handle at one moment. What is satisfied is satisfiable too.
// A signal that is not satisfiable any more never becomes so again.
struct MOJO_ALIGNAS(4) MojoHandleSignalsState {
  // The signals that hold.
  MojoHandleSignals satisfied_signals;

  // The signals that hold or may still come to hold.
  MojoHandleSignals satisfiable_signals;
};
typedef struct MojoHandleSignalsState MojoHandleSignalsState;
MOJO_STATIC_ASSERT(sizeof(MojoHandleSignalsState) == 8,
                   "MojoHandleSignalsState must be 8 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoHandleSignalsState) == 4,
                   "MojoHandleSignalsState must be aligned to 4");
MOJO_STATIC_ASSERT(offsetof(MojoHandleSignalsState, satisfied_signals) == 0,
                   "satisfied_signals must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoHandleSignalsState, satisfiable_signals) == 4,
                   "satisfiable_signals must be at offset 4");

// Says more about a notification of a watcher.
typedef uint32_t MojoWatcherNotificationFlags;

// NONE         The cause is a call of this API on the thread of the callback.
// FROM_SYSTEM  The cause lies outside, for example in the arrival of a message
//              from another process.
#ifdef __cplusplus
const MojoWatcherNotificationFlags MOJO_WATCHER_NOTIFICATION_FLAG_NONE = 0;
const MojoWatcherNotificationFlags MOJO_WATCHER_NOTIFICATION_FLAG_FROM_SYSTEM =
    1 << 0;
#else
#define MOJO_WATCHER_NOTIFICATION_FLAG_NONE ((MojoWatcherNotificationFlags)0)
#define MOJO_WATCHER_NOTIFICATION_FLAG_FROM_SYSTEM \
  ((MojoWatcherNotificationFlags)1 << 0)
#endif

// Names a property of the process for MojoGetProperty().
typedef uint32_t MojoPropertyType;

// SYNC_CALL_ALLOWED  One bool: whether calls that wait for an answer are
//                    welcome in this process. True by default.
#ifdef __cplusplus
const MojoPropertyType MOJO_PROPERTY_TYPE_SYNC_CALL_ALLOWED = 0;
#else
#define MOJO_PROPERTY_TYPE_SYNC_CALL_ALLOWED ((MojoPropertyType)0)
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_TYPES_H_
