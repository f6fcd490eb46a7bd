#define _POSIX_C_SOURCE 200809L
/* Every operation on the device against the CPU twin: odd shapes, each optional operand and attribute, with and without the
 * optional features, with operands larger than a device may bind, and at GPT-2's size.
 *
 * usage: test_ops [--list] [--ran FILE] [PATTERN ...] [--but PATTERN ...]
 *        test_ops --covered FILE ...
 * Patterns select tests by name, with * and ?: "matmul*" or "*(GPT-2 size)". --list prints the names and runs none. --ran writes the kernels
 * that ran into a file; --covered wants each kernel in one of such files. Runs of several parts side by side take the place of a whole one so.
 *
 * PUMICE_TEST_QUICK=1: the first configuration alone, for a change in progress.
 * A row whose program is, on the device of a further configuration, the very one that ran already is not run again. On a software driver a kernel is
 * compiled for a row only if its constants show something new (see optest_seen.h). PUMICE_TEST_ROWS=all runs all rows there too, =kernels only those with
 * a new kernel or a new access to its operands. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper_device.h"
#include "check/optest.h"
#include "ops/record.h"

typedef struct config {
    const char *name, *disable;
    optest_set set;
    uint64_t max_buffer_range, max_allocation; /* bytes; 0: the device's */
} config;

/* Less than logits of 1024 x 20000 take: a GPU's vocabulary has several tiles too. With room for guard words around one. */
enum { SMALL_ALLOCATION = (72 << 20) + 4096 };

static const config configs[] = {
    {"all features", NULL, USUAL, 0, 0},
    {"without bda", "bda", USUAL, 0, 0},
    {"without serial", "serial", USUAL, 0, 0},
    {"without fused", "fused", USUAL, 0, SMALL_ALLOCATION},
    {"without serial, bda", "serial,bda", USUAL, 0, 0},
    {"without any", "all", USUAL, 0, 0},
    {"as Mali", "mali", USUAL, 0, 0},
    {"ranges of 4 MiB, without bda", "bda", TILED, OPTEST_SMALL_RANGE, 0},
    {"ranges of 4 MiB, without serial, bda", "serial,bda", TILED, OPTEST_SMALL_RANGE, 0},
    {"GPT-2 size", NULL, BIG, 0, 0},
    {"GPT-2 size, without bda", "bda", BIG, 0, 0},
    {"fp16", NULL, HALVES, 0, 0},
    {"fp16, without serial", "serial", HALVES, 0, 0},
    {"fp16, without serial, bda", "serial,bda", HALVES, 0, 0},
    {"fp16, without serial, coopmat", "serial,coopmat", HALVES, 0, 0},
    {"fp16, as Arc", "arc", HALVES, 0, 0},
    {"fp16, as Mali", "mali", HALVES, 0, 0},
};
enum { CONFIGS = sizeof configs / sizeof configs[0] };

static pm_device *device; /* of the group that runs */
static const config *now;
static optest_table *rows_of_all;
static bool ran[KERNEL_COUNT]; /* in any row so far */
static optest_seen seen;
static size_t rows_run, rows_repeated, rows_covered;

/* The group's device: opened by its first test, so that a machine without one skips them all. */
static pm_device *group_device(void)
{
    if (!device) {
        pm_device_params params = {
            .disable = now->disable, .max_buffer_range = now->max_buffer_range, .max_allocation = now->max_allocation};
        device = test_device_open(&params);
    }
    return device;
}

/* A software driver takes minutes to compile attention on matrix units for larger heads. */
static bool takes_minutes(const pm_caps *caps, const optest_row *row)
{
    enum { MOST = 16 };
    const op_call *call = &row->call;
    const bool attention = call->op == OP_ATTENTION || call->op == OP_ATTENTION_BWD;
    const bool units =
        !row->variant || row->variant == VARIANT_ATTENTION_COOP || row->variant == VARIANT_ATTENTION_COOP_LEAN;
    if (seen.compiled == OPTEST_COMPILE_ALL || !op_matrix_units(caps) || !attention || !units || row->type != DTYPE_F16)
        return false;
    return (call->op == OP_ATTENTION ? call->out[0].cols : call->in[1].cols) / call->attr.heads > MOST;
}

