/*
 * What the embedding program decides, from plain C: limits, properties, the
 * default error handler, and a good end. Exits with 0 if everything is as it
 * must be.
 *
 *   embedder             all of it
 *   embedder --child FD  writes to the inviter and exits at once
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "check.h"
#include "mojo/public/c/system/core.h"
#include "mojo/public/c/system/embedder.h"
#include "mojo/public/c/system/wait.h"

static const char* role = "embedder";

#define R MOJO_HANDLE_SIGNAL_READABLE

enum { MESSAGES = 200, MESSAGE_BYTES = 50000 };

static MojoResult attach(MojoMessageHandle message, uint32_t num_bytes) {
  void* buffer;
  uint32_t size;
  MojoResult result = MojoAttachSerializedMessageBuffer(message, num_bytes, NULL,
                                                        0, &buffer, &size);
  if (result == MOJO_RESULT_OK)
    memset(buffer, 'x', num_bytes);
  return result;
}

static void write_message(MojoHandle pipe, uint32_t num_bytes) {
  MojoMessageHandle message;
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK, attach(message, num_bytes));
  EXPECT(OK, MojoWriteMessage(pipe, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
}

static void test_limits(void) {
  MojoHandle buffer, producer, consumer;
  MojoMessageHandle message;
  void* address;
  void* second;
  MojoConfiguration configuration = {
      sizeof(configuration), 1000, 8192, 1, "", 0, 0, 0, 0};
  EXPECT(INVALID_ARGUMENT, MojoConfigure(NULL));
  configuration.struct_size = 3;
  EXPECT(INVALID_ARGUMENT, MojoConfigure(&configuration));
  configuration.struct_size = sizeof(configuration);
  EXPECT(OK, MojoConfigure(&configuration));

  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(RESOURCE_EXHAUSTED, attach(message, 1001));
  EXPECT(OK, attach(message, 1000));
  uint32_t size;
  EXPECT(RESOURCE_EXHAUSTED, MojoExtendSerializedMessagePayload(
                                 message, 1001, NULL, 0, &address, &size));
  EXPECT(OK, MojoDestroyMessage(message));

  EXPECT(RESOURCE_EXHAUSTED, MojoCreateSharedBuffer(NULL, 8193, &buffer));
  EXPECT(OK, MojoCreateSharedBuffer(NULL, 8192, &buffer));
  MojoCreateDataPipeOptions options = {sizeof(options),
                                       MOJO_CREATE_DATA_PIPE_OPTIONS_FLAG_NONE,
                                       1, 8193};
  EXPECT(RESOURCE_EXHAUSTED, MojoCreateDataPipe(&options, &producer, &consumer));
  options.capacity_num_bytes = 8192;
  EXPECT(OK, MojoCreateDataPipe(&options, &producer, &consumer));
  EXPECT(OK, MojoClose(producer));
  EXPECT(OK, MojoClose(consumer));

  EXPECT(OK, MojoMapBuffer(buffer, 0, 1, &address, MOJO_MAP_BUFFER_FLAG_NONE));
  EXPECT(RESOURCE_EXHAUSTED,
         MojoMapBuffer(buffer, 0, 1, &second, MOJO_MAP_BUFFER_FLAG_NONE));
  EXPECT(OK, MojoUnmapBuffer(address));
  EXPECT(OK, MojoMapBuffer(buffer, 0, 1, &address, MOJO_MAP_BUFFER_FLAG_NONE));
  EXPECT(OK, MojoUnmapBuffer(address));
  EXPECT(OK, MojoClose(buffer));

  /* Fields that are not there, or 0, stand for the defaults. */
  configuration.struct_size = 15;
  EXPECT(OK, MojoConfigure(&configuration));
  EXPECT(OK, MojoCreateSharedBuffer(NULL, 8193, &buffer));
  EXPECT(OK, MojoClose(buffer));
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(RESOURCE_EXHAUSTED, attach(message, 1001));
  configuration.max_message_num_bytes = 0;
  EXPECT(OK, MojoConfigure(&configuration));
  EXPECT(OK, attach(message, 1001));
  EXPECT(OK, MojoDestroyMessage(message));
}

