#include "file.h"

#include <errno.h>
#include <unistd.h>

#define PIECE_BYTES (64 * 1024)

ssize_t read_at(int file, void* bytes, size_t num_bytes, uint64_t offset) {
  ssize_t got;
  do {
    got = pread(file, bytes, num_bytes, (off_t)offset);
  } while (got < 0 && errno == EINTR);
  return got;
}

int read_file(int file, void* bytes, uint64_t num_bytes) {
  for (uint64_t done = 0; done < num_bytes;) {
    ssize_t got =
        read_at(file, (uint8_t*)bytes + done, (size_t)(num_bytes - done), done);
    if (got <= 0)
      return got < 0 ? errno : ENODATA;
    done += (uint64_t)got;
  }
  return 0;
}

int hash_file(int file,
              uint64_t num_bytes,
              uint8_t digest[SHA256_DIGEST_BYTES]) {
  uint8_t piece[PIECE_BYTES];
  struct sha256 hash;
  sha256_init(&hash);
  for (uint64_t done = 0; done < num_bytes;) {
    uint64_t rest = num_bytes - done;
    size_t wanted = rest < sizeof(piece) ? (size_t)rest : sizeof(piece);
    ssize_t got = read_at(file, piece, wanted, done);
    if (got <= 0)
      return got < 0 ? errno : ENODATA;
    sha256_update(&hash, piece, (size_t)got);
    done += (uint64_t)got;
  }
  sha256_final(&hash, digest);
  return 0;
}
