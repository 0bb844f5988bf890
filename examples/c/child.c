#include "child.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "message.h"
#include "mojo/public/c/system/core.h"
#include "mojo/public/c/system/invitation.h"
#include "protocol.h"
#include "sha256.h"
#include "wait.h"

struct answer {
  uint8_t body[512];
  uint32_t num_bytes;
};

static MojoResult put(struct answer* answer,
                      const void* bytes,
                      uint32_t num_bytes) {
  if (num_bytes > sizeof(answer->body))
    return MOJO_RESULT_RESOURCE_EXHAUSTED;
  if (num_bytes > 0)
    memcpy(answer->body, bytes, num_bytes);
  answer->num_bytes = num_bytes;
  return MOJO_RESULT_OK;
}

static MojoResult put_digest(struct answer* answer, struct sha256* hash) {
  uint8_t digest[SHA256_DIGEST_BYTES];
  sha256_final(hash, digest);
  return put(answer, digest, sizeof(digest));
}

static bool says(const uint8_t* bytes, uint32_t num_bytes, const char* text) {
  return num_bytes == strlen(text) && memcmp(bytes, text, num_bytes) == 0;
}

static MojoResult greet(const uint8_t* text,
                        uint32_t num_bytes,
                        struct answer* answer) {
  if (!says(text, num_bytes, GREETING))
    return MOJO_RESULT_INVALID_ARGUMENT;
  return put(answer, GREETING_ANSWER, (uint32_t)strlen(GREETING_ANSWER));
}

static MojoResult talk_over(MojoHandle pipe) {
  struct message message;
  MojoResult result = message_receive(pipe, &message);
  if (result != MOJO_RESULT_OK)
    return result;
  bool is_ping = says(message.bytes, message.num_bytes, PING);
  message_release(&message);
  if (!is_ping)
    return MOJO_RESULT_INVALID_ARGUMENT;
  return message_send(pipe, NULL, 0, PONG, (uint32_t)strlen(PONG),
                      MOJO_HANDLE_INVALID);
}

/* Hashes what there is to read now, in place. */
static MojoResult hash_available(MojoHandle consumer, struct sha256* hash) {
  const void* bytes;
  uint32_t num_bytes = 0;
  MojoResult result = MojoBeginReadData(consumer, &bytes, &num_bytes,
                                        MOJO_READ_DATA_FLAG_NONE);
  if (result != MOJO_RESULT_OK)
    return result;
  sha256_update(hash, bytes, num_bytes);
  return MojoEndReadData(consumer, num_bytes);
}

static MojoResult hash_data_pipe(MojoHandle consumer,
                                 uint64_t file_bytes,
                                 struct answer* answer) {
  struct sha256 hash;
  sha256_init(&hash);
  MojoResult result;
  do {
    result = hash_available(consumer, &hash);
    if (result == MOJO_RESULT_SHOULD_WAIT)
      result = wait_for(consumer, MOJO_HANDLE_SIGNAL_READABLE);
  } while (result == MOJO_RESULT_OK);

  /* The producer is closed and all it wrote has been read: the end. */
  if (result != MOJO_RESULT_FAILED_PRECONDITION)
    return result;
  if (hash.num_bytes != file_bytes)
    return MOJO_RESULT_DATA_LOSS;
  return put_digest(answer, &hash);
}

static MojoResult hash_shared_buffer(MojoHandle buffer,
                                     uint64_t file_bytes,
                                     struct answer* answer) {
  void* bytes;
  /* A buffer has at least one byte, also when the file has none. */
  MojoResult result =
      MojoMapBuffer(buffer, 0, file_bytes > 0 ? file_bytes : 1, &bytes,
                    MOJO_MAP_BUFFER_FLAG_NONE);
  if (result != MOJO_RESULT_OK)
    return result;
  struct sha256 hash;
  sha256_init(&hash);
  sha256_update(&hash, bytes, (size_t)file_bytes);
  result = MojoUnmapBuffer(bytes);
  if (result != MOJO_RESULT_OK)
    return result;
  return put_digest(answer, &hash);
}

