/* How a session reads its tokens, for autotuning and tests. */
#ifndef INFER_SESSION_H
#define INFER_SESSION_H

#include <pumice/device.h>

enum { SESSION_CHUNK_LEAST = 32 };

/* How many tokens of a prompt are read at a time: as many as keep the device busy. Where few are left, or the context has no room, a session
 * reads SESSION_CHUNK_LEAST or fewer at a time, and then one by one. */
static inline uint32_t session_chunk(const pm_caps *caps, uint32_t ctx)
{
    enum { MOST = 256 };
    uint32_t chunk = caps->serial ? SESSION_CHUNK_LEAST : MOST;
    while (chunk > SESSION_CHUNK_LEAST && chunk > ctx / 4) chunk /= 2;
    return chunk < ctx ? chunk : ctx;
}

/* The same for a prompt's end. */
static inline uint32_t session_small(uint32_t chunk)
{
    return chunk < SESSION_CHUNK_LEAST ? chunk : SESSION_CHUNK_LEAST;
}

#endif
