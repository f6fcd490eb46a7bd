/* Programs: results on odd sizes, barriers, cutting and splitting, replays, failures. GELU serves as the kernel. */
#include "gpu/gpu.h"
#include "helper_device.h"
#include "push.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* A device that logs its failures to *kept. */
static pm_device *quiet_device(test_lines *kept, const char *disable, uint64_t max_range)
{
    pm_device_params params = {.log = test_lines_log(kept), .disable = disable, .max_buffer_range = max_range};
    return test_device_open(&params);
}

static float gelu(float x)
{
    double v = x;
    return (float)(0.5 * v * (1 + tanh(0.7978845608028654 * (v + 0.044715 * v * v * v))));
}

static gpu_buffer *new_buffer(pm_device *device, gpu_lifetime lifetime, uint64_t size)
{
    gpu_buffer *buffer = NULL;
    assert_int_equal(gpu_buffer_create(device, lifetime, size, "test", &buffer), PM_OK);
    return buffer;
}

static gpu_program *new_program(pm_device *device)
{
    gpu_program *program = NULL;
    assert_int_equal(gpu_program_create(device, "test", &program), PM_OK);
    return program;
}

enum { LOCAL = 32, PER = 4 };

/* Records to = gelu(from). `groups`, if not NULL, overrides the grid; the caller claims the work. */
static void record_gelu(gpu_program *program, gpu_span to, gpu_span from, const uint32_t *groups, double flops)
{
    const uint32_t count = (uint32_t)(to.size / 4);
    const uint32_t spec[] = {[SPEC_GROUP_SIZE] = LOCAL, [SPEC_FLAT_PER] = PER, [SPEC_FLAT_TAIL] = count % 4 != 0};
    const rows_push push = {.rows = 1, .cols = count};
    const gpu_arg args[] = {{from, GPU_READ}, {to, GPU_WRITE}};
    gpu_dispatch dispatch = {.kernel = KERNEL_gelu,
                             .spec = spec,
                             .spec_count = sizeof spec / sizeof *spec,
                             .args = args,
                             .arg_count = 2,
                             .push = &push,
                             .push_size = sizeof push,
                             .flops = flops,
                             .bytes = 8.0 * count};
    gpu_groups(gpu_program_caps(program), (count + LOCAL * PER - 1) / (LOCAL * PER), dispatch.groups);
    if (groups) memcpy(dispatch.groups, groups, sizeof dispatch.groups);
    gpu_record(program, &dispatch);
}

static void run(pm_device *device, gpu_program *program)
{
    assert_int_equal(gpu_submit(program), PM_OK);
    assert_int_equal(gpu_wait(device), PM_OK);
}

static gpu_program_stats stats_of(const gpu_program *program)
{
    gpu_program_stats stats;
    gpu_program_get_stats(program, &stats);
    return stats;
}

static float input(uint32_t i)
{
    return (float)((i * 37 + 11) % 601) * 0.02f - 6;
}

static void fill_input(gpu_span span)
{
    float *values = malloc(span.size);
    assert_non_null(values);
    for (uint32_t i = 0; i < span.size / 4; i++) values[i] = input(i);
    assert_int_equal(gpu_write(span, values), PM_OK);
    free(values);
}

/* Whether a span holds gelu applied `times` times to the input. */
static void check_gelu(gpu_span span, int times)
{
    float *values = malloc(span.size);
    assert_non_null(values);
    assert_int_equal(gpu_read(span, values), PM_OK);
    for (uint32_t i = 0; i < span.size / 4; i++) {
        float wanted = input(i);
        for (int k = 0; k < times; k++) wanted = gelu(wanted);
        if (!(fabsf(values[i] - wanted) <= 2e-5f)) fail_msg("element %u is %g, not %g", i, values[i], wanted);
    }
    free(values);
}

/* ---- results and barriers ---------------------------------------------------------------------------------------- */

