// Message pipes: ordered, reliable messages in both directions, with payload
// and handles.

#ifndef MOJO_PUBLIC_C_SYSTEM_MESSAGE_PIPE_H_
#define MOJO_PUBLIC_C_SYSTEM_MESSAGE_PIPE_H_

#include "mojo/public/c/system/system_export.h"
#include "mojo/public/c/system/types.h"

// Names a message object in this process. Apart from MojoHandle: the one cannot
// stand for the other.
//
// A message starts empty. It then gets either a context, a word that means
// something to the program and that reaches a reader in the same process as it
// is; or a payload with handles attached, which makes it serialized. A context
// can be turned into a payload later, when the message has to leave the
// process. A message ends when it is written or destroyed.
typedef uintptr_t MojoMessageHandle;

// Never the value of a message object.
#ifdef __cplusplus
const MojoMessageHandle MOJO_MESSAGE_HANDLE_INVALID = 0;
#else
#define MOJO_MESSAGE_HANDLE_INVALID ((MojoMessageHandle)0)
#endif

typedef uint32_t MojoCreateMessagePipeOptionsFlags;

#ifdef __cplusplus
const MojoCreateMessagePipeOptionsFlags
    MOJO_CREATE_MESSAGE_PIPE_OPTIONS_FLAG_NONE = 0;
#else
#define MOJO_CREATE_MESSAGE_PIPE_OPTIONS_FLAG_NONE \
  ((MojoCreateMessagePipeOptionsFlags)0)
#endif

struct MOJO_ALIGNAS(8) MojoCreateMessagePipeOptions {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // MOJO_CREATE_MESSAGE_PIPE_OPTIONS_FLAG_*.
  MojoCreateMessagePipeOptionsFlags flags;
};
typedef struct MojoCreateMessagePipeOptions MojoCreateMessagePipeOptions;
MOJO_STATIC_ASSERT(sizeof(MojoCreateMessagePipeOptions) == 8,
                   "MojoCreateMessagePipeOptions must be 8 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoCreateMessagePipeOptions) == 8,
                   "MojoCreateMessagePipeOptions must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoCreateMessagePipeOptions, struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoCreateMessagePipeOptions, flags) == 4,
                   "flags must be at offset 4");

typedef uint32_t MojoWriteMessageFlags;

#ifdef __cplusplus
const MojoWriteMessageFlags MOJO_WRITE_MESSAGE_FLAG_NONE = 0;
#else
#define MOJO_WRITE_MESSAGE_FLAG_NONE ((MojoWriteMessageFlags)0)
#endif

typedef uint32_t MojoReadMessageFlags;

#ifdef __cplusplus
const MojoReadMessageFlags MOJO_READ_MESSAGE_FLAG_NONE = 0;
#else
#define MOJO_READ_MESSAGE_FLAG_NONE ((MojoReadMessageFlags)0)
#endif

typedef uint32_t MojoGetSerializedMessageContentsFlags;

#ifdef __cplusplus
const MojoGetSerializedMessageContentsFlags
    MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE = 0;
#else
#define MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE \
  ((MojoGetSerializedMessageContentsFlags)0)
#endif

typedef uint32_t MojoGetMessageContextFlags;

// RELEASE  Takes the context out of the message, which is then empty.
#ifdef __cplusplus
const MojoGetMessageContextFlags MOJO_GET_MESSAGE_CONTEXT_FLAG_NONE = 0;
const MojoGetMessageContextFlags MOJO_GET_MESSAGE_CONTEXT_FLAG_RELEASE = 1;
#else
#define MOJO_GET_MESSAGE_CONTEXT_FLAG_NONE ((MojoGetMessageContextFlags)0)
#define MOJO_GET_MESSAGE_CONTEXT_FLAG_RELEASE ((MojoGetMessageContextFlags)1)
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Gives |message|, whose |context| has just been taken out, a payload, by means
// of MojoAttachSerializedMessageBuffer(). To extend and to commit the payload
// is possible but not necessary. To attach nothing is a failure.
//
// Called at most once for a context, by MojoSerializeMessage() or when the
// message has to leave the process, which it may as late as when the end that
// it waits at is sent away; hence at any time, on any thread.
typedef void (*MojoMessageContextSerializer)(MojoMessageHandle message,
                                             uintptr_t context);

