// Invitations: the first message pipes to another process.
//
// The inviter makes an invitation, attaches message pipes to it by name, and
// sends it over a transport; the other process accepts it from there and
// extracts the pipes by the same names. Everything else, further pipes
// included, can then travel in messages.
//
// A transport is one UNIX stream socket. In the simplest case the inviter makes a
// pair with socketpair(), lets the other process inherit one socket of it, closes
// its own copy of that one, and sends the invitation over the other. On success
// each side has given its socket away for good; nothing else may be sent or
// received on it.
//
// How the other process learns which descriptor is its socket is up to the two.
// By convention an environment variable says it: LIBMOJO_INVITATION is the
// number of the descriptor, a colon, and the number of its inode, both decimal
// ("5:48213"). By the second a process can tell that the descriptor is meant, and
// not another one which got that number later. The Rust crate libmojo starts
// processes and accepts in this way; docs/processes.md says what programs in
// other languages do on either side.
//
// The inviter can use its ends as soon as they are attached, before the other
// process exists: what is written waits. If the invitation is closed unsent or
// is never accepted, or if the other process ends, closes the transport or says
// something on it that makes no sense, the ends that depend on it get
// MOJO_HANDLE_SIGNAL_PEER_CLOSED.
//
// An invitation is a MojoHandle without signals, that cannot be sent in a
// message. What core.h says of all functions holds here too.

#ifndef MOJO_PUBLIC_C_SYSTEM_INVITATION_H_
#define MOJO_PUBLIC_C_SYSTEM_INVITATION_H_

#include "mojo/public/c/system/platform_handle.h"
#include "mojo/public/c/system/system_export.h"
#include "mojo/public/c/system/types.h"

// Names another process of the system. Optional wherever it is asked for.
struct MOJO_ALIGNAS(8) MojoPlatformProcessHandle {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // The process id, or 0 if it is not known.
  MOJO_ALIGNAS(8) uint64_t value;
};
typedef struct MojoPlatformProcessHandle MojoPlatformProcessHandle;
MOJO_STATIC_ASSERT(sizeof(MojoPlatformProcessHandle) == 16,
                   "MojoPlatformProcessHandle must be 16 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoPlatformProcessHandle) == 8,
                   "MojoPlatformProcessHandle must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoPlatformProcessHandle, struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoPlatformProcessHandle, value) == 8,
                   "value must be at offset 8");

typedef uint32_t MojoInvitationTransportType;

// CHANNEL         A connected stream socket.
// CHANNEL_SERVER  A listening stream socket, for sending only: the first process
//                 to connect to it is the other side, which accepts with CHANNEL.
//                 Then it is closed. Whether it has a name on the file system,
//                 and who removes that, is the program's affair.
#ifdef __cplusplus
const MojoInvitationTransportType MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL = 0;
const MojoInvitationTransportType
    MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL_SERVER = 1;
#else
#define MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL ((MojoInvitationTransportType)0)
#define MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL_SERVER \
  ((MojoInvitationTransportType)1)
#endif

// One side of a transport.
struct MOJO_ALIGNAS(8) MojoInvitationTransportEndpoint {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // MOJO_INVITATION_TRANSPORT_TYPE_*.
  MojoInvitationTransportType type;

  // The number of elements at |platform_handles|, at least 1. The first is the
  // socket, others are not used.
  uint32_t num_platform_handles;

  // Each with its own |struct_size|.
  MOJO_ALIGNAS(8) const MojoPlatformHandle* platform_handles;
};
typedef struct MojoInvitationTransportEndpoint MojoInvitationTransportEndpoint;
MOJO_STATIC_ASSERT(sizeof(MojoInvitationTransportEndpoint) == 24,
                   "MojoInvitationTransportEndpoint must be 24 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoInvitationTransportEndpoint) == 8,
                   "MojoInvitationTransportEndpoint must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoInvitationTransportEndpoint, struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoInvitationTransportEndpoint, type) == 4,
                   "type must be at offset 4");
MOJO_STATIC_ASSERT(offsetof(MojoInvitationTransportEndpoint,
                            num_platform_handles) == 8,
                   "num_platform_handles must be at offset 8");
MOJO_STATIC_ASSERT(offsetof(MojoInvitationTransportEndpoint,
                            platform_handles) == 16,
                   "platform_handles must be at offset 16");

typedef uint32_t MojoProcessErrorFlags;

// DISCONNECTED  The connection to the process is gone. The last call of the
//               handler.
#ifdef __cplusplus
const MojoProcessErrorFlags MOJO_PROCESS_ERROR_FLAG_NONE = 0;
const MojoProcessErrorFlags MOJO_PROCESS_ERROR_FLAG_DISCONNECTED = 1;
#else
#define MOJO_PROCESS_ERROR_FLAG_NONE ((MojoProcessErrorFlags)0)
#define MOJO_PROCESS_ERROR_FLAG_DISCONNECTED ((MojoProcessErrorFlags)1)
#endif

