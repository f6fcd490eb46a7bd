/* The names under which programs save a GPT's tensors: those that wrappers change, shared tables under one of their names, and tensors that are left
 * over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helper_dir.h"
#include "helper_folder.h"
#include "helper_log.h"
#include "helper_model.h"

/* Writes a model with names that begin with `front` and have `inside` behind "h.N."; as one file, or as two. */
static void write_named(const pm_model *model, bool bare, const char *front, const char *inside, int shards)
{
    folder_tensors t;
    folder_write(model, &(folder_form){.dtype = ST_F32});
    folder_collect(model, &(folder_form){.dtype = ST_F32, .bare = bare}, &t);
    for (size_t i = 0; i < t.count; i++) {
        char name[80];
        const char *block = strstr(t.names[i], "h.0.") ? strstr(t.names[i], "h.0.") : strstr(t.names[i], "h.1.");
        const int before = block ? (int)(block - t.names[i]) + 4 : 0;
        snprintf(name, sizeof name, "%s%.*s%s%s", front, before, t.names[i], block ? inside : "", t.names[i] + before);
        memcpy(t.names[i], name, sizeof name);
    }
    remove(folder_path("model.safetensors"));
    if (shards)
        folder_write_shards(&t, shards);
    else
        folder_write_file(&t, NULL, 0);
    folder_free(&t);
}

/* torch.compile, DataParallel, both, blocks that were compiled one by one, and a model within a model. */
static void test_wrapped(void **state)
{
    (void)state;
    static const struct {
        bool bare;
        const char *front, *inside;
    } rows[] = {
        {false, "_orig_mod.", ""},
        {false, "module.", ""},
        {true, "module._orig_mod.", ""},
        {false, "_orig_mod.module.", "_orig_mod."},
        {true, "", "_orig_mod."},
        {false, "model.", ""},
        {true, "model.module.", "_checkpoint_wrapped_module."},
    };
    for (int kind = 0; kind < 4; kind++) {
        pm_model *original = test_model_make(folder_device, (pm_arch)(kind / 2), kind % 2);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            write_named(original, rows[i].bare, rows[i].front, rows[i].inside, i % 2 ? 2 : 0);
            const folder_lines lines = folder_loads_as(original);
            assert_int_equal(lines.warnings + lines.infos, 0);
        }
        pm_model_destroy(&original);
    }
    remove(folder_path("model.safetensors.index.json"));
}

static folder_tensors by_name;

static st_tensor *tensor_named(const char *name)
{
    for (size_t i = 0; i < by_name.count; i++)
        if (!strcmp(by_name.names[i], name)) return &by_name.all[i];
    fail_msg("no %s", name);
    return NULL;
}

/* The file has one of two names of a shared table, as save_model writes it, with __metadata__ or without. */
static void test_shared(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        const char *table = kind ? "transformer.tokens_embed.weight" : "transformer.wte.weight";
        char other[80];
        pm_model *original = test_model_make(folder_device, kind ? PM_ARCH_GPT1 : PM_ARCH_GPT2, false);
        folder_write(original, &(folder_form){.dtype = ST_F32});
        folder_collect(original, &(folder_form){.dtype = ST_F32}, &by_name);
        st_tensor *t = tensor_named(table);
        t->name = (char *)"lm_head.weight";
        folder_write_file(&by_name, NULL, 0);
        folder_loads_as(original);
        t->name = (char *)"module.lm_head.weight";
        folder_write_file(&by_name, NULL, 0);
        folder_loads_as(original);
        t->name = (char *)"decoder.table";
        snprintf(other, sizeof other, "_orig_mod.%s", table);
        folder_write_file(&by_name, (st_meta[]){{"format", "pt"}, {other, "decoder.table"}}, 2);
        folder_loads_as(original);
        assert_int_equal(test_log_count(PM_LOG_WARN), 0);
        folder_write_file(&by_name, (st_meta[]){{other, "decoder.tables"}}, 1);
        folder_refused(PM_FORMAT, ".weight is missing; the tensors there are ");
        t->name = (char *)table;
        /* two names of the same parameter */
        st_tensor *bias = tensor_named("transformer.h.0.ln_1.bias"),
                  *gain = tensor_named("transformer.h.0.ln_1.weight");
        gain->name = (char *)"h.0.ln_1.bias";
        bias->name = (char *)"module.h.0.ln_1.bias";
        folder_write_file(&by_name, NULL, 0);
        folder_refused(PM_FORMAT, "h.0.ln_1.weight is missing");
        gain->name = (char *)"transformer.h.0.ln_1.weight";
        st_tensor *twin = tensor_named("transformer.h.1.ln_1.bias");
        twin->name = (char *)"h.0.ln_1.bias";
        folder_write_file(&by_name, NULL, 0);
        folder_refused(PM_FORMAT, "h.0.ln_1.bias and module.h.0.ln_1.bias could both be transformer.h.0.ln_1.bias");
        folder_free(&by_name);
        pm_model_destroy(&original);
    }
}

