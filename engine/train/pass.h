/* A pass: one shape's graph, memory plan, mailbox and program. It is recorded once and run many times. */
#ifndef TRAIN_PASS_H
#define TRAIN_PASS_H

#include "train/adamw.h"

typedef struct pass {
    gpt_shape shape;
    graph graph;
    graph_plan plan;
    mailbox box;
    gpu_program *program; /* NULL until pass_record */
} pass;

/* Makes the graph (with its gradient, if asked), fused, and its plan. Needs no device. labels: see gpt_build. */
pm_status pass_plan(pass *p, const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                    const gpt_shape *shape, bool gradient, char (*labels)[16], uint64_t max_block);

/* Makes mailbox and program. The workspace must hold the plan. With an optimiser the program runs `micros` micro batches, adds up their
 * gradients, and updates. Without one it runs forward only, and micros is 1. */
pm_status pass_record(pass *p, pm_model *model, const char *name, gpu_buffer *const *workspace, const adamw *optimizer,
                      uint32_t micros);

/* Submit and wait. */
pm_status pass_run(const pass *p, pm_device *device);
void pass_fini(pass *p);

#endif
