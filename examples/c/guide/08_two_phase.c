/* Two-phase I/O: working in the memory of the data pipe itself. */

#include "guide.h"

static void write_and_read(MojoHandle producer, MojoHandle consumer) {
  void* buffer;
  uint32_t num_bytes = 1024;
  EXPECT(OK, MojoBeginWriteData(producer, &buffer, &num_bytes,
                                MOJO_WRITE_DATA_FLAG_NONE));
  printf("room for %u bytes\n", (unsigned)num_bytes);
  memcpy(buffer, "hello", 6);

  /* Nothing is in the pipe yet, and nobody else can write meanwhile. */
  uint32_t five = 5;
  EXPECT(BUSY,
         MojoWriteData(producer, "again", &five, MOJO_WRITE_DATA_FLAG_NONE));
  const void* contents;
  EXPECT(SHOULD_WAIT, MojoBeginReadData(consumer, &contents, &num_bytes,
                                        MOJO_READ_DATA_FLAG_NONE));
  EXPECT(OK, MojoEndWriteData(producer, 6));

  EXPECT(OK, MojoBeginReadData(consumer, &contents, &num_bytes,
                               MOJO_READ_DATA_FLAG_NONE));
  printf("Pipe says: %s\n", (const char*)contents);
  EXPECT(OK, MojoEndReadData(consumer, 1)); /* Only one byte is used up. */

  EXPECT(OK, MojoBeginReadData(consumer, &contents, &num_bytes,
                               MOJO_READ_DATA_FLAG_NONE));
  printf("Pipe says: %s\n", (const char*)contents);
  EXPECT(OK, MojoEndReadData(consumer, 5));
}

/* With 6 of 10 bytes used, in the middle, the room is in two pieces. */
static void write_in_pieces(MojoHandle producer, MojoHandle consumer) {
  uint32_t num_bytes = 8;
  EXPECT(OK, MojoWriteData(producer, "01234567", &num_bytes,
                           MOJO_WRITE_DATA_FLAG_NONE));
  num_bytes = 2;
  EXPECT(OK,
         MojoReadData(consumer, NULL, &num_bytes, MOJO_READ_DATA_FLAG_DISCARD));
  void* buffer;
  EXPECT(OK, MojoBeginWriteData(producer, &buffer, &num_bytes,
                                MOJO_WRITE_DATA_FLAG_NONE));
  printf("room for %u bytes\n", (unsigned)num_bytes);

  /* More than there was: the attempt has ended, with nothing written. */
  EXPECT(INVALID_ARGUMENT, MojoEndWriteData(producer, num_bytes + 1));
  EXPECT(FAILED_PRECONDITION, MojoEndWriteData(producer, 0));
}

int main(void) {
  MojoHandle producer, consumer;
  EXPECT(OK, MojoCreateDataPipe(NULL, &producer, &consumer));
  write_and_read(producer, consumer);
  EXPECT(OK, MojoClose(producer));
  EXPECT(OK, MojoClose(consumer));

  const MojoCreateDataPipeOptions options = {
      sizeof(options), MOJO_CREATE_DATA_PIPE_OPTIONS_FLAG_NONE, 1, 10};
  EXPECT(OK, MojoCreateDataPipe(&options, &producer, &consumer));
  write_in_pieces(producer, consumer);
  EXPECT(OK, MojoClose(producer));
  EXPECT(OK, MojoClose(consumer));
  return 0;
}
