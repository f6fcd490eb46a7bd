/* The Vulkan layer below programs: choosing and lowering adapters, SPIR-V facts, cutting, memory, the pipeline cache's file. */
#define _POSIX_C_SOURCE 200809L
#include "gpu/caps.h"
#include "gpu/cut.h"
#include "gpu/gpu.h"
#include "gpu/spirv.h"
#include "helper_device.h"
#include "push.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* Keeps what was said, where a failure is what is wanted. */
typedef struct lines {
    char last[1000];
    char all[8000];
    int errors;
} lines;

static void keep_line(void *user, pm_log_level level, const char *line)
{
    lines *kept = user;
    snprintf(kept->last, sizeof kept->last, "%s", line);
    size_t used = strlen(kept->all);
    snprintf(kept->all + used, sizeof kept->all - used, "%s\n", line);
    kept->errors += level == PM_LOG_ERROR;
}

static pm_log keep(lines *kept)
{
    memset(kept, 0, sizeof *kept);
    return (pm_log){keep_line, kept, PM_LOG_DEBUG};
}

/* ---- adapters ------------------------------------------------------------------------------------------------------- */

static pm_caps fake(const char *name, pm_device_type type)
{
    pm_caps caps = {.type = type, .max_storage_buffers = 8, .max_buffer_range = 1 << 27, .max_allocation = 1 << 30};
    snprintf(caps.name, sizeof caps.name, "%s", name);
    return caps;
}

static void test_choose(void **state)
{
    (void)state;
    const pm_caps all[] = {fake("Soft Pipe", PM_DEVICE_CPU), fake("Virtual One", PM_DEVICE_VIRTUAL),
                           fake("Small Integrated", PM_DEVICE_INTEGRATED), fake("Big Card", PM_DEVICE_DISCRETE),
                           fake("Other Card", PM_DEVICE_DISCRETE)};
    char why[160];
    assert_int_equal(pm_adapter_choose(all, 5, "auto", why), 3);
    assert_int_equal(pm_adapter_choose(all, 5, NULL, why), 3);
    assert_int_equal(pm_adapter_choose(all, 3, "auto", why), 2);
    assert_int_equal(pm_adapter_choose(all, 2, "auto", why), 1);
    assert_null(strstr(why, "software"));
    assert_int_equal(pm_adapter_choose(all, 1, "auto", why), 0);
    assert_non_null(strstr(why, "software driver"));
    assert_int_equal(pm_adapter_choose(all, 5, "4", why), 4);
    assert_int_equal(pm_adapter_choose(all, 5, "5", why), -1);
    assert_non_null(strstr(why, "0 to 4"));
    assert_int_equal(pm_adapter_choose(all, 5, "99999999999999999999999", why), -1);
    assert_int_equal(pm_adapter_choose(all, 5, "other", why), 4);
    assert_int_equal(pm_adapter_choose(all, 5, "SOFT P", why), 0);
    assert_int_equal(pm_adapter_choose(all, 5, "cards", why), -1);
    assert_non_null(strstr(why, "cards"));
    assert_int_equal(pm_adapter_choose(all, 0, "auto", why), -1);
    assert_true(strlen(why) > 0);
}

static void test_lowering(void **state)
{
    (void)state;
    lines kept;
    pm_log log = keep(&kept);
    pm_caps caps = fake("Card", PM_DEVICE_DISCRETE), before;
    caps.bda = caps.timestamps = caps.fused = caps.unified = caps.memory_budget = true;
    caps.device_memory = 100;
    caps.device_memory_free = 60;
    before = caps;

    assert_int_equal(gpu_caps_disable(&log, &caps, "test", ""), PM_OK);
    assert_memory_equal(&caps, &before, sizeof caps);
    assert_int_equal(gpu_caps_disable(&log, &caps, "test", "timestamps,nonsense,bda"), PM_INVALID);
    assert_memory_equal(&caps, &before, sizeof caps);
    assert_int_equal(kept.errors, 1);
    assert_non_null(strstr(kept.last, "'nonsense'"));
    assert_non_null(strstr(kept.last, "timestamps")); /* the line says what would be right */

    assert_int_equal(gpu_caps_disable(&log, &caps, "test", "bda,memory_budget"), PM_OK);
    assert_false(caps.bda);
    assert_false(caps.memory_budget);
    assert_int_equal(caps.device_memory_free, 100);
    assert_true(caps.fused); /* 8 bindings are enough */
    assert_true(caps.unified && caps.timestamps);
    char text[64];
    gpu_caps_features(&caps, text, sizeof text);
    assert_string_equal(text, "timestamps unified fused");

    caps = before;
    caps.max_storage_buffers = 4;
    assert_int_equal(gpu_caps_disable(&log, &caps, "test", "timestamps"), PM_OK);
    assert_true(caps.fused); /* addresses need no bindings */
    assert_int_equal(gpu_caps_disable(&log, &caps, "test", "bda"), PM_OK);
    assert_false(caps.fused);
    assert_int_equal(gpu_caps_disable(&log, &caps, "test", "all"), PM_OK);
    gpu_caps_features(&caps, text, sizeof text);
    assert_string_equal(text, "none");

    gpu_caps_limit(&caps, 1 << 20, (uint64_t)1 << 40);
    assert_int_equal(caps.max_buffer_range, 1 << 20);
    assert_int_equal(caps.max_allocation, 1 << 30);
    gpu_caps_limit(&caps, 0, 0);
    assert_int_equal(caps.max_buffer_range, 1 << 20);
}

