/* The module that makes a pipe and sends through it all that it can carry. */

#include "module.h"

static const char* role = "sender";

static MojoHandle pipe_end;
static int num_serialized;
static int num_destroyed;

/* Sends an end of a new pipe, through which the answer comes, and memory. */
static void talk(void) {
  MojoHandle own;
  MojoHandle handles[2];
  EXPECT(OK, MojoCreateMessagePipe(NULL, &own, &handles[0]));
  EXPECT(OK, MojoCreateSharedBuffer(NULL, 16, &handles[1]));
  char* memory = map(handles[1]);
  strcpy(memory, "question");
  write_message(pipe_end, put_text(new_message(), "talk", handles, 2));

  expect_text(read_message(own), "hear", NULL, 0);
  CHECK(strcmp(memory, "answer") == 0);
  EXPECT(OK, MojoUnmapBuffer(memory));
  EXPECT(OK, MojoClose(own));
}

static void serialize(MojoMessageHandle message, uintptr_t context) {
  CHECK(context == (uintptr_t)&num_serialized);
  num_serialized++;
  put_text(message, "lazy", NULL, 0);
}

static void destroy(uintptr_t context) {
  CHECK(context == (uintptr_t)&num_serialized);
  num_destroyed++;
}

static void write_context(void) {
  MojoMessageHandle message = new_message();
  EXPECT(OK, MojoAttachMessageContextWithDestructor(
                 message, (uintptr_t)&num_serialized, &serialize, &destroy));
  write_message(pipe_end, message);
}

void run_module(const char* step, MojoHandle* pipe) {
  if (strcmp(step, "too early") == 0) {
    expect_nothing();
  } else if (strcmp(step, "begin") == 0) {
    EXPECT(OK, MojoCreateMessagePipe(NULL, &pipe_end, pipe));
  } else if (strcmp(step, "talk") == 0) {
    talk();
  } else if (strcmp(step, "be lazy") == 0) {
    /* The receiver destroys the first as it is, and serializes the second. */
    write_context();
    CHECK(num_serialized == 0 && num_destroyed == 1);
    write_context();
    CHECK(num_serialized == 1 && num_destroyed == 2);
  } else {
    CHECK(strcmp(step, "end") == 0);
    EXPECT(OK, MojoClose(pipe_end));
  }
}
