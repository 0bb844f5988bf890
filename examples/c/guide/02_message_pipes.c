/* Creating message pipes: two ends that are alike and know of each other. */

#include "guide.h"

int main(void) {
  MojoHandle a, b;
  EXPECT(OK, MojoCreateMessagePipe(NULL, &a, &b));
  CHECK(a != MOJO_HANDLE_INVALID && b != MOJO_HANDLE_INVALID && a != b);

  /* Both directions of the pipe are there at once. */
  EXPECT(OK, MojoWriteMessage(a, text_message("from a"),
                              MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoWriteMessage(b, text_message("from b"),
                              MOJO_WRITE_MESSAGE_FLAG_NONE));

  /* What was written before the end is still read; then the end is noticed. */
  EXPECT(OK, MojoClose(a));
  MojoMessageHandle message;
  EXPECT(OK, MojoReadMessage(b, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoDestroyMessage(message));
  EXPECT(FAILED_PRECONDITION,
         MojoReadMessage(b, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoClose(b));
  return 0;
}
