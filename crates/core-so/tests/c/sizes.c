// What a program gets for each size that its table says it has.
#include "client.h"

typedef void (*getter)(struct table*);

static struct { struct table table; unsigned char beyond[64]; } place;

static const struct table* get(getter getter, uint32_t size) {
  memset(&place, 0xab, sizeof place);
  place.table.size = size;
  getter(&place.table);
  return &place.table;
}

static int is_untouched_from(uint32_t offset) {
  const unsigned char* bytes = (const unsigned char*)&place;
  for (uint32_t at = offset; at < sizeof place; at++) {
    if (bytes[at] != 0xab) return 0;
  }
  return 1;
}

int main(int count, char** arguments) {
  CHECK(count == 2);
  void* loaded = dlopen(arguments[1], RTLD_LAZY);
  CHECK(loaded);
  getter by_size = (getter)dlsym(loaded, "MojoGetSystemThunks");
  getter narrow = (getter)dlsym(loaded, "MojoGetSystemThunks32");
  getter wide = (getter)dlsym(loaded, "MojoGetSystemThunks2");
  CHECK(by_size && narrow && wide);
  by_size(NULL); narrow(NULL); wide(NULL);
  uint32_t (*close32)(H) = get(narrow, 376)->Close, (*close64)(H) = get(wide, 376)->Close;
  CHECK(close32 != close64);

  getter all[] = {by_size, narrow, wide};
  for (int i = 0; i < 3; i++) {
    for (uint32_t size = 4; size < 336; size += 4) {
      CHECK(get(all[i], size)->size == 0 && is_untouched_from(4));
    }
    for (uint32_t size = 336; size <= 376; size += 8) {
      const struct table* table = get(all[i], size);
      CHECK(table->size == size && is_untouched_from(size));
      CHECK(((void* const*)table)[size / 8 - 1] != NULL);
    }
    for (uint32_t size = 384; size <= sizeof place; size += 8) {
      CHECK(get(all[i], size)->size == 376 && is_untouched_from(376));
    }
  }
  // The same offsets in both, and the width by the size.
  for (uint32_t size = 336; size <= 440; size += 8) {
    CHECK(get(by_size, size)->Close == (size <= 360 ? close32 : close64));
  }
  setenv("LIBMOJO_HANDLE_BITS", "32", 1);
  CHECK(get(by_size, 368)->Close == close32 && get(by_size, 376)->Close == close64);
  CHECK(dlclose(loaded) == 0);
  // It stays loaded.
  CHECK(close64(0) == INVALID);
  return 0;
}
