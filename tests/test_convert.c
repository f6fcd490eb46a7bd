/* Conversion: OpenAI's GPT-1 release and Hugging Face's forms become the folder that pm_model_save writes; NumPy files are read with
 * suspicion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "helper_device.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_model.h"
#include "files/npy.h"

static pm_device *device;
static char *root, dir[300], out[300];
static pm_log log_here;

static int open_all(void **state)
{
    (void)state;
    log_here = test_log();
    const pm_device_params params = {.log = log_here};
    device = test_device_open(&params);
    root = test_dir_make();
    snprintf(dir, sizeof dir, "%s", test_path(root, "release"));
    snprintf(out, sizeof out, "%s", test_path(root, "converted"));
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    test_dir_remove(root);
    test_device_done(&device);
    return 0;
}

/* ---- NumPy files ---- */

/* Writes a file of this version with this header text and so many bytes behind it: 0, 1, 2 … Returns its size. */
static size_t put_npy(const char *path, int version, const char *text, const void *data, size_t data_size)
{
    static unsigned char bytes[1 << 17];
    const size_t length = strlen(text), start = version == 1 ? 10 : 12;
    assert_true(start + length + data_size <= sizeof bytes);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[7] = 0;
    for (size_t i = 8; i < start; i++) bytes[i] = (unsigned char)(length >> 8 * (i - 8));
    memcpy(bytes + start, text, length);
    for (size_t i = 0; i < data_size; i++)
        bytes[start + length + i] = data ? ((const unsigned char *)data)[i] : (unsigned char)i;
    test_write(path, bytes, start + length + data_size);
    return start + length + data_size;
}

static void npy_refused(const char *path, const char *part)
{
    npy_file file = {.count = 77};
    test_log_reset();
    if (npy_open(&log_here, path, &file) != PM_FORMAT || !strstr(test_last_error(), part))
        fail_msg("no '%s' in: %s", part, test_last_error());
    assert_non_null(strstr(test_last_error(), path));
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    assert_int_equal(file.count, 77);
}

#define TEXT(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }  \n"

static void test_npy(void **state)
{
    (void)state;
    static const char *const good[] = {
        TEXT("'<f4'", "False", "(6,)"),
        TEXT("'<f4'", "False", "(2, 3)"),
        TEXT("'<f4'", "False", "(2, 3,)"),
        TEXT("\"<f4\"", "True", "(6,)"),
        "{\"shape\":(1,6),\"descr\":\"<f4\",\"fortran_order\":False}",
        TEXT("'<f4'", "False", "(1, 1, 1, 6)"),
    };
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"", "header"},
        {"{}", "header"},
        {"[1]", "header"},
        {TEXT("'<f4'", "False", "(6,") "", "header"},
        {TEXT("'<f4'", "False", "(6)"), "header"},
        {TEXT("'<f4'", "False", "(-6,)"), "header"},
        {TEXT("'<f4'", "False", "(6.0,)"), "header"},
        {TEXT("'<f4'", "False", "(2 3)"), "header"},
        {TEXT("'<f4'", "False", "(,)"), "header"},
        {TEXT("'<f4'", "Maybe", "(6,)"), "header"},
        {TEXT("'<f4", "False", "(6,)"), "header"},
        {TEXT("'<f4'", "False", "(6,)") "}", "header"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", "header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}", "header"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (6,)}", "header"},
        {"{'descr': '<f4', 'fortran_order': False, }", "header"},
        {TEXT("[('a', '<f4')]", "False", "(6,)"), "header"},
        {TEXT("'<f4'", "False", "(999999999999999999, 999999999999999999)"), "header"},
        {TEXT("'<f4'", "False", "(9999999999999999999,)"), "header"},
        {TEXT("'<f4'", "False", "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,6)"), "header"},
        {TEXT("'>f4'", "False", "(6,)"), "<f4"},
        {TEXT("'<f8'", "False", "(3,)"), "<f4"},
        {TEXT("'<f4<f4<f4<f4'", "False", "(6,)"), "<f4"},
        {TEXT("'|O'", "False", "(3,)"), "<f4"},
        {TEXT("'<f4'", "True", "(2, 3)"), "C order"},
        {TEXT("'<f4'", "False", "(7,)"), "7 numbers"},
        {TEXT("'<f4'", "False", "(5,)"), "5 numbers"},
        {TEXT("'<f4'", "False", "()"), "1 numbers"},
        {TEXT("'<f4'", "False", "(0, 99999999999)"), "0 numbers"},
        {TEXT("'<f4'", "False", "(4611686018427387, 100)"), "numbers"},
    };
    const float values[6] = {1, -2, 3.5f, 0, 1e-30f, 7};
    const char *path = test_path(root, "a.npy");
    npy_file file;
    for (int version = 1; version <= 3; version++) {
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
            put_npy(path, version, good[i], values, sizeof values);
            if (npy_open(&log_here, path, &file) != PM_OK) fail_msg("%s: %s", good[i], test_last_error());
            assert_int_equal(file.count, 6);
            assert_memory_equal(file.data, values, sizeof values);
            npy_close(&file);
        }
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            put_npy(path, version, bad[i].text, values, sizeof values);
            npy_refused(path, bad[i].part);
        }
    }
    put_npy(path, 4, good[0], values, sizeof values);
    npy_refused(path, "version");
    static const char *const short_ones[] = {"",
                                             "\x93NUMPY",
                                             "\x93NUMPY\x01",
                                             "\x93NUMPX\x01..............",
                                             "\x93NUMPY\x01\x01\xff\xff{}.........",
                                             "\x93NUMPY\x02\x01\xff\xff\xff\xff{}...."};
    for (size_t i = 0; i < sizeof short_ones / sizeof *short_ones; i++) {
        test_write(path, short_ones[i], strlen(short_ones[i]));
        npy_refused(path, "NumPy");
    }
}

