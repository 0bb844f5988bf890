/* Watchers: to be told of a change instead of asking for it. */

#include "guide.h"

static void on_notification(uintptr_t context,
                            MojoResult result,
                            MojoHandleSignalsState signals_state,
                            MojoWatcherNotificationFlags flags) {
  printf("notified: context %u, %s\n", (unsigned)context, result_name(result));
  print_signals("  satisfied", signals_state.satisfied_signals);
  /* The cause is a call of this program, not another process. */
  CHECK(!(flags & MOJO_WATCHER_NOTIFICATION_FLAG_FROM_SYSTEM));
}

int main(void) {
  MojoHandle w;
  EXPECT(OK, MojoCreateWatcher(&on_notification, &w));

  MojoHandle a, b;
  EXPECT(OK, MojoCreateMessagePipe(NULL, &a, &b));

  /* Watch |a| for readability. */
  const uintptr_t context = 1234;
  EXPECT(OK, MojoWatch(w, a, MOJO_HANDLE_SIGNAL_READABLE, context));
  EXPECT(ALREADY_EXISTS, MojoWatch(w, a, MOJO_HANDLE_SIGNAL_READABLE, 5678));

  /* The notification comes before the call that causes it has returned. */
  EXPECT(OK, MojoArmWatcher(w, NULL, NULL, NULL, NULL));
  EXPECT(OK, MojoWriteMessage(b, text_message("one"),
                              MOJO_WRITE_MESSAGE_FLAG_NONE));

  /* It has disarmed the watcher, so this makes none. */
  EXPECT(OK, MojoWriteMessage(b, text_message("two"),
                              MOJO_WRITE_MESSAGE_FLAG_NONE));

  /* Room for four watches that are ready and so prevent arming. */
  uint32_t num_ready_contexts = 4;
  uintptr_t ready_contexts[4];
  MojoResult ready_results[4];
  MojoHandleSignalsState ready_states[4];
  EXPECT(FAILED_PRECONDITION,
         MojoArmWatcher(w, &num_ready_contexts, ready_contexts, ready_results,
                        ready_states));
  CHECK(num_ready_contexts == 1 && ready_contexts[0] == 1234);
  printf("ready: context %u, %s\n", (unsigned)ready_contexts[0],
         result_name(ready_results[0]));
  print_signals("  satisfied", ready_states[0].satisfied_signals);

  /* Once everything is read it can be armed again. */
  MojoMessageHandle message;
  while (MojoReadMessage(a, &message, MOJO_READ_MESSAGE_FLAG_NONE) ==
         MOJO_RESULT_OK)
    EXPECT(OK, MojoDestroyMessage(message));
  EXPECT(OK, MojoArmWatcher(w, NULL, NULL, NULL, NULL));

  /* Nothing can ever be read from |a| now, which is worth knowing, too. */
  EXPECT(OK, MojoClose(b));

  EXPECT(OK, MojoClose(w));
  EXPECT(OK, MojoClose(a));
  return 0;
}
