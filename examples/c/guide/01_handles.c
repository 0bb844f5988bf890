/* Handles: what they name, who owns them, and how they end. */

#include "guide.h"

/* Whatever makes an object would do. */
static MojoHandle do_something_to_get_a_valid_handle(void) {
  MojoHandle buffer;
  EXPECT(OK, MojoCreateSharedBuffer(NULL, 64, &buffer));
  return buffer;
}

int main(void) {
  MojoHandle x = do_something_to_get_a_valid_handle();
  EXPECT(OK, MojoClose(x));

  /* The value names nothing now; later it may come to name something else. */
  EXPECT(INVALID_ARGUMENT, MojoClose(x));
  x = MOJO_HANDLE_INVALID;
  EXPECT(INVALID_ARGUMENT, MojoClose(x));

  /* A call that fails leaves its outputs alone: there is nothing to close. */
  EXPECT(INVALID_ARGUMENT, MojoCreateSharedBuffer(NULL, 0, &x));
  CHECK(x == MOJO_HANDLE_INVALID);

  /* Handles have kinds, and most calls are for one of them. */
  x = do_something_to_get_a_valid_handle();
  MojoMessageHandle message;
  EXPECT(INVALID_ARGUMENT,
         MojoReadMessage(x, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoClose(x));
  return 0;
}
