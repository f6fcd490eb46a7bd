/* What of <inttypes.h> Microsoft's C library has, for check_msvc.sh. */
#ifndef MSVC_INTTYPES_H
#define MSVC_INTTYPES_H

#include <stdint.h>

/* long has 32 bits. */
#define PRId32 "d"
#define PRIu32 "u"
#define PRIx32 "x"
#define PRIX32 "X"
#define PRId64 "lld"
#define PRIu64 "llu"
#define PRIx64 "llx"
#define PRIX64 "llX"
#define PRIuPTR "llu"
#define PRIxPTR "llx"
#define SCNu64 "llu"

#endif
