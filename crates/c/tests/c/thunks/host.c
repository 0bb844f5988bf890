/*
 * Two modules that know nothing of the library talk by means of the one that
 * this program is linked with.
 *
 *   host SENDER RECEIVER
 */

#define _POSIX_C_SOURCE 200809L

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "../check.h"
#include "mojo/public/c/system/core.h"
#include "mojo/public/c/system/thunks.h"

static const char* role = "host";

struct module {
  void* library;
  MojoSetSystemThunksFn set;
  void (*run)(const char* step, MojoHandle* pipe);
};

static void* find(void* library, const char* name) {
  void* address = dlsym(library, name);
  if (!address)
    fail(__FILE__, __LINE__, "%s", dlerror());
  return address;
}

static struct module load(const char* path) {
  struct module module;
  module.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!module.library)
    fail(__FILE__, __LINE__, "%s", dlerror());
  *(void**)&module.set = find(module.library, "MojoSetSystemThunks");
  *(void**)&module.run = find(module.library, "run_module");
  return module;
}

static void expect_no_table_yet(const struct module* module) {
  const size_t size = sizeof(MojoSystemThunks);
  MojoSystemThunks too_small = *MojoEmbedderGetSystemThunks();
  module->run("too early", NULL);
  CHECK(module->set(NULL) == size);
  too_small.size = size - 1;
  CHECK(module->set(&too_small) == size);
  module->run("too early", NULL);
}

/* Each entry is the library's function of that name. */
static void check_table(const MojoExtendedSystemThunks* thunks) {
#define EXPECT_ENTRY(name) CHECK(thunks->standard.name == &Mojo##name)
  CHECK(thunks->standard.size == sizeof(*thunks));
  EXPECT_ENTRY(GetTimeTicksNow);
  EXPECT_ENTRY(Close);
  EXPECT_ENTRY(QueryHandleSignalsState);
  EXPECT_ENTRY(CreateMessagePipe);
  EXPECT_ENTRY(WriteMessage);
  EXPECT_ENTRY(ReadMessage);
  EXPECT_ENTRY(CreateDataPipe);
  EXPECT_ENTRY(WriteData);
  EXPECT_ENTRY(BeginWriteData);
  EXPECT_ENTRY(EndWriteData);
  EXPECT_ENTRY(ReadData);
  EXPECT_ENTRY(BeginReadData);
  EXPECT_ENTRY(EndReadData);
  EXPECT_ENTRY(CreateSharedBuffer);
  EXPECT_ENTRY(DuplicateBufferHandle);
  EXPECT_ENTRY(MapBuffer);
  EXPECT_ENTRY(UnmapBuffer);
  EXPECT_ENTRY(CreateWatcher);
  EXPECT_ENTRY(Watch);
  EXPECT_ENTRY(CancelWatch);
  EXPECT_ENTRY(ArmWatcher);
  EXPECT_ENTRY(FuseMessagePipes);
  EXPECT_ENTRY(CreateMessage);
  EXPECT_ENTRY(DestroyMessage);
  EXPECT_ENTRY(SerializeMessage);
  EXPECT_ENTRY(AttachSerializedMessageBuffer);
  EXPECT_ENTRY(ExtendSerializedMessagePayload);
  EXPECT_ENTRY(CommitSerializedMessageContents);
  EXPECT_ENTRY(GetSerializedMessageContents);
  EXPECT_ENTRY(AttachMessageContext);
  EXPECT_ENTRY(GetMessageContext);
  EXPECT_ENTRY(WrapPlatformHandle);
  EXPECT_ENTRY(UnwrapPlatformHandle);
  EXPECT_ENTRY(WrapPlatformSharedBufferHandle);
  EXPECT_ENTRY(UnwrapPlatformSharedBufferHandle);
  EXPECT_ENTRY(NotifyBadMessage);
  EXPECT_ENTRY(GetProperty);
  CHECK(thunks->AttachMessageContextWithDestructor ==
        &MojoAttachMessageContextWithDestructor);
}

int main(int argc, char** argv) {
  CHECK(argc == 3);
  alarm(60);
  struct module sender = load(argv[1]);
  struct module receiver = load(argv[2]);
  expect_no_table_yet(&sender);
  expect_no_table_yet(&receiver);

  const MojoSystemThunks* thunks = MojoEmbedderGetSystemThunks();
  check_table((const MojoExtendedSystemThunks*)thunks);
  CHECK(sender.set(thunks) == sizeof(*thunks));
  CHECK(receiver.set(thunks) == sizeof(*thunks));

  MojoHandle pipe;
  MojoHandleSignalsState state;
  sender.run("begin", &pipe);
  /* The handle means the same here. */
  EXPECT(OK, MojoQueryHandleSignalsState(pipe, &state));
  CHECK(state.satisfied_signals == MOJO_HANDLE_SIGNAL_WRITABLE);
  receiver.run("begin", &pipe);
  sender.run("talk", NULL);
  sender.run("be lazy", NULL);
  sender.run("end", NULL);
  receiver.run("end", NULL);
  EXPECT(INVALID_ARGUMENT, MojoClose(pipe));

  CHECK(dlclose(sender.library) == 0);
  CHECK(dlclose(receiver.library) == 0);
  return 0;
}
