/*
 * Every function of the API from plain C: what it does, and its main failures.
 *
 *   smoke             all of it; exits with 0 if everything is as it must be
 *   smoke --child FD  the process that the invitation is for
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "mojo/public/c/system/core.h"
#include "mojo/public/c/system/invitation.h"
#include "mojo/public/c/system/macros.h"

static const char* role = "smoke";

/* Shows how far the program came if the watchdog has to end it. */
static void section(const char* name) {
  fprintf(stderr, "%s: %s\n", role, name);
}

#define R MOJO_HANDLE_SIGNAL_READABLE
#define W MOJO_HANDLE_SIGNAL_WRITABLE
#define C MOJO_HANDLE_SIGNAL_PEER_CLOSED
#define N MOJO_HANDLE_SIGNAL_NEW_DATA_READABLE

static void check_signals(const char* file,
                          int line,
                          MojoHandle handle,
                          MojoHandleSignals satisfied,
                          MojoHandleSignals satisfiable) {
  MojoHandleSignalsState state;
  MojoResult result = MojoQueryHandleSignalsState(handle, &state);
  if (result != MOJO_RESULT_OK)
    fail(file, line, "cannot query signals: %s", result_name(result));
  if (state.satisfied_signals != satisfied ||
      state.satisfiable_signals != satisfiable)
    fail(file, line, "signals are %#x/%#x, not %#x/%#x",
         (unsigned)state.satisfied_signals, (unsigned)state.satisfiable_signals,
         (unsigned)satisfied, (unsigned)satisfiable);
}

#define EXPECT_SIGNALS(handle, satisfied, satisfiable) \
  check_signals(__FILE__, __LINE__, handle, satisfied, satisfiable)

/* ---- Waiting: a watcher and a condition variable ---- */

struct waiter {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool notified;
  bool cancelled;
  MojoResult result;
};

static void wake_waiter(uintptr_t context,
                        MojoResult result,
                        MojoHandleSignalsState state,
                        MojoWatcherNotificationFlags flags) {
  struct waiter* waiter = (struct waiter*)context;
  (void)state;
  (void)flags;
  pthread_mutex_lock(&waiter->lock);
  if (!waiter->notified) {
    waiter->notified = true;
    waiter->result = result;
  }
  if (result == MOJO_RESULT_CANCELLED)
    waiter->cancelled = true;
  pthread_cond_broadcast(&waiter->changed);
  pthread_mutex_unlock(&waiter->lock);
}

static void sleep_until(struct waiter* waiter, const bool* condition) {
  pthread_mutex_lock(&waiter->lock);
  while (!*condition)
    pthread_cond_wait(&waiter->changed, &waiter->lock);
  pthread_mutex_unlock(&waiter->lock);
}

/* OK: satisfied. FAILED_PRECONDITION: never will be. */
static MojoResult wait_for(MojoHandle handle, MojoHandleSignals signals) {
  struct waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                          false, false, MOJO_RESULT_UNKNOWN};
  MojoHandle watcher;
  EXPECT(OK, MojoCreateWatcher(&wake_waiter, &watcher));
  EXPECT(OK, MojoWatch(watcher, handle, signals, (uintptr_t)&waiter));

  uint32_t num_ready = 1;
  uintptr_t context = 0;
  MojoResult result = MOJO_RESULT_UNKNOWN;
  MojoHandleSignalsState state;
  MojoResult armed =
      MojoArmWatcher(watcher, &num_ready, &context, &result, &state);
  if (armed == MOJO_RESULT_OK) {
    sleep_until(&waiter, &waiter.notified);
    result = waiter.result;
  } else {
    CHECK(armed == MOJO_RESULT_FAILED_PRECONDITION);
    CHECK(num_ready == 1 && context == (uintptr_t)&waiter);
  }

  /* |waiter| must live until the cancellation, wherever that runs. */
  EXPECT(OK, MojoClose(watcher));
  sleep_until(&waiter, &waiter.cancelled);
  pthread_cond_destroy(&waiter.changed);
  pthread_mutex_destroy(&waiter.lock);
  return result;
}

/* ---- Messages and mappings in one call ---- */

static MojoMessageHandle message_with(const void* bytes,
                                      uint32_t num_bytes,
                                      const MojoHandle* handles,
                                      uint32_t num_handles) {
  MojoMessageHandle message;
  void* buffer = NULL;
  uint32_t buffer_size = 0;
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK,
         MojoAttachSerializedMessageBuffer(message, num_bytes, handles,
                                           num_handles, &buffer, &buffer_size));
  CHECK(buffer != NULL && buffer_size >= num_bytes);
  if (num_bytes > 0)
    memcpy(buffer, bytes, num_bytes);
  return message;
}

