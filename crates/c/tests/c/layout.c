/*
 * What the headers promise about sizes, offsets, values and prototypes. It is
 * only compiled, as C99 to C17 and as C++11 to C++20: a broken promise is an
 * array of negative size, or a pointer of the wrong type.
 */

#include "mojo/public/c/system/core.h"
#include "mojo/public/c/system/embedder.h"
#include "mojo/public/c/system/invitation.h"
#include "mojo/public/c/system/quota.h"
#include "mojo/public/c/system/thunks.h"
#include "mojo/public/c/system/wait.h"

#include <stddef.h>
#include <stdint.h>

#define HOLDS(condition) extern char holds[(condition) ? 1 : -1]

/* Types. Both spellings of a structure name the same type. */

#define TYPE(type, size, alignment) \
  HOLDS(sizeof(type) == (size));    \
  HOLDS(MOJO_ALIGNOF(type) == (alignment))
#define STRUCT(name, size, alignment) \
  TYPE(name, size, alignment);        \
  TYPE(struct name, size, alignment); \
  extern name name##_by_name;         \
  extern struct name name##_by_name
#define FIELD(type, field, offset, size)    \
  HOLDS(offsetof(type, field) == (offset)); \
  HOLDS(sizeof(((type*)0)->field) == (size))

TYPE(MojoTimeTicks, 8, MOJO_ALIGNOF(int64_t));
HOLDS((MojoTimeTicks)-1 < 0);
TYPE(MojoDeadline, 8, MOJO_ALIGNOF(uint64_t));
TYPE(MojoHandle, 4, 4);
TYPE(MojoResult, 4, 4);
TYPE(MojoHandleSignals, 4, 4);
TYPE(MojoWatcherNotificationFlags, 4, 4);
TYPE(MojoPropertyType, 4, 4);
TYPE(MojoMessageHandle, sizeof(void*), MOJO_ALIGNOF(void*));
TYPE(MojoCreateMessagePipeOptionsFlags, 4, 4);
TYPE(MojoWriteMessageFlags, 4, 4);
TYPE(MojoReadMessageFlags, 4, 4);
TYPE(MojoGetMessageContextFlags, 4, 4);
TYPE(MojoGetSerializedMessageContentsFlags, 4, 4);
TYPE(MojoCreateDataPipeOptionsFlags, 4, 4);
TYPE(MojoWriteDataFlags, 4, 4);
TYPE(MojoReadDataFlags, 4, 4);
TYPE(MojoCreateSharedBufferOptionsFlags, 4, 4);
TYPE(MojoDuplicateBufferHandleOptionsFlags, 4, 4);
TYPE(MojoMapBufferFlags, 4, 4);
TYPE(MojoPlatformHandleType, 4, 4);
TYPE(MojoPlatformSharedBufferHandleFlags, 4, 4);
TYPE(MojoInvitationTransportType, 4, 4);
TYPE(MojoProcessErrorFlags, 4, 4);
TYPE(MojoCreateInvitationFlags, 4, 4);
TYPE(MojoAttachMessagePipeToInvitationFlags, 4, 4);
TYPE(MojoExtractMessagePipeFromInvitationFlags, 4, 4);
TYPE(MojoSendInvitationFlags, 4, 4);
TYPE(MojoAcceptInvitationFlags, 4, 4);

STRUCT(MojoHandleSignalsState, 8, 4);
FIELD(MojoHandleSignalsState, satisfied_signals, 0, 4);
FIELD(MojoHandleSignalsState, satisfiable_signals, 4, 4);

STRUCT(MojoCreateMessagePipeOptions, 8, 8);
FIELD(MojoCreateMessagePipeOptions, struct_size, 0, 4);
FIELD(MojoCreateMessagePipeOptions, flags, 4, 4);

STRUCT(MojoCreateDataPipeOptions, 16, 8);
FIELD(MojoCreateDataPipeOptions, struct_size, 0, 4);
FIELD(MojoCreateDataPipeOptions, flags, 4, 4);
FIELD(MojoCreateDataPipeOptions, element_num_bytes, 8, 4);
FIELD(MojoCreateDataPipeOptions, capacity_num_bytes, 12, 4);

STRUCT(MojoCreateSharedBufferOptions, 8, 8);
FIELD(MojoCreateSharedBufferOptions, struct_size, 0, 4);
FIELD(MojoCreateSharedBufferOptions, flags, 4, 4);

