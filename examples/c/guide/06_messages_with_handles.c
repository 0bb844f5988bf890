/* Messages with handles: ends of pipes, and all else, move inside messages. */

#include "guide.h"

static void move_one_end(void) {
  MojoHandle a, b;
  MojoHandle c, d;
  EXPECT(OK, MojoCreateMessagePipe(NULL, &a, &b));
  EXPECT(OK, MojoCreateMessagePipe(NULL, &c, &d));

  /* Two bytes of payload, and |c|. */
  MojoMessageHandle message;
  void* buffer;
  uint32_t buffer_size;
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK, MojoAttachSerializedMessageBuffer(message, 2, &c, 1, &buffer,
                                               &buffer_size));
  memcpy(buffer, "hi", 2);
  /* The message has it now, also while it is not written yet. */
  EXPECT(INVALID_ARGUMENT, MojoClose(c));
  EXPECT(OK, MojoWriteMessage(a, message, MOJO_WRITE_MESSAGE_FLAG_NONE));

  /* Some time later, in whatever process |b| is by then. */
  MojoHandle e;
  uint32_t num_handles = 1;
  EXPECT(OK, MojoReadMessage(b, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoGetSerializedMessageContents(
                 message, &buffer, &buffer_size, &e, &num_handles,
                 MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  CHECK(buffer_size == 2 && memcmp(buffer, "hi", 2) == 0 && num_handles == 1);
  EXPECT(OK, MojoDestroyMessage(message));

  /* |e| is what |c| was: the other end of |d|. */
  EXPECT(OK, MojoWriteMessage(d, text_message("for c"),
                              MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoReadMessage(e, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoDestroyMessage(message));

  EXPECT(OK, MojoClose(a));
  EXPECT(OK, MojoClose(b));
  EXPECT(OK, MojoClose(d));
  EXPECT(OK, MojoClose(e));
}

static MojoMessageHandle message_with_two_handles(void) {
  MojoHandle handles[2];
  EXPECT(OK, MojoCreateMessagePipe(NULL, &handles[0], &handles[1]));
  MojoMessageHandle message;
  void* buffer;
  uint32_t buffer_size;
  EXPECT(OK, MojoCreateMessage(&message));

  /* All handles are attached or none; here the second is not one. */
  const MojoHandle unfit[2] = {handles[0], MOJO_HANDLE_INVALID};
  EXPECT(INVALID_ARGUMENT, MojoAttachSerializedMessageBuffer(
                               message, 3, unfit, 2, &buffer, &buffer_size));

  EXPECT(OK, MojoAttachSerializedMessageBuffer(message, 3, handles, 2, &buffer,
                                               &buffer_size));
  memcpy(buffer, "two", 3);
  EXPECT(OK, MojoCommitSerializedMessageContents(message, 3, NULL, NULL));
  return message;
}

int main(void) {
  move_one_end();

  /* How many handles are there? A call without room for them tells. */
  MojoMessageHandle message = message_with_two_handles();
  void* buffer;
  uint32_t num_bytes = 0;
  uint32_t num_handles = 0;
  EXPECT(RESOURCE_EXHAUSTED,
         MojoGetSerializedMessageContents(
             message, &buffer, &num_bytes, NULL, &num_handles,
             MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  printf("%u bytes, %u handles\n", (unsigned)num_bytes, (unsigned)num_handles);

  MojoHandle* handles = calloc(num_handles, sizeof(*handles));
  CHECK(handles != NULL);
  EXPECT(OK, MojoGetSerializedMessageContents(
                 message, &buffer, &num_bytes, handles, &num_handles,
                 MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  EXPECT(OK, MojoDestroyMessage(message));
  for (uint32_t i = 0; i < num_handles; i++)
    EXPECT(OK, MojoClose(handles[i]));
  free(handles);
  return 0;
}
