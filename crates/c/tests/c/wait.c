/*
 * Waiting from plain C: blocked threads, interruptions by signals, and a loop
 * of the program's own. Exits with 0 if everything is as it must be.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "mojo/public/c/system/core.h"
#include "mojo/public/c/system/wait.h"

static const char* role = "wait";

#define R MOJO_HANDLE_SIGNAL_READABLE
#define W MOJO_HANDLE_SIGNAL_WRITABLE
#define C MOJO_HANDLE_SIGNAL_PEER_CLOSED
#define M MOJO_HANDLE_SIGNAL_PEER_REMOTE

static const MojoHandleSignalsState UNTOUCHED = {0xAAAA, 0xBBBB};

#define EXPECT_STATE(state, satisfied, satisfiable)    \
  CHECK((state).satisfied_signals == (satisfied) &&    \
        (state).satisfiable_signals == (satisfiable))

static void write_one(MojoHandle pipe) {
  MojoMessageHandle message;
  void* buffer;
  uint32_t size;
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK, MojoAttachSerializedMessageBuffer(message, 1, NULL, 0, &buffer,
                                               &size));
  EXPECT(OK, MojoWriteMessage(pipe, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
}

static void read_one(MojoHandle pipe) {
  MojoMessageHandle message;
  EXPECT(OK, MojoReadMessage(pipe, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoDestroyMessage(message));
}

/* ---- A thread that acts once the main thread sleeps ---- */

enum action { WRITE, CLOSE_PEER, CLOSE, INTERRUPT_AND_WRITE };

struct actor {
  enum action action;
  MojoHandle handle;
  pthread_t sleeper;
};

/* True while the thread sleeps in the kernel. */
static bool is_asleep(pid_t thread) {
  char path[64];
  char text[512];
  snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)thread);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  CHECK(fd >= 0);
  ssize_t length = read(fd, text, sizeof(text) - 1);
  close(fd);
  CHECK(length > 0);
  text[length] = 0;
  const char* state = strrchr(text, ')');
  return state && state[2] == 'S';
}

static volatile sig_atomic_t interruptions = 0;

static void on_signal(int number) {
  (void)number;
  interruptions++;
}

static void* act(void* argument) {
  struct actor* actor = argument;
  while (!is_asleep(getpid()))
    sched_yield();
  switch (actor->action) {
    case INTERRUPT_AND_WRITE:
      for (int i = 1; i <= 3; i++) {
        CHECK(pthread_kill(actor->sleeper, SIGUSR1) == 0);
        while (interruptions < i || !is_asleep(getpid()))
          sched_yield();
      }
      write_one(actor->handle);
      break;
    case WRITE:
      write_one(actor->handle);
      break;
    case CLOSE_PEER:
    case CLOSE:
      EXPECT(OK, MojoClose(actor->handle));
      break;
  }
  return NULL;
}

/* To be called on the main thread, whose number is that of the process. */
static pthread_t start(struct actor* actor) {
  pthread_t thread;
  actor->sleeper = pthread_self();
  CHECK(pthread_create(&thread, NULL, &act, actor) == 0);
  return thread;
}

static void test_waiting_for_one(void) {
  MojoHandle a, b;
  EXPECT(OK, MojoCreateMessagePipe(NULL, &a, &b));

  MojoHandleSignalsState state = UNTOUCHED;
  EXPECT(OK, MojoWait(a, W, MOJO_DEADLINE_INDEFINITE, &state));
  EXPECT_STATE(state, W, R | W | C);
  EXPECT(OK, MojoWait(a, R | W, 0, NULL));
  state = UNTOUCHED;
  EXPECT(DEADLINE_EXCEEDED, MojoWait(a, R, 0, &state));
  EXPECT_STATE(state, W, R | W | C);
  MojoTimeTicks before = MojoGetTimeTicksNow();
  EXPECT(DEADLINE_EXCEEDED, MojoWait(a, R | C, 20000, NULL));
  CHECK(MojoGetTimeTicksNow() - before >= 20000);
  /* No handle of this program has a peer in another process. */
  EXPECT(FAILED_PRECONDITION, MojoWait(a, M, MOJO_DEADLINE_INDEFINITE, NULL));
  EXPECT(FAILED_PRECONDITION, MojoWait(a, 0, MOJO_DEADLINE_INDEFINITE, NULL));

  struct actor writer = {WRITE, b, pthread_self()};
  pthread_t thread = start(&writer);
  EXPECT(OK, MojoWait(a, R, MOJO_DEADLINE_INDEFINITE, &state));
  EXPECT_STATE(state, R | W, R | W | C);
  pthread_join(thread, NULL);
  read_one(a);

  struct actor interrupter = {INTERRUPT_AND_WRITE, b, pthread_self()};
  thread = start(&interrupter);
  EXPECT(OK, MojoWait(a, R, UINT64_C(3600000000), NULL));
  pthread_join(thread, NULL);
  CHECK(interruptions == 3);
  read_one(a);

  struct actor closer = {CLOSE_PEER, b, pthread_self()};
  thread = start(&closer);
  EXPECT(FAILED_PRECONDITION, MojoWait(a, R, MOJO_DEADLINE_INDEFINITE, &state));
  EXPECT_STATE(state, C, C);
  pthread_join(thread, NULL);
  EXPECT(OK, MojoClose(a));

  EXPECT(OK, MojoCreateMessagePipe(NULL, &a, &b));
  struct actor own = {CLOSE, a, pthread_self()};
  thread = start(&own);
  state = UNTOUCHED;
  EXPECT(CANCELLED, MojoWait(a, R, MOJO_DEADLINE_INDEFINITE, &state));
  EXPECT_STATE(state, 0, 0);
  pthread_join(thread, NULL);
  EXPECT(OK, MojoClose(b));
}

