// Data pipes: streams of bytes in one direction, with a fixed capacity.

#ifndef MOJO_PUBLIC_C_SYSTEM_DATA_PIPE_H_
#define MOJO_PUBLIC_C_SYSTEM_DATA_PIPE_H_

#include "mojo/public/c/system/system_export.h"
#include "mojo/public/c/system/types.h"

typedef uint32_t MojoCreateDataPipeOptionsFlags;

#ifdef __cplusplus
const MojoCreateDataPipeOptionsFlags MOJO_CREATE_DATA_PIPE_OPTIONS_FLAG_NONE =
    0;
#else
#define MOJO_CREATE_DATA_PIPE_OPTIONS_FLAG_NONE \
  ((MojoCreateDataPipeOptionsFlags)0)
#endif

// All fields are required.
struct MOJO_ALIGNAS(8) MojoCreateDataPipeOptions {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // MOJO_CREATE_DATA_PIPE_OPTIONS_FLAG_*.
  MojoCreateDataPipeOptionsFlags flags;

  // The size of an element. Only whole elements are written and read.
  uint32_t element_num_bytes;

  // How much the pipe holds, a multiple of |element_num_bytes|. 0 stands for
  // the default: as many elements as fit into 64 KiB, but at least one.
  uint32_t capacity_num_bytes;
};
typedef struct MojoCreateDataPipeOptions MojoCreateDataPipeOptions;
MOJO_STATIC_ASSERT(sizeof(MojoCreateDataPipeOptions) == 16,
                   "MojoCreateDataPipeOptions must be 16 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoCreateDataPipeOptions) == 8,
                   "MojoCreateDataPipeOptions must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoCreateDataPipeOptions, struct_size) == 0,
                   "struct_size must be at offset 0");
MOJO_STATIC_ASSERT(offsetof(MojoCreateDataPipeOptions, flags) == 4,
                   "flags must be at offset 4");
MOJO_STATIC_ASSERT(offsetof(MojoCreateDataPipeOptions, element_num_bytes) == 8,
                   "element_num_bytes must be at offset 8");
MOJO_STATIC_ASSERT(offsetof(MojoCreateDataPipeOptions, capacity_num_bytes) ==
                       12,
                   "capacity_num_bytes must be at offset 12");

typedef uint32_t MojoWriteDataFlags;

// ALL_OR_NONE  Write everything or nothing.
#ifdef __cplusplus
const MojoWriteDataFlags MOJO_WRITE_DATA_FLAG_NONE = 0;
const MojoWriteDataFlags MOJO_WRITE_DATA_FLAG_ALL_OR_NONE = 1 << 0;
#else
#define MOJO_WRITE_DATA_FLAG_NONE ((MojoWriteDataFlags)0)
#define MOJO_WRITE_DATA_FLAG_ALL_OR_NONE ((MojoWriteDataFlags)1 << 0)
#endif

typedef uint32_t MojoReadDataFlags;

// ALL_OR_NONE  Read, peek at or discard everything or nothing.
// DISCARD      Remove the bytes without copying them.
// QUERY        Only tell how many bytes there are.
// PEEK         Copy the bytes without removing them.
//
// At most one of DISCARD, QUERY and PEEK can be given.
#ifdef __cplusplus
const MojoReadDataFlags MOJO_READ_DATA_FLAG_NONE = 0;
const MojoReadDataFlags MOJO_READ_DATA_FLAG_ALL_OR_NONE = 1 << 0;
const MojoReadDataFlags MOJO_READ_DATA_FLAG_DISCARD = 1 << 1;
const MojoReadDataFlags MOJO_READ_DATA_FLAG_QUERY = 1 << 2;
const MojoReadDataFlags MOJO_READ_DATA_FLAG_PEEK = 1 << 3;
#else
#define MOJO_READ_DATA_FLAG_NONE ((MojoReadDataFlags)0)
#define MOJO_READ_DATA_FLAG_ALL_OR_NONE ((MojoReadDataFlags)1 << 0)
#define MOJO_READ_DATA_FLAG_DISCARD ((MojoReadDataFlags)1 << 1)
#define MOJO_READ_DATA_FLAG_QUERY ((MojoReadDataFlags)1 << 2)
#define MOJO_READ_DATA_FLAG_PEEK ((MojoReadDataFlags)1 << 3)
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Makes a data pipe and stores its two ends.
//
// |options| is optional: without it elements are 1 byte and the capacity is
// 64 KiB.
//
//   OK                  both ends belong to the caller
//   INVALID_ARGUMENT    |struct_size| is below 16, the element size is 0, or
//                       the capacity is not a multiple of it
//   UNIMPLEMENTED       unknown flag in |options|
//   RESOURCE_EXHAUSTED  the capacity is above 1 GiB, or there is no memory, no
//                       descriptor or no handle left
MOJO_SYSTEM_EXPORT MojoResult
MojoCreateDataPipe(const MojoCreateDataPipeOptions* options,
                   MojoHandle* data_pipe_producer_handle,
                   MojoHandle* data_pipe_consumer_handle);

