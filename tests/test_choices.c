/* Autotuned choices: taken where they fit, kept in a file, ignored where the file is another device's or damaged, measured by pm_device_autotune. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "base/hash.h"
#include "helper_device.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_system.h"
#include "ops/variant.h"

static pm_device *open_with(const char *cache)
{
    return test_device_open(&(pm_device_params){.log = test_log(), .cache_dir = cache});
}

enum { MOST_KERNELS = 4 };
typedef struct kernels_of {
    kernel_id kernels[MOST_KERNELS];
    uint32_t count;
} kernels_of;

/* The kernels that a call is recorded with. Each operand gets a place of its own. */
static kernels_of record_call(pm_device *device, op_call call)
{
    enum { ROOM = 1 << 18 }; /* bytes */
    kernels_of k = {.count = 0};
    gpu_buffer *buffer = NULL;
    gpu_program *program = NULL;
    const char *wrong = op_check(&call);
    assert_true(wrong == NULL);
    assert_int_equal(gpu_buffer_create(device, GPU_WORKSPACE, (OP_MAX_IN + OP_MAX_OUT) * ROOM, "call", &buffer), PM_OK);
    for (uint32_t i = 0; i < OP_MAX_IN + OP_MAX_OUT; i++) {
        op_view *v = i < OP_MAX_IN ? &call.in[i] : &call.out[i - OP_MAX_IN];
        assert_true(4 * v->rows * v->cols <= ROOM);
        if (v->rows) v->span = (gpu_span){buffer, i * ROOM, 4 * v->rows * v->cols};
    }
    assert_int_equal(gpu_program_create(device, "call", &program), PM_OK);
    op_record(program, &call);
    assert_int_equal(gpu_program_finish(program), PM_OK);
    k.count = gpu_program_kernels(program, k.kernels, MOST_KERNELS);
    assert_true(k.count >= 1 && k.count <= MOST_KERNELS);
    gpu_program_destroy(&program);
    gpu_buffer_destroy(&buffer);
    return k;
}

static op_view shape(uint32_t rows, uint32_t cols)
{
    return (op_view){.rows = rows, .cols = cols};
}

/* Of 64 x 48 x 32. */
static const op_call product = {
    .op = OP_MATMUL, .in = {{.rows = 64, .cols = 32}, {.rows = 32, .cols = 48}}, .out = {{.rows = 64, .cols = 48}}};

static kernel_id recorded(pm_device *device)
{
    const kernels_of k = record_call(device, product);
    assert_int_equal(k.count, 1);
    return k.kernels[0];
}

static void test_taken(void **state)
{
    (void)state;
    pm_device *device = open_with("");
    op_choice choices[OP_MOST_CHOICES];
    assert_int_equal(op_choices(pm_device_caps(device), &product, choices), 1);
    const char *key = choices[0].key;
    assert_string_equal(key, "matmul f32 nn 64x48x32");
    kernel_id usual = recorded(device);
    assert_int_equal(gpu_choice_set(device, key, VARIANT_TILE_4), PM_OK);
    const bool serial = pm_device_caps(device)->serial;
    assert_int_equal(recorded(device), serial ? KERNEL_matmul_tile_plain : KERNEL_matmul_tile_wide_plain);
    assert_int_equal(gpu_choice_set(device, key, VARIANT_BLOCK), PM_OK); /* needs barriers */
    const bool block = !serial && pm_device_caps(device)->max_shared_memory >= 17 << 10;
    assert_int_equal(recorded(device), block ? KERNEL_matmul_block_plain : usual);
    assert_int_equal(gpu_choice_set(device, key, VARIANT_MATVEC), PM_OK); /* does not fit 64 rows */
    assert_int_equal(recorded(device), usual);
    assert_int_equal(gpu_choice_set(device, key, OP_VARIANTS + 7), PM_OK); /* is no variant */
    assert_int_equal(recorded(device), usual);
    assert_int_equal(gpu_choice_set(device, key, 0), PM_OK);
    assert_int_equal(recorded(device), usual);
    assert_int_equal(gpu_choices_save(device), PM_INVALID); /* nowhere to keep it */
    test_device_done(&device);
}

