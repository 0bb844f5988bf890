/*
 * What parent and child say to each other. Both are the same program on the
 * same machine, so the structures travel as they lie in memory.
 *
 * The parent asks and the child answers, one request at a time, over the pipe
 * that came with the invitation:
 *
 *   step            request, after its header     answer, after its header
 *   greeting        GREETING                      GREETING_ANSWER
 *   new pipe        attachment: a message pipe    nothing
 *   data pipe       attachment: a consumer        SHA-256 of the bytes
 *   shared buffer   attachment: a buffer          SHA-256 of the bytes
 *   descriptor      attachment: a descriptor      SHA-256 of the bytes
 *   lazy message    the serialized content        the same content
 *   closure         nothing                       none: the child exits
 *
 * Over the new pipe the parent sends PING, and the child sends PONG back before
 * it answers the request.
 */

#ifndef TOUR_PROTOCOL_H_
#define TOUR_PROTOCOL_H_

#include <stdint.h>

#define PIPE_NAME "tour"

#define GREETING "hello, child"
#define GREETING_ANSWER "hello, parent"
#define PING "ping over the new pipe"
#define PONG "pong over the new pipe"

enum tour_step {
  STEP_GREETING = 1,
  STEP_NEW_PIPE = 2,
  STEP_DATA_PIPE = 3,
  STEP_SHARED_BUFFER = 4,
  STEP_DESCRIPTOR = 5,
  STEP_LAZY_MESSAGE = 6,
  STEP_CLOSURE = 7,
};

struct request_header {
  uint32_t step;
  uint32_t unused; /* 0 */
  uint64_t file_bytes;
};

struct answer_header {
  uint32_t step;
  uint32_t result; /* A MojoResult; without MOJO_RESULT_OK nothing follows. */
};

#endif /* TOUR_PROTOCOL_H_ */
