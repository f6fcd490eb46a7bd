/* Folders made by hand. Values are exact in every type that they are written in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helper_device.h"
#include "helper_dir.h"
#include "helper_folder.h"
#include "helper_log.h"
#include "helper_model.h"

pm_device *folder_device;
char folder_dir[300];
static char *root;
static pm_log log_here;

int folder_open(void **state)
{
    (void)state;
    log_here = test_log();
    const pm_device_params params = {.log = log_here};
    folder_device = test_device_open(&params);
    root = test_dir_make();
    snprintf(folder_dir, sizeof folder_dir, "%s/model", root);
    return 0;
}

int folder_close(void **state)
{
    (void)state;
    test_dir_remove(root);
    test_device_done(&folder_device);
    return 0;
}

const char *folder_path(const char *name)
{
    return test_path(folder_dir, name);
}

static void *narrow(const float *values, size_t n, st_dtype dtype)
{
    if (dtype == ST_F32) {
        float *copy = malloc(n * sizeof *copy);
        assert_non_null(copy);
        memcpy(copy, values, n * sizeof *copy);
        return copy;
    }
    if (dtype == ST_F64) {
        double *wide = malloc(n * sizeof *wide);
        assert_non_null(wide);
        for (size_t i = 0; i < n; i++) wide[i] = (double)values[i] * (1 + 0x1p-40); /* rounds to the float */
        return wide;
    }
    uint16_t *out = malloc(n * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], 4);
        assert_int_equal(bits & 0xffff, 0);
        /* fp16: the exponent's bias is 15 instead of 127; magnitudes here are normal in both */
        out[i] = dtype == ST_BF16
                     ? (uint16_t)(bits >> 16)
                     : (uint16_t)((bits >> 16 & 0x8000) | (((bits >> 23 & 255) - 112) << 10) | (bits >> 13 & 1023));
    }
    return out;
}

void folder_add(folder_tensors *t, const char *name, st_dtype dtype, uint32_t rows, uint32_t cols, void *data)
{
    st_tensor *s = &t->all[t->count];
    assert_true(t->count < FOLDER_MOST);
    snprintf(t->names[t->count++], sizeof t->names[0], "%s", name);
    *s = (st_tensor){.dtype = dtype, .rank = rows > 1 ? 2 : 1, .shape = {rows > 1 ? rows : cols, rows > 1 ? cols : 0}};
    s->data = data;
    s->size = (uint64_t)rows * cols * st_dtype_size(dtype);
}

static void add_junk(folder_tensors *t, bool bare)
{
    static const char *const junk[] = {"h.0.attn.bias", "h.0.attn.masked_bias", "position_ids"};
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s%s", bare ? "" : "transformer.", junk[i]);
        folder_add(t, name, ST_U8, 12, 12, calloc(12, 12));
    }
}

void folder_collect(const pm_model *model, const folder_form *f, folder_tensors *t)
{
    static const char prefix[] = "transformer.";
    t->count = 0;
    for (size_t p = 0; p < pm_model_param_count(model); p++) {
        const pm_param param = pm_model_param(model, p);
        const bool cut = f->bare && !strncmp(param.name, prefix, sizeof prefix - 1);
        float *values = test_model_values(model, p);
        const size_t n = (size_t)param.rows * param.cols;
        folder_add(t, param.name + (cut ? sizeof prefix - 1 : 0), f->dtype, param.rows, param.cols,
                   narrow(values, n, f->dtype));
        if (p == 0 && f->head) {
            if (f->head == 2) values[5] = 1.0f;
            folder_add(t, "lm_head.weight", f->dtype, param.rows, param.cols, narrow(values, n, f->dtype));
        }
        free(values);
    }
    if (f->junk) add_junk(t, f->bare);
    for (size_t i = 0; i < t->count; i++) t->all[i].name = t->names[i];
}

void folder_free(folder_tensors *t)
{
    for (size_t i = 0; i < t->count; i++) free((void *)t->all[i].data);
}

void folder_write_file(const folder_tensors *t, const st_meta *meta, size_t meta_count)
{
    assert_int_equal(st_write(&log_here, folder_path("model.safetensors"), t->all, t->count, meta, meta_count), PM_OK);
}

/* Tensor i goes to shard i % shards, so that the order of the index is not that of the files. */
void folder_write_shards(const folder_tensors *t, int shards)
{
    char index[8192] = "{\"metadata\": {\"total_size\": 12345}, \"weight_map\": {";
    for (int s = 0; s < shards; s++) {
        st_tensor own[FOLDER_MOST];
        size_t count = 0;
        char name[64];
        snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", s + 1, shards);
        for (size_t i = (size_t)s; i < t->count; i += (size_t)shards) {
            const size_t at = strlen(index);
            own[count++] = t->all[i];
            snprintf(index + at, sizeof index - at, "%s\"%s\": \"%s\"", s + i > 0 ? ", " : "", t->names[i], name);
        }
        assert_int_equal(st_write(&log_here, folder_path(name), own, count, NULL, 0), PM_OK);
    }
    strcat(index, "}}\n");
    test_write(folder_path("model.safetensors.index.json"), index, strlen(index));
}

void folder_write(const pm_model *model, const folder_form *f)
{
    remove(folder_path("model.safetensors.index.json"));
    assert_int_equal(pm_model_save(model, folder_dir), PM_OK); /* for config.json */
    remove(folder_path("model.safetensors"));
    folder_tensors t;
    folder_collect(model, f, &t);
    if (f->shards)
        folder_write_shards(&t, f->shards);
    else
        folder_write_file(&t, NULL, 0);
    folder_free(&t);
}

folder_lines folder_loads_as(pm_model *original)
{
    pm_model *model = NULL;
    test_log_reset();
    const pm_status status = pm_model_load(folder_device, folder_dir, &model);
    if (status != PM_OK) fail_msg("%s", test_last_error());
    const folder_lines lines = {test_log_count(PM_LOG_WARN), test_log_count(PM_LOG_INFO)};
    test_model_same(original, model);
    pm_model_destroy(&model);
    return lines;
}

void folder_refused(pm_status want, const char *part)
{
    pm_model *model = NULL;
    test_log_reset();
    const pm_status status = pm_model_load(folder_device, folder_dir, &model);
    if (status != want || !strstr(test_last_error(), part) || !strstr(test_last_error(), folder_dir))
        fail_msg("%d instead of %d; no '%s' in: %s", status, want, part, test_last_error());
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    assert_null(model);
}
