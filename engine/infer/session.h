/* What others than session.c must know of how a session reads. */
#ifndef INFER_SESSION_H
#define INFER_SESSION_H

#include <pumice/device.h>

/* Tokens of a prompt that are read at a time: as many as keep the device busy, yet few beside the context, whose last ones are read singly where
 * no whole chunk has room. */
static inline uint32_t session_chunk(const pm_caps *caps, uint32_t ctx)
{
    enum { LEAST = 32, MOST = 256 };
    uint32_t chunk = caps->serial ? LEAST : MOST;
    while (chunk > LEAST && chunk > ctx / 4) chunk /= 2;
    return chunk < ctx ? chunk : ctx;
}

#endif