static void test_groups(void **state)
{
    (void)state;
    pm_caps caps = {.max_group_count = {65535, 65535, 65535}};
    const uint64_t counts[] = {0, 1, 63, 65535, 65536, 1000003, 4000000000u};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint32_t g[3];
        gpu_groups(&caps, counts[i], g);
        uint64_t spread = (uint64_t)g[0] * g[1];
        assert_true(g[0] >= 1 && g[0] <= 65535 && g[1] >= 1 && g[1] <= 65535);
        assert_int_equal(g[2], 1);
        assert_true(spread >= counts[i] && spread - counts[i] <= g[1]);
    }
}

static void test_devices(void **state)
{
    (void)state;
    pm_device *device = test_device(NULL);
    size_t count = 0;
    pm_caps list[8];
    memset(list, 0, sizeof list);
    pm_log log = test_device_log();
    assert_int_equal(pm_adapters_list(&log, list, 8, &count), PM_OK);
    assert_true(count >= 1);
    for (size_t i = 0; i < count && i < 8; i++) {
        assert_true(list[i].name[0] && list[i].driver[0]);
        assert_true(list[i].max_buffer_range >= 1 << 27 && list[i].max_push_constants >= 128);
    }
    const pm_caps *caps = pm_device_caps(device);
    assert_true(caps->max_workgroup_size >= 128 && caps->device_memory > 0);
    if (caps->type == PM_DEVICE_CPU && !getenv("PUMICE_DISABLE")) assert_true(caps->serial && caps->unified);
    test_device_done(&device);

    lines kept;
    pm_device_params params = {.log = keep(&kept), .cache_dir = "", .disable = "wings"};
    assert_int_equal(pm_device_open(&params, &device), PM_INVALID);
    assert_null(device);
    assert_int_equal(kept.errors, 1);
    assert_non_null(strstr(kept.last, "'wings'"));
    params = (pm_device_params){.log = keep(&kept), .cache_dir = "", .select = "no such adapter"};
    assert_int_equal(pm_device_open(&params, &device), PM_NO_DEVICE);
    assert_int_equal(kept.errors, 1);
    pm_device_close(&device);
}

/* ---- SPIR-V --------------------------------------------------------------------------------------------------------- */

/* Each kernel's struct of push.h, by how its name starts. */
static size_t push_size_of(const char *kernel)
{
    static const struct {
        const char *start;
        size_t size;
    } structs[] = {{"matmul", sizeof(matmul_push)}, {"attention", sizeof(attention_push)},
                   {"embed", sizeof(embed_push)},   {"loss", sizeof(loss_push)},
                   {"sumsq", sizeof(reduce_push)},  {"clip", sizeof(reduce_push)},
                   {"adamw", sizeof(adamw_push)},   {"", sizeof(rows_push)}};
    size_t i = 0;
    while (strncmp(kernel, structs[i].start, strlen(structs[i].start)) != 0) i++;
    return structs[i].size;
}

