/* Shared buffers out of descriptors, and descriptors out of shared buffers. */

#define _GNU_SOURCE

#include <sys/mman.h>
#include <unistd.h>

#include "guide.h"

static void wrap_memory(void) {
  int fd = memfd_create("guide", MFD_CLOEXEC);
  CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
  char* native = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(native != MAP_FAILED);

  MojoPlatformHandle platform_handle;
  platform_handle.struct_size = sizeof(platform_handle);
  platform_handle.type = MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR;
  platform_handle.value = (uint64_t)fd;
  /* Its name in every process; a real program would draw it at random. */
  const MojoSharedBufferGuid guid = {0x0123456789abcdef, 0xfedcba9876543210};

  /* A failure leaves the descriptor to the caller. */
  MojoHandle buffer;
  EXPECT(UNKNOWN, MojoWrapPlatformSharedBuffer(
                      &platform_handle, 8192, &guid,
                      MOJO_PLATFORM_SHARED_BUFFER_HANDLE_FLAG_NONE, &buffer));
  EXPECT(OK, MojoWrapPlatformSharedBuffer(
                 &platform_handle, 4096, &guid,
                 MOJO_PLATFORM_SHARED_BUFFER_HANDLE_FLAG_NONE, &buffer));

  void* data;
  EXPECT(OK, MojoMapBuffer(buffer, 0, 64, &data, MOJO_MAP_BUFFER_FLAG_NONE));
  memcpy(data, "hello", 6);
  printf("native memory says: %s\n", native);
  EXPECT(OK, MojoUnmapBuffer(data));

  /* The library cannot take rights away that it did not give. */
  MojoDuplicateBufferHandleOptions options;
  options.struct_size = sizeof(options);
  options.flags = MOJO_DUPLICATE_BUFFER_HANDLE_OPTIONS_FLAG_READ_ONLY;
  MojoHandle read_only_buffer;
  EXPECT(FAILED_PRECONDITION,
         MojoDuplicateBufferHandle(buffer, &options, &read_only_buffer));
  EXPECT(OK, MojoClose(buffer));
  CHECK(munmap(native, 4096) == 0);
}

static void unwrap_buffer(void) {
  MojoHandle buffer, read_only_buffer;
  EXPECT(OK, MojoCreateSharedBuffer(NULL, 4096, &buffer));
  MojoDuplicateBufferHandleOptions options;
  options.struct_size = sizeof(options);
  options.flags = MOJO_DUPLICATE_BUFFER_HANDLE_OPTIONS_FLAG_READ_ONLY;
  EXPECT(OK, MojoDuplicateBufferHandle(buffer, &options, &read_only_buffer));

  MojoPlatformHandle platform_handle;
  platform_handle.struct_size = sizeof(platform_handle);
  size_t num_bytes;
  MojoSharedBufferGuid guid;
  MojoPlatformSharedBufferHandleFlags flags;
  EXPECT(OK, MojoUnwrapPlatformSharedBuffer(read_only_buffer, &platform_handle,
                                            &num_bytes, &guid, &flags));
  CHECK(num_bytes == 4096);
  CHECK(flags == MOJO_PLATFORM_SHARED_BUFFER_HANDLE_FLAG_READ_ONLY);

  /* The descriptor is as read-only as the handle was. */
  int fd = (int)platform_handle.value;
  CHECK(mmap(NULL, num_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) ==
        MAP_FAILED);
  printf("the system refuses to map it for writing\n");

  /* What was unwrapped can be wrapped again, as it is. */
  EXPECT(OK, MojoWrapPlatformSharedBuffer(&platform_handle, num_bytes, &guid,
                                          flags, &read_only_buffer));
  EXPECT(OK, MojoClose(read_only_buffer));
  EXPECT(OK, MojoClose(buffer));
}

int main(void) {
  wrap_memory();
  unwrap_buffer();
  return 0;
}
