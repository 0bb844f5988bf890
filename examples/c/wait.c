#include "wait.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct waiter {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool notified;
  bool cancelled;
  MojoResult result;
};

static void on_notification(uintptr_t context,
                            MojoResult result,
                            MojoHandleSignalsState state,
                            MojoWatcherNotificationFlags flags) {
  struct waiter* waiter = (struct waiter*)context;
  (void)state;
  (void)flags;

  pthread_mutex_lock(&waiter->lock);
  if (result == MOJO_RESULT_CANCELLED)
    waiter->cancelled = true;
  if (!waiter->notified) {
    waiter->notified = true;
    waiter->result = result;
  }
  /* Signalled under the lock: once it is released |waiter| may be gone. */
  pthread_cond_signal(&waiter->changed);
  pthread_mutex_unlock(&waiter->lock);
}

static void sleep_until(struct waiter* waiter, const bool* condition) {
  pthread_mutex_lock(&waiter->lock);
  while (!*condition)
    pthread_cond_wait(&waiter->changed, &waiter->lock);
  pthread_mutex_unlock(&waiter->lock);
}

static MojoResult arm_and_sleep(struct waiter* waiter, MojoHandle watcher) {
  uint32_t num_ready = 1;
  uintptr_t ready_context;
  MojoResult ready_result;
  MojoHandleSignalsState ready_state;
  MojoResult result = MojoArmWatcher(watcher, &num_ready, &ready_context,
                                     &ready_result, &ready_state);
  /* A watcher refuses to be armed while there is something to report. */
  if (result == MOJO_RESULT_FAILED_PRECONDITION && num_ready == 1)
    return ready_result;
  /* There is no watch left if the handle was closed since it was added. */
  if (result == MOJO_RESULT_NOT_FOUND)
    return MOJO_RESULT_CANCELLED;
  if (result != MOJO_RESULT_OK)
    return result;
  sleep_until(waiter, &waiter->notified);
  return waiter->result;
}

static MojoResult watch_and_sleep(struct waiter* waiter,
                                  MojoHandle handle,
                                  MojoHandleSignals signals) {
  MojoHandle watcher;
  MojoResult result = MojoCreateWatcher(&on_notification, &watcher);
  if (result != MOJO_RESULT_OK)
    return result;

  result = MojoWatch(watcher, handle, signals, (uintptr_t)waiter);
  bool watching = result == MOJO_RESULT_OK;
  if (watching)
    result = arm_and_sleep(waiter, watcher);

  MojoResult closed = MojoClose(watcher);
  /*
   * Every watch ends with a cancellation, which may come a little later and on
   * another thread. |waiter| has to live until then.
   */
  if (watching && closed == MOJO_RESULT_OK)
    sleep_until(waiter, &waiter->cancelled);
  return closed == MOJO_RESULT_OK ? result : closed;
}

MojoResult wait_for(MojoHandle handle, MojoHandleSignals signals) {
  struct waiter waiter = {.notified = false, .cancelled = false};
  if (pthread_mutex_init(&waiter.lock, NULL) != 0)
    return MOJO_RESULT_RESOURCE_EXHAUSTED;
  if (pthread_cond_init(&waiter.changed, NULL) != 0) {
    pthread_mutex_destroy(&waiter.lock);
    return MOJO_RESULT_RESOURCE_EXHAUSTED;
  }

  MojoResult result = watch_and_sleep(&waiter, handle, signals);

  pthread_cond_destroy(&waiter.changed);
  pthread_mutex_destroy(&waiter.lock);
  return result;
}