/* Changes random bytes of a good file, and cuts files short: never a crash. */
static void test_npy_damage(void **state)
{
    (void)state;
    const char *path = test_path(root, "b.npy");
    size_t size = put_npy(path, 1, TEXT("'<f4'", "False", "(2, 3)"), NULL, 24);
    char *good = test_read(path, &size), *broken = malloc(size);
    assert_non_null(broken);
    for (uint32_t i = 0; i < 2000; i++) {
        const rng_block b = rng_philox(17, i, 0, 0, 0);
        memcpy(broken, good, size);
        for (uint32_t k = 0; k <= b.v[0] % 3; k++) broken[b.v[1 + k] % size] = (char)(b.v[0] >> (8 + 8 * k));
        test_write(path, broken, i % 4 ? size : b.v[3] % size);
        npy_file file;
        if (npy_open(NULL, path, &file) != PM_OK) continue;
        unsigned sum = 0;
        for (uint64_t k = 0; k < 4 * file.count; k++) sum += file.data[k];
        assert_true(sum < 100000);
        npy_close(&file);
    }
    free(broken);
    free(good);
}

/* ---- releases ---- */

/* The order in which a release has the parameters of a block, by the ends of their names. */
static const char *const order[12] = {
    "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias", "ln_1.weight", "ln_1.bias",
    "mlp.c_fc.weight",    "mlp.c_fc.bias",    "mlp.c_proj.weight",  "mlp.c_proj.bias",  "ln_2.weight", "ln_2.bias"};

typedef struct release {
    float *values;
    size_t count;
    char shapes[2000];
} release;

static void append(release *r, const pm_model *model, const char *name)
{
    size_t p = 0, at = strlen(r->shapes);
    while (strcmp(pm_model_param(model, p).name, name)) p++;
    const pm_param param = pm_model_param(model, p);
    const size_t n = (size_t)param.rows * param.cols;
    float *values = test_model_values(model, p);
    r->values = realloc(r->values, (r->count + n) * sizeof *values);
    assert_non_null(r->values);
    memcpy(r->values + r->count, values, n * sizeof *values);
    free(values);
    r->count += n;
    const char *comma = at > 1 ? ", " : "", *one = strstr(name, "embed") ? "" : "1, ";
    if (param.rows == 1)
        snprintf(r->shapes + at, sizeof r->shapes - at, "%s[%u]", comma, param.cols);
    else
        snprintf(r->shapes + at, sizeof r->shapes - at, "%s[%s%u, %u]", comma, one, param.rows, param.cols);
}

static release collect(const pm_model *model)
{
    release r = {.shapes = "["};
    append(&r, model, "transformer.positions_embed.weight");
    append(&r, model, "transformer.tokens_embed.weight");
    for (int block = 0; block < 2; block++)
        for (int k = 0; k < 12; k++) {
            char name[80];
            snprintf(name, sizeof name, "transformer.h.%d.%s", block, order[k]);
            append(&r, model, name);
        }
    strcat(r.shapes, "]");
    return r;
}

