/* Batches of random windows: the place of each is a function of seed, batch number and row, so a resumed run draws the same ones. */
#include <stdlib.h>

#include "base/log.h"
#include "base/rng.h"
#include "train/trainer.h"

pm_status batch_check(const pm_log *log, const pm_corpus *corpus, size_t first, size_t count, uint32_t time)
{
    size_t all = pm_corpus_size(corpus);
    if (first > all || count > all - first)
        return log_fail(log, PM_INVALID, "data: tokens %zu to %zu of %zu", first, first + count, all);
    if (count <= time)
        return log_fail(log, PM_INVALID, "data: %zu tokens are too few for a context of %u: it needs %u", count, time,
                        time + 1);
    return PM_OK;
}

void batch_draw(const pass *p, uint32_t micro, const pm_corpus *corpus, size_t first, size_t count, uint64_t seed,
                uint32_t draw, uint32_t stream)
{
    uint32_t time = p->shape.time;
    int32_t *tokens = mailbox_ints(&p->box, micro, INPUT_TOKENS),
            *targets = mailbox_ints(&p->box, micro, INPUT_TARGETS);
    for (uint32_t row = 0; row < p->shape.batch; row++) {
        rng_block r = rng_philox(seed, row, draw, stream, 0);
        size_t at = first + (size_t)rng_below(r.v[0], r.v[1], count - time);
        pm_corpus_read(corpus, at, time, tokens + (size_t)row * time);
        pm_corpus_read(corpus, at + 1, time, targets + (size_t)row * time);
    }
}