// Disposes of |context|. Called exactly once, on any thread, unless the context
// is released from its message.
typedef void (*MojoMessageContextDestructor)(uintptr_t context);

// Makes a message pipe and stores its two endpoints, which are alike.
//
// |options| is optional.
//
//   OK                  both endpoints belong to the caller
//   UNIMPLEMENTED       unknown flag in |options|
//   RESOURCE_EXHAUSTED  there is no handle left
MOJO_SYSTEM_EXPORT MojoResult
MojoCreateMessagePipe(const MojoCreateMessagePipeOptions* options,
                      MojoHandle* message_pipe_handle0,
                      MojoHandle* message_pipe_handle1);

// Sends |message| to the peer of |message_pipe_handle|. A payload that is not
// committed is committed at its declared size first. A context stays one if the
// peer is in this process; otherwise its serializer runs in this call.
//
// Unless |message| itself is invalid it is consumed whatever the result: after
// a failure it is destroyed, together with the handles attached to it.
//
// Between two endpoints that have never left the process the message can be
// read, and armed watchers of the peer have been notified, before the outermost
// call on this thread returns.
//
//   OK                   on its way. Should the peer be closed before it reads
//                        the message, the message is destroyed.
//   INVALID_ARGUMENT     one of the handles is not valid; or the message cannot
//                        be serialized but must be; or it carries one of the
//                        two ends of this pipe
//   NOT_FOUND            the message is empty
//   FAILED_PRECONDITION  the peer is closed
//   SHOULD_WAIT          the end has a quota (quota.h), which is reached
MOJO_SYSTEM_EXPORT MojoResult MojoWriteMessage(MojoHandle message_pipe_handle,
                                               MojoMessageHandle message,
                                               MojoWriteMessageFlags flags);

// Takes the next message off |message_pipe_handle|. It is serialized, or has a
// context if it was sent so in this process. Messages arrive in the order in
// which they were written, each at one reader.
//
//   OK                   |*message| belongs to the caller, who destroys it or
//                        writes it to a pipe
//   FAILED_PRECONDITION  the peer is closed and nothing is left to read
//   SHOULD_WAIT          no message is there
MOJO_SYSTEM_EXPORT MojoResult MojoReadMessage(MojoHandle message_pipe_handle,
                                              MojoMessageHandle* message,
                                              MojoReadMessageFlags flags);

// Joins two pipes: the peers of |handle0| and |handle1| become the peers of
// each other. What has arrived at |handle0| and |handle1| unread goes to them
// first.
//
// Both handles are closed in any case, of whatever kind they are.
//
//   OK                   joined
//   INVALID_ARGUMENT     one of them is not a message pipe endpoint, or they
//                        are the same
//   FAILED_PRECONDITION  they are the two ends of one pipe, or a message was
//                        sent from one of them before
MOJO_SYSTEM_EXPORT MojoResult MojoFuseMessagePipes(MojoHandle handle0,
                                                   MojoHandle handle1);

// Makes an empty message.
//
//   OK                  |*message| belongs to the caller
//   RESOURCE_EXHAUSTED  there is no memory left
MOJO_SYSTEM_EXPORT MojoResult MojoCreateMessage(MojoMessageHandle* message);

// Destroys |message| with the handles still attached to it. The destructor of
// its context, if any, has run when the call returns. Addresses in its payload
// become invalid.
//
//   OK                destroyed
//   INVALID_ARGUMENT  |message| is not a message of the caller
MOJO_SYSTEM_EXPORT MojoResult MojoDestroyMessage(MojoMessageHandle message);

