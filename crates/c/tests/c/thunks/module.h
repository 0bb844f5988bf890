/*
 * What sender.c and receiver.c have in common: the function by which host.c
 * tells a module what to do, and messages of text.
 */

#ifndef MODULE_H_
#define MODULE_H_

#include <stdint.h>
#include <string.h>

#include "../check.h"
#include "mojo/public/c/system/core.h"

/* By |pipe| the end of a pipe comes out of one module and gets into another. */
__attribute__((visibility("default"))) void run_module(const char* step,
                                                       MojoHandle* pipe);

static MojoMessageHandle put_text(MojoMessageHandle message,
                                  const char* text,
                                  const MojoHandle* handles,
                                  uint32_t num_handles) {
  const uint32_t num_bytes = (uint32_t)strlen(text);
  void* buffer;
  uint32_t room;
  EXPECT(OK, MojoAttachSerializedMessageBuffer(message, num_bytes, handles,
                                               num_handles, &buffer, &room));
  memcpy(buffer, text, num_bytes);
  return message;
}

static MojoMessageHandle new_message(void) {
  MojoMessageHandle message;
  EXPECT(OK, MojoCreateMessage(&message));
  return message;
}

static MojoMessageHandle read_message(MojoHandle pipe) {
  MojoMessageHandle message;
  EXPECT(OK, MojoReadMessage(pipe, &message, MOJO_READ_MESSAGE_FLAG_NONE));
  return message;
}

static void write_message(MojoHandle pipe, MojoMessageHandle message) {
  EXPECT(OK, MojoWriteMessage(pipe, message, MOJO_WRITE_MESSAGE_FLAG_NONE));
}

/* Takes the handles out and destroys the message. */
static void expect_text(MojoMessageHandle message,
                        const char* text,
                        MojoHandle* handles,
                        uint32_t num_handles) {
  void* buffer;
  uint32_t num_bytes;
  uint32_t num_found = num_handles;
  EXPECT(OK, MojoGetSerializedMessageContents(
                 message, &buffer, &num_bytes, handles, &num_found,
                 MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE));
  CHECK(num_found == num_handles);
  CHECK(num_bytes == strlen(text) && memcmp(buffer, text, num_bytes) == 0);
  EXPECT(OK, MojoDestroyMessage(message));
}

static char* map(MojoHandle buffer) {
  void* address;
  EXPECT(OK, MojoMapBuffer(buffer, 0, 16, &address, MOJO_MAP_BUFFER_FLAG_NONE));
  return (char*)address;
}

/* As long as the host has not given a table, nothing can be had. */
static void expect_nothing(void) {
  MojoHandle ends[2];
  MojoMessageHandle message;
  CHECK(MojoGetTimeTicksNow() == 0);
  EXPECT(FAILED_PRECONDITION, MojoCreateMessagePipe(NULL, &ends[0], &ends[1]));
  EXPECT(FAILED_PRECONDITION, MojoCreateMessage(&message));
  EXPECT(FAILED_PRECONDITION, MojoClose(1));
}

#endif /* MODULE_H_ */