static optest_compiled rows_compiled(pm_device *d)
{
    const char *which = getenv("PUMICE_TEST_ROWS");
    if (pm_device_caps(d)->type != PM_DEVICE_CPU || (which && strcmp(which, "all") == 0)) return OPTEST_COMPILE_ALL;
    return which && strcmp(which, "kernels") == 0 ? OPTEST_COMPILE_KERNELS : OPTEST_COMPILE_FLAGS;
}

static void test_op(void **state)
{
    op_id op = *(const op_id *)*state;
    pm_device *d = group_device();
    int failed = 0;
    size_t count, applied = 0;
    const optest_row *rows = optest_rows(rows_of_all, now->set, &count);
    optest_result result;
    seen.compiled = rows_compiled(d);
    for (size_t i = 0; i < count; i++) {
        const optest_row *row = &rows[i];
        if (row->call.op != op || !optest_applies(pm_device_caps(d), row)) continue;
        if (takes_minutes(pm_device_caps(d), row)) continue;
        applied++;
        const bool right = optest_run(d, row, &seen, &result);
        rows_run += !result.repeated && !result.covered;
        rows_repeated += result.repeated;
        rows_covered += result.covered;
        for (uint32_t k = 0; k < result.kernel_count && !result.covered; k++) ran[result.kernels[k]] = true;
        if (right) continue;
        print_error("    %s\n", result.wrong);
        failed++;
        assert_true(failed < 10);
    }
    assert_int_equal(failed, 0);
    if (applied == 0) skip();
}

static void test_close(void **state)
{
    (void)state;
    if (!device) skip();
    test_device_done(&device);
}

static int close_anyway(void **state)
{
    (void)state;
    pm_device_close(&device);
    return 0;
}

/* Each optional feature is really off, and every operation has rows. */
static void test_table(void **state)
{
    (void)state;
    size_t count;
    for (int set = 0; set < SETS; set++) {
        optest_rows(rows_of_all, (optest_set)set, &count);
        assert_true(count < OPTEST_MOST_ROWS);
    }
    const optest_row *rows = optest_rows(rows_of_all, USUAL, &count);
    for (int op = 0; op < OP_COUNT; op++) {
        size_t found = 0;
        for (size_t i = 0; i < count; i++) found += (int)rows[i].call.op == op;
        assert_true(found > 0);
    }
    const pm_caps *caps = pm_device_caps(group_device());
    assert_false(caps->bda || caps->serial || caps->fused);
}

/* Kernels that these configurations cannot reach: of matrix units that the device lacks, of the other subgroup, of `pumice bench`. */
static bool out_of_reach(const pm_caps *caps, kernel_id kernel)
{
    const char *name = gpu_kernel_name(kernel);
    return (!caps->coopmat && strstr(name, "coop")) || strstr(name, "lanes4") || !strncmp(name, "meter_", 6);
}

/* Marks the kernels that a file of --ran names. */
static bool read_ran(const char *path)
{
    char line[128];
    FILE *file = fopen(path, "r");
    if (!file) return false;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
            if (!strcmp(line, gpu_kernel_name((kernel_id)kernel))) ran[kernel] = true;
    }
    return fclose(file) == 0;
}

static bool write_ran(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) return false;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        if (ran[kernel]) fprintf(file, "%s\n", gpu_kernel_name((kernel_id)kernel));
    return fclose(file) == 0;
}

/* Where a driver has all features, with or without matrix units, every kernel ran in some row of some configuration. */
static void test_coverage(void **state)
{
    (void)state;
    const pm_caps *caps = pm_device_caps(group_device());
    if (!caps->serial || !caps->bda || !caps->fused || !caps->int64 || !caps->storage16 || software_lanes(caps) != 8)
        skip();
    int missing = 0;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++) {
        if (ran[kernel] || out_of_reach(caps, (kernel_id)kernel)) continue;
        print_error("    no row runs %s\n", gpu_kernel_name((kernel_id)kernel));
        missing++;
    }
    assert_int_equal(missing, 0);
}

/* ---- what the arguments select -------------------------------------------------------------------------------------- */

typedef struct selection {
    bool list, quick;
    const char *ran;
    char **patterns, **but; /* of argv */
    int pattern_count, but_count;
} selection;

