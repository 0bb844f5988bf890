// Shared buffers: memory that several processes can map at the same time.

#ifndef MOJO_PUBLIC_C_SYSTEM_BUFFER_H_
#define MOJO_PUBLIC_C_SYSTEM_BUFFER_H_

#include "mojo/public/c/system/system_export.h"
#include "mojo/public/c/system/types.h"

typedef uint32_t MojoCreateSharedBufferOptionsFlags;

#ifdef __cplusplus
const MojoCreateSharedBufferOptionsFlags
    MOJO_CREATE_SHARED_BUFFER_OPTIONS_FLAG_NONE = 0;
#else
#define MOJO_CREATE_SHARED_BUFFER_OPTIONS_FLAG_NONE \
  ((MojoCreateSharedBufferOptionsFlags)0)
#endif

struct MOJO_ALIGNAS(8) MojoCreateSharedBufferOptions {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // MOJO_CREATE_SHARED_BUFFER_OPTIONS_FLAG_*.
  MojoCreateSharedBufferOptionsFlags flags;
};
typedef struct MojoCreateSharedBufferOptions MojoCreateSharedBufferOptions;
MOJO_STATIC_ASSERT(sizeof(MojoCreateSharedBufferOptions) == 8,
                   "MojoCreateSharedBufferOptions must be 8 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoCreateSharedBufferOptions) == 8,
                   "MojoCreateSharedBufferOptions must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoCreateSharedBufferOptions, struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoCreateSharedBufferOptions, flags) == 4,
                   "flags must be at offset 4");

typedef uint32_t MojoDuplicateBufferHandleOptionsFlags;

// READ_ONLY  The new handle, and whatever is made from it, can only be mapped
//            without permission to write.
#ifdef __cplusplus
const MojoDuplicateBufferHandleOptionsFlags
    MOJO_DUPLICATE_BUFFER_HANDLE_OPTIONS_FLAG_NONE = 0;
const MojoDuplicateBufferHandleOptionsFlags
    MOJO_DUPLICATE_BUFFER_HANDLE_OPTIONS_FLAG_READ_ONLY = 1 << 0;
#else
#define MOJO_DUPLICATE_BUFFER_HANDLE_OPTIONS_FLAG_NONE \
  ((MojoDuplicateBufferHandleOptionsFlags)0)
#define MOJO_DUPLICATE_BUFFER_HANDLE_OPTIONS_FLAG_READ_ONLY \
  ((MojoDuplicateBufferHandleOptionsFlags)1 << 0)
#endif

struct MojoDuplicateBufferHandleOptions {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // MOJO_DUPLICATE_BUFFER_HANDLE_OPTIONS_FLAG_*.
  MojoDuplicateBufferHandleOptionsFlags flags;
};
typedef struct MojoDuplicateBufferHandleOptions
    MojoDuplicateBufferHandleOptions;
MOJO_STATIC_ASSERT(sizeof(MojoDuplicateBufferHandleOptions) == 8,
                   "MojoDuplicateBufferHandleOptions must be 8 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoDuplicateBufferHandleOptions) == 4,
                   "MojoDuplicateBufferHandleOptions must be aligned to 4");
MOJO_STATIC_ASSERT(offsetof(MojoDuplicateBufferHandleOptions, struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoDuplicateBufferHandleOptions, flags) == 4,
                   "flags must be at offset 4");

typedef uint32_t MojoMapBufferFlags;

#ifdef __cplusplus
const MojoMapBufferFlags MOJO_MAP_BUFFER_FLAG_NONE = 0;
#else
#define MOJO_MAP_BUFFER_FLAG_NONE ((MojoMapBufferFlags)0)
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Makes a buffer of exactly |num_bytes| bytes, all of them 0, and stores a
// handle to it that can be mapped for reading and writing. The memory lives as
// long as there is a handle to it or a mapping of it in any process.
//
// |options| is optional.
//
//   OK                  |*shared_buffer_handle| belongs to the caller
//   INVALID_ARGUMENT    |num_bytes| is 0
//   UNIMPLEMENTED       unknown flag in |options|
//   RESOURCE_EXHAUSTED  |num_bytes| is above 1 GiB, or there is no memory, no
//                       descriptor or no handle left
MOJO_SYSTEM_EXPORT MojoResult
MojoCreateSharedBuffer(const MojoCreateSharedBufferOptions* options,
                       uint64_t num_bytes,
                       MojoHandle* shared_buffer_handle);

// Makes another handle to the memory of |buffer_handle|, which stays as it is.
// The new handle is read-only if |options| says so or |buffer_handle| is.
//
// |options| is optional.
//
//   OK                   |*new_buffer_handle| belongs to the caller
//   UNIMPLEMENTED        unknown flag in |options|
//   FAILED_PRECONDITION  read-only is asked for, but the memory is writable and
//                        entered through MojoWrapPlatformSharedBuffer()
//   RESOURCE_EXHAUSTED   there is no descriptor or no handle left
MOJO_SYSTEM_EXPORT MojoResult
MojoDuplicateBufferHandle(MojoHandle buffer_handle,
                          const MojoDuplicateBufferHandleOptions* options,
                          MojoHandle* new_buffer_handle);

// Maps |num_bytes| bytes of the buffer from |offset| on and stores the address
// of the first. No alignment is asked of either number. The mapping can be
// written to unless |buffer_handle| is read-only; in that case the system stops
// a process that tries. Mappings may overlap, show the same bytes, and outlive
// the handle.
//
//   OK                  |*buffer| is valid until passed to MojoUnmapBuffer()
//   INVALID_ARGUMENT    |num_bytes| is 0, or the range is not all inside the
//                       buffer or the address space
//   RESOURCE_EXHAUSTED  the system refuses, or too many mappings are active
MOJO_SYSTEM_EXPORT MojoResult MojoMapBuffer(MojoHandle buffer_handle,
                                            uint64_t offset,
                                            uint64_t num_bytes,
                                            void** buffer,
                                            MojoMapBufferFlags flags);

// Ends the mapping that starts at |buffer|.
//
//   OK                the memory must not be touched any more
//   INVALID_ARGUMENT  |buffer| is not an address that MojoMapBuffer() stored,
//                     or it was unmapped before
MOJO_SYSTEM_EXPORT MojoResult MojoUnmapBuffer(void* buffer);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_BUFFER_H_
