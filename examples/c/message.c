#include "message.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "wait.h"

static void report(const char* what, MojoResult result) {
  if (result != MOJO_RESULT_OK)
    fprintf(stderr, "tour: %s: %s\n", what, result_name(result));
}

static MojoResult fill(MojoMessageHandle message,
                       const void* head,
                       uint32_t head_bytes,
                       const void* body,
                       uint32_t body_bytes,
                       MojoHandle* attachment) {
  bool attached = *attachment != MOJO_HANDLE_INVALID;
  void* buffer;
  uint32_t buffer_bytes;
  MojoResult result = MojoAttachSerializedMessageBuffer(
      message, head_bytes + body_bytes, attached ? attachment : NULL,
      attached ? 1 : 0, &buffer, &buffer_bytes);
  if (result != MOJO_RESULT_OK)
    return result;
  *attachment = MOJO_HANDLE_INVALID; /* It belongs to the message now. */

  if (head_bytes > 0)
    memcpy(buffer, head, head_bytes);
  if (body_bytes > 0)
    memcpy((uint8_t*)buffer + head_bytes, body, body_bytes);
  return MOJO_RESULT_OK;
}

MojoResult message_send(MojoHandle pipe,
                        const void* head,
                        uint32_t head_bytes,
                        const void* body,
                        uint32_t body_bytes,
                        MojoHandle attachment) {
  MojoMessageHandle message;
  MojoResult result = MojoCreateMessage(&message);
  if (result == MOJO_RESULT_OK) {
    result = fill(message, head, head_bytes, body, body_bytes, &attachment);
    /* Writing consumes the message even if it fails. */
    if (result == MOJO_RESULT_OK)
      result = MojoWriteMessage(pipe, message, MOJO_WRITE_MESSAGE_FLAG_NONE);
    else
      destroy_message(message);
  }
  close_handle(&attachment);
  return result;
}

static MojoResult read_or_wait(MojoHandle pipe, MojoMessageHandle* message) {
  for (;;) {
    MojoResult result =
        MojoReadMessage(pipe, message, MOJO_READ_MESSAGE_FLAG_NONE);
    if (result != MOJO_RESULT_SHOULD_WAIT)
      return result;
    result = wait_for(pipe, MOJO_HANDLE_SIGNAL_READABLE);
    if (result != MOJO_RESULT_OK)
      return result;
  }
}

MojoResult message_receive(MojoHandle pipe, struct message* message) {
  MojoMessageHandle object;
  MojoResult result = read_or_wait(pipe, &object);
  if (result != MOJO_RESULT_OK)
    return result;

  void* bytes = NULL;
  uint32_t num_bytes = 0;
  MojoHandle attachment = MOJO_HANDLE_INVALID;
  uint32_t num_handles = 1;
  result = MojoGetSerializedMessageContents(
      object, &bytes, &num_bytes, &attachment, &num_handles,
      MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE);
  if (result != MOJO_RESULT_OK) {
    destroy_message(object);
    return result;
  }

  message->object = object;
  message->bytes = bytes;
  message->num_bytes = num_bytes;
  message->attachment = num_handles == 1 ? attachment : MOJO_HANDLE_INVALID;
  return MOJO_RESULT_OK;
}

MojoHandle message_take_attachment(struct message* message) {
  MojoHandle attachment = message->attachment;
  message->attachment = MOJO_HANDLE_INVALID;
  return attachment;
}

void message_release(struct message* message) {
  close_handle(&message->attachment);
  destroy_message(message->object);
  message->object = MOJO_MESSAGE_HANDLE_INVALID;
  message->bytes = NULL;
  message->num_bytes = 0;
}

void destroy_message(MojoMessageHandle message) {
  report("destroying a message", MojoDestroyMessage(message));
}

void close_handle(MojoHandle* handle) {
  if (*handle == MOJO_HANDLE_INVALID)
    return;
  report("closing a handle", MojoClose(*handle));
  *handle = MOJO_HANDLE_INVALID;
}

const char* result_name(MojoResult result) {
  switch (result) {
    case MOJO_RESULT_OK:
      return "OK";
    case MOJO_RESULT_CANCELLED:
      return "CANCELLED";
    case MOJO_RESULT_UNKNOWN:
      return "UNKNOWN";
    case MOJO_RESULT_INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case MOJO_RESULT_DEADLINE_EXCEEDED:
      return "DEADLINE_EXCEEDED";
    case MOJO_RESULT_NOT_FOUND:
      return "NOT_FOUND";
    case MOJO_RESULT_ALREADY_EXISTS:
      return "ALREADY_EXISTS";
    case MOJO_RESULT_PERMISSION_DENIED:
      return "PERMISSION_DENIED";
    case MOJO_RESULT_RESOURCE_EXHAUSTED:
      return "RESOURCE_EXHAUSTED";
    case MOJO_RESULT_FAILED_PRECONDITION:
      return "FAILED_PRECONDITION";
    case MOJO_RESULT_ABORTED:
      return "ABORTED";
    case MOJO_RESULT_OUT_OF_RANGE:
      return "OUT_OF_RANGE";
    case MOJO_RESULT_UNIMPLEMENTED:
      return "UNIMPLEMENTED";
    case MOJO_RESULT_INTERNAL:
      return "INTERNAL";
    case MOJO_RESULT_UNAVAILABLE:
      return "UNAVAILABLE";
    case MOJO_RESULT_DATA_LOSS:
      return "DATA_LOSS";
    case MOJO_RESULT_BUSY:
      return "BUSY";
    case MOJO_RESULT_SHOULD_WAIT:
      return "SHOULD_WAIT";
    default:
      return "not a result code";
  }
}
