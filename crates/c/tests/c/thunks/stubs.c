/*
 * Each function of the thunks library reaches the entry of its name in the
 * table, with its arguments and its result unchanged, once there is one.
 */

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "../check.h"
#include "mojo/public/c/system/thunks.h"

static const char* role = "stubs";

/*
 * What stands for the argument at |place| in a call of |entry|. It fills 64
 * bits, of which a function of 32 gets the lower half.
 */
#define VALUE(entry, place) \
  (UINT64_C(0x100000001) * ((unsigned)(entry)*16 + (place)))

/* The entry that was reached last, or 0. */
static unsigned reached;

static MojoResult reach(unsigned entry, unsigned num_arguments, ...) {
  va_list arguments;
  va_start(arguments, num_arguments);
  for (unsigned place = 1; place <= num_arguments; place++)
    CHECK(va_arg(arguments, uint64_t) == VALUE(entry, place));
  va_end(arguments);
  reached = entry;
  return 1000 + entry;
}

/* All 64 bits of what must have come from VALUE(). */
#define WIDE(argument)    \
  ((uint64_t)(argument) * \
   (sizeof(argument) == 4 ? UINT64_C(0x100000001) : UINT64_C(1)))

/* STUB<n>(entry, Name, types of the n arguments) defines the function Name. */
#define STUB1(entry, name, A)        \
  static MojoResult name(A a) {      \
    return reach(entry, 1, WIDE(a)); \
  }
#define STUB2(entry, name, A, B)              \
  static MojoResult name(A a, B b) {          \
    return reach(entry, 2, WIDE(a), WIDE(b)); \
  }
#define STUB3(entry, name, A, B, D)                    \
  static MojoResult name(A a, B b, D d) {              \
    return reach(entry, 3, WIDE(a), WIDE(b), WIDE(d)); \
  }
#define STUB4(entry, name, A, B, D, E)                          \
  static MojoResult name(A a, B b, D d, E e) {                  \
    return reach(entry, 4, WIDE(a), WIDE(b), WIDE(d), WIDE(e)); \
  }
#define STUB5(entry, name, A, B, D, E, F)                                \
  static MojoResult name(A a, B b, D d, E e, F f) {                      \
    return reach(entry, 5, WIDE(a), WIDE(b), WIDE(d), WIDE(e), WIDE(f)); \
  }
#define STUB6(entry, name, A, B, D, E, F, G)                            \
  static MojoResult name(A a, B b, D d, E e, F f, G g) {                \
    return reach(entry, 6, WIDE(a), WIDE(b), WIDE(d), WIDE(e), WIDE(f), \
                 WIDE(g));                                              \
  }

static MojoTimeTicks GetTimeTicksNow(void) {
  return (MojoTimeTicks)reach(1, 0);
}
STUB1(2, Close, MojoHandle)
STUB2(3, QueryHandleSignalsState, MojoHandle, MojoHandleSignalsState*)
STUB3(4,
      CreateMessagePipe,
      const MojoCreateMessagePipeOptions*,
      MojoHandle*,
      MojoHandle*)
STUB3(5, WriteMessage, MojoHandle, MojoMessageHandle, MojoWriteMessageFlags)
STUB3(6, ReadMessage, MojoHandle, MojoMessageHandle*, MojoReadMessageFlags)
STUB3(7,
      CreateDataPipe,
      const MojoCreateDataPipeOptions*,
      MojoHandle*,
      MojoHandle*)
STUB4(8, WriteData, MojoHandle, const void*, uint32_t*, MojoWriteDataFlags)
STUB4(9, BeginWriteData, MojoHandle, void**, uint32_t*, MojoWriteDataFlags)
STUB2(10, EndWriteData, MojoHandle, uint32_t)
STUB4(11, ReadData, MojoHandle, void*, uint32_t*, MojoReadDataFlags)
STUB4(12, BeginReadData, MojoHandle, const void**, uint32_t*, MojoReadDataFlags)
STUB2(13, EndReadData, MojoHandle, uint32_t)
STUB3(14,
      CreateSharedBuffer,
      const MojoCreateSharedBufferOptions*,
      uint64_t,
      MojoHandle*)
STUB3(15,
      DuplicateBufferHandle,
      MojoHandle,
      const MojoDuplicateBufferHandleOptions*,
      MojoHandle*)
STUB5(16, MapBuffer, MojoHandle, uint64_t, uint64_t, void**, MojoMapBufferFlags)
STUB1(17, UnmapBuffer, void*)
STUB2(18, CreateWatcher, MojoWatcherNotificationCallback, MojoHandle*)
STUB4(19, Watch, MojoHandle, MojoHandle, MojoHandleSignals, uintptr_t)
STUB2(20, CancelWatch, MojoHandle, uintptr_t)
STUB5(21,
      ArmWatcher,
      MojoHandle,
      uint32_t*,
      uintptr_t*,
      MojoResult*,
      MojoHandleSignalsState*)