STRUCT(MojoDuplicateBufferHandleOptions, 8, 4);
FIELD(MojoDuplicateBufferHandleOptions, struct_size, 0, 4);
FIELD(MojoDuplicateBufferHandleOptions, flags, 4, 4);

STRUCT(MojoPlatformHandle, 16, 8);
FIELD(MojoPlatformHandle, struct_size, 0, 4);
FIELD(MojoPlatformHandle, type, 4, 4);
FIELD(MojoPlatformHandle, value, 8, 8);

STRUCT(MojoSharedBufferGuid, 16, 8);
FIELD(MojoSharedBufferGuid, high, 0, 8);
FIELD(MojoSharedBufferGuid, low, 8, 8);

STRUCT(MojoPlatformProcessHandle, 16, 8);
FIELD(MojoPlatformProcessHandle, struct_size, 0, 4);
FIELD(MojoPlatformProcessHandle, value, 8, 8);

STRUCT(MojoInvitationTransportEndpoint, 24, 8);
FIELD(MojoInvitationTransportEndpoint, struct_size, 0, 4);
FIELD(MojoInvitationTransportEndpoint, type, 4, 4);
FIELD(MojoInvitationTransportEndpoint, num_platform_handles, 8, 4);
FIELD(MojoInvitationTransportEndpoint, platform_handles, 16, sizeof(void*));

STRUCT(MojoProcessErrorDetails, 24, 8);
FIELD(MojoProcessErrorDetails, struct_size, 0, 4);
FIELD(MojoProcessErrorDetails, error_message_length, 4, 4);
FIELD(MojoProcessErrorDetails, error_message, 8, sizeof(void*));
FIELD(MojoProcessErrorDetails, flags, 16, 4);

STRUCT(MojoCreateInvitationOptions, 8, 8);
FIELD(MojoCreateInvitationOptions, struct_size, 0, 4);
FIELD(MojoCreateInvitationOptions, flags, 4, 4);

STRUCT(MojoAttachMessagePipeToInvitationOptions, 8, 8);
FIELD(MojoAttachMessagePipeToInvitationOptions, struct_size, 0, 4);
FIELD(MojoAttachMessagePipeToInvitationOptions, flags, 4, 4);

STRUCT(MojoExtractMessagePipeFromInvitationOptions, 8, 8);
FIELD(MojoExtractMessagePipeFromInvitationOptions, struct_size, 0, 4);
FIELD(MojoExtractMessagePipeFromInvitationOptions, flags, 4, 4);

STRUCT(MojoSendInvitationOptions, 24, 8);
FIELD(MojoSendInvitationOptions, struct_size, 0, 4);
FIELD(MojoSendInvitationOptions, flags, 4, 4);
FIELD(MojoSendInvitationOptions, isolated_connection_name, 8, sizeof(void*));
FIELD(MojoSendInvitationOptions, isolated_connection_name_length, 16, 4);

STRUCT(MojoAcceptInvitationOptions, 8, 8);
FIELD(MojoAcceptInvitationOptions, struct_size, 0, 4);
FIELD(MojoAcceptInvitationOptions, flags, 4, 4);

STRUCT(MojoConfiguration, 72, 8);
FIELD(MojoConfiguration, struct_size, 0, 4);
FIELD(MojoConfiguration, max_message_num_bytes, 4, 4);
FIELD(MojoConfiguration, max_shared_memory_num_bytes, 8, 8);
FIELD(MojoConfiguration, max_mappings, 16, 8);
FIELD(MojoConfiguration, io_thread_name, 24, 16);
FIELD(MojoConfiguration, max_unread_num_messages, 40, 8);
FIELD(MojoConfiguration, max_unread_num_bytes, 48, 8);
FIELD(MojoConfiguration, max_queued_num_messages, 56, 8);
FIELD(MojoConfiguration, max_queued_num_bytes, 64, 8);

STRUCT(MojoSetQuotaOptions, 8, 8);
FIELD(MojoSetQuotaOptions, struct_size, 0, 4);
FIELD(MojoSetQuotaOptions, flags, 4, 4);

STRUCT(MojoQueryQuotaOptions, 8, 8);
FIELD(MojoQueryQuotaOptions, struct_size, 0, 4);
FIELD(MojoQueryQuotaOptions, flags, 4, 4);

