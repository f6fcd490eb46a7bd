/* Two buffers of each lifetime and of odd sizes: written by the host, copied and filled by the device, read back whole. */
#include "check/memory_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/rng.h"

enum {
    FILLED = 0x5a17c0de,
    FIRST = 3,
    EDGE = 5
}; /* words: where the copied part begins, and how many are left around it */

typedef struct pair {
    gpu_buffer *from, *to;
    uint32_t *want, *got;
    uint32_t words;
} pair;

static gpu_span part(gpu_buffer *buffer, uint32_t first, uint32_t words)
{
    const gpu_span all = gpu_span_of(buffer);
    return (gpu_span){all.buffer, all.offset + 4ull * first, 4ull * words};
}

/* Puts a pattern into `from`, fills `to`, and copies the pattern without its edges into `to`. */
static pm_status run(pm_device *device, pair *p)
{
    gpu_program *program = NULL;
    const uint32_t copied = p->words > FIRST + EDGE ? p->words - FIRST - EDGE : 0;
    pm_status status = gpu_write(gpu_span_of(p->from), p->want);
    if (status == PM_OK) status = gpu_program_create(device, "memory check", &program);
    if (status != PM_OK) return status;
    gpu_record_fill(program, gpu_span_of(p->to), FILLED);
    if (copied) gpu_record_copy(program, part(p->to, FIRST, copied), part(p->from, EDGE, copied));
    status = gpu_program_finish(program);
    if (status == PM_OK) status = gpu_submit(program);
    if (status == PM_OK) status = gpu_wait(device);
    gpu_program_destroy(&program);
    return status;
}

static bool same(const pair *p, bool copy, uint32_t *at)
{
    const uint32_t copied = p->words > FIRST + EDGE ? p->words - FIRST - EDGE : 0;
    for (uint32_t i = 0; i < p->words; i++) {
        const bool filled = copy && (i < FIRST || i >= FIRST + copied);
        const uint32_t want = filled ? FILLED : p->want[copy ? i - FIRST + EDGE : i];
        *at = i;
        if (p->got[i] != want) return false;
    }
    return true;
}

static pm_status check(pm_device *device, pair *p, uint32_t *copies, char *wrong, size_t size)
{
    pm_status status = run(device, p);
    for (int copy = 0; copy < 2 && status == PM_OK && !wrong[0]; copy++) {
        uint32_t at;
        status = gpu_read(gpu_span_of(copy ? p->to : p->from), p->got);
        *copies += 1;
        if (status == PM_OK && !same(p, copy, &at))
            snprintf(wrong, size, "memory: word %u of %u is not what was %s", (unsigned)at, (unsigned)p->words,
                     copy ? "filled or copied" : "written");
    }
    return status;
}

pm_status memory_check(pm_device *device, uint32_t *copies, char *wrong, size_t size)
{
    static const uint32_t sizes[] = {1, 4, 63, 4097, (1 << 20) + 3}; /* words */
    pm_status status = PM_OK;
    *copies = 0;
    wrong[0] = 0;
    for (int lifetime = 0; lifetime < GPU_LIFETIMES; lifetime++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes && status == PM_OK && !wrong[0]; s++) {
            pair p = {.words = sizes[s]};
            p.want = malloc(4ull * p.words);
            p.got = calloc(p.words, 4);
            if (!p.want || !p.got) status = log_fail(gpu_log(device), PM_NO_HOST_MEMORY, "doctor: no memory");
            for (uint32_t i = 0; status == PM_OK && i < p.words; i++) p.want[i] = rng_philox(11, i, 0, 0, 0).v[0];
            for (int b = 0; b < 2 && status == PM_OK; b++)
                status = gpu_buffer_create(device, (gpu_lifetime)lifetime, 4ull * p.words, "memory check",
                                           b ? &p.to : &p.from);
            if (status == PM_OK) status = check(device, &p, copies, wrong, size);
            gpu_buffer_destroy(&p.from);
            gpu_buffer_destroy(&p.to);
            free(p.want);
            free(p.got);
        }
    return status;
}
