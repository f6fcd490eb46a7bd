#include "model/tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* A name of the format, with what belongs before it. */
static void name_of(const arch_names *names, arch_place at, const char *name, char out[GPT_NAME_MAX])
{
    const bool in_block = at.role >= ROLE_BLOCK_FIRST && at.role < ROLE_BLOCK_END;
    const bool plain = at.role == ROLE_HEAD || at.role == ROLE_SCORE;
    char block[32] = "";
    if (in_block) snprintf(block, sizeof block, "%s%" PRIu32 ".", names->block, at.block);
    snprintf(out, GPT_NAME_MAX, "%s%s%s", plain ? "" : names->prefix, block, name);
}

void tensors_name(const arch_names *names, arch_place at, char out[GPT_NAME_MAX])
{
    name_of(names, at, names->name[at.role], out);
}

/* The names of a parameter's parts; NULL where it is one tensor. */
static const arch_parts *parts_of(const arch_names *names, int of)
{
    for (int i = 0; i < ARCH_PARTS && names->parts[i].name[0]; i++)
        if ((int)names->parts[i].role == of) return &names->parts[i];
    return NULL;
}

static void add(tensor_list *list, const pm_gpt_config *config, const arch_names *names, arch_place at, uint32_t param)
{
    const arch_parts *parts = parts_of(names, at.role);
    uint32_t rows, cols;
    arch_shape(config, (param_role)at.role, &rows, &cols);
    const bool vector = rows == 1 && !role_table[at.role].decayed;
    uint64_t begin = 0;
    for (uint32_t i = 0; i < (parts ? ARCH_PART_NAMES : 1) && (!parts || parts->name[i]); i++) {
        tensor_row *row = &list->rows[list->count++];
        *row = (tensor_row){
            .param = param, .role = (param_role)at.role, .at = begin, .rows = rows, .cols = cols, .vector = vector};
        name_of(names, at, parts ? parts->name[i] : names->name[at.role], row->name);
        if (parts) *(vector ? &row->cols : &row->rows) = arch_part(config, (param_role)at.role, i);
        begin += (uint64_t)row->rows * row->cols;
    }
}

pm_status tensors_list(const pm_log *log, const pm_gpt_config *config, const arch_names *names, tensor_list *out)
{
    const size_t params = arch_param_count(config);
    tensor_list list = {.rows = calloc(ARCH_PART_NAMES * params, sizeof *list.rows),
                        .firsts = calloc(params + 1, sizeof *list.firsts)};
    if (!list.rows || !list.firsts) {
        tensors_free(&list);
        return log_fail(log, PM_NO_HOST_MEMORY, "model: no memory for its tensors' names");
    }
    arch_place at = ARCH_START;
    for (uint32_t p = 0; arch_next(config, &at); p++) {
        add(&list, config, names, at, p);
        list.firsts[p + 1] = list.count;
    }
    *out = list;
    return PM_OK;
}

void tensors_free(tensor_list *list)
{
    free(list->rows);
    free(list->firsts);
    *list = (tensor_list){0};
}

pm_status tensors_read(const tensor_list *list, uint32_t param, uint64_t first, uint64_t count, float *out,
                       tensor_read read, void *user)
{
    pm_status status = PM_OK;
    for (uint32_t i = list->firsts[param]; i < list->firsts[param + 1] && count > 0 && status == PM_OK; i++) {
        const tensor_row *row = &list->rows[i];
        const uint64_t end = row->at + (uint64_t)row->rows * row->cols;
        if (first >= end) continue;
        const uint64_t n = end - first < count ? end - first : count;
        status = read(user, i, first - row->at, n, out);
        first += n;
        out += n;
        count -= n;
    }
    return status;
}

static bool all_finite(const float *values, uint64_t count)
{
    uint32_t bad = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], 4);
        bad |= (bits & 0x7f800000) == 0x7f800000;
    }
    return !bad;
}

void tensors_tell(const pm_log *log, const char *path, const char *name, const float *values, uint64_t count,
                  bool *told)
{
    if (*told || all_finite(values, count)) return;
    log_line(log, PM_LOG_WARN,
             "%s: %s has values that are not finite; what the model computes will not be finite either", path, name);
    *told = true;
}