/* The table of functions. */

#define ENTRY(name, number) \
  FIELD(MojoSystemThunks, name, (number) * sizeof(void*), sizeof(void*))

STRUCT(MojoSystemThunks, 38 * sizeof(void*), MOJO_ALIGNOF(void*));
HOLDS(sizeof(void*) != 8 || sizeof(MojoSystemThunks) == 304);
STRUCT(MojoExtendedSystemThunks, 39 * sizeof(void*), MOJO_ALIGNOF(void*));
FIELD(MojoExtendedSystemThunks, standard, 0, sizeof(MojoSystemThunks));
FIELD(MojoExtendedSystemThunks,
      AttachMessageContextWithDestructor,
      38 * sizeof(void*),
      sizeof(void*));
FIELD(MojoSystemThunks, size, 0, sizeof(size_t));
ENTRY(GetTimeTicksNow, 1);
ENTRY(Close, 2);
ENTRY(QueryHandleSignalsState, 3);
ENTRY(CreateMessagePipe, 4);
ENTRY(WriteMessage, 5);
ENTRY(ReadMessage, 6);
ENTRY(CreateDataPipe, 7);
ENTRY(WriteData, 8);
ENTRY(BeginWriteData, 9);
ENTRY(EndWriteData, 10);
ENTRY(ReadData, 11);
ENTRY(BeginReadData, 12);
ENTRY(EndReadData, 13);
ENTRY(CreateSharedBuffer, 14);
ENTRY(DuplicateBufferHandle, 15);
ENTRY(MapBuffer, 16);
ENTRY(UnmapBuffer, 17);
ENTRY(CreateWatcher, 18);
ENTRY(Watch, 19);
ENTRY(CancelWatch, 20);
ENTRY(ArmWatcher, 21);
ENTRY(FuseMessagePipes, 22);
ENTRY(CreateMessage, 23);
ENTRY(DestroyMessage, 24);
ENTRY(SerializeMessage, 25);
ENTRY(AttachSerializedMessageBuffer, 26);
ENTRY(ExtendSerializedMessagePayload, 27);
ENTRY(CommitSerializedMessageContents, 28);
ENTRY(GetSerializedMessageContents, 29);
ENTRY(AttachMessageContext, 30);
ENTRY(GetMessageContext, 31);
ENTRY(WrapPlatformHandle, 32);
ENTRY(UnwrapPlatformHandle, 33);
ENTRY(WrapPlatformSharedBufferHandle, 34);
ENTRY(UnwrapPlatformSharedBufferHandle, 35);
ENTRY(NotifyBadMessage, 36);
ENTRY(GetProperty, 37);

/* Constants. The addition fails for a shift that lacks its parentheses. */

#define CONSTANT(type, name, value)    \
  HOLDS(sizeof(name) == sizeof(type)); \
  HOLDS(1 + name == 1 + (type)(value))

HOLDS(sizeof(MOJO_DEADLINE_INDEFINITE) == 8);
HOLDS(MOJO_DEADLINE_INDEFINITE == UINT64_MAX);
CONSTANT(MojoHandle, MOJO_HANDLE_INVALID, 0);
CONSTANT(MojoMessageHandle, MOJO_MESSAGE_HANDLE_INVALID, 0);

CONSTANT(MojoResult, MOJO_RESULT_OK, 0);
CONSTANT(MojoResult, MOJO_RESULT_CANCELLED, 1);
CONSTANT(MojoResult, MOJO_RESULT_UNKNOWN, 2);
CONSTANT(MojoResult, MOJO_RESULT_INVALID_ARGUMENT, 3);
CONSTANT(MojoResult, MOJO_RESULT_DEADLINE_EXCEEDED, 4);
CONSTANT(MojoResult, MOJO_RESULT_NOT_FOUND, 5);
CONSTANT(MojoResult, MOJO_RESULT_ALREADY_EXISTS, 6);
CONSTANT(MojoResult, MOJO_RESULT_PERMISSION_DENIED, 7);
CONSTANT(MojoResult, MOJO_RESULT_RESOURCE_EXHAUSTED, 8);
CONSTANT(MojoResult, MOJO_RESULT_FAILED_PRECONDITION, 9);
CONSTANT(MojoResult, MOJO_RESULT_ABORTED, 10);
CONSTANT(MojoResult, MOJO_RESULT_OUT_OF_RANGE, 11);
CONSTANT(MojoResult, MOJO_RESULT_UNIMPLEMENTED, 12);
CONSTANT(MojoResult, MOJO_RESULT_INTERNAL, 13);
CONSTANT(MojoResult, MOJO_RESULT_UNAVAILABLE, 14);
CONSTANT(MojoResult, MOJO_RESULT_DATA_LOSS, 15);
CONSTANT(MojoResult, MOJO_RESULT_BUSY, 16);
CONSTANT(MojoResult, MOJO_RESULT_SHOULD_WAIT, 17);

