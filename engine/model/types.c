/* How a model's parameters are kept in memory: what was asked for, or what the files have. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/files.h"

static const char *const names[] = {
    [PM_WEIGHTS_F32] = "f32", [PM_WEIGHTS_F16] = "f16", [PM_WEIGHTS_BF16] = "bf16", [PM_WEIGHTS_FILE] = "file"};
enum { NAMES = sizeof names / sizeof *names };

const char *pm_weights_name(pm_weights kind)
{
    return (unsigned)kind < NAMES ? names[kind] : "unknown";
}

bool pm_weights_named(const char *name, pm_weights *out)
{
    for (int i = 0; i < NAMES; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (pm_weights)i;
            return true;
        }
    return false;
}

/* The type of a parameter that the files have as these tensors. Numbers of fewer than 16 bits, and fp64, have no such type: quantized ones become fp16, which keeps
 * more of them than they have. Tensors that differ become fp32. */
static dtype_id type_in_file(const gpt_files *files, uint32_t param)
{
    const tensor_list *list = files->is_gguf ? &files->gguf_weights.list : &files->weights.list;
    dtype_id type = DTYPES;
    for (uint32_t i = list->firsts[param]; i < list->firsts[param + 1]; i++) {
        dtype_id one = DTYPE_F32;
        if (files->is_gguf) {
            const gguf_dtype stored = files->gguf_weights.tensors[i]->dtype;
            one = stored == GGUF_F32 ? DTYPE_F32 : stored == GGUF_BF16 ? DTYPE_BF16 : DTYPE_F16;
        } else {
            const st_dtype stored = files->weights.tensors[i].tensor->dtype;
            one = stored == ST_F16 ? DTYPE_F16 : stored == ST_BF16 ? DTYPE_BF16 : DTYPE_F32;
        }
        if (type != DTYPES && type != one) return DTYPE_F32;
        type = one;
    }
    return type == DTYPES ? DTYPE_F32 : type;
}

pm_status gpt_types(const pm_log *log, const pm_gpt_config *config, const gpt_files *files, pm_weights kind,
                    dtype_id **out)
{
    static const dtype_id given[] = {
        [PM_WEIGHTS_F32] = DTYPE_F32, [PM_WEIGHTS_F16] = DTYPE_F16, [PM_WEIGHTS_BF16] = DTYPE_BF16};
    if ((unsigned)kind >= NAMES || (kind == PM_WEIGHTS_FILE && !files))
        return log_fail(log, PM_INVALID, "model: weights are %s; f32, f16 or bf16 would be right%s",
                        pm_weights_name(kind), files ? ", or as in the file" : "");
    dtype_id *types = calloc(arch_param_count(config), sizeof *types);
    if (!types) return log_fail(log, PM_NO_HOST_MEMORY, "model: no memory for its parameters' types");
    arch_place at = ARCH_START;
    for (uint32_t p = 0; arch_next(config, &at); p++)
        if (role_table[at.role].narrow) types[p] = kind == PM_WEIGHTS_FILE ? type_in_file(files, p) : given[kind];
    *out = types;
    return PM_OK;
}
