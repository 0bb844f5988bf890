/* Lazy messages: a context that becomes a payload only if it has to. */

#include "guide.h"

struct my_message {
  int number;
};

static struct my_message* new_my_message(int number) {
  struct my_message* my_message = malloc(sizeof(*my_message));
  CHECK(my_message != NULL);
  my_message->number = number;
  return my_message;
}

static void serialize_message(MojoMessageHandle message, uintptr_t context) {
  struct my_message* my_message = (struct my_message*)context;

  void* buffer;
  uint32_t buffer_size;
  EXPECT(OK, MojoAttachSerializedMessageBuffer(message, sizeof(int), NULL, 0,
                                               &buffer, &buffer_size));
  memcpy(buffer, &my_message->number, sizeof(int));

  free(my_message);
}

static void destroy_context(uintptr_t context) {
  struct my_message* my_message = (struct my_message*)context;
  printf("nobody wanted number %d\n", my_message->number);
  free(my_message);
}

int main(void) {
  MojoMessageHandle message;
  EXPECT(OK, MojoCreateMessage(&message));

  struct my_message* data = new_my_message(42);
  EXPECT(OK, MojoAttachMessageContext(message, (uintptr_t)data,
                                      &serialize_message));

  /* To send the message to another process would serialize it. So does this. */
  EXPECT(OK, MojoSerializeMessage(message));
  void* buffer;
  uint32_t num_bytes;
  EXPECT(OK, MojoGetSerializedMessageContents(
                 message, &buffer, &num_bytes, NULL, NULL,
                 MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  CHECK(num_bytes == sizeof(int));
  int number;
  memcpy(&number, buffer, sizeof(int));
  printf("serialized: %d\n", number);
  EXPECT(OK, MojoDestroyMessage(message));

  /* A context that is not wanted any more is taken out before the end. */
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK, MojoAttachMessageContext(message, (uintptr_t)new_my_message(43),
                                      &serialize_message));
  uintptr_t context;
  EXPECT(OK, MojoGetMessageContext(message, &context,
                                   MOJO_GET_MESSAGE_CONTEXT_FLAG_RELEASE));
  free((struct my_message*)context);
  EXPECT(OK, MojoDestroyMessage(message));

  /* With a destructor, a fourth argument, the library sees to it. */
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK, MojoAttachMessageContext(message, (uintptr_t)new_my_message(44),
                                      NULL, &destroy_context));
  EXPECT(OK, MojoDestroyMessage(message));
  return 0;
}
