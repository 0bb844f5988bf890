/* Contexts that are state: counts the messages that reach each end of a pipe.
 */

#include "guide.h"

struct watched_handle_state {
  const char* name;
  MojoHandle watcher;
  MojoHandle handle;
  int message_count;
};

static void on_notification(uintptr_t context,
                            MojoResult result,
                            MojoHandleSignalsState signals_state,
                            MojoWatcherNotificationFlags flags) {
  struct watched_handle_state* state = (struct watched_handle_state*)context;
  (void)signals_state;
  (void)flags;

  /* Always the last notification, and it always comes: the time to free. */
  if (result == MOJO_RESULT_CANCELLED) {
    printf("%s: %d in all\n", state->name, state->message_count);
    free(state);
    return;
  }

  /* Nothing to read any more: the other end is closed. */
  if (result == MOJO_RESULT_FAILED_PRECONDITION) {
    EXPECT(OK, MojoCancelWatch(state->watcher, context));
    return;
  }

  /*
   * This is the only watch of its watcher, so what prevents arming is here.
   * |state| lives until this callback has returned, even if it cancels.
   */
  while (MojoArmWatcher(state->watcher, NULL, NULL, NULL, NULL) ==
         MOJO_RESULT_FAILED_PRECONDITION) {
    MojoMessageHandle message;
    MojoResult rv =
        MojoReadMessage(state->handle, &message, MOJO_READ_MESSAGE_FLAG_NONE);
    if (rv == MOJO_RESULT_OK) {
      CHECK(MojoDestroyMessage(message) == MOJO_RESULT_OK);
      state->message_count++;
      printf("%s: message %d\n", state->name, state->message_count);
    } else if (rv == MOJO_RESULT_FAILED_PRECONDITION) {
      EXPECT(OK, MojoCancelWatch(state->watcher, context));
      return;
    }
  }
}

/* Returns the watcher that counts what can be read from |handle|. */
static MojoHandle count_messages(const char* name, MojoHandle handle) {
  MojoHandle watcher;
  EXPECT(OK, MojoCreateWatcher(&on_notification, &watcher));

  struct watched_handle_state* state = malloc(sizeof(*state));
  CHECK(state != NULL);
  state->name = name;
  state->watcher = watcher;
  state->handle = handle;
  state->message_count = 0;

  EXPECT(OK, MojoWatch(watcher, handle, MOJO_HANDLE_SIGNAL_READABLE,
                       (uintptr_t)state));
  EXPECT(OK, MojoArmWatcher(watcher, NULL, NULL, NULL, NULL));
  return watcher;
}

int main(void) {
  MojoHandle a, b;
  EXPECT(OK, MojoCreateMessagePipe(NULL, &a, &b));
  MojoHandle a_watcher = count_messages("a", a);
  MojoHandle b_watcher = count_messages("b", b);

  EXPECT(OK, MojoWriteMessage(a, text_message("to b"),
                              MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoWriteMessage(b, text_message("to a"),
                              MOJO_WRITE_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoWriteMessage(a, text_message("to b"),
                              MOJO_WRITE_MESSAGE_FLAG_NONE));

  /* Ends both watches: one at once, the other as nothing is left to read. */
  EXPECT(OK, MojoClose(a));

  EXPECT(OK, MojoClose(b));
  EXPECT(OK, MojoClose(a_watcher));
  EXPECT(OK, MojoClose(b_watcher));
  return 0;
}