CONSTANT(MojoHandleSignals, MOJO_HANDLE_SIGNAL_NONE, 0);
CONSTANT(MojoHandleSignals, MOJO_HANDLE_SIGNAL_READABLE, 1);
CONSTANT(MojoHandleSignals, MOJO_HANDLE_SIGNAL_WRITABLE, 2);
CONSTANT(MojoHandleSignals, MOJO_HANDLE_SIGNAL_PEER_CLOSED, 4);
CONSTANT(MojoHandleSignals, MOJO_HANDLE_SIGNAL_NEW_DATA_READABLE, 8);
CONSTANT(MojoHandleSignals, MOJO_HANDLE_SIGNAL_PEER_REMOTE, 16);

CONSTANT(MojoWatcherNotificationFlags, MOJO_WATCHER_NOTIFICATION_FLAG_NONE, 0);
CONSTANT(MojoWatcherNotificationFlags,
         MOJO_WATCHER_NOTIFICATION_FLAG_FROM_SYSTEM,
         1);

CONSTANT(MojoPropertyType, MOJO_PROPERTY_TYPE_SYNC_CALL_ALLOWED, 0);

CONSTANT(MojoCreateMessagePipeOptionsFlags,
         MOJO_CREATE_MESSAGE_PIPE_OPTIONS_FLAG_NONE,
         0);
CONSTANT(MojoWriteMessageFlags, MOJO_WRITE_MESSAGE_FLAG_NONE, 0);
CONSTANT(MojoReadMessageFlags, MOJO_READ_MESSAGE_FLAG_NONE, 0);
CONSTANT(MojoGetMessageContextFlags, MOJO_GET_MESSAGE_CONTEXT_FLAG_NONE, 0);
CONSTANT(MojoGetMessageContextFlags, MOJO_GET_MESSAGE_CONTEXT_FLAG_RELEASE, 1);
CONSTANT(MojoGetSerializedMessageContentsFlags,
         MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE,
         0);

CONSTANT(MojoCreateDataPipeOptionsFlags,
         MOJO_CREATE_DATA_PIPE_OPTIONS_FLAG_NONE,
         0);
CONSTANT(MojoWriteDataFlags, MOJO_WRITE_DATA_FLAG_NONE, 0);
CONSTANT(MojoWriteDataFlags, MOJO_WRITE_DATA_FLAG_ALL_OR_NONE, 1);
CONSTANT(MojoReadDataFlags, MOJO_READ_DATA_FLAG_NONE, 0);
CONSTANT(MojoReadDataFlags, MOJO_READ_DATA_FLAG_ALL_OR_NONE, 1);
CONSTANT(MojoReadDataFlags, MOJO_READ_DATA_FLAG_DISCARD, 2);
CONSTANT(MojoReadDataFlags, MOJO_READ_DATA_FLAG_QUERY, 4);
CONSTANT(MojoReadDataFlags, MOJO_READ_DATA_FLAG_PEEK, 8);

CONSTANT(MojoCreateSharedBufferOptionsFlags,
         MOJO_CREATE_SHARED_BUFFER_OPTIONS_FLAG_NONE,
         0);
CONSTANT(MojoDuplicateBufferHandleOptionsFlags,
         MOJO_DUPLICATE_BUFFER_HANDLE_OPTIONS_FLAG_NONE,
         0);
CONSTANT(MojoDuplicateBufferHandleOptionsFlags,
         MOJO_DUPLICATE_BUFFER_HANDLE_OPTIONS_FLAG_READ_ONLY,
         1);
CONSTANT(MojoMapBufferFlags, MOJO_MAP_BUFFER_FLAG_NONE, 0);

