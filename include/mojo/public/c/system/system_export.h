// MOJO_SYSTEM_EXPORT, which marks the functions that the library exports.

#ifndef MOJO_PUBLIC_C_SYSTEM_SYSTEM_EXPORT_H_
#define MOJO_PUBLIC_C_SYSTEM_SYSTEM_EXPORT_H_

// The functions stay visible to the dynamic linker also in programs that are
// compiled with -fvisibility=hidden.
#if defined(__GNUC__)
#define MOJO_SYSTEM_EXPORT __attribute__((visibility("default")))
#else
#define MOJO_SYSTEM_EXPORT
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_SYSTEM_EXPORT_H_
