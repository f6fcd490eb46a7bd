#include "train/order.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/rng.h"

enum { STRETCH = 32 }; /* batches that are sorted together */

typedef struct order_place {
    uint32_t length, place, example;
} order_place;

static uint32_t stretch_of(const order *o)
{
    return STRETCH * o->batch < o->count ? STRETCH * o->batch : o->count;
}

pm_status order_init(order *o, const pm_log *log, const pm_taskset *set, uint32_t batch)
{
    *o = (order){.count = (uint32_t)set->example_count, .batch = batch};
    o->batch_count = (o->count + batch - 1) / batch;
    o->examples = malloc((o->count + 1) * sizeof *o->examples);
    o->batches = malloc((o->batch_count + 1) * sizeof *o->batches);
    o->scratch = malloc((stretch_of(o) + 1) * sizeof *o->scratch);
    if (o->examples && o->batches && o->scratch) return PM_OK;
    order_fini(o);
    return log_fail(log, PM_NO_HOST_MEMORY, "finetuner: no memory for the order of %u examples", o->count);
}

void order_fini(order *o)
{
    free(o->examples);
    free(o->batches);
    free(o->scratch);
    o->examples = o->batches = NULL;
    o->scratch = NULL;
}

uint32_t order_length(const pm_taskset *set, uint32_t example)
{
    const task_example *e = &set->examples[example];
    uint32_t longest = 0;
    for (uint32_t q = 0; q < e->sequences; q++) {
        uint32_t n = set->sequences[e->first + q].count;
        if (n > longest) longest = n;
    }
    return longest;
}

/* Fisher and Yates. */
static void shuffle(uint32_t *list, uint32_t count, uint64_t seed, uint32_t epoch, uint32_t which)
{
    for (uint32_t i = 0; i < count; i++) list[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        rng_block r = rng_philox(seed, i, epoch, RNG_STREAM_ORDER, which);
        uint32_t j = (uint32_t)rng_below(r.v[0], r.v[1], i), other = list[j];
        list[j] = list[i - 1];
        list[i - 1] = other;
    }
}

static int by_length(const void *a, const void *b)
{
    const order_place *x = a, *y = b;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

void order_epoch(order *o, const pm_taskset *set, uint64_t seed, uint32_t epoch)
{
    shuffle(o->examples, o->count, seed, epoch, 0);
    shuffle(o->batches, o->batch_count, seed, epoch, 1);
    const uint32_t stretch = stretch_of(o);
    order_place *sorted = o->scratch;
    for (uint32_t first = 0; first < o->count; first += stretch) {
        uint32_t n = o->count - first < stretch ? o->count - first : stretch;
        for (uint32_t i = 0; i < n; i++)
            sorted[i] = (order_place){order_length(set, o->examples[first + i]), i, o->examples[first + i]};
        qsort(sorted, n, sizeof *sorted, by_length);
        for (uint32_t i = 0; i < n; i++) o->examples[first + i] = sorted[i].example;
    }
}