/* A * stands for any characters. */
static bool fits(const char *pattern, const char *name)
{
    if (*pattern != '*') return *pattern == *name && (!*name || fits(pattern + 1, name + 1));
    return fits(pattern + 1, name) || (*name && fits(pattern, name + 1));
}

static bool matches(char **patterns, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (fits(patterns[i], name)) return true;
    return false;
}

static bool selected(const selection *s, const char *name)
{
    return (s->pattern_count == 0 || matches(s->patterns, s->pattern_count, name)) &&
           !matches(s->but, s->but_count, name);
}

static bool read_arguments(int argc, char **argv, selection *s)
{
    int a = 1;
    const char *quick = getenv("PUMICE_TEST_QUICK");
    *s = (selection){.quick = quick && *quick && strcmp(quick, "0") != 0};
    for (; a < argc && !strncmp(argv[a], "--", 2) && strcmp(argv[a], "--but") != 0; a++) {
        if (!strcmp(argv[a], "--list"))
            s->list = true;
        else if (!strcmp(argv[a], "--ran") && a + 1 < argc)
            s->ran = argv[++a];
        else
            return false;
    }
    s->patterns = argv + a;
    while (a < argc && strcmp(argv[a], "--but") != 0) a++, s->pattern_count++;
    if (a < argc) {
        s->but = argv + a + 1;
        s->but_count = argc - a - 1;
    }
    return true;
}

static int run_group(const config *c, const selection *s)
{
    static op_id ids[OP_COUNT];
    static char names[OP_COUNT + 1][96];
    struct CMUnitTest tests[OP_COUNT + 1] = {{0}};
    size_t count = 0, row_count;
    const optest_row *rows = optest_rows(rows_of_all, c->set, &row_count);
    now = c;
    for (int op = 0; op < OP_COUNT; op++) {
        size_t found = 0;
        for (size_t i = 0; i < row_count; i++) found += (int)rows[i].call.op == op;
        if (found == 0) continue;
        ids[op] = (op_id)op;
        snprintf(names[count], sizeof names[count], "%s (%s)", op_name((op_id)op), c->name);
        if (!selected(s, names[count])) continue;
        if (s->list) puts(names[count]);
        tests[count] = (struct CMUnitTest){names[count], test_op, NULL, NULL, &ids[op]};
        count++;
    }
    if (count == 0 || s->list) return 0;
    snprintf(names[count], sizeof names[count], "no validation messages (%s)", c->name);
    tests[count] = (struct CMUnitTest){names[count], test_close, NULL, NULL, NULL};
    return _cmocka_run_group_tests(c->name, tests, count + 1, NULL, close_anyway);
}

int main(int argc, char **argv)
{
    selection s = {0};
    rows_of_all = optest_table_make();
    if (!rows_of_all) return 1;
    int failed = 0;
    const bool covered = argc > 1 && !strcmp(argv[1], "--covered");
    if (!covered && !read_arguments(argc, argv, &s)) {
        print_error("usage: test_ops [--list] [--ran FILE] [PATTERN ...] [--but PATTERN ...]\n");
        return 2;
    }
    for (int a = 2; covered && a < argc; a++)
        if (!read_ran(argv[a])) {
            print_error("%s: cannot be read; the part of test_ops that writes it comes first\n", argv[a]);
            return 1;
        }
    for (int i = 0; !covered && i < (s.quick && !s.list ? 1 : CONFIGS); i++) failed += run_group(&configs[i], &s);
    if (!covered && s.list) return 0;
    print_message("%zu rows were run; %zu came to programs that had run; %zu show what others show\n", rows_run,
                  rows_repeated, rows_covered);
    optest_seen_free(&seen);
    now = &configs[5];
    const struct CMUnitTest table[] = {cmocka_unit_test(test_table)};
    failed += cmocka_run_group_tests_name("the table", table, NULL, close_anyway);
    now = &configs[0];
    const struct CMUnitTest coverage[] = {cmocka_unit_test(test_coverage)};
    if (covered || (argc == 1 && !s.quick))
        failed += cmocka_run_group_tests_name("every kernel", coverage, NULL, close_anyway);
    if (!covered && s.ran && !s.quick && !failed && !write_ran(s.ran)) {
        print_error("%s: cannot be written\n", s.ran);
        failed++;
    }
    optest_table_free(rows_of_all);
    return failed ? 1 : 0;
}