CONSTANT(MojoPlatformHandleType, MOJO_PLATFORM_HANDLE_TYPE_INVALID, 0);
CONSTANT(MojoPlatformHandleType, MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR, 1);
CONSTANT(MojoPlatformHandleType, MOJO_PLATFORM_HANDLE_TYPE_MACH_PORT, 2);
CONSTANT(MojoPlatformHandleType, MOJO_PLATFORM_HANDLE_TYPE_WINDOWS_HANDLE, 3);
CONSTANT(MojoPlatformHandleType, MOJO_PLATFORM_HANDLE_TYPE_FUCHSIA_HANDLE, 4);
CONSTANT(MojoPlatformSharedBufferHandleFlags,
         MOJO_PLATFORM_SHARED_BUFFER_HANDLE_FLAG_NONE,
         0);
CONSTANT(MojoPlatformSharedBufferHandleFlags,
         MOJO_PLATFORM_SHARED_BUFFER_HANDLE_FLAG_READ_ONLY,
         1);

CONSTANT(MojoInvitationTransportType,
         MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL,
         0);
CONSTANT(MojoInvitationTransportType,
         MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL_SERVER,
         1);
CONSTANT(MojoProcessErrorFlags, MOJO_PROCESS_ERROR_FLAG_NONE, 0);
CONSTANT(MojoProcessErrorFlags, MOJO_PROCESS_ERROR_FLAG_DISCONNECTED, 1);
CONSTANT(MojoCreateInvitationFlags, MOJO_CREATE_INVITATION_FLAG_NONE, 0);
CONSTANT(MojoAttachMessagePipeToInvitationFlags,
         MOJO_ATTACH_MESSAGE_PIPE_TO_INVITATION_FLAG_NONE,
         0);
CONSTANT(MojoExtractMessagePipeFromInvitationFlags,
         MOJO_EXTRACT_MESSAGE_PIPE_FROM_INVITATION_FLAG_NONE,
         0);
CONSTANT(MojoSendInvitationFlags, MOJO_SEND_INVITATION_FLAG_NONE, 0);
CONSTANT(MojoSendInvitationFlags, MOJO_SEND_INVITATION_FLAG_ISOLATED, 1);
CONSTANT(MojoAcceptInvitationFlags, MOJO_ACCEPT_INVITATION_FLAG_NONE, 0);
CONSTANT(MojoAcceptInvitationFlags, MOJO_ACCEPT_INVITATION_FLAG_ISOLATED, 1);

/* Macros. */

struct MOJO_ALIGNAS(1) aligned_to_1 {
  char byte;
};
struct MOJO_ALIGNAS(4) aligned_to_4 {
  char byte;
};
struct MOJO_ALIGNAS(8) aligned_to_8 {
  char byte;
};
TYPE(struct aligned_to_1, 1, 1);
TYPE(struct aligned_to_4, 4, 4);
TYPE(struct aligned_to_8, 8, 8);

struct aligned_member {
  char byte;
  MOJO_ALIGNAS(8) char aligned;
};
FIELD(struct aligned_member, aligned, 8, 1);

HOLDS(MOJO_ALIGNOF(char) == 1);
HOLDS(MOJO_ALIGNOF(int32_t) == 4);
HOLDS(MOJO_ALIGNOF(int64_t) == 8);
HOLDS(MOJO_ALIGNOF(double) == 8);

MOJO_STATIC_ASSERT(1 + 1 == 2, "usable outside of functions");

/* Functions: those of the table have the types of its entries. */