// What a MojoProcessErrorHandler is told.
struct MOJO_ALIGNAS(8) MojoProcessErrorDetails {
  // The size of this structure in bytes, as far as it is filled.
  uint32_t struct_size;

  // The number of bytes at |error_message|.
  uint32_t error_message_length;

  // What was reported, not terminated, or null. Valid during the call only.
  MOJO_ALIGNAS(8) const char* error_message;

  // MOJO_PROCESS_ERROR_FLAG_*.
  MOJO_ALIGNAS(8) MojoProcessErrorFlags flags;
};
typedef struct MojoProcessErrorDetails MojoProcessErrorDetails;
MOJO_STATIC_ASSERT(sizeof(MojoProcessErrorDetails) == 24,
                   "MojoProcessErrorDetails must be 24 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoProcessErrorDetails) == 8,
                   "MojoProcessErrorDetails must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoProcessErrorDetails, struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoProcessErrorDetails, error_message_length) == 4,
                   "error_message_length must be at offset 4");
MOJO_STATIC_ASSERT(offsetof(MojoProcessErrorDetails, error_message) == 8,
                   "error_message must be at offset 8");
MOJO_STATIC_ASSERT(offsetof(MojoProcessErrorDetails, flags) == 16,
                   "flags must be at offset 16");

#ifdef __cplusplus
extern "C" {
#endif

// Called for an invited process: each time that MojoNotifyBadMessage() reports
// a message from there, with the report behind "Received bad user message: ";
// and once, as the last call, with MOJO_PROCESS_ERROR_FLAG_DISCONNECTED, with
// the reason if the connection did not end in good order, else with a null
// message of length 0: the place to free what |context| stands for.
//
// A report arrives on the thread that makes it, within MojoNotifyBadMessage();
// the disconnection on a thread of the library. May call every function.
typedef void (*MojoProcessErrorHandler)(uintptr_t context,
                                        const MojoProcessErrorDetails* details);

#ifdef __cplusplus
}  // extern "C"
#endif

typedef uint32_t MojoCreateInvitationFlags;

#ifdef __cplusplus
const MojoCreateInvitationFlags MOJO_CREATE_INVITATION_FLAG_NONE = 0;
#else
#define MOJO_CREATE_INVITATION_FLAG_NONE ((MojoCreateInvitationFlags)0)
#endif

struct MOJO_ALIGNAS(8) MojoCreateInvitationOptions {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // MOJO_CREATE_INVITATION_FLAG_*.
  MojoCreateInvitationFlags flags;
};
typedef struct MojoCreateInvitationOptions MojoCreateInvitationOptions;
MOJO_STATIC_ASSERT(sizeof(MojoCreateInvitationOptions) == 8,
                   "MojoCreateInvitationOptions must be 8 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoCreateInvitationOptions) == 8,
                   "MojoCreateInvitationOptions must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoCreateInvitationOptions, struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoCreateInvitationOptions, flags) == 4,
                   "flags must be at offset 4");

typedef uint32_t MojoAttachMessagePipeToInvitationFlags;

#ifdef __cplusplus
const MojoAttachMessagePipeToInvitationFlags
    MOJO_ATTACH_MESSAGE_PIPE_TO_INVITATION_FLAG_NONE = 0;
#else
#define MOJO_ATTACH_MESSAGE_PIPE_TO_INVITATION_FLAG_NONE \
  ((MojoAttachMessagePipeToInvitationFlags)0)
#endif

struct MOJO_ALIGNAS(8) MojoAttachMessagePipeToInvitationOptions {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // MOJO_ATTACH_MESSAGE_PIPE_TO_INVITATION_FLAG_*.
  MojoAttachMessagePipeToInvitationFlags flags;
};
typedef struct MojoAttachMessagePipeToInvitationOptions
    MojoAttachMessagePipeToInvitationOptions;
MOJO_STATIC_ASSERT(sizeof(MojoAttachMessagePipeToInvitationOptions) == 8,
                   "MojoAttachMessagePipeToInvitationOptions must be 8 bytes");
MOJO_STATIC_ASSERT(
    MOJO_ALIGNOF(MojoAttachMessagePipeToInvitationOptions) == 8,
    "MojoAttachMessagePipeToInvitationOptions must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoAttachMessagePipeToInvitationOptions,
                            struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoAttachMessagePipeToInvitationOptions, flags) ==
                       4,
                   "flags must be at offset 4");

typedef uint32_t MojoExtractMessagePipeFromInvitationFlags;

