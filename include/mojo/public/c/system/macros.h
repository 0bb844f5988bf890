// Compile-time checks and alignment, spelled alike in C99, C11 and C++11.

#ifndef MOJO_PUBLIC_C_SYSTEM_MACROS_H_
#define MOJO_PUBLIC_C_SYSTEM_MACROS_H_

// Stops the compilation, showing the string literal |message|, unless the
// constant expression |condition| holds. Usable wherever a declaration is.
#if defined(__cplusplus)
#define MOJO_STATIC_ASSERT(condition, message) static_assert(condition, message)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define MOJO_STATIC_ASSERT(condition, message) \
  _Static_assert(condition, message)
#else
#define MOJO_STATIC_ASSERT(condition, message) \
  __extension__ _Static_assert(condition, message)
#endif

// The alignment in bytes that the compiler gives to a variable of |type|.
#if defined(__GNUC__)
#define MOJO_ALIGNOF(type) __alignof__(type)
#elif defined(__cplusplus)
#define MOJO_ALIGNOF(type) alignof(type)
#else
#define MOJO_ALIGNOF(type) _Alignof(type)
#endif

// Aligns what it is written in front of to at least |num_bytes|, a power of
// two: `struct MOJO_ALIGNAS(8) Name {...}`, `MOJO_ALIGNAS(8) uint32_t member`.
#if defined(__cplusplus)
#define MOJO_ALIGNAS(num_bytes) alignas(num_bytes)
#else
#define MOJO_ALIGNAS(num_bytes) __attribute__((aligned(num_bytes)))
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_MACROS_H_
