/* Read-only handles: what is shared with them cannot be written to. */

#define _POSIX_C_SOURCE 200809L

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guide.h"

/* Writes to |data| in a process that may come to harm. */
static void write_in_a_child(void* data) {
  fflush(stdout);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    signal(SIGSEGV, SIG_DFL);  /* A sanitizer, say, would catch it. */
    *(volatile int*)data = 42; /* CRASH */
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  printf("the child that wrote was ended by SIGSEGV\n");
}

int main(void) {
  MojoHandle buffer;
  EXPECT(OK, MojoCreateSharedBuffer(NULL, 4096, &buffer));

  MojoHandle read_only_buffer;
  MojoDuplicateBufferHandleOptions options;
  options.struct_size = sizeof(options);
  options.flags = MOJO_DUPLICATE_BUFFER_HANDLE_OPTIONS_FLAG_READ_ONLY;
  EXPECT(OK, MojoDuplicateBufferHandle(buffer, &options, &read_only_buffer));

  /* It can be mapped and read, but the system stops whoever writes. */
  void* data;
  EXPECT(OK, MojoMapBuffer(read_only_buffer, 0, 64, &data,
                           MOJO_MAP_BUFFER_FLAG_NONE));
  printf("read: %d\n", *(int*)data);
  write_in_a_child(data);
  EXPECT(OK, MojoUnmapBuffer(data));

  /* What is made from a read-only handle is read-only, asked for or not. */
  MojoHandle another;
  EXPECT(OK, MojoDuplicateBufferHandle(read_only_buffer, NULL, &another));
  EXPECT(OK, MojoMapBuffer(another, 0, 64, &data, MOJO_MAP_BUFFER_FLAG_NONE));
  write_in_a_child(data);
  EXPECT(OK, MojoUnmapBuffer(data));
  EXPECT(OK, MojoClose(another));
  EXPECT(OK, MojoClose(read_only_buffer));

  /* Any writable handle can be the origin, also a duplicate that was sent. */
  EXPECT(OK, MojoDuplicateBufferHandle(buffer, NULL, &another));
  another = moved(another);
  EXPECT(OK, MojoDuplicateBufferHandle(another, &options, &read_only_buffer));
  EXPECT(OK, MojoClose(read_only_buffer));
  EXPECT(OK, MojoClose(another));
  EXPECT(OK, MojoClose(buffer));
  return 0;
}
