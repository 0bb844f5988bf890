/*
 * The functions of the API for a module that is not linked with the library:
 * each calls the function at its place in the table that the host has given.
 *
 * In C, because every such module contains a copy of this: one small object,
 * where anything in Rust would bring along a Rust runtime.
 */

#include <string.h>

/*
 * The functions are hidden, lest a module's are taken for those of the host or
 * of another module. Only MojoSetSystemThunks() is there to be found.
 */
#include "mojo/public/c/system/system_export.h"
#undef MOJO_SYSTEM_EXPORT
#define MOJO_SYSTEM_EXPORT __attribute__((visibility("hidden")))
#include "mojo/public/c/system/core.h"
#undef MOJO_SYSTEM_EXPORT
#define MOJO_SYSTEM_EXPORT __attribute__((visibility("default")))
#include "mojo/public/c/system/thunks.h"

/* All null until there is a table; what a table lacks stays so. */
static MojoExtendedSystemThunks thunks;

__attribute__((visibility("hidden"))) size_t MojoEmbedderSetSystemThunks(
    const MojoSystemThunks* table) {
  if (table != NULL && table->size >= sizeof(*table)) {
    memset(&thunks, 0, sizeof(thunks));
    memcpy(&thunks, table,
           table->size < sizeof(thunks) ? sizeof(*table) : sizeof(thunks));
  }
  return sizeof(*table);
}

size_t MojoSetSystemThunks(const MojoSystemThunks* table) {
  return MojoEmbedderSetSystemThunks(table);
}

#define CALL(name, arguments)                            \
  (thunks.standard.name ? thunks.standard.name arguments \
                        : MOJO_RESULT_FAILED_PRECONDITION)

MojoTimeTicks MojoGetTimeTicksNow(void) {
  return thunks.standard.GetTimeTicksNow ? thunks.standard.GetTimeTicksNow()
                                         : 0;
}

MojoResult MojoClose(MojoHandle handle) {
  return CALL(Close, (handle));
}

MojoResult MojoQueryHandleSignalsState(MojoHandle handle,
                                       MojoHandleSignalsState* signals_state) {
  return CALL(QueryHandleSignalsState, (handle, signals_state));
}

MojoResult MojoCreateMessagePipe(const MojoCreateMessagePipeOptions* options,
                                 MojoHandle* message_pipe_handle0,
                                 MojoHandle* message_pipe_handle1) {
  return CALL(CreateMessagePipe,
              (options, message_pipe_handle0, message_pipe_handle1));
}

MojoResult MojoWriteMessage(MojoHandle message_pipe_handle,
                            MojoMessageHandle message,
                            MojoWriteMessageFlags flags) {
  return CALL(WriteMessage, (message_pipe_handle, message, flags));
}

MojoResult MojoReadMessage(MojoHandle message_pipe_handle,
                           MojoMessageHandle* message,
                           MojoReadMessageFlags flags) {
  return CALL(ReadMessage, (message_pipe_handle, message, flags));
}

MojoResult MojoCreateDataPipe(const MojoCreateDataPipeOptions* options,
                              MojoHandle* data_pipe_producer_handle,
                              MojoHandle* data_pipe_consumer_handle) {
  return CALL(CreateDataPipe,
              (options, data_pipe_producer_handle, data_pipe_consumer_handle));
}

MojoResult MojoWriteData(MojoHandle data_pipe_producer_handle,
                         const void* elements,
                         uint32_t* num_bytes,
                         MojoWriteDataFlags flags) {
  return CALL(WriteData,
              (data_pipe_producer_handle, elements, num_bytes, flags));
}

MojoResult MojoBeginWriteData(MojoHandle data_pipe_producer_handle,
                              void** buffer,
                              uint32_t* buffer_num_bytes,
                              MojoWriteDataFlags flags) {
  return CALL(BeginWriteData,
              (data_pipe_producer_handle, buffer, buffer_num_bytes, flags));
}

MojoResult MojoEndWriteData(MojoHandle data_pipe_producer_handle,
                            uint32_t num_bytes_written) {
  return CALL(EndWriteData, (data_pipe_producer_handle, num_bytes_written));
}