#ifdef __cplusplus
const MojoExtractMessagePipeFromInvitationFlags
    MOJO_EXTRACT_MESSAGE_PIPE_FROM_INVITATION_FLAG_NONE = 0;
#else
#define MOJO_EXTRACT_MESSAGE_PIPE_FROM_INVITATION_FLAG_NONE \
  ((MojoExtractMessagePipeFromInvitationFlags)0)
#endif

struct MOJO_ALIGNAS(8) MojoExtractMessagePipeFromInvitationOptions {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // MOJO_EXTRACT_MESSAGE_PIPE_FROM_INVITATION_FLAG_*.
  MojoExtractMessagePipeFromInvitationFlags flags;
};
typedef struct MojoExtractMessagePipeFromInvitationOptions
    MojoExtractMessagePipeFromInvitationOptions;
MOJO_STATIC_ASSERT(
    sizeof(MojoExtractMessagePipeFromInvitationOptions) == 8,
    "MojoExtractMessagePipeFromInvitationOptions must be 8 bytes");
MOJO_STATIC_ASSERT(
    MOJO_ALIGNOF(MojoExtractMessagePipeFromInvitationOptions) == 8,
    "MojoExtractMessagePipeFromInvitationOptions must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoExtractMessagePipeFromInvitationOptions,
                            struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoExtractMessagePipeFromInvitationOptions,
                            flags) == 4,
                   "flags must be at offset 4");

typedef uint32_t MojoSendInvitationFlags;

// ISOLATED  Connects two programs that are to know nothing more of each other.
//           The other side accepts with ISOLATED, or sends an invitation with
//           ISOLATED too: pipes attached under the same names are then joined.
//           Both sides can be one process.
#ifdef __cplusplus
const MojoSendInvitationFlags MOJO_SEND_INVITATION_FLAG_NONE = 0;
const MojoSendInvitationFlags MOJO_SEND_INVITATION_FLAG_ISOLATED = 1;
#else
#define MOJO_SEND_INVITATION_FLAG_NONE ((MojoSendInvitationFlags)0)
#define MOJO_SEND_INVITATION_FLAG_ISOLATED ((MojoSendInvitationFlags)1)
#endif

struct MOJO_ALIGNAS(8) MojoSendInvitationOptions {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // MOJO_SEND_INVITATION_FLAG_*.
  MojoSendInvitationFlags flags;

  // With ISOLATED, a name for the connection, any bytes, or null for none. If this
  // process has sent an invitation with the same name before, and that connection
  // stands or is waited for, it is ended.
  MOJO_ALIGNAS(8) const char* isolated_connection_name;

  // The number of bytes at |isolated_connection_name|.
  MOJO_ALIGNAS(8) uint32_t isolated_connection_name_length;
};
typedef struct MojoSendInvitationOptions MojoSendInvitationOptions;
MOJO_STATIC_ASSERT(sizeof(MojoSendInvitationOptions) == 24,
                   "MojoSendInvitationOptions must be 24 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoSendInvitationOptions) == 8,
                   "MojoSendInvitationOptions must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoSendInvitationOptions, struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoSendInvitationOptions, flags) == 4,
                   "flags must be at offset 4");
MOJO_STATIC_ASSERT(offsetof(MojoSendInvitationOptions,
                            isolated_connection_name) == 8,
                   "isolated_connection_name must be at offset 8");
MOJO_STATIC_ASSERT(offsetof(MojoSendInvitationOptions,
                            isolated_connection_name_length) == 16,
                   "isolated_connection_name_length must be at offset 16");

typedef uint32_t MojoAcceptInvitationFlags;

// ISOLATED  The other side sends with ISOLATED.
#ifdef __cplusplus
const MojoAcceptInvitationFlags MOJO_ACCEPT_INVITATION_FLAG_NONE = 0;
const MojoAcceptInvitationFlags MOJO_ACCEPT_INVITATION_FLAG_ISOLATED = 1;
#else
#define MOJO_ACCEPT_INVITATION_FLAG_NONE ((MojoAcceptInvitationFlags)0)
#define MOJO_ACCEPT_INVITATION_FLAG_ISOLATED ((MojoAcceptInvitationFlags)1)
#endif

struct MOJO_ALIGNAS(8) MojoAcceptInvitationOptions {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // MOJO_ACCEPT_INVITATION_FLAG_*.
  MojoAcceptInvitationFlags flags;
};
typedef struct MojoAcceptInvitationOptions MojoAcceptInvitationOptions;
MOJO_STATIC_ASSERT(sizeof(MojoAcceptInvitationOptions) == 8,
                   "MojoAcceptInvitationOptions must be 8 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoAcceptInvitationOptions) == 8,
                   "MojoAcceptInvitationOptions must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoAcceptInvitationOptions, struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoAcceptInvitationOptions, flags) == 4,
                   "flags must be at offset 4");

