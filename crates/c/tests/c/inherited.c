/*
 * A program that was started with an invitation, by whatever means: it finds
 * the number of its socket in the environment, accepts, and answers one message.
 */

#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "check.h"
#include "mojo/public/c/system/core.h"
#include "mojo/public/c/system/embedder.h"
#include "mojo/public/c/system/invitation.h"
#include "mojo/public/c/system/wait.h"

static const char* role = "inherited";

/* The socket that whoever started this process has left to it, or -1. */
static int inherited_socket(void) {
  const char* variable = getenv("LIBMOJO_INVITATION");
  int number;
  unsigned long long inode;
  struct stat found;
  if (!variable || sscanf(variable, "%d:%llu", &number, &inode) != 2)
    return -1;
  unsetenv("LIBMOJO_INVITATION");
  if (number < 3 || fstat(number, &found) != 0 || found.st_ino != inode)
    return -1;
  return fcntl(number, F_SETFD, FD_CLOEXEC) == 0 ? number : -1;
}

int main(void) {
  int inherited = inherited_socket();
  CHECK(inherited >= 0);
  CHECK(inherited_socket() < 0);
  MojoPlatformHandle socket = {sizeof(socket),
                               MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR,
                               (uint64_t)inherited};
  const MojoInvitationTransportEndpoint endpoint = {
      sizeof(endpoint), MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL, 1, &socket};
  MojoHandle invitation, pipe;
  EXPECT(OK, MojoAcceptInvitation(&endpoint, NULL, &invitation));
  EXPECT(OK, MojoExtractMessagePipeFromInvitation(invitation, "main", 4, NULL,
                                                  &pipe));
  EXPECT(OK, MojoClose(invitation));

  MojoMessageHandle message;
  EXPECT(OK, MojoWait(pipe, MOJO_HANDLE_SIGNAL_READABLE,
                      MOJO_DEADLINE_INDEFINITE, NULL));
  EXPECT(OK, MojoReadMessage(pipe, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoWriteMessage(pipe, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoFlush(MOJO_DEADLINE_INDEFINITE));
  return 0;
}
