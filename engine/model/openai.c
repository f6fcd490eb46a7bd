/* params_0.npy, params_1.npy … hold one long vector of all parameters. params_shapes.json lists their shapes in the same order: positions
 * (P,C), tokens (V,C), then twelve a block, as that repository's train.py makes its variables. A product's weight is a convolution of
 * width 1, (1, in, out). */
#include "model/openai.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "files/json.h"

enum { SHAPE_POSITIONS, SHAPE_TOKENS, SHAPE_BLOCKS };

/* The list's order in a block. */
static const param_role block_order[] = {
    ROLE_QKV_WEIGHT, ROLE_QKV_BIAS, ROLE_PROJ_WEIGHT, ROLE_PROJ_BIAS, ROLE_NORM1_GAIN, ROLE_NORM1_BIAS,
    ROLE_FC_WEIGHT,  ROLE_FC_BIAS,  ROLE_OUT_WEIGHT,  ROLE_OUT_BIAS,  ROLE_NORM2_GAIN, ROLE_NORM2_BIAS,
};
enum { BLOCK_PARAMS = sizeof block_order / sizeof *block_order };
enum { FIRST_FC_WEIGHT = SHAPE_BLOCKS + 6 };

bool openai_is_release(const char *dir)
{
    char *path = file_join(dir, "params_shapes.json");
    const bool there = path && file_named(path);
    free(path);
    return there;
}

/* ---- shapes ---- */

typedef struct shape {
    uint32_t rank, size[3];
} shape;

typedef struct shape_list {
    shape *shapes;
    uint32_t count;
} shape_list;

static bool read_shape(const cJSON *list, shape *out)
{
    const cJSON *item;
    if (!cJSON_IsArray(list)) return false;
    cJSON_ArrayForEach(item, list)
    {
        if (out->rank == 3 || !cJSON_IsNumber(item) || !(item->valuedouble >= 1 && item->valuedouble <= 1e9) ||
            item->valuedouble != (double)(uint32_t)item->valuedouble)
            return false;
        out->size[out->rank++] = (uint32_t)item->valuedouble;
    }
    return out->rank > 0;
}

static pm_status read_shapes(const pm_log *log, const char *path, shape_list *out)
{
    char *text;
    size_t size;
    pm_status status = file_read(log, path, &text, &size);
    if (status != PM_OK) return status;
    cJSON *root = NULL;
    status = json_read(log, &(json_place){.path = path}, text, size, &root);
    free(text);
    if (status != PM_OK) return status;
    const cJSON *item;
    const int count = cJSON_IsArray(root) ? cJSON_GetArraySize(root) : 0;
    shape_list list = {calloc((size_t)count + 1, sizeof(shape)), 0};
    if (!list.shapes) status = log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to read it", path);
    if (status == PM_OK && count == 0) status = log_fail(log, PM_FORMAT, "%s: is not a JSON array of shapes", path);
    cJSON_ArrayForEach(item, root)
    {
        if (status == PM_OK && !read_shape(item, &list.shapes[list.count++]))
            status =
                log_fail(log, PM_FORMAT, "%s: shape %u must be an array of one to three sizes", path, list.count - 1);
    }
    cJSON_Delete(root);
    if (status == PM_OK)
        *out = list;
    else
        free(list.shapes);
    return status;
}

/* Fails where the shape is not the parameter's. */
static pm_status expect(const pm_log *log, const char *path, const shape_list *list, uint32_t index, pm_param param)
{
    const shape *s = &list->shapes[index];
    const uint32_t *last = &s->size[s->rank - 1];
    const bool vector = param.rows == 1 && s->rank == 1 && *last == param.cols;
    const bool matrix =
        s->rank >= 2 && (s->rank == 2 || s->size[0] == 1) && last[-1] == param.rows && *last == param.cols;
    if (vector || matrix) return PM_OK;
    char there[64];
    int used = 0;
    for (uint32_t i = 0; i < s->rank; i++)
        used += snprintf(there + used, sizeof there - (size_t)used, "%s%u", i ? ", " : "", s->size[i]);
    if (param.rows == 1)
        return log_fail(log, PM_FORMAT, "%s: shape %u, of %s, must be [%u], and is [%s]", path, index, param.name,
                        param.cols, there);
    return log_fail(log, PM_FORMAT, "%s: shape %u, of %s, must be [%u, %u], and is [%s]", path, index, param.name,
                    param.rows, param.cols, there);
}

/* A GPT-1 parameter's index in the list. */
static uint32_t place_of(arch_place at)
{
    if (at.role == ROLE_TOKENS) return SHAPE_TOKENS;
    if (at.role == ROLE_POSITIONS) return SHAPE_POSITIONS;
    uint32_t k = 0;
    while ((int)block_order[k] != at.role) k++;
    return SHAPE_BLOCKS + BLOCK_PARAMS * at.block + k;
}

