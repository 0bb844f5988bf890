// The functions of the API as a table, by which a host hands them to a module
// (a plugin, a shared library loaded at run time) that is not linked with the
// library, so that both use one and the same.
//
// The module is linked with the small library mojo_system_thunks instead. That
// one defines the functions of core.h, visible within the module only, and
// passes them on to a table. The host loads the module, looks for
// "MojoSetSystemThunks" there, and calls it with the table that
// MojoEmbedderGetSystemThunks() returns:
//
//   MojoSetSystemThunksFn set =
//       (MojoSetSystemThunksFn)dlsym(module, "MojoSetSystemThunks");
//   const MojoSystemThunks* thunks = MojoEmbedderGetSystemThunks();
//   if (!set || set(thunks) > thunks->size)
//     // The module cannot be used.
//
// As long as a module has no table, MojoGetTimeTicksNow() returns 0 there and
// every other function MOJO_RESULT_FAILED_PRECONDITION.
//
// A module has the functions of core.h only. Those of the other headers
// (invitation.h, wait.h, embedder.h) are for the program that is linked with the
// library.

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

// A table with the additions to the C System API behind it. |standard.size| is
// the size of the whole.
#pragma pack(push, 8)
struct MojoExtendedSystemThunks {
  MojoSystemThunks standard;

  MojoResult (*AttachMessageContextWithDestructor)(
      MojoMessageHandle message,
      uintptr_t context,
      MojoMessageContextSerializer serializer,
      MojoMessageContextDestructor destructor);
};
#pragma pack(pop)
typedef struct MojoExtendedSystemThunks MojoExtendedSystemThunks;
MOJO_STATIC_ASSERT(offsetof(MojoExtendedSystemThunks,
                            AttachMessageContextWithDestructor) ==
                       38 * sizeof(void*),
                   "the additions must come right behind the table");

#ifdef __cplusplus
extern "C" {
#endif

// The library's own functions, as the |standard| table of a
// MojoExtendedSystemThunks. It is valid for ever and never changes.
//
// In the library mojo_system only.
MOJO_SYSTEM_EXPORT const MojoSystemThunks* MojoEmbedderGetSystemThunks(void);

// The tables of the later generation of this API, for plugins that are built for
// it, over the same objects: a handle means the same in each. The first has
// handles as wide as pointers, the second has handles of 32 bits. Both begin with
// their size in bytes, as 32 bits; docs/stable-abi.md says more. Valid for ever.
//
// In the library mojo_system only.
struct MojoSystemThunks2;
struct MojoSystemThunks32;
MOJO_SYSTEM_EXPORT const struct MojoSystemThunks2* MojoEmbedderGetSystemThunks2(void);
MOJO_SYSTEM_EXPORT const struct MojoSystemThunks32* MojoEmbedderGetSystemThunks32(void);

// Makes the functions of this module call those in |thunks|, of which it keeps
// a copy as far as it knows the entries. May be called again; the last table
// counts. Not to be called while other threads use the API. A table that is
// smaller than MojoSystemThunks, or null, changes nothing. With one that lacks
// it, MojoAttachMessageContextWithDestructor() answers
// MOJO_RESULT_UNIMPLEMENTED.
//
// Returns the size of MojoSystemThunks. If that is above |thunks->size| the
// table was not taken.
//
// In the library mojo_system_thunks only, and visible within the module only.
size_t MojoEmbedderSetSystemThunks(const MojoSystemThunks* thunks);

// The same, under the name by which a host looks for it in a module: the one
// function of mojo_system_thunks that the module exports.
MOJO_SYSTEM_EXPORT size_t MojoSetSystemThunks(const MojoSystemThunks* thunks);

// The type of a pointer to MojoSetSystemThunks().
typedef size_t (*MojoSetSystemThunksFn)(const MojoSystemThunks* thunks);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_THUNKS_H_
