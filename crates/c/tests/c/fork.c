/*
 * A program that forks without executing another one. Three processes take
 * part: this one only starts the others; |inviter| has a pipe to |invitee| and
 * is the one that forks. Whatever its children do, and however they end, the
 * two notice nothing of them; and |invitee| notices the end of |inviter|
 * although a child of that lives on.
 */

#define _POSIX_C_SOURCE 200809L

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "check.h"
#include "mojo/public/c/system/core.h"
#include "mojo/public/c/system/embedder.h"
#include "mojo/public/c/system/invitation.h"
#include "mojo/public/c/system/wait.h"

static const MojoHandleSignals R = MOJO_HANDLE_SIGNAL_READABLE;

enum { ROUNDS = 50 };

static MojoInvitationTransportEndpoint channel(int socket,
                                               MojoPlatformHandle* native) {
  native->struct_size = sizeof(*native);
  native->type = MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR;
  native->value = (uint64_t)socket;
  const MojoInvitationTransportEndpoint endpoint = {
      sizeof(endpoint), MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL, 1, native};
  return endpoint;
}

static void write_byte(MojoHandle pipe) {
  MojoMessageHandle message;
  void* buffer;
  uint32_t size;
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK, MojoAttachSerializedMessageBuffer(message, 1, NULL, 0, &buffer,
                                               &size));
  EXPECT(OK, MojoWriteMessage(pipe, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
}

/* False if the pipe is closed. */
static bool read_byte(MojoHandle pipe) {
  MojoMessageHandle message;
  MojoResult result = MojoWait(pipe, R, MOJO_DEADLINE_INDEFINITE, NULL);
  if (result == MOJO_RESULT_FAILED_PRECONDITION)
    return false;
  CHECK(result == MOJO_RESULT_OK);
  EXPECT(OK, MojoReadMessage(pipe, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoDestroyMessage(message));
  return true;
}

/* Answers until the pipe is closed. */
static void run_invitee(int socket) {
  MojoPlatformHandle native;
  const MojoInvitationTransportEndpoint endpoint = channel(socket, &native);
  MojoHandle invitation, pipe;
  EXPECT(OK, MojoAcceptInvitation(&endpoint, NULL, &invitation));
  EXPECT(OK,
         MojoExtractMessagePipeFromInvitation(invitation, "p", 1, NULL, &pipe));
  EXPECT(OK, MojoClose(invitation));
  while (read_byte(pipe))
    write_byte(pipe);
}

static pid_t checked_fork(void) {
  fflush(stdout);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0)
    alarm(60);
  return child;
}

static int wait_for(pid_t child) {
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  return status;
}

static void at_exit(void) {
  MojoHandle a, b;
  (void)MojoCreateMessagePipe(NULL, &a, &b);
}

/* Returns in a child that is to end by returning from main(). */
static bool run_inviter(int socket, int alive) {
  MojoPlatformHandle native;
  const MojoInvitationTransportEndpoint endpoint = channel(socket, &native);
  MojoHandle invitation, pipe;
  EXPECT(OK, MojoCreateInvitation(NULL, &invitation));
  EXPECT(OK,
         MojoAttachMessagePipeToInvitation(invitation, "p", 1, NULL, &pipe));
  EXPECT(OK, MojoSendInvitation(invitation, NULL, &endpoint, NULL, 0, NULL));
  CHECK(atexit(at_exit) == 0);
  for (int i = 0; i < ROUNDS; i++) {
    write_byte(pipe);
    pid_t child = checked_fork();
    if (child == 0) {
      role = "a child of the inviter";
      EXPECT(FAILED_PRECONDITION, MojoWait(pipe, R, 0, NULL));
      EXPECT(FAILED_PRECONDITION, MojoShutdown(MOJO_DEADLINE_INDEFINITE));
      EXPECT(FAILED_PRECONDITION, MojoClose(pipe));
      if (i % 3 == 0)
        exit(0);
      if (i % 3 == 1)
        return true;
      _exit(0);
    }
    CHECK(read_byte(pipe));
    CHECK(wait_for(child) == 0);
  }
  if (checked_fork() == 0) {
    /* Lives until the first process says so. */
    char byte;
    CHECK(read(alive, &byte, 1) == 1);
    CHECK(write(alive, "y", 1) == 1);
    _exit(0);
  }
  write_byte(pipe);
  CHECK(read_byte(pipe));
  raise(SIGKILL);
  return false;
}

int main(void) {
  role = "the first process";
  alarm(60);
  int sockets[2], alive[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, alive) == 0);
  /* Before it uses the library: each of the three can. */
  pid_t invitee = checked_fork();
  if (invitee == 0) {
    role = "the invitee";
    close(sockets[0]);
    close(alive[0]);
    close(alive[1]);
    run_invitee(sockets[1]);
    return 0;
  }
  close(sockets[1]);
  pid_t inviter = checked_fork();
  if (inviter == 0) {
    role = "the inviter";
    close(alive[0]);
    return run_inviter(sockets[0], alive[1]) ? 0 : 1;
  }
  close(sockets[0]);
  close(alive[1]);
  int status = wait_for(inviter);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  CHECK(wait_for(invitee) == 0);
  char byte;
  CHECK(write(alive[0], "x", 1) == 1);
  CHECK(read(alive[0], &byte, 1) == 1 && byte == 'y');
  return 0;
}
