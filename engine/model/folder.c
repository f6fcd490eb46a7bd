/* Copies parameters piece by piece, and writes model folders. */
#include <stdlib.h>

#include "base/log.h"
#include "files/file.h"
#include "files/safetensors.h"
#include "model/tensors.h"

static uint64_t numbers(pm_param param)
{
    return (uint64_t)param.rows * param.cols;
}

pm_status gpt_copy(const pm_log *log, const gpt_layout *layout, gpt_source from, gpt_piece_fn *to, void *user)
{
    float *values = malloc(sizeof *values * GPT_PIECE);
    if (!values) return log_fail(log, PM_NO_HOST_MEMORY, "model: no memory for %d numbers", GPT_PIECE);
    pm_status status = PM_OK;
    for (uint32_t p = 0; status == PM_OK && p < layout->count; p++) {
        const uint64_t total = numbers(layout->params[p]);
        for (uint64_t first = 0; status == PM_OK && first < total; first += GPT_PIECE) {
            const uint64_t count = total - first < GPT_PIECE ? total - first : GPT_PIECE;
            status = from.read(from.user, p, first, count, values);
            if (status == PM_OK) status = to(user, p, first, count, values);
        }
    }
    free(values);
    return status;
}

/* Failures stick in the writer. */
static pm_status put_piece(void *user, uint32_t param, uint64_t first, uint64_t count, const float *values)
{
    (void)param;
    (void)first;
    file_writer_put(user, values, sizeof *values * (size_t)count);
    return PM_OK;
}

/* The file's header. A parameter's tensors lie one behind the other, as their numbers do. */
static pm_status begin_weights(const pm_log *log, const char *path, const tensor_list *list, file_writer **out)
{
    const st_meta meta = {"format", "pt"}; /* transformers insists on it */
    st_tensor *tensors = calloc(list->count, sizeof *tensors);
    if (!tensors) return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to write it", path);
    for (uint32_t i = 0; i < list->count; i++) {
        const tensor_row *row = &list->rows[i];
        tensors[i] = (st_tensor){.name = (char *)row->name,
                                 .dtype = ST_F32,
                                 .rank = row->vector ? 1 : 2,
                                 .shape = {row->vector ? row->cols : row->rows, row->vector ? 0 : row->cols},
                                 .size = 4ull * row->rows * row->cols};
    }
    const pm_status status = st_write_begin(log, path, tensors, list->count, &meta, 1, out);
    free(tensors);
    return status;
}

static pm_status write_weights(const pm_log *log, const char *path, const pm_gpt_config *config, const gpt_layout *l,
                               gpt_source from)
{
    tensor_list list = {0};
    file_writer *writer = NULL;
    pm_status status = tensors_list(log, config, &arch_of(config)->hf, &list);
    if (status == PM_OK) status = begin_weights(log, path, &list, &writer);
    tensors_free(&list);
    if (status != PM_OK) return status;
    status = gpt_copy(log, l, from, put_piece, writer);
    if (status == PM_OK) return file_writer_commit(&writer);
    file_writer_abandon(&writer);
    return status;
}

pm_status gpt_folder_write(const pm_log *log, const char *dir, const pm_gpt_config *config, const pm_task *task,
                           const gpt_layout *layout, gpt_source from)
{
    char *config_path = file_join(dir, "config.json"), *weights_path = file_join(dir, "model.safetensors");
    pm_status status =
        config_path && weights_path ? PM_OK : log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to write it", dir);
    if (status == PM_OK) status = file_make_dir(log, dir);
    /* The weights come last: a folder that has them is a whole model. */
    if (status == PM_OK) status = gpt_config_write(log, config_path, config, task);
    if (status == PM_OK) status = write_weights(log, weights_path, config, layout, from);
    free(config_path);
    free(weights_path);
    return status;
}
