/* The parameter table: names as Hugging Face spells them, shapes, places. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/gpt.h"
#include "model/tensors.h"

/* Each parameter begins at a multiple of so many bytes: whole cache lines. */
enum { ALIGN = 64 };

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

/* What a parameter takes of its segment. */
static uint64_t bytes_of(const gpt_layout *l, uint32_t p)
{
    const uint64_t bytes = dtype_bytes(l->types[p], (uint64_t)l->params[p].rows * l->params[p].cols);
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* Fills segments of this type with the decayed parameters, then with the others. */
static void place_all(gpt_layout *l, dtype_id type, uint64_t max_bytes)
{
    uint32_t s = l->segment_count; /* the one being filled */
    for (int decayed = 1; decayed >= 0; decayed--) {
        for (uint32_t p = 0; p < l->count; p++) {
            if (l->types[p] != type || l->params[p].decayed != decayed) continue;
            const uint64_t bytes = bytes_of(l, p);
            if (l->segment_bytes[s] > 0 && l->segment_bytes[s] + bytes > max_bytes) s++;
            l->segment[p] = s;
            l->segment_type[s] = type;
            l->offset[p] = l->segment_bytes[s];
            l->segment_bytes[s] += bytes;
            if (decayed) l->segment_decayed[s] = l->segment_bytes[s] / dtype_bytes(type, 1);
            l->total_bytes += bytes;
            l->segment_count = s + 1;
        }
    }
}

bool gpt_layout_trains(const gpt_layout *l)
{
    for (uint32_t s = 0; s < l->segment_count; s++)
        if (l->segment_type[s] != DTYPE_F32) return false;
    return true;
}

static pm_status check_sizes(const pm_log *log, const gpt_layout *l, uint64_t max_bytes)
{
    for (uint32_t p = 0; p < l->count; p++) {
        const uint64_t bytes = bytes_of(l, p);
        if (bytes > max_bytes)
            return log_fail(log, PM_NO_DEVICE_MEMORY,
                            "model: %s has %" PRIu64 " MiB, and this device allocates %" PRIu64 " MiB at most",
                            l->params[p].name, bytes >> 20, max_bytes >> 20);
    }
    return PM_OK;
}

pm_status gpt_layout_make(const pm_log *log, const pm_gpt_config *config, const dtype_id *types,
                          uint64_t max_segment_bytes, gpt_layout *out)
{
    uint32_t n = arch_param_count(config);
    gpt_layout l = {.count = n,
                    .params = calloc(n, sizeof *l.params),
                    .names = calloc(n, sizeof *l.names),
                    .roles = calloc(n, sizeof *l.roles),
                    .segment = calloc(n, sizeof *l.segment),
                    .types = calloc(n, sizeof *l.types),
                    .offset = calloc(n, sizeof *l.offset),
                    .segment_type = calloc(n, sizeof *l.segment_type),
                    .segment_bytes = calloc(n, sizeof *l.segment_bytes),
                    .segment_decayed = calloc(n, sizeof *l.segment_decayed)};
    pm_status status = PM_OK;
    if (!l.params || !l.names || !l.roles || !l.segment || !l.types || !l.offset || !l.segment_type ||
        !l.segment_bytes || !l.segment_decayed)
        status = log_fail(log, PM_NO_HOST_MEMORY, "model: no memory for %" PRIu32 " parameters' names", n);
    if (status == PM_OK) {
        if (types) memcpy(l.types, types, n * sizeof *types);
        name_all(&l, config);
        status = check_sizes(log, &l, max_segment_bytes);
    }
    for (int type = 0; type < DTYPES && status == PM_OK; type++) place_all(&l, (dtype_id)type, max_segment_bytes);
    if (status == PM_OK)
        *out = l;
    else
        gpt_layout_fini(&l);
    return status;
}

void gpt_layout_fini(gpt_layout *l)
{
    free(l->params);
    free(l->names);
    free(l->roles);
    free(l->segment);
    free(l->types);
    free(l->offset);
    free(l->segment_type);
    free(l->segment_bytes);
    free(l->segment_decayed);
    *l = (gpt_layout){0};
}

pm_status gpt_segments_create(pm_device *device, const gpt_layout *layout, const char *name, gpu_buffer ***buffers)
{
    pm_status status = PM_OK;
    gpu_buffer **b = calloc(layout->segment_count, sizeof *b);
    if (!b) return log_fail(gpu_log(device), PM_NO_HOST_MEMORY, "model: no memory for %s", name);
    for (uint32_t s = 0; s < layout->segment_count && status == PM_OK; s++) {
        status = gpu_buffer_create(device, GPU_WEIGHTS, layout->segment_bytes[s], name, &b[s]);
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
    const uint64_t count = (uint64_t)layout->params[param].rows * layout->params[param].cols;
    span.offset += layout->offset[param];
    span.size = 4 * dtype_words(layout->types[param], count);
    return span;
}

gpu_span *gpt_spans(const gpt_layout *layout, gpu_buffer *const *buffers)
{
    gpu_span *spans = calloc(layout->count, sizeof *spans);
    for (uint32_t p = 0; spans && p < layout->count; p++) spans[p] = gpt_span(layout, buffers, p);
    return spans;
}