/* Attention of two sequences and two heads of 16. */
static op_call attention_call(uint32_t time)
{
    op_view qkv = shape(2 * time, 96), scalars = shape(1, sizeof(step_scalars) / 4);
    return (op_call){.op = OP_ATTENTION,
                     .attr = {.heads = 2, .time = time, .off_k = 32, .off_v = 64},
                     .in = {qkv, qkv, qkv, scalars},
                     .out = {shape(2 * time, 32), shape(2 * time, 2)}};
}
static op_call attention_bwd_call(uint32_t time)
{
    op_view qkv = shape(2 * time, 96), y = shape(2 * time, 32), lse = shape(2 * time, 2);
    op_call call = attention_call(time);
    call.op = OP_ATTENTION_BWD;
    call.in[1] = call.in[3] = y;
    call.in[2] = lse;
    call.in[4] = shape(1, sizeof(step_scalars) / 4);
    call.out[0] = qkv;
    call.out[1] = lse; /* delta */
    return call;
}

static void choose(pm_device *device, const char *key, uint32_t choice)
{
    assert_int_equal(gpu_choice_set(device, key, choice), PM_OK);
}

static void test_attention(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {VARIANT_ATTENTION_COOP, VARIANT_ATTENTION_ROW, VARIANT_ATTENTION_APART,
                                     VARIANT_MATVEC, OP_VARIANTS + 7};
    pm_device *device = open_with("");
    const pm_caps *caps = pm_device_caps(device);
    op_choice c[OP_MOST_CHOICES];
    op_call call = attention_call(40);
    assert_int_equal(op_choices(caps, &call, c), 1);
    assert_string_equal(c[0].key, "attention f32 B2 H2 T40 D16");
    assert_true(c[0].within < 0 && (c[0].possible >> VARIANT_ATTENTION_FEW & 1));
    const kernel_id usual = record_call(device, call).kernels[0];
    const uint32_t others = c[0].possible & ~(1u << c[0].usual);
    assert_true(others != 0);
    for (uint32_t variant = 1; variant < OP_VARIANTS; variant++) { /* each that is possible is taken */
        if (!(others >> variant & 1)) continue;
        choose(device, c[0].key, variant);
        const kernels_of k = record_call(device, call);
        assert_int_equal(k.count, 1);
        assert_non_null(strstr(gpu_kernel_name(k.kernels[0]), op_variant_name((op_variant)variant)));
        assert_int_not_equal(k.kernels[0], usual);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) { /* what cannot compute it, or is no variant of it */
        assert_false(wrong[i] < OP_VARIANTS && (c[0].possible >> wrong[i] & 1));
        choose(device, c[0].key, wrong[i]);
        assert_int_equal(record_call(device, call).kernels[0], usual);
    }
    test_device_done(&device);
}

/* Keys tell fewer heads of keys and values, and a window that hides some key; what is not so is not told. */
static void test_attention_keys(void **state)
{
    (void)state;
    const pm_caps caps = {.max_workgroup_size = 128, .subgroup_size = 8};
    op_choice c[OP_MOST_CHOICES];
    op_call call = attention_call(40);
    call.attr.kv_heads = 2;
    call.attr.head = 16;
    call.attr.window = 40;
    op_choices(&caps, &call, c);
    assert_string_equal(c[0].key, "attention f32 B2 H2 T40 D16");
    call.attr.kv_heads = 1;
    call.attr.window = 39;
    op_choices(&caps, &call, c);
    assert_string_equal(c[0].key, "attention f32 B2 H2 K1 T40 W39 D16");
    call = attention_bwd_call(40);
    call.attr.kv_heads = 1;
    assert_int_equal(op_choices(&caps, &call, c), OP_MOST_CHOICES);
    assert_string_equal(c[0].key, "attention-bwd dq f32 B2 H2 K1 T40 D16");
}

/* Few queries have one variant, so that no choice changes what scratch was planned. */
static void test_few_queries(void **state)
{
    (void)state;
    pm_device *device = open_with("");
    const pm_caps *caps = pm_device_caps(device);
    op_choice c[OP_MOST_CHOICES];
    op_call call = attention_call(4);
    call.in[1] = call.in[2] = shape(2 * 300, 96); /* keys of so many positions: several work groups a query */
    const uint64_t words = op_scratch_words(caps, &call);
    assert_int_equal(op_choices(caps, &call, c), 1);
    assert_string_equal(c[0].key, "attention f32 B2 H2 T4x300 D16");
    assert_int_equal(c[0].possible, 1u << c[0].usual);
    assert_int_equal(words > 0, c[0].usual == VARIANT_ATTENTION_ROW);
    if (words > 0) call.out[ATTENTION_PARTS] = shape(1, (uint32_t)words);
    const kernels_of usual = record_call(device, call);
    for (uint32_t variant = 0; variant < OP_VARIANTS; variant++) {
        choose(device, c[0].key, variant);
        const kernels_of k = record_call(device, call);
        assert_int_equal(k.count, usual.count);
        assert_memory_equal(k.kernels, usual.kernels, k.count * sizeof *k.kernels);
        assert_int_equal(op_scratch_words(caps, &call), words);
    }
    test_device_done(&device);
}

