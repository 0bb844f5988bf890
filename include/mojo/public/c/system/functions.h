// Functions that concern every kind of handle, or none: clock, closing,
// signals, properties.

#ifndef MOJO_PUBLIC_C_SYSTEM_FUNCTIONS_H_
#define MOJO_PUBLIC_C_SYSTEM_FUNCTIONS_H_

#include "mojo/public/c/system/system_export.h"
#include "mojo/public/c/system/types.h"

#ifdef __cplusplus
extern "C" {
#endif

// The time in microseconds on a clock that never goes back and that all
// processes of the machine share until it restarts. Not 0.
MOJO_SYSTEM_EXPORT MojoTimeTicks MojoGetTimeTicksNow(void);

// Closes |handle|, of any kind. Its value names nothing afterwards.
//
// Message pipe endpoint, producer, consumer: the peer sooner or later has
// MOJO_HANDLE_SIGNAL_PEER_CLOSED. What was written here before still arrives;
// unread messages at |handle| are destroyed. A two-phase operation in progress
// ends, and its bytes are not transferred. Watches on |handle| are cancelled.
// Shared buffer: mappings stay valid. Platform handle: the descriptor is
// closed. Watcher: its watches are cancelled. Invitation not sent: the pipes
// attached to it get MOJO_HANDLE_SIGNAL_PEER_CLOSED.
//
//   OK                closed
//   INVALID_ARGUMENT  |handle| is not a handle
MOJO_SYSTEM_EXPORT MojoResult MojoClose(MojoHandle handle);

// Stores what is known at this moment of the signals of |handle|. For a kind of
// handle without signals both sets are empty.
//
//   OK                stored
//   INVALID_ARGUMENT  |handle| is not a handle, or |signals_state| is null
MOJO_SYSTEM_EXPORT MojoResult
MojoQueryHandleSignalsState(MojoHandle handle,
                            MojoHandleSignalsState* signals_state);

// Stores the property |type| in |*value|, a variable of the type stated beside
// the constant.
//
//   OK                stored
//   INVALID_ARGUMENT  |type| is unknown, or |value| is null
MOJO_SYSTEM_EXPORT MojoResult MojoGetProperty(MojoPropertyType type,
                                              void* value);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_FUNCTIONS_H_
