// Everything that one process can do by itself.
#include "client.h"
#include <fcntl.h>
#include <sys/mman.h>

static struct table t;
static const struct options SHORT = {7, 0}, COMMIT = {8, 1}, IGNORE = {8, 1}, UNKNOWN_FLAG = {8, 1u << 30};
static int num_destroyed;

static void destroy(uintptr_t context) { (void)context; num_destroyed++; }
static void serialize(M message, uintptr_t context) {
  void* buffer;
  EXPECT(OK, t.Append(message, 1, NULL, 0, context == 7 ? &COMMIT : NULL, &buffer, NULL));
  *(char*)buffer = 's';
}

static void messages(void) {
  M m;
  uintptr_t context;
  void *buffer, *before;
  uint32_t size, count;
  H a, b, c, d, got;
  EXPECT(INVALID, t.CreateMessage(NULL, NULL));
  EXPECT(INVALID, t.CreateMessage(&SHORT, &m));
  EXPECT(OK, t.CreateMessage(&UNKNOWN_FLAG, &m));
  EXPECT(NOT_FOUND, t.GetContext(m, NULL, &context));
  EXPECT(NOT_FOUND, t.Serialize(m, NULL));
  EXPECT(PRECONDITION, t.GetData(m, NULL, &buffer, &size, NULL, NULL));
  EXPECT(OK, t.SetContext(m, 0, NULL, NULL, NULL));
  EXPECT(INVALID, t.SetContext(m, 0, serialize, NULL, NULL));
  EXPECT(OK, t.SetContext(m, 5, NULL, destroy, NULL));
  EXPECT(EXISTS, t.SetContext(m, 6, NULL, destroy, NULL));
  EXPECT(NOT_FOUND, t.Serialize(m, NULL));
  EXPECT(PRECONDITION, t.Append(m, 1, NULL, 0, NULL, NULL, NULL));
  EXPECT(OK, t.SetContext(m, 0, NULL, NULL, NULL));
  CHECK(num_destroyed == 0);
  EXPECT(OK, t.SetContext(m, 5, serialize, destroy, NULL));
  EXPECT(ABORTED, t.Serialize(m, NULL));
  CHECK(num_destroyed == 1);
  EXPECT(OK, t.SetContext(m, 7, serialize, destroy, NULL));
  EXPECT(OK, t.GetContext(m, NULL, &context));
  CHECK(context == 7);
  EXPECT(OK, t.Serialize(m, NULL));
  CHECK(num_destroyed == 2);
  EXPECT(PRECONDITION, t.Serialize(m, NULL));
  EXPECT(OK, t.GetData(m, NULL, &buffer, &size, NULL, NULL));
  CHECK(size == 1 && *(char*)buffer == 's');
  EXPECT(PRECONDITION, t.Append(m, 1, NULL, 0, NULL, NULL, NULL));
  EXPECT(OK, t.DestroyMessage(m));
  EXPECT(INVALID, t.DestroyMessage(m));

  // In parts, with handles between them; the whole capacity is the writer's.
  EXPECT(INVALID, t.CreatePipe(&SHORT, &a, &b));
  EXPECT(OK, t.CreatePipe(NULL, &a, &b));
  EXPECT(OK, t.CreatePipe(NULL, &c, &d));
  EXPECT(OK, t.CreateMessage(NULL, &m));
  EXPECT(OK, t.Append(m, 0, NULL, 0, NULL, &buffer, &size));
  CHECK(buffer && size >= 128);
  memset(buffer, 'x', size);
  count = size;
  EXPECT(OK, t.Append(m, count, NULL, 0, NULL, &before, &size));
  CHECK(before == buffer && size == count);
  EXPECT(INVALID, t.Append(m, 0, NULL, 1, NULL, NULL, NULL));
  EXPECT(OK, t.Append(m, 1, &c, 1, NULL, &buffer, &size));
  CHECK(size >= 2 * count && ((char*)buffer)[count - 1] == 'x' && ((char*)buffer)[count] == 0);
  EXPECT(INVALID, t.Close(c));
  EXPECT(PRECONDITION, t.GetData(m, NULL, &buffer, &size, NULL, NULL));
  EXPECT(INVALID, t.Append(m, 0, &c, 1, &COMMIT, NULL, NULL));
  EXPECT(OK, t.Append(m, 0, NULL, 0, &COMMIT, NULL, NULL));
  EXPECT(OK, t.GetData(m, &IGNORE, &buffer, &size, NULL, NULL));
  CHECK(size == count + 1);
  EXPECT(EXHAUSTED, t.GetData(m, NULL, &buffer, &size, NULL, NULL));
  EXPECT(OK, t.Write(a, m, NULL));
  EXPECT(INVALID, t.Read(b, NULL, NULL));
  EXPECT(OK, t.Read(b, NULL, &m));
  EXPECT(WAIT, t.Read(b, NULL, &(M){0}));
  H guarded[3] = {11, 22, 33};
  count = 1;
  EXPECT(OK, t.GetData(m, NULL, &buffer, &size, &guarded[1], &count));
  CHECK(count == 1 && guarded[0] == 11 && guarded[2] == 33);
  got = guarded[1];
  EXPECT(NOT_FOUND, t.GetData(m, NULL, &buffer, &size, &guarded[1], &count));
  EXPECT(OK, t.GetData(m, &IGNORE, &buffer, &size, NULL, NULL));
  EXPECT(OK, t.Write(b, m, NULL));
  // Not committed, so it is none.
  EXPECT(OK, t.CreateMessage(NULL, &m));
  EXPECT(OK, t.Append(m, 1, NULL, 0, NULL, NULL, NULL));
  EXPECT(INVALID, t.Write(a, m, NULL));
  EXPECT(INVALID, t.DestroyMessage(m));
  EXPECT(OK, t.CreateMessage(NULL, &m));
  EXPECT(NOT_FOUND, t.Write(a, m, NULL));

  if (SIZE >= 376) {
    EXPECT(OK, t.CreateMessage(NULL, &m));
    EXPECT(OK, t.Reserve(m, 10, &size));
    CHECK(size >= 128);
    EXPECT(OK, t.Reserve(m, 5000, &size));
    CHECK(size >= 5000);
    EXPECT(PRECONDITION, t.Serialize(m, NULL));
    EXPECT(PRECONDITION, t.SetContext(m, 1, NULL, NULL, NULL));
    EXPECT(PRECONDITION, t.SetContext(m, 0, NULL, NULL, NULL));
    EXPECT(OK, t.Append(m, 1, NULL, 0, NULL, &before, &size));
    CHECK(size >= 5000);
    EXPECT(OK, t.Append(m, 4999, NULL, 0, NULL, &buffer, &size));
    CHECK(buffer == before);
    EXPECT(PRECONDITION, t.Reserve(m, 10, &size));
    EXPECT(OK, t.DestroyMessage(m));
    EXPECT(OK, t.CreateMessage(NULL, &m));
    EXPECT(EXHAUSTED, t.Reserve(m, UINT32_MAX, NULL));
    EXPECT(OK, t.DestroyMessage(m));
  }
  EXPECT(OK, t.Close(got));
  EXPECT(OK, t.Close(a)); EXPECT(OK, t.Close(b)); EXPECT(OK, t.Close(d));
}