static void send_text(MojoHandle pipe,
                      const char* text,
                      const MojoHandle* handles,
                      uint32_t num_handles) {
  MojoMessageHandle message =
      message_with(text, (uint32_t)strlen(text), handles, num_handles);
  EXPECT(OK, MojoWriteMessage(pipe, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
}

static MojoMessageHandle next_message(MojoHandle pipe) {
  MojoMessageHandle message = MOJO_MESSAGE_HANDLE_INVALID;
  EXPECT(OK, wait_for(pipe, R));
  EXPECT(OK, MojoReadMessage(pipe, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  CHECK(message != MOJO_MESSAGE_HANDLE_INVALID);
  return message;
}

static void check_contents(MojoMessageHandle message,
                           const void* bytes,
                           uint32_t num_bytes,
                           MojoHandle* handles,
                           uint32_t num_handles) {
  void* buffer = &buffer;
  uint32_t size = ~num_bytes;
  uint32_t count = num_handles;
  EXPECT(OK, MojoGetSerializedMessageContents(
                 message, &buffer, &size, handles, &count,
                 MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  CHECK(count == num_handles);
  CHECK(size == num_bytes);
  CHECK((buffer == NULL) == (num_bytes == 0));
  CHECK(num_bytes == 0 || memcmp(buffer, bytes, num_bytes) == 0);
}

static void receive_text(MojoHandle pipe,
                         const char* text,
                         MojoHandle* handles,
                         uint32_t num_handles) {
  MojoMessageHandle message = next_message(pipe);
  check_contents(message, text, (uint32_t)strlen(text), handles, num_handles);
  EXPECT(OK, MojoDestroyMessage(message));
}

static void create_pipe(MojoHandle* end0, MojoHandle* end1) {
  *end0 = *end1 = MOJO_HANDLE_INVALID;
  EXPECT(OK, MojoCreateMessagePipe(NULL, end0, end1));
  CHECK(*end0 != MOJO_HANDLE_INVALID && *end1 != MOJO_HANDLE_INVALID);
  CHECK(*end0 != *end1);
}

static void* map(MojoHandle buffer, uint64_t offset, uint64_t num_bytes) {
  void* address = NULL;
  EXPECT(OK, MojoMapBuffer(buffer, offset, num_bytes, &address,
                           MOJO_MAP_BUFFER_FLAG_NONE));
  CHECK(address != NULL);
  return address;
}

/* ---- Clock, closing, signals, properties ---- */

static int64_t system_microseconds(void) {
  struct timespec now;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void test_functions(void) {
  section("clock, closing, signals, properties");

  MojoTimeTicks before = MojoGetTimeTicksNow();
  CHECK(before > 0);
  int64_t start = system_microseconds();
  while (system_microseconds() < start + 2000) {
  }
  CHECK(MojoGetTimeTicksNow() - before >= 1900);

  EXPECT(INVALID_ARGUMENT, MojoClose(MOJO_HANDLE_INVALID));
  EXPECT(INVALID_ARGUMENT, MojoClose(1000000000));

  MojoHandle a, b;
  create_pipe(&a, &b);
  MojoHandleSignalsState state;
  EXPECT(INVALID_ARGUMENT, MojoQueryHandleSignalsState(a, NULL));
  EXPECT(INVALID_ARGUMENT,
         MojoQueryHandleSignalsState(MOJO_HANDLE_INVALID, &state));
  EXPECT(OK, MojoClose(a));
  EXPECT(INVALID_ARGUMENT, MojoClose(a));
  EXPECT(INVALID_ARGUMENT, MojoQueryHandleSignalsState(a, &state));
  EXPECT(OK, MojoClose(b));

  bool allowed = false;
  EXPECT(OK, MojoGetProperty(MOJO_PROPERTY_TYPE_SYNC_CALL_ALLOWED, &allowed));
  CHECK(allowed);
  allowed = false;
  EXPECT(INVALID_ARGUMENT, MojoGetProperty(12345, &allowed));
  CHECK(!allowed);
  EXPECT(INVALID_ARGUMENT,
         MojoGetProperty(MOJO_PROPERTY_TYPE_SYNC_CALL_ALLOWED, NULL));
}

/* ---- Message pipes ---- */

static void test_message_pipe_options(void) {
  section("options of message pipes");
  MojoHandle a = 77, b = 78;
  struct MojoCreateMessagePipeOptions options = {
      sizeof(options), MOJO_CREATE_MESSAGE_PIPE_OPTIONS_FLAG_NONE};

  EXPECT(INVALID_ARGUMENT, MojoCreateMessagePipe(NULL, NULL, &b));
  EXPECT(INVALID_ARGUMENT, MojoCreateMessagePipe(NULL, &a, NULL));
  options.struct_size = 3;
  EXPECT(INVALID_ARGUMENT, MojoCreateMessagePipe(&options, &a, &b));
  options.struct_size = sizeof(options);
  options.flags = ~(MojoCreateMessagePipeOptionsFlags)0;
  EXPECT(UNIMPLEMENTED, MojoCreateMessagePipe(&options, &a, &b));
  CHECK(a == 77 && b == 78);

  /* Too short to have flags. */
  options.struct_size = 4;
  EXPECT(OK, MojoCreateMessagePipe(&options, &a, &b));
  EXPECT(OK, MojoClose(a));
  EXPECT(OK, MojoClose(b));

  /* Of a later version. */
  struct {
    MojoCreateMessagePipeOptions known;
    uint64_t unknown;
  } longer = {{sizeof(longer), 0}, UINT64_MAX};
  EXPECT(OK, MojoCreateMessagePipe(&longer.known, &a, &b));
  EXPECT(OK, MojoClose(a));
  EXPECT(OK, MojoClose(b));
}

static void test_message_pipes(void) {
  section("message pipes");
  MojoHandle a, b;
  MojoMessageHandle message = 0;
  create_pipe(&a, &b);
  EXPECT_SIGNALS(a, W, R | W | C);
  EXPECT_SIGNALS(b, W, R | W | C);

  EXPECT(SHOULD_WAIT,
         MojoReadMessage(b, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT,
         MojoReadMessage(b, NULL, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT, MojoReadMessage(MOJO_HANDLE_INVALID, &message,
                                           MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT, MojoWriteMessage(a, MOJO_MESSAGE_HANDLE_INVALID,
                                            MOJO_WRITE_MESSAGE_FLAG_NONE));
  CHECK(message == 0);

  send_text(a, "first", NULL, 0);
  send_text(a, "", NULL, 0);
  send_text(a, "third", NULL, 0);
  EXPECT_SIGNALS(b, R | W, R | W | C);
  EXPECT_SIGNALS(a, W, R | W | C);

  /* What is read can be passed on as it is. */
  message = next_message(b);
  EXPECT(OK, MojoWriteMessage(b, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
  receive_text(a, "first", NULL, 0);

  EXPECT(OK, MojoClose(a));
  EXPECT_SIGNALS(b, R | C, R | C);
  receive_text(b, "", NULL, 0);
  message = message_with("late", 4, NULL, 0);
  EXPECT(FAILED_PRECONDITION,
         MojoWriteMessage(b, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT, MojoDestroyMessage(message));
  receive_text(b, "third", NULL, 0);
  EXPECT_SIGNALS(b, C, C);
  EXPECT(FAILED_PRECONDITION,
         MojoReadMessage(b, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoClose(b));

  /* A message is consumed also when the pipe is none. */
  message = message_with("lost", 4, NULL, 0);
  EXPECT(INVALID_ARGUMENT,
         MojoWriteMessage(b, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT, MojoDestroyMessage(message));

  /* A pipe does not carry its own ends. */
  create_pipe(&a, &b);
  message = message_with("peer", 4, &b, 1);
  EXPECT(INVALID_ARGUMENT,
         MojoWriteMessage(a, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT_SIGNALS(a, C, C);
  EXPECT(OK, MojoClose(a));
}

static void test_fusing(void) {
  section("fusing message pipes");
  MojoHandle a, b, c, d;

  create_pipe(&a, &b);
  create_pipe(&c, &d);
  send_text(a, "before", NULL, 0);
  EXPECT(OK, MojoFuseMessagePipes(b, c));
  EXPECT(INVALID_ARGUMENT, MojoClose(b));
  EXPECT(INVALID_ARGUMENT, MojoClose(c));
  send_text(a, "after", NULL, 0);
  receive_text(d, "before", NULL, 0);
  receive_text(d, "after", NULL, 0);
  send_text(d, "back", NULL, 0);
  receive_text(a, "back", NULL, 0);
  EXPECT(OK, MojoClose(a));
  EXPECT(OK, wait_for(d, C));
  EXPECT(OK, MojoClose(d));

  /* Something was sent from |b|. */
  create_pipe(&a, &b);
  create_pipe(&c, &d);
  send_text(b, "sent", NULL, 0);
  EXPECT(FAILED_PRECONDITION, MojoFuseMessagePipes(b, c));
  EXPECT(INVALID_ARGUMENT, MojoClose(b));
  EXPECT(INVALID_ARGUMENT, MojoClose(c));
  EXPECT_SIGNALS(a, R | C, R | C);
  EXPECT_SIGNALS(d, C, C);
  EXPECT(OK, MojoClose(a));
  EXPECT(OK, MojoClose(d));

  /* Two ends of one pipe. */
  create_pipe(&a, &b);
  EXPECT(FAILED_PRECONDITION, MojoFuseMessagePipes(a, b));
  EXPECT(INVALID_ARGUMENT, MojoClose(a));
  EXPECT(INVALID_ARGUMENT, MojoClose(b));

  /* One end twice. */
  create_pipe(&a, &b);
  EXPECT(INVALID_ARGUMENT, MojoFuseMessagePipes(a, a));
  EXPECT(INVALID_ARGUMENT, MojoClose(a));
  EXPECT_SIGNALS(b, C, C);
  EXPECT(OK, MojoClose(b));

  /* Something else, which is closed all the same. */
  create_pipe(&a, &b);
  EXPECT(OK, MojoCreateSharedBuffer(NULL, 1, &c));
  EXPECT(INVALID_ARGUMENT, MojoFuseMessagePipes(a, c));
  EXPECT(INVALID_ARGUMENT, MojoClose(a));
  EXPECT(INVALID_ARGUMENT, MojoClose(c));
  EXPECT_SIGNALS(b, C, C);
  EXPECT(OK, MojoClose(b));
}

/* ---- Messages ---- */

static void test_message_buffers(void) {
  section("payloads");
  MojoMessageHandle message = 0;
  void* buffer = NULL;
  uint32_t size = 0;

  EXPECT(INVALID_ARGUMENT, MojoCreateMessage(NULL));
  EXPECT(INVALID_ARGUMENT, MojoDestroyMessage(MOJO_MESSAGE_HANDLE_INVALID));
  EXPECT(OK, MojoCreateMessage(&message));
  CHECK(message != MOJO_MESSAGE_HANDLE_INVALID);

  /* Nothing works on an empty message but to attach. */
  EXPECT(FAILED_PRECONDITION, MojoExtendSerializedMessagePayload(
                                  message, 1, NULL, 0, &buffer, &size));
  EXPECT(FAILED_PRECONDITION,
         MojoCommitSerializedMessageContents(message, 0, &buffer, &size));
  EXPECT(FAILED_PRECONDITION,
         MojoGetSerializedMessageContents(
             message, &buffer, &size, NULL, NULL,
             MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  EXPECT(NOT_FOUND, MojoSerializeMessage(message));

  EXPECT(INVALID_ARGUMENT,
         MojoAttachSerializedMessageBuffer(MOJO_MESSAGE_HANDLE_INVALID, 6, NULL,
                                           0, &buffer, &size));
  EXPECT(INVALID_ARGUMENT, MojoAttachSerializedMessageBuffer(
                               message, 6, NULL, 1, &buffer, &size));
  EXPECT(INVALID_ARGUMENT,
         MojoAttachSerializedMessageBuffer(message, 6, NULL, 0, NULL, &size));
  EXPECT(INVALID_ARGUMENT,
         MojoAttachSerializedMessageBuffer(message, 6, NULL, 0, &buffer, NULL));
  EXPECT(RESOURCE_EXHAUSTED, MojoAttachSerializedMessageBuffer(
                                 message, UINT32_MAX, NULL, 0, &buffer, &size));
  CHECK(buffer == NULL && size == 0);

  EXPECT(OK, MojoAttachSerializedMessageBuffer(message, 6, NULL, 0, &buffer,
                                               &size));
  CHECK(size >= 6 && (uintptr_t)buffer % 8 == 0);
  for (uint32_t i = 0; i < size; i++)
    CHECK(((const char*)buffer)[i] == 0);
  memcpy(buffer, "abcdef", 6);
  EXPECT(ALREADY_EXISTS, MojoAttachSerializedMessageBuffer(message, 6, NULL, 0,
                                                           &buffer, &size));
  EXPECT(FAILED_PRECONDITION, MojoSerializeMessage(message));
  EXPECT(FAILED_PRECONDITION,
         MojoGetSerializedMessageContents(
             message, &buffer, &size, NULL, NULL,
             MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));

  EXPECT(INVALID_ARGUMENT,
         MojoExtendSerializedMessagePayload(message, 7, NULL, 0, NULL, &size));
  EXPECT(OUT_OF_RANGE, MojoExtendSerializedMessagePayload(message, 5, NULL, 0,
                                                          &buffer, &size));
  EXPECT(RESOURCE_EXHAUSTED, MojoExtendSerializedMessagePayload(
                                 message, UINT32_MAX, NULL, 0, &buffer, &size));
  const uint32_t extended = 100000;
  EXPECT(OK, MojoExtendSerializedMessagePayload(message, extended, NULL, 0,
                                                &buffer, &size));
  CHECK(size >= extended && memcmp(buffer, "abcdef", 6) == 0);
  ((char*)buffer)[extended - 1] = 'z';

  EXPECT(OUT_OF_RANGE, MojoCommitSerializedMessageContents(
                           message, extended - 1, &buffer, &size));
  if (size < UINT32_MAX)
    EXPECT(OUT_OF_RANGE,
           MojoCommitSerializedMessageContents(message, size + 1, NULL, NULL));
  EXPECT(INVALID_ARGUMENT,
         MojoCommitSerializedMessageContents(MOJO_MESSAGE_HANDLE_INVALID,
                                             extended, NULL, NULL));
  EXPECT(OK, MojoCommitSerializedMessageContents(message, extended, &buffer,
                                                 &size));
  EXPECT(OK,
         MojoCommitSerializedMessageContents(message, extended, NULL, NULL));
  EXPECT(FAILED_PRECONDITION, MojoExtendSerializedMessagePayload(
                                  message, extended, NULL, 0, &buffer, &size));

  /* Still writable, and without handles it can be had again and again. */
  ((char*)buffer)[0] = 'A';
  for (int i = 0; i < 2; i++) {
    EXPECT(OK, MojoGetSerializedMessageContents(
                   message, &buffer, &size, NULL, NULL,
                   MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
    CHECK(size == extended && memcmp(buffer, "Abcdef", 6) == 0);
    CHECK(((const char*)buffer)[extended - 1] == 'z');
  }
  EXPECT(RESOURCE_EXHAUSTED,
         MojoGetSerializedMessageContents(
             message, NULL, NULL, NULL, NULL,
             MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  EXPECT(OK, MojoDestroyMessage(message));
  EXPECT(INVALID_ARGUMENT, MojoDestroyMessage(message));
  EXPECT(INVALID_ARGUMENT, MojoSerializeMessage(message));

  /* An empty message cannot be written, and is consumed by the attempt. */
  MojoHandle a, b;
  create_pipe(&a, &b);
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(NOT_FOUND, MojoWriteMessage(a, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT, MojoDestroyMessage(message));
  EXPECT(OK, MojoClose(a));
  EXPECT(OK, MojoClose(b));
}

static void test_attachments(void) {
  section("attachments");
  MojoMessageHandle message;
  MojoHandle a, b, c, d, watcher;
  void* buffer = NULL;
  uint32_t size = 0;
  create_pipe(&a, &b);
  create_pipe(&c, &d);
  EXPECT(OK, MojoCreateWatcher(&wake_waiter, &watcher));
  EXPECT(OK, MojoCreateMessage(&message));

  /* Refused attachments stay with the caller. */
  MojoHandle handles[2] = {c, c};
  EXPECT(BUSY, MojoAttachSerializedMessageBuffer(message, 0, handles, 2,
                                                 &buffer, &size));
  handles[1] = watcher;
  EXPECT(INVALID_ARGUMENT, MojoAttachSerializedMessageBuffer(
                               message, 0, handles, 2, &buffer, &size));
  handles[1] = MOJO_HANDLE_INVALID;
  EXPECT(INVALID_ARGUMENT, MojoAttachSerializedMessageBuffer(
                               message, 0, handles, 2, &buffer, &size));
  static const MojoHandle too_many[65536];
  EXPECT(RESOURCE_EXHAUSTED, MojoAttachSerializedMessageBuffer(
                                 message, 0, too_many, 65536, &buffer, &size));
  EXPECT_SIGNALS(c, W, R | W | C);

  /* Accepted ones are gone at once. */
  EXPECT(OK,
         MojoAttachSerializedMessageBuffer(message, 2, &c, 1, &buffer, &size));
  EXPECT(INVALID_ARGUMENT, MojoClose(c));
  memcpy(buffer, "hi", 2);

  /* More of them; a refusal does not touch those before. */
  MojoHandle shared;
  EXPECT(OK, MojoCreateSharedBuffer(NULL, 8, &shared));
  handles[0] = shared;
  handles[1] = MOJO_HANDLE_INVALID;
  EXPECT(INVALID_ARGUMENT, MojoExtendSerializedMessagePayload(
                               message, 2, handles, 2, &buffer, &size));
  EXPECT(OK, MojoExtendSerializedMessagePayload(message, 2, &shared, 1, &buffer,
                                                &size));
  EXPECT(INVALID_ARGUMENT, MojoClose(shared));
  EXPECT(OK, MojoWriteMessage(a, message, MOJO_WRITE_MESSAGE_FLAG_NONE));

  /* To ask for the sizes first changes nothing. */
  EXPECT(OK, MojoReadMessage(b, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  uint32_t count = 0;
  size = 0;
  EXPECT(RESOURCE_EXHAUSTED,
         MojoGetSerializedMessageContents(
             message, &buffer, &size, NULL, &count,
             MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  CHECK(size == 2 && count == 2);
  EXPECT(INVALID_ARGUMENT, MojoGetSerializedMessageContents(
                               message, &buffer, &size, NULL, &count,
                               MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  check_contents(message, "hi", 2, handles, 2);
  EXPECT(NOT_FOUND, MojoGetSerializedMessageContents(
                        message, &buffer, &size, handles, &count,
                        MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  EXPECT(OK, MojoDestroyMessage(message));

  c = handles[0];
  send_text(c, "moved", NULL, 0);
  receive_text(d, "moved", NULL, 0);
  EXPECT(OK, MojoUnmapBuffer(map(handles[1], 0, 8)));
  EXPECT(OK, MojoClose(handles[1]));

  /* Attachments end with their message. */
  message = message_with("", 0, &c, 1);
  EXPECT(OK, MojoDestroyMessage(message));
  EXPECT_SIGNALS(d, C, C);

  EXPECT(OK, MojoClose(watcher));
  EXPECT(OK, MojoClose(d));
  EXPECT(OK, MojoClose(a));
  EXPECT(OK, MojoClose(b));
}

struct lazy {
  int serialized;
  int destroyed;
  bool attach;
};

static void serialize_lazy(MojoMessageHandle message, uintptr_t context) {
  struct lazy* lazy = (struct lazy*)context;
  CHECK(lazy->destroyed == 0);
  lazy->serialized++;
  if (!lazy->attach)
    return;
  void* buffer;
  uint32_t size;
  EXPECT(OK, MojoAttachSerializedMessageBuffer(message, 4, NULL, 0, &buffer,
                                               &size));
  memcpy(buffer, "lazy", 4);
}

static void destroy_lazy(uintptr_t context) {
  ((struct lazy*)context)->destroyed++;
}

static MojoMessageHandle lazy_message(struct lazy* lazy) {
  MojoMessageHandle message;
  *lazy = (struct lazy){0, 0, true};
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK, MojoAttachMessageContext(message, (uintptr_t)lazy, &serialize_lazy,
                                      &destroy_lazy));
  return message;
}

static void test_contexts(void) {
  section("contexts");
  MojoMessageHandle message;
  struct lazy lazy = {0, 0, true};
  uintptr_t context = 0;
  void* buffer = NULL;
  uint32_t size = 0;

  /* Three arguments: the library never disposes of the context. */
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(INVALID_ARGUMENT, MojoAttachMessageContext(message, 0, NULL));
  EXPECT(INVALID_ARGUMENT,
         MojoAttachMessageContext(MOJO_MESSAGE_HANDLE_INVALID, 1, NULL));
  EXPECT(NOT_FOUND, MojoGetMessageContext(message, &context,
                                          MOJO_GET_MESSAGE_CONTEXT_FLAG_NONE));
  EXPECT(OK, MojoAttachMessageContext(message, 42, NULL));
  EXPECT(ALREADY_EXISTS, MojoAttachMessageContext(message, 43, NULL));
  EXPECT(FAILED_PRECONDITION, MojoAttachSerializedMessageBuffer(
                                  message, 1, NULL, 0, &buffer, &size));
  EXPECT(FAILED_PRECONDITION,
         MojoGetSerializedMessageContents(
             message, &buffer, &size, NULL, NULL,
             MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  EXPECT(NOT_FOUND, MojoSerializeMessage(message));
  EXPECT(
      INVALID_ARGUMENT,
      MojoGetMessageContext(message, NULL, MOJO_GET_MESSAGE_CONTEXT_FLAG_NONE));
  EXPECT(OK, MojoGetMessageContext(message, &context,
                                   MOJO_GET_MESSAGE_CONTEXT_FLAG_NONE));
  CHECK(context == 42);
  context = 0;
  EXPECT(OK, MojoGetMessageContext(message, &context,
                                   MOJO_GET_MESSAGE_CONTEXT_FLAG_RELEASE));
  CHECK(context == 42);
  EXPECT(NOT_FOUND, MojoGetMessageContext(message, &context,
                                          MOJO_GET_MESSAGE_CONTEXT_FLAG_NONE));
  EXPECT(OK, MojoAttachSerializedMessageBuffer(message, 1, NULL, 0, &buffer,
                                               &size));
  EXPECT(FAILED_PRECONDITION, MojoAttachMessageContext(message, 44, NULL));
  EXPECT(OK, MojoDestroyMessage(message));

  MojoResult (*attach)(MojoMessageHandle, uintptr_t,
                       MojoMessageContextSerializer) =
      &MojoAttachMessageContext;
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK, attach(message, (uintptr_t)&lazy, &serialize_lazy));
  EXPECT(OK, MojoSerializeMessage(message));
  check_contents(message, "lazy", 4, NULL, 0);
  EXPECT(FAILED_PRECONDITION, MojoSerializeMessage(message));
  EXPECT(OK, MojoDestroyMessage(message));
  CHECK(lazy.serialized == 1 && lazy.destroyed == 0);

  /* Four: it does, right after the serializer, or at the end. */
  message = lazy_message(&lazy);
  EXPECT(OK, MojoSerializeMessage(message));
  CHECK(lazy.serialized == 1 && lazy.destroyed == 1);
  check_contents(message, "lazy", 4, NULL, 0);
  EXPECT(OK, MojoDestroyMessage(message));
  CHECK(lazy.serialized == 1 && lazy.destroyed == 1);

  message = lazy_message(&lazy);
  EXPECT(OK, MojoDestroyMessage(message));
  CHECK(lazy.serialized == 0 && lazy.destroyed == 1);

  message = lazy_message(&lazy);
  EXPECT(OK, MojoGetMessageContext(message, &context,
                                   MOJO_GET_MESSAGE_CONTEXT_FLAG_RELEASE));
  EXPECT(OK, MojoDestroyMessage(message));
  CHECK(lazy.serialized == 0 && lazy.destroyed == 0);

  /* A serializer that attaches nothing. */
  message = lazy_message(&lazy);
  lazy.attach = false;
  EXPECT(ABORTED, MojoSerializeMessage(message));
  CHECK(lazy.serialized == 1 && lazy.destroyed == 1);
  EXPECT(NOT_FOUND, MojoSerializeMessage(message));
  EXPECT(OK, MojoDestroyMessage(message));

  /* Within the process a context arrives as it is. */
  MojoHandle a, b;
  create_pipe(&a, &b);
  EXPECT(OK, MojoWriteMessage(a, lazy_message(&lazy),
                              MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoReadMessage(b, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoGetMessageContext(message, &context,
                                   MOJO_GET_MESSAGE_CONTEXT_FLAG_NONE));
  CHECK(context == (uintptr_t)&lazy);
  EXPECT(OK, MojoDestroyMessage(message));
  CHECK(lazy.serialized == 0 && lazy.destroyed == 1);

  /* Unread messages go with the end that they wait at. */
  EXPECT(OK, MojoWriteMessage(a, lazy_message(&lazy),
                              MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoClose(b));
  CHECK(lazy.serialized == 0 && lazy.destroyed == 1);
  EXPECT(OK, MojoClose(a));
}

static void test_bad_messages(void) {
  section("reports of bad messages");
  MojoMessageHandle message = message_with("bad", 3, NULL, 0);
  EXPECT(INVALID_ARGUMENT,
         MojoNotifyBadMessage(MOJO_MESSAGE_HANDLE_INVALID, "why", 3));
  EXPECT(INVALID_ARGUMENT, MojoNotifyBadMessage(message, NULL, 3));
  EXPECT(OK, MojoNotifyBadMessage(message, "why", 3));
  EXPECT(OK, MojoNotifyBadMessage(message, NULL, 0));
  EXPECT(OK, MojoDestroyMessage(message));
}

/* ---- Data pipes ---- */

static void create_data_pipe(uint32_t element,
                             uint32_t capacity,
                             MojoHandle* producer,
                             MojoHandle* consumer) {
  MojoCreateDataPipeOptions options = {sizeof(options),
                                       MOJO_CREATE_DATA_PIPE_OPTIONS_FLAG_NONE,
                                       element, capacity};
  EXPECT(OK, MojoCreateDataPipe(&options, producer, consumer));
}

static void test_data_pipe_options(void) {
  section("options of data pipes");
  MojoHandle producer = 77, consumer = 78;
  struct MojoCreateDataPipeOptions options = {sizeof(options), 0, 4, 16};

  EXPECT(INVALID_ARGUMENT, MojoCreateDataPipe(NULL, NULL, &consumer));
  EXPECT(INVALID_ARGUMENT, MojoCreateDataPipe(NULL, &producer, NULL));
  options.struct_size = 12;
  EXPECT(INVALID_ARGUMENT, MojoCreateDataPipe(&options, &producer, &consumer));
  options.struct_size = sizeof(options);
  options.flags = ~(MojoCreateDataPipeOptionsFlags)0;
  EXPECT(UNIMPLEMENTED, MojoCreateDataPipe(&options, &producer, &consumer));
  options.flags = 0;
  options.element_num_bytes = 0;
  EXPECT(INVALID_ARGUMENT, MojoCreateDataPipe(&options, &producer, &consumer));
  options.element_num_bytes = 5;
  EXPECT(INVALID_ARGUMENT, MojoCreateDataPipe(&options, &producer, &consumer));
  options.element_num_bytes = 32;
  EXPECT(INVALID_ARGUMENT, MojoCreateDataPipe(&options, &producer, &consumer));
  options.element_num_bytes = 1;
  options.capacity_num_bytes = UINT32_MAX;
  EXPECT(RESOURCE_EXHAUSTED,
         MojoCreateDataPipe(&options, &producer, &consumer));
  CHECK(producer == 77 && consumer == 78);

  /* The default capacity, in whole elements. */
  static const char zeros[70000];
  uint32_t num_bytes = 69900;
  create_data_pipe(100, 0, &producer, &consumer);
  EXPECT(OK,
         MojoWriteData(producer, zeros, &num_bytes, MOJO_WRITE_DATA_FLAG_NONE));
  CHECK(num_bytes == 65500);
  EXPECT(OK, MojoClose(producer));
  EXPECT(OK, MojoClose(consumer));

  num_bytes = sizeof(zeros);
  EXPECT(OK, MojoCreateDataPipe(NULL, &producer, &consumer));
  EXPECT(OK,
         MojoWriteData(producer, zeros, &num_bytes, MOJO_WRITE_DATA_FLAG_NONE));
  CHECK(num_bytes == 65536);
  EXPECT(OK, MojoClose(producer));
  EXPECT(OK, MojoClose(consumer));
}

static void test_data_pipes(void) {
  section("data pipes");
  static const char text[] = "0123456789abcdefghij";
  MojoHandle producer, consumer;
  char read[64];
  uint32_t n;
  create_data_pipe(4, 16, &producer, &consumer);
  EXPECT_SIGNALS(producer, W, W | C);
  EXPECT_SIGNALS(consumer, 0, R | N | C);

  n = 4;
  EXPECT(INVALID_ARGUMENT,
         MojoWriteData(consumer, text, &n, MOJO_WRITE_DATA_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT,
         MojoReadData(producer, read, &n, MOJO_READ_DATA_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT,
         MojoWriteData(producer, text, NULL, MOJO_WRITE_DATA_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT,
         MojoWriteData(producer, NULL, &n, MOJO_WRITE_DATA_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT,
         MojoReadData(consumer, read, NULL, MOJO_READ_DATA_FLAG_NONE));
  EXPECT(SHOULD_WAIT,
         MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_NONE));
  EXPECT(OUT_OF_RANGE,
         MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_ALL_OR_NONE));
  CHECK(n == 4);

  n = 0;
  EXPECT(OK, MojoWriteData(producer, NULL, &n, MOJO_WRITE_DATA_FLAG_NONE));
  n = 3;
  EXPECT(INVALID_ARGUMENT,
         MojoWriteData(producer, text, &n, MOJO_WRITE_DATA_FLAG_NONE));
  CHECK(n == 3);
  n = 20;
  EXPECT(OUT_OF_RANGE,
         MojoWriteData(producer, text, &n, MOJO_WRITE_DATA_FLAG_ALL_OR_NONE));
  CHECK(n == 20);
  EXPECT(OK, MojoWriteData(producer, text, &n, MOJO_WRITE_DATA_FLAG_NONE));
  CHECK(n == 16);
  EXPECT_SIGNALS(producer, 0, W | C);
  EXPECT_SIGNALS(consumer, R | N, R | N | C);
  n = 4;
  EXPECT(SHOULD_WAIT,
         MojoWriteData(producer, text, &n, MOJO_WRITE_DATA_FLAG_NONE));
  CHECK(n == 4);

  n = 0;
  EXPECT(OK, MojoReadData(consumer, NULL, &n, MOJO_READ_DATA_FLAG_QUERY));
  CHECK(n == 16);
  EXPECT_SIGNALS(consumer, R, R | N | C);
  n = 8;
  EXPECT(OK, MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_PEEK));
  CHECK(n == 8 && memcmp(read, text, 8) == 0);
  n = 4;
  EXPECT(INVALID_ARGUMENT,
         MojoReadData(consumer, read, &n,
                      MOJO_READ_DATA_FLAG_PEEK | MOJO_READ_DATA_FLAG_DISCARD));
  EXPECT(INVALID_ARGUMENT,
         MojoReadData(consumer, read, &n,
                      MOJO_READ_DATA_FLAG_PEEK | MOJO_READ_DATA_FLAG_QUERY));
  EXPECT(INVALID_ARGUMENT,
         MojoReadData(consumer, read, &n,
                      MOJO_READ_DATA_FLAG_DISCARD | MOJO_READ_DATA_FLAG_QUERY));
  EXPECT(INVALID_ARGUMENT,
         MojoReadData(consumer, NULL, &n, MOJO_READ_DATA_FLAG_NONE));
  EXPECT(OK, MojoReadData(consumer, NULL, &n, MOJO_READ_DATA_FLAG_DISCARD));
  CHECK(n == 4);
  EXPECT_SIGNALS(producer, W, W | C);
  n = 16;
  EXPECT(OUT_OF_RANGE,
         MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_ALL_OR_NONE));
  CHECK(n == 16);
  n = 5;
  EXPECT(INVALID_ARGUMENT,
         MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_NONE));
  n = 0;
  EXPECT(SHOULD_WAIT,
         MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_NONE));
  n = 4;
  EXPECT(OK, MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_ALL_OR_NONE));
  CHECK(n == 4 && memcmp(read, text + 4, 4) == 0);

  /* Round the end of the ring. */
  n = 8;
  EXPECT(OK, MojoWriteData(producer, "KLMNOPQR", &n,
                           MOJO_WRITE_DATA_FLAG_ALL_OR_NONE));
  CHECK(n == 8);
  n = sizeof(read);
  EXPECT(OK, MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_NONE));
  CHECK(n == 16 && memcmp(read, "89abcdefKLMNOPQR", 16) == 0);

  /* The producer closes: what is there remains. */
  n = 4;
  EXPECT(OK, MojoWriteData(producer, "last", &n, MOJO_WRITE_DATA_FLAG_NONE));
  EXPECT(OK, MojoClose(producer));
  EXPECT_SIGNALS(consumer, R | N | C, R | N | C);
  n = 8;
  EXPECT(FAILED_PRECONDITION,
         MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_ALL_OR_NONE));
  EXPECT(OK, MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_NONE));
  CHECK(n == 4 && memcmp(read, "last", 4) == 0);
  EXPECT(FAILED_PRECONDITION,
         MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_NONE));
  EXPECT_SIGNALS(consumer, C, C);
  EXPECT(OK, MojoClose(consumer));

  /* The consumer closes. */
  create_data_pipe(1, 16, &producer, &consumer);
  EXPECT(OK, MojoClose(consumer));
  EXPECT_SIGNALS(producer, C, C);
  n = 0;
  EXPECT(FAILED_PRECONDITION,
         MojoWriteData(producer, NULL, &n, MOJO_WRITE_DATA_FLAG_NONE));
  EXPECT(OK, MojoClose(producer));
}

static void test_two_phase_writing(MojoHandle producer) {
  void* room = NULL;
  uint32_t n = 0;
  EXPECT(INVALID_ARGUMENT,
         MojoBeginWriteData(producer, &room, &n,
                            MOJO_WRITE_DATA_FLAG_ALL_OR_NONE));
  EXPECT(INVALID_ARGUMENT,
         MojoBeginWriteData(producer, NULL, &n, MOJO_WRITE_DATA_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT,
         MojoBeginWriteData(producer, &room, NULL, MOJO_WRITE_DATA_FLAG_NONE));
  EXPECT(FAILED_PRECONDITION, MojoEndWriteData(producer, 0));

  EXPECT(OK,
         MojoBeginWriteData(producer, &room, &n, MOJO_WRITE_DATA_FLAG_NONE));
  CHECK(n == 80);
  EXPECT_SIGNALS(producer, 0, W | C);
  n = 1;
  EXPECT(BUSY, MojoWriteData(producer, "x", &n, MOJO_WRITE_DATA_FLAG_NONE));
  EXPECT(BUSY,
         MojoBeginWriteData(producer, &room, &n, MOJO_WRITE_DATA_FLAG_NONE));

  /* Not transferable meanwhile. */
  MojoMessageHandle message;
  void* buffer;
  uint32_t size;
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(BUSY, MojoAttachSerializedMessageBuffer(message, 0, &producer, 1,
                                                 &buffer, &size));
  EXPECT(OK, MojoDestroyMessage(message));

  /* A wrong amount ends the operation all the same. */
  EXPECT(INVALID_ARGUMENT, MojoEndWriteData(producer, 81));
  EXPECT(FAILED_PRECONDITION, MojoEndWriteData(producer, 0));
  EXPECT_SIGNALS(producer, W, W | C);

  EXPECT(OK,
         MojoBeginWriteData(producer, &room, &n, MOJO_WRITE_DATA_FLAG_NONE));
  CHECK(n == 80);
  memset(room, 'b', n);
  EXPECT(OK, MojoEndWriteData(producer, n));
  EXPECT_SIGNALS(producer, W, W | C);
}

static void test_two_phase_reading(MojoHandle consumer) {
  const void* bytes = NULL;
  char read[16];
  uint32_t n = 1;
  EXPECT(INVALID_ARGUMENT,
         MojoBeginReadData(consumer, &bytes, &n, MOJO_READ_DATA_FLAG_PEEK));
  EXPECT(INVALID_ARGUMENT,
         MojoBeginReadData(consumer, NULL, &n, MOJO_READ_DATA_FLAG_NONE));
  EXPECT(FAILED_PRECONDITION, MojoEndReadData(consumer, 0));

  EXPECT(OK, MojoBeginReadData(consumer, &bytes, &n, MOJO_READ_DATA_FLAG_NONE));
  CHECK(n == 90);
  EXPECT_SIGNALS(consumer, 0, R | N | C);
  n = 1;
  EXPECT(BUSY, MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_QUERY));
  EXPECT(BUSY,
         MojoBeginReadData(consumer, &bytes, &n, MOJO_READ_DATA_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT, MojoEndReadData(consumer, 91));
  EXPECT(FAILED_PRECONDITION, MojoEndReadData(consumer, 0));

  EXPECT(OK, MojoBeginReadData(consumer, &bytes, &n, MOJO_READ_DATA_FLAG_NONE));
  CHECK(n == 90);
  CHECK(((const char*)bytes)[9] == 'a' && ((const char*)bytes)[10] == 'b');
  EXPECT(OK, MojoEndReadData(consumer, n));
  n = sizeof(read);
  EXPECT(OK, MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_NONE));
  CHECK(n == 10 && memcmp(read, "cccccccccc", 10) == 0);
  EXPECT(SHOULD_WAIT,
         MojoBeginReadData(consumer, &bytes, &n, MOJO_READ_DATA_FLAG_NONE));
}

static void test_two_phase_data_pipes(void) {
  section("data pipes in two phases");
  MojoHandle producer, consumer;
  char read[16];
  const void* bytes;
  void* room;
  uint32_t n = 20;
  create_data_pipe(1, 100, &producer, &consumer);
  EXPECT(OK, MojoWriteData(producer, "aaaaaaaaaaaaaaaaaaaa", &n,
                           MOJO_WRITE_DATA_FLAG_NONE));
  n = 10;
  EXPECT(OK, MojoReadData(consumer, read, &n, MOJO_READ_DATA_FLAG_NONE));
  CHECK(n == 10);

  /* 90 bytes are free, 80 of them in one piece; then 100 and 90 to read. */
  test_two_phase_writing(producer);
  n = 16;
  EXPECT(OK, MojoWriteData(producer, "cccccccccccccccc", &n,
                           MOJO_WRITE_DATA_FLAG_NONE));
  CHECK(n == 10);
  EXPECT(SHOULD_WAIT,
         MojoBeginWriteData(producer, &room, &n, MOJO_WRITE_DATA_FLAG_NONE));
  test_two_phase_reading(consumer);

  /* A write that is cut off by closing does not count. */
  EXPECT(OK,
         MojoBeginWriteData(producer, &room, &n, MOJO_WRITE_DATA_FLAG_NONE));
  EXPECT(OK, MojoClose(producer));
  EXPECT_SIGNALS(consumer, C, C);
  EXPECT(FAILED_PRECONDITION,
         MojoBeginReadData(consumer, &bytes, &n, MOJO_READ_DATA_FLAG_NONE));
  EXPECT(OK, MojoClose(consumer));

  /* A write ends well also after the consumer. */
  create_data_pipe(1, 100, &producer, &consumer);
  EXPECT(OK,
         MojoBeginWriteData(producer, &room, &n, MOJO_WRITE_DATA_FLAG_NONE));
  EXPECT(OK, MojoClose(consumer));
  memset(room, 0, n);
  EXPECT(OK, MojoEndWriteData(producer, n));
  EXPECT(FAILED_PRECONDITION,
         MojoBeginWriteData(producer, &room, &n, MOJO_WRITE_DATA_FLAG_NONE));
  EXPECT(OK, MojoClose(producer));
}

/* ---- Shared buffers ---- */

/* Asks the system, which answers with an error instead of a signal. */
static bool is_writable(void* address) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  CHECK(write(ends[1], address, 1) == 1);
  bool writable = read(ends[0], address, 1) == 1;
  CHECK(writable || errno == EFAULT);
  close(ends[0]);
  close(ends[1]);
  return writable;
}

static void test_shared_buffers(void) {
  section("shared buffers");
  MojoHandle buffer = 77;
  MojoCreateSharedBufferOptions options = {
      sizeof(options), MOJO_CREATE_SHARED_BUFFER_OPTIONS_FLAG_NONE};

  EXPECT(INVALID_ARGUMENT, MojoCreateSharedBuffer(NULL, 8, NULL));
  EXPECT(INVALID_ARGUMENT, MojoCreateSharedBuffer(NULL, 0, &buffer));
  EXPECT(RESOURCE_EXHAUSTED, MojoCreateSharedBuffer(NULL, UINT64_MAX, &buffer));
  options.struct_size = 0;
  EXPECT(INVALID_ARGUMENT, MojoCreateSharedBuffer(&options, 8, &buffer));
  options.struct_size = sizeof(options);
  options.flags = ~(MojoCreateSharedBufferOptionsFlags)0;
  EXPECT(UNIMPLEMENTED, MojoCreateSharedBuffer(&options, 8, &buffer));
  CHECK(buffer == 77);
  options.flags = 0;
  EXPECT(OK, MojoCreateSharedBuffer(&options, 10000, &buffer));
  EXPECT_SIGNALS(buffer, 0, 0);

  /* Mappings. */
  void* address = NULL;
  EXPECT(INVALID_ARGUMENT,
         MojoMapBuffer(buffer, 0, 0, &address, MOJO_MAP_BUFFER_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT,
         MojoMapBuffer(buffer, 0, 1, NULL, MOJO_MAP_BUFFER_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT,
         MojoMapBuffer(buffer, 0, 10001, &address, MOJO_MAP_BUFFER_FLAG_NONE));
  EXPECT(INVALID_ARGUMENT, MojoMapBuffer(buffer, UINT64_MAX, 2, &address,
                                         MOJO_MAP_BUFFER_FLAG_NONE));
  CHECK(address == NULL);
  char* all = map(buffer, 0, 10000);
  for (int i = 0; i < 10000; i++)
    CHECK(all[i] == 0);
  char* part = map(buffer, 5001, 4999);
  all[5001] = 'x';
  CHECK(part[0] == 'x' && part != all + 5001);
  EXPECT(INVALID_ARGUMENT, MojoUnmapBuffer(NULL));
  EXPECT(INVALID_ARGUMENT, MojoUnmapBuffer(part + 1));
  EXPECT(OK, MojoUnmapBuffer(part));
  EXPECT(INVALID_ARGUMENT, MojoUnmapBuffer(part));

  /* Duplicates. */
  MojoHandle duplicate = 77;
  EXPECT(INVALID_ARGUMENT, MojoDuplicateBufferHandle(buffer, NULL, NULL));
  EXPECT(INVALID_ARGUMENT,
         MojoDuplicateBufferHandle(MOJO_HANDLE_INVALID, NULL, &duplicate));
  struct MojoDuplicateBufferHandleOptions how = {4, UINT32_MAX};
  how.struct_size = 3;
  EXPECT(INVALID_ARGUMENT, MojoDuplicateBufferHandle(buffer, &how, &duplicate));
  how.struct_size = sizeof(how);
  EXPECT(UNIMPLEMENTED, MojoDuplicateBufferHandle(buffer, &how, &duplicate));
  CHECK(duplicate == 77);
  how.struct_size = 4;
  EXPECT(OK, MojoDuplicateBufferHandle(buffer, &how, &duplicate));
  part = map(duplicate, 5001, 1);
  CHECK(*part == 'x' && is_writable(part));
  EXPECT(OK, MojoUnmapBuffer(part));

  MojoHandle read_only, again;
  how.struct_size = sizeof(how);
  how.flags = MOJO_DUPLICATE_BUFFER_HANDLE_OPTIONS_FLAG_READ_ONLY;
  EXPECT(OK, MojoDuplicateBufferHandle(buffer, &how, &read_only));
  EXPECT(OK, MojoDuplicateBufferHandle(read_only, NULL, &again));
  EXPECT(OK, MojoClose(buffer));
  EXPECT(OK, MojoClose(duplicate));
  EXPECT(OK, MojoClose(read_only));
  part = map(again, 5001, 1);
  EXPECT(OK, MojoClose(again));
  EXPECT(INVALID_ARGUMENT,
         MojoMapBuffer(again, 0, 1, &address, MOJO_MAP_BUFFER_FLAG_NONE));

  /* Mappings outlive the handles, and see each other. */
  all[5001] = 'y';
  CHECK(*part == 'y' && !is_writable(part) && is_writable(all));
  EXPECT(OK, MojoUnmapBuffer(part));
  EXPECT(OK, MojoUnmapBuffer(all));
}

/* ---- Platform handles ---- */

static MojoPlatformHandle descriptor(int fd) {
  MojoPlatformHandle handle;
  handle.struct_size = sizeof(handle);
  handle.type = MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR;
  handle.value = (uint64_t)fd;
  return handle;
}

static bool is_open(int fd) {
  return fcntl(fd, F_GETFD) != -1;
}

static void test_platform_handles(void) {
  section("platform handles");
  MojoHandle handle = 77;
  int ends[2];
  char byte = 0;
  CHECK(pipe(ends) == 0);
  struct MojoPlatformHandle native = descriptor(ends[1]);

  EXPECT(INVALID_ARGUMENT, MojoWrapPlatformHandle(NULL, &handle));
  EXPECT(INVALID_ARGUMENT, MojoWrapPlatformHandle(&native, NULL));
  native.struct_size = 0;
  EXPECT(INVALID_ARGUMENT, MojoWrapPlatformHandle(&native, &handle));
  native.struct_size = sizeof(native);
  native.type = MOJO_PLATFORM_HANDLE_TYPE_WINDOWS_HANDLE;
  EXPECT(INVALID_ARGUMENT, MojoWrapPlatformHandle(&native, &handle));
  native.type = 1000;
  EXPECT(INVALID_ARGUMENT, MojoWrapPlatformHandle(&native, &handle));
  CHECK(handle == 77 && is_open(ends[1]));

  /* In, through a pipe, out, and back in. */
  native = descriptor(ends[1]);
  EXPECT(OK, MojoWrapPlatformHandle(&native, &handle));
  EXPECT_SIGNALS(handle, 0, 0);
  MojoHandle a, b;
  create_pipe(&a, &b);
  send_text(a, "descriptor", &handle, 1);
  EXPECT(INVALID_ARGUMENT, MojoClose(handle));
  receive_text(b, "descriptor", &handle, 1);
  memset(&native, 0, sizeof(native));
  native.struct_size = sizeof(native);
  EXPECT(OK, MojoUnwrapPlatformHandle(handle, &native));
  EXPECT(INVALID_ARGUMENT, MojoClose(handle));
  CHECK(native.type == MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR);
  CHECK(write((int)native.value, "!", 1) == 1);
  CHECK(read(ends[0], &byte, 1) == 1 && byte == '!');
  EXPECT(OK, MojoWrapPlatformHandle(&native, &handle));

  /* To close the one closes the other: the pipe has no writer left. */
  EXPECT(OK, MojoClose(handle));
  CHECK(read(ends[0], &byte, 1) == 0);

  /* Unwrapping closes whatever it is given. */
  native = descriptor(ends[0]);
  EXPECT(OK, MojoWrapPlatformHandle(&native, &handle));
  EXPECT(INVALID_ARGUMENT, MojoUnwrapPlatformHandle(handle, NULL));
  EXPECT(INVALID_ARGUMENT, MojoClose(handle));
  CHECK(!is_open(ends[0]));
  CHECK(pipe(ends) == 0);
  native = descriptor(ends[0]);
  EXPECT(OK, MojoWrapPlatformHandle(&native, &handle));
  native.struct_size = 0;
  EXPECT(INVALID_ARGUMENT, MojoUnwrapPlatformHandle(handle, &native));
  CHECK(!is_open(ends[0]));
  close(ends[1]);
  native.struct_size = sizeof(native);
  EXPECT(INVALID_ARGUMENT, MojoUnwrapPlatformHandle(a, &native));
  EXPECT(INVALID_ARGUMENT, MojoClose(a));
  EXPECT_SIGNALS(b, C, C);
  EXPECT(INVALID_ARGUMENT, MojoUnwrapPlatformHandle(a, &native));
  EXPECT(OK, MojoClose(b));

  /* The handle that is none. */
  native.type = MOJO_PLATFORM_HANDLE_TYPE_INVALID;
  EXPECT(OK, MojoWrapPlatformHandle(&native, &handle));
  native.type = MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR;
  EXPECT(OK, MojoUnwrapPlatformHandle(handle, &native));
  CHECK(native.type == MOJO_PLATFORM_HANDLE_TYPE_INVALID);
}

static void test_wrapped_shared_buffers(void) {
  section("wrapped shared buffers");
  MojoHandle buffer, twin;
  char* bytes;
  EXPECT(OK, MojoCreateSharedBuffer(NULL, 5000, &buffer));
  EXPECT(OK, MojoDuplicateBufferHandle(buffer, NULL, &twin));
  bytes = map(buffer, 0, 5000);
  bytes[4999] = 'e';

  MojoPlatformHandle native = {sizeof(native), 0, 0};
  size_t num_bytes = 0;
  struct MojoSharedBufferGuid guid = {0, 0};
  MojoPlatformSharedBufferHandleFlags flags = UINT32_MAX;
  EXPECT(OK, MojoUnwrapPlatformSharedBuffer(buffer, &native, &num_bytes, &guid,
                                            &flags));
  EXPECT(INVALID_ARGUMENT, MojoClose(buffer));
  CHECK(native.type == MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR);
  CHECK(is_open((int)native.value));
  CHECK(num_bytes == 5000 && (guid.high != 0 || guid.low != 0));
  CHECK(flags == MOJO_PLATFORM_SHARED_BUFFER_HANDLE_FLAG_NONE);

  /* Refused, the descriptor stays the caller's. */
  const MojoSharedBufferGuid none = {0, 0};
  EXPECT(INVALID_ARGUMENT,
         MojoWrapPlatformSharedBuffer(NULL, num_bytes, &guid, flags, &buffer));
  EXPECT(INVALID_ARGUMENT,
         MojoWrapPlatformSharedBuffer(&native, 0, &guid, flags, &buffer));
  EXPECT(INVALID_ARGUMENT, MojoWrapPlatformSharedBuffer(&native, num_bytes,
                                                        NULL, flags, &buffer));
  EXPECT(INVALID_ARGUMENT, MojoWrapPlatformSharedBuffer(&native, num_bytes,
                                                        &none, flags, &buffer));
  EXPECT(INVALID_ARGUMENT,
         MojoWrapPlatformSharedBuffer(&native, num_bytes, &guid, flags, NULL));
  native.struct_size = 0;
  EXPECT(INVALID_ARGUMENT, MojoWrapPlatformSharedBuffer(&native, num_bytes,
                                                        &guid, flags, &buffer));
  native.struct_size = sizeof(native);
  native.type = MOJO_PLATFORM_HANDLE_TYPE_INVALID;
  EXPECT(INVALID_ARGUMENT, MojoWrapPlatformSharedBuffer(&native, num_bytes,
                                                        &guid, flags, &buffer));
  native.type = MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR;
  CHECK(is_open((int)native.value));

  /* Back in, by the other spelling; it is the same memory. */
  EXPECT(OK, MojoWrapPlatformSharedBufferHandle(&native, num_bytes, &guid,
                                                flags, &buffer));
  char* same;
  same = map(buffer, 4999, 1);
  CHECK(*same == 'e');
  EXPECT(OK, MojoUnmapBuffer(same));

  struct MojoSharedBufferGuid other = {0, 0};
  EXPECT(OK, MojoUnwrapPlatformSharedBufferHandle(twin, &native, &num_bytes,
                                                  &other, &flags));
  CHECK(other.high == guid.high && other.low == guid.low);
  close((int)native.value);

  /* Whatever is given to be unwrapped is closed. */
  EXPECT(INVALID_ARGUMENT,
         MojoUnwrapPlatformSharedBuffer(buffer, &native, NULL, &guid, &flags));
  EXPECT(INVALID_ARGUMENT, MojoClose(buffer));
  EXPECT(OK, MojoUnmapBuffer(bytes));
  MojoHandle a, b;
  create_pipe(&a, &b);
  EXPECT(INVALID_ARGUMENT, MojoUnwrapPlatformSharedBufferHandle(
                               a, &native, &num_bytes, &guid, &flags));
  EXPECT_SIGNALS(b, C, C);
  EXPECT(OK, MojoClose(b));

  /* Memory from elsewhere, read-only. */
  int memory = memfd_create("smoke", MFD_CLOEXEC);
  CHECK(memory >= 0 && ftruncate(memory, 100) == 0);
  CHECK(pwrite(memory, "memory", 6, 0) == 6);
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
  int readable = open(path, O_RDONLY | O_CLOEXEC);
  CHECK(readable >= 0);
  close(memory);
  native = descriptor(readable);
  guid.high = 1;
  guid.low = 2;
  EXPECT(OK, MojoWrapPlatformSharedBuffer(
                 &native, 100, &guid,
                 MOJO_PLATFORM_SHARED_BUFFER_HANDLE_FLAG_READ_ONLY, &buffer));
  bytes = map(buffer, 0, 100);
  CHECK(memcmp(bytes, "memory", 6) == 0 && !is_writable(bytes));
  EXPECT(OK, MojoUnmapBuffer(bytes));
  EXPECT(OK, MojoUnwrapPlatformSharedBuffer(buffer, &native, &num_bytes, &other,
                                            &flags));
  CHECK(num_bytes == 100 && other.high == 1 && other.low == 2);
  CHECK(flags == MOJO_PLATFORM_SHARED_BUFFER_HANDLE_FLAG_READ_ONLY);
  close((int)native.value);

  /* A descriptor that is no memory. */
  int ends[2];
  CHECK(pipe(ends) == 0);
  native = descriptor(ends[0]);
  MojoResult result =
      MojoWrapPlatformSharedBuffer(&native, 100, &guid, 0, &buffer);
  CHECK(result == MOJO_RESULT_UNKNOWN ||
        result == MOJO_RESULT_INVALID_ARGUMENT);
  CHECK(is_open(ends[0]));
  close(ends[0]);
  close(ends[1]);
}

/* ---- Watchers ---- */

static struct {
  unsigned count;
  uintptr_t context;
  MojoResult result;
  MojoHandleSignalsState state;
  MojoWatcherNotificationFlags flags;
} last_notification;

static void record_notification(uintptr_t context,
                                MojoResult result,
                                struct MojoHandleSignalsState state,
                                MojoWatcherNotificationFlags flags) {
  last_notification.count++;
  last_notification.context = context;
  last_notification.result = result;
  last_notification.state = state;
  last_notification.flags = flags;
}

#define EXPECT_NOTIFIED(number, expected_context, name)    \
  (CHECK(last_notification.count == (number)),             \
   CHECK(last_notification.context == (expected_context)), \
   CHECK(last_notification.result == MOJO_RESULT_##name),  \
   CHECK(last_notification.flags == MOJO_WATCHER_NOTIFICATION_FLAG_NONE))

static void test_watcher_arguments(void) {
  section("arguments of watchers");
  MojoHandle watcher = 77, a, b, c, d, buffer;
  create_pipe(&a, &b);
  create_pipe(&c, &d);
  EXPECT(OK, MojoCreateSharedBuffer(NULL, 1, &buffer));
  EXPECT(INVALID_ARGUMENT, MojoCreateWatcher(NULL, &watcher));
  EXPECT(INVALID_ARGUMENT, MojoCreateWatcher(&record_notification, NULL));
  CHECK(watcher == 77);
  EXPECT(OK, MojoCreateWatcher(&record_notification, &watcher));
  EXPECT_SIGNALS(watcher, 0, 0);

  EXPECT(NOT_FOUND, MojoArmWatcher(watcher, NULL, NULL, NULL, NULL));
  EXPECT(INVALID_ARGUMENT, MojoArmWatcher(a, NULL, NULL, NULL, NULL));
  uint32_t one = 1;
  EXPECT(INVALID_ARGUMENT, MojoArmWatcher(watcher, &one, NULL, NULL, NULL));

  EXPECT(INVALID_ARGUMENT, MojoWatch(a, b, R, 1));
  EXPECT(INVALID_ARGUMENT, MojoWatch(watcher, MOJO_HANDLE_INVALID, R, 1));
  EXPECT(INVALID_ARGUMENT, MojoWatch(watcher, buffer, R, 1));
  EXPECT(INVALID_ARGUMENT, MojoWatch(watcher, watcher, R, 1));
  EXPECT(OK, MojoWatch(watcher, a, R, 1));
  EXPECT(ALREADY_EXISTS, MojoWatch(watcher, c, R, 1));
  EXPECT(ALREADY_EXISTS, MojoWatch(watcher, a, R, 2));
  EXPECT(INVALID_ARGUMENT, MojoCancelWatch(a, 1));
  EXPECT(NOT_FOUND, MojoCancelWatch(watcher, 2));

  EXPECT(OK, MojoClose(watcher));
  EXPECT(OK, MojoClose(a));
  EXPECT(OK, MojoClose(b));
  EXPECT(OK, MojoClose(c));
  EXPECT(OK, MojoClose(d));
  EXPECT(OK, MojoClose(buffer));
}

static void test_watchers(void) {
  section("watchers");
  MojoHandle watcher, a, b;
  uint32_t num_ready;
  uintptr_t contexts[4];
  MojoResult results[4];
  MojoHandleSignalsState states[4];
  last_notification.count = 0;
  create_pipe(&a, &b);
  EXPECT(OK, MojoCreateWatcher(&record_notification, &watcher));
  EXPECT(OK, MojoWatch(watcher, a, R, 1234));

  /* Nothing before it is armed, one thing after. */
  send_text(b, "unarmed", NULL, 0);
  receive_text(a, "unarmed", NULL, 0);
  CHECK(last_notification.count == 0);
  num_ready = 4;
  EXPECT(OK, MojoArmWatcher(watcher, &num_ready, contexts, results, states));
  CHECK(num_ready == 4);
  EXPECT(OK, MojoArmWatcher(watcher, NULL, NULL, NULL, NULL));
  send_text(b, "one", NULL, 0);
  EXPECT_NOTIFIED(1, 1234, OK);
  CHECK(last_notification.state.satisfied_signals == (R | W));
  send_text(b, "two", NULL, 0);
  CHECK(last_notification.count == 1);

  /* Not to be armed while there is something to report. */
  EXPECT(FAILED_PRECONDITION,
         MojoArmWatcher(watcher, &num_ready, contexts, results, states));
  CHECK(num_ready == 1 && contexts[0] == 1234 && results[0] == MOJO_RESULT_OK);
  CHECK(states[0].satisfied_signals == (R | W));
  CHECK(states[0].satisfiable_signals == (R | W | C));
  num_ready = 0;
  EXPECT(FAILED_PRECONDITION,
         MojoArmWatcher(watcher, &num_ready, contexts, results, states));
  CHECK(num_ready == 0);
  EXPECT(FAILED_PRECONDITION, MojoArmWatcher(watcher, NULL, NULL, NULL, NULL));
  receive_text(a, "one", NULL, 0);
  receive_text(a, "two", NULL, 0);

  EXPECT(OK, MojoArmWatcher(watcher, NULL, NULL, NULL, NULL));
  EXPECT(OK, MojoClose(b));
  EXPECT_NOTIFIED(2, 1234, FAILED_PRECONDITION);
  CHECK(last_notification.state.satisfied_signals == C);
  num_ready = 4;
  EXPECT(FAILED_PRECONDITION,
         MojoArmWatcher(watcher, &num_ready, contexts, results, states));
  CHECK(num_ready == 1 && results[0] == MOJO_RESULT_FAILED_PRECONDITION);

  /* The four ways to end a watch. */
  EXPECT(OK, MojoCancelWatch(watcher, 1234));
  EXPECT_NOTIFIED(3, 1234, CANCELLED);
  CHECK(last_notification.state.satisfied_signals == 0);
  CHECK(last_notification.state.satisfiable_signals == 0);
  EXPECT(NOT_FOUND, MojoCancelWatch(watcher, 1234));
  EXPECT(NOT_FOUND, MojoArmWatcher(watcher, NULL, NULL, NULL, NULL));

  EXPECT(OK, MojoWatch(watcher, a, R, 0));
  EXPECT(OK, MojoClose(a));
  EXPECT_NOTIFIED(4, 0, CANCELLED);

  create_pipe(&a, &b);
  EXPECT(OK, MojoWatch(watcher, a, R, 5));
  EXPECT(OK, MojoDestroyMessage(message_with("", 0, &a, 1)));
  EXPECT_NOTIFIED(5, 5, CANCELLED);

  /* No signal at all can never be. */
  EXPECT(OK, MojoWatch(watcher, b, MOJO_HANDLE_SIGNAL_NONE, 6));
  num_ready = 4;
  EXPECT(FAILED_PRECONDITION,
         MojoArmWatcher(watcher, &num_ready, contexts, results, states));
  CHECK(num_ready == 1 && results[0] == MOJO_RESULT_FAILED_PRECONDITION);
  EXPECT(OK, MojoClose(watcher));
  EXPECT_NOTIFIED(6, 6, CANCELLED);
  EXPECT(OK, MojoClose(b));
  CHECK(last_notification.count == 6);
}

static void test_watching_data_pipes(void) {
  section("watchers of data pipes");
  MojoHandle watcher, producer, consumer;
  uint32_t n = 4;
  char bytes[4];
  last_notification.count = 0;
  create_data_pipe(1, 4, &producer, &consumer);
  EXPECT(OK, MojoCreateWatcher(&record_notification, &watcher));
  EXPECT(OK, MojoWatch(watcher, producer, W, 1));
  EXPECT(FAILED_PRECONDITION, MojoArmWatcher(watcher, NULL, NULL, NULL, NULL));
  EXPECT(OK, MojoWriteData(producer, "full", &n, MOJO_WRITE_DATA_FLAG_NONE));
  EXPECT(OK, MojoArmWatcher(watcher, NULL, NULL, NULL, NULL));
  EXPECT(OK, MojoReadData(consumer, bytes, &n, MOJO_READ_DATA_FLAG_NONE));
  EXPECT_NOTIFIED(1, 1, OK);
  EXPECT(OK, MojoClose(watcher));
  EXPECT_NOTIFIED(2, 1, CANCELLED);
  EXPECT(OK, MojoClose(producer));
  EXPECT(OK, MojoClose(consumer));
}

/* ---- Invitations ---- */

/* Names are bytes, and these differ in the second only. */
static const char NAME[] = {0, 'm'};
static const char OTHER_NAME[] = {0, 'o'};

static void socket_pair(int sockets[2]) {
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
}

static MojoResult send_invitation(MojoHandle invitation,
                                  int socket,
                                  MojoProcessErrorHandler handler,
                                  uintptr_t context) {
  MojoPlatformHandle native = descriptor(socket);
  MojoInvitationTransportEndpoint endpoint = {
      sizeof(endpoint), MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL, 1, &native};
  return MojoSendInvitation(invitation, NULL, &endpoint, handler, context,
                            NULL);
}

static void test_invitation_arguments(void) {
  section("arguments of invitations");
  MojoHandle invitation = 77, a = 77, b;
  MojoCreateInvitationOptions options = {0, 0};
  EXPECT(INVALID_ARGUMENT, MojoCreateInvitation(NULL, NULL));
  EXPECT(INVALID_ARGUMENT, MojoCreateInvitation(&options, &invitation));
  CHECK(invitation == 77);
  EXPECT(OK, MojoCreateInvitation(NULL, &invitation));
  EXPECT_SIGNALS(invitation, 0, 0);

  EXPECT(INVALID_ARGUMENT,
         MojoAttachMessagePipeToInvitation(invitation, NAME, 0, NULL, &a));
  EXPECT(INVALID_ARGUMENT,
         MojoAttachMessagePipeToInvitation(invitation, NULL, 2, NULL, &a));
  EXPECT(INVALID_ARGUMENT,
         MojoAttachMessagePipeToInvitation(invitation, NAME, 2, NULL, NULL));
  EXPECT(INVALID_ARGUMENT, MojoAttachMessagePipeToInvitation(
                               MOJO_HANDLE_INVALID, NAME, 2, NULL, &a));
  CHECK(a == 77);

  /* Nothing to send yet; the wrong transports; nothing is taken. */
  int sockets[2];
  socket_pair(sockets);
  EXPECT(FAILED_PRECONDITION, send_invitation(invitation, sockets[0], NULL, 0));
  EXPECT(OK, MojoAttachMessagePipeToInvitation(invitation, NAME, 2, NULL, &a));
  b = 77;
  EXPECT(ALREADY_EXISTS,
         MojoAttachMessagePipeToInvitation(invitation, NAME, 2, NULL, &b));
  CHECK(b == 77);

  MojoPlatformHandle native = descriptor(sockets[0]);
  const MojoInvitationTransportEndpoint good = {
      sizeof(good), MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL, 1, &native};
  MojoInvitationTransportEndpoint endpoint = good;
  const MojoPlatformProcessHandle short_process = {8, 1};
  EXPECT(INVALID_ARGUMENT,
         MojoSendInvitation(invitation, NULL, NULL, NULL, 0, NULL));
  EXPECT(INVALID_ARGUMENT,
         MojoSendInvitation(invitation, &short_process, &good, NULL, 0, NULL));
  EXPECT(INVALID_ARGUMENT, MojoSendInvitation(a, NULL, &good, NULL, 0, NULL));
  EXPECT(INVALID_ARGUMENT, MojoAcceptInvitation(NULL, NULL, &b));
  EXPECT(INVALID_ARGUMENT, MojoAcceptInvitation(&good, NULL, NULL));
  endpoint.struct_size = 16;
  EXPECT(INVALID_ARGUMENT,
         MojoSendInvitation(invitation, NULL, &endpoint, NULL, 0, NULL));
  EXPECT(INVALID_ARGUMENT, MojoAcceptInvitation(&endpoint, NULL, &b));
  endpoint = good;
  endpoint.type = 99;
  EXPECT(UNIMPLEMENTED,
         MojoSendInvitation(invitation, NULL, &endpoint, NULL, 0, NULL));
  EXPECT(UNIMPLEMENTED, MojoAcceptInvitation(&endpoint, NULL, &b));
  endpoint = good;
  endpoint.num_platform_handles = 0;
  EXPECT(INVALID_ARGUMENT,
         MojoSendInvitation(invitation, NULL, &endpoint, NULL, 0, NULL));
  EXPECT(INVALID_ARGUMENT, MojoAcceptInvitation(&endpoint, NULL, &b));
  endpoint = good;
  endpoint.platform_handles = NULL;
  EXPECT(INVALID_ARGUMENT,
         MojoSendInvitation(invitation, NULL, &endpoint, NULL, 0, NULL));
  EXPECT(INVALID_ARGUMENT, MojoAcceptInvitation(&endpoint, NULL, &b));
  native.struct_size = 0;
  EXPECT(INVALID_ARGUMENT,
         MojoSendInvitation(invitation, NULL, &good, NULL, 0, NULL));
  EXPECT(INVALID_ARGUMENT, MojoAcceptInvitation(&good, NULL, &b));
  CHECK(b == 77 && is_open(sockets[0]));
  close(sockets[0]);
  close(sockets[1]);

  /* What was attached here can be extracted here. */
  EXPECT(INVALID_ARGUMENT,
         MojoExtractMessagePipeFromInvitation(invitation, NAME, 0, NULL, &b));
  EXPECT(NOT_FOUND, MojoExtractMessagePipeFromInvitation(invitation, OTHER_NAME,
                                                         2, NULL, &b));
  EXPECT(OK,
         MojoExtractMessagePipeFromInvitation(invitation, NAME, 2, NULL, &b));
  EXPECT(NOT_FOUND,
         MojoExtractMessagePipeFromInvitation(invitation, NAME, 2, NULL, &a));
  send_text(a, "to oneself", NULL, 0);
  receive_text(b, "to oneself", NULL, 0);
  EXPECT(OK, MojoClose(a));
  EXPECT(OK, MojoClose(b));

  /* An invitation closed unsent. */
  EXPECT(OK, MojoAttachMessagePipeToInvitation(invitation, NAME, 2, NULL, &a));
  EXPECT(OK, MojoClose(invitation));
  EXPECT(OK, wait_for(a, C));
  EXPECT(OK, MojoClose(a));
}

struct reports {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  unsigned num_reports;
  unsigned num_disconnections;
  char text[128];
  int has_reason;
};

#define NO_REPORTS \
  {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, "", 0}

static void on_process_error(uintptr_t context,
                             const MojoProcessErrorDetails* details) {
  struct reports* reports = (struct reports*)context;
  pthread_mutex_lock(&reports->lock);
  CHECK(details->struct_size == sizeof(*details));
  CHECK(reports->num_disconnections == 0);
  if (details->flags & MOJO_PROCESS_ERROR_FLAG_DISCONNECTED) {
    CHECK(!details->error_message == !details->error_message_length);
    reports->has_reason = details->error_message != NULL;
    reports->num_disconnections++;
  } else {
    CHECK(details->error_message_length < sizeof(reports->text));
    memcpy(reports->text, details->error_message,
           details->error_message_length);
    reports->text[details->error_message_length] = 0;
    reports->num_reports++;
  }
  pthread_cond_broadcast(&reports->changed);
  pthread_mutex_unlock(&reports->lock);
}

static void wait_for_count(struct reports* reports, const unsigned* count) {
  pthread_mutex_lock(&reports->lock);
  while (*count == 0)
    pthread_cond_wait(&reports->changed, &reports->lock);
  CHECK(*count == 1);
  pthread_mutex_unlock(&reports->lock);
}

/* Static, as the library keeps their addresses until the disconnections. */
static struct reports of_nobody = NO_REPORTS;
static struct reports of_babbler = NO_REPORTS;
static struct reports of_child = NO_REPORTS;

static MojoHandle invite(int socket, struct reports* reports) {
  MojoHandle invitation, pipe;
  EXPECT(OK, MojoCreateInvitation(NULL, &invitation));
  EXPECT(OK,
         MojoAttachMessagePipeToInvitation(invitation, NAME, 2, NULL, &pipe));
  send_text(pipe, "early", NULL, 0);
  EXPECT(OK, send_invitation(invitation, socket, &on_process_error,
                             (uintptr_t)reports));
  EXPECT(INVALID_ARGUMENT, MojoClose(invitation));
  return pipe;
}

static void test_failing_invitations(void) {
  int sockets[2];

  section("an invitation to nobody");
  socket_pair(sockets);
  MojoHandle pipe = invite(sockets[0], &of_nobody);
  close(sockets[1]);
  EXPECT(OK, wait_for(pipe, C));
  EXPECT(FAILED_PRECONDITION, wait_for(pipe, R));
  EXPECT(OK, MojoClose(pipe));
  wait_for_count(&of_nobody, &of_nobody.num_disconnections);
  CHECK(of_nobody.has_reason);

  section("an invitation answered with nonsense");
  socket_pair(sockets);
  pipe = invite(sockets[0], &of_babbler);
  char nonsense[4096];
  memset(nonsense, 0xff, sizeof(nonsense));
  CHECK(send(sockets[1], nonsense, sizeof(nonsense), MSG_NOSIGNAL) > 0);
  EXPECT(OK, wait_for(pipe, C));
  EXPECT(OK, MojoClose(pipe));
  wait_for_count(&of_babbler, &of_babbler.num_disconnections);
  CHECK(of_babbler.has_reason);
  close(sockets[1]);
}

/* ---- Two processes ---- */

enum { BIG = 3 << 20, STREAM = 200000, SHARED = 10000 };

/* ---- Isolated connections, here of the process with itself ---- */

static MojoHandle send_isolated(int socket,
                                MojoInvitationTransportType type,
                                const char* name) {
  MojoSendInvitationOptions options = {sizeof(options),
                                       MOJO_SEND_INVITATION_FLAG_ISOLATED, name,
                                       name ? (uint32_t)strlen(name) : 0};
  MojoPlatformHandle native = descriptor(socket);
  const MojoInvitationTransportEndpoint endpoint = {sizeof(endpoint), type, 1,
                                                    &native};
  MojoHandle invitation, pipe;
  EXPECT(OK, MojoCreateInvitation(NULL, &invitation));
  EXPECT(OK, MojoAttachMessagePipeToInvitation(invitation, NAME, sizeof(NAME),
                                               NULL, &pipe));
  EXPECT(OK, MojoSendInvitation(invitation, NULL, &endpoint, NULL, 0, &options));
  return pipe;
}

static MojoHandle accept_isolated(int socket) {
  const MojoAcceptInvitationOptions options = {
      sizeof(options), MOJO_ACCEPT_INVITATION_FLAG_ISOLATED};
  MojoPlatformHandle native = descriptor(socket);
  const MojoInvitationTransportEndpoint endpoint = {
      sizeof(endpoint), MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL, 1, &native};
  MojoHandle invitation, pipe;
  EXPECT(OK, MojoAcceptInvitation(&endpoint, &options, &invitation));
  EXPECT(OK, MojoExtractMessagePipeFromInvitation(invitation, NAME,
                                                  sizeof(NAME), NULL, &pipe));
  EXPECT(OK, MojoClose(invitation));
  return pipe;
}

static void check_connected(MojoHandle a, MojoHandle b) {
  send_text(a, "there", NULL, 0);
  EXPECT(OK, wait_for(b, R));
  receive_text(b, "there", NULL, 0);
  send_text(b, "back", NULL, 0);
  EXPECT(OK, wait_for(a, R));
  receive_text(a, "back", NULL, 0);
}

static void test_isolated_connections(void) {
  section("isolated connections");
  int sockets[2];
  socket_pair(sockets);
  MojoHandle a =
      send_isolated(sockets[0], MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL, NULL);
  MojoHandle b = accept_isolated(sockets[1]);
  check_connected(a, b);
  EXPECT(OK, MojoClose(a));
  EXPECT(FAILED_PRECONDITION, wait_for(b, R));
  EXPECT(OK, MojoClose(b));

  socket_pair(sockets);
  a = send_isolated(sockets[0], MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL, "x");
  b = send_isolated(sockets[1], MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL, NULL);
  check_connected(a, b);

  /* A name admits one connection. This one waits for whoever connects. */
  struct sockaddr_un address = {AF_UNIX, {0}};
  snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
           "libmojo-smoke-%d", (int)getpid());
  int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(server >= 0);
  CHECK(bind(server, (struct sockaddr*)&address, sizeof(address)) == 0);
  const MojoPlatformHandle unconnected = descriptor(server);
  MojoInvitationTransportEndpoint endpoint = {
      sizeof(endpoint), MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL_SERVER, 1,
      &unconnected};
  MojoHandle invitation, c;
  EXPECT(UNIMPLEMENTED, MojoAcceptInvitation(&endpoint, NULL, &invitation));
  EXPECT(OK, MojoCreateInvitation(NULL, &invitation));
  EXPECT(OK, MojoAttachMessagePipeToInvitation(invitation, NAME, sizeof(NAME),
                                               NULL, &c));
  EXPECT(INVALID_ARGUMENT,
         MojoSendInvitation(invitation, NULL, &endpoint, NULL, 0, NULL));
  CHECK(is_open(server));
  EXPECT(OK, MojoClose(invitation));
  EXPECT(OK, MojoClose(c));
  CHECK(listen(server, 1) == 0);
  c = send_isolated(server, MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL_SERVER, "x");
  EXPECT(FAILED_PRECONDITION, wait_for(a, R));
  EXPECT(FAILED_PRECONDITION, wait_for(b, R));
  EXPECT(OK, MojoClose(a));
  EXPECT(OK, MojoClose(b));
  int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(client >= 0);
  CHECK(connect(client, (struct sockaddr*)&address, sizeof(address)) == 0);
  MojoHandle d = accept_isolated(client);
  check_connected(c, d);
  /* Nobody else can connect. */
  client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(client >= 0);
  CHECK(connect(client, (struct sockaddr*)&address, sizeof(address)) != 0);
  close(client);
  EXPECT(OK, MojoClose(c));
  EXPECT(FAILED_PRECONDITION, wait_for(d, R));
  EXPECT(OK, MojoClose(d));
}

static uint8_t pattern(uint32_t i) {
  return (uint8_t)(i * 31 + (i >> 8));
}

static void fill(uint8_t* bytes, uint32_t num_bytes) {
  for (uint32_t i = 0; i < num_bytes; i++)
    bytes[i] = pattern(i);
}

static void send_big(MojoHandle pipe) {
  MojoMessageHandle message;
  void* buffer;
  uint32_t size;
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK, MojoAttachSerializedMessageBuffer(message, BIG, NULL, 0, &buffer,
                                               &size));
  fill(buffer, BIG);
  EXPECT(OK, MojoWriteMessage(pipe, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
}

static void receive_big(MojoHandle pipe) {
  static uint8_t expected[BIG];
  fill(expected, BIG);
  MojoMessageHandle message = next_message(pipe);
  check_contents(message, expected, BIG, NULL, 0);
  EXPECT(OK, MojoDestroyMessage(message));
}

/* Writes STREAM bytes and closes. */
static void feed(MojoHandle producer) {
  static uint8_t bytes[STREAM];
  uint32_t done = 0;
  fill(bytes, STREAM);
  while (done < STREAM) {
    uint32_t n = STREAM - done;
    EXPECT(OK, wait_for(producer, W));
    EXPECT(OK, MojoWriteData(producer, bytes + done, &n,
                             MOJO_WRITE_DATA_FLAG_NONE));
    done += n;
  }
  EXPECT(OK, MojoClose(producer));
}

/* Reads STREAM bytes, in place, up to the end, and closes. */
static void drain(MojoHandle consumer) {
  uint32_t done = 0;
  while (wait_for(consumer, R) == MOJO_RESULT_OK) {
    const void* bytes;
    uint32_t n = 0;
    EXPECT(OK,
           MojoBeginReadData(consumer, &bytes, &n, MOJO_READ_DATA_FLAG_NONE));
    for (uint32_t i = 0; i < n; i++)
      CHECK(((const uint8_t*)bytes)[i] == pattern(done + i));
    EXPECT(OK, MojoEndReadData(consumer, n));
    done += n;
  }
  CHECK(done == STREAM);
  EXPECT(OK, MojoClose(consumer));
}

/* Sends one of everything over |carrier| and uses what is left here. */
static void give(MojoHandle carrier) {
  enum { PIPE, CONSUMER, PRODUCER, BUFFER, READ_ONLY, FILE_END, COUNT };
  MojoHandle gifts[COUNT];
  MojoHandle pipe_end, producer, consumer, buffer;
  create_pipe(&pipe_end, &gifts[PIPE]);
  create_data_pipe(1, 5000, &producer, &gifts[CONSUMER]);
  create_data_pipe(8, 0, &gifts[PRODUCER], &consumer);

  uint8_t* bytes;
  EXPECT(OK, MojoCreateSharedBuffer(NULL, SHARED, &buffer));
  bytes = map(buffer, 0, SHARED);
  fill(bytes, SHARED);
  MojoDuplicateBufferHandleOptions read_only = {
      sizeof(read_only), MOJO_DUPLICATE_BUFFER_HANDLE_OPTIONS_FLAG_READ_ONLY};
  EXPECT(OK, MojoDuplicateBufferHandle(buffer, &read_only, &gifts[READ_ONLY]));
  gifts[BUFFER] = buffer;

  int file_ends[2];
  CHECK(pipe2(file_ends, O_CLOEXEC) == 0);
  MojoPlatformHandle native = descriptor(file_ends[0]);
  EXPECT(OK, MojoWrapPlatformHandle(&native, &gifts[FILE_END]));

  /* What is under way before the transfer arrives with it. */
  send_text(pipe_end, "waiting", NULL, 0);
  send_text(carrier, "gifts", gifts, COUNT);
  for (int i = 0; i < COUNT; i++)
    EXPECT(INVALID_ARGUMENT, MojoClose(gifts[i]));

  CHECK(write(file_ends[1], "descriptor", 10) == 10);
  close(file_ends[1]);
  send_text(pipe_end, "following", NULL, 0);
  feed(producer);
  drain(consumer);
  receive_text(pipe_end, "thanks", NULL, 0);
  CHECK(bytes[0] != pattern(0));
  EXPECT(OK, MojoUnmapBuffer(bytes));
  EXPECT(OK, wait_for(pipe_end, C));
  EXPECT(OK, MojoClose(pipe_end));
}

/* The other side of give(). */
static void take(MojoHandle carrier) {
  enum { PIPE, CONSUMER, PRODUCER, BUFFER, READ_ONLY, FILE_END, COUNT };
  MojoHandle gifts[COUNT];
  receive_text(carrier, "gifts", gifts, COUNT);
  receive_text(gifts[PIPE], "waiting", NULL, 0);
  receive_text(gifts[PIPE], "following", NULL, 0);
  drain(gifts[CONSUMER]);
  feed(gifts[PRODUCER]);

  uint8_t* bytes;
  uint8_t* fixed;
  bytes = map(gifts[BUFFER], 0, SHARED);
  fixed = map(gifts[READ_ONLY], 0, SHARED);
  for (uint32_t i = 0; i < SHARED; i++)
    CHECK(bytes[i] == pattern(i) && fixed[i] == pattern(i));
  CHECK(is_writable(bytes) && !is_writable(fixed));
  bytes[0] ^= 0xff;
  CHECK(fixed[0] == bytes[0]);
  EXPECT(OK, MojoUnmapBuffer(bytes));
  EXPECT(OK, MojoUnmapBuffer(fixed));
  EXPECT(OK, MojoClose(gifts[BUFFER]));
  EXPECT(OK, MojoClose(gifts[READ_ONLY]));

  MojoPlatformHandle native = {sizeof(native), 0, 0};
  char text[11] = "";
  EXPECT(OK, MojoUnwrapPlatformHandle(gifts[FILE_END], &native));
  CHECK(native.type == MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR);
  CHECK(read((int)native.value, text, 10) == 10);
  CHECK(strcmp(text, "descriptor") == 0);
  close((int)native.value);

  send_text(gifts[PIPE], "thanks", NULL, 0);
  EXPECT(OK, MojoClose(gifts[PIPE]));
}

static pid_t spawn(const char* mode, int socket) {
  char number[16];
  snprintf(number, sizeof(number), "%d", socket);
  char* arguments[] = {"smoke", (char*)mode, number, NULL};
  pid_t child;
  CHECK(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ) ==
        0);
  return child;
}

static void expect_success_of(pid_t child) {
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    fail(__FILE__, __LINE__, "the other process ended with status %#x",
         (unsigned)status);
}

static void test_two_processes(void) {
  section("two processes");
  int sockets[2];
  socket_pair(sockets);
  MojoHandle pipe = invite(sockets[0], &of_child);
  EXPECT(OK, wait_for(pipe, W));

  CHECK(fcntl(sockets[1], F_SETFD, 0) == 0);
  pid_t child = spawn("--child", sockets[1]);
  close(sockets[1]);

  receive_text(pipe, "accepted", NULL, 0);
  EXPECT(OK, wait_for(pipe, MOJO_HANDLE_SIGNAL_PEER_REMOTE));
  section("gifts to the child");
  give(pipe);
  section("gifts from the child");
  take(pipe);

  section("messages of every kind to the child");
  send_big(pipe);
  receive_big(pipe);
  struct lazy lazy;
  EXPECT(OK, MojoWriteMessage(pipe, lazy_message(&lazy),
                              MOJO_WRITE_MESSAGE_FLAG_NONE));
  CHECK(lazy.serialized == 1 && lazy.destroyed == 1);

  /* One that cannot leave the process. */
  MojoMessageHandle message;
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK, MojoAttachMessageContext(message, 1, NULL, NULL));
  EXPECT(INVALID_ARGUMENT,
         MojoWriteMessage(pipe, message, MOJO_WRITE_MESSAGE_FLAG_NONE));

  section("a bad message from the child");
  message = next_message(pipe);
  check_contents(message, "lazy", 4, NULL, 0);
  EXPECT(OK, MojoNotifyBadMessage(message, "no sense", 8));
  EXPECT(OK, MojoDestroyMessage(message));
  wait_for_count(&of_child, &of_child.num_reports);
  CHECK(strcmp(of_child.text, "Received bad user message: no sense") == 0);

  /* The child says its last word and ends without closing anything. */
  section("the end of the child");
  send_text(pipe, "end", NULL, 0);
  receive_text(pipe, "bye", NULL, 0);
  EXPECT(OK, wait_for(pipe, C));
  EXPECT(FAILED_PRECONDITION, wait_for(pipe, R));
  EXPECT(FAILED_PRECONDITION,
         MojoReadMessage(pipe, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoClose(pipe));
  expect_success_of(child);
  wait_for_count(&of_child, &of_child.num_disconnections);
  CHECK(!of_child.has_reason);
}

static void run_child(int socket) {
  role = "smoke --child";
  section("accepting");
  MojoPlatformHandle native = descriptor(socket);
  MojoInvitationTransportEndpoint endpoint = {
      sizeof(endpoint), MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL, 1, &native};
  MojoHandle invitation, pipe, unknown;
  CHECK(fcntl(socket, F_SETFD, FD_CLOEXEC) == 0);
  EXPECT(OK, MojoAcceptInvitation(&endpoint, NULL, &invitation));
  EXPECT(OK, MojoExtractMessagePipeFromInvitation(invitation, NAME, 2, NULL,
                                                  &pipe));
  EXPECT(OK, MojoExtractMessagePipeFromInvitation(invitation, OTHER_NAME, 2,
                                                  NULL, &unknown));
  EXPECT(OK, MojoClose(invitation));
  receive_text(pipe, "early", NULL, 0);
  EXPECT(OK, wait_for(unknown, C));
  EXPECT(OK, MojoClose(unknown));
  send_text(pipe, "accepted", NULL, 0);

  section("gifts from the parent");
  take(pipe);
  section("gifts to the parent");
  give(pipe);

  section("messages of every kind to the parent");
  receive_big(pipe);
  send_big(pipe);
  receive_text(pipe, "lazy", NULL, 0);
  struct lazy lazy;
  EXPECT(OK, MojoWriteMessage(pipe, lazy_message(&lazy),
                              MOJO_WRITE_MESSAGE_FLAG_NONE));
  CHECK(lazy.serialized == 1 && lazy.destroyed == 1);
  receive_text(pipe, "end", NULL, 0);
  send_text(pipe, "bye", NULL, 0);
}


int main(int argc, char** argv) {
  alarm(60);
  if (argc == 3 && strcmp(argv[1], "--child") == 0) {
    run_child(atoi(argv[2]));
    return 0;
  }

  test_functions();
  test_message_pipe_options();
  test_message_pipes();
  test_fusing();
  test_message_buffers();
  test_attachments();
  test_contexts();
  test_bad_messages();
  test_data_pipe_options();
  test_data_pipes();
  test_two_phase_data_pipes();
  test_shared_buffers();
  test_platform_handles();
  test_wrapped_shared_buffers();
  test_watcher_arguments();
  test_watchers();
  test_watching_data_pipes();
  test_invitation_arguments();
  test_failing_invitations();
  test_isolated_connections();
  test_two_processes();
  section("done");
  return 0;
}
