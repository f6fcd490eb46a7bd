/* The parameter table: names as Hugging Face spells them, shapes, places. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/gpt.h"
#include "model/tensors.h"

/* Each parameter begins at a multiple of so many words: whole cache lines. */
enum { ALIGN_WORDS = 16 };

static void name_all(gpt_layout *l, const pm_gpt_config *c)
{
    arch_place at = ARCH_START;
    for (uint32_t p = 0; arch_next(c, &at); p++) {
        uint32_t rows, cols;
        arch_shape(c, (param_role)at.role, &rows, &cols);
        tensors_name(&arch_of(c)->hf, at, l->names[p]);
        l->params[p] = (pm_param){l->names[p], rows, cols, role_table[at.role].decayed};
        l->roles[p] = (param_role)at.role;
    }
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
    uint32_t n = arch_param_count(config);
    gpt_layout l = {.count = n,
                    .params = calloc(n, sizeof *l.params),
                    .names = calloc(n, sizeof *l.names),
                    .roles = calloc(n, sizeof *l.roles),
                    .segment = calloc(n, sizeof *l.segment),
                    .offset = calloc(n, sizeof *l.offset),
                    .segment_words = calloc(n, sizeof *l.segment_words),
                    .segment_decayed = calloc(n, sizeof *l.segment_decayed)};
    if (!l.params || !l.names || !l.roles || !l.segment || !l.offset || !l.segment_words || !l.segment_decayed) {
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
    free(l->roles);
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