static void pipes(void) {
  H a, b, c, d;
  struct state s;
  M m;
  EXPECT(OK, t.CreatePipe(NULL, &a, &b));
  EXPECT(OK, t.Query(a, &s));
  CHECK(s.satisfied == WRITABLE && s.satisfiable == (READABLE | WRITABLE | CLOSED | REMOTE | EXCEEDED));
  EXPECT(OK, t.Write(b, text(&t, "hi", NULL, 0), NULL));
  EXPECT(OK, t.Close(b));
  EXPECT(OK, t.Query(a, &s));
  CHECK(s.satisfied == (READABLE | CLOSED) && s.satisfiable == (READABLE | CLOSED | EXCEEDED));
  expect_text(&t, a, "hi", NULL, 0);
  EXPECT(PRECONDITION, t.Read(a, NULL, &m));
  EXPECT(PRECONDITION, t.Write(a, text(&t, "", NULL, 0), NULL));
  EXPECT(OK, t.Query(a, &s));
  CHECK(s.satisfied == CLOSED && s.satisfiable == (CLOSED | EXCEEDED));
  EXPECT(OK, t.Close(a));
  EXPECT(INVALID, t.Close(a));
  EXPECT(INVALID, t.Close(0));
  if (sizeof(H) == 8) {
    EXPECT(OK, t.CreatePipe(NULL, &a, &b));
    EXPECT(INVALID, t.Close((H)((uint64_t)a | 1ull << 32)));
    EXPECT(OK, t.Close(a)); EXPECT(OK, t.Close(b));
  }
  EXPECT(OK, t.CreatePipe(NULL, &a, &b));
  EXPECT(OK, t.CreatePipe(NULL, &c, &d));
  EXPECT(OK, t.Fuse(b, c, NULL));
  EXPECT(OK, t.Write(a, text(&t, "fused", NULL, 0), NULL));
  expect_text(&t, d, "fused", NULL, 0);
  EXPECT(OK, t.Close(a)); EXPECT(OK, t.Close(d));
}

