// The functions of the API as a table, by which a host can hand them to a module
// that is not linked with the library.

#ifndef MOJO_PUBLIC_C_SYSTEM_THUNKS_H_
#define MOJO_PUBLIC_C_SYSTEM_THUNKS_H_

#include "mojo/public/c/system/core.h"

// Each entry stands for the function of that name with "Mojo" in front. The
// order never changes; new entries are only ever added at the end, so that
// |size| tells which there are.
#pragma pack(push, 8)
struct MojoSystemThunks {
  // The size of this structure in bytes.
  size_t size;

  MojoTimeTicks (*GetTimeTicksNow)(void);
  MojoResult (*Close)(MojoHandle handle);
  MojoResult (*QueryHandleSignalsState)(MojoHandle handle,
                                        MojoHandleSignalsState* signals_state);
  MojoResult (*CreateMessagePipe)(const MojoCreateMessagePipeOptions* options,
                                  MojoHandle* message_pipe_handle0,
                                  MojoHandle* message_pipe_handle1);
  MojoResult (*WriteMessage)(MojoHandle message_pipe_handle,
                             MojoMessageHandle message,
                             MojoWriteMessageFlags flags);
  MojoResult (*ReadMessage)(MojoHandle message_pipe_handle,
                            MojoMessageHandle* message,
                            MojoReadMessageFlags flags);
  MojoResult (*CreateDataPipe)(const MojoCreateDataPipeOptions* options,
                               MojoHandle* data_pipe_producer_handle,
                               MojoHandle* data_pipe_consumer_handle);
  MojoResult (*WriteData)(MojoHandle data_pipe_producer_handle,
                          const void* elements,
                          uint32_t* num_bytes,
                          MojoWriteDataFlags flags);
  MojoResult (*BeginWriteData)(MojoHandle data_pipe_producer_handle,
                               void** buffer,
                               uint32_t* buffer_num_bytes,
                               MojoWriteDataFlags flags);
  MojoResult (*EndWriteData)(MojoHandle data_pipe_producer_handle,
                             uint32_t num_bytes_written);
  MojoResult (*ReadData)(MojoHandle data_pipe_consumer_handle,
                         void* elements,
                         uint32_t* num_bytes,
                         MojoReadDataFlags flags);
  MojoResult (*BeginReadData)(MojoHandle data_pipe_consumer_handle,
                              const void** buffer,
                              uint32_t* buffer_num_bytes,
                              MojoReadDataFlags flags);
  MojoResult (*EndReadData)(MojoHandle data_pipe_consumer_handle,
                            uint32_t num_bytes_read);
  MojoResult (*CreateSharedBuffer)(const MojoCreateSharedBufferOptions* options,
                                   uint64_t num_bytes,
                                   MojoHandle* shared_buffer_handle);
  MojoResult (*DuplicateBufferHandle)(
      MojoHandle buffer_handle,
      const MojoDuplicateBufferHandleOptions* options,
      MojoHandle* new_buffer_handle);
  MojoResult (*MapBuffer)(MojoHandle buffer_handle,
                          uint64_t offset,
                          uint64_t num_bytes,
                          void** buffer,
                          MojoMapBufferFlags flags);
  MojoResult (*UnmapBuffer)(void* buffer);
  MojoResult (*CreateWatcher)(MojoWatcherNotificationCallback callback,
                              MojoHandle* watcher_handle);
  MojoResult (*Watch)(MojoHandle watcher_handle,
                      MojoHandle handle,
                      MojoHandleSignals signals,
                      uintptr_t context);
  MojoResult (*CancelWatch)(MojoHandle watcher_handle, uintptr_t context);
  MojoResult (*ArmWatcher)(MojoHandle watcher_handle,
                           uint32_t* num_ready_contexts,
                           uintptr_t* ready_contexts,
                           MojoResult* ready_results,
                           MojoHandleSignalsState* ready_signals_states);
  MojoResult (*FuseMessagePipes)(MojoHandle handle0, MojoHandle handle1);
  MojoResult (*CreateMessage)(MojoMessageHandle* message);
  MojoResult (*DestroyMessage)(MojoMessageHandle message);
  MojoResult (*SerializeMessage)(MojoMessageHandle message);
  MojoResult (*AttachSerializedMessageBuffer)(MojoMessageHandle message,
                                              uint32_t payload_size,
                                              const MojoHandle* handles,
                                              uint32_t num_handles,
                                              void** buffer,
                                              uint32_t* buffer_size);
  MojoResult (*ExtendSerializedMessagePayload)(MojoMessageHandle message,
                                               uint32_t new_payload_size,
                                               const MojoHandle* handles,
                                               uint32_t num_handles,
                                               void** new_buffer,
                                               uint32_t* new_buffer_size);
  MojoResult (*CommitSerializedMessageContents)(MojoMessageHandle message,
                                                uint32_t final_payload_size,
                                                void** buffer,
                                                uint32_t* buffer_size);
  MojoResult (*GetSerializedMessageContents)(
      MojoMessageHandle message,
      void** buffer,
      uint32_t* num_bytes,
      MojoHandle* handles,
      uint32_t* num_handles,
      MojoGetSerializedMessageContentsFlags flags);
  MojoResult (*AttachMessageContext)(MojoMessageHandle message,
                                     uintptr_t context,
                                     MojoMessageContextSerializer serializer);
  MojoResult (*GetMessageContext)(MojoMessageHandle message,
                                  uintptr_t* context,
                                  MojoGetMessageContextFlags flags);
  MojoResult (*WrapPlatformHandle)(const MojoPlatformHandle* platform_handle,
                                   MojoHandle* mojo_handle);
  MojoResult (*UnwrapPlatformHandle)(MojoHandle mojo_handle,
                                     MojoPlatformHandle* platform_handle);
  MojoResult (*WrapPlatformSharedBufferHandle)(
      const MojoPlatformHandle* platform_handle,
      size_t num_bytes,
      const MojoSharedBufferGuid* guid,
      MojoPlatformSharedBufferHandleFlags flags,
      MojoHandle* mojo_handle);
  MojoResult (*UnwrapPlatformSharedBufferHandle)(
      MojoHandle mojo_handle,
      MojoPlatformHandle* platform_handle,
      size_t* num_bytes,
      MojoSharedBufferGuid* guid,
      MojoPlatformSharedBufferHandleFlags* flags);
  MojoResult (*NotifyBadMessage)(MojoMessageHandle message,
                                 const char* error,
                                 size_t error_num_bytes);
  MojoResult (*GetProperty)(MojoPropertyType type, void* value);
};
#pragma pack(pop)
typedef struct MojoSystemThunks MojoSystemThunks;
MOJO_STATIC_ASSERT(sizeof(MojoSystemThunks) == 38 * sizeof(void*),
                   "MojoSystemThunks must hold its size and 37 pointers");
MOJO_STATIC_ASSERT(offsetof(MojoSystemThunks, GetTimeTicksNow) ==
                       1 * sizeof(void*),
                   "GetTimeTicksNow must be the first entry");
MOJO_STATIC_ASSERT(offsetof(MojoSystemThunks, GetProperty) ==
                       37 * sizeof(void*),
                   "GetProperty must be the last entry");

// The type of a function by which a module takes a table. It answers with the
// size of the table that it knows; if that is above |thunks->size|, it has not
// taken it.
typedef size_t (*MojoSetSystemThunksFn)(const MojoSystemThunks* thunks);

#endif  // MOJO_PUBLIC_C_SYSTEM_THUNKS_H_
