/* Device memory and the pipeline cache's file. */
#define _POSIX_C_SOURCE 200809L
#include "gpu/gpu.h"
#include "helper_device.h"
#include "helper_dir.h"
#include "helper_system.h"
#include "push.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pumice/model.h>

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static uint32_t next_random(uint32_t *seed)
{
    return (*seed = *seed * 1664525u + 1013904223u) >> 8;
}

static void round_trips(const char *disable)
{
    static const uint64_t sizes[] = {1,   3,   4,    5,      255,
                                     256, 257, 4099, 100003, (9 << 20) + 7}; /* the last: several stagings */
    pm_device *device = test_device(disable);
    for (int life = 0; life < GPU_LIFETIMES; life++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            gpu_buffer *buffer = NULL;
            size_t size = sizes[i];
            assert_int_equal(gpu_buffer_create(device, (gpu_lifetime)life, size, "round trip", &buffer), PM_OK);
            assert_int_equal(gpu_span_of(buffer).size, size);
            unsigned char *out = malloc(size), *in = malloc(size);
            assert_true(out && in);
            for (size_t k = 0; k < size; k++) out[k] = (unsigned char)(k * 7 + i);
            memset(in, 0, size);
            assert_int_equal(gpu_write(gpu_span_of(buffer), out), PM_OK);
            assert_int_equal(gpu_read(gpu_span_of(buffer), in), PM_OK);
            assert_memory_equal(in, out, size);
            if (life == GPU_SHARED) assert_memory_equal(gpu_map(gpu_span_of(buffer)), out, size);
            if (size >= 16) { /* a fill within the buffer leaves the words beside it alone */
                gpu_span middle = {buffer, 4, 8};
                assert_int_equal(gpu_fill(middle, 0xa1b2c3d4u), PM_OK);
                for (int k = 0; k < 2; k++) memcpy(out + 4 + 4 * k, &(uint32_t){0xa1b2c3d4u}, 4);
                assert_int_equal(gpu_read(gpu_span_of(buffer), in), PM_OK);
                assert_memory_equal(in, out, size);
            }
            free(out);
            free(in);
            gpu_buffer_destroy(&buffer);
            assert_null(buffer);
        }
    test_device_done(&device);
}

static void test_round_trips(void **state)
{
    (void)state;
    round_trips(NULL);
}

static void test_round_trips_staged(void **state)
{
    (void)state;
    pm_device *device = test_device("unified");
    gpu_buffer *buffer = NULL;
    assert_int_equal(gpu_buffer_create(device, GPU_WEIGHTS, 64, "unmapped", &buffer), PM_OK);
    assert_null(gpu_map(gpu_span_of(buffer)));
    gpu_buffer_destroy(&buffer);
    test_device_done(&device);
    round_trips("unified,bda");
}

/* Buffers of all lifetimes come and go; each keeps a pattern of its own from edge to edge. */
static void test_many_buffers(void **state)
{
    (void)state;
    enum { SLOTS = 150, ROUNDS = 1500 };
    pm_device *device = test_device(NULL);
    gpu_buffer *buffers[SLOTS] = {NULL};
    uint32_t tags[SLOTS] = {0}, seed = 1;
    uint64_t before, now, peak;
    static uint32_t zeros[4096];
    /* The device keeps a staging buffer where it needs one: to write, or to read much memory that the host does not
     * cache. */
    assert_int_equal(gpu_buffer_create(device, GPU_WEIGHTS, sizeof zeros, "first", &buffers[0]), PM_OK);
    assert_int_equal(gpu_write(gpu_span_of(buffers[0]), zeros), PM_OK);
    assert_int_equal(gpu_read(gpu_span_of(buffers[0]), zeros), PM_OK);
    gpu_buffer_destroy(&buffers[0]);
    gpu_memory_stats(device, &before, &peak);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t slot = next_random(&seed) % SLOTS;
        if (buffers[slot]) {
            gpu_span all = gpu_span_of(buffers[slot]);
            uint32_t *words = malloc(all.size);
            assert_non_null(words);
            assert_int_equal(gpu_read(all, words), PM_OK);
            for (uint64_t i = 0; i < all.size / 4; i++) assert_int_equal(words[i], tags[slot]);
            free(words);
            gpu_buffer_destroy(&buffers[slot]);
        } else {
            uint64_t size = 4 * (1 + next_random(&seed) % (round % 10 == 0 ? 100000 : 700));
            gpu_lifetime life = (gpu_lifetime)(next_random(&seed) % GPU_LIFETIMES);
            assert_int_equal(gpu_buffer_create(device, life, size, "one of many", &buffers[slot]), PM_OK);
            tags[slot] = 0x5eed0000u + round;
            assert_int_equal(gpu_fill(gpu_span_of(buffers[slot]), tags[slot]), PM_OK);
        }
    }
    gpu_memory_stats(device, &now, &peak);
    assert_true(now > before && peak >= now);
    for (int i = 0; i < SLOTS; i++) gpu_buffer_destroy(&buffers[i]);
    gpu_memory_stats(device, &now, &peak);
    assert_int_equal(now, before); /* the ranges grew together again and the blocks went */
    assert_true(peak > 0);
    test_device_done(&device);
}

