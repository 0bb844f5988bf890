/* Cancelling: three ways to end a watch, and what all of them have in common.
 */

#include "guide.h"

static int num_cancelled;

static void on_notification(uintptr_t context,
                            MojoResult result,
                            MojoHandleSignalsState signals_state,
                            MojoWatcherNotificationFlags flags) {
  (void)flags;
  printf("notified: context %u, %s\n", (unsigned)context, result_name(result));
  CHECK(result == MOJO_RESULT_CANCELLED);
  CHECK(signals_state.satisfied_signals == MOJO_HANDLE_SIGNAL_NONE);
  num_cancelled++;
}

struct watched_pipe {
  MojoHandle w, a, b;
};

static struct watched_pipe watch_a_new_pipe(void) {
  struct watched_pipe pipe;
  CHECK(MojoCreateWatcher(&on_notification, &pipe.w) == MOJO_RESULT_OK);
  CHECK(MojoCreateMessagePipe(NULL, &pipe.a, &pipe.b) == MOJO_RESULT_OK);
  EXPECT(OK, MojoWatch(pipe.w, pipe.a, MOJO_HANDLE_SIGNAL_READABLE, 1234));
  return pipe;
}

int main(void) {
  /* The watched handle is closed... */
  struct watched_pipe pipe = watch_a_new_pipe();
  EXPECT(OK, MojoClose(pipe.a));
  /* ...and the watcher has no watch left, but can be used on. */
  EXPECT(NOT_FOUND, MojoArmWatcher(pipe.w, NULL, NULL, NULL, NULL));
  CHECK(MojoClose(pipe.w) == MOJO_RESULT_OK);
  CHECK(MojoClose(pipe.b) == MOJO_RESULT_OK);

  /* Or the watcher is closed. An armed one tells no more than others. */
  pipe = watch_a_new_pipe();
  EXPECT(OK, MojoArmWatcher(pipe.w, NULL, NULL, NULL, NULL));
  EXPECT(OK, MojoClose(pipe.w));
  CHECK(MojoClose(pipe.a) == MOJO_RESULT_OK);
  CHECK(MojoClose(pipe.b) == MOJO_RESULT_OK);

  /* Or the watch is cancelled by name. */
  pipe = watch_a_new_pipe();
  EXPECT(OK, MojoCancelWatch(pipe.w, 1234));
  EXPECT(NOT_FOUND, MojoCancelWatch(pipe.w, 1234));
  CHECK(MojoClose(pipe.w) == MOJO_RESULT_OK);
  CHECK(MojoClose(pipe.a) == MOJO_RESULT_OK);
  CHECK(MojoClose(pipe.b) == MOJO_RESULT_OK);

  CHECK(num_cancelled == 3);
  return 0;
}