/* Four steps in a row, each reading what the one before wrote, at odd offsets, with guard words between. */
static void chain(const char *disable)
{
    static const uint32_t counts[] = {1, 3, 31, 33, 127, 257, 4099, 70001};
    enum { STEPS = 4, GUARD = 0x3f0babe0 }; /* finite: GELU of it is another number */
    pm_device *device = test_device(disable);
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        uint64_t size = 4 * (uint64_t)counts[k], stride = size + 12;
        gpu_buffer *buffer = new_buffer(device, GPU_WORKSPACE, (STEPS + 1) * stride + 12);
        gpu_span spans[STEPS + 1];
        assert_int_equal(gpu_fill(gpu_span_of(buffer), GUARD), PM_OK);
        for (int i = 0; i <= STEPS; i++) spans[i] = (gpu_span){buffer, 12 + (uint64_t)i * stride, size};
        fill_input(spans[0]);
        gpu_program *program = new_program(device);
        for (int i = 0; i < STEPS; i++) record_gelu(program, spans[i + 1], spans[i], NULL, 0);
        assert_int_equal(gpu_program_finish(program), PM_OK);
        run(device, program);
        for (int i = 1; i <= STEPS; i++) check_gelu(spans[i], i);
        for (int i = 0; i <= STEPS + 1; i++) {
            uint32_t guard[3];
            assert_int_equal(gpu_read((gpu_span){buffer, (uint64_t)i * stride, 12}, guard), PM_OK);
            for (int j = 0; j < 3; j++) assert_int_equal(guard[j], GUARD);
        }
        gpu_program_stats stats = stats_of(program);
        assert_int_equal(stats.dispatches, STEPS);
        assert_int_equal(stats.barriers, STEPS - 1);
        assert_int_equal(stats.submissions, 1);
        assert_int_equal(stats.pipelines, 1);
        if (pm_device_caps(device)->timestamps) assert_true(stats.longest_ms > 0);
        gpu_program_destroy(&program);
        gpu_buffer_destroy(&buffer);
    }
    assert_true(pm_device_wait_seconds(device) > 0);
    test_device_done(&device);
}

static void test_chain(void **state)
{
    (void)state;
    chain(NULL);
}

static void test_chain_descriptors(void **state)
{
    (void)state;
    chain("bda");
}

static void test_chain_plain(void **state)
{
    (void)state;
    chain("all");
}

static void test_barriers(void **state)
{
    (void)state;
    enum { N = 1024 };
    pm_device *device = test_device(NULL);
    gpu_buffer *buffer = new_buffer(device, GPU_WORKSPACE, 8 * 4 * N);
    gpu_span s[8];
    for (int i = 0; i < 8; i++) s[i] = (gpu_span){buffer, (uint64_t)i * 4 * N, 4 * N};
    fill_input(s[0]);
    gpu_program *program = new_program(device);
    for (int i = 1; i < 7; i++) record_gelu(program, s[i], s[0], NULL, 0); /* readers of one span do not wait */
    assert_int_equal(gpu_program_finish(program), PM_OK);
    assert_int_equal(stats_of(program).barriers, 0);
    run(device, program);
    for (int i = 1; i < 7; i++) check_gelu(s[i], 1);
    gpu_program_destroy(&program);

    program = new_program(device);
    record_gelu(program, s[1], s[0], NULL, 0);
    record_gelu(program, s[1], s[0], NULL, 0); /* write after write */
    record_gelu(program, s[3], s[1], NULL, 0); /* read after write */
    gpu_record_fill(program, s[0], 0);         /* its readers are already behind a barrier */
    gpu_record_copy(program, s[4], s[3]);      /* read after write */
    gpu_record_copy(program, s[5], s[3]);
    record_gelu(program, s[6], s[4], NULL, 0); /* read after write */
    gpu_record_fill(program, s[7], 0x3f800000);
    gpu_record_fill(program, s[4], 0); /* write after read */
    assert_int_equal(gpu_program_finish(program), PM_OK);
    assert_int_equal(stats_of(program).barriers, 5);
    run(device, program);
    check_gelu(s[6], 3);
    float one[N];
    assert_int_equal(gpu_read(s[7], one), PM_OK);
    assert_true(one[0] == 1.0f && one[N - 1] == 1.0f);
    assert_int_equal(gpu_read(s[0], one), PM_OK);
    assert_true(one[0] == 0.0f && one[N - 1] == 0.0f);
    gpu_program_destroy(&program);

    /* neighbours in one buffer do not touch (at offsets that a binding can begin at); one shared word does */
    program = new_program(device);
    record_gelu(program, (gpu_span){buffer, 4 * N, 512}, (gpu_span){buffer, 0, 512}, NULL, 0);
    record_gelu(program, (gpu_span){buffer, 4 * N + 512, 512}, (gpu_span){buffer, 0, 512}, NULL, 0);
    record_gelu(program, (gpu_span){buffer, 4 * N + 1020, 512}, (gpu_span){buffer, 0, 512}, NULL, 0);
    assert_int_equal(gpu_program_finish(program), PM_OK);
    assert_int_equal(stats_of(program).barriers, 1);
    run(device, program);
    gpu_program_destroy(&program);
    gpu_buffer_destroy(&buffer);
    test_device_done(&device);
}