STUB2(22, FuseMessagePipes, MojoHandle, MojoHandle)
STUB1(23, CreateMessage, MojoMessageHandle*)
STUB1(24, DestroyMessage, MojoMessageHandle)
STUB1(25, SerializeMessage, MojoMessageHandle)
STUB6(26,
      AttachSerializedMessageBuffer,
      MojoMessageHandle,
      uint32_t,
      const MojoHandle*,
      uint32_t,
      void**,
      uint32_t*)
STUB6(27,
      ExtendSerializedMessagePayload,
      MojoMessageHandle,
      uint32_t,
      const MojoHandle*,
      uint32_t,
      void**,
      uint32_t*)
STUB4(28,
      CommitSerializedMessageContents,
      MojoMessageHandle,
      uint32_t,
      void**,
      uint32_t*)
STUB6(29,
      GetSerializedMessageContents,
      MojoMessageHandle,
      void**,
      uint32_t*,
      MojoHandle*,
      uint32_t*,
      MojoGetSerializedMessageContentsFlags)
STUB3(30,
      AttachMessageContext,
      MojoMessageHandle,
      uintptr_t,
      MojoMessageContextSerializer)
STUB3(31,
      GetMessageContext,
      MojoMessageHandle,
      uintptr_t*,
      MojoGetMessageContextFlags)
STUB2(32, WrapPlatformHandle, const MojoPlatformHandle*, MojoHandle*)
STUB2(33, UnwrapPlatformHandle, MojoHandle, MojoPlatformHandle*)
STUB5(34,
      WrapPlatformSharedBufferHandle,
      const MojoPlatformHandle*,
      size_t,
      const MojoSharedBufferGuid*,
      MojoPlatformSharedBufferHandleFlags,
      MojoHandle*)
STUB5(35,
      UnwrapPlatformSharedBufferHandle,
      MojoHandle,
      MojoPlatformHandle*,
      size_t*,
      MojoSharedBufferGuid*,
      MojoPlatformSharedBufferHandleFlags*)
STUB3(36, NotifyBadMessage, MojoMessageHandle, const char*, size_t)
STUB2(37, GetProperty, MojoPropertyType, void*)
STUB4(38,
      AttachMessageContextWithDestructor,
      MojoMessageHandle,
      uintptr_t,
      MojoMessageContextSerializer,
      MojoMessageContextDestructor)

static const MojoExtendedSystemThunks stubs = {
    {sizeof(MojoSystemThunks),
     &GetTimeTicksNow,
     &Close,
     &QueryHandleSignalsState,
     &CreateMessagePipe,
     &WriteMessage,
     &ReadMessage,
     &CreateDataPipe,
     &WriteData,
     &BeginWriteData,
     &EndWriteData,
     &ReadData,
     &BeginReadData,
     &EndReadData,
     &CreateSharedBuffer,
     &DuplicateBufferHandle,
     &MapBuffer,
     &UnmapBuffer,
     &CreateWatcher,
     &Watch,
     &CancelWatch,
     &ArmWatcher,
     &FuseMessagePipes,
     &CreateMessage,
     &DestroyMessage,
     &SerializeMessage,
     &AttachSerializedMessageBuffer,
     &ExtendSerializedMessagePayload,
     &CommitSerializedMessageContents,
     &GetSerializedMessageContents,
     &AttachMessageContext,
     &GetMessageContext,
     &WrapPlatformHandle,
     &UnwrapPlatformHandle,
     &WrapPlatformSharedBufferHandle,
     &UnwrapPlatformSharedBufferHandle,
     &NotifyBadMessage,
     &GetProperty},
    &AttachMessageContextWithDestructor,
};

/* How many entries the installed table has, and which one is called. */
static unsigned num_entries;
static unsigned called;

static MojoResult expected(void) {
  if (called <= num_entries)
    return 1000 + called;
  if (num_entries > 0)
    return MOJO_RESULT_UNIMPLEMENTED;
  return called == 1 ? 0 : MOJO_RESULT_FAILED_PRECONDITION;
}

