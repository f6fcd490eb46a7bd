/* Steps between their begin and their end: at most two, so that the host fills one while the device works on the other. */
#ifndef TRAIN_FLIGHTS_H
#define TRAIN_FLIGHTS_H

#include "exec/pass.h"

enum { MOST_FLIGHTS = MAILBOX_SIDES };

typedef struct flight {
    pass *pass;
    uint32_t side;    /* of its mailbox */
    uint32_t step;    /* its number: 1 is the first */
    gpu_sync sync;    /* its control, and its order with the host's own work */
    double started;   /* when its filling began, by pm_profile_now() */
    bool submitted;   /* else it waits for the outcome of the one before */
    pm_status failed; /* what came of that; sync.signals is signalled then */
} flight;

typedef struct flights {
    flight all[MOST_FLIGHTS];
    uint32_t oldest, count;
} flights;

static inline flight *flights_oldest(flights *f)
{
    return f->count ? &f->all[f->oldest] : NULL;
}
/* The next one, to be filled in on its side. It counts once it is added. */
static inline flight *flights_next(flights *f)
{
    if (f->count == 0) f->oldest = 0;
    const uint32_t slot = (f->oldest + f->count) % MOST_FLIGHTS;
    f->all[slot] = (flight){.side = slot};
    return &f->all[slot];
}
/* Adds it, its batch filled in. Returns whether it is to be submitted now; else it waits for the outcome of the one before, as fp16's loss scale makes it
 * (`half`), or has failed with that. */
bool flights_add(flights *f, flight *next, pm_device *device, bool half);
/* Takes the newest one back, which could not be submitted. */
static inline void flights_take_back(flights *f)
{
    f->count--;
}
/* Submits it, its scalars written. */
pm_status flight_submit(flight *f);

/* Before its owner goes: signals what a host waits for of those that were not submitted. */
void flights_fini(flights *f, pm_device *device);
/* PM_INVALID, with a line, where `most` or more steps have begun. `who`: "trainer". */
pm_status flights_room(const flights *f, const pm_log *log, const char *who, uint32_t most);
/* Whether the oldest has ended; looks at the device first. True where there is none. */
bool flights_done(flights *f, pm_device *device);
/* Waits for the oldest, and takes it out; *out is a copy. The host's side of its mailbox is then the one to read. PM_INVALID where none has begun. After
 * a failure there is none left. */
pm_status flights_end(flights *f, pm_device *device, const char *who, flight *out);

#endif
