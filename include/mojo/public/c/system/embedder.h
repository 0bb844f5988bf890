// What the program that embeds the library decides for the whole process:
// limits, properties, who hears of errors, and how it ends.
//
// No process has to be told that it is the one that knows all others, nor where
// shared memory is to come from: any may invite any, whoever stands between two
// introduces them, and each makes its own memory.
//
// These functions are an addition to the C System API, not in core.h, and not
// available to modules that use the library through a table of functions
// (thunks.h). What core.h says of all functions holds here too.

#ifndef MOJO_PUBLIC_C_SYSTEM_EMBEDDER_H_
#define MOJO_PUBLIC_C_SYSTEM_EMBEDDER_H_

#include <stddef.h>
#include <stdint.h>

#include "mojo/public/c/system/functions.h"
#include "mojo/public/c/system/invitation.h"
#include "mojo/public/c/system/macros.h"
#include "mojo/public/c/system/system_export.h"
#include "mojo/public/c/system/types.h"

// What this process does in its own way. A field that is 0, or lies beyond
// |struct_size|, stands for the default.
struct MOJO_ALIGNAS(8) MojoConfiguration {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // The largest payload of a message in bytes; by default 256 MiB. More is
  // refused by MojoAttachSerializedMessageBuffer() and
  // MojoExtendSerializedMessagePayload(). A process that receives more than it
  // takes ends the connection, so all processes should have the same limit.
  uint32_t max_message_num_bytes;

  // The largest shared buffer or data pipe that is made, in bytes; by default
  // 1 GiB.
  MOJO_ALIGNAS(8) uint64_t max_shared_memory_num_bytes;

  // The most mappings of shared buffers at a time; by default 1000000.
  MOJO_ALIGNAS(8) uint64_t max_mappings;

  // The name of the thread by which the library exchanges data with other
  // processes, with a 0 byte at its end; by default "libmojo-io". It starts with
  // the first connection and ends with the last; the next one that starts has
  // this name.
  char io_thread_name[16];

  // The most messages from one other process, and the most bytes of them with what
  // is attached, that are received and not read; by default 4194304 and 1 GiB. A
  // process that sends more is cut off. A program that is slow gives its pipes
  // quotas (quota.h), so that whoever writes to them waits.
  MOJO_ALIGNAS(8) uint64_t max_unread_num_messages;
  MOJO_ALIGNAS(8) uint64_t max_unread_num_bytes;

  // The most messages to one other process, and the most bytes of them, that wait
  // in this one because that one takes nothing; by default as many. If there are
  // more it is cut off.
  MOJO_ALIGNAS(8) uint64_t max_queued_num_messages;
  MOJO_ALIGNAS(8) uint64_t max_queued_num_bytes;
};
typedef struct MojoConfiguration MojoConfiguration;
MOJO_STATIC_ASSERT(sizeof(MojoConfiguration) == 72,
                   "MojoConfiguration must be 72 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoConfiguration) == 8,
                   "MojoConfiguration must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoConfiguration, struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoConfiguration, max_message_num_bytes) == 4,
                   "max_message_num_bytes must be at offset 4");
MOJO_STATIC_ASSERT(offsetof(MojoConfiguration, max_shared_memory_num_bytes) == 8,
                   "max_shared_memory_num_bytes must be at offset 8");
MOJO_STATIC_ASSERT(offsetof(MojoConfiguration, max_mappings) == 16,
                   "max_mappings must be at offset 16");
MOJO_STATIC_ASSERT(offsetof(MojoConfiguration, io_thread_name) == 24,
                   "io_thread_name must be at offset 24");
MOJO_STATIC_ASSERT(offsetof(MojoConfiguration, max_unread_num_messages) == 40,
                   "max_unread_num_messages must be at offset 40");
MOJO_STATIC_ASSERT(offsetof(MojoConfiguration, max_unread_num_bytes) == 48,
                   "max_unread_num_bytes must be at offset 48");
MOJO_STATIC_ASSERT(offsetof(MojoConfiguration, max_queued_num_messages) == 56,
                   "max_queued_num_messages must be at offset 56");
MOJO_STATIC_ASSERT(offsetof(MojoConfiguration, max_queued_num_bytes) == 64,
                   "max_queued_num_bytes must be at offset 64");