/* A number, a pointer to an object or to a function, at that place. */
#define N(place) VALUE(called, place)
#define P(place) ((void*)(uintptr_t)VALUE(called, place))
#define F(type, place) ((type)(uintptr_t)VALUE(called, place))
#define CALL(entry, call)                                       \
  (called = (entry), reached = 0,                               \
   check_result(__FILE__, __LINE__, #call, expected(), (call)), \
   CHECK(reached == (called <= num_entries ? called : 0)))

static void call_everything(void) {
  CALL(1, MojoGetTimeTicksNow());
  CALL(2, MojoClose(N(1)));
  CALL(3, MojoQueryHandleSignalsState(N(1), P(2)));
  CALL(4, MojoCreateMessagePipe(P(1), P(2), P(3)));
  CALL(5, MojoWriteMessage(N(1), N(2), N(3)));
  CALL(6, MojoReadMessage(N(1), P(2), N(3)));
  CALL(7, MojoCreateDataPipe(P(1), P(2), P(3)));
  CALL(8, MojoWriteData(N(1), P(2), P(3), N(4)));
  CALL(9, MojoBeginWriteData(N(1), P(2), P(3), N(4)));
  CALL(10, MojoEndWriteData(N(1), N(2)));
  CALL(11, MojoReadData(N(1), P(2), P(3), N(4)));
  CALL(12, MojoBeginReadData(N(1), P(2), P(3), N(4)));
  CALL(13, MojoEndReadData(N(1), N(2)));
  CALL(14, MojoCreateSharedBuffer(P(1), N(2), P(3)));
  CALL(15, MojoDuplicateBufferHandle(N(1), P(2), P(3)));
  CALL(16, MojoMapBuffer(N(1), N(2), N(3), P(4), N(5)));
  CALL(17, MojoUnmapBuffer(P(1)));
  CALL(18, MojoCreateWatcher(F(MojoWatcherNotificationCallback, 1), P(2)));
  CALL(19, MojoWatch(N(1), N(2), N(3), N(4)));
  CALL(20, MojoCancelWatch(N(1), N(2)));
  CALL(21, MojoArmWatcher(N(1), P(2), P(3), P(4), P(5)));
  CALL(22, MojoFuseMessagePipes(N(1), N(2)));
  CALL(23, MojoCreateMessage(P(1)));
  CALL(24, MojoDestroyMessage(N(1)));
  CALL(25, MojoSerializeMessage(N(1)));
  CALL(26,
       MojoAttachSerializedMessageBuffer(N(1), N(2), P(3), N(4), P(5), P(6)));
  CALL(27,
       MojoExtendSerializedMessagePayload(N(1), N(2), P(3), N(4), P(5), P(6)));
  CALL(28, MojoCommitSerializedMessageContents(N(1), N(2), P(3), P(4)));
  CALL(29,
       MojoGetSerializedMessageContents(N(1), P(2), P(3), P(4), P(5), N(6)));
  CALL(30, MojoAttachMessageContext(N(1), N(2),
                                    F(MojoMessageContextSerializer, 3)));
  CALL(31, MojoGetMessageContext(N(1), P(2), N(3)));
  CALL(32, MojoWrapPlatformHandle(P(1), P(2)));
  CALL(33, MojoUnwrapPlatformHandle(N(1), P(2)));
  CALL(34, MojoWrapPlatformSharedBufferHandle(P(1), N(2), P(3), N(4), P(5)));
  CALL(34, MojoWrapPlatformSharedBuffer(P(1), N(2), P(3), N(4), P(5)));
  CALL(35, MojoUnwrapPlatformSharedBufferHandle(N(1), P(2), P(3), P(4), P(5)));
  CALL(35, MojoUnwrapPlatformSharedBuffer(N(1), P(2), P(3), P(4), P(5)));
  CALL(36, MojoNotifyBadMessage(N(1), P(2), N(3)));
  CALL(37, MojoGetProperty(N(1), P(2)));
  CALL(38, MojoAttachMessageContextWithDestructor(
               N(1), N(2), F(MojoMessageContextSerializer, 3),
               F(MojoMessageContextDestructor, 4)));
}

int main(void) {
  const size_t size = sizeof(MojoSystemThunks);
  MojoExtendedSystemThunks table = stubs;
  struct {
    MojoExtendedSystemThunks known;
    void* unknown;
  } longer = {stubs, NULL};

  /* There is no table, and nothing makes it one that is too small. */
  call_everything();
  table.standard.size = size - 1;
  CHECK(MojoSetSystemThunks(NULL) == size);
  CHECK(MojoEmbedderSetSystemThunks(NULL) == size);
  CHECK(MojoSetSystemThunks(&table.standard) == size);
  CHECK(MojoEmbedderSetSystemThunks(&table.standard) == size);
  call_everything();

  /* One with room for half an addition has no addition. */
  table.standard.size = sizeof(table) - 1;
  num_entries = 37;
  CHECK(MojoEmbedderSetSystemThunks(&table.standard) == size);
  call_everything();

  /* Of a longer one all is taken that is known. */
  longer.known.standard.size = sizeof(longer);
  num_entries = 38;
  CHECK(MojoSetSystemThunks(&longer.known.standard) == size);
  call_everything();

  /* The last table counts, and need not be kept. */
  table = stubs;
  num_entries = 37;
  CHECK(MojoSetSystemThunks(&table.standard) == size);
  memset(&table, 0, sizeof(table));
  call_everything();
  return 0;
}
