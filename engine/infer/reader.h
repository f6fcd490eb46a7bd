/* A recorded program that reads some tokens of a session. */
#ifndef INFER_READER_H
#define INFER_READER_H

#include "model/gpt.h"

typedef struct reader {
    uint32_t time; /* tokens */
    graph graph;
    graph_plan plan;
    gpu_buffer **workspace;
    gpu_program *program; /* NULL until reader_init */
} reader;

/* What a session's readers share. */
typedef struct reader_memory {
    gpu_span scalars;    /* struct step_scalars */
    gpu_span tokens;     /* (time) */
    gpu_span logits;     /* (1,V) */
    gpu_span logits_out; /* the host's copy */
    gpu_buffer **caches; /* [layers] (P,2C) */
} reader_memory;

/* Makes the graph and its memory plan. Needs no device. */
pm_status reader_plan(reader *r, const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                      char (*labels)[16], gpt_mode mode, uint32_t time, uint64_t max_block);
/* GPT_PREFILL writes the caches alone, GPT_LOGITS the logits of the token behind the last one too. `owner`: see gpu_program_own. */
pm_status reader_init(reader *r, pm_model *model, const reader_memory *memory, gpt_mode mode, uint32_t time,
                      const void *owner);
void reader_fini(reader *r);

#endif
