/* Platform handles: descriptors that travel like every other handle. */

#define _POSIX_C_SOURCE 200809L

#include <unistd.h>

#include "guide.h"

static MojoHandle wrap(int fd) {
  MojoPlatformHandle platform_handle;
  platform_handle.struct_size = sizeof(platform_handle);
  platform_handle.type = MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR;
  platform_handle.value = (uint64_t)fd;
  MojoHandle handle;
  EXPECT(OK, MojoWrapPlatformHandle(&platform_handle, &handle));
  return handle;
}

static int unwrap(MojoHandle handle) {
  MojoPlatformHandle platform_handle;
  platform_handle.struct_size = sizeof(platform_handle);
  EXPECT(OK, MojoUnwrapPlatformHandle(handle, &platform_handle));
  CHECK(platform_handle.type == MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR);
  int fd = (int)platform_handle.value;
  return fd;
}

int main(void) {
  int fds[2];
  CHECK(pipe(fds) == 0);

  /* |handle| owns the descriptor now. */
  MojoHandle handle = wrap(fds[1]);

  /* Wherever it goes, the receiver unwraps it and has a descriptor again. */
  handle = moved(handle);
  int fd = unwrap(handle);
  EXPECT(INVALID_ARGUMENT, MojoClose(handle));

  char text[6];
  CHECK(write(fd, "hello", 6) == 6);
  CHECK(read(fds[0], text, 6) == 6);
  printf("Descriptor says: %s\n", text);

  /* To close a handle is to close the descriptor that it owns. */
  handle = wrap(fd);
  EXPECT(OK, MojoClose(handle));
  CHECK(read(fds[0], text, 6) == 0);
  printf("and then there is nobody left to write to it\n");

  CHECK(close(fds[0]) == 0);
  return 0;
}
