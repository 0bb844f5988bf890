/* Shared buffers: memory with several names and several mappings. */

#include "guide.h"

int main(void) {
  /* 4 KiB, all of them 0. */
  MojoHandle buffer;
  EXPECT(OK, MojoCreateSharedBuffer(NULL, 4096, &buffer));

  MojoHandle another_name_for_buffer;
  EXPECT(OK, MojoDuplicateBufferHandle(buffer, NULL, &another_name_for_buffer));

  void* data;
  EXPECT(OK, MojoMapBuffer(buffer, 0, 64, &data, MOJO_MAP_BUFFER_FLAG_NONE));
  *(int*)data = 42;
  EXPECT(OK, MojoUnmapBuffer(data));

  /* The memory lives on as long as any name of it does. */
  EXPECT(OK, MojoClose(buffer));
  void* all;
  void* part;
  EXPECT(OK, MojoMapBuffer(another_name_for_buffer, 0, 4096, &all,
                           MOJO_MAP_BUFFER_FLAG_NONE));
  printf("still %d\n", *(int*)all);

  /* Any range inside the buffer will do, and mappings may overlap. */
  EXPECT(OK, MojoMapBuffer(another_name_for_buffer, 100, 10, &part,
                           MOJO_MAP_BUFFER_FLAG_NONE));
  memcpy(part, "seen twice", 10);
  CHECK(memcmp((char*)all + 100, "seen twice", 10) == 0);
  void* none;
  EXPECT(INVALID_ARGUMENT, MojoMapBuffer(another_name_for_buffer, 4090, 10,
                                         &none, MOJO_MAP_BUFFER_FLAG_NONE));

  /* Or as long as any mapping of it does. */
  EXPECT(OK, MojoClose(another_name_for_buffer));
  printf("still %d\n", *(int*)all);
  EXPECT(OK, MojoUnmapBuffer(all));
  EXPECT(OK, MojoUnmapBuffer(part));
  EXPECT(INVALID_ARGUMENT, MojoUnmapBuffer(part));
  return 0;
}