/* The gradient has four choices. Those for dk and dv alone count where these are computed apart. */
static void test_attention_bwd(void **state)
{
    (void)state;
    enum { DQ, DK, DV, DKV, CHOICES };
    static const char *const keys[CHOICES] = {
        "attention-bwd dq f32 B2 H2 T40 D16", "attention-bwd dk f32 B2 H2 T40 D16",
        "attention-bwd dv f32 B2 H2 T40 D16", "attention-bwd dkv f32 B2 H2 T40 D16"};
    pm_device *device = open_with("");
    const bool serial = pm_device_caps(device)->serial;
    op_choice c[OP_MOST_CHOICES];
    const op_call call = attention_bwd_call(40);
    assert_int_equal(op_choices(pm_device_caps(device), &call, c), CHOICES);
    for (int i = 0; i < CHOICES; i++) {
        assert_string_equal(c[i].key, keys[i]);
        assert_int_equal(c[i].within, i == DK || i == DV ? DKV : -1);
    }
    const bool together = c[DKV].usual == VARIANT_ATTENTION_LANES;
    const kernels_of usual = record_call(device, call);
    assert_int_equal(usual.count, together ? 2 : 3);
    choose(device, keys[DK], VARIANT_ATTENTION_FEW);
    kernels_of k = record_call(device, call);
    assert_int_equal(k.count, usual.count);
    const kernel_id few_dk = serial ? KERNEL_attention_few_dk : KERNEL_attention_few_dk_wide;
    if (together)
        assert_int_equal(k.kernels[1], usual.kernels[1]); /* not apart: no choice of dk counts */
    else
        assert_int_equal(k.kernels[1], few_dk);
    choose(device, keys[DKV], VARIANT_ATTENTION_APART);
    choose(device, keys[DQ], VARIANT_ATTENTION_FEW);
    k = record_call(device, call);
    assert_int_equal(k.count, 3);
    assert_int_equal(k.kernels[0], serial ? KERNEL_attention_few_dq : KERNEL_attention_few_dq_wide);
    assert_int_equal(k.kernels[1], few_dk);
    if (!together) assert_int_equal(k.kernels[2], usual.kernels[2]);
    test_device_done(&device);
}

static uint32_t choice_of(pm_device *device, const char *key)
{
    gpu_program *program = NULL;
    assert_int_equal(gpu_program_create(device, "none", &program), PM_OK);
    uint32_t choice = gpu_chosen(program, key);
    gpu_program_destroy(&program);
    return choice;
}

/* Whether a device that is opened with this cache folder knows both choices, else neither. Where it does not, one line says `why`. */
static bool known(const char *cache, const char *why)
{
    test_log_reset();
    pm_device *device = open_with(cache);
    assert_int_equal(test_log_count(PM_LOG_WARN), why ? 1 : 0);
    if (why) assert_non_null(strstr(test_last_warning(), why));
    uint32_t one = choice_of(device, "one"), two = choice_of(device, "two and more");
    assert_true((one == 3 && two == 8) || (one == 0 && two == 0));
    pm_device_close(&device);
    return one == 3;
}

/* The only file in the folder whose name begins so. */
static void tuning_file(const char *folder, char path[512])
{
    DIR *list = opendir(folder);
    assert_non_null(list);
    path[0] = 0;
    for (const struct dirent *file; (file = readdir(list));)
        if (!strncmp(file->d_name, "tuning-", 7)) snprintf(path, 512, "%s/%.200s", folder, file->d_name);
    closedir(list);
    assert_true(path[0] != 0);
}

