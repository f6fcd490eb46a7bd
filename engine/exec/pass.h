/* A pass: one shape's graph, memory plan, inputs and programs. They are recorded once and run many times. */
#ifndef EXEC_PASS_H
#define EXEC_PASS_H

#include "exec/mailbox.h"

/* What a pass is planned for: a model on a device, or sizes alone. */
typedef struct pass_target {
    const pm_log *log;
    const pm_caps *caps;
    const pm_gpt_config *config;
    const dtype_id *types; /* see gpt_build */
    char (*labels)[16];
    uint64_t max_block; /* bytes of a buffer */
} pass_target;

static inline pass_target pass_target_of(const pm_model *m)
{
    return (pass_target){gpu_log(m->device), pm_device_caps(m->device), &m->config, m->layout.types,
                         m->labels,          gpu_max_buffer(m->device)};
}

/* A forward pass is one program. A training step is three, so that other ranks' gradients can be added before the update: the batch from one of the
 * mailbox's sides, the gradients of all micro batches, and the update of the weights with the results' way back to that side. */
typedef struct pass {
    gpt_shape shape;
    graph graph;
    graph_plan plan;
    pm_device *device;                  /* where it is recorded */
    gpu_buffer **workspace;             /* its own, if any */
    mailbox box;                        /* of a pass that has one */
    gpu_program *batch[MAILBOX_SIDES];  /* of a training step */
    gpu_program *program;               /* forward, or gradients; NULL until it is recorded */
    gpu_program *update[MAILBOX_SIDES]; /* of a training step */
} pass;

/* Makes the graph (with its gradient, if asked), fused, and its plan. Needs no device. */
pm_status pass_plan(pass *p, const pass_target *to, const gpt_shape *shape, bool gradient);

/* How programs are recorded. */
typedef struct pass_use {
    const char *name;
    const void *owner;            /* see gpu_program_own */
    gpu_buffer *const *workspace; /* that holds the plan; NULL: the pass gets its own */
    const gpu_span *inputs;       /* the caller's, by index, of a forward pass; NULL: the pass gets a mailbox */
    gpu_span to, from;            /* with inputs: the last copy, if there are buffers */
} pass_use;

/* A training step adds up the gradients of its micro batches. The update then reads the scalars of micro batch 0, and writes the norm. */
typedef struct pass_step {
    uint32_t micros;
    gpu_buffer *const *gradients; /* by segment */
    void (*update)(const void *user, const mailbox *box, gpu_program *program);
    const void *user;
} pass_step;

/* Makes the programs. Without a step it is forward, and scalars in a mailbox are 0. */
pm_status pass_record(pass *p, pm_model *model, const pass_use *use, const pass_step *step);

/* The host's side of a row of an input that has a word for each token. */
static inline void *pass_row(const pass *p, uint32_t micro, uint32_t row, int input)
{
    return mailbox_ints(&p->box, micro, input) + (size_t)row * p->shape.time;
}

/* Forward: submit and wait. */
pm_status pass_run(const pass *p);
/* The same in parts, of a forward pass (side 0) or of a step on what lies in a side of the mailbox: submit; whether it has ended; wait, and the
 * outcome. */
pm_status pass_submit(const pass *p, uint32_t side, const gpu_sync *sync);
bool pass_done(const pass *p, uint32_t side);
bool pass_failed(const pass *p, uint32_t side); /* as far as is seen; pass_wait still returns it */
pm_status pass_wait(const pass *p, uint32_t side);
/* After a failure that was told: waits until nothing of it goes on. No program remembers it. */
void pass_forget(const pass *p, uint32_t side);
/* Of one run or step. */
void pass_stats(const pass *p, gpu_program_stats *out);
/* Destroys mailbox, programs and a workspace of its own. */
void pass_unrecord(pass *p);
/* All but the shape. */
void pass_fini(pass *p);

#endif
