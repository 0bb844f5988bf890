/* The parent's half of the tour, step by step. */

#ifndef TOUR_STEPS_H_
#define TOUR_STEPS_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mojo/public/c/system/core.h"
#include "sha256.h"

struct tour {
  int file;
  uint64_t file_bytes;
  uint8_t digest[SHA256_DIGEST_BYTES]; /* The parent's own. */

  pid_t child; /* 0 once its end has been seen. */
  MojoHandle pipe;

  /* About the step that is being made. */
  const char* step;
  uint64_t moved; /* Bytes, for the table. */
  bool explained;

  /* The child has gone, or talks nonsense; no further step can work. */
  bool lost;
};

struct tour_stop {
  const char* name;
  bool (*run)(struct tour* tour);
};

#define NUM_TOUR_STOPS 7
extern const struct tour_stop kTourStops[NUM_TOUR_STOPS];

/* Waits for the child's end; true if it exited with status 0. */
bool wait_for_child(struct tour* tour);

#endif /* TOUR_STEPS_H_ */