static pm_status config_of(const pm_log *log, const char *path, const shape_list *list, uint32_t heads,
                           pm_gpt_config *out)
{
    const shape *s = list->shapes;
    if (list->count < SHAPE_BLOCKS + BLOCK_PARAMS || (list->count - SHAPE_BLOCKS) % BLOCK_PARAMS ||
        s[SHAPE_POSITIONS].rank != 2 || s[SHAPE_TOKENS].rank != 2)
        return log_fail(log, PM_FORMAT, "%s: must list positions, tokens and twelve shapes a block", path);
    const shape *fc = &s[FIRST_FC_WEIGHT];
    const pm_gpt_config config = {.arch = PM_ARCH_GPT1,
                                  .vocab = s[SHAPE_TOKENS].size[0],
                                  .ctx = s[SHAPE_POSITIONS].size[0],
                                  .embd = s[SHAPE_TOKENS].size[1],
                                  .heads = heads ? heads : 12,
                                  .layers = (list->count - SHAPE_BLOCKS) / BLOCK_PARAMS,
                                  .inner = fc->size[fc->rank - 1],
                                  .dropout_embd = 0.1f,
                                  .dropout_attn = 0.1f,
                                  .dropout_resid = 0.1f};
    char where[1000];
    snprintf(where, sizeof where, "%s: ", path);
    pm_status status = gpt_config_check(log, &(gpt_origin){.where = where}, &config);
    if (status == PM_OK) *out = gpt_config_filled(&config);
    return status == PM_INVALID ? PM_FORMAT : status;
}

/* Starts of the parameters and the vector's length. */
static pm_status find_starts(const pm_log *log, openai_release *r, const pm_gpt_config *config, const shape_list *list,
                             uint64_t *total)
{
    gpt_layout layout;
    pm_status status = gpt_layout_make(log, config, NULL, UINT64_MAX, &layout);
    if (status != PM_OK) return status;
    uint64_t *begin = calloc(list->count, sizeof *begin); /* by the list's order */
    r->starts = calloc(layout.count, sizeof *r->starts);
    if (!begin || !r->starts) status = log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to read it", r->shapes_path);
    arch_place at = ARCH_START;
    for (uint32_t p = 0; status == PM_OK && arch_next(config, &at); p++)
        status = expect(log, r->shapes_path, list, place_of(at), layout.params[p]);
    *total = 0;
    for (uint32_t k = 0; k < list->count && status == PM_OK; k++) {
        const shape *s = &list->shapes[k];
        uint64_t size = 1;
        for (uint32_t i = 0; i < s->rank; i++) size *= s->size[i];
        begin[k] = *total;
        *total += size;
    }
    at = ARCH_START;
    for (uint32_t p = 0; status == PM_OK && arch_next(config, &at); p++) r->starts[p] = begin[place_of(at)];
    free(begin);
    gpt_layout_fini(&layout);
    return status;
}

/* ---- parts ---- */

static pm_status open_parts(const pm_log *log, const char *dir, openai_release *r, uint64_t total)
{
    uint64_t there = 0;
    char name[32] = "params_0.npy";
    for (; r->part_count < OPENAI_MAX_PARTS; r->part_count++) {
        snprintf(name, sizeof name, "params_%u.npy", r->part_count);
        char *path = file_join(dir, name);
        if (!path) return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to read it", dir);
        const bool more = file_named(path);
        pm_status status = more ? npy_open(log, path, &r->parts[r->part_count]) : PM_OK;
        free(path);
        if (status != PM_OK) return status;
        if (!more) break;
        there += r->parts[r->part_count].count;
    }
    if (there < total)
        return log_fail(log, PM_FORMAT, "%s: the parts before %s hold %llu numbers, %s asks for %llu: is %s missing?",
                        dir, name, (unsigned long long)there, r->shapes_path, (unsigned long long)total, name);
    if (there > total)
        log_line(log, PM_LOG_WARN, "%s: the parts hold %llu numbers more than %s asks for; they are left out", dir,
                 (unsigned long long)(there - total), r->shapes_path);
    return PM_OK;
}

pm_status openai_open(const pm_log *log, const char *dir, uint32_t heads, pm_gpt_config *config, openai_release *out)
{
    openai_release r = {.shapes_path = file_join(dir, "params_shapes.json")};
    shape_list list = {0};
    uint64_t total = 0;
    if (!r.shapes_path) return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to read it", dir);
    pm_status status = read_shapes(log, r.shapes_path, &list);
    if (status == PM_OK) status = config_of(log, r.shapes_path, &list, heads, config);
    if (status == PM_OK) status = find_starts(log, &r, config, &list, &total);
    if (status == PM_OK) status = open_parts(log, dir, &r, total);
    free(list.shapes);
    if (status == PM_OK)
        *out = r;
    else
        openai_close(&r);
    return status;
}

void openai_close(openai_release *r)
{
    for (uint32_t i = 0; i < r->part_count; i++) npy_close(&r->parts[i]);
    free(r->shapes_path);
    free(r->starts);
    *r = (openai_release){0};
}

static pm_status read_piece(void *user, uint32_t param, uint64_t first, uint64_t count, float *out)
{
    const openai_release *r = user;
    uint64_t at = r->starts[param] + first;
    for (uint32_t i = 0; i < r->part_count && count > 0; i++) {
        const npy_file *part = &r->parts[i];
        if (at >= part->count) {
            at -= part->count;
            continue;
        }
        const uint64_t n = part->count - at < count ? part->count - at : count;
        const unsigned char *bytes = part->data + 4 * at;
        memcpy(out, bytes, 4 * n);
        file_map_drop(&part->map, bytes, 4 * n);
        out += n;
        count -= n;
        at = 0;
    }
    return PM_OK;
}

gpt_source openai_source(openai_release *release)
{
    return (gpt_source){read_piece, release};
}
