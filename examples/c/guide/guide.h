/*
 * What the programs of the guide have in common: calls that show themselves
 * with their results, and a few lines that would only distract there.
 */

#ifndef GUIDE_H_
#define GUIDE_H_

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mojo/public/c/system/core.h"

static inline void fail(int line, const char* what) {
  fflush(stdout);
  fprintf(stderr, "line %d: not as expected: %s\n", line, what);
  exit(EXIT_FAILURE);
}

static inline const char* result_name(MojoResult result) {
  static const char* const names[] = {"OK",
                                      "CANCELLED",
                                      "UNKNOWN",
                                      "INVALID_ARGUMENT",
                                      "DEADLINE_EXCEEDED",
                                      "NOT_FOUND",
                                      "ALREADY_EXISTS",
                                      "PERMISSION_DENIED",
                                      "RESOURCE_EXHAUSTED",
                                      "FAILED_PRECONDITION",
                                      "ABORTED",
                                      "OUT_OF_RANGE",
                                      "UNIMPLEMENTED",
                                      "INTERNAL",
                                      "UNAVAILABLE",
                                      "DATA_LOSS",
                                      "BUSY",
                                      "SHOULD_WAIT"};
  return result < sizeof(names) / sizeof(names[0]) ? names[result] : "?";
}

static inline void show_call(int line,
                             const char* call,
                             MojoResult expected,
                             MojoResult result) {
  /* A line break after "(" has become a space, which is not wanted. */
  for (const char* c = call; *c != '\0'; c++)
    if (c == call || c[-1] != '(' || *c != ' ')
      putchar(*c);
  printf(" -> %s\n", result_name(result));
  if (result != expected)
    fail(line, call);
}

/*
 * EXPECT(BUSY, MojoDoThis(...)) makes the call, prints it as it is written here
 * and its result, and ends the program if that is not MOJO_RESULT_BUSY.
 */
#define EXPECT(expected, call) \
  show_call(__LINE__, #call, MOJO_RESULT_##expected, (call))

/* Ends the program if |condition| does not hold. Prints nothing otherwise. */
#define CHECK(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))

/* A new message with |text|, its terminating zero included. */
static inline MojoMessageHandle text_message(const char* text) {
  MojoMessageHandle message;
  void* buffer;
  uint32_t buffer_size;
  uint32_t num_bytes = (uint32_t)strlen(text) + 1;
  CHECK(MojoCreateMessage(&message) == MOJO_RESULT_OK);
  CHECK(MojoAttachSerializedMessageBuffer(message, num_bytes, NULL, 0, &buffer,
                                          &buffer_size) == MOJO_RESULT_OK);
  memcpy(buffer, text, num_bytes);
  return message;
}

/* Sends |handle| over a pipe and returns what arrives in its place. */
static inline MojoHandle moved(MojoHandle handle) {
  MojoHandle a, b;
  MojoMessageHandle message;
  void* buffer;
  uint32_t num_bytes;
  uint32_t num_handles = 1;
  CHECK(MojoCreateMessagePipe(NULL, &a, &b) == MOJO_RESULT_OK);
  CHECK(MojoCreateMessage(&message) == MOJO_RESULT_OK);
  CHECK(MojoAttachSerializedMessageBuffer(message, 0, &handle, 1, &buffer,
                                          &num_bytes) == MOJO_RESULT_OK);
  CHECK(MojoWriteMessage(a, message, MOJO_WRITE_MESSAGE_FLAG_NONE) ==
        MOJO_RESULT_OK);
  CHECK(MojoReadMessage(b, &message, MOJO_READ_MESSAGE_FLAG_NONE) ==
        MOJO_RESULT_OK);
  CHECK(MojoGetSerializedMessageContents(
            message, NULL, NULL, &handle, &num_handles,
            MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE) == MOJO_RESULT_OK);
  CHECK(MojoDestroyMessage(message) == MOJO_RESULT_OK);
  CHECK(MojoClose(a) == MOJO_RESULT_OK);
  CHECK(MojoClose(b) == MOJO_RESULT_OK);
  return handle;
}

static inline void print_signals(const char* label, MojoHandleSignals signals) {
  static const char* const names[] = {"READABLE", "WRITABLE", "PEER_CLOSED",
                                      "NEW_DATA_READABLE", "PEER_REMOTE"};
  printf("%s:%s", label, signals == MOJO_HANDLE_SIGNAL_NONE ? " none" : "");
  for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (signals & (MojoHandleSignals)1 << i)
      printf(" %s", names[i]);
  printf("\n");
}

#endif /* GUIDE_H_ */
