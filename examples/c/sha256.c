#include "sha256.h"

#include <string.h>

static const uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate_right(uint32_t x, int n) {
  return x >> n | x << (32 - n);
}

static uint32_t load_be32(const uint8_t* p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
         p[3];
}

static void store_be32(uint8_t* p, uint32_t x) {
  p[0] = (uint8_t)(x >> 24);
  p[1] = (uint8_t)(x >> 16);
  p[2] = (uint8_t)(x >> 8);
  p[3] = (uint8_t)x;
}

static void expand(uint32_t w[64], const uint8_t* block) {
  for (int t = 0; t < 16; t++)
    w[t] = load_be32(block + 4 * t);
  for (int t = 16; t < 64; t++) {
    uint32_t x = w[t - 15];
    uint32_t y = w[t - 2];
    uint32_t s0 = rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3;
    uint32_t s1 = rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10;
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
}

/*
 * One round. Instead of moving all eight variables one place on, as the
 * standard has it, the caller passes them in rotated order.
 */
static inline void round_of(uint32_t a, uint32_t b, uint32_t c, uint32_t* d,
                            uint32_t e, uint32_t f, uint32_t g, uint32_t* h,
                            uint32_t constant_and_word) {
  uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
  uint32_t choice = (e & f) ^ (~e & g);
  uint32_t t1 = *h + s1 + choice + constant_and_word;
  uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
  uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
  *d += t1;
  *h = t1 + s0 + majority;
}

static void compress(uint32_t state[8], const uint8_t* block) {
  uint32_t w[64];
  expand(w, block);

  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int t = 0; t < 64; t += 8) {
    const uint32_t* k = kRound + t;
    const uint32_t* x = w + t;
    round_of(a, b, c, &d, e, f, g, &h, k[0] + x[0]);
    round_of(h, a, b, &c, d, e, f, &g, k[1] + x[1]);
    round_of(g, h, a, &b, c, d, e, &f, k[2] + x[2]);
    round_of(f, g, h, &a, b, c, d, &e, k[3] + x[3]);
    round_of(e, f, g, &h, a, b, c, &d, k[4] + x[4]);
    round_of(d, e, f, &g, h, a, b, &c, k[5] + x[5]);
    round_of(c, d, e, &f, g, h, a, &b, k[6] + x[6]);
    round_of(b, c, d, &e, f, g, h, &a, k[7] + x[7]);
  }

  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

void sha256_init(struct sha256* hash) {
  static const uint32_t kInitial[8] = {
      0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  };
  memcpy(hash->state, kInitial, sizeof(kInitial));
  hash->num_bytes = 0;
}

void sha256_update(struct sha256* hash, const void* bytes, size_t num_bytes) {
  const uint8_t* next = bytes;
  size_t held = (size_t)(hash->num_bytes % SHA256_BLOCK_BYTES);
  hash->num_bytes += num_bytes;

  if (held > 0) {
    size_t missing = SHA256_BLOCK_BYTES - held;
    size_t taken = num_bytes < missing ? num_bytes : missing;
    if (taken > 0)
      memcpy(hash->block + held, next, taken);
    if (taken < missing)
      return;
    compress(hash->state, hash->block);
    next += taken;
    num_bytes -= taken;
  }
  for (; num_bytes >= SHA256_BLOCK_BYTES; num_bytes -= SHA256_BLOCK_BYTES) {
    compress(hash->state, next);
    next += SHA256_BLOCK_BYTES;
  }
  if (num_bytes > 0)
    memcpy(hash->block, next, num_bytes);
}

void sha256_final(struct sha256* hash, uint8_t digest[SHA256_DIGEST_BYTES]) {
  static const uint8_t kPadding[SHA256_BLOCK_BYTES] = {0x80};
  uint64_t num_bits = hash->num_bytes * 8;
  size_t held = (size_t)(hash->num_bytes % SHA256_BLOCK_BYTES);
  /* One bit, then zeroes until just the 8 bytes of the length are missing. */
  sha256_update(hash, kPadding, held < 56 ? 56 - held : 120 - held);

  uint8_t length[8];
  store_be32(length, (uint32_t)(num_bits >> 32));
  store_be32(length + 4, (uint32_t)num_bits);
  sha256_update(hash, length, sizeof(length));

  for (int i = 0; i < 8; i++)
    store_be32(digest + 4 * i, hash->state[i]);
}
