/* The order in which fine-tuning takes its examples. */
#ifndef TRAIN_ORDER_H
#define TRAIN_ORDER_H

#include "data/task.h"

/* One epoch: batch b is examples[b * batch … ], up to `batch` of them; step i takes batch batches[i]. */
typedef struct order {
    uint32_t *examples, *batches;
    uint32_t count, batch, batch_count;
    struct order_place *scratch; /* for sorting */
} order;

pm_status order_init(order *o, const pm_log *log, const pm_taskset *set, uint32_t batch);
void order_fini(order *o);

/* Shuffles the examples, sorts them by length within stretches of many batches, and shuffles the batches. So there is little padding, and the
 * order is still random. It is a function of seed and epoch. */
void order_epoch(order *o, const pm_taskset *set, uint64_t seed, uint32_t epoch);

/* Tokens of the example's longest sequence. */
uint32_t order_length(const pm_taskset *set, uint32_t example);

#endif