static MojoSystemThunks every_function_of_the_table(void) {
  MojoSystemThunks thunks;
  MOJO_STATIC_ASSERT(sizeof(thunks) != 0, "usable within functions");
  thunks.size = sizeof(thunks);
  thunks.GetTimeTicksNow = &MojoGetTimeTicksNow;
  thunks.Close = &MojoClose;
  thunks.QueryHandleSignalsState = &MojoQueryHandleSignalsState;
  thunks.CreateMessagePipe = &MojoCreateMessagePipe;
  thunks.WriteMessage = &MojoWriteMessage;
  thunks.ReadMessage = &MojoReadMessage;
  thunks.CreateDataPipe = &MojoCreateDataPipe;
  thunks.WriteData = &MojoWriteData;
  thunks.BeginWriteData = &MojoBeginWriteData;
  thunks.EndWriteData = &MojoEndWriteData;
  thunks.ReadData = &MojoReadData;
  thunks.BeginReadData = &MojoBeginReadData;
  thunks.EndReadData = &MojoEndReadData;
  thunks.CreateSharedBuffer = &MojoCreateSharedBuffer;
  thunks.DuplicateBufferHandle = &MojoDuplicateBufferHandle;
  thunks.MapBuffer = &MojoMapBuffer;
  thunks.UnmapBuffer = &MojoUnmapBuffer;
  thunks.CreateWatcher = &MojoCreateWatcher;
  thunks.Watch = &MojoWatch;
  thunks.CancelWatch = &MojoCancelWatch;
  thunks.ArmWatcher = &MojoArmWatcher;
  thunks.FuseMessagePipes = &MojoFuseMessagePipes;
  thunks.CreateMessage = &MojoCreateMessage;
  thunks.DestroyMessage = &MojoDestroyMessage;
  thunks.SerializeMessage = &MojoSerializeMessage;
  thunks.AttachSerializedMessageBuffer = &MojoAttachSerializedMessageBuffer;
  thunks.ExtendSerializedMessagePayload = &MojoExtendSerializedMessagePayload;
  thunks.CommitSerializedMessageContents = &MojoCommitSerializedMessageContents;
  thunks.GetSerializedMessageContents = &MojoGetSerializedMessageContents;
  thunks.AttachMessageContext = &MojoAttachMessageContext;
  thunks.GetMessageContext = &MojoGetMessageContext;
  thunks.WrapPlatformHandle = &MojoWrapPlatformHandle;
  thunks.UnwrapPlatformHandle = &MojoUnwrapPlatformHandle;
  thunks.WrapPlatformSharedBufferHandle = &MojoWrapPlatformSharedBufferHandle;
  thunks.UnwrapPlatformSharedBufferHandle =
      &MojoUnwrapPlatformSharedBufferHandle;
  thunks.NotifyBadMessage = &MojoNotifyBadMessage;
  thunks.GetProperty = &MojoGetProperty;

  /* The other spellings are of the same types. */
  thunks.WrapPlatformSharedBufferHandle = &MojoWrapPlatformSharedBuffer;
  thunks.UnwrapPlatformSharedBufferHandle = &MojoUnwrapPlatformSharedBuffer;
  return thunks;
}

struct invitation_functions {
  MojoResult (*create)(const struct MojoCreateInvitationOptions*, MojoHandle*);
  MojoResult (*attach)(MojoHandle,
                       const void*,
                       uint32_t,
                       const struct MojoAttachMessagePipeToInvitationOptions*,
                       MojoHandle*);
  MojoResult (*extract)(
      MojoHandle,
      const void*,
      uint32_t,
      const struct MojoExtractMessagePipeFromInvitationOptions*,
      MojoHandle*);
  MojoResult (*send)(MojoHandle,
                     const struct MojoPlatformProcessHandle*,
                     const struct MojoInvitationTransportEndpoint*,
                     MojoProcessErrorHandler,
                     uintptr_t,
                     const struct MojoSendInvitationOptions*);
  MojoResult (*accept)(const struct MojoInvitationTransportEndpoint*,
                       const struct MojoAcceptInvitationOptions*,
                       MojoHandle*);
};

static struct invitation_functions every_function_of_invitations(void) {
  struct invitation_functions functions;
  functions.create = &MojoCreateInvitation;
  functions.attach = &MojoAttachMessagePipeToInvitation;
  functions.extract = &MojoExtractMessagePipeFromInvitation;
  functions.send = &MojoSendInvitation;
  functions.accept = &MojoAcceptInvitation;
  return functions;
}