/* The same recording with another input, two runs without a wait between, and another program that goes on from its
 * result. */
static void test_replay(void **state)
{
    (void)state;
    enum { N = 3001 };
    pm_device *device = test_device(NULL);
    gpu_buffer *in = new_buffer(device, GPU_SHARED, 4 * N), *mid = new_buffer(device, GPU_WORKSPACE, 4 * N),
               *out = new_buffer(device, GPU_SHARED, 4 * N);
    gpu_program *first = new_program(device), *second = new_program(device);
    record_gelu(first, gpu_span_of(mid), gpu_span_of(in), NULL, 0);
    record_gelu(second, gpu_span_of(out), gpu_span_of(mid), NULL, 0);
    assert_int_equal(gpu_program_finish(first), PM_OK);
    assert_int_equal(gpu_program_finish(second), PM_OK);
    float *x = gpu_map(gpu_span_of(in)), *y = gpu_map(gpu_span_of(out));
    assert_true(x && y);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) x[i] = input((uint32_t)i) * (float)(round + 1);
        assert_int_equal(gpu_submit(first), PM_OK);
        if (round == 1) assert_int_equal(gpu_submit(first), PM_OK);
        assert_int_equal(gpu_submit(second), PM_OK);
        assert_int_equal(gpu_wait(device), PM_OK);
        for (int i = 0; i < N; i++) assert_true(fabsf(y[i] - gelu(gelu(x[i]))) <= 5e-5f);
    }
    /* in place, three times over: each run sees the one before */
    gpu_program *again = new_program(device);
    record_gelu(again, gpu_span_of(mid), gpu_span_of(mid), NULL, 0);
    assert_int_equal(gpu_program_finish(again), PM_OK);
    fill_input(gpu_span_of(mid));
    for (int i = 0; i < 3; i++) assert_int_equal(gpu_submit(again), PM_OK);
    check_gelu(gpu_span_of(mid), 3);
    /* more runs than tickets, and a transfer among them */
    for (int i = 0; i < 40; i++) {
        assert_int_equal(gpu_submit(first), PM_OK);
        if (i % 10 == 9) assert_int_equal(gpu_fill(gpu_span_of(out), 0), PM_OK);
    }
    assert_int_equal(gpu_wait(device), PM_OK);
    fill_input(gpu_span_of(mid));
    for (int i = 0; i < 3; i++) assert_int_equal(gpu_submit(again), PM_OK);
    assert_int_equal(gpu_wait(device), PM_OK);
    assert_int_equal(gpu_submit(again), PM_OK);
    gpu_program_destroy(&again); /* waits */
    check_gelu(gpu_span_of(mid), 4);
    gpu_program_destroy(&first);
    gpu_program_destroy(&second);
    gpu_buffer_destroy(&in);
    gpu_buffer_destroy(&mid);
    gpu_buffer_destroy(&out);
    test_device_done(&device);
}