static void data_pipes(void) {
  H p, c;
  char bytes[100] = "0123456789";
  void* address;
  const void* data;
  uint32_t n;
  struct state s;
  struct pipe_options tiny = {16, 0, 1, 10}, small = {15, 0, 1, 10};
  struct options all = {8, 1}, query = {8, 4}, discard = {8, 2};
  EXPECT(INVALID, t.CreateDataPipe(&small, &p, &c));
  EXPECT(OK, t.CreateDataPipe(&tiny, &p, &c));
  EXPECT(OK, t.Query(c, &s));
  CHECK(s.satisfiable == (READABLE | NEW_DATA | CLOSED | REMOTE) && s.satisfied == 0);
  n = 11; EXPECT(RANGE, t.WriteData(p, bytes, &n, &all));
  EXPECT(INVALID, t.WriteData(p, bytes, &n, &SHORT));
  EXPECT(UNIMPLEMENTED, t.WriteData(p, bytes, &n, &UNKNOWN_FLAG));
  EXPECT(INVALID, t.WriteData(0, bytes, &n, &UNKNOWN_FLAG));
  EXPECT(UNIMPLEMENTED, t.WriteData(c, bytes, &n, &UNKNOWN_FLAG));
  n = 11; EXPECT(RANGE, t.BeginWrite(p, &all, &address, &n));
  n = 10; EXPECT(OK, t.BeginWrite(p, &all, &address, &n));
  CHECK(n == 10);
  EXPECT(BUSY, t.WriteData(p, bytes, &n, NULL));
  memcpy(address, "abcdefghij", 10);
  EXPECT(OK, t.EndWrite(p, 4, NULL));
  EXPECT(OK, t.Query(c, &s));
  CHECK(s.satisfied == (READABLE | NEW_DATA));
  n = 0; EXPECT(OK, t.ReadData(c, &query, NULL, &n));
  CHECK(n == 4);
  n = 1; EXPECT(OK, t.ReadData(c, &discard, NULL, &n));
  EXPECT(UNIMPLEMENTED, t.BeginRead(c, &all, &data, &n));
  EXPECT(OK, t.BeginRead(c, NULL, &data, &n));
  CHECK(n == 3 && memcmp(data, "bcd", 3) == 0);
  EXPECT(INVALID, t.EndRead(c, 4, NULL));
  EXPECT(PRECONDITION, t.EndRead(c, 0, NULL));
  n = 100; EXPECT(OK, t.ReadData(c, NULL, bytes, &n));
  CHECK(n == 3);
  n = 1; EXPECT(WAIT, t.ReadData(c, NULL, bytes, &n));
  EXPECT(OK, t.Close(p)); 
  EXPECT(PRECONDITION, t.ReadData(c, NULL, bytes, &n));
  EXPECT(OK, t.Close(c));
}