/* Ranges that are freed in any order grow together, so a block's free part can serve as one range. */
static void test_coalescing(void **state)
{
    (void)state;
    enum { QUARTER = 1 << 18 };
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    pm_device_params params = {.max_allocation = 4 * QUARTER};
    pm_device *device = test_device_open(&params);
    gpu_buffer *holder = NULL, *parts[3] = {NULL}, *whole = NULL;
    uint64_t one_block, now, peak;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(gpu_buffer_create(device, GPU_WORKSPACE, QUARTER, "holder", &holder), PM_OK);
        gpu_memory_stats(device, &one_block, &peak);
        for (int k = 0; k < 3; k++)
            assert_int_equal(gpu_buffer_create(device, GPU_WORKSPACE, QUARTER, "part", &parts[k]), PM_OK);
        for (int k = 0; k < 3; k++) gpu_buffer_destroy(&parts[orders[i][k]]);
        assert_int_equal(gpu_buffer_create(device, GPU_WORKSPACE, 3 * QUARTER, "whole", &whole), PM_OK);
        gpu_memory_stats(device, &now, &peak);
        assert_int_equal(now, one_block);
        gpu_buffer_destroy(&whole);
        gpu_buffer_destroy(&holder);
    }
    test_device_done(&device);
}

/* A cap on all memory: what fits is there, what does not is refused and leaves nothing, and what is destroyed counts no more. */
static void test_cap(void **state)
{
    (void)state;
    enum { MIB = 1 << 20, PART = 3 * MIB, CAP = 10 * MIB };
    test_lines kept;
    const pm_device_params params = {.log = test_lines_log(&kept), .max_memory = CAP};
    pm_device *device = test_device_open(&params);
    gpu_buffer *parts[4] = {NULL};
    uint64_t now, peak;
    assert_true(pm_device_caps(device)->device_memory_free <= CAP);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++)
            assert_int_equal(gpu_buffer_create(device, GPU_WEIGHTS, PART, "part", &parts[i]), PM_OK);
        assert_int_equal(gpu_buffer_create(device, GPU_WORKSPACE, PART, "one too many", &parts[3]),
                         PM_NO_DEVICE_MEMORY);
        assert_null(parts[3]);
        assert_non_null(strstr(kept.last, "left at most under max_memory"));
        for (int i = 0; i < 3; i++) gpu_buffer_destroy(&parts[i]);
    }
    gpu_memory_stats(device, &now, &peak);
    assert_int_equal(now, 0);
    assert_true(peak <= CAP);
    pm_model *model = NULL;
    const pm_gpt_config large = {.vocab = 8192, .ctx = 64, .embd = 512, .heads = 8, .layers = 4};
    assert_int_equal(pm_model_create(device, &large, 1, &model), PM_NO_DEVICE_MEMORY);
    assert_null(model);
    gpu_memory_stats(device, &now, &peak);
    assert_true(now <= CAP && peak <= CAP);
    test_device_done(&device);
}

static void test_memory_limits(void **state)
{
    (void)state;
    test_lines kept;
    const char *select = getenv("PUMICE_TEST_DEVICE");
    pm_device_params params = {.log = test_lines_log(&kept), .select = select, .max_allocation = 1 << 20};
    pm_device *device = test_device_open(&params);
    assert_int_equal(gpu_max_buffer(device), 1 << 20);
    gpu_buffer *buffer = NULL, *other = NULL;
    assert_int_equal(gpu_buffer_create(device, GPU_WEIGHTS, (1 << 20) + 1, "giant", &buffer), PM_NO_DEVICE_MEMORY);
    assert_null(buffer);
    assert_int_equal(kept.errors, 1);
    assert_non_null(strstr(kept.last, "'giant'"));
    assert_int_equal(gpu_buffer_create(device, GPU_WEIGHTS, 1 << 20, "largest", &buffer), PM_OK);
    assert_int_equal(gpu_buffer_create(device, GPU_WEIGHTS, 1 << 20, "largest too", &other), PM_OK);
    assert_int_equal(gpu_fill((gpu_span){buffer, 2, 8}, 0), PM_INVALID);
    assert_int_equal(gpu_fill((gpu_span){buffer, 0, (1 << 20) + 4}, 0), PM_INVALID);
    assert_int_equal(gpu_write((gpu_span){buffer, 1 << 20, 4}, "abc"), PM_INVALID);
    assert_int_equal(kept.errors, 4);
    uint32_t messages = pm_device_validation_messages(device);
    pm_device_close(&device); /* frees both buffers */
    assert_int_equal(messages, 0);
}