static void test_spirv_facts(void **state)
{
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        for (int bda = 0; bda < 2; bda++) {
            size_t count;
            const uint32_t *words = gpu_kernel_words((kernel_id)kernel, bda, &count);
            spirv_facts facts;
            assert_true(spirv_read(words, count, &facts));
            bool addresses = false;
            for (uint32_t i = 0; i < facts.capability_count; i++) addresses |= facts.capabilities[i] == 5347;
            assert_int_equal(addresses, bda);
            assert_int_equal(facts.binding_mask != 0, !bda);
            assert_true(facts.spec_mask & 1); /* local_size_x */
            assert_true(facts.push_args <= GPU_MAX_ARGS && facts.push_param <= GPU_MAX_PUSH);
            assert_int_equal(facts.push_param, push_size_of(gpu_kernel_name((kernel_id)kernel)));
            assert_int_equal(facts.addresses, bda ? facts.push_args : 0);
            assert_int_equal(facts.push_size, (bda ? 8 : 4) * facts.push_args + facts.push_param);
            assert_true(facts.push_size <= 128);
            assert_int_equal(facts.binding_mask >> facts.push_args, 0);
        }
    size_t count;
    spirv_facts facts;
    const uint32_t *words = gpu_kernel_words(KERNEL_gelu, false, &count);
    assert_true(spirv_read(words, count, &facts));
    assert_int_equal(facts.version, 0x00010300);
    assert_int_equal(facts.binding_mask, 3);
    assert_int_equal(facts.push_param, sizeof(rows_push));
    words = gpu_kernel_words(KERNEL_gelu_bwd, true, &count);
    assert_true(spirv_read(words, count, &facts));
    assert_int_equal(facts.addresses, 3);
    assert_int_equal(facts.push_param, sizeof(rows_push));
}

/* Cut short or changed anywhere, the reader answers or refuses; a sanitizer watches that it stays within the words. */
static void test_spirv_damaged(void **state)
{
    (void)state;
    size_t count;
    const uint32_t *words = gpu_kernel_words(KERNEL_gelu_bwd, true, &count);
    uint32_t *copy = malloc(count * sizeof *copy);
    assert_non_null(copy);
    spirv_facts facts;
    for (size_t n = 0; n < count; n++) {
        uint32_t *exact = malloc((n ? n : 1) * sizeof *exact);
        assert_non_null(exact);
        memcpy(exact, words, n * sizeof *exact);
        (void)spirv_read(exact, n, &facts);
        free(exact);
    }
    for (size_t at = 0; at < count; at++) {
        static const uint32_t values[] = {0, 1, UINT32_MAX, 0x00010000, 0xffff0000};
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            memcpy(copy, words, count * sizeof *copy);
            copy[at] = values[v];
            (void)spirv_read(copy, count, &facts);
        }
    }
    memcpy(copy, words, count * sizeof *copy);
    copy[0] ^= 1;
    assert_false(spirv_read(copy, count, &facts));
    free(copy);
}

/* ---- cutting -------------------------------------------------------------------------------------------------------- */

static void test_cut(void **state)
{
    (void)state;
    gpu_work work[] = {{3, {5, 1, 1}},  {25, {7, 100, 1}}, {4, {1, 1, 1}},
                       {35, {1, 1, 1}}, {20, {3, 1, 50}},  {1, {9, 1, 1}}};
    gpu_cut cut;
    assert_int_equal(gpu_cut_make(work, 6, 10, &cut), PM_OK);
    uint64_t done[6] = {0};
    double ms = 0;
    for (uint32_t i = 0; i < cut.part_count; i++) {
        const gpu_part *p = &cut.parts[i];
        done[p->command] += (uint64_t)p->count[0] * p->count[1] * p->count[2];
        ms += p->ms;
        if (p->command == 1) assert_true(p->count[0] == 7 && p->base[0] == 0); /* x is whole where y has groups */
        if (p->command == 4) assert_true(p->count[0] == 3 && p->count[2] <= 25);
        if (i > 0 && cut.parts[i - 1].command == p->command && p->command == 1)
            assert_int_equal(p->base[1], cut.parts[i - 1].base[1] + cut.parts[i - 1].count[1]);
    }
    for (int i = 0; i < 6; i++)
        assert_int_equal(done[i], (uint64_t)work[i].groups[0] * work[i].groups[1] * work[i].groups[2]);
    assert_true(fabs(ms - 88) < 1e-9);
    uint32_t next = 0;
    for (uint32_t s = 0; s < cut.submission_count; s++) {
        assert_int_equal(cut.submissions[s].first, next);
        assert_true(cut.submissions[s].count >= 1);
        if (cut.submissions[s].count > 1) assert_true(cut.submissions[s].ms <= 10 + 1e-9);
        next += cut.submissions[s].count;
    }
    assert_int_equal(next, cut.part_count);

    /* everything takes twice the time: so do the commands */
    double measured[64];
    assert_true(cut.submission_count <= 64);
    for (uint32_t s = 0; s < cut.submission_count; s++) measured[s] = 2 * cut.submissions[s].ms;
    gpu_cut_learn(work, &cut, measured);
    const double wanted[] = {6, 50, 8, 70, 40, 2};
    for (int i = 0; i < 6; i++) assert_true(fabs(work[i].ms - wanted[i]) < 1e-9);
    gpu_cut_free(&cut);

    assert_int_equal(gpu_cut_make(work, 6, 1000, &cut), PM_OK);
    assert_int_equal(cut.submission_count, 1);
    assert_int_equal(cut.part_count, 6);
    gpu_cut_free(&cut);
    assert_int_equal(gpu_cut_make(work, 0, 10, &cut), PM_OK);
    assert_int_equal(cut.submission_count, 0);
    gpu_cut_free(&cut);
    assert_true(gpu_cut_guess(PM_DEVICE_CPU, 1e9, 0) > gpu_cut_guess(PM_DEVICE_DISCRETE, 1e9, 0));
    assert_true(isfinite(gpu_cut_guess(PM_DEVICE_CPU, INFINITY, 0)));
}