static void test_arguments(void) {
  MojoHandle a, b, buffer;
  EXPECT(OK, MojoCreateMessagePipe(NULL, &a, &b));
  EXPECT(OK, MojoCreateSharedBuffer(NULL, 8, &buffer));
  MojoHandleSignalsState states[3] = {UNTOUCHED, UNTOUCHED, UNTOUCHED};
  const MojoHandleSignals signals[3] = {R, R, R};
  uint32_t index = 77;

  EXPECT(INVALID_ARGUMENT, MojoWait(0, W, 0, &states[0]));
  EXPECT(INVALID_ARGUMENT, MojoWait(buffer, W, 0, &states[0]));

  MojoHandle handles[3] = {a, buffer, 0};
  EXPECT(INVALID_ARGUMENT, MojoWaitMany(handles, signals, 0, 0, &index, states));
  EXPECT(INVALID_ARGUMENT, MojoWaitMany(NULL, signals, 1, 0, &index, states));
  EXPECT(INVALID_ARGUMENT, MojoWaitMany(handles, NULL, 1, 0, &index, states));
  CHECK(index == 77);
  EXPECT(INVALID_ARGUMENT, MojoWaitMany(handles, signals, 2, 0, &index, states));
  CHECK(index == 1);
  handles[1] = b;
  EXPECT(INVALID_ARGUMENT, MojoWaitMany(handles, signals, 3, 0, &index, states));
  CHECK(index == 2);
  EXPECT_STATE(states[0], UNTOUCHED.satisfied_signals,
               UNTOUCHED.satisfiable_signals);
  EXPECT(INVALID_ARGUMENT, MojoWaitMany(handles, signals, 3, 0, NULL, NULL));

  EXPECT(OK, MojoClose(a));
  EXPECT(OK, MojoClose(b));
  EXPECT(OK, MojoClose(buffer));
}

static void test_waiting_for_many(void) {
  MojoHandle a[3], b[3];
  for (int i = 0; i < 3; i++)
    EXPECT(OK, MojoCreateMessagePipe(NULL, &a[i], &b[i]));
  const MojoHandleSignals signals[3] = {R, R, R | C};
  MojoHandleSignalsState states[3];
  uint32_t index = 77;
  EXPECT(DEADLINE_EXCEEDED, MojoWaitMany(a, signals, 3, 1000, &index, states));
  CHECK(index == 77);
  for (int i = 0; i < 3; i++)
    EXPECT_STATE(states[i], W, R | W | C);

  struct actor writer = {WRITE, b[1], pthread_self()};
  pthread_t thread = start(&writer);
  EXPECT(OK, MojoWaitMany(a, signals, 3, MOJO_DEADLINE_INDEFINITE, &index,
                          states));
  CHECK(index == 1);
  EXPECT_STATE(states[0], W, R | W | C);
  EXPECT_STATE(states[1], R | W, R | W | C);
  pthread_join(thread, NULL);

  EXPECT(OK, MojoClose(b[0]));
  EXPECT(FAILED_PRECONDITION, MojoWaitMany(a, signals, 3, 0, &index, states));
  CHECK(index == 0);
  EXPECT_STATE(states[0], C, C);
  const MojoHandle twice[2] = {a[2], a[2]};
  const MojoHandleSignals differing[2] = {R, W};
  EXPECT(OK, MojoWaitMany(twice, differing, 2, MOJO_DEADLINE_INDEFINITE, &index,
                          NULL));
  CHECK(index == 1);

  struct actor closer = {CLOSE, a[2], pthread_self()};
  thread = start(&closer);
  EXPECT(CANCELLED, MojoWaitMany(a + 2, signals + 2, 1,
                                 MOJO_DEADLINE_INDEFINITE, NULL, states));
  EXPECT_STATE(states[0], 0, 0);
  pthread_join(thread, NULL);

  EXPECT(OK, MojoClose(a[0]));
  EXPECT(OK, MojoClose(a[1]));
  EXPECT(OK, MojoClose(b[1]));
  EXPECT(OK, MojoClose(b[2]));
}

/* ---- A loop of the program's own ---- */

static struct {
  unsigned count;
  uintptr_t contexts[8];
  MojoResult results[8];
  MojoHandle cancel_in_callback;
} seen;

