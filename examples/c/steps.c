#include "steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "message.h"
#include "protocol.h"
#include "wait.h"

/* ---- Saying what went wrong ---- */

/* Only the first reason counts: what follows is mostly its consequence. */
static bool fail(struct tour* tour, const char* what, const char* why) {
  if (!tour->explained)
    fprintf(stderr, "tour: %s: %s: %s\n", tour->step, what, why);
  tour->explained = true;
  return false;
}

static bool check(struct tour* tour, const char* what, MojoResult result) {
  return result == MOJO_RESULT_OK || fail(tour, what, result_name(result));
}

/* ---- Asking the child and hearing its answer ---- */

static struct request_header make_request(const struct tour* tour,
                                          uint32_t step) {
  struct request_header header = {.step = step,
                                  .file_bytes = tour->file_bytes};
  return header;
}

/* Consumes |attachment|. */
static bool ask(struct tour* tour,
                uint32_t step,
                const char* text,
                MojoHandle attachment) {
  struct request_header header = make_request(tour, step);
  MojoResult result =
      message_send(tour->pipe, &header, sizeof(header), text,
                   (uint32_t)strlen(text), attachment);
  tour->lost = result != MOJO_RESULT_OK;
  return check(tour, "sending the request", result);
}

static bool check_answer(struct tour* tour,
                         uint32_t step,
                         const struct message* answer,
                         const void* expected,
                         uint32_t expected_bytes) {
  struct answer_header header;
  if (answer->num_bytes < sizeof(header)) {
    tour->lost = true;
    return fail(tour, "the child's answer", "too short");
  }
  memcpy(&header, answer->bytes, sizeof(header));
  if (header.step != step) {
    tour->lost = true;
    return fail(tour, "the child's answer", "belongs to another step");
  }
  if (!check(tour, "the child reports", header.result))
    return false;
  if (answer->num_bytes - sizeof(header) != expected_bytes ||
      memcmp(answer->bytes + sizeof(header), expected, expected_bytes) != 0)
    return fail(tour, "the child's answer", "does not match");
  return true;
}

/*
 * Every request that went out has to be followed by one call of this, failed
 * step or not: otherwise the next step would read this one's answer.
 */
static bool hear(struct tour* tour,
                 uint32_t step,
                 const void* expected,
                 uint32_t expected_bytes) {
  struct message answer;
  MojoResult result = message_receive(tour->pipe, &answer);
  if (result != MOJO_RESULT_OK) {
    tour->lost = true;
    return check(tour, "waiting for the answer", result);
  }
  bool ok = check_answer(tour, step, &answer, expected, expected_bytes);
  message_release(&answer);
  return ok;
}

static bool hear_text(struct tour* tour, uint32_t step, const char* expected) {
  return hear(tour, step, expected, (uint32_t)strlen(expected));
}

static bool hear_digest(struct tour* tour, uint32_t step) {
  return hear(tour, step, tour->digest, sizeof(tour->digest));
}

/* The payload of a request with |text| and of an answer with |answer|. */
static uint64_t exchanged(const char* text, const char* answer) {
  return sizeof(struct request_header) + strlen(text) +
         sizeof(struct answer_header) + strlen(answer);
}

/* ---- 1: a message each way ---- */

static bool greeting(struct tour* tour) {
  if (!ask(tour, STEP_GREETING, GREETING, MOJO_HANDLE_INVALID) ||
      !hear_text(tour, STEP_GREETING, GREETING_ANSWER))
    return false;
  tour->moved = exchanged(GREETING, GREETING_ANSWER);
  return true;
}

/* ---- 2: a message pipe inside a message ---- */

static bool ping(struct tour* tour, MojoHandle pipe) {
  MojoResult result = message_send(pipe, NULL, 0, PING, (uint32_t)strlen(PING),
                                   MOJO_HANDLE_INVALID);
  if (!check(tour, "writing to the new pipe", result))
    return false;

  struct message message;
  result = message_receive(pipe, &message);
  if (!check(tour, "reading from the new pipe", result))
    return false;
  bool is_pong = message.num_bytes == strlen(PONG) &&
                 memcmp(message.bytes, PONG, message.num_bytes) == 0;
  message_release(&message);
  return is_pong || fail(tour, "reading from the new pipe", "not a pong");
}

static bool new_pipe(struct tour* tour) {
  MojoHandle ours, theirs;
  MojoResult result = MojoCreateMessagePipe(NULL, &ours, &theirs);
  if (!check(tour, "creating a pipe", result))
    return false;
  if (!ask(tour, STEP_NEW_PIPE, "", theirs)) {
    close_handle(&ours);
    return false;
  }
  bool ok = ping(tour, ours);
  /* Closed before the answer: the child must not wait for a missing ping. */
  close_handle(&ours);
  ok = hear_text(tour, STEP_NEW_PIPE, "") && ok;
  if (ok)
    tour->moved = exchanged("", "") + strlen(PING) + strlen(PONG);
  return ok;
}

