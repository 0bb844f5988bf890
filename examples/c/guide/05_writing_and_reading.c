/* Writing and reading messages, serialized or not, and what becomes of them. */

#include "guide.h"

static void send_bytes(MojoHandle a, MojoHandle b) {
  MojoMessageHandle message;
  EXPECT(OK, MojoCreateMessage(&message));
  void* buffer = NULL;
  uint32_t num_bytes;
  EXPECT(OK, MojoAttachSerializedMessageBuffer(message, 6, NULL, 0, &buffer,
                                               &num_bytes));
  memcpy(buffer, "hello", 6);

  /* The payload is committed at the 6 bytes asked for, whatever the room. */
  EXPECT(OK, MojoWriteMessage(a, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT, MojoDestroyMessage(message));

  EXPECT(OK, MojoReadMessage(b, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoGetSerializedMessageContents(
                 message, &buffer, &num_bytes, NULL, NULL,
                 MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  CHECK(num_bytes == 6);
  printf("Pipe says: %s\n", (const char*)buffer);

  /* Messages can be passed on as they are; this one goes back. */
  EXPECT(OK, MojoWriteMessage(b, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoReadMessage(a, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoDestroyMessage(message));

  EXPECT(SHOULD_WAIT,
         MojoReadMessage(b, &message, MOJO_READ_MESSAGE_FLAG_NONE));
}

static void send_context(MojoHandle a, MojoHandle b) {
  int number = 42;
  MojoMessageHandle message;
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK, MojoAttachMessageContext(message, (uintptr_t)&number, NULL));
  EXPECT(OK, MojoWriteMessage(a, message, MOJO_WRITE_MESSAGE_FLAG_NONE));

  EXPECT(OK, MojoReadMessage(b, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  void* buffer;
  uint32_t num_bytes;
  EXPECT(FAILED_PRECONDITION,
         MojoGetSerializedMessageContents(
             message, &buffer, &num_bytes, NULL, NULL,
             MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  uintptr_t context;
  EXPECT(OK, MojoGetMessageContext(message, &context,
                                   MOJO_GET_MESSAGE_CONTEXT_FLAG_NONE));
  CHECK((int*)context == &number);
  printf("Pipe says: %d\n", *(int*)context);
  EXPECT(OK, MojoDestroyMessage(message));
}

int main(void) {
  MojoHandle a, b;
  EXPECT(OK, MojoCreateMessagePipe(NULL, &a, &b));
  send_bytes(a, b);
  send_context(a, b);

  /* A write that fails takes the message all the same. */
  EXPECT(OK, MojoClose(b));
  MojoMessageHandle message = text_message("too late");
  EXPECT(FAILED_PRECONDITION,
         MojoWriteMessage(a, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT, MojoDestroyMessage(message));
  EXPECT(OK, MojoClose(a));
  return 0;
}