static void record(uintptr_t context,
                   MojoResult result,
                   MojoHandleSignalsState state,
                   MojoWatcherNotificationFlags flags) {
  (void)state;
  (void)flags;
  CHECK(seen.count < 8);
  seen.contexts[seen.count] = context;
  seen.results[seen.count] = result;
  seen.count++;
  if (seen.cancel_in_callback) {
    MojoHandle watcher = seen.cancel_in_callback;
    seen.cancel_in_callback = 0;
    EXPECT(OK, MojoCancelWatch(watcher, context));
  }
}

static bool is_readable(int descriptor) {
  struct pollfd poll_descriptor = {descriptor, POLLIN, 0};
  return poll(&poll_descriptor, 1, 0) == 1;
}

static void test_own_loop(void) {
  MojoHandle watcher = 77, ordinary;
  int descriptor = -7;
  EXPECT(INVALID_ARGUMENT, MojoCreatePollableWatcher(NULL, &watcher, &descriptor));
  EXPECT(INVALID_ARGUMENT, MojoCreatePollableWatcher(&record, NULL, &descriptor));
  EXPECT(INVALID_ARGUMENT, MojoCreatePollableWatcher(&record, &watcher, NULL));
  CHECK(watcher == 77 && descriptor == -7);
  EXPECT(OK, MojoCreatePollableWatcher(&record, &watcher, &descriptor));
  EXPECT(OK, MojoCreateWatcher(&record, &ordinary));
  EXPECT(FAILED_PRECONDITION, MojoDispatchWatcher(ordinary));
  EXPECT(INVALID_ARGUMENT, MojoDispatchWatcher(0));
  EXPECT(OK, MojoClose(ordinary));
  CHECK((fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);

  MojoHandle a, b, c, d;
  EXPECT(OK, MojoCreateMessagePipe(NULL, &a, &b));
  EXPECT(OK, MojoCreateMessagePipe(NULL, &c, &d));
  EXPECT(INVALID_ARGUMENT, MojoDispatchWatcher(a));
  EXPECT(OK, MojoWatch(watcher, a, R, 1));
  EXPECT(OK, MojoWatch(watcher, c, R, 2));
  EXPECT(OK, MojoArmWatcher(watcher, NULL, NULL, NULL, NULL));
  EXPECT(OK, MojoDispatchWatcher(watcher));
  CHECK(!is_readable(descriptor));

  /* Nothing is called before the program asks for it. */
  write_one(b);
  CHECK(seen.count == 0 && is_readable(descriptor));
  EXPECT(OK, MojoDispatchWatcher(watcher));
  CHECK(seen.count == 1 && seen.contexts[0] == 1 &&
        seen.results[0] == MOJO_RESULT_OK);
  CHECK(!is_readable(descriptor));
  read_one(a);

  /* What a callback causes is dispatched by the same call. */
  EXPECT(OK, MojoArmWatcher(watcher, NULL, NULL, NULL, NULL));
  seen.cancel_in_callback = watcher;
  write_one(b);
  EXPECT(OK, MojoDispatchWatcher(watcher));
  CHECK(seen.count == 3 && seen.contexts[2] == 1 &&
        seen.results[2] == MOJO_RESULT_CANCELLED);
  CHECK(!is_readable(descriptor));

  /* A cancellation overtakes what is yet to be dispatched. */
  EXPECT(OK, MojoArmWatcher(watcher, NULL, NULL, NULL, NULL));
  write_one(d);
  EXPECT(OK, MojoCancelWatch(watcher, 2));
  CHECK(seen.count == 3 && is_readable(descriptor));
  EXPECT(OK, MojoDispatchWatcher(watcher));
  CHECK(seen.count == 4 && seen.contexts[3] == 2 &&
        seen.results[3] == MOJO_RESULT_CANCELLED);

  /* Closing leaves nothing to dispatch: one watch has been cancelled before
     and not dispatched, the other one is cancelled by it. */
  EXPECT(OK, MojoWatch(watcher, a, R, 5));
  EXPECT(OK, MojoWatch(watcher, c, R, 6));
  EXPECT(OK, MojoClose(a));
  CHECK(seen.count == 4 && is_readable(descriptor));
  EXPECT(OK, MojoClose(watcher));
  CHECK(seen.count == 6 && seen.contexts[4] == 5 && seen.contexts[5] == 6);
  CHECK(seen.results[4] == MOJO_RESULT_CANCELLED &&
        seen.results[5] == MOJO_RESULT_CANCELLED);
  CHECK(!is_readable(descriptor));
  EXPECT(INVALID_ARGUMENT, MojoDispatchWatcher(watcher));
  CHECK(close(descriptor) == 0);
  EXPECT(OK, MojoClose(b));
  EXPECT(OK, MojoClose(c));
  EXPECT(OK, MojoClose(d));
}

int main(void) {
  /* Ends the program if something hangs. */
  alarm(60);
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_handler = &on_signal;
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  test_waiting_for_one();
  test_arguments();
  test_waiting_for_many();
  test_own_loop();
  return 0;
}