struct additional_functions {
  MojoResult (*wait)(MojoHandle,
                     MojoHandleSignals,
                     MojoDeadline,
                     struct MojoHandleSignalsState*);
  MojoResult (*wait_many)(const MojoHandle*,
                          const MojoHandleSignals*,
                          uint32_t,
                          MojoDeadline,
                          uint32_t*,
                          struct MojoHandleSignalsState*);
  MojoResult (*create_pollable)(MojoWatcherNotificationCallback,
                                MojoHandle*,
                                int*);
  MojoResult (*dispatch)(MojoHandle);
  MojoResult (*set_quota)(MojoHandle,
                          MojoQuotaType,
                          uint64_t,
                          const struct MojoSetQuotaOptions*);
  MojoResult (*query_quota)(MojoHandle,
                            MojoQuotaType,
                            const struct MojoQueryQuotaOptions*,
                            uint64_t*,
                            uint64_t*);
  MojoResult (*configure)(const struct MojoConfiguration*);
  MojoResult (*set_property)(MojoPropertyType, const void*);
  MojoResult (*set_handler)(MojoProcessErrorHandler, uintptr_t);
  MojoResult (*flush)(MojoDeadline);
  MojoResult (*shutdown)(MojoDeadline);
  MojoResult (*drive)(int*);
  MojoResult (*run)(MojoDeadline*);
  const struct MojoSystemThunks* (*thunks)(void);
  size_t (*set_thunks)(const struct MojoSystemThunks*);
};

static struct additional_functions every_additional_function(void) {
  struct additional_functions functions;
  functions.wait = &MojoWait;
  functions.wait_many = &MojoWaitMany;
  functions.create_pollable = &MojoCreatePollableWatcher;
  functions.dispatch = &MojoDispatchWatcher;
  functions.set_quota = &MojoSetQuota;
  functions.query_quota = &MojoQueryQuota;
  functions.configure = &MojoConfigure;
  functions.set_property = &MojoSetProperty;
  functions.set_handler = &MojoSetDefaultProcessErrorHandler;
  functions.flush = &MojoFlush;
  functions.shutdown = &MojoShutdown;
  functions.drive = &MojoDriveIo;
  functions.run = &MojoRunIo;
  functions.thunks = &MojoEmbedderGetSystemThunks;
  functions.set_thunks = &MojoEmbedderSetSystemThunks;
  functions.set_thunks = &MojoSetSystemThunks;
  return functions;
}

/* Callbacks, with and without the keyword `struct`. */

static void on_notification(uintptr_t context,
                            MojoResult result,
                            struct MojoHandleSignalsState signals_state,
                            MojoWatcherNotificationFlags flags) {
  (void)context;
  (void)result;
  (void)signals_state;
  (void)flags;
}

static void on_process_error(uintptr_t context,
                             const struct MojoProcessErrorDetails* details) {
  (void)context;
  (void)details;
}

static void serialize(MojoMessageHandle message, uintptr_t context) {
  (void)message;
  (void)context;
}

static void destroy(uintptr_t context) {
  (void)context;
}

MojoResult use_callbacks(MojoHandle* watcher);
MojoResult use_callbacks(MojoHandle* watcher) {
  MojoWatcherNotificationCallback callback = &on_notification;
  MojoWatcherCallback same = callback;
  MojoProcessErrorHandler handler = &on_process_error;
  MojoInvitationTransportEndpoint endpoint = {sizeof(endpoint), 0, 0, NULL};
  MojoSendInvitation(*watcher, NULL, &endpoint, handler, 0, NULL);
  return MojoCreateWatcher(same, watcher);
}

/* Three arguments, four, and none at all. */

MojoResult use_contexts(MojoMessageHandle message, int form);
MojoResult use_contexts(MojoMessageHandle message, int form) {
  MojoResult (*three)(MojoMessageHandle, uintptr_t,
                      MojoMessageContextSerializer) = &MojoAttachMessageContext;
  MojoResult (*four)(MojoMessageHandle, uintptr_t, MojoMessageContextSerializer,
                     MojoMessageContextDestructor) =
      &MojoAttachMessageContextWithDestructor;
  switch (form) {
    case 0:
      return MojoAttachMessageContext(message, 1, &serialize);
    case 1:
      return MojoAttachMessageContext(message, 1, &serialize, &destroy);
    case 2:
      return MojoAttachMessageContext(message, 1, NULL, NULL);
    case 3:
      return (MojoAttachMessageContext)(message, 1, &serialize);
    case 4:
      return three(message, 1, &serialize);
    default:
      return four(message, 1, &serialize, &destroy);
  }
}

size_t use_everything(MojoSetSystemThunksFn set);
size_t use_everything(MojoSetSystemThunksFn set) {
  MojoSystemThunks thunks = every_function_of_the_table();
  struct invitation_functions functions = every_function_of_invitations();
  struct additional_functions additions = every_additional_function();
  return functions.create && additions.wait ? set(&thunks) : 0;
}
