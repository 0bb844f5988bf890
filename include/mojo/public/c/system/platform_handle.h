// Platform handles: what the operating system gives out, such as descriptors,
// as handles that can be sent in messages.

#ifndef MOJO_PUBLIC_C_SYSTEM_PLATFORM_HANDLE_H_
#define MOJO_PUBLIC_C_SYSTEM_PLATFORM_HANDLE_H_

#include "mojo/public/c/system/system_export.h"
#include "mojo/public/c/system/types.h"

typedef uint32_t MojoPlatformHandleType;

// INVALID          No handle; the value does not matter.
// FILE_DESCRIPTOR  A POSIX file descriptor.
// MACH_PORT, WINDOWS_HANDLE, FUCHSIA_HANDLE
//                  Of other systems; refused here.
#ifdef __cplusplus
const MojoPlatformHandleType MOJO_PLATFORM_HANDLE_TYPE_INVALID = 0;
const MojoPlatformHandleType MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR = 1;
const MojoPlatformHandleType MOJO_PLATFORM_HANDLE_TYPE_MACH_PORT = 2;
const MojoPlatformHandleType MOJO_PLATFORM_HANDLE_TYPE_WINDOWS_HANDLE = 3;
const MojoPlatformHandleType MOJO_PLATFORM_HANDLE_TYPE_FUCHSIA_HANDLE = 4;
#else
#define MOJO_PLATFORM_HANDLE_TYPE_INVALID ((MojoPlatformHandleType)0)
#define MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR ((MojoPlatformHandleType)1)
#define MOJO_PLATFORM_HANDLE_TYPE_MACH_PORT ((MojoPlatformHandleType)2)
#define MOJO_PLATFORM_HANDLE_TYPE_WINDOWS_HANDLE ((MojoPlatformHandleType)3)
#define MOJO_PLATFORM_HANDLE_TYPE_FUCHSIA_HANDLE ((MojoPlatformHandleType)4)
#endif

struct MOJO_ALIGNAS(8) MojoPlatformHandle {
  // The size of this structure in bytes. To be set also where the structure
  // receives a result.
  uint32_t struct_size;

  // MOJO_PLATFORM_HANDLE_TYPE_*.
  MojoPlatformHandleType type;

  // The handle itself, a descriptor for example, converted to this type.
  uint64_t value;
};
typedef struct MojoPlatformHandle MojoPlatformHandle;
MOJO_STATIC_ASSERT(sizeof(MojoPlatformHandle) == 16,
                   "MojoPlatformHandle must be 16 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoPlatformHandle) == 8,
                   "MojoPlatformHandle must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoPlatformHandle, struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoPlatformHandle, type) == 4,
                   "type must be at offset 4");
MOJO_STATIC_ASSERT(offsetof(MojoPlatformHandle, value) == 8,
                   "value must be at offset 8");

typedef uint32_t MojoPlatformSharedBufferHandleFlags;

// READ_ONLY  The memory may only be mapped without permission to write.
#ifdef __cplusplus
const MojoPlatformSharedBufferHandleFlags
    MOJO_PLATFORM_SHARED_BUFFER_HANDLE_FLAG_NONE = 0;
const MojoPlatformSharedBufferHandleFlags
    MOJO_PLATFORM_SHARED_BUFFER_HANDLE_FLAG_READ_ONLY = 1 << 0;
#else
#define MOJO_PLATFORM_SHARED_BUFFER_HANDLE_FLAG_NONE \
  ((MojoPlatformSharedBufferHandleFlags)0)
#define MOJO_PLATFORM_SHARED_BUFFER_HANDLE_FLAG_READ_ONLY \
  ((MojoPlatformSharedBufferHandleFlags)1 << 0)
#endif

// The identity of a piece of shared memory, the same in every process. Not 0.
struct MOJO_ALIGNAS(8) MojoSharedBufferGuid {
  uint64_t high;
  uint64_t low;
};
typedef struct MojoSharedBufferGuid MojoSharedBufferGuid;
MOJO_STATIC_ASSERT(sizeof(MojoSharedBufferGuid) == 16,
                   "MojoSharedBufferGuid must be 16 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoSharedBufferGuid) == 8,
                   "MojoSharedBufferGuid must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoSharedBufferGuid, high) == 0,
                   "high must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoSharedBufferGuid, low) == 8,
                   "low must be at offset 8");

