/*
 * How the test programs check what the library answers. The program defines
 * |role|, by which it names itself when it complains.
 */

#ifndef CHECK_H_
#define CHECK_H_

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "mojo/public/c/system/types.h"

static const char* role;

static void fail(const char* file, int line, const char* format, ...) {
  va_list arguments;
  fprintf(stderr, "%s:%d: %s: ", file, line, role);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  /* Not exit(): other threads may be anywhere. */
  _exit(1);
}

static const char* result_name(MojoResult result) {
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

static void check_result(const char* file,
                         int line,
                         const char* call,
                         MojoResult expected,
                         MojoResult result) {
  if (result != expected)
    fail(file, line, "%s: %s, not %s", call, result_name(result),
         result_name(expected));
}

#define CHECK(condition) \
  ((condition) ? (void)0 \
               : fail(__FILE__, __LINE__, "%s does not hold", #condition))

/* EXPECT(BUSY, MojoDoThis(...)) */
#define EXPECT(name, call) \
  check_result(__FILE__, __LINE__, #call, MOJO_RESULT_##name, (call))

#endif  /* CHECK_H_ */
