/* A pass: one shape's graph, memory plan, mailbox and programs. They are recorded once and run many times. */
#ifndef TRAIN_PASS_H
#define TRAIN_PASS_H

#include "train/adamw.h"

/* A forward pass is one program. A training step is three, so that other ranks' gradients can be added before the update: the batch from one of the
 * mailbox's sides, the gradients of all micro batches, and the update of the weights with the results' way back to that side. */
typedef struct pass {
    gpt_shape shape;
    graph graph;
    graph_plan plan;
    mailbox box;
    gpu_program *batch[MAILBOX_SIDES];  /* of a training step */
    gpu_program *program;               /* forward, or gradients; NULL until it is recorded */
    gpu_program *update[MAILBOX_SIDES]; /* of a training step */
} pass;

/* Makes the graph (with its gradient, if asked), fused, and its plan. Needs no device. labels: see gpt_build. */
pm_status pass_plan(pass *p, const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                    const gpt_shape *shape, bool gradient, char (*labels)[16], uint64_t max_block);

/* Make mailbox and programs. The workspace must hold the plan. `owner`: see gpu_program_own. */
pm_status pass_record_forward(pass *p, pm_model *model, const char *name, gpu_buffer *const *workspace,
                              const void *owner);
/* The step adds up the gradients of `micros` micro batches. */
pm_status pass_record_step(pass *p, pm_model *model, const char *name, gpu_buffer *const *workspace,
                           const adamw *optimizer, uint32_t micros, const void *owner);
bool pass_recorded(const pass *p);

/* Forward: submit and wait. */
pm_status pass_run(const pass *p, pm_device *device);
/* A step on what lies in a side of the mailbox: submit; whether it has ended; wait, and the outcome. */
pm_status pass_submit(const pass *p, uint32_t side, const gpu_sync *sync, pm_device *device);
bool pass_done(const pass *p, uint32_t side);
bool pass_failed(const pass *p, uint32_t side); /* as far as is seen; pass_wait still returns it */
pm_status pass_wait(const pass *p, uint32_t side);
/* After a failure that was told: waits until nothing of the step goes on. No program remembers it. */
void pass_forget(const pass *p, uint32_t side);
/* Of one run or step. */
void pass_stats(const pass *p, gpu_program_stats *out);
/* Destroys mailbox and programs, which come before the workspace that they use; then all. */
void pass_unrecord(pass *p);
void pass_fini(pass *p);

#endif
