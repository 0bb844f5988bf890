// Quotas: how much may wait in a message pipe.
//
// A message pipe takes whatever is written to it, unless one of its ends has a
// quota. A quota is merely reported, by MOJO_HANDLE_SIGNAL_QUOTA_EXCEEDED, or
// enforced:
//
//   What was written to the end and is not read at the other (UNREAD_*): once
//   that is as much as the limit, MojoWriteMessage() answers SHOULD_WAIT and
//   destroys the message, and the end is not writable until enough was read. A
//   program looks at MOJO_HANDLE_SIGNAL_WRITABLE before it writes.
//
//   What is unread at the end itself (RECEIVE_QUEUE_*): if more comes when there
//   is as much as the limit, the pipe is closed; what is unread stays. This is for
//   those who trust nobody: give the other end an enforced quota on what is
//   written to it before it goes to another process.
//
// A limit in bytes may be passed by the last message. Contexts that are not
// serialized have no bytes; at an end with an enforced limit in bytes they are
// serialized as they are written. Enforced quotas go with an end that is sent in a
// message, also to another process, reported ones do not. Fusing ends both.
//
// These functions are an addition to the C System API and not in core.h. What
// that says of all functions holds here too.

#ifndef MOJO_PUBLIC_C_SYSTEM_QUOTA_H_
#define MOJO_PUBLIC_C_SYSTEM_QUOTA_H_

#include <stddef.h>
#include <stdint.h>

#include "mojo/public/c/system/macros.h"
#include "mojo/public/c/system/system_export.h"
#include "mojo/public/c/system/types.h"

// More than a reported quota of the end allows. Message pipe handles have it
// from the first call of MojoSetQuota() on.
#ifdef __cplusplus
const MojoHandleSignals MOJO_HANDLE_SIGNAL_QUOTA_EXCEEDED = 1 << 5;
#else
#define MOJO_HANDLE_SIGNAL_QUOTA_EXCEEDED ((MojoHandleSignals)1 << 5)
#endif

typedef uint32_t MojoQuotaType;

// RECEIVE_QUEUE_LENGTH       Messages that are unread at the end.
// RECEIVE_QUEUE_MEMORY_SIZE  Bytes of their payloads.
// UNREAD_MESSAGE_COUNT       Messages that were written to the end and are not
//                            read at the other, counted from when there first is
//                            a quota on them or on their bytes. The other end
//                            tells of what was read in steps of half the limit.
// UNREAD_MESSAGE_SIZE        Bytes of their payloads.
#ifdef __cplusplus
const MojoQuotaType MOJO_QUOTA_TYPE_RECEIVE_QUEUE_LENGTH = 0;
const MojoQuotaType MOJO_QUOTA_TYPE_RECEIVE_QUEUE_MEMORY_SIZE = 1;
const MojoQuotaType MOJO_QUOTA_TYPE_UNREAD_MESSAGE_COUNT = 2;
const MojoQuotaType MOJO_QUOTA_TYPE_UNREAD_MESSAGE_SIZE = 3;
#else
#define MOJO_QUOTA_TYPE_RECEIVE_QUEUE_LENGTH ((MojoQuotaType)0)
#define MOJO_QUOTA_TYPE_RECEIVE_QUEUE_MEMORY_SIZE ((MojoQuotaType)1)
#define MOJO_QUOTA_TYPE_UNREAD_MESSAGE_COUNT ((MojoQuotaType)2)
#define MOJO_QUOTA_TYPE_UNREAD_MESSAGE_SIZE ((MojoQuotaType)3)
#endif

// As a limit: none.
#define MOJO_QUOTA_LIMIT_NONE ((uint64_t)-1)

typedef uint32_t MojoSetQuotaFlags;

// NONE     The quota is reported.
// ENFORCE  The quota is enforced.
#ifdef __cplusplus
const MojoSetQuotaFlags MOJO_SET_QUOTA_FLAG_NONE = 0;
const MojoSetQuotaFlags MOJO_SET_QUOTA_FLAG_ENFORCE = 1 << 0;
#else
#define MOJO_SET_QUOTA_FLAG_NONE ((MojoSetQuotaFlags)0)
#define MOJO_SET_QUOTA_FLAG_ENFORCE ((MojoSetQuotaFlags)1 << 0)
#endif

// How MojoSetQuota() does it.
struct MOJO_ALIGNAS(8) MojoSetQuotaOptions {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // MOJO_SET_QUOTA_FLAG_*.
  MojoSetQuotaFlags flags;
};
typedef struct MojoSetQuotaOptions MojoSetQuotaOptions;
MOJO_STATIC_ASSERT(sizeof(MojoSetQuotaOptions) == 8,
                   "MojoSetQuotaOptions must be 8 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoSetQuotaOptions) == 8,
                   "MojoSetQuotaOptions must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoSetQuotaOptions, flags) == 4,
                   "flags must be at offset 4");

typedef uint32_t MojoQueryQuotaFlags;

#ifdef __cplusplus
const MojoQueryQuotaFlags MOJO_QUERY_QUOTA_FLAG_NONE = 0;
#else
#define MOJO_QUERY_QUOTA_FLAG_NONE ((MojoQueryQuotaFlags)0)
#endif

// How MojoQueryQuota() does it.
struct MOJO_ALIGNAS(8) MojoQueryQuotaOptions {
  // The size of this structure in bytes.
  uint32_t struct_size;

  // MOJO_QUERY_QUOTA_FLAG_*.
  MojoQueryQuotaFlags flags;
};
typedef struct MojoQueryQuotaOptions MojoQueryQuotaOptions;
MOJO_STATIC_ASSERT(sizeof(MojoQueryQuotaOptions) == 8,
                   "MojoQueryQuotaOptions must be 8 bytes");
MOJO_STATIC_ASSERT(MOJO_ALIGNOF(MojoQueryQuotaOptions) == 8,
                   "MojoQueryQuotaOptions must be aligned to 8");
MOJO_STATIC_ASSERT(offsetof(MojoQueryQuotaOptions, flags) == 4,
                   "flags must be at offset 4");

#ifdef __cplusplus
extern "C" {
#endif

// Gives |handle|, an end of a message pipe, a quota of a type, in place of the one
// of that type that it has. |limit| is MOJO_QUOTA_LIMIT_NONE or a number; for
// enforced quotas it is at least 1. |options| is optional.
//
//   OK                set; watchers are told if that changes the signals
//   INVALID_ARGUMENT  |handle| is not an end of a message pipe, or there is no
//                     such type, or |limit| is 0 and to be enforced, or
//                     |options->struct_size| is below 4
//   UNIMPLEMENTED     a flag is not known
MOJO_SYSTEM_EXPORT MojoResult MojoSetQuota(MojoHandle handle,
                                           MojoQuotaType type,
                                           uint64_t limit,
                                           const MojoSetQuotaOptions* options);

// Says what the quota of a type is at |handle|, an end of a message pipe, and how
// much of it is used. |options|, |limit| and |usage| are optional. Without a quota
// |*limit| is MOJO_QUOTA_LIMIT_NONE.
//
//   OK                said
//   INVALID_ARGUMENT  |handle| is not an end of a message pipe, or there is no
//                     such type, or |options->struct_size| is below 4
//   UNIMPLEMENTED     a flag is not known
MOJO_SYSTEM_EXPORT MojoResult
MojoQueryQuota(MojoHandle handle,
               MojoQuotaType type,
               const MojoQueryQuotaOptions* options,
               uint64_t* limit,
               uint64_t* usage);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // MOJO_PUBLIC_C_SYSTEM_QUOTA_H_
