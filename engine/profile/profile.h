/* The collector as engine/gpu feeds it. */
#ifndef PROFILE_PROFILE_H
#define PROFILE_PROFILE_H

#include <pumice/profile.h>

#include "base/log.h"

enum { PROF_EVENTS = 1 << 17 }; /* on the time line unless asked for otherwise: 4 MiB */

/* On the time line. 32 bytes. */
typedef struct prof_event {
    double start; /* seconds since the first pm_profile_start */
    float ms, flops, bytes;
    uint32_t row;
} prof_event;

typedef struct prof_kernel {
    char *name, *constants;
    pm_profile_statistic *statistics;
    size_t count;
} prof_kernel;

struct pm_profile {
    pm_log log;
    bool armed;  /* programs are recorded with time stamps */
    bool taking; /* between start and stop */
    bool begun;
    double origin;  /* pm_profile_now() at the first start */
    double started; /* at the last start */
    pm_profile_info info;

    char **texts; /* each once */
    size_t text_count, text_capacity;
    pm_profile_row *rows;
    uint64_t *hashes; /* [row_capacity] */
    uint32_t row_count, row_capacity;
    uint32_t *table; /* open addressing, by hash: row + 1, or 0 */
    uint32_t table_capacity;
    prof_event *events;
    uint32_t event_count, event_capacity;
    prof_kernel *kernels;
    size_t kernel_count, kernel_capacity;
};

/* Room for `events` on the time line (0: PROF_EVENTS). Fails: PM_NO_HOST_MEMORY. */
pm_status prof_create(const pm_log *log, uint32_t events, pm_profile **out);
void prof_destroy(pm_profile **profile);

/* The row of this kind; a new one is made. The key's numbers are ignored, and its texts may be NULL. Fails: PM_NO_HOST_MEMORY. */
pm_status prof_row(pm_profile *profile, const pm_profile_row *key, uint32_t *row);

/* `start` on pm_profile_now()'s clock. No allocation. */
void prof_event_add(pm_profile *profile, uint32_t row, double start, double seconds, double flops, double bytes);

/* A kernel, and then its statistics. Fails: PM_NO_HOST_MEMORY. */
pm_status prof_kernel_add(pm_profile *profile, const char *name, const char *constants, size_t *index);
pm_status prof_statistic_add(pm_profile *profile, size_t kernel, const char *executable, const char *name,
                             const char *description, double value);

#endif
