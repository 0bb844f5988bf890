/* Reading a file by offset, interruptions and short reads included. */

#ifndef TOUR_FILE_H_
#define TOUR_FILE_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sha256.h"

/* pread(2), started over when a signal interrupts it. May read less. */
ssize_t read_at(int file, void* bytes, size_t num_bytes, uint64_t offset);

/*
 * Both handle the first |num_bytes| of the file, and return 0 or an errno
 * value; ENODATA means that the file ends before.
 */
int read_file(int file, void* bytes, uint64_t num_bytes);
int hash_file(int file,
              uint64_t num_bytes,
              uint8_t digest[SHA256_DIGEST_BYTES]);

#endif /* TOUR_FILE_H_ */