MojoResult MojoReadData(MojoHandle data_pipe_consumer_handle,
                        void* elements,
                        uint32_t* num_bytes,
                        MojoReadDataFlags flags) {
  return CALL(ReadData,
              (data_pipe_consumer_handle, elements, num_bytes, flags));
}

MojoResult MojoBeginReadData(MojoHandle data_pipe_consumer_handle,
                             const void** buffer,
                             uint32_t* buffer_num_bytes,
                             MojoReadDataFlags flags) {
  return CALL(BeginReadData,
              (data_pipe_consumer_handle, buffer, buffer_num_bytes, flags));
}

MojoResult MojoEndReadData(MojoHandle data_pipe_consumer_handle,
                           uint32_t num_bytes_read) {
  return CALL(EndReadData, (data_pipe_consumer_handle, num_bytes_read));
}

MojoResult MojoCreateSharedBuffer(const MojoCreateSharedBufferOptions* options,
                                  uint64_t num_bytes,
                                  MojoHandle* shared_buffer_handle) {
  return CALL(CreateSharedBuffer, (options, num_bytes, shared_buffer_handle));
}

MojoResult MojoDuplicateBufferHandle(
    MojoHandle buffer_handle,
    const MojoDuplicateBufferHandleOptions* options,
    MojoHandle* new_buffer_handle) {
  return CALL(DuplicateBufferHandle,
              (buffer_handle, options, new_buffer_handle));
}

MojoResult MojoMapBuffer(MojoHandle buffer_handle,
                         uint64_t offset,
                         uint64_t num_bytes,
                         void** buffer,
                         MojoMapBufferFlags flags) {
  return CALL(MapBuffer, (buffer_handle, offset, num_bytes, buffer, flags));
}

MojoResult MojoUnmapBuffer(void* buffer) {
  return CALL(UnmapBuffer, (buffer));
}

MojoResult MojoCreateWatcher(MojoWatcherNotificationCallback callback,
                             MojoHandle* watcher_handle) {
  return CALL(CreateWatcher, (callback, watcher_handle));
}

MojoResult MojoWatch(MojoHandle watcher_handle,
                     MojoHandle handle,
                     MojoHandleSignals signals,
                     uintptr_t context) {
  return CALL(Watch, (watcher_handle, handle, signals, context));
}

MojoResult MojoCancelWatch(MojoHandle watcher_handle, uintptr_t context) {
  return CALL(CancelWatch, (watcher_handle, context));
}

MojoResult MojoArmWatcher(MojoHandle watcher_handle,
                          uint32_t* num_ready_contexts,
                          uintptr_t* ready_contexts,
                          MojoResult* ready_results,
                          MojoHandleSignalsState* ready_signals_states) {
  return CALL(ArmWatcher, (watcher_handle, num_ready_contexts, ready_contexts,
                           ready_results, ready_signals_states));
}

MojoResult MojoFuseMessagePipes(MojoHandle handle0, MojoHandle handle1) {
  return CALL(FuseMessagePipes, (handle0, handle1));
}

MojoResult MojoCreateMessage(MojoMessageHandle* message) {
  return CALL(CreateMessage, (message));
}

MojoResult MojoDestroyMessage(MojoMessageHandle message) {
  return CALL(DestroyMessage, (message));
}

MojoResult MojoSerializeMessage(MojoMessageHandle message) {
  return CALL(SerializeMessage, (message));
}

MojoResult MojoAttachSerializedMessageBuffer(MojoMessageHandle message,
                                             uint32_t payload_size,
                                             const MojoHandle* handles,
                                             uint32_t num_handles,
                                             void** buffer,
                                             uint32_t* buffer_size) {
  return CALL(
      AttachSerializedMessageBuffer,
      (message, payload_size, handles, num_handles, buffer, buffer_size));
}

MojoResult MojoExtendSerializedMessagePayload(MojoMessageHandle message,
                                              uint32_t new_payload_size,
                                              const MojoHandle* handles,
                                              uint32_t num_handles,
                                              void** new_buffer,
                                              uint32_t* new_buffer_size) {
  return CALL(ExtendSerializedMessagePayload,
              (message, new_payload_size, handles, num_handles, new_buffer,
               new_buffer_size));
}