static void buffers(void) {
  H w, u, r, r2, h;
  void *a, *b;
  struct options ro = {8, 1}, one = {1, 0}, four = {4, 1u << 30};
  struct info info = {16, 0}, little = {15, 0};
  EXPECT(INVALID, t.CreateBuffer(0, NULL, &w));
  EXPECT(EXHAUSTED, t.CreateBuffer(UINT64_MAX, NULL, &w));
  EXPECT(INVALID, t.CreateBuffer(100, &one, &w));
  EXPECT(UNIMPLEMENTED, t.CreateBuffer(100, &UNKNOWN_FLAG, &w));
  EXPECT(OK, t.CreateBuffer(100, &four, &w));
  EXPECT(INVALID, t.Info(w, NULL, &little));
  EXPECT(INVALID, t.Info(w, NULL, NULL));
  EXPECT(OK, t.Info(w, NULL, &info));
  CHECK(info.size == 100);
  EXPECT(INVALID, t.Map(w, 0, 101, NULL, &a));
  EXPECT(INVALID, t.Map(w, 0, 0, NULL, &a));
  EXPECT(UNIMPLEMENTED, t.Map(w, 0, 100, &UNKNOWN_FLAG, &a));
  EXPECT(OK, t.Map(w, 0, 100, NULL, &a));
  // Splitting makes the source what the copy is.
  EXPECT(OK, t.Duplicate(w, &ro, &r));
  strcpy(a, "still writable");
  EXPECT(PRECONDITION, t.Duplicate(w, NULL, &h));
  EXPECT(PRECONDITION, t.Duplicate(r, NULL, &h));
  EXPECT(OK, t.Duplicate(r, &ro, &r2));
  EXPECT(OK, t.Map(r2, 0, 100, NULL, &b));
  CHECK(strcmp(b, "still writable") == 0);
  EXPECT(OK, t.Unmap(b));
  EXPECT(INVALID, t.Unmap(b));
  EXPECT(OK, t.Unmap(a));
  EXPECT(OK, t.Close(w)); EXPECT(OK, t.Close(r)); EXPECT(OK, t.Close(r2));
  EXPECT(OK, t.CreateBuffer(100, NULL, &w));
  EXPECT(OK, t.Duplicate(w, NULL, &u));
  EXPECT(PRECONDITION, t.Duplicate(w, &ro, &h));
  EXPECT(PRECONDITION, t.Duplicate(u, &ro, &h));
  EXPECT(OK, t.Close(u)); EXPECT(OK, t.Close(w));

  // Out of the library and back, with the access that it had.
  struct platform p[3] = {{16, 0, 0}, {16, 0, 0}, {16, 0, 0}};
  struct guid guid;
  uint64_t size;
  uint32_t count, mode;
  EXPECT(OK, t.CreateBuffer(100, NULL, &w));
  count = 2;
  EXPECT(OK, t.UnwrapRegion(w, NULL, p, &count, &size, &guid, &mode));
  CHECK(count == 2 && mode == 1 && size == 100 && (guid.high | guid.low));
  CHECK((fcntl((int)p[0].value, F_GETFL) & O_ACCMODE) == O_RDWR && (fcntl((int)p[1].value, F_GETFL) & O_ACCMODE) == O_RDONLY);
  EXPECT(INVALID, t.Close(w));
  EXPECT(INVALID, t.WrapRegion(p, 1, 100, &guid, 1, NULL, &w));
  EXPECT(INVALID, t.WrapRegion(p, 2, 100, &guid, 2, NULL, &w));
  EXPECT(INVALID, t.WrapRegion(p, 1, 100, &guid, 0, NULL, &w));
  EXPECT(INVALID, t.WrapRegion(p, 2, 101, &guid, 1, NULL, &w));
  EXPECT(INVALID, t.WrapRegion(p, 2, 100, &guid, 3, NULL, &w));
  EXPECT(INVALID, t.WrapRegion(p, 2, 100, &(struct guid){0, 0}, 1, NULL, &w));
  CHECK(fcntl((int)p[0].value, F_GETFL) != -1 && fcntl((int)p[1].value, F_GETFL) != -1);
  EXPECT(OK, t.WrapRegion(p, 2, 100, &guid, 1, NULL, &w));
  CHECK(fcntl((int)p[0].value, F_GETFL) == -1);
  EXPECT(OK, t.Duplicate(w, &ro, &r));
  count = 0;
  EXPECT(INVALID, t.UnwrapRegion(w, NULL, p, &count, &size, &guid, &mode));
  EXPECT(INVALID, t.Close(w));
  EXPECT(OK, t.UnwrapRegion(r, NULL, p, &(uint32_t){1}, &size, &guid, &mode));
  CHECK(mode == 0);
  close((int)p[0].value);

  struct platform nothing = {16, 0, 77}, out = {16, 9, 9}, foreign = {16, 5, 0}, empty = {0, 0, 0};
  EXPECT(INVALID, t.Wrap(&empty, NULL, &h));
  EXPECT(INVALID, t.Wrap(&foreign, NULL, &h));
  EXPECT(OK, t.Wrap(&nothing, NULL, &h));
  EXPECT(INVALID, t.Unwrap(h, NULL, &empty));
  EXPECT(OK, t.Unwrap(h, NULL, &out));
  CHECK(out.type == 0 && out.value == 0);
  EXPECT(INVALID, t.Unwrap(h, NULL, &out));
}

