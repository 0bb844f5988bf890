// Several processes, and several libraries in one. Without further arguments it starts the others itself.
#include "client.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct table t;
static const char* library;
static const char* self;
static const struct options ISOLATED = {8, 1};
static const struct send_options SEND_ISOLATED = {24, 1, NULL, 0};
enum { CHANNEL, SERVER, ASYNC };

static struct endpoint over(int type, struct platform* handle, int fd) {
  *handle = (struct platform){16, 1, (uint64_t)fd};
  return (struct endpoint){24, (uint32_t)type, 1, handle};
}

static pid_t start(const char* role, int fd) {
  char number[16];
  snprintf(number, sizeof number, "%d", fd);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    fcntl(fd, F_SETFD, 0);
    execl(self, self, library, role, number, (char*)NULL);
    _exit(127);
  }
  close(fd);
  return child;
}

static void finish(pid_t child) {
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void two_sockets(int fds[2]) { CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0); }

static int num_bad, num_gone;
static char report[100];
static void hear(uintptr_t context, const struct details* details) {
  CHECK(context == 42 && details->struct_size == 24 && num_gone == 0);
  if (details->flags & 1) {
    CHECK(details->message == NULL && details->length == 0);
    __atomic_add_fetch(&num_gone, 1, __ATOMIC_SEQ_CST);
    return;
  }
  CHECK(details->length < sizeof report);
  memcpy(report, details->message, details->length);
  __atomic_add_fetch(&num_bad, 1, __ATOMIC_SEQ_CST);
}
static void until(int* count, int value) {
  for (int i = 0; i < 100000 && __atomic_load_n(count, __ATOMIC_SEQ_CST) < value; i++) usleep(100);
  CHECK(__atomic_load_n(count, __ATOMIC_SEQ_CST) == value);
}

static void invited(int fd) {
  H i, pipe, given[2];
  void *buffer, *memory;
  uint32_t size, count = 2;
  M m;
  struct platform handle;
  struct endpoint end = over(ASYNC, &handle, fd);
  struct options ro = {8, 1};
  EXPECT(OK, t.Accept(&end, NULL, &i));
  EXPECT(OK, t.Extract(i, "p", 1, NULL, &pipe));
  EXPECT(OK, t.Close(i));
  CHECK(await(&t, pipe, READABLE) & READABLE);
  CHECK(await(&t, pipe, REMOTE) & REMOTE);
  EXPECT(OK, t.Read(pipe, NULL, &m));
  EXPECT(OK, t.GetData(m, NULL, &buffer, &size, given, &count));
  CHECK(count == 2 && size == 4);
  // It was writable, and so it can still become read-only here.
  EXPECT(OK, t.Map(given[0], 0, 100, NULL, &memory));
  CHECK(strcmp(memory, "shared") == 0);
  strcpy(memory, "memory");
  H copy;
  EXPECT(OK, t.Duplicate(given[0], &ro, &copy));
  EXPECT(OK, t.Write(given[1], text(&t, "with a buffer", &copy, 1), NULL));
  // Nobody is told of what a process did that is gone. And then out of here without a word.
  CHECK(await(&t, pipe, READABLE) & READABLE);
}

static void writer(int fd) {
  H i, pipe;
  struct platform handle;
  struct endpoint end = over(CHANNEL, &handle, fd);
  struct options commit = {8, 1};
  EXPECT(OK, t.Accept(&end, NULL, &i));
  EXPECT(OK, t.Extract(i, "p", 1, NULL, &pipe));
  for (uint32_t n = 0; n < 300; n++) {
    M m;
    void* buffer;
    EXPECT(OK, t.CreateMessage(NULL, &m));
    EXPECT(OK, t.Append(m, 40000, NULL, 0, &commit, &buffer, NULL));
    memcpy(buffer, &n, 4);
    EXPECT(OK, t.Write(pipe, m, NULL));
  }
}

static void connecting(int unused) {
  (void)unused;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  strncpy(address.sun_path, getenv("SOCKET_PATH"), sizeof address.sun_path - 1);
  CHECK(connect(fd, (struct sockaddr*)&address, sizeof address) == 0);
  H i, pipe;
  struct platform handle;
  struct endpoint end = over(CHANNEL, &handle, fd);
  EXPECT(OK, t.Accept(&end, NULL, &i));
  EXPECT(OK, t.Extract(i, "p", 1, NULL, &pipe));
  EXPECT(OK, t.Write(pipe, text(&t, "connected", NULL, 0), NULL));
}