MojoResult MojoCommitSerializedMessageContents(MojoMessageHandle message,
                                               uint32_t final_payload_size,
                                               void** buffer,
                                               uint32_t* buffer_size) {
  return CALL(CommitSerializedMessageContents,
              (message, final_payload_size, buffer, buffer_size));
}

MojoResult MojoGetSerializedMessageContents(
    MojoMessageHandle message,
    void** buffer,
    uint32_t* num_bytes,
    MojoHandle* handles,
    uint32_t* num_handles,
    MojoGetSerializedMessageContentsFlags flags) {
  return CALL(GetSerializedMessageContents,
              (message, buffer, num_bytes, handles, num_handles, flags));
}

MojoResult MojoAttachMessageContext(MojoMessageHandle message,
                                    uintptr_t context,
                                    MojoMessageContextSerializer serializer) {
  return CALL(AttachMessageContext, (message, context, serializer));
}

MojoResult MojoAttachMessageContextWithDestructor(
    MojoMessageHandle message,
    uintptr_t context,
    MojoMessageContextSerializer serializer,
    MojoMessageContextDestructor destructor) {
  if (thunks.AttachMessageContextWithDestructor)
    return thunks.AttachMessageContextWithDestructor(message, context,
                                                     serializer, destructor);
  return thunks.standard.size ? MOJO_RESULT_UNIMPLEMENTED
                              : MOJO_RESULT_FAILED_PRECONDITION;
}

MojoResult MojoGetMessageContext(MojoMessageHandle message,
                                 uintptr_t* context,
                                 MojoGetMessageContextFlags flags) {
  return CALL(GetMessageContext, (message, context, flags));
}

MojoResult MojoWrapPlatformHandle(const MojoPlatformHandle* platform_handle,
                                  MojoHandle* mojo_handle) {
  return CALL(WrapPlatformHandle, (platform_handle, mojo_handle));
}

MojoResult MojoUnwrapPlatformHandle(MojoHandle mojo_handle,
                                    MojoPlatformHandle* platform_handle) {
  return CALL(UnwrapPlatformHandle, (mojo_handle, platform_handle));
}

MojoResult MojoWrapPlatformSharedBufferHandle(
    const MojoPlatformHandle* platform_handle,
    size_t num_bytes,
    const MojoSharedBufferGuid* guid,
    MojoPlatformSharedBufferHandleFlags flags,
    MojoHandle* mojo_handle) {
  return CALL(WrapPlatformSharedBufferHandle,
              (platform_handle, num_bytes, guid, flags, mojo_handle));
}

MojoResult MojoWrapPlatformSharedBuffer(
    const MojoPlatformHandle* platform_handle,
    size_t num_bytes,
    const MojoSharedBufferGuid* guid,
    MojoPlatformSharedBufferHandleFlags flags,
    MojoHandle* mojo_handle) {
  return CALL(WrapPlatformSharedBufferHandle,
              (platform_handle, num_bytes, guid, flags, mojo_handle));
}

MojoResult MojoUnwrapPlatformSharedBufferHandle(
    MojoHandle mojo_handle,
    MojoPlatformHandle* platform_handle,
    size_t* num_bytes,
    MojoSharedBufferGuid* guid,
    MojoPlatformSharedBufferHandleFlags* flags) {
  return CALL(UnwrapPlatformSharedBufferHandle,
              (mojo_handle, platform_handle, num_bytes, guid, flags));
}

MojoResult MojoUnwrapPlatformSharedBuffer(
    MojoHandle mojo_handle,
    MojoPlatformHandle* platform_handle,
    size_t* num_bytes,
    MojoSharedBufferGuid* guid,
    MojoPlatformSharedBufferHandleFlags* flags) {
  return CALL(UnwrapPlatformSharedBufferHandle,
              (mojo_handle, platform_handle, num_bytes, guid, flags));
}

MojoResult MojoNotifyBadMessage(MojoMessageHandle message,
                                const char* error,
                                size_t error_num_bytes) {
  return CALL(NotifyBadMessage, (message, error, error_num_bytes));
}

MojoResult MojoGetProperty(MojoPropertyType type, void* value) {
  return CALL(GetProperty, (type, value));
}