static struct event events[32];
static int num_events;
static void note(const struct event* event) {
  CHECK(event->struct_size == 32);
  events[num_events++] = *event;
}

static void traps(void) {
  H a, b, trap, other;
  struct event blocking[2] = {{32, 0, 0, 0, 0, 0, 0}, {32, 0, 0, 0, 0, 0, 0}};
  uint32_t n;
  num_events = 0;
  EXPECT(INVALID, t.CreateTrap(NULL, NULL, &trap));
  EXPECT(INVALID, t.CreateTrap(note, NULL, NULL));
  EXPECT(INVALID, t.CreateTrap(note, &SHORT, &trap));
  EXPECT(OK, t.CreateTrap(note, NULL, &trap));
  EXPECT(OK, t.CreateTrap(note, NULL, &other));
  EXPECT(OK, t.CreatePipe(NULL, &a, &b));
  EXPECT(NOT_FOUND, t.Arm(trap, NULL, NULL, NULL));
  n = 1; EXPECT(INVALID, t.Arm(trap, NULL, &n, NULL));
  EXPECT(INVALID, t.AddTrigger(trap, a, READABLE, 2, 1, NULL));
  EXPECT(INVALID, t.AddTrigger(trap, other, READABLE, 1, 1, NULL));
  EXPECT(INVALID, t.AddTrigger(a, b, READABLE, 1, 1, NULL));
  EXPECT(OK, t.AddTrigger(trap, a, READABLE, 1, 1, NULL));
  EXPECT(EXISTS, t.AddTrigger(trap, b, READABLE, 1, 1, NULL));
  EXPECT(EXISTS, t.AddTrigger(trap, a, READABLE, 1, 2, NULL));
  EXPECT(OK, t.Arm(trap, NULL, NULL, NULL));
  EXPECT(OK, t.Write(b, text(&t, "x", NULL, 0), NULL));
  CHECK(num_events == 1 && events[0].flags == 1 && events[0].context == 1 && events[0].result == OK);
  CHECK(events[0].satisfied & READABLE);
  blocking[1].struct_size = 31; n = 2; EXPECT(INVALID, t.Arm(trap, NULL, &n, blocking));
  blocking[1].struct_size = 32; EXPECT(PRECONDITION, t.Arm(trap, NULL, &n, blocking));
  CHECK(n == 1 && blocking[0].flags == 1 && blocking[0].context == 1 && blocking[0].result == OK);
  // The other condition: ready until all that is watched is raised, and never hopeless.
  EXPECT(OK, t.AddTrigger(other, a, READABLE, 0, 9, NULL));
  EXPECT(OK, t.Arm(other, NULL, NULL, NULL));
  expect_text(&t, a, "x", NULL, 0);
  CHECK(num_events == 2 && events[1].context == 9 && events[1].result == OK && !(events[1].satisfied & READABLE));
  EXPECT(OK, t.Arm(trap, NULL, NULL, NULL));
  EXPECT(OK, t.RemoveTrigger(other, 9, NULL));
  EXPECT(NOT_FOUND, t.RemoveTrigger(other, 9, NULL));
  CHECK(num_events == 3 && events[2].result == CANCELLED && events[2].satisfied == 0 && events[2].flags == 1);
  EXPECT(OK, t.AddTrigger(other, a, 0, 0, 9, NULL));
  EXPECT(OK, t.Arm(other, NULL, NULL, NULL));
  EXPECT(OK, t.Close(b));
  CHECK(num_events == 4 && events[3].context == 1 && events[3].result == PRECONDITION);
  EXPECT(OK, t.Close(a));
  CHECK(num_events == 6 && events[4].result == CANCELLED && events[5].result == CANCELLED);
  EXPECT(OK, t.Close(trap)); EXPECT(OK, t.Close(other));
  CHECK(num_events == 6);
}