#ifdef __cplusplus
extern "C" {
#endif

// Wraps the native handle in |platform_handle| as a handle of this API. Whether
// the value denotes anything open is not checked.
//
//   OK                  |*mojo_handle| belongs to the caller. It owns the
//                       native handle: to close the one closes the other.
//   INVALID_ARGUMENT    |struct_size| is below 16, or the type is not one of
//                       this system
//   RESOURCE_EXHAUSTED  there is no handle left
MOJO_SYSTEM_EXPORT MojoResult
MojoWrapPlatformHandle(const MojoPlatformHandle* platform_handle,
                       MojoHandle* mojo_handle);

// Takes the native handle out of |mojo_handle|, which is closed in any case.
// The caller sets |struct_size| beforehand.
//
//   OK                the native handle belongs to the caller
//   INVALID_ARGUMENT  |mojo_handle| is no wrapped platform handle (of another
//                     kind: closed nevertheless); or |platform_handle| is null
//                     or its |struct_size| is below 16 (closed as well, with
//                     the native handle)
MOJO_SYSTEM_EXPORT MojoResult
MojoUnwrapPlatformHandle(MojoHandle mojo_handle,
                         MojoPlatformHandle* platform_handle);

// Makes a shared buffer of |num_bytes| bytes out of a descriptor of a shared
// memory object. |guid| is its identity. READ_ONLY in |flags| makes the buffer
// read-only but does not change what the descriptor permits: the caller passes
// one that is open for reading only. From a writable buffer made this way no
// read-only one can be derived.
//
//   OK                  |*mojo_handle| belongs to the caller and owns the
//                       descriptor
//   INVALID_ARGUMENT    |num_bytes| or |guid| is 0, |struct_size| is below 16,
//                       or the type is not that of a descriptor
//   UNKNOWN             the descriptor is not shared memory of that size
//   RESOURCE_EXHAUSTED  there is no handle left
MOJO_SYSTEM_EXPORT MojoResult
MojoWrapPlatformSharedBuffer(const MojoPlatformHandle* platform_handle,
                             size_t num_bytes,
                             const MojoSharedBufferGuid* guid,
                             MojoPlatformSharedBufferHandleFlags flags,
                             MojoHandle* mojo_handle);

// Takes a descriptor, the size, the identity and READ_ONLY, if it applies, out
// of a shared buffer. |mojo_handle| is closed in any case. The caller sets
// |struct_size| beforehand. Other handles to the same memory and mappings of it
// stay as they are.
//
//   OK                the descriptor belongs to the caller
//   INVALID_ARGUMENT  |mojo_handle| is not a shared buffer (of another kind:
//                     closed nevertheless); or an output is null or
//                     |struct_size| is below 16 (closed as well)
MOJO_SYSTEM_EXPORT MojoResult
MojoUnwrapPlatformSharedBuffer(MojoHandle mojo_handle,
                               MojoPlatformHandle* platform_handle,
                               size_t* num_bytes,
                               MojoSharedBufferGuid* guid,
                               MojoPlatformSharedBufferHandleFlags* flags);

// Another name for MojoWrapPlatformSharedBuffer().
MOJO_SYSTEM_EXPORT MojoResult
MojoWrapPlatformSharedBufferHandle(const MojoPlatformHandle* platform_handle,
                                   size_t num_bytes,
                                   const MojoSharedBufferGuid* guid,
                                   MojoPlatformSharedBufferHandleFlags flags,
                                   MojoHandle* mojo_handle);

// Another name for MojoUnwrapPlatformSharedBuffer().
MOJO_SYSTEM_EXPORT MojoResult MojoUnwrapPlatformSharedBufferHandle(
    MojoHandle mojo_handle,
    MojoPlatformHandle* platform_handle,
    size_t* num_bytes,
    MojoSharedBufferGuid* guid,
    MojoPlatformSharedBufferHandleFlags* flags);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_PLATFORM_HANDLE_H_
