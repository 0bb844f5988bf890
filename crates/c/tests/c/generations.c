// A program that is linked with the library, and uses the tables of the later generation too.
#include "../../../core-so/tests/c/client.h"
#include "mojo/public/c/system/core.h"
#include "mojo/public/c/system/thunks.h"

static int num_events;
static void note(const struct event* event) {
  CHECK(event->context == 1);
  num_events++;
}

int main(void) {
  const struct table* wide = (const struct table*)MojoEmbedderGetSystemThunks2();
  const struct table* narrow = (const struct table*)MojoEmbedderGetSystemThunks32();
  CHECK(wide->size == 376 && narrow->size == 376);
  MojoHandle a, b;
  EXPECT(OK, MojoCreateMessagePipe(NULL, &a, &b));

  // A pipe end goes from the first generation to the later one, as a number and in a message.
  struct state state;
  struct MojoHandleSignalsState first;
  EXPECT(OK, wide->Query(b, &state));
  EXPECT(OK, MojoQueryHandleSignalsState(b, &first));
  CHECK(state.satisfiable & EXCEEDED && !(first.satisfiable_signals & EXCEEDED));
  H trap;
  EXPECT(OK, wide->CreateTrap(note, NULL, &trap));
  EXPECT(OK, wide->AddTrigger(trap, b, READABLE, 1, 1, NULL));
  EXPECT(OK, wide->Arm(trap, NULL, NULL, NULL));
  MojoHandle c, d;
  EXPECT(OK, MojoCreateMessagePipe(NULL, &c, &d));
  MojoMessageHandle message;
  void* buffer;
  uint32_t size;
  EXPECT(OK, MojoCreateMessage(&message));
  EXPECT(OK, MojoAttachSerializedMessageBuffer(message, 2, &d, 1, &buffer, &size));
  memcpy(buffer, "hi", 2);
  // It is not committed, which the first generation does when it writes.
  EXPECT(OK, MojoWriteMessage(a, message, 0));
  CHECK(num_events == 1);
  H end;
  expect_text(wide, b, "hi", &end, 1);
  EXPECT(OK, wide->Write(end, text(wide, "back", NULL, 0), NULL));
  EXPECT(OK, MojoReadMessage(c, &message, 0));
  EXPECT(OK, MojoGetSerializedMessageContents(message, &buffer, &size, NULL, NULL, 0));
  CHECK(size == 4 && memcmp(buffer, "back", 4) == 0);
  EXPECT(OK, MojoDestroyMessage(message));

  // Until a quota is set, by either.
  EXPECT(OK, wide->SetQuota(b, 0, 10, NULL));
  EXPECT(OK, MojoQueryHandleSignalsState(b, &first));
  CHECK(first.satisfiable_signals & EXCEEDED);
  EXPECT(OK, MojoClose(trap));
  EXPECT(OK, ((R(*)(uint32_t))narrow->Close)(a));
  EXPECT(INVALID, wide->Close(a));
  EXPECT(OK, wide->Close(b));
  EXPECT(OK, wide->Close(c));
  EXPECT(OK, MojoClose(end));
  return 0;
}
