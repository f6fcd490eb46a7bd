/* The parameter table: names as Hugging Face spells them, shapes, places. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/gpt.h"
#include "model/task_head.h"

/* Each parameter begins at a multiple of so many words: whole cache lines. */
enum { ALIGN_WORDS = 16 };

bool gpt_has(const pm_gpt_config *c, gpt_tail which)
{
    switch (which) {
    case TAIL_NORM_GAIN:
    case TAIL_NORM_BIAS: return c->arch == PM_ARCH_GPT2;
    case TAIL_HEAD: return c->untied;
    case TAIL_SCORE: return c->outputs > 0;
    case TAIL_COUNT: break;
    }
    return false;
}

uint32_t gpt_block_param(uint32_t block, uint32_t which)
{
    return PARAM_BLOCKS + BLOCK_PARAMS * block + which;
}

uint32_t gpt_tail_param(const pm_gpt_config *c, gpt_tail which)
{
    uint32_t p = gpt_block_param(c->layers, 0);
    for (int before = 0; before < (int)which; before++) p += gpt_has(c, (gpt_tail)before);
    return p;
}

static void name_block(gpt_layout *l, const pm_gpt_config *c, uint32_t block)
{
    const uint32_t C = c->embd, I = c->inner;
    const struct {
        const char *name;
        uint32_t rows, cols;
    } part[BLOCK_PARAMS] = {
        [BLOCK_LN1_GAIN] = {"ln_1.weight", 1, C},
        [BLOCK_LN1_BIAS] = {"ln_1.bias", 1, C},
        [BLOCK_QKV_WEIGHT] = {"attn.c_attn.weight", C, 3 * C},
        [BLOCK_QKV_BIAS] = {"attn.c_attn.bias", 1, 3 * C},
        [BLOCK_PROJ_WEIGHT] = {"attn.c_proj.weight", C, C},
        [BLOCK_PROJ_BIAS] = {"attn.c_proj.bias", 1, C},
        [BLOCK_LN2_GAIN] = {"ln_2.weight", 1, C},
        [BLOCK_LN2_BIAS] = {"ln_2.bias", 1, C},
        [BLOCK_FC_WEIGHT] = {"mlp.c_fc.weight", C, I},
        [BLOCK_FC_BIAS] = {"mlp.c_fc.bias", 1, I},
        [BLOCK_OUT_WEIGHT] = {"mlp.c_proj.weight", I, C},
        [BLOCK_OUT_BIAS] = {"mlp.c_proj.bias", 1, C},
    };
    for (uint32_t i = 0; i < BLOCK_PARAMS; i++) {
        uint32_t p = gpt_block_param(block, i);
        snprintf(l->names[p], GPT_NAME_MAX, "transformer.h.%" PRIu32 ".%s", block, part[i].name);
        l->params[p] = (pm_param){l->names[p], part[i].rows, part[i].cols, part[i].rows > 1};
    }
}

static void name_tail(gpt_layout *l, const pm_gpt_config *c)
{
    const struct {
        const char *name;
        uint32_t rows, cols;
    } part[TAIL_COUNT] = {
        [TAIL_NORM_GAIN] = {"transformer.ln_f.weight", 1, c->embd},
        [TAIL_NORM_BIAS] = {"transformer.ln_f.bias", 1, c->embd},
        [TAIL_HEAD] = {"lm_head.weight", c->vocab, c->embd},
        [TAIL_SCORE] = {GPT_SCORE_NAME, c->outputs, c->embd},
    };
    for (int i = 0; i < TAIL_COUNT; i++) {
        if (!gpt_has(c, (gpt_tail)i)) continue;
        uint32_t p = gpt_tail_param(c, (gpt_tail)i);
        snprintf(l->names[p], GPT_NAME_MAX, "%s", part[i].name);
        l->params[p] = (pm_param){l->names[p], part[i].rows, part[i].cols, i >= TAIL_HEAD};
    }
}

static void name_all(gpt_layout *l, const pm_gpt_config *c)
{
    bool gpt1 = c->arch == PM_ARCH_GPT1;
    snprintf(l->names[PARAM_TOKENS], GPT_NAME_MAX, "transformer.%s.weight", gpt1 ? "tokens_embed" : "wte");
    snprintf(l->names[PARAM_POSITIONS], GPT_NAME_MAX, "transformer.%s.weight", gpt1 ? "positions_embed" : "wpe");
    l->params[PARAM_TOKENS] = (pm_param){l->names[PARAM_TOKENS], c->vocab, c->embd, 1};
    l->params[PARAM_POSITIONS] = (pm_param){l->names[PARAM_POSITIONS], c->ctx, c->embd, 1};
    for (uint32_t b = 0; b < c->layers; b++) name_block(l, c, b);
    name_tail(l, c);
}