static void test_kept(void **state)
{
    (void)state;
    const char *cache = test_path(test_root, "cache");
    pm_device *device = open_with(cache);
    assert_int_equal(gpu_choice_set(device, "one", 3), PM_OK);
    assert_int_equal(gpu_choice_set(device, "two and more", 8), PM_OK);
    assert_int_equal(gpu_choice_set(device, "taken back", 5), PM_OK);
    assert_int_equal(gpu_choice_set(device, "taken back", 0), PM_OK);
    assert_int_equal(gpu_choices_save(device), PM_OK);
    pm_device_close(&device);
    assert_true(known(cache, NULL));

    char path[512];
    size_t size;
    tuning_file(cache, path);
    char *good = test_read(path, &size), *bad = malloc(size + 1);
    assert_non_null(bad);
    const char *build = strstr(good, " build ") + 7, *hash = strstr(good, " hash ");
    for (size_t at = 0; at < size; at += 5) { /* a byte of it changed */
        memcpy(bad, good, size);
        bad[at] ^= 1;
        test_write(path, bad, size);
        const bool in_build = good + at >= build && good + at < hash;
        assert_false(known(cache, in_build ? "is of another build" : "is damaged"));
    }
    for (size_t cut = 0; cut < size; cut += size / 7 + 1) { /* or the end missing */
        test_write(path, good, cut);
        assert_false(known(cache, "is damaged"));
    }
    test_write(path, good, size + 1); /* or a byte too many: test_read's 0 */
    assert_false(known(cache, "is damaged"));
    assert_int_equal(remove(path), 0);
    test_make_folder(path);
    assert_false(known(cache, "cannot be read"));
    test_remove_folder(path);
    test_write(path, good, size);
    assert_true(known(cache, NULL));
    free(good);
    free(bad);

    device = open_with(cache);
    assert_int_equal(remove(path), 0); /* what cannot be forgotten on disk stays in memory */
    test_make_folder(path);
    assert_int_equal(pm_device_forget_choices(device), PM_IO);
    assert_int_equal(choice_of(device, "one"), 3);
    test_remove_folder(path);
    assert_int_equal(pm_device_forget_choices(device), PM_OK);
    assert_int_equal(choice_of(device, "one"), 0);
    pm_device_close(&device);
    assert_false(known(cache, NULL));
}

/* A device that is lowered has choices of its own, and a preset imitates another vendor. Doctor's findings are about the device itself, and stay. */
static void test_lowered(void **state)
{
    (void)state;
    static const char *const lowered[] = {"all", "videocore"};
    const char *cache = test_path(test_root, "lowered");
    pm_device *device = open_with(cache);
    pm_caps own = *pm_device_caps(device);
    assert_int_equal(gpu_choice_set(device, "one", 3), PM_OK);
    assert_int_equal(gpu_choices_save(device), PM_OK);
    assert_int_equal(gpu_row_switch(device, ROW_matmul_tile_plain, false), PM_OK);
    assert_int_equal(gpu_faults_save(device), PM_OK);
    pm_device_close(&device);
    for (size_t i = 0; i < 2; i++) {
        test_log_reset();
        device = test_device_open(&(pm_device_params){.log = test_log(), .cache_dir = cache, .disable = lowered[i]});
        assert_int_equal(test_log_count(PM_LOG_WARN), 0);
        assert_int_equal(choice_of(device, "one"), 0);
        assert_false(gpu_row_good(pm_device_caps(device), ROW_matmul_tile_plain));
        assert_int_equal(gpu_choice_set(device, "one", 7), PM_OK);
        assert_int_equal(gpu_choices_save(device), PM_OK);
        assert_int_equal(pm_device_forget_choices(device), PM_OK);
        pm_device_close(&device);
    }
    test_log_reset();
    device = open_with(cache);
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    assert_false(gpu_row_good(pm_device_caps(device), ROW_matmul_tile_plain));
    own.kernels_off[0] = ROW_matmul_tile_plain + 1;
    assert_memory_equal(own.kernels_off, pm_device_caps(device)->kernels_off, sizeof own.kernels_off);
    assert_int_equal(choice_of(device, "one"), 0); /* without the kernel, another variant may be the fastest */
    assert_true(gpu_faults_forget(device));
    assert_int_equal(gpu_faults_save(device), PM_OK);
    pm_device_close(&device);
    device = open_with(cache);
    assert_int_equal(choice_of(device, "one"), 3);
    assert_true(gpu_row_good(pm_device_caps(device), ROW_matmul_tile_plain));
    pm_device_close(&device);
}