/* ---- 3: the file through a data pipe ---- */

/* Reads from the file straight into the pipe, as much as there is room for. */
static bool fill_room(struct tour* tour, MojoHandle producer, uint64_t* done) {
  void* room;
  uint32_t room_bytes = 0;
  MojoResult result = MojoBeginWriteData(producer, &room, &room_bytes,
                                         MOJO_WRITE_DATA_FLAG_NONE);
  if (result == MOJO_RESULT_SHOULD_WAIT) {
    result = wait_for(producer, MOJO_HANDLE_SIGNAL_WRITABLE);
    return check(tour, "waiting for room", result);
  }
  if (!check(tour, "beginning to write", result))
    return false;

  uint64_t rest = tour->file_bytes - *done;
  size_t wanted = rest < room_bytes ? (size_t)rest : room_bytes;
  ssize_t got = read_at(tour->file, room, wanted, *done);
  int error = got < 0 ? errno : ENODATA;
  result = MojoEndWriteData(producer, got > 0 ? (uint32_t)got : 0);
  if (got <= 0)
    return fail(tour, "reading the file", strerror(error));
  *done += (uint64_t)got;
  return check(tour, "ending to write", result);
}

static bool stream_file(struct tour* tour, MojoHandle producer) {
  for (uint64_t done = 0; done < tour->file_bytes;) {
    if (!fill_room(tour, producer, &done))
      return false;
  }
  return true;
}

static bool data_pipe(struct tour* tour) {
  const MojoCreateDataPipeOptions options = {
      .struct_size = sizeof(options),
      .flags = MOJO_CREATE_DATA_PIPE_OPTIONS_FLAG_NONE,
      .element_num_bytes = 1,
      .capacity_num_bytes = 1024 * 1024,
  };
  MojoHandle producer, consumer;
  MojoResult result = MojoCreateDataPipe(&options, &producer, &consumer);
  if (!check(tour, "creating a data pipe", result))
    return false;
  if (!ask(tour, STEP_DATA_PIPE, "", consumer)) {
    close_handle(&producer);
    return false;
  }
  bool ok = stream_file(tour, producer);
  /* Closing is what tells the child that the stream is complete. */
  close_handle(&producer);
  ok = hear_digest(tour, STEP_DATA_PIPE) && ok;
  if (ok)
    tour->moved = tour->file_bytes;
  return ok;
}

/* ---- 4: the file in shared memory ---- */

static bool fill_buffer(struct tour* tour,
                        MojoHandle buffer,
                        uint64_t buffer_bytes) {
  void* bytes;
  MojoResult result = MojoMapBuffer(buffer, 0, buffer_bytes, &bytes,
                                    MOJO_MAP_BUFFER_FLAG_NONE);
  if (!check(tour, "mapping the buffer", result))
    return false;
  int error = read_file(tour->file, bytes, tour->file_bytes);
  result = MojoUnmapBuffer(bytes);
  if (error != 0)
    return fail(tour, "reading the file", strerror(error));
  return check(tour, "unmapping the buffer", result);
}

static bool share_buffer(struct tour* tour, MojoHandle buffer) {
  const MojoDuplicateBufferHandleOptions options = {
      .struct_size = sizeof(options),
      .flags = MOJO_DUPLICATE_BUFFER_HANDLE_OPTIONS_FLAG_READ_ONLY,
  };
  MojoHandle read_only;
  MojoResult result = MojoDuplicateBufferHandle(buffer, &options, &read_only);
  return check(tour, "making a read-only handle", result) &&
         ask(tour, STEP_SHARED_BUFFER, "", read_only) &&
         hear_digest(tour, STEP_SHARED_BUFFER);
}

static bool shared_buffer(struct tour* tour) {
  /* There are no empty buffers, but there are empty files. */
  uint64_t buffer_bytes = tour->file_bytes > 0 ? tour->file_bytes : 1;
  MojoHandle buffer;
  MojoResult result = MojoCreateSharedBuffer(NULL, buffer_bytes, &buffer);
  if (!check(tour, "creating a buffer", result))
    return false;
  bool ok =
      fill_buffer(tour, buffer, buffer_bytes) && share_buffer(tour, buffer);
  close_handle(&buffer);
  if (ok)
    tour->moved = tour->file_bytes;
  return ok;
}

/* ---- 5: the file itself ---- */

static bool wrap_file(struct tour* tour, MojoHandle* handle) {
  /* Wrapping gives the descriptor away, and this one is still needed here. */
  int file = fcntl(tour->file, F_DUPFD_CLOEXEC, 0);
  if (file < 0)
    return fail(tour, "duplicating the descriptor", strerror(errno));
  const MojoPlatformHandle descriptor = {
      .struct_size = sizeof(descriptor),
      .type = MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR,
      .value = (uint64_t)file,
  };
  MojoResult result = MojoWrapPlatformHandle(&descriptor, handle);
  if (result != MOJO_RESULT_OK)
    close(file);
  return check(tour, "wrapping the descriptor", result);
}