/* Consumes |handle|. */
static MojoResult hash_descriptor(MojoHandle handle,
                                  uint64_t file_bytes,
                                  struct answer* answer) {
  MojoPlatformHandle unwrapped = {.struct_size = sizeof(unwrapped)};
  MojoResult result = MojoUnwrapPlatformHandle(handle, &unwrapped);
  if (result != MOJO_RESULT_OK)
    return result;
  if (unwrapped.type != MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR)
    return MOJO_RESULT_INVALID_ARGUMENT;

  int file = (int)unwrapped.value;
  uint8_t digest[SHA256_DIGEST_BYTES];
  int error = hash_file(file, file_bytes, digest);
  close(file);
  if (error != 0) {
    fprintf(stderr, "tour: child: reading the file: %s\n", strerror(error));
    return MOJO_RESULT_DATA_LOSS;
  }
  return put(answer, digest, sizeof(digest));
}

static MojoResult perform(const struct request_header* header,
                          struct message* request,
                          struct answer* answer) {
  const uint8_t* text = request->bytes + sizeof(*header);
  uint32_t num_bytes = request->num_bytes - (uint32_t)sizeof(*header);
  switch (header->step) {
    case STEP_GREETING:
      return greet(text, num_bytes, answer);
    case STEP_NEW_PIPE:
      return talk_over(request->attachment);
    case STEP_DATA_PIPE:
      return hash_data_pipe(request->attachment, header->file_bytes, answer);
    case STEP_SHARED_BUFFER:
      return hash_shared_buffer(request->attachment, header->file_bytes,
                                answer);
    case STEP_DESCRIPTOR:
      return hash_descriptor(message_take_attachment(request),
                             header->file_bytes, answer);
    case STEP_LAZY_MESSAGE:
      return put(answer, text, num_bytes);
    default:
      return MOJO_RESULT_UNIMPLEMENTED;
  }
}

static MojoResult send_answer(MojoHandle pipe,
                              uint32_t step,
                              MojoResult result,
                              const struct answer* answer) {
  struct answer_header header = {.step = step, .result = result};
  return message_send(pipe, &header, sizeof(header), answer->body,
                      result == MOJO_RESULT_OK ? answer->num_bytes : 0,
                      MOJO_HANDLE_INVALID);
}

/* Sets |*finished| when the parent has asked for the end. */
static MojoResult serve_one(MojoHandle pipe, bool* finished) {
  struct message request;
  MojoResult result = message_receive(pipe, &request);
  if (result != MOJO_RESULT_OK)
    return result;

  struct request_header header;
  if (request.num_bytes < sizeof(header)) {
    message_release(&request);
    return MOJO_RESULT_INVALID_ARGUMENT;
  }
  memcpy(&header, request.bytes, sizeof(header));
  *finished = header.step == STEP_CLOSURE;

  struct answer answer = {.num_bytes = 0};
  result = MOJO_RESULT_OK;
  if (!*finished)
    result = perform(&header, &request, &answer);
  /* Before the answer, so that nothing is held when the parent reads it. */
  message_release(&request);
  if (*finished)
    return MOJO_RESULT_OK;
  return send_answer(pipe, header.step, result, &answer);
}

static MojoResult accept_pipe(int socket, MojoHandle* pipe) {
  MojoPlatformHandle handle = {
      .struct_size = sizeof(handle),
      .type = MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR,
      .value = (uint64_t)socket,
  };
  MojoInvitationTransportEndpoint endpoint = {
      .struct_size = sizeof(endpoint),
      .type = MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL,
      .num_platform_handles = 1,
      .platform_handles = &handle,
  };
  MojoHandle invitation;
  MojoResult result = MojoAcceptInvitation(&endpoint, NULL, &invitation);
  if (result != MOJO_RESULT_OK) {
    close(socket);
    return result;
  }
  result = MojoExtractMessagePipeFromInvitation(
      invitation, PIPE_NAME, (uint32_t)strlen(PIPE_NAME), NULL, pipe);
  close_handle(&invitation);
  return result;
}

int run_child(int socket) {
  MojoHandle pipe;
  MojoResult result = accept_pipe(socket, &pipe);
  if (result != MOJO_RESULT_OK) {
    fprintf(stderr, "tour: child: accepting the invitation: %s\n",
            result_name(result));
    return 1;
  }

  bool finished = false;
  while (!finished && result == MOJO_RESULT_OK)
    result = serve_one(pipe, &finished);
  close_handle(&pipe);

  /* A closed pipe is a parent that has gone; there is nobody left to tell. */
  if (result != MOJO_RESULT_OK && result != MOJO_RESULT_FAILED_PRECONDITION)
    fprintf(stderr, "tour: child: %s\n", result_name(result));
  return finished ? 0 : 1;
}