// Runs the serializer of |message| now, and then its destructor.
//
//   OK                   the message is serialized
//   FAILED_PRECONDITION  it has a payload already
//   NOT_FOUND            it is empty, or its context has no serializer
//   BUSY, ABORTED        the serializer attached nothing: BUSY if its last try
//                        answered so. The message is empty now.
MOJO_SYSTEM_EXPORT MojoResult MojoSerializeMessage(MojoMessageHandle message);

// Gives the empty |message| a payload of |payload_size| bytes and moves the
// |num_handles| handles at |handles| into it. |handles| may be null if there
// are none. Watchers cannot be attached.
//
// Stores in |*buffer| the address of the payload, never null and aligned to 8,
// and in |*buffer_size| the room there, all of which is zeroed and writable and
// can be more than asked for. The address is valid until the next call that
// extends, commits, writes or destroys the message.
//
// On success the handles are gone at once, and watches on them are cancelled.
// On failure the caller keeps every one of them. Of several that are not fit
// the first determines the result.
//
//   OK                   attached
//   FAILED_PRECONDITION  the message has a context
//   ALREADY_EXISTS       it has a payload
//   RESOURCE_EXHAUSTED   the payload is above 256 MiB, overhead included, or
//                        there are more than 65535 handles
//   INVALID_ARGUMENT     an element of |handles| is not a transferable handle
//   BUSY                 one is listed twice, is being transferred elsewhere,
//                        or has a two-phase operation in progress
//   ABORTED              one cannot be moved for another reason
MOJO_SYSTEM_EXPORT MojoResult
MojoAttachSerializedMessageBuffer(MojoMessageHandle message,
                                  uint32_t payload_size,
                                  const MojoHandle* handles,
                                  uint32_t num_handles,
                                  void** buffer,
                                  uint32_t* buffer_size);

// Enlarges the payload of |message|, not yet committed, to |new_payload_size|
// bytes in all and moves |num_handles| more handles into it, behind those that
// are there. Stores address and room as above; the bytes are kept, but earlier
// addresses become invalid. For handles, what is said above holds; those
// attached before are not affected by a failure.
//
//   OK                   extended
//   FAILED_PRECONDITION  the message has no payload, or it is committed
//   OUT_OF_RANGE         |new_payload_size| is below the present size
//   RESOURCE_EXHAUSTED, INVALID_ARGUMENT, BUSY, ABORTED  as above
MOJO_SYSTEM_EXPORT MojoResult
MojoExtendSerializedMessagePayload(MojoMessageHandle message,
                                   uint32_t new_payload_size,
                                   const MojoHandle* handles,
                                   uint32_t num_handles,
                                   void** new_buffer,
                                   uint32_t* new_buffer_size);

// Fixes the payload of |message| at |final_payload_size| bytes, anything from
// the declared size to the room there is. The bytes may still be changed, the
// size not. To commit again changes nothing.
//
// |buffer| and |buffer_size| are optional; they receive address and room, which
// may have changed.
//
//   OK                   committed
//   FAILED_PRECONDITION  the message has no payload
//   OUT_OF_RANGE         |final_payload_size| is outside of its bounds
MOJO_SYSTEM_EXPORT MojoResult
MojoCommitSerializedMessageContents(MojoMessageHandle message,
                                    uint32_t final_payload_size,
                                    void** buffer,
                                    uint32_t* buffer_size);