static void quotas(void) {
  H a, b, trap;
  M m;
  struct state s;
  uint64_t limit, usage;
  EXPECT(OK, t.CreatePipe(NULL, &a, &b));
  EXPECT(OK, t.CreateTrap(note, NULL, &trap));
  EXPECT(INVALID, t.SetQuota(a, 3, 1, NULL));
  EXPECT(INVALID, t.SetQuota(a, 0, 1, &SHORT));
  EXPECT(INVALID, t.SetQuota(trap, 0, 1, NULL));
  EXPECT(OK, t.QueryQuota(a, 0, NULL, &limit, &usage));
  CHECK(limit == UINT64_MAX && usage == 0);
  EXPECT(OK, t.SetQuota(a, 0, 1, NULL));
  num_events = 0;
  EXPECT(OK, t.AddTrigger(trap, a, EXCEEDED, 1, 4, NULL));
  EXPECT(OK, t.Arm(trap, NULL, NULL, NULL));
  EXPECT(OK, t.Write(b, text(&t, "1", NULL, 0), NULL));
  CHECK(num_events == 0);
  EXPECT(OK, t.Write(b, text(&t, "22", NULL, 0), NULL));
  CHECK(num_events == 1 && events[0].satisfied & EXCEEDED);
  EXPECT(OK, t.QueryQuota(a, 0, NULL, NULL, &usage)); CHECK(usage == 2);
  EXPECT(OK, t.QueryQuota(a, 1, NULL, NULL, &usage)); CHECK(usage == 3);
  EXPECT(OK, t.Read(a, NULL, &m));
  EXPECT(OK, t.DestroyMessage(m));
  EXPECT(OK, t.Query(a, &s)); CHECK(!(s.satisfied & EXCEEDED));
  EXPECT(OK, t.SetQuota(b, 2, 4, NULL));
  EXPECT(OK, t.QueryQuota(b, 2, NULL, &limit, NULL)); CHECK(limit == 4);
  EXPECT(OK, t.Close(a)); EXPECT(OK, t.Close(b)); EXPECT(OK, t.Close(trap));
}

static int num_reports;
static void hear(const struct details* details) {
  CHECK(details->struct_size == 24 && details->message && details->length == 3 && memcmp(details->message, "bad", 3) == 0);
  num_reports++;
}

static void life(void) {
  H i, a, b;
  M m;
  EXPECT(OK, t.CreateInvitation(NULL, &i));
  EXPECT(INVALID, t.Attach(i, "", 0, NULL, &a));
  EXPECT(OK, t.Attach(i, "abc", 3, NULL, &a));
  EXPECT(EXISTS, t.Attach(i, "abc", 3, NULL, &b));
  EXPECT(NOT_FOUND, t.Extract(i, "abd", 3, NULL, &b));
  EXPECT(OK, t.Extract(i, "abc", 3, NULL, &b));
  EXPECT(OK, t.Write(a, text(&t, "x", NULL, 0), NULL));
  EXPECT(OK, t.Read(b, NULL, &m));
  EXPECT(OK, t.Close(i));
  if (SIZE >= 368) {
    EXPECT(OK, t.SetDefaultHandler(hear, NULL));
    EXPECT(EXISTS, t.SetDefaultHandler(hear, NULL));
    EXPECT(OK, t.NotifyBad(m, "bad", 3, NULL));
    CHECK(num_reports == 1);
    EXPECT(OK, t.SetDefaultHandler(NULL, NULL));
  }
  EXPECT(OK, t.NotifyBad(m, "bad", 3, NULL));
  EXPECT(INVALID, t.NotifyBad(0, "bad", 3, NULL));
  EXPECT(OK, t.DestroyMessage(m));
  EXPECT(OK, t.Close(a)); EXPECT(OK, t.Close(b));
  if (SIZE >= 360) {
    EXPECT(OK, t.Shutdown(NULL));
    EXPECT(PRECONDITION, t.Shutdown(NULL));
    EXPECT(PRECONDITION, t.Initialize(NULL));
  }
}

int main(int count, char** arguments) {
  CHECK(count == 2);
  t = load(arguments[1]);
  struct { uint32_t struct_size, flags; uint64_t rest[3]; } load_only = {32, 4, {0}}, shorter = {19, 0, {0}};
  EXPECT(INVALID, t.Initialize(&shorter));
  if (SIZE >= 360) EXPECT(PRECONDITION, t.Shutdown(NULL));
  EXPECT(OK, t.Initialize(&load_only));
  EXPECT(EXISTS, t.Initialize(&load_only));
  EXPECT(OK, t.Initialize(NULL));
  EXPECT(PRECONDITION, t.Initialize(NULL));
  CHECK(t.Now() > 0);
  messages(); pipes(); data_pipes(); buffers(); traps(); quotas(); life();
  return 0;
}
