/* Collects rows by key, events on a time line of fixed length, and what drivers tell about kernels. */
#include "profile/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "base/hash.h"

const char *pm_direction_name(pm_direction direction)
{
    switch (direction) {
#define DIRECTION_NAME(name, text)                                                                                     \
    case PM_DIRECTION_##name: return text;
        PM_DIRECTION_LIST(DIRECTION_NAME)
#undef DIRECTION_NAME
    }
    return "";
}

static pm_status no_memory(const pm_profile *p)
{
    return log_fail(&p->log, PM_NO_HOST_MEMORY, "profile: no memory");
}

pm_status prof_create(const pm_log *log, uint32_t events, pm_profile **out)
{
    pm_profile *p = calloc(1, sizeof *p);
    if (!p) return log_fail(log, PM_NO_HOST_MEMORY, "profile: no memory");
    p->log = *log;
    p->armed = true;
    p->event_capacity = events ? events : PROF_EVENTS;
    p->events = malloc(p->event_capacity * sizeof *p->events);
    if (!p->events) {
        prof_destroy(&p);
        return log_fail(log, PM_NO_HOST_MEMORY, "profile: no memory for a time line of %u events", (unsigned)events);
    }
    *out = p;
    return PM_OK;
}

void prof_destroy(pm_profile **profile)
{
    pm_profile *p = *profile;
    if (!p) return;
    for (size_t i = 0; i < p->text_count; i++) free(p->texts[i]);
    for (size_t i = 0; i < p->kernel_count; i++) free(p->kernels[i].statistics);
    free(p->texts);
    free(p->rows);
    free(p->hashes);
    free(p->table);
    free(p->events);
    free(p->kernels);
    free(p);
    *profile = NULL;
}

/* ---- the window -------------------------------------------------------------------------------------------------- */

void pm_profile_start(pm_profile *p)
{
    if (p->taking) return;
    p->started = pm_profile_now();
    if (!p->begun) p->origin = p->started;
    p->begun = p->taking = p->armed = true;
}

void pm_profile_stop(pm_profile *p)
{
    if (p->taking) p->info.seconds += pm_profile_now() - p->started;
    p->taking = p->armed = false;
}

double pm_profile_now(void)
{
    return os_seconds();
}

void pm_profile_get_info(const pm_profile *p, pm_profile_info *out)
{
    *out = p->info;
    if (p->taking) out->seconds += pm_profile_now() - p->started;
}

/* ---- texts and rows ---------------------------------------------------------------------------------------------- */

/* Room for one more element. */
static bool grow(void **array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) return true;
    size_t wanted = *capacity ? 2 * *capacity : 64;
    void *grown = realloc(*array, wanted * size);
    if (!grown) return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

