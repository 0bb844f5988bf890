/* The C half: a service written against the C API, which knows nothing of Rust. */

#include <ctype.h>
#include <string.h>

#include "mojo/public/c/system/core.h"
#include "mojo/public/c/system/wait.h"

/*
 * Answers each message on |pipe| with its text in capitals, in a message that
 * also returns what was attached, until the peer is closed. Takes |pipe|.
 * Returns how many messages it has answered.
 */
unsigned shout(MojoHandle pipe) {
  unsigned answered = 0;
  while (MojoWait(pipe, MOJO_HANDLE_SIGNAL_READABLE, MOJO_DEADLINE_INDEFINITE,
                  NULL) == MOJO_RESULT_OK) {
    MojoMessageHandle question, answer;
    void* text;
    void* room;
    uint32_t length, size;
    MojoHandle handles[8];
    uint32_t num_handles = 8;
    if (MojoReadMessage(pipe, &question, MOJO_READ_MESSAGE_FLAG_NONE) !=
        MOJO_RESULT_OK)
      continue;
    /* What is still a value of the Rust half becomes bytes and handles now. */
    MojoSerializeMessage(question);
    if (MojoGetSerializedMessageContents(
            question, &text, &length, handles, &num_handles,
            MOJO_GET_SERIALIZED_MESSAGE_CONTENTS_FLAG_NONE) == MOJO_RESULT_OK &&
        MojoCreateMessage(&answer) == MOJO_RESULT_OK) {
      MojoAttachSerializedMessageBuffer(answer, length, handles, num_handles,
                                        &room, &size);
      for (uint32_t i = 0; i < length; i++)
        ((char*)room)[i] = (char)toupper(((unsigned char*)text)[i]);
      if (MojoWriteMessage(pipe, answer, MOJO_WRITE_MESSAGE_FLAG_NONE) ==
          MOJO_RESULT_OK)
        answered++;
    }
    MojoDestroyMessage(question);
  }
  MojoClose(pipe);
  return answered;
}

/* Makes a data pipe that holds |text|; returns its consumer, or 0. */
MojoHandle pour(const char* text) {
  MojoHandle producer, consumer;
  uint32_t length = (uint32_t)strlen(text);
  if (MojoCreateDataPipe(NULL, &producer, &consumer) != MOJO_RESULT_OK)
    return MOJO_HANDLE_INVALID;
  MojoWriteData(producer, text, &length, MOJO_WRITE_DATA_FLAG_ALL_OR_NONE);
  MojoClose(producer);
  return consumer;
}
