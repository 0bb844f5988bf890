/* Data pipes: bytes in one direction, copied in and out. */

#include "guide.h"

static void write_and_read(void) {
  MojoHandle producer, consumer;
  EXPECT(OK, MojoCreateDataPipe(NULL, &producer, &consumer));

  uint32_t num_bytes = 12;
  EXPECT(OK, MojoWriteData(producer, "datadatadata", &num_bytes,
                           MOJO_WRITE_DATA_FLAG_NONE));
  printf("%u bytes written\n", (unsigned)num_bytes);

  /* How much is there? */
  EXPECT(OK,
         MojoReadData(consumer, NULL, &num_bytes, MOJO_READ_DATA_FLAG_QUERY));
  printf("%u bytes to read\n", (unsigned)num_bytes);

  /* Copied, but not removed; and removed, but not copied. */
  char buffer[64];
  num_bytes = 4;
  EXPECT(OK,
         MojoReadData(consumer, buffer, &num_bytes, MOJO_READ_DATA_FLAG_PEEK));
  printf("peeked at: %.*s\n", (int)num_bytes, buffer);
  EXPECT(OK,
         MojoReadData(consumer, NULL, &num_bytes, MOJO_READ_DATA_FLAG_DISCARD));

  /* Only all 64, or nothing at all. */
  num_bytes = 64;
  EXPECT(OUT_OF_RANGE, MojoReadData(consumer, buffer, &num_bytes,
                                    MOJO_READ_DATA_FLAG_ALL_OR_NONE));

  /* Up to 64, as many as there are. */
  num_bytes = 64;
  EXPECT(OK,
         MojoReadData(consumer, buffer, &num_bytes, MOJO_READ_DATA_FLAG_NONE));
  printf("read: %.*s\n", (int)num_bytes, buffer);

  num_bytes = 64;
  EXPECT(SHOULD_WAIT,
         MojoReadData(consumer, buffer, &num_bytes, MOJO_READ_DATA_FLAG_NONE));
  EXPECT(OK, MojoClose(producer));
  EXPECT(FAILED_PRECONDITION,
         MojoReadData(consumer, buffer, &num_bytes, MOJO_READ_DATA_FLAG_NONE));
  EXPECT(OK, MojoClose(consumer));
}

static void fill_a_small_one(void) {
  MojoCreateDataPipeOptions options;
  options.struct_size = sizeof(options);
  options.flags = MOJO_CREATE_DATA_PIPE_OPTIONS_FLAG_NONE;
  options.element_num_bytes = 4;
  options.capacity_num_bytes = 8;
  MojoHandle producer, consumer;
  EXPECT(OK, MojoCreateDataPipe(&options, &producer, &consumer));

  uint32_t num_bytes = 3;
  EXPECT(INVALID_ARGUMENT,
         MojoWriteData(producer, "abc", &num_bytes, MOJO_WRITE_DATA_FLAG_NONE));

  /* Two of the three elements find room. */
  num_bytes = 12;
  EXPECT(OK, MojoWriteData(producer, "aaaabbbbcccc", &num_bytes,
                           MOJO_WRITE_DATA_FLAG_NONE));
  printf("%u bytes written\n", (unsigned)num_bytes);
  num_bytes = 4;
  EXPECT(SHOULD_WAIT, MojoWriteData(producer, "cccc", &num_bytes,
                                    MOJO_WRITE_DATA_FLAG_NONE));

  EXPECT(OK, MojoClose(consumer));
  EXPECT(FAILED_PRECONDITION, MojoWriteData(producer, "cccc", &num_bytes,
                                            MOJO_WRITE_DATA_FLAG_NONE));
  EXPECT(OK, MojoClose(producer));
}

int main(void) {
  write_and_read();
  fill_a_small_one();
  return 0;
}