/* Fills segments with the decayed parameters, then with the others. */
static void place_all(gpt_layout *l, uint64_t max_words)
{
    uint32_t s = 0;
    for (int pass = 1; pass >= 0; pass--) {
        for (uint32_t p = 0; p < l->count; p++) {
            if (l->params[p].decayed != pass) continue;
            uint64_t words = (uint64_t)l->params[p].rows * l->params[p].cols;
            words = (words + ALIGN_WORDS - 1) / ALIGN_WORDS * ALIGN_WORDS;
            if (l->segment_words[s] > 0 && l->segment_words[s] + words > max_words) s++;
            l->segment[p] = s;
            l->offset[p] = l->segment_words[s];
            l->segment_words[s] += words;
            if (pass) l->segment_decayed[s] = l->segment_words[s];
            l->total_words += words;
        }
    }
    l->segment_count = s + 1;
}

pm_status gpt_layout_make(const pm_log *log, const pm_gpt_config *config, uint64_t max_segment_bytes, gpt_layout *out)
{
    uint32_t n = gpt_tail_param(config, TAIL_COUNT);
    gpt_layout l = {.count = n,
                    .params = calloc(n, sizeof *l.params),
                    .names = calloc(n, sizeof *l.names),
                    .segment = calloc(n, sizeof *l.segment),
                    .offset = calloc(n, sizeof *l.offset),
                    .segment_words = calloc(n, sizeof *l.segment_words),
                    .segment_decayed = calloc(n, sizeof *l.segment_decayed)};
    if (!l.params || !l.names || !l.segment || !l.offset || !l.segment_words || !l.segment_decayed) {
        gpt_layout_fini(&l);
        return log_fail(log, PM_NO_HOST_MEMORY, "model: no memory for %" PRIu32 " parameters' names", n);
    }
    name_all(&l, config);
    for (uint32_t p = 0; p < n; p++) {
        uint64_t bytes = 4 * (uint64_t)l.params[p].rows * l.params[p].cols;
        if (bytes + 4 * ALIGN_WORDS <= max_segment_bytes) continue;
        pm_status status = log_fail(log, PM_NO_DEVICE_MEMORY,
                                    "model: %s has %" PRIu64 " MiB, and this device allocates %" PRIu64 " MiB at most",
                                    l.params[p].name, bytes >> 20, max_segment_bytes >> 20);
        gpt_layout_fini(&l);
        return status;
    }
    place_all(&l, max_segment_bytes / 4);
    *out = l;
    return PM_OK;
}

void gpt_layout_fini(gpt_layout *l)
{
    free(l->params);
    free(l->names);
    free(l->segment);
    free(l->offset);
    free(l->segment_words);
    free(l->segment_decayed);
    *l = (gpt_layout){0};
}

pm_status gpt_segments_create(pm_device *device, const gpt_layout *layout, const char *name, gpu_buffer ***buffers)
{
    pm_status status = PM_OK;
    gpu_buffer **b = calloc(layout->segment_count, sizeof *b);
    if (!b) return log_fail(gpu_log(device), PM_NO_HOST_MEMORY, "model: no memory for %s", name);
    for (uint32_t s = 0; s < layout->segment_count && status == PM_OK; s++) {
        status = gpu_buffer_create(device, GPU_WEIGHTS, 4 * layout->segment_words[s], name, &b[s]);
        if (status == PM_OK) status = gpu_fill(gpu_span_of(b[s]), 0);
    }
    if (status == PM_OK)
        *buffers = b;
    else
        gpt_segments_destroy(layout, &b);
    return status;
}

void gpt_segments_destroy(const gpt_layout *layout, gpu_buffer ***buffers)
{
    if (!*buffers) return;
    for (uint32_t s = 0; s < layout->segment_count; s++) gpu_buffer_destroy(&(*buffers)[s]);
    free(*buffers);
    *buffers = NULL;
}

gpu_span gpt_span(const gpt_layout *layout, gpu_buffer *const *buffers, uint32_t param)
{
    gpu_span span = gpu_span_of(buffers[layout->segment[param]]);
    span.offset += 4 * layout->offset[param];
    span.size = 4 * (uint64_t)layout->params[param].rows * layout->params[param].cols;
    return span;
}

gpu_span *gpt_spans(const gpt_layout *layout, gpu_buffer *const *buffers)
{
    gpu_span *spans = calloc(layout->count, sizeof *spans);
    for (uint32_t p = 0; spans && p < layout->count; p++) spans[p] = gpt_span(layout, buffers, p);
    return spans;
}
