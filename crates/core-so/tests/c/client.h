// What a program of the later generation knows of the library: the table, found in a library that it loads. HANDLE is
// the type of handles, SIZE the size of the table that the program knows.
#ifndef CLIENT_H
#define CLIENT_H

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef HANDLE
#define HANDLE uintptr_t
#endif
#ifndef SIZE
#define SIZE 376
#endif

typedef HANDLE H;
typedef uintptr_t M;
typedef uint32_t R;
enum { OK, CANCELLED, UNKNOWN, INVALID, DEADLINE, NOT_FOUND, EXISTS, DENIED, EXHAUSTED, PRECONDITION, ABORTED,
       RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, LOSS, BUSY, WAIT };
enum { READABLE = 1, WRITABLE = 2, CLOSED = 4, NEW_DATA = 8, REMOTE = 16, EXCEEDED = 32 };

struct __attribute__((aligned(8))) options { uint32_t struct_size, flags; };
struct pipe_options { uint32_t struct_size, flags, element, capacity; } __attribute__((aligned(8)));
struct send_options { uint32_t struct_size, flags; const char* name; uint32_t name_length; } __attribute__((aligned(8)));
struct info { uint32_t struct_size; uint64_t size; } __attribute__((aligned(8)));
struct state { uint32_t satisfied, satisfiable; };
struct event { uint32_t struct_size, flags; uint64_t context; R result; uint32_t satisfied, satisfiable, padding; };
struct platform { uint32_t struct_size, type; uint64_t value; };
struct guid { uint64_t high, low; };
struct endpoint { uint32_t struct_size, type, num_handles; struct platform* handles; };
struct process { uint32_t struct_size; uint64_t value; };
struct details { uint32_t struct_size, length; const char* message; uint32_t flags; };
typedef const void* X;

struct table {
  uint32_t size, padding;
  R (*Initialize)(X);
  int64_t (*Now)(void);
  R (*Close)(H);
  R (*Query)(H, struct state*);
  R (*CreatePipe)(X, H*, H*);
  R (*Write)(H, M, X);
  R (*Read)(H, X, M*);
  R (*Fuse)(H, H, X);
  R (*CreateMessage)(X, M*);
  R (*DestroyMessage)(M);
  R (*Serialize)(M, X);
  R (*Append)(M, uint32_t, const H*, uint32_t, X, void**, uint32_t*);
  R (*GetData)(M, X, void**, uint32_t*, H*, uint32_t*);
  R (*SetContext)(M, uintptr_t, void (*)(M, uintptr_t), void (*)(uintptr_t), X);
  R (*GetContext)(M, X, uintptr_t*);
  R (*NotifyBad)(M, const char*, uint32_t, X);
  R (*CreateDataPipe)(X, H*, H*);
  R (*WriteData)(H, const void*, uint32_t*, X);
  R (*BeginWrite)(H, X, void**, uint32_t*);
  R (*EndWrite)(H, uint32_t, X);
  R (*ReadData)(H, X, void*, uint32_t*);
  R (*BeginRead)(H, X, const void**, uint32_t*);
  R (*EndRead)(H, uint32_t, X);
  R (*CreateBuffer)(uint64_t, X, H*);
  R (*Duplicate)(H, X, H*);
  R (*Map)(H, uint64_t, uint64_t, X, void**);
  R (*Unmap)(void*);
  R (*Info)(H, X, struct info*);
  R (*CreateTrap)(void (*)(const struct event*), X, H*);
  R (*AddTrigger)(H, H, uint32_t, uint32_t, uintptr_t, X);
  R (*RemoveTrigger)(H, uintptr_t, X);
  R (*Arm)(H, X, uint32_t*, struct event*);
  R (*Wrap)(const struct platform*, X, H*);
  R (*Unwrap)(H, X, struct platform*);
  R (*WrapRegion)(const struct platform*, uint32_t, uint64_t, const struct guid*, uint32_t, X, H*);
  R (*UnwrapRegion)(H, X, struct platform*, uint32_t*, uint64_t*, struct guid*, uint32_t*);
  R (*CreateInvitation)(X, H*);
  R (*Attach)(H, const void*, uint32_t, X, H*);
  R (*Extract)(H, const void*, uint32_t, X, H*);
  R (*Send)(H, const struct process*, const struct endpoint*, void (*)(uintptr_t, const struct details*), uintptr_t, X);
  R (*Accept)(const struct endpoint*, X, H*);
  R (*SetQuota)(H, uint32_t, uint64_t, X);
  R (*QueryQuota)(H, uint32_t, X, uint64_t*, uint64_t*);
  R (*Shutdown)(X);
  R (*SetDefaultHandler)(void (*)(const struct details*), X);
  R (*Reserve)(M, uint32_t, uint32_t*);
};
_Static_assert(sizeof(struct table) == 376, "the table");
_Static_assert(sizeof(struct event) == 32 && sizeof(struct endpoint) == 24 && sizeof(struct send_options) == 24, "");

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);             \
      exit(1);                                                                    \
    }                                                                             \
  } while (0)
#define EXPECT(code, call)                                                              \
  do {                                                                                  \
    R result_ = (call);                                                                 \
    if (result_ != (R)(code)) {                                                         \
      fprintf(stderr, "%s:%d: %s: %u instead of %s\n", __FILE__, __LINE__, #call, result_, #code); \
      exit(1);                                                                          \
    }                                                                                   \
  } while (0)

static struct table load(const char* library) {
  void* loaded = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
  if (!loaded) fprintf(stderr, "%s\n", dlerror());
  CHECK(loaded);
  void (*get)(struct table*) = (void (*)(struct table*))dlsym(loaded, sizeof(H) == 4 && SIZE == 376 ? "MojoGetSystemThunks32" : "MojoGetSystemThunks");
  CHECK(get);
  struct table table;
  memset(&table, 0, sizeof table);
  table.size = SIZE;
  get(&table);
  CHECK(table.size == SIZE);
  return table;
}

// Waits for signals in the plainest way, for at most ten seconds.
#include <unistd.h>
static uint32_t await(const struct table* t, H handle, uint32_t signals) {
  struct state state = {0, 0};
  for (int64_t end = t->Now() + 10000000; t->Now() < end; usleep(100)) {
    if (t->Query(handle, &state) != OK || state.satisfied & signals) return state.satisfied;
  }
  return 0;
}

static M text(const struct table* t, const char* bytes, const H* handles, uint32_t num_handles) {
  M message;
  void* buffer;
  uint32_t size;
  struct options commit = {sizeof commit, 1};
  EXPECT(OK, t->CreateMessage(NULL, &message));
  EXPECT(OK, t->Append(message, (uint32_t)strlen(bytes), handles, num_handles, &commit, &buffer, &size));
  CHECK(size >= 128 && (uintptr_t)buffer % 8 == 0);
  memcpy(buffer, bytes, strlen(bytes));
  return message;
}

// Reads a message that is there, and compares it.
static void expect_text(const struct table* t, H pipe, const char* bytes, H* handles, uint32_t num_handles) {
  M message;
  void* buffer;
  uint32_t size, count = num_handles;
  EXPECT(OK, t->Read(pipe, NULL, &message));
  EXPECT(OK, t->GetData(message, NULL, &buffer, &size, handles, &count));
  CHECK(size == strlen(bytes) && memcmp(buffer, bytes, size) == 0 && count == num_handles);
  EXPECT(OK, t->DestroyMessage(message));
}
#endif
