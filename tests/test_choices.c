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
#include "ops/op.h"

static pm_device *open_with(const char *cache)
{
    return test_device_open(&(pm_device_params){.log = test_log(), .cache_dir = cache});
}

/* The kernel that a product of 64 x 48 x 32 is recorded with. */
static kernel_id recorded(pm_device *device, gpu_program **program)
{
    gpu_buffer *buffer = NULL;
    kernel_id kernel = KERNEL_COUNT;
    assert_int_equal(gpu_buffer_create(device, GPU_WORKSPACE, 3 << 16, "product", &buffer), PM_OK);
    op_view a = {.rows = 64, .cols = 32, .span = {buffer, 0, 4 * 64 * 32}};
    op_view b = {.rows = 32, .cols = 48, .span = {buffer, 1 << 16, 4 * 32 * 48}};
    op_view y = {.rows = 64, .cols = 48, .span = {buffer, 2 << 16, 4 * 64 * 48}};
    assert_int_equal(gpu_program_create(device, "product", program), PM_OK);
    op_record(*program, &(op_call){.op = OP_MATMUL, .in = {a, b}, .out = {y}});
    assert_int_equal(gpu_program_finish(*program), PM_OK);
    assert_int_equal(gpu_program_kernels(*program, &kernel, 1), 1);
    gpu_program_destroy(program);
    gpu_buffer_destroy(&buffer);
    return kernel;
}

static void test_taken(void **state)
{
    (void)state;
    pm_device *device = open_with("");
    gpu_program *program = NULL;
    char key[GPU_CHOICE_KEY];
    op_product_key(false, false, false, false, 64, 48, 32, key);
    assert_string_equal(key, "matmul f32 nn 64x48x32");
    kernel_id usual = recorded(device, &program);
    assert_int_equal(gpu_choice_set(device, key, VARIANT_TILE_4), PM_OK);
    const bool serial = pm_device_caps(device)->serial;
    assert_int_equal(recorded(device, &program), serial ? KERNEL_matmul_tile_plain : KERNEL_matmul_tile_wide_plain);
    assert_int_equal(gpu_choice_set(device, key, VARIANT_BLOCK), PM_OK); /* needs barriers */
    const bool block = !serial && pm_device_caps(device)->max_shared_memory >= 17 << 10;
    assert_int_equal(recorded(device, &program), block ? KERNEL_matmul_block_plain : usual);
    assert_int_equal(gpu_choice_set(device, key, VARIANT_MATVEC), PM_OK); /* does not fit 64 rows */
    assert_int_equal(recorded(device, &program), usual);
    assert_int_equal(gpu_choice_set(device, key, OP_VARIANTS + 7), PM_OK); /* is no variant */
    assert_int_equal(recorded(device, &program), usual);
    assert_int_equal(gpu_choice_set(device, key, 0), PM_OK);
    assert_int_equal(recorded(device, &program), usual);
    assert_int_equal(gpu_choices_save(device), PM_INVALID); /* nowhere to keep it */
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
    assert_int_equal(gpu_kernel_switch(device, KERNEL_matmul_tile_plain, false), PM_OK);
    assert_int_equal(gpu_faults_save(device), PM_OK);
    pm_device_close(&device);
    for (size_t i = 0; i < 2; i++) {
        test_log_reset();
        device = test_device_open(&(pm_device_params){.log = test_log(), .cache_dir = cache, .disable = lowered[i]});
        assert_int_equal(test_log_count(PM_LOG_WARN), 0);
        assert_int_equal(choice_of(device, "one"), 0);
        assert_false(gpu_kernel_good(pm_device_caps(device), KERNEL_matmul_tile_plain));
        assert_int_equal(gpu_choice_set(device, "one", 7), PM_OK);
        assert_int_equal(gpu_choices_save(device), PM_OK);
        assert_int_equal(pm_device_forget_choices(device), PM_OK);
        pm_device_close(&device);
    }
    test_log_reset();
    device = open_with(cache);
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    assert_false(gpu_kernel_good(pm_device_caps(device), KERNEL_matmul_tile_plain));
    own.kernels_off[KERNEL_matmul_tile_plain / 64] |= 1ull << KERNEL_matmul_tile_plain % 64;
    assert_memory_equal(own.kernels_off, pm_device_caps(device)->kernels_off, sizeof own.kernels_off);
    assert_int_equal(choice_of(device, "one"), 0); /* without the kernel, another variant may be the fastest */
    assert_true(gpu_faults_forget(device));
    assert_int_equal(gpu_faults_save(device), PM_OK);
    pm_device_close(&device);
    device = open_with(cache);
    assert_int_equal(choice_of(device, "one"), 3);
    assert_true(gpu_kernel_good(pm_device_caps(device), KERNEL_matmul_tile_plain));
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
    assert_false(gpu_kernel_good(pm_device_caps(device), KERNEL_matmul_tile_plain));
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
    uint32_t rows, stored;
} seen;

static void count_row(void *user, const pm_autotune_row *row)
{
    seen *s = user;
    s->rows++;
    s->stored += row->stored;
    assert_true(row->usual_ms > 0 && row->best_ms > 0 && row->best_ms <= row->usual_ms);
    assert_true(row->variants >= 2 && strncmp(row->product, "matmul f", 8) == 0);
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
    assert_true(s.rows >=
                16); /* four products a layer, forward and twice backward; those of the loss and of generating */
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
        cmocka_unit_test(test_taken),      cmocka_unit_test(test_kept),     cmocka_unit_test(test_lowered),
        cmocka_unit_test(test_old_faults), cmocka_unit_test(test_measured),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
