/* Waiting on a handle, made of a watcher and a condition variable. */

#ifndef TOUR_WAIT_H_
#define TOUR_WAIT_H_

#include "mojo/public/c/system/core.h"

/*
 * Blocks until |handle| satisfies one of |signals|, and returns
 *   MOJO_RESULT_OK                   one of them is satisfied,
 *   MOJO_RESULT_FAILED_PRECONDITION  none of them can be satisfied any more,
 *   MOJO_RESULT_CANCELLED            another thread closed or sent the handle,
 * or whatever error kept it from waiting at all.
 *
 * Must not be called from inside a watcher's callback: the notification that
 * ends the wait might be due on that very thread.
 */
MojoResult wait_for(MojoHandle handle, MojoHandleSignals signals);

#endif /* TOUR_WAIT_H_ */
