/* Threads: several of them write to one end, and callbacks run on any. */

#include <pthread.h>

#include "guide.h"

enum { NUM_THREADS = 4, NUM_MESSAGES = 100 };

static MojoHandle a, b, watcher;

/*
 * Changed in the callback only. Callbacks for one watch never overlap, so they
 * need no lock among themselves, whatever threads they run on.
 */
static int num_received;

static void on_notification(uintptr_t context,
                            MojoResult result,
                            MojoHandleSignalsState signals_state,
                            MojoWatcherNotificationFlags flags) {
  (void)context;
  (void)signals_state;
  (void)flags;
  if (result == MOJO_RESULT_CANCELLED)
    return;
  do {
    MojoMessageHandle message;
    while (MojoReadMessage(a, &message, MOJO_READ_MESSAGE_FLAG_NONE) ==
           MOJO_RESULT_OK) {
      CHECK(MojoDestroyMessage(message) == MOJO_RESULT_OK);
      num_received++;
    }
  } while (MojoArmWatcher(watcher, NULL, NULL, NULL, NULL) ==
           MOJO_RESULT_FAILED_PRECONDITION);
}

static void* write_messages(void* unused) {
  (void)unused;
  for (int i = 0; i < NUM_MESSAGES; i++)
    CHECK(MojoWriteMessage(b, text_message("hello"),
                           MOJO_WRITE_MESSAGE_FLAG_NONE) == MOJO_RESULT_OK);
  return NULL;
}

int main(void) {
  EXPECT(OK, MojoCreateMessagePipe(NULL, &a, &b));
  EXPECT(OK, MojoCreateWatcher(&on_notification, &watcher));
  EXPECT(OK, MojoWatch(watcher, a, MOJO_HANDLE_SIGNAL_READABLE, 0));
  EXPECT(OK, MojoArmWatcher(watcher, NULL, NULL, NULL, NULL));

  pthread_t threads[NUM_THREADS];
  for (int i = 0; i < NUM_THREADS; i++)
    CHECK(pthread_create(&threads[i], NULL, &write_messages, NULL) == 0);
  for (int i = 0; i < NUM_THREADS; i++)
    CHECK(pthread_join(threads[i], NULL) == 0);

  /* All calls have returned, and with them all callbacks that they caused. */
  printf("%d threads wrote, %d messages arrived\n", NUM_THREADS, num_received);
  CHECK(num_received == NUM_THREADS * NUM_MESSAGES);

  EXPECT(OK, MojoClose(watcher));
  EXPECT(OK, MojoClose(a));
  EXPECT(OK, MojoClose(b));
  return 0;
}
