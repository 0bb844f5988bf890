/* The module that is called when something has come through the pipe. */

#include "module.h"

static const char* role = "receiver";

static MojoHandle pipe_end;
static MojoHandle watcher;
static int num_messages;
static int is_closed;
static int is_cancelled;

static void hear(MojoMessageHandle message) {
  MojoHandle handles[2];
  expect_text(message, "talk", handles, 2);
  char* memory = map(handles[1]);
  CHECK(strcmp(memory, "question") == 0);
  strcpy(memory, "answer");
  EXPECT(OK, MojoUnmapBuffer(memory));
  EXPECT(OK, MojoClose(handles[1]));
  write_message(handles[0], put_text(new_message(), "hear", NULL, 0));
  EXPECT(OK, MojoClose(handles[0]));
}

static void expect_context(MojoMessageHandle message) {
  uintptr_t context = 0;
  EXPECT(OK, MojoGetMessageContext(message, &context,
                                   MOJO_GET_MESSAGE_CONTEXT_FLAG_NONE));
  CHECK(context != 0);
}

static void arm(void) {
  EXPECT(OK, MojoArmWatcher(watcher, NULL, NULL, NULL, NULL));
}

static void on_notification(uintptr_t context,
                            MojoResult result,
                            MojoHandleSignalsState state,
                            MojoWatcherNotificationFlags flags) {
  (void)state;
  (void)flags;
  CHECK(context == (uintptr_t)&pipe_end);
  if (result == MOJO_RESULT_CANCELLED) {
    is_cancelled = 1;
    return;
  }
  if (result == MOJO_RESULT_FAILED_PRECONDITION) {
    is_closed = 1;
    return;
  }
  EXPECT(OK, result);
  MojoMessageHandle message = read_message(pipe_end);
  switch (++num_messages) {
    case 1:
      hear(message);
      break;
    case 2:
      expect_context(message);
      EXPECT(OK, MojoDestroyMessage(message));
      break;
    default:
      expect_context(message);
      EXPECT(OK, MojoSerializeMessage(message));
      expect_text(message, "lazy", NULL, 0);
  }
  arm();
}

void run_module(const char* step, MojoHandle* pipe) {
  if (strcmp(step, "too early") == 0) {
    expect_nothing();
  } else if (strcmp(step, "begin") == 0) {
    pipe_end = *pipe;
    EXPECT(OK, MojoCreateWatcher(&on_notification, &watcher));
    EXPECT(OK, MojoWatch(watcher, pipe_end, MOJO_HANDLE_SIGNAL_READABLE,
                         (uintptr_t)&pipe_end));
    arm();
  } else {
    CHECK(strcmp(step, "end") == 0);
    CHECK(num_messages == 3 && is_closed && !is_cancelled);
    EXPECT(OK, MojoClose(watcher));
    CHECK(is_cancelled);
    EXPECT(OK, MojoClose(pipe_end));
  }
}