static H invite(int type, int fd, void (*handler)(uintptr_t, const struct details*)) {
  H i, pipe;
  struct platform handle;
  struct endpoint end = over(type, &handle, fd);
  EXPECT(OK, t.CreateInvitation(NULL, &i));
  EXPECT(OK, t.Attach(i, "p", 1, NULL, &pipe));
  EXPECT(OK, t.Send(i, &(struct process){16, 0}, &end, handler, 42, NULL));
  EXPECT(INVALID, t.Close(i));
  return pipe;
}

static void a_child(void) {
  int fds[2];
  H w, a, b;
  void* memory;
  M m;
  two_sockets(fds);
  pid_t child = start("invited", fds[1]);
  H pipe = invite(CHANNEL, fds[0], hear), given;
  EXPECT(OK, t.CreateBuffer(100, NULL, &w));
  EXPECT(OK, t.Map(w, 0, 100, NULL, &memory));
  strcpy(memory, "shared");
  EXPECT(OK, t.CreatePipe(NULL, &a, &b));
  H both[2] = {w, b};
  EXPECT(OK, t.Write(pipe, text(&t, "take", both, 2), NULL));
  CHECK(await(&t, a, READABLE) & READABLE);
  EXPECT(OK, t.Read(a, NULL, &m));
  void* buffer;
  uint32_t size, count = 1;
  EXPECT(OK, t.GetData(m, NULL, &buffer, &size, &given, &count));
  CHECK(size == 13 && count == 1 && strcmp(memory, "memory") == 0);
  EXPECT(PRECONDITION, t.Duplicate(given, NULL, &w));
  EXPECT(OK, t.NotifyBad(m, "no\0", 3, NULL));
  until(&num_bad, 1);
  CHECK(memcmp(report, "Received bad user message: no\0", 30) == 0);
  EXPECT(OK, t.Write(pipe, text(&t, "go", NULL, 0), NULL));
  CHECK(await(&t, pipe, CLOSED) & CLOSED);
  CHECK(await(&t, a, CLOSED) & CLOSED);
  until(&num_gone, 1);
  finish(child);
  EXPECT(OK, t.DestroyMessage(m));
}

static void what_was_written_before_the_end(void) {
  int fds[2];
  two_sockets(fds);
  pid_t child = start("writer", fds[1]);
  H pipe = invite(CHANNEL, fds[0], NULL);
  // It ends while most of this is on its way.
  for (uint32_t n = 0; n < 300; n++) {
    M m;
    void* buffer;
    uint32_t size, number;
    CHECK(await(&t, pipe, READABLE) & READABLE);
    EXPECT(OK, t.Read(pipe, NULL, &m));
    EXPECT(OK, t.GetData(m, NULL, &buffer, &size, NULL, NULL));
    memcpy(&number, buffer, 4);
    CHECK(size == 40000 && number == n);
    EXPECT(OK, t.DestroyMessage(m));
  }
  CHECK(await(&t, pipe, CLOSED) & CLOSED);
  finish(child);
}

