/* Plain C and C++ alike: a message on its way through the installed library. */

#include <string.h>

#include "mojo/public/c/system/core.h"
#include "mojo/public/c/system/invitation.h"
#include "mojo/public/c/system/wait.h"

int main(void) {
  MojoHandle ends[2];
  MojoHandle invitation;
  MojoMessageHandle message;
  void* buffer;
  uint32_t num_bytes;
  if (MojoCreateInvitation(NULL, &invitation) ||
      MojoCreateMessagePipe(NULL, &ends[0], &ends[1]) ||
      MojoCreateMessage(&message) ||
      MojoAttachSerializedMessageBuffer(message, 5, NULL, 0, &buffer,
                                        &num_bytes))
    return 1;
  memcpy(buffer, "hello", 5);
  if (MojoWriteMessage(ends[0], message, MOJO_WRITE_MESSAGE_FLAG_NONE) ||
      MojoWait(ends[1], MOJO_HANDLE_SIGNAL_READABLE, 0, NULL) ||
      MojoReadMessage(ends[1], &message, MOJO_READ_MESSAGE_FLAG_NONE) ||
      MojoGetSerializedMessageContents(
          message, &buffer, &num_bytes, NULL, NULL,
          MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE))
    return 2;
  if (num_bytes != 5 || memcmp(buffer, "hello", 5) != 0)
    return 3;
  return MojoDestroyMessage(message) || MojoClose(ends[0]) ||
                 MojoClose(ends[1]) || MojoClose(invitation)
             ? 4
             : 0;
}
