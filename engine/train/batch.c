/* Batches of random windows: the place of each is a function of seed, batch number and row, so a resumed run draws the same ones.
 *
 * Training goes through the text round by round. Each round cuts it at a random phase into windows that do not overlap and takes them in a
 * random order, so that a run sees as much of the text as its steps allow: drawn with replacement, windows amounting to one round would
 * leave a third of the text unseen. Evaluation draws each window by itself. */
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

static size_t window_anywhere(size_t count, uint32_t time, uint64_t seed, uint32_t row, uint32_t draw, uint32_t stream)
{
    rng_block r = rng_philox(seed, row, draw, stream, 0);
    return (size_t)rng_below(r.v[0], r.v[1], count - time);
}

/* Where window number n of the run begins. */
static size_t window_of_round(size_t count, uint32_t time, uint64_t seed, uint64_t n)
{
    uint64_t windows = (count - 1) / time - 1; /* as many fit at any phase */
    if (windows < 2) return window_anywhere(count, time, seed, (uint32_t)n, (uint32_t)(n >> 32), RNG_STREAM_BATCH);
    if (windows > UINT32_MAX) windows = UINT32_MAX;
    uint32_t round = (uint32_t)(n / windows), place = (uint32_t)(n % windows);
    rng_block r = rng_philox(seed, 0, round, RNG_STREAM_BATCH, 1);
    uint64_t phase = rng_below(r.v[0], r.v[1], time);
    return (size_t)(phase + (uint64_t)time * rng_permute(seed, round, RNG_STREAM_ORDER, place, (uint32_t)windows));
}

void batch_draw(const pass *p, uint32_t micro, const pm_corpus *corpus, size_t first, size_t count, uint64_t seed,
                uint32_t draw, uint32_t stream)
{
    uint32_t time = p->shape.time;
    int32_t *tokens = mailbox_ints(&p->box, micro, INPUT_TOKENS),
            *targets = mailbox_ints(&p->box, micro, INPUT_TARGETS);
    for (uint32_t row = 0; row < p->shape.batch; row++) {
        size_t at = first + (stream == RNG_STREAM_BATCH
                                 ? window_of_round(count, time, seed, (uint64_t)draw * p->shape.batch + row)
                                 : window_anywhere(count, time, seed, row, draw, stream));
        pm_corpus_read(corpus, at, time, tokens + (size_t)row * time);
        pm_corpus_read(corpus, at + 1, time, targets + (size_t)row * time);
    }
}