/* Programs that just fill the recorder's memory, or have one command more or less. */
static void lengths(const char *disable)
{
    enum { N = 33 };
    static const uint32_t counts[] = {1, 63, 64, 65, 127, 128, 129, 256};
    pm_device *device = test_device(disable);
    gpu_buffer *buffer = new_buffer(device, GPU_WORKSPACE, 512 + 4 * N);
    gpu_span in = {buffer, 0, 4 * N}, out = {buffer, 512, 4 * N};
    fill_input(in);
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        assert_int_equal(gpu_fill(out, 0xffffffff), PM_OK);
        gpu_program *program = new_program(device);
        for (uint32_t i = 0; i < counts[k]; i++) record_gelu(program, out, in, NULL, 0);
        assert_int_equal(gpu_program_finish(program), PM_OK);
        assert_int_equal(stats_of(program).dispatches, counts[k]);
        run(device, program);
        check_gelu(out, 1);
        gpu_program_destroy(&program);
    }
    gpu_buffer_destroy(&buffer);
    test_device_done(&device);
}

static void test_lengths(void **state)
{
    (void)state;
    lengths(NULL);
    lengths("bda");
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

/* Work that is claimed to take long is cut and split, along x or y as the grid allows, and the results stay the
 * same bits; once it is measured to take no time the cuts go. */
static void cut(const char *disable, const uint32_t *groups)
{
    enum { N = 3001, STEPS = 5 };
    pm_device_params params = {.disable = disable, .submit_ms = 100}; /* far above what a busy machine takes */
    pm_device *device = test_device_open(&params);
    gpu_buffer *buffer = new_buffer(device, GPU_WORKSPACE, (STEPS + 1) * 4 * N);
    gpu_span s[STEPS + 1];
    for (int i = 0; i <= STEPS; i++) s[i] = (gpu_span){buffer, (uint64_t)i * 4 * N, 4 * N};
    static float whole[N], parts[N];
    for (int long_work = 0; long_work < 2; long_work++) {
        assert_int_equal(gpu_fill(gpu_span_of(buffer), 0xffffffff), PM_OK);
        fill_input(s[0]);
        gpu_program *program = new_program(device);
        gpu_program_label(program, "layer 7", PM_DIRECTION_NONE);
        for (int i = 0; i < STEPS; i++) record_gelu(program, s[i + 1], s[i], groups, long_work ? 2e11 : 0);
        assert_int_equal(gpu_program_finish(program), PM_OK);
        uint32_t submissions = stats_of(program).submissions;
        if (long_work)
            assert_true(submissions >= 2 * STEPS);
        else
            assert_int_equal(submissions, 1);
        run(device, program);
        assert_int_equal(gpu_read(s[STEPS], long_work ? parts : whole), PM_OK);
        check_gelu(s[STEPS], STEPS);
        for (int i = 0; i < 12; i++) run(device, program);
        if (long_work && pm_device_caps(device)->timestamps) assert_true(stats_of(program).submissions < submissions);
        assert_int_equal(stats_of(program).dispatches, STEPS);
        check_gelu(s[STEPS], STEPS);
        gpu_program_destroy(&program);
    }
    assert_memory_equal(whole, parts, sizeof whole);
    gpu_buffer_destroy(&buffer);
    test_device_done(&device);
}

static void test_cut_x(void **state)
{
    (void)state;
    cut(NULL, NULL);
    cut("bda", NULL);
}

static void test_cut_y(void **state)
{
    (void)state;
    const uint32_t grid[] = {2, 12, 1}; /* 24 groups of LOCAL * PER */
    cut(NULL, grid);
    cut("bda", grid);
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

static void test_failures_stick(void **state)
{
    (void)state;
    test_lines kept;
    pm_device *device = quiet_device(&kept, NULL, 0);
    gpu_buffer *buffer = new_buffer(device, GPU_WORKSPACE, 800);
    gpu_span from = {buffer, 0, 400}, to = {buffer, 400, 400};

    gpu_program *program = new_program(device);
    record_gelu(program, to, from, NULL, 0);
    gpu_record_fail(program, PM_UNSUPPORTED);
    gpu_record_fail(program, PM_INTERNAL); /* the first one counts */
    record_gelu(program, to, from, NULL, 0);
    assert_int_equal(gpu_program_finish(program), PM_UNSUPPORTED);
    assert_int_equal(kept.errors, 0); /* the function that recorded the failure logs why */
    assert_int_equal(gpu_submit(program), PM_UNSUPPORTED);
    assert_int_equal(kept.errors, 1);
    gpu_program_destroy(&program);

    const struct {
        gpu_span to, from;
        uint32_t groups[3];
        const char *word;
    } wrong[] = {
        {{buffer, 404, 400}, from, {1, 1, 1}, "exceeds its buffer"},
        {to, {buffer, UINT64_MAX - 3, 8}, {1, 1, 1}, "exceeds its buffer"},
        {to, {buffer, 2, 400}, {1, 1, 1}, "multiple of 4"},
        {to, from, {0, 1, 1}, "work groups"},
        {to, from, {1, UINT32_MAX, 1}, "work groups"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kept.errors = 0;
        program = new_program(device);
        gpu_program_label(program, "layer 3", PM_DIRECTION_NONE);
        record_gelu(program, wrong[i].to, wrong[i].from, wrong[i].groups, 0);
        record_gelu(program, wrong[i].to, wrong[i].from, wrong[i].groups, 0);
        assert_int_equal(kept.errors, 1);
        assert_non_null(strstr(kept.last, wrong[i].word));
        assert_non_null(strstr(kept.last, "layer 3"));
        assert_non_null(strstr(kept.last, "gelu"));
        assert_int_equal(gpu_program_finish(program), PM_INTERNAL);
        assert_int_equal(kept.errors, 1);
        gpu_program_destroy(&program);
    }
    program = new_program(device);
    gpu_record_copy(program, (gpu_span){buffer, 0, 400}, (gpu_span){buffer, 396, 400});
    assert_int_equal(gpu_program_finish(program), PM_INTERNAL);
    assert_non_null(strstr(kept.last, "overlaps"));
    assert_int_equal(gpu_submit(program), PM_INTERNAL);
    gpu_program_destroy(&program);

    program = new_program(device);
    assert_int_equal(gpu_submit(program), PM_INVALID); /* not finished */
    assert_int_equal(gpu_program_finish(program), PM_OK);
    run(device, program); /* an empty program is valid */
    assert_int_equal(gpu_program_finish(program), PM_INVALID);
    gpu_program_destroy(&program);

    program = new_program(device); /* a command after the end spoils the program */
    assert_int_equal(gpu_program_finish(program), PM_OK);
    record_gelu(program, to, from, NULL, 0);
    assert_int_equal(gpu_submit(program), PM_INTERNAL);
    gpu_program_destroy(&program);

    program = new_program(device); /* the device still works */
    record_gelu(program, to, from, NULL, 0);
    assert_int_equal(gpu_program_finish(program), PM_OK);
    fill_input(from);
    run(device, program);
    check_gelu(to, 1);
    uint32_t messages = pm_device_validation_messages(device);
    pm_device_close(&device); /* with a program and a buffer alive */
    assert_int_equal(messages, 0);
}

/* Faults that show only at the end, against the module or the device's limits. */
static void test_refusals(void **state)
{
    (void)state;
    test_lines kept;
    pm_device *device = quiet_device(&kept, NULL, 0);
    gpu_buffer *buffer = new_buffer(device, GPU_WORKSPACE, 800);
    const rows_push push = {.rows = 1, .cols = 100};
    uint32_t spec[] = {[SPEC_GROUP_SIZE] = 32, [SPEC_FLAT_PER] = 4};
    gpu_arg args[] = {{{buffer, 0, 400}, GPU_READ}, {{buffer, 400, 400}, GPU_WRITE}, {{NULL, 0, 0}, GPU_READ}};
    const gpu_dispatch good = {.kernel = KERNEL_gelu,
                               .spec = spec,
                               .spec_count = sizeof spec / sizeof *spec,
                               .args = args,
                               .arg_count = 2,
                               .push = &push,
                               .push_size = sizeof push,
                               .groups = {1, 1, 1}};
    for (int i = 0; i < 4; i++) {
        gpu_dispatch bad = good;
        if (i == 0) bad.arg_count = 3;
        if (i == 1) bad.push_size -= 4;
        if (i == 2) bad.arg_count = 1;
        spec[SPEC_GROUP_SIZE] = i == 3 ? pm_device_caps(device)->max_workgroup_size + 1 : 32;
        kept.errors = 0;
        gpu_program *program = new_program(device);
        gpu_record(program, &bad);
        assert_int_equal(gpu_program_finish(program), i == 3 ? PM_UNSUPPORTED : PM_INTERNAL);
        assert_int_equal(kept.errors, 1);
        assert_non_null(strstr(kept.last, "gelu"));
        gpu_program_destroy(&program);
    }
    gpu_buffer_destroy(&buffer);
    test_device_done(&device);
}

static void test_range_limit(void **state)
{
    (void)state;
    test_lines kept;
    pm_device *device = quiet_device(&kept, "bda", 1024);
    assert_int_equal(pm_device_caps(device)->max_buffer_range, 1024);
    gpu_buffer *buffer = new_buffer(device, GPU_WORKSPACE, 8192);
    gpu_program *program = new_program(device);
    record_gelu(program, (gpu_span){buffer, 1024, 1024}, (gpu_span){buffer, 0, 1024}, NULL, 0);
    assert_int_equal(gpu_program_finish(program), PM_OK);
    fill_input((gpu_span){buffer, 0, 1024});
    run(device, program);
    check_gelu((gpu_span){buffer, 1024, 1024}, 1);
    gpu_program_destroy(&program);
    program = new_program(device);
    record_gelu(program, (gpu_span){buffer, 2048, 1028}, (gpu_span){buffer, 0, 1024}, NULL, 0);
    assert_int_equal(gpu_program_finish(program), PM_UNSUPPORTED);
    assert_int_equal(kept.errors, 1);
    assert_non_null(strstr(kept.last, "kernel gelu, argument 1"));
    gpu_program_destroy(&program);
    gpu_buffer_destroy(&buffer);
    test_device_done(&device);
}

/* An argument that a kernel does not touch may have no buffer. */
static void absent(const char *disable)
{
    pm_device *device = test_device(disable);
    gpu_buffer *buffer = new_buffer(device, GPU_WORKSPACE, 400);
    const uint32_t spec[] = {[SPEC_GROUP_SIZE] = 32, [SPEC_FLAT_PER] = 4};
    const rows_push push = {.rows = 1, .cols = 0};
    const gpu_arg args[] = {{{NULL, 0, 0}, GPU_READ}, {gpu_span_of(buffer), GPU_WRITE}};
    gpu_program *program = new_program(device);
    gpu_record(program, &(gpu_dispatch){.kernel = KERNEL_gelu,
                                        .spec = spec,
                                        .spec_count = sizeof spec / sizeof *spec,
                                        .args = args,
                                        .arg_count = 2,
                                        .push = &push,
                                        .push_size = sizeof push,
                                        .groups = {1, 1, 1}});
    assert_int_equal(gpu_program_finish(program), PM_OK);
    assert_int_equal(gpu_fill(gpu_span_of(buffer), 7), PM_OK);
    run(device, program);
    uint32_t words[100];
    assert_int_equal(gpu_read(gpu_span_of(buffer), words), PM_OK);
    for (int i = 0; i < 100; i++) assert_int_equal(words[i], 7);
    gpu_program_destroy(&program);
    gpu_buffer_destroy(&buffer);
    test_device_done(&device);
}

static void test_absent_argument(void **state)
{
    (void)state;
    absent(NULL);
    absent("bda");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),          cmocka_unit_test(test_chain_descriptors),
        cmocka_unit_test(test_chain_plain),    cmocka_unit_test(test_barriers),
        cmocka_unit_test(test_lengths),        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_cut_x),          cmocka_unit_test(test_cut_y),
        cmocka_unit_test(test_failures_stick), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_range_limit),    cmocka_unit_test(test_absent_argument),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
