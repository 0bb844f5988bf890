/* SHA-256 as FIPS 180-4 defines it. */

#ifndef TOUR_SHA256_H_
#define TOUR_SHA256_H_

#include <stddef.h>
#include <stdint.h>

#define SHA256_BLOCK_BYTES 64
#define SHA256_DIGEST_BYTES 32

struct sha256 {
  uint32_t state[8];
  uint64_t num_bytes;
  uint8_t block[SHA256_BLOCK_BYTES]; /* The part of a block not hashed yet. */
};

void sha256_init(struct sha256* hash);
void sha256_update(struct sha256* hash, const void* bytes, size_t num_bytes);
void sha256_final(struct sha256* hash, uint8_t digest[SHA256_DIGEST_BYTES]);

#endif /* TOUR_SHA256_H_ */
