/* Creating messages: a payload is attached, perhaps extended, and committed. */

#include "guide.h"

static void print_payload(MojoMessageHandle message) {
  void* buffer;
  uint32_t num_bytes;
  EXPECT(OK, MojoGetSerializedMessageContents(
                 message, &buffer, &num_bytes, NULL, NULL,
                 MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  printf("%u bytes: %s\n", (unsigned)num_bytes, (const char*)buffer);
}

int main(void) {
  MojoMessageHandle message;
  EXPECT(OK, MojoCreateMessage(&message));

  void* buffer;
  uint32_t buffer_size;
  EXPECT(OK, MojoAttachSerializedMessageBuffer(message, 6, NULL, 0, &buffer,
                                               &buffer_size));
  CHECK(buffer_size >= 6);
  memcpy(buffer, "hello", 6);

  /* More is to be said. What is there stays, but perhaps not where it was. */
  EXPECT(OK, MojoExtendSerializedMessagePayload(message, 13, NULL, 0, &buffer,
                                                &buffer_size));
  CHECK(buffer_size >= 13);
  memcpy((char*)buffer + 5, ", world", 8);

  /* As long as the payload can grow it cannot be read. */
  EXPECT(FAILED_PRECONDITION,
         MojoGetSerializedMessageContents(
             message, &buffer, &buffer_size, NULL, NULL,
             MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  EXPECT(OK, MojoCommitSerializedMessageContents(message, 13, NULL, NULL));
  print_payload(message);
  EXPECT(FAILED_PRECONDITION, MojoExtendSerializedMessagePayload(
                                  message, 20, NULL, 0, &buffer, &buffer_size));

  /* A change of mind: the message is not sent. */
  EXPECT(OK, MojoDestroyMessage(message));
  EXPECT(INVALID_ARGUMENT, MojoDestroyMessage(message));
  return 0;
}