#ifdef __cplusplus
extern "C" {
#endif

// Makes an invitation without pipes. |options| is optional.
//
//   OK                  |*invitation_handle| belongs to the caller
//   UNIMPLEMENTED       unknown flag in |options|
//   RESOURCE_EXHAUSTED  there is no handle left
MOJO_SYSTEM_EXPORT MojoResult
MojoCreateInvitation(const MojoCreateInvitationOptions* options,
                     MojoHandle* invitation_handle);

// Makes a message pipe, attaches one end to the invitation under |name|, any
// |name_num_bytes| bytes, and stores the other end. |options| is optional.
//
//   OK                   |*message_pipe_handle| belongs to the caller and can
//                        be used at once
//   INVALID_ARGUMENT     |invitation_handle| is not an invitation, or |name| is
//                        empty
//   UNIMPLEMENTED        unknown flag in |options|
//   ALREADY_EXISTS       there is a pipe of this name
//   FAILED_PRECONDITION  the invitation is one that was accepted
//   RESOURCE_EXHAUSTED   there is no handle left
MOJO_SYSTEM_EXPORT MojoResult MojoAttachMessagePipeToInvitation(
    MojoHandle invitation_handle,
    const void* name,
    uint32_t name_num_bytes,
    const MojoAttachMessagePipeToInvitationOptions* options,
    MojoHandle* message_pipe_handle);

// Takes the end under |name| out of an invitation. From one that was accepted
// this succeeds for any name, at once; if the inviter has attached nothing
// under it, the end gets MOJO_HANDLE_SIGNAL_PEER_CLOSED later. |options| is
// optional.
//
//   OK                  |*message_pipe_handle| belongs to the caller
//   INVALID_ARGUMENT    |invitation_handle| is not an invitation, or |name| is
//                       empty
//   UNIMPLEMENTED       unknown flag in |options|
//   NOT_FOUND           the invitation was made here and has no such end
//   RESOURCE_EXHAUSTED  there is no handle left
MOJO_SYSTEM_EXPORT MojoResult MojoExtractMessagePipeFromInvitation(
    MojoHandle invitation_handle,
    const void* name,
    uint32_t name_num_bytes,
    const MojoExtractMessagePipeFromInvitationOptions* options,
    MojoHandle* message_pipe_handle);

// Sends the invitation over |transport_endpoint|. Whether the other side
// accepts shows later, in the signals of the attached ends and through
// |error_handler|.
//
// |process_handle|, |error_handler| and |options| are optional. If given,
// |error_handler| is called with |error_handler_context| until it has been told
// of the disconnection, which it is exactly once.
//
// Only success takes |invitation_handle| and the socket from the caller, and
// only then is |error_handler| ever called.
//
//   OK                   on its way; handle and socket are gone
//   INVALID_ARGUMENT     |struct_size| of the process handle or of a platform
//                        handle is below 16, or of the endpoint below 24; the
//                        endpoint has no socket of its type; the name of the
//                        connection is over 1024 bytes; or |invitation_handle|
//                        is not an invitation
//   UNIMPLEMENTED        unknown flag in |options|, or type of transport
//   FAILED_PRECONDITION  no pipe is attached, or the invitation is one that was
//                        accepted
//   RESOURCE_EXHAUSTED   the connection cannot be set up
MOJO_SYSTEM_EXPORT MojoResult
MojoSendInvitation(MojoHandle invitation_handle,
                   const MojoPlatformProcessHandle* process_handle,
                   const MojoInvitationTransportEndpoint* transport_endpoint,
                   MojoProcessErrorHandler error_handler,
                   uintptr_t error_handler_context,
                   const MojoSendInvitationOptions* options);

// Accepts the invitation that the other side has sent, or will send, over
// |transport_endpoint|, and stores it for extraction. It may be closed when all
// that is wanted has been extracted; the connection stays. |options| is
// optional.
//
// Only success takes the socket from the caller.
//
//   OK                   |*invitation_handle| belongs to the caller; the socket
//                        is gone
//   INVALID_ARGUMENT     |struct_size| of the endpoint is below 24 or that of
//                        the platform handle below 16, or the endpoint has no
//                        socket
//   UNIMPLEMENTED        unknown flag in |options|, or the transport is not a
//                        CHANNEL
//   RESOURCE_EXHAUSTED   the connection cannot be set up
MOJO_SYSTEM_EXPORT MojoResult
MojoAcceptInvitation(const MojoInvitationTransportEndpoint* transport_endpoint,
                     const MojoAcceptInvitationOptions* options,
                     MojoHandle* invitation_handle);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_INVITATION_H_