/* Parts that end anywhere; the last one has `more` numbers than there are. */
static void write_release(const release *r, size_t part, int more)
{
    unsigned index = 0;
    test_write(test_path(dir, "params_shapes.json"), r->shapes, strlen(r->shapes));
    for (size_t at = 0; at < r->count; at += part, index++) {
        size_t n = r->count - at < part ? r->count - at : part;
        char name[32], text[100];
        if (at + n == r->count) n = (size_t)((long)n + more);
        float *values = calloc(n, sizeof *values);
        assert_non_null(values);
        memcpy(values, r->values + at, (r->count - at < n ? r->count - at : n) * sizeof *values);
        snprintf(name, sizeof name, "params_%u.npy", index);
        snprintf(text, sizeof text, TEXT("'<f4'", "False", "(%zu,)"), n);
        put_npy(test_path(dir, name), 1 + (int)index % 2, text, values, n * sizeof *values);
        free(values);
    }
}

static void convert_refused(const char *from, uint32_t heads, pm_status want, const char *part)
{
    test_log_reset();
    const pm_status status = pm_model_convert(&log_here, from, heads, out);
    if (status != want || !strstr(test_last_error(), part))
        fail_msg("%d instead of %d; no '%s' in: %s", status, want, part, test_last_error());
    assert_non_null(strstr(test_last_error(), from));
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
}

static void test_release(void **state)
{
    (void)state;
    pm_model *original = test_model_make(device, PM_ARCH_GPT1, false), *model = NULL;
    assert_int_equal(pm_model_save(original, dir), PM_OK); /* makes the folder; its files must not matter */
    release r = collect(original);
    write_release(&r, 1001, 0);
    test_log_reset();
    if (pm_model_convert(&log_here, dir, 2, out) != PM_OK) fail_msg("%s", test_last_error());
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    assert_int_equal(pm_model_load(device, out, &model), PM_OK);
    assert_true(pm_model_config(model)->dropout_attn == 0.1f);
    test_model_same(original, model);
    pm_model_destroy(&model);
    test_same_file(dir, out, "model.safetensors");

    write_release(&r, 1001, 3); /* too many: left out, with a warning */
    assert_int_equal(pm_model_convert(&log_here, dir, 2, out), PM_OK);
    assert_int_equal(test_log_count(PM_LOG_WARN), 1);
    test_same_file(dir, out, "model.safetensors");

    write_release(&r, 1001, -1);
    convert_refused(dir, 2, PM_FORMAT, "npy missing?");
    write_release(&r, 1001, 0);
    convert_refused(dir, 3, PM_FORMAT, "heads");
    convert_refused(dir, 0, PM_FORMAT, "heads: 12");
    static const struct {
        const char *was, *is, *part; /* a place of params_shapes.json that is changed */
    } bad[] = {
        {"[12, 16]", "[12, 17]", "shape 0"},
        {"[12, 16]", "[0, 16]", "shape 0"},
        {"[12, 16]", "[12.5]", "shape 0"},
        {"[12, 16]", "[192]", "must list"},
        {"[1, 16, 48]", "[2, 16, 48]", "shape 2"},
        {"[1, 16, 48]", "[1, 48, 16]", "shape 2"},
        {"[48]", "[47]", "shape 3"},
        {"[48]", "[1, 2, 3, 4]", "shape 3"},
        {"[48]", "null", "shape 3"},
        {"[[12, 16], ", "[", "must list"},
        {"[[", "{[", "is not valid JSON, at byte 2"},
        {"[12, 16]", "[1e300, 16]", "shape 0"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[2100];
        const char *at = strstr(r.shapes, bad[i].was);
        assert_non_null(at);
        const int n =
            snprintf(text, sizeof text, "%.*s%s%s", (int)(at - r.shapes), r.shapes, bad[i].is, at + strlen(bad[i].was));
        test_write(test_path(dir, "params_shapes.json"), text, (size_t)n);
        convert_refused(dir, 2, PM_FORMAT, bad[i].part);
    }
    free(r.values);
    pm_model_destroy(&original);
}

/* A folder that is in the right form already comes out with the same bytes; heads are for releases only. */
static void test_folder(void **state)
{
    (void)state;
    const char *from = test_path(root, "saved"), *to = test_path(root, "again");
    for (int kind = 0; kind < 4; kind++) {
        pm_model *model = test_model_make(device, (pm_arch)(kind / 2), kind % 2);
        assert_int_equal(pm_model_save(model, from), PM_OK);
        assert_int_equal(pm_model_convert(&log_here, from, 0, to), PM_OK);
        test_same_file(from, to, "config.json");
        test_same_file(from, to, "model.safetensors");
        convert_refused(from, 2, PM_INVALID, "heads");
        pm_model_destroy(&model);
    }
    convert_refused(test_path(root, "nowhere"), 0, PM_IO, "there is no such folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npy),
        cmocka_unit_test(test_npy_damage),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_folder),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