// Copies up to |*num_bytes| bytes from |elements| into the pipe and stores in
// |*num_bytes| how many it took. To write 0 bytes, for which |elements| may be
// null, tells whether the consumer is still open.
//
//   OK                   |*num_bytes| bytes are written
//   BUSY                 a two-phase write is in progress
//   FAILED_PRECONDITION  the consumer is closed
//   INVALID_ARGUMENT     |*num_bytes| is not a multiple of the element size
//   OUT_OF_RANGE         ALL_OR_NONE is given, and there is less room
//   SHOULD_WAIT          the pipe is full
MOJO_SYSTEM_EXPORT MojoResult
MojoWriteData(MojoHandle data_pipe_producer_handle,
              const void* elements,
              uint32_t* num_bytes,
              MojoWriteDataFlags flags);

// Starts a two-phase write: stores the address and the size of the next free
// room that is contiguous. The size can be less than all the room there is. On
// input |*buffer_num_bytes| is ignored. The memory is the caller's to fill
// until MojoEndWriteData(), or until the producer is closed. In the meantime
// the producer is neither writable nor transferable; reading goes on.
//
//   OK                   |*buffer| and |*buffer_num_bytes| tell the room
//   INVALID_ARGUMENT     ALL_OR_NONE is given
//   BUSY                 a two-phase write is in progress
//   FAILED_PRECONDITION  the consumer is closed
//   SHOULD_WAIT          the pipe is full
MOJO_SYSTEM_EXPORT MojoResult
MojoBeginWriteData(MojoHandle data_pipe_producer_handle,
                   void** buffer,
                   uint32_t* buffer_num_bytes,
                   MojoWriteDataFlags flags);

// Ends a two-phase write; its first |num_bytes_written| bytes, which may be 0,
// can now be read. Succeeds also when the consumer has been closed since.
//
//   OK                   the bytes are in the pipe
//   FAILED_PRECONDITION  no two-phase write is in progress
//   INVALID_ARGUMENT     |num_bytes_written| is above the room given or not a
//                        multiple of the element size. The operation has ended
//                        nevertheless, and nothing is in the pipe.
MOJO_SYSTEM_EXPORT MojoResult
MojoEndWriteData(MojoHandle data_pipe_producer_handle,
                 uint32_t num_bytes_written);

// Reads up to |*num_bytes| bytes from the pipe into |elements| and stores in
// |*num_bytes| how many they are. |flags| may change that: see above. With
// DISCARD and QUERY |elements| may be null; with QUERY |*num_bytes| is ignored
// on input. Ends MOJO_HANDLE_SIGNAL_NEW_DATA_READABLE, also with QUERY and PEEK
// and when the answer is OUT_OF_RANGE, SHOULD_WAIT or FAILED_PRECONDITION.
//
//   OK                   |*num_bytes| bytes are read, discarded or there
//   BUSY                 a two-phase read is in progress
//   INVALID_ARGUMENT     |flags| contradict each other, or |*num_bytes| is not
//                        a multiple of the element size
//   OUT_OF_RANGE         ALL_OR_NONE is given, and there is less, but the
//                        producer is open
//   SHOULD_WAIT          the pipe is empty or |*num_bytes| is 0, and the
//                        producer is open
//   FAILED_PRECONDITION  either of these, but the producer is closed
MOJO_SYSTEM_EXPORT MojoResult MojoReadData(MojoHandle data_pipe_consumer_handle,
                                           void* elements,
                                           uint32_t* num_bytes,
                                           MojoReadDataFlags flags);

// Starts a two-phase read: stores the address and the size of the next bytes
// that are contiguous. The size can be less than all there is. On input
// |*buffer_num_bytes| is ignored. The bytes stay as they are until
// MojoEndReadData(), or until the consumer is closed. In the meantime the
// consumer is neither readable nor transferable; writing goes on. Ends
// MOJO_HANDLE_SIGNAL_NEW_DATA_READABLE.
//
//   OK                   |*buffer| and |*buffer_num_bytes| tell the bytes
//   BUSY                 a two-phase read is in progress
//   INVALID_ARGUMENT     a known flag is given
//   SHOULD_WAIT          the pipe is empty, and the producer is open
//   FAILED_PRECONDITION  the pipe is empty, and the producer is closed
MOJO_SYSTEM_EXPORT MojoResult
MojoBeginReadData(MojoHandle data_pipe_consumer_handle,
                  const void** buffer,
                  uint32_t* buffer_num_bytes,
                  MojoReadDataFlags flags);

// Ends a two-phase read and removes its first |num_bytes_read| bytes, which may
// be 0.
//
//   OK                   the bytes are removed
//   FAILED_PRECONDITION  no two-phase read is in progress
//   INVALID_ARGUMENT     |num_bytes_read| is above the size given or not a
//                        multiple of the element size. The operation has ended
//                        nevertheless, and nothing is removed.
MOJO_SYSTEM_EXPORT MojoResult
MojoEndReadData(MojoHandle data_pipe_consumer_handle, uint32_t num_bytes_read);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_DATA_PIPE_H_