static bool descriptor(struct tour* tour) {
  MojoHandle handle;
  if (!wrap_file(tour, &handle) ||
      !ask(tour, STEP_DESCRIPTOR, "", handle) ||
      !hear_digest(tour, STEP_DESCRIPTOR))
    return false;
  tour->moved = tour->file_bytes;
  return true;
}

/* ---- 6: a message that becomes bytes only if it has to ---- */

struct triangle {
  struct request_header header;
  int a, b, c;
};

#define TRIANGLE_TEXT "a triangle with sides of 3, 4 and 5"

/* Runs on any thread, when the message leaves the process. */
static void serialize_triangle(MojoMessageHandle message, uintptr_t context) {
  const struct triangle* triangle = (const struct triangle*)context;
  char text[96];
  uint32_t text_bytes = (uint32_t)snprintf(
      text, sizeof(text), "a triangle with sides of %d, %d and %d",
      triangle->a, triangle->b, triangle->c);

  void* buffer;
  uint32_t buffer_bytes;
  uint32_t header_bytes = (uint32_t)sizeof(triangle->header);
  MojoResult result = MojoAttachSerializedMessageBuffer(
      message, header_bytes + text_bytes, NULL, 0, &buffer, &buffer_bytes);
  /* A message left without bytes cannot be sent: the writer gets to know. */
  if (result != MOJO_RESULT_OK)
    return;
  memcpy(buffer, &triangle->header, header_bytes);
  memcpy((uint8_t*)buffer + header_bytes, text, text_bytes);
}

/* Runs once, after the serializer or when the message dies without it. */
static void free_triangle(uintptr_t context) {
  free((struct triangle*)context);
}

static MojoResult make_triangle_message(const struct tour* tour,
                                        MojoMessageHandle* message) {
  struct triangle* triangle = malloc(sizeof(*triangle));
  if (triangle == NULL)
    return MOJO_RESULT_RESOURCE_EXHAUSTED;
  triangle->header = make_request(tour, STEP_LAZY_MESSAGE);
  triangle->a = 3;
  triangle->b = 4;
  triangle->c = 5;

  MojoResult result = MojoCreateMessage(message);
  if (result != MOJO_RESULT_OK) {
    free(triangle);
    return result;
  }
  result = MojoAttachMessageContextWithDestructor(
      *message, (uintptr_t)triangle, &serialize_triangle, &free_triangle);
  if (result != MOJO_RESULT_OK) {
    free(triangle);
    destroy_message(*message);
  }
  return result;
}

static bool lazy_message(struct tour* tour) {
  MojoMessageHandle message;
  MojoResult result = make_triangle_message(tour, &message);
  if (!check(tour, "making the message", result))
    return false;
  result = MojoWriteMessage(tour->pipe, message, MOJO_WRITE_MESSAGE_FLAG_NONE);
  if (!check(tour, "writing the message", result) ||
      !hear_text(tour, STEP_LAZY_MESSAGE, TRIANGLE_TEXT))
    return false;
  tour->moved = exchanged(TRIANGLE_TEXT, TRIANGLE_TEXT);
  return true;
}

/* ---- 7: the end, seen from the other end ---- */

bool wait_for_child(struct tour* tour) {
  int status;
  pid_t ended;
  do {
    ended = waitpid(tour->child, &status, 0);
  } while (ended < 0 && errno == EINTR);
  tour->child = 0;

  if (ended < 0)
    return fail(tour, "waiting for the child", strerror(errno));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return true;
  char why[64];
  if (WIFEXITED(status))
    snprintf(why, sizeof(why), "exited with status %d", WEXITSTATUS(status));
  else
    snprintf(why, sizeof(why), "killed by signal %d", WTERMSIG(status));
  return fail(tour, "the child", why);
}

static bool closure(struct tour* tour) {
  if (!ask(tour, STEP_CLOSURE, "", MOJO_HANDLE_INVALID))
    return false;
  MojoResult result = wait_for(tour->pipe, MOJO_HANDLE_SIGNAL_PEER_CLOSED);
  if (!check(tour, "waiting for the pipe to close", result) ||
      !wait_for_child(tour))
    return false;
  tour->moved = sizeof(struct request_header);
  return true;
}

const struct tour_stop kTourStops[NUM_TOUR_STOPS] = {
    {"greeting", greeting},
    {"new pipe", new_pipe},
    {"data pipe", data_pipe},
    {"shared buffer", shared_buffer},
    {"descriptor", descriptor},
    {"lazy message", lazy_message},
    {"closure", closure},
};