static void a_server(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/tmp/libmojo-stable-%d", getpid());
  setenv("SOCKET_PATH", address.sun_path, 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(bind(fd, (struct sockaddr*)&address, sizeof address) == 0 && listen(fd, 1) == 0);
  H pipe = invite(SERVER, fd, NULL);
  pid_t child = start("connecting", dup(0));
  CHECK(await(&t, pipe, READABLE) & READABLE);
  expect_text(&t, pipe, "connected", NULL, 0);
  finish(child);
  unlink(address.sun_path);
}

static void refusals(void) {
  int fds[2];
  H i, pipe, out;
  two_sockets(fds);
  struct platform handle;
  struct endpoint end = over(CHANNEL, &handle, fds[0]), bad;
  EXPECT(OK, t.CreateInvitation(NULL, &i));
  EXPECT(PRECONDITION, t.Send(i, NULL, &end, NULL, 0, NULL));
  EXPECT(OK, t.Attach(i, "p", 1, NULL, &pipe));
  EXPECT(INVALID, t.Send(i, NULL, NULL, NULL, 0, NULL));
  bad = end; bad.struct_size = 23; EXPECT(INVALID, t.Send(i, NULL, &bad, NULL, 0, NULL));
  bad = end; bad.num_handles = 0; EXPECT(INVALID, t.Send(i, NULL, &bad, NULL, 0, NULL));
  bad = end; bad.handles = NULL; EXPECT(INVALID, t.Send(i, NULL, &bad, NULL, 0, NULL));
  bad = end; bad.type = 3; EXPECT(UNIMPLEMENTED, t.Send(i, NULL, &bad, NULL, 0, NULL));
  EXPECT(INVALID, t.Send(i, &(struct process){15, 0}, &end, NULL, 0, NULL));
  EXPECT(INVALID, t.Send(i, NULL, &end, NULL, 0, &(struct send_options){23, 0, NULL, 0}));
  EXPECT(INVALID, t.Send(i, NULL, &end, NULL, 0, &(struct send_options){24, 8, NULL, 0}));
  EXPECT(INVALID, t.Send(i, NULL, &end, NULL, 0, &SEND_ISOLATED));
  EXPECT(INVALID, t.Send(pipe, NULL, &end, NULL, 0, NULL));
  EXPECT(INVALID, t.Accept(NULL, NULL, &out));
  EXPECT(INVALID, t.Accept(&end, NULL, NULL));
  bad = end; bad.type = SERVER; EXPECT(UNIMPLEMENTED, t.Accept(&bad, NULL, &out));
  CHECK(fcntl(fds[0], F_GETFD) != -1);
  EXPECT(OK, t.Close(i));
  CHECK(await(&t, pipe, CLOSED) & CLOSED);
  close(fds[0]); close(fds[1]);
}

// From one library to another, or to itself, by an isolated connection, which both sides may offer.
static void talk(const struct table* from, const struct table* to, int both_send) {
  static const char NAME[4];
  int fds[2];
  H i, j, a, b;
  struct platform handles[2];
  two_sockets(fds);
  struct endpoint near = over(CHANNEL, &handles[0], fds[0]), far = over(CHANNEL, &handles[1], fds[1]);
  EXPECT(OK, from->CreateInvitation(NULL, &i));
  EXPECT(OK, from->Attach(i, NAME, 4, NULL, &a));
  EXPECT(OK, from->Send(i, NULL, &near, NULL, 0, &SEND_ISOLATED));
  if (both_send) {
    EXPECT(OK, to->CreateInvitation(NULL, &j));
    EXPECT(OK, to->Attach(j, NAME, 4, NULL, &b));
    EXPECT(OK, to->Send(j, NULL, &far, NULL, 0, &SEND_ISOLATED));
  } else {
    EXPECT(OK, to->Accept(&far, &ISOLATED, &j));
    EXPECT(OK, to->Extract(j, NAME, 4, NULL, &b));
    EXPECT(OK, to->Close(j));
  }
  EXPECT(OK, from->Write(a, text(from, "there", NULL, 0), NULL));
  CHECK(await(to, b, READABLE) & READABLE);
  expect_text(to, b, "there", NULL, 0);
  EXPECT(OK, to->Write(b, text(to, "and back", NULL, 0), NULL));
  CHECK(await(from, a, READABLE) & READABLE);
  expect_text(from, a, "and back", NULL, 0);
  EXPECT(OK, from->Close(a));
  CHECK(await(to, b, CLOSED) & CLOSED);
  EXPECT(OK, to->Close(b));
}

int main(int count, char** arguments) {
  self = "/proc/self/exe";
  library = arguments[1];
  t = load(library);
  if (count == 4) {
    EXPECT(OK, t.Initialize(NULL));
    int fd = atoi(arguments[3]);
    if (strcmp(arguments[2], "invited") == 0) invited(fd);
    else if (strcmp(arguments[2], "writer") == 0) writer(fd);
    else connecting(fd);
    return 0;
  }
  CHECK(count == 3);
  EXPECT(OK, t.Initialize(NULL));
  refusals();
  a_child();
  what_was_written_before_the_end();
  a_server();
  talk(&t, &t, 0);
  talk(&t, &t, 1);
  struct table other = load(arguments[2]);
  EXPECT(OK, other.Initialize(NULL));
  talk(&t, &other, 0);
  talk(&other, &t, 1);
  if (SIZE >= 360) {
    EXPECT(OK, t.Shutdown(NULL));
    EXPECT(OK, other.Shutdown(NULL));
  }
  return 0;
}
