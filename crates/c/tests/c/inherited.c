/*
 * A program that was started with an invitation, by whatever means: it finds
 * the number of its socket in the environment, accepts, and answers one message.
 */

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "mojo/public/c/system/core.h"
#include "mojo/public/c/system/embedder.h"
#include "mojo/public/c/system/invitation.h"
#include "mojo/public/c/system/wait.h"

static const char* role = "inherited";

int main(void) {
  const char* variable = getenv("LIBMOJO_INVITATION");
  CHECK(variable);
  MojoPlatformHandle socket = {sizeof(socket),
                               MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR,
                               strtoul(variable, NULL, 10)};
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