static void test_properties(void) {
  bool is_allowed = false;
  const MojoPropertyType type = MOJO_PROPERTY_TYPE_SYNC_CALL_ALLOWED;
  EXPECT(OK, MojoGetProperty(type, &is_allowed));
  CHECK(is_allowed);
  EXPECT(INVALID_ARGUMENT, MojoSetProperty(type, NULL));
  EXPECT(INVALID_ARGUMENT, MojoSetProperty(77, &is_allowed));
  is_allowed = false;
  EXPECT(OK, MojoSetProperty(type, &is_allowed));
  is_allowed = true;
  EXPECT(OK, MojoGetProperty(type, &is_allowed));
  CHECK(!is_allowed);
  is_allowed = true;
  EXPECT(OK, MojoSetProperty(type, &is_allowed));
}

static unsigned reports = 0;

static void on_error(uintptr_t context, const MojoProcessErrorDetails* details) {
  CHECK(context == 42);
  CHECK(details->flags == MOJO_PROCESS_ERROR_FLAG_NONE);
  CHECK(details->error_message_length == 8);
  CHECK(memcmp(details->error_message, "no sense", 8) == 0);
  reports++;
}

static void test_default_error_handler(void) {
  MojoMessageHandle message;
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK, MojoNotifyBadMessage(message, "no sense", 8));
  EXPECT(OK, MojoSetDefaultProcessErrorHandler(&on_error, 42));
  EXPECT(OK, MojoNotifyBadMessage(message, "no sense", 8));
  CHECK(reports == 1);
  EXPECT(OK, MojoSetDefaultProcessErrorHandler(NULL, 0));
  EXPECT(OK, MojoNotifyBadMessage(message, "no sense", 8));
  CHECK(reports == 1);
  EXPECT(OK, MojoDestroyMessage(message));
}

static MojoHandle invite(int socket) {
  MojoPlatformHandle native = {sizeof(native),
                               MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR,
                               (uint64_t)socket};
  const MojoInvitationTransportEndpoint endpoint = {
      sizeof(endpoint), MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL, 1, &native};
  MojoHandle invitation, pipe;
  EXPECT(OK, MojoCreateInvitation(NULL, &invitation));
  EXPECT(OK,
         MojoAttachMessagePipeToInvitation(invitation, "p", 1, NULL, &pipe));
  EXPECT(OK, MojoSendInvitation(invitation, NULL, &endpoint, NULL, 0, NULL));
  return pipe;
}

static int run_child(int socket) {
  MojoPlatformHandle native = {sizeof(native),
                               MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR,
                               (uint64_t)socket};
  const MojoInvitationTransportEndpoint endpoint = {
      sizeof(endpoint), MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL, 1, &native};
  MojoHandle invitation, pipe;
  EXPECT(OK, MojoAcceptInvitation(&endpoint, NULL, &invitation));
  EXPECT(OK, MojoExtractMessagePipeFromInvitation(invitation, "p", 1, NULL,
                                                  &pipe));
  /* Far more than any socket holds, before the inviter reads anything. */
  for (int i = 0; i < MESSAGES; i++)
    write_message(pipe, MESSAGE_BYTES);
  EXPECT(OK, MojoFlush(MOJO_DEADLINE_INDEFINITE));
  _exit(7);
}