/* The profile's own copy of a text; NULL where memory is out. */
static char *keep(pm_profile *p, const char *text)
{
    if (!text) text = "";
    for (size_t i = 0; i < p->text_count; i++)
        if (strcmp(p->texts[i], text) == 0) return p->texts[i];
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    if (!copy || !grow((void **)&p->texts, p->text_count, &p->text_capacity, sizeof(char *))) {
        free(copy);
        return NULL;
    }
    memcpy(copy, text, size);
    p->texts[p->text_count++] = copy;
    return copy;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_key(const pm_profile_row *a, const pm_profile_row *b)
{
    return a->track == b->track && a->direction == b->direction && a->variant == b->variant &&
           memcmp(a->shape, b->shape, sizeof a->shape) == 0 && same_text(a->program, b->program) &&
           same_text(a->op, b->op) && same_text(a->layer, b->layer) && same_text(a->kernel, b->kernel);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_bytes(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

static uint64_t hash_key(const pm_profile_row *key)
{
    const uint32_t numbers[5] = {(uint32_t)key->track, (uint32_t)key->direction, key->shape[0], key->shape[1],
                                 key->shape[2]};
    uint64_t hash = hash_bytes(HASH_INIT, numbers, sizeof numbers);
    hash = hash_bytes(hash, &key->variant, sizeof key->variant);
    hash = hash_text(hash_text(hash, key->program), key->op);
    return hash_text(hash_text(hash, key->layer), key->kernel);
}

/* A key's place in the table: its row, or an empty place for a new one. */
static uint32_t *find(const pm_profile *p, uint64_t hash, const pm_profile_row *key)
{
    for (uint32_t i = (uint32_t)hash & (p->table_capacity - 1);; i = (i + 1) & (p->table_capacity - 1)) {
        uint32_t at = p->table[i];
        if (at == 0 || (p->hashes[at - 1] == hash && same_key(&p->rows[at - 1], key))) return &p->table[i];
    }
}

/* Room for one more row; the table stays at most half full. */
static bool reserve_row(pm_profile *p)
{
    if (p->row_count < p->row_capacity) return true;
    uint32_t capacity = p->row_capacity ? 2 * p->row_capacity : 128;
    pm_profile_row *rows = realloc(p->rows, capacity * sizeof *rows);
    if (rows) p->rows = rows;
    uint64_t *hashes = realloc(p->hashes, capacity * sizeof *hashes);
    if (hashes) p->hashes = hashes;
    uint32_t *table = calloc(2 * (size_t)capacity, sizeof *table);
    if (!rows || !hashes || !table) {
        free(table);
        return false;
    }
    free(p->table);
    p->table = table;
    p->table_capacity = 2 * capacity;
    p->row_capacity = capacity;
    for (uint32_t i = 0; i < p->row_count; i++) *find(p, p->hashes[i], &p->rows[i]) = i + 1;
    return true;
}

pm_status prof_row(pm_profile *p, const pm_profile_row *key, uint32_t *row)
{
    if (!reserve_row(p)) return no_memory(p);
    uint64_t hash = hash_key(key);
    uint32_t *place = find(p, hash, key);
    if (*place == 0) {
        pm_profile_row made = {.track = key->track,
                               .direction = key->direction,
                               .shape = {key->shape[0], key->shape[1], key->shape[2]},
                               .variant = key->variant,
                               .program = keep(p, key->program),
                               .op = keep(p, key->op),
                               .layer = keep(p, key->layer),
                               .kernel = keep(p, key->kernel)};
        if (!made.program || !made.op || !made.layer || !made.kernel) return no_memory(p);
        p->rows[p->row_count] = made;
        p->hashes[p->row_count] = hash;
        *place = ++p->row_count;
    }
    *row = *place - 1;
    return PM_OK;
}

size_t pm_profile_row_count(const pm_profile *p)
{
    return p->row_count;
}
const pm_profile_row *pm_profile_row_at(const pm_profile *p, size_t index)
{
    return &p->rows[index];
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

void prof_event_add(pm_profile *p, uint32_t row, double start, double seconds, double flops, double bytes)
{
    pm_profile_row *r = &p->rows[row];
    double ms = 1e3 * seconds;
    if (r->count == 0 || ms < r->min_ms) r->min_ms = ms;
    if (r->count == 0 || ms > r->max_ms) r->max_ms = ms;
    r->count++;
    r->total_ms += ms;
    r->flops += flops;
    r->bytes += bytes;
    if (r->track == PM_PROFILE_COMMANDS) p->info.device_seconds += seconds;
    if (p->event_count == p->event_capacity) {
        p->info.dropped++;
        return;
    }
    p->events[p->event_count++] = (prof_event){
        .start = start - p->origin, .ms = (float)ms, .flops = (float)flops, .bytes = (float)bytes, .row = row};
}

void pm_profile_span(pm_profile *p, const char *name, double since)
{
    if (!p || !p->taking || since < p->started) return;
    const pm_profile_row key = {.track = PM_PROFILE_HOST, .op = name, .variant = PM_PROFILE_NO_KERNEL};
    double now = pm_profile_now();
    uint32_t row;
    if (prof_row(p, &key, &row) == PM_OK)
        prof_event_add(p, row, since, now - since, 0, 0);
    else
        p->info.dropped++;
}

size_t pm_profile_event_count(const pm_profile *p)
{
    return p->event_count;
}

pm_profile_event pm_profile_event_at(const pm_profile *p, size_t index)
{
    const prof_event *e = &p->events[index];
    return (pm_profile_event){.row = e->row,
                              .start_ms = 1e3 * e->start,
                              .ms = (double)e->ms,
                              .flops = (double)e->flops,
                              .bytes = (double)e->bytes};
}

double pm_profile_roof_share(const pm_profile_row *row, const pm_peaks *peaks)
{
    const double flops = pm_peaks_flops(peaks, row->kernel ? row->kernel : "");
    if (!(row->total_ms > 0) || !(flops > 0) || !(peaks->copy_bytes_per_s > 0)) return NAN;
    /* achieved / min(peak, intensity * bandwidth) is the larger of the two shares */
    return fmax(row->flops / flops, row->bytes / peaks->copy_bytes_per_s) / (1e-3 * row->total_ms);
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

pm_status prof_kernel_add(pm_profile *p, const char *name, const char *constants, size_t *index)
{
    if (!grow((void **)&p->kernels, p->kernel_count, &p->kernel_capacity, sizeof *p->kernels)) return no_memory(p);
    prof_kernel made = {.name = keep(p, name), .constants = keep(p, constants)};
    if (!made.name || !made.constants) return no_memory(p);
    *index = p->kernel_count;
    p->kernels[p->kernel_count++] = made;
    return PM_OK;
}

pm_status prof_statistic_add(pm_profile *p, size_t kernel, const char *executable, const char *name,
                             const char *description, double value)
{
    prof_kernel *k = &p->kernels[kernel];
    pm_profile_statistic *grown = realloc(k->statistics, (k->count + 1) * sizeof *grown);
    if (!grown) return no_memory(p);
    k->statistics = grown;
    pm_profile_statistic s = {
        .executable = keep(p, executable), .name = keep(p, name), .description = keep(p, description), .value = value};
    if (!s.executable || !s.name || !s.description) return no_memory(p);
    k->statistics[k->count++] = s;
    return PM_OK;
}

/* Drivers' names of the three numbers: Mesa's for AMD, Intel, Adreno and VideoCore, and NVIDIA's. The first name that a kernel has counts.
 * Statistics whose names begin alike are summed: AMD spills vector and scalar registers. */
static const char *const register_names[] = {"VGPRs", "Register Count", "Max live registers", "Registers used", NULL};
static const char *const spill_names[] = {"Spilled ", "Spill Count", "Spill Size", "STP Count", NULL};
static const char *const shared_names[] = {"LDS size", "Workgroup Memory Size", "Shared Memory Size", NULL};

/* The largest sum among executables; -1: no name fits. */
static double named(const prof_kernel *k, const char *const *names)
{
    double most = -1;
    for (; *names && most < 0; names++) {
        double sum = -1;
        for (size_t i = 0; i < k->count; i++) {
            const pm_profile_statistic *s = &k->statistics[i];
            if (i > 0 && strcmp(s->executable, s[-1].executable) != 0) sum = -1;
            if (strncmp(s->name, *names, strlen(*names)) == 0) sum = fmax(sum, 0) + s->value;
            most = fmax(most, sum);
        }
    }
    return most;
}

size_t pm_profile_kernel_count(const pm_profile *p)
{
    return p->kernel_count;
}

pm_profile_kernel pm_profile_kernel_at(const pm_profile *p, size_t index)
{
    const prof_kernel *k = &p->kernels[index];
    return (pm_profile_kernel){.name = k->name,
                               .constants = k->constants,
                               .registers = named(k, register_names),
                               .spills = named(k, spill_names),
                               .shared_bytes = named(k, shared_names),
                               .statistic_count = k->count,
                               .statistics = k->statistics};
}
