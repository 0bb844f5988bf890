/* Whole messages: sending one in a call, receiving one in a call. */

#ifndef TOUR_MESSAGE_H_
#define TOUR_MESSAGE_H_

#include <stdint.h>

#include "mojo/public/c/system/core.h"

/* A received message. The bytes are valid until message_release(). */
struct message {
  MojoMessageHandle object;
  const uint8_t* bytes;
  uint32_t num_bytes;
  MojoHandle attachment; /* MOJO_HANDLE_INVALID if there is none. */
};

/*
 * Sends |head| followed by |body| as one message. |attachment| may be
 * MOJO_HANDLE_INVALID; otherwise it is gone afterwards, whatever the result.
 */
MojoResult message_send(MojoHandle pipe,
                        const void* head,
                        uint32_t head_bytes,
                        const void* body,
                        uint32_t body_bytes,
                        MojoHandle attachment);

/*
 * Waits for a message with at most one attachment. FAILED_PRECONDITION: the
 * other end is closed and everything it sent has been read.
 */
MojoResult message_receive(MojoHandle pipe, struct message* message);

/* Takes the attachment out of the message; the caller has to close it. */
MojoHandle message_take_attachment(struct message* message);

/* Frees the message, and its attachment if nobody took it. */
void message_release(struct message* message);

/* Destroys a message that is not going to be written. */
void destroy_message(MojoMessageHandle message);

/* Closes |*handle| unless it is invalid already, and makes it invalid. */
void close_handle(MojoHandle* handle);

/* The name of a result code without its prefix, for messages to people. */
const char* result_name(MojoResult result);

#endif /* TOUR_MESSAGE_H_ */