/* ---- the pipeline cache on disk ---------------------------------------------------------------------------------- */

/* A run with some pipelines and its cache in `dir`; log lines go to *kept. */
static void run_with_cache(const char *dir, test_lines *kept)
{
    pm_device_params params = {.log = test_lines_log(kept), .cache_dir = dir};
    pm_device *device = test_device_open(&params);
    gpu_buffer *x = NULL;
    gpu_program *program = NULL;
    assert_int_equal(gpu_buffer_create(device, GPU_WORKSPACE, 400, "x", &x), PM_OK);
    assert_int_equal(gpu_program_create(device, "cached", &program), PM_OK);
    for (uint32_t per = 1; per <= 2; per++) {
        const uint32_t spec[] = {[SPEC_GROUP_SIZE] = 32, [SPEC_FLAT_PER] = per};
        const rows_push push = {.rows = 1, .cols = 50};
        const gpu_arg args[] = {{{x, 0, 200}, GPU_READ}, {{x, 200, 200}, GPU_WRITE}};
        gpu_record(program, &(gpu_dispatch){.kernel = KERNEL_gelu,
                                            .spec = spec,
                                            .spec_count = sizeof spec / sizeof *spec,
                                            .args = args,
                                            .arg_count = 2,
                                            .push = &push,
                                            .push_size = sizeof push,
                                            .groups = {2, 1, 1}});
    }
    assert_int_equal(gpu_program_finish(program), PM_OK);
    assert_int_equal(gpu_submit(program), PM_OK);
    assert_int_equal(gpu_wait(device), PM_OK);
    gpu_program_destroy(&program);
    gpu_buffer_destroy(&x);
    assert_int_equal(pm_device_validation_messages(device), 0);
    pm_device_close(&device);
    assert_int_equal(kept->errors, 0);
}

/* The one file in a folder that starts with "pipelines-"; its path in `path`. */
static int find_cache(const char *dir, char path[600])
{
    int found = 0;
    DIR *folder = opendir(dir);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        if (strncmp(entry->d_name, "pipelines-", 10) == 0) {
            snprintf(path, 600, "%s/%s", dir, entry->d_name);
            found++;
        }
    closedir(folder);
    return found;
}

static void change_file(const char *path, long at, int truncate_at)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_true(byte != EOF);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    fputc(byte ^ 0x55, file);
    fclose(file);
    if (truncate_at >= 0) test_resize(path, (uint64_t)truncate_at);
}

static void test_pipeline_cache(void **state)
{
    (void)state;
    char *base = test_dir_make(), dir[300], path[600] = "";
    snprintf(dir, sizeof dir, "%s/made/here", base);
    static test_lines kept;
    run_with_cache(dir, &kept);
    assert_non_null(strstr(kept.all, "pipelines saved"));
    assert_int_equal(find_cache(dir, path), 1);
    run_with_cache(dir, &kept);
    assert_non_null(strstr(kept.all, "pipelines read"));

    /* changed: a byte of each header field and of its padding, and the first, middle and last byte of the driver's data. Also a file cut short, an
     * empty one, one that is too long. Each is reported in one line, and replaced */
    const long size = (long)test_size(path);
    const struct {
        long at;
        int truncate_at;
    } damage[] = {{0, -1},        {9, -1},  {13, -1}, {17, -1},           {21, -1},
                  {30, -1},       {41, -1}, {50, -1}, {57, -1},           {size / 2, -1},
                  {size - 1, -1}, {0, 20},  {0, 0},   {0, (int)size - 1}, {0, (int)size + 1}};
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        change_file(path, damage[i].at, damage[i].truncate_at);
        if (damage[i].truncate_at > size) change_file(path, 0, -1); /* only the length is wrong */
        run_with_cache(dir, &kept);
        assert_non_null(strstr(kept.all, "this pipeline cache is damaged; making it again"));
        assert_non_null(strstr(kept.all, "pipelines saved"));
        run_with_cache(dir, &kept);
        assert_non_null(strstr(kept.all, "pipelines read"));
    }
    /* a folder in its place is reported twice: when the cache is read and when it is written */
    assert_int_equal(remove(path), 0);
    test_make_folder(path);
    run_with_cache(dir, &kept);
    assert_non_null(strstr(kept.all, "this pipeline cache cannot be read"));
    assert_non_null(strstr(kept.all, "the pipeline cache could not be written"));
    test_remove_folder(path);
    run_with_cache(dir, &kept);
    assert_int_equal(find_cache(dir, path), 1); /* no temporary files stay */
    assert_int_equal(test_dir_count(dir, ""), 1);
    test_dir_remove(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),    cmocka_unit_test(test_round_trips_staged),
        cmocka_unit_test(test_many_buffers),   cmocka_unit_test(test_coalescing),
        cmocka_unit_test(test_memory_limits),  cmocka_unit_test(test_cap),
        cmocka_unit_test(test_pipeline_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