#ifdef __cplusplus
extern "C" {
#endif

// Sets all of this from now on; what exists already is not affected. A program
// does this before anything else.
//
//   OK                set
//   INVALID_ARGUMENT  |struct_size| is below 4
MOJO_SYSTEM_EXPORT MojoResult
MojoConfigure(const MojoConfiguration* configuration);

// Sets what MojoGetProperty() answers: for
// MOJO_PROPERTY_TYPE_SYNC_CALL_ALLOWED |value| points to a bool.
//
//   OK                set
//   INVALID_ARGUMENT  unknown property
MOJO_SYSTEM_EXPORT MojoResult MojoSetProperty(MojoPropertyType type,
                                              const void* value);

// Sets who hears of errors that belong to no process with a handler of its own
// (MojoSendInvitation()): messages reported by MojoNotifyBadMessage() that were
// made in this process, then without further words before the report; and, with
// MOJO_PROCESS_ERROR_FLAG_DISCONNECTED, why the connection to the process that
// invited this one has broken. A null |handler| ends this. The handler before
// may still be running on another thread when this returns.
MOJO_SYSTEM_EXPORT MojoResult
MojoSetDefaultProcessErrorHandler(MojoProcessErrorHandler handler,
                                  uintptr_t context);

// Waits until everything that was written to other processes so far, and all
// that is passed on between others, has been handed to the system, but at most
// |deadline| microseconds: then it arrives even if this process ends at once.
// An invitation that was sent counts until it is accepted, except over a
// CHANNEL_SERVER. In a callback with
// MOJO_WATCHER_NOTIFICATION_FLAG_FROM_SYSTEM it only looks.
//
//   OK                 all of it is out
//   DEADLINE_EXCEEDED  the time has passed
MOJO_SYSTEM_EXPORT MojoResult MojoFlush(MojoDeadline deadline);

// Ends all connections to other processes in good order: waits as MojoFlush()
// does, and until no pipe between others leads through this process any more.
// Pipes to other processes get MOJO_HANDLE_SIGNAL_PEER_CLOSED; those within the
// process go on, and new connections can be made. With 0 it ends them at once.
//
//   OK                 ended in good order
//   DEADLINE_EXCEEDED  ended before all was done
MOJO_SYSTEM_EXPORT MojoResult MojoShutdown(MojoDeadline deadline);

// Describes what connections this process has, and the pipes that other
// processes have to do with, for people who want to know: why something hangs,
// or what leads through this process. It works whatever other threads are stuck
// in. |*num_bytes| is the room at |text|, which may be null if that is 0, and
// receives the size of the description with the 0 byte at its end, in lines:
//
//   node 8e1f33a2: 1 links, 1 ports
//   link to 41c09d7b, process 4711, inviter, 0 bytes in 0 frames to write
//   port #0 5d2e00c1 endpoint, to 90aa13f4 at 41c09d7b, from 90aa13f4 at
//   41c09d7b, 0 unread, 0 early, next is 3                 (on the same line)
//
// Names are shortened. A port is an end of a pipe, or the trace of one that has
// moved; a "relay" passes on what goes between two processes that cannot talk
// to each other. The wording may change.
//
//   OK                  described
//   RESOURCE_EXHAUSTED  there is not enough room: |*num_bytes| receives what
//                       the description needs at the moment
MOJO_SYSTEM_EXPORT MojoResult MojoTakeSnapshot(char* text, uint32_t* num_bytes);

// Leaves the exchange with other processes to the program: the library starts no
// thread for it. The program waits until |*descriptor| is readable, by poll() or
// the like, and then calls MojoRunIo(). Nothing arrives in between, so a thread
// that does this must not also block in MojoWait() for other processes, or in
// MojoFlush() or MojoShutdown(), other than with a deadline of 0. The descriptor
// belongs to the library, for ever.
//
//   OK                   from now on
//   FAILED_PRECONDITION  the library does it already, since there are
//                        connections; or it was left to the program before
//   RESOURCE_EXHAUSTED   there is no descriptor left
MOJO_SYSTEM_EXPORT MojoResult MojoDriveIo(int* descriptor);

// Does what there is to do now, without waiting. Callbacks for what other
// processes cause run here, with MOJO_WATCHER_NOTIFICATION_FLAG_FROM_SYSTEM.
// |patience| is optional; it receives after how many microseconds this is to be
// called again although the descriptor is not readable, nearly always
// MOJO_DEADLINE_INDEFINITE.
//
//   OK                   done
//   BUSY                 another call is at it, in a thread or further out on
//                        this one; |*patience| is untouched
//   FAILED_PRECONDITION  MojoDriveIo() was not called
MOJO_SYSTEM_EXPORT MojoResult MojoRunIo(MojoDeadline* patience);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_EMBEDDER_H_
