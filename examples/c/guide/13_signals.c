/* Signals: what holds of a handle, and what can still come to hold. */

#include "guide.h"

static void show_state(const char* name, MojoHandle handle) {
  MojoHandleSignalsState state;
  CHECK(MojoQueryHandleSignalsState(handle, &state) == MOJO_RESULT_OK);
  printf("%s\n", name);
  print_signals("  satisfied", state.satisfied_signals);
  print_signals("  satisfiable", state.satisfiable_signals);
}

static void message_pipe(void) {
  MojoHandle a, b;
  EXPECT(OK, MojoCreateMessagePipe(NULL, &a, &b));

  MojoHandleSignalsState state;
  EXPECT(OK, MojoQueryHandleSignalsState(a, &state));
  CHECK((state.satisfied_signals | state.satisfiable_signals) ==
        state.satisfiable_signals);
  show_state("a", a);

  EXPECT(OK, MojoWriteMessage(b, text_message("hello"),
                              MOJO_WRITE_MESSAGE_FLAG_NONE));
  show_state("a", a);

  /* |a| can never be written to again, but there is something to read. */
  EXPECT(OK, MojoClose(b));
  show_state("a", a);

  MojoMessageHandle message;
  EXPECT(OK, MojoReadMessage(a, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  EXPECT(OK, MojoDestroyMessage(message));
  show_state("a", a);
  EXPECT(OK, MojoClose(a));
}

static void data_pipe(void) {
  const MojoCreateDataPipeOptions options = {
      sizeof(options), MOJO_CREATE_DATA_PIPE_OPTIONS_FLAG_NONE, 1, 4};
  MojoHandle producer, consumer;
  EXPECT(OK, MojoCreateDataPipe(&options, &producer, &consumer));
  show_state("producer", producer);
  show_state("consumer", consumer);

  uint32_t num_bytes = 4;
  EXPECT(OK, MojoWriteData(producer, "data", &num_bytes,
                           MOJO_WRITE_DATA_FLAG_NONE));
  show_state("producer", producer);
  show_state("consumer", consumer);

  /* Whoever tries to read has taken notice of what is there. */
  EXPECT(OK,
         MojoReadData(consumer, NULL, &num_bytes, MOJO_READ_DATA_FLAG_QUERY));
  show_state("consumer", consumer);

  /* During a two-phase read nobody else can read. */
  const void* buffer;
  EXPECT(OK, MojoBeginReadData(consumer, &buffer, &num_bytes,
                               MOJO_READ_DATA_FLAG_NONE));
  show_state("consumer", consumer);
  EXPECT(OK, MojoEndReadData(consumer, num_bytes));

  EXPECT(OK, MojoClose(producer));
  show_state("consumer", consumer);
  EXPECT(OK, MojoClose(consumer));
}

int main(void) {
  message_pipe();
  data_pipe();
  return 0;
}