// Stores address and size of the payload of |message| and takes out the handles
// attached to it.
//
// |buffer| and |num_bytes| are optional if the payload is empty; |*buffer| is
// then null. |num_handles| is optional if no handles are attached; on input
// |*num_handles| is the room at |handles|, which may be null if that is 0. The
// address is valid until the message is written or destroyed.
//
// |*num_bytes| and |*num_handles| receive the sizes also when the answer is
// RESOURCE_EXHAUSTED because of too little room for handles, so that a call
// with no room asks for them.
//
//   OK                   |handles| holds |*num_handles| handles, which belong
//                        to the caller. The payload of a message without
//                        handles can be had again.
//   FAILED_PRECONDITION  the message is not serialized and committed
//   RESOURCE_EXHAUSTED   an output is missing, or |*num_handles| is too small.
//                        Nothing is taken out.
//   NOT_FOUND            the handles have been taken out before
//   ABORTED              the handles cannot be unpacked, now or ever
MOJO_SYSTEM_EXPORT MojoResult
MojoGetSerializedMessageContents(MojoMessageHandle message,
                                 void** buffer,
                                 uint32_t* num_bytes,
                                 MojoHandle* handles,
                                 uint32_t* num_handles,
                                 MojoGetSerializedMessageContentsFlags flags);

// Gives the empty |message| a context, which must not be 0. |serializer| is
// optional; without it the message cannot leave the process.
//
// The library does not dispose of the context: the serializer does so as its
// last act, or the reader. If the message is destroyed or dropped instead, the
// context is forgotten.
//
// A fourth argument makes it MojoAttachMessageContextWithDestructor().
//
//   OK                   attached
//   INVALID_ARGUMENT     |message| is not valid, or |context| is 0
//   ALREADY_EXISTS       the message has a context
//   FAILED_PRECONDITION  it has a payload
MOJO_SYSTEM_EXPORT MojoResult
MojoAttachMessageContext(MojoMessageHandle message,
                         uintptr_t context,
                         MojoMessageContextSerializer serializer);

// The same, with a |destructor|, optional, that runs right after the
// serializer, or when the message is destroyed or dropped with its context.
MOJO_SYSTEM_EXPORT MojoResult
MojoAttachMessageContextWithDestructor(MojoMessageHandle message,
                                       uintptr_t context,
                                       MojoMessageContextSerializer serializer,
                                       MojoMessageContextDestructor destructor);

// Stores the context of |message|. With MOJO_GET_MESSAGE_CONTEXT_FLAG_RELEASE
// it then belongs to the caller, and the message is empty.
//
//   OK         stored
//   NOT_FOUND  the message has no context
MOJO_SYSTEM_EXPORT MojoResult
MojoGetMessageContext(MojoMessageHandle message,
                      uintptr_t* context,
                      MojoGetMessageContextFlags flags);

// Reports that |message| makes no sense, for the reason in the
// |error_num_bytes| bytes at |error|, which need no terminator and may be null
// if there are none. The report goes to the error handler for the process from
// which the message came, if this process has invited it and given one
// (invitation.h). |message| stays the caller's.
//
//   OK                reported, or nobody is interested
//   INVALID_ARGUMENT  |message| is not valid, or |error| is null but
//                     |error_num_bytes| is not 0
MOJO_SYSTEM_EXPORT MojoResult MojoNotifyBadMessage(MojoMessageHandle message,
                                                   const char* error,
                                                   size_t error_num_bytes);

#ifdef __cplusplus
}  // extern "C"
#endif

// Lets MojoAttachMessageContext() be called with three or with four arguments.
#ifdef __cplusplus
inline MojoResult MojoAttachMessageContext(
    MojoMessageHandle message,
    uintptr_t context,
    MojoMessageContextSerializer serializer,
    MojoMessageContextDestructor destructor) {
  return MojoAttachMessageContextWithDestructor(message, context, serializer,
                                                destructor);
}
#else
// The number of arguments determines which name comes to stand in fifth place.
// The name alone, without parentheses behind it, still means the function.
#define MojoAttachMessageContext(...)                      \
  MOJO_INTERNAL_FIFTH_ARGUMENT(                            \
      __VA_ARGS__, MojoAttachMessageContextWithDestructor, \
      MojoAttachMessageContext, MojoAttachMessageContext,  \
      MojoAttachMessageContext, MojoAttachMessageContext)(__VA_ARGS__)
#define MOJO_INTERNAL_FIFTH_ARGUMENT(first, second, third, fourth, fifth, ...) \
  fifth
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_MESSAGE_PIPE_H_