/* A parameter under two names: the one without a wrapper counts, and a warning tells where the other differs. */
static void test_twice(void **state)
{
    (void)state;
    static float changed[64];
    pm_model *original = test_model_make(folder_device, PM_ARCH_GPT2, false);
    folder_write(original, &(folder_form){.dtype = ST_F32});
    for (int differs = 0; differs < 2; differs++) {
        folder_collect(original, &(folder_form){.dtype = ST_F32}, &by_name);
        st_tensor *twin = &by_name.all[by_name.count];
        *twin = *tensor_named("transformer.ln_f.weight");
        twin->name = (char *)"module.transformer.ln_f.weight";
        if (differs) twin->data = changed;
        assert_true(twin->size <= sizeof changed);
        by_name.count++;
        folder_write_file(&by_name, NULL, 0);
        by_name.count--;
        folder_loads_as(original);
        assert_int_equal(test_log_count(PM_LOG_WARN), differs);
        if (differs)
            assert_non_null(strstr(test_last_warning(),
                                   "transformer.ln_f.weight and module.transformer.ln_f.weight are "
                                   "one tensor under two names, with other values; the first"));
        folder_free(&by_name);
    }
    pm_model_destroy(&original);
}

/* The log names tensors that the configuration leaves out, those of a block together. */
static void test_left_out(void **state)
{
    (void)state;
    size_t size;
    pm_model *original = test_model_make(folder_device, PM_ARCH_GPT2, false), *model = NULL;
    write_named(original, false, "module.", "", 0);
    char *text = test_read(folder_path("config.json"), &size), *layers = strstr(text, "\"n_layer\":");
    assert_non_null(layers);
    *strchr(layers, '2') = '1';
    test_write(folder_path("config.json"), text, size);
    test_log_reset();
    assert_int_equal(pm_model_load(folder_device, folder_dir, &model), PM_OK);
    assert_int_equal(test_log_count(PM_LOG_WARN), 1);
    assert_non_null(strstr(test_last_warning(), "12 of its 28 tensors"));
    assert_non_null(strstr(test_last_warning(), ": module.transformer.h.1.*"));
    pm_model_destroy(&model);
    free(text);

    folder_write(original, &(folder_form){.dtype = ST_F32});
    folder_collect(original, &(folder_form){.dtype = ST_F32, .junk = true}, &by_name);
    folder_add(&by_name, "score.weight", ST_F32, 2, 16, calloc(32, 4));
    folder_add(&by_name, "multiple_choice_head.summary.bias", ST_U8, 1, 3, calloc(3, 1));
    for (size_t i = by_name.count - 2; i < by_name.count; i++) by_name.all[i].name = by_name.names[i];
    folder_write_file(&by_name, NULL, 0);
    const folder_lines lines = folder_loads_as(original);
    assert_int_equal(lines.warnings, 1);
    assert_int_equal(lines.infos, 1);
    assert_non_null(strstr(test_last_warning(), "multiple_choice_head.summary.bias, score.weight"));
    assert_null(strstr(test_last_warning(), "attn.bias"));
    folder_free(&by_name);
    pm_model_destroy(&original);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrapped),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_twice),
    };
    return cmocka_run_group_tests(tests, folder_open, folder_close);
}