/* Older builds kept both in one file. Its faults still count, but its choices may be a lowered device's. A damaged one is reported. */
static void test_old_faults(void **state)
{
    (void)state;
    static const char body[] =
        "3 one\n1 off kernel matmul_tile_plain\n1 off kernel of_another_build\n1 off feature fused\n";
    const char *cache = test_path(test_root, "old");
    char path[512], head[200], *end;
    size_t size;
    pm_device *device = open_with(cache);
    assert_int_equal(gpu_choice_set(device, "one", 3), PM_OK);
    assert_int_equal(gpu_choices_save(device), PM_OK);
    pm_device_close(&device);
    tuning_file(cache, path);
    char *text = test_read(path, &size);
    assert_int_equal(remove(path), 0);
    /* tuning-VENDOR-DEVICE-DRIVER-CAPS.txt and "pumice-tuning 2 device … caps … build … hash …" */
    *strrchr(path, '-') = 0;
    strcat(path, ".txt");
    end = strstr(text, " caps ");
    assert_non_null(end);
    snprintf(head, sizeof head, "pumice-tuning 1 %.*s build 1234567890abcdef hash %016llx\n",
             (int)(end - strstr(text, "device")), strstr(text, "device"),
             (unsigned long long)hash_bytes(HASH_INIT, body, sizeof body - 1));
    free(text);
    text = malloc(sizeof head + sizeof body);
    assert_non_null(text);
    size = (size_t)snprintf(text, sizeof head + sizeof body, "%s%s", head, body);
    test_write(path, text, size);
    test_log_reset();
    device = open_with(cache);
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    assert_false(gpu_row_good(pm_device_caps(device), ROW_matmul_tile_plain));
    assert_false(pm_device_caps(device)->fused);
    assert_int_equal(choice_of(device, "one"), 0);
    pm_device_close(&device);
    text[size - 3] ^= 1;
    test_write(path, text, size);
    free(text);
    test_log_reset();
    device = open_with(cache);
    assert_int_equal(test_log_count(PM_LOG_WARN), 1);
    assert_non_null(strstr(test_last_warning(), "doctor"));
    assert_true(gpu_faults_forget(device)); /* so that doctor writes a file, and the warning ends */
    assert_int_equal(gpu_faults_save(device), PM_OK);
    pm_device_close(&device);
    test_log_reset();
    device = open_with(cache);
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    pm_device_close(&device);
}

typedef struct seen {
    uint32_t rows, attention, stored;
} seen;

static void count_row(void *user, const pm_autotune_row *row)
{
    seen *s = user;
    s->rows++;
    s->stored += row->stored;
    assert_true(row->usual_ms > 0 && row->best_ms > 0 && row->best_ms <= row->usual_ms);
    const bool attention = strncmp(row->product, "attention", 9) == 0;
    s->attention += attention;
    assert_true(row->variants >= 2 && (attention || strncmp(row->product, "matmul f", 8) == 0));
    assert_true(row->stored ? strcmp(row->usual, row->best) != 0 : true);
}

static void test_measured(void **state)
{
    (void)state;
    const pm_gpt_config config = {.vocab = 40, .ctx = 8, .embd = 16, .heads = 2, .layers = 1};
    pm_autotune_params params = {.batch = 2, .quick = true};
    seen s = {0};
    pm_device *device = open_with("");
    assert_int_equal(pm_device_autotune(device, &config, &params, count_row, &s), PM_INVALID);
    assert_non_null(strstr(test_last_error(), "cache folder"));
    pm_device_close(&device);

    const char *cache = test_path(test_root, "measured");
    device = open_with(cache);
    params.time = 9;
    assert_int_equal(pm_device_autotune(device, &config, &params, count_row, &s), PM_INVALID);
    assert_int_equal(s.rows, 0);
    params.time = 0;
    assert_int_equal(pm_device_autotune(device, &config, &params, count_row, &s), PM_OK);
    /* four products a layer, forward and twice backward; those of the loss and of generating; attention's gradient */
    assert_true(s.rows >= 16 && s.attention >= 1);
    char path[512];
    size_t size, lines = 0;
    tuning_file(cache, path);
    char *text = test_read(path, &size);
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    assert_int_equal(lines, 1 + s.stored);
    free(text);
    test_device_done(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),       cmocka_unit_test(test_attention),     cmocka_unit_test(test_attention_keys),
        cmocka_unit_test(test_few_queries), cmocka_unit_test(test_attention_bwd), cmocka_unit_test(test_kept),
        cmocka_unit_test(test_lowered),     cmocka_unit_test(test_old_faults),    cmocka_unit_test(test_measured),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