static void test_flush_before_exit(const char* program) {
  int sockets[2];
  char number[16];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  snprintf(number, sizeof(number), "%d", sockets[1]);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    close(sockets[0]);
    execl(program, program, "--child", number, (char*)NULL);
    _exit(127);
  }
  close(sockets[1]);
  MojoHandle pipe = invite(sockets[0]);
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
  for (int i = 0; i < MESSAGES; i++) {
    MojoMessageHandle message;
    void* buffer;
    uint32_t size;
    EXPECT(OK, MojoWait(pipe, R, MOJO_DEADLINE_INDEFINITE, NULL));
    EXPECT(OK, MojoReadMessage(pipe, &message, MOJO_READ_MESSAGE_FLAG_NONE));
    EXPECT(OK, MojoGetSerializedMessageContents(
                   message, &buffer, &size, NULL, NULL,
                   MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
    CHECK(size == MESSAGE_BYTES);
    EXPECT(OK, MojoDestroyMessage(message));
  }
  EXPECT(FAILED_PRECONDITION, MojoWait(pipe, R, MOJO_DEADLINE_INDEFINITE, NULL));
  EXPECT(OK, MojoClose(pipe));
}

static void test_shutdown(void) {
  EXPECT(OK, MojoFlush(0));
  EXPECT(OK, MojoShutdown(0));
  int sockets[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  /* Nobody accepts. */
  MojoHandle pipe = invite(sockets[0]);
  MojoHandle a, b;
  EXPECT(OK, MojoCreateMessagePipe(NULL, &a, &b));
  write_message(pipe, 10);
  EXPECT(DEADLINE_EXCEEDED, MojoFlush(1000));
  EXPECT(DEADLINE_EXCEEDED, MojoShutdown(1000));
  EXPECT(FAILED_PRECONDITION, MojoWait(pipe, R, MOJO_DEADLINE_INDEFINITE, NULL));
  EXPECT(OK, MojoFlush(0));
  /* What does not leave the process goes on. */
  write_message(a, 10);
  EXPECT(OK, MojoWait(b, R, 0, NULL));
  EXPECT(OK, MojoClose(a));
  EXPECT(OK, MojoClose(b));
  EXPECT(OK, MojoClose(pipe));
  close(sockets[1]);
}

static bool has_thread(const char* name) {
  bool is_there = false;
  DIR* tasks = opendir("/proc/self/task");
  CHECK(tasks);
  for (struct dirent* entry; (entry = readdir(tasks));) {
    char path[300], line[32] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
    FILE* file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
    if (file && fgets(line, sizeof(line), file))
      is_there |= strncmp(line, name, strlen(name)) == 0 &&
                  line[strlen(name)] == '\n';
    if (file)
      fclose(file);
  }
  closedir(tasks);
  return is_there;
}

static int count_threads(void) {
  int count = 0;
  DIR* tasks = opendir("/proc/self/task");
  CHECK(tasks);
  for (struct dirent* entry; (entry = readdir(tasks));)
    count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

/* Makes a connection, which waits, and ends it again. */
static void expect_thread(const char* name) {
  /* A thread that is about to end may go on with the next connection. */
  while (count_threads() > 1)
    sched_yield();
  int sockets[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  MojoHandle pipe = invite(sockets[0]);
  /* A new thread takes its name itself. */
  while (!has_thread(name))
    sched_yield();
  EXPECT(DEADLINE_EXCEEDED, MojoShutdown(0));
  EXPECT(OK, MojoClose(pipe));
  close(sockets[1]);
  while (has_thread(name))
    sched_yield();
}

static void test_thread_name(void) {
  MojoConfiguration configuration = {
      sizeof(configuration), 0, 0, 0, "fifteen bytes..", 0, 0, 0, 0};
  EXPECT(OK, MojoConfigure(&configuration));
  expect_thread("fifteen bytes..");
  strcpy(configuration.io_thread_name, "other");
  EXPECT(OK, MojoConfigure(&configuration));
  expect_thread("other");
  /* As far as the structure goes. */
  configuration.struct_size = 24;
  EXPECT(OK, MojoConfigure(&configuration));
  expect_thread("libmojo-io");
}

static void test_snapshot(void) {
  uint32_t size = 0;
  EXPECT(INVALID_ARGUMENT, MojoTakeSnapshot(NULL, NULL));
  EXPECT(RESOURCE_EXHAUSTED, MojoTakeSnapshot(NULL, &size));
  CHECK(size > 10 && size < 1000);
  char text[1000];
  memset(text, 'x', sizeof(text));
  uint32_t room = size - 1;
  EXPECT(RESOURCE_EXHAUSTED, MojoTakeSnapshot(text, &room));
  CHECK(room == size && text[0] == 'x');
  EXPECT(INVALID_ARGUMENT, MojoTakeSnapshot(NULL, &room));
  EXPECT(OK, MojoTakeSnapshot(text, &room));
  CHECK(room == size && strlen(text) == size - 1 && text[size] == 'x');
  CHECK(strncmp(text, "node ", 5) == 0 && strstr(text, ": 0 links, 0 ports"));

  int sockets[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  MojoHandle pipe = invite(sockets[0]);
  room = sizeof(text);
  EXPECT(OK, MojoTakeSnapshot(text, &room));
  CHECK(strstr(text, ": 1 links") && strstr(text, "link to nobody yet"));
  EXPECT(DEADLINE_EXCEEDED, MojoShutdown(0));
  EXPECT(OK, MojoClose(pipe));
  close(sockets[1]);
}

static bool is_readable(MojoHandle pipe) {
  MojoHandleSignalsState state;
  EXPECT(OK, MojoQueryHandleSignalsState(pipe, &state));
  return (state.satisfied_signals & R) != 0;
}

static MojoHandle connect_isolated(int socket) {
  const MojoSendInvitationOptions options = {
      sizeof(options), MOJO_SEND_INVITATION_FLAG_ISOLATED, NULL, 0};
  MojoPlatformHandle native = {sizeof(native),
                               MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR,
                               (uint64_t)socket};
  const MojoInvitationTransportEndpoint endpoint = {
      sizeof(endpoint), MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL, 1, &native};
  MojoHandle invitation, pipe;
  EXPECT(OK, MojoCreateInvitation(NULL, &invitation));
  EXPECT(OK,
         MojoAttachMessagePipeToInvitation(invitation, "p", 1, NULL, &pipe));
  EXPECT(OK, MojoSendInvitation(invitation, NULL, &endpoint, NULL, 0, &options));
  return pipe;
}

/* The whole exchange on this one thread. */
static void test_driving(void) {
  int descriptor = -1;
  MojoDeadline patience = 77;
  EXPECT(FAILED_PRECONDITION, MojoRunIo(&patience));
  EXPECT(INVALID_ARGUMENT, MojoDriveIo(NULL));
  EXPECT(OK, MojoDriveIo(&descriptor));
  EXPECT(FAILED_PRECONDITION, MojoDriveIo(&descriptor));
  int sockets[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  MojoHandle a = connect_isolated(sockets[0]);
  MojoHandle b = connect_isolated(sockets[1]);
  write_message(a, 1000000);
  EXPECT(OK, MojoRunIo(&patience));
  while (!is_readable(b)) {
    struct pollfd polled = {descriptor, POLLIN, 0};
    bool is_forever = patience == MOJO_DEADLINE_INDEFINITE;
    CHECK(poll(&polled, 1, is_forever ? -1 : (int)(patience / 1000) + 1) >= 0);
    EXPECT(OK, MojoRunIo(&patience));
  }
  CHECK(count_threads() == 1);
  EXPECT(OK, MojoClose(a));
  EXPECT(OK, MojoClose(b));
  EXPECT(OK, MojoRunIo(NULL));
}

int main(int argc, char** argv) {
  /* Ends the program if something hangs. */
  alarm(60);
  if (argc == 3 && strcmp(argv[1], "--child") == 0)
    return run_child(atoi(argv[2]));
  /* In a process of its own, for it lasts. */
  pid_t driving = fork();
  CHECK(driving >= 0);
  if (driving == 0) {
    test_driving();
    _exit(0);
  }
  int status;
  CHECK(waitpid(driving, &status, 0) == driving && status == 0);
  test_limits();
  test_properties();
  test_default_error_handler();
  test_flush_before_exit(argv[0]);
  test_shutdown();
  test_snapshot();
  test_thread_name();
  return 0;
}