/* ---- memory --------------------------------------------------------------------------------------------------------- */

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
            if (size >= 16) { /* a fill within leaves its neighbours alone */
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
    uint64_t now, peak;
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
    assert_true(now > 0 && peak >= now);
    for (int i = 0; i < SLOTS; i++) gpu_buffer_destroy(&buffers[i]);
    gpu_memory_stats(device, &now, &peak);
    assert_int_equal(now, 0); /* the ranges grew together again and the blocks went */
    assert_true(peak > 0);
    test_device_done(&device);
}

static void test_memory_limits(void **state)
{
    (void)state;
    lines kept;
    const char *select = getenv("PUMICE_TEST_DEVICE");
    pm_device_params params = {.log = keep(&kept), .select = select, .max_allocation = 1 << 20};
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

/* ---- the pipeline cache on disk ------------------------------------------------------------------------------------- */

/* A run with some pipelines, its cache in `dir`; what was logged goes to *kept. */
static void run_with_cache(const char *dir, lines *kept)
{
    pm_device_params params = {.log = keep(kept), .cache_dir = dir};
    pm_device *device = test_device_open(&params);
    gpu_buffer *x = NULL;
    gpu_program *program = NULL;
    assert_int_equal(gpu_buffer_create(device, GPU_WORKSPACE, 400, "x", &x), PM_OK);
    assert_int_equal(gpu_program_create(device, "cached", &program), PM_OK);
    for (uint32_t per = 1; per <= 2; per++) {
        const uint32_t spec[] = {32, per};
        const rows_push push = {.rows = 1, .cols = 50};
        const gpu_arg args[] = {{{x, 0, 200}, GPU_READ}, {{x, 200, 200}, GPU_WRITE}};
        gpu_record(program, &(gpu_dispatch){.kernel = KERNEL_gelu,
                                            .spec = spec,
                                            .spec_count = 2,
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
    if (truncate_at >= 0) assert_int_equal(truncate(path, truncate_at), 0);
}

static void test_pipeline_cache(void **state)
{
    (void)state;
    char base[] = "/tmp/pumice-test-XXXXXX", dir[64], path[600] = "";
    assert_non_null(mkdtemp(base));
    snprintf(dir, sizeof dir, "%s/made/here", base);
    static lines kept;
    run_with_cache(dir, &kept);
    assert_non_null(strstr(kept.all, "pipelines saved"));
    assert_int_equal(find_cache(dir, path), 1);
    run_with_cache(dir, &kept);
    assert_non_null(strstr(kept.all, "pipelines read"));

    /* a byte of the driver's, one of the header's, a file cut short, an empty one */
    const struct {
        long at;
        int truncate_at;
    } damage[] = {{70, -1}, {9, -1}, {0, 20}, {0, 0}};
    for (int i = 0; i < 4; i++) {
        change_file(path, damage[i].at, damage[i].truncate_at);
        run_with_cache(dir, &kept);
        assert_non_null(strstr(kept.all, "damaged; ignored"));
        assert_non_null(strstr(kept.all, "pipelines saved")); /* and replaced */
        run_with_cache(dir, &kept);
        assert_non_null(strstr(kept.all, "pipelines read"));
    }
    assert_int_equal(find_cache(dir, path), 1); /* no temporary files stay */
    assert_int_equal(remove(path), 0);
    assert_int_equal(rmdir(dir), 0);
    *strrchr(dir, '/') = 0;
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(rmdir(base), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choose),
        cmocka_unit_test(test_lowering),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_spirv_facts),
        cmocka_unit_test(test_spirv_damaged),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_round_trips_staged),
        cmocka_unit_test(test_many_buffers),
        cmocka_unit_test(test_memory_limits),
        cmocka_unit_test(test_pipeline_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
