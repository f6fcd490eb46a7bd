/* Random windows of a text. Seed, draw and the window's number decide on its place, so a resumed run draws the same windows. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "train/trainer.h"

pm_status batch_check(const pm_log *log, const batch_source *from, uint32_t time)
{
    size_t all = pm_corpus_size(from->corpus);
    if (from->first > all || from->count > all - from->first)
        return log_fail(log, PM_INVALID, "data: tokens %zu to %zu of %zu", from->first, from->first + from->count, all);
    if (from->count <= time)
        return log_fail(log, PM_INVALID, "data: %zu tokens are too few for a context of %u: it needs %u", from->count,
                        time, time + 1);
    return PM_OK;
}

/* A row of an input that has one element for each token. */
static int32_t *row_of(const pass *p, uint32_t micro, uint32_t row, int input)
{
    return mailbox_ints(&p->box, micro, input) + (size_t)row * p->shape.time;
}

void batch_draw(const pass *p, uint32_t micro, uint32_t row, const batch_source *from, uint32_t draw, uint32_t window)
{
    const uint32_t time = p->shape.time;
    const rng_block r = rng_philox(from->seed, window, draw, from->stream, 0);
    const size_t at = from->first + (size_t)rng_below(r.v[0], r.v[1], from->count - time);
    pm_corpus_read(from->corpus, at, time, row_of(p, micro, row, INPUT_TOKENS));
    pm_corpus_read(from->corpus, at + 1, time, row_of(p, micro, row, INPUT_TARGETS));
}

void batch_clear(const pass *p, uint32_t micro, uint32_t row)
{
    const size_t bytes = p->shape.time * sizeof(int32_t);
    memset(row_of(p, micro, row, INPUT_TOKENS), 0, bytes);
    memset(row_of(p, micro, row, INPUT_TARGETS), 0xFF, bytes); /* -1 */
}
