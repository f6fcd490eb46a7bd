/* Profiles are complete, in order, within the host's times, and bounded. They have as much work as the graph, and do not change the results. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "helper_device.h"
#include "helper_dir.h"
#include "ops/record.h"
#include "push.h"
#include "train/objective_lm.h"

enum { PROGRAMS = 3 }; /* of a step */
enum { BATCH = 3, TIME = 16, ACCUM = 2, VOCAB = 53 };

static const pm_gpt_config CONFIG = {
    .arch = PM_ARCH_GPT2, .vocab = VOCAB, .ctx = TIME, .embd = 32, .heads = 2, .layers = 2};
static const pm_train_params PARAMS = {
    .batch = BATCH, .accum = ACCUM, .steps = 20, .lr = 1e-2f, .clip = 1, .dropout = 0.1f, .seed = 3};

typedef struct setup {
    pm_device *device;
    pm_profile *profile;
    pm_model *model;
    pm_trainer *trainer;
} setup;

static setup open_setup(const pm_device_params *params)
{
    setup s = {.device = test_device_open(params)};
    s.profile = pm_device_profile(s.device);
    assert_int_equal(pm_model_create(s.device, &CONFIG, 5, &s.model), PM_OK);
    assert_int_equal(pm_trainer_create(s.model, &PARAMS, &s.trainer), PM_OK);
    return s;
}

static void close_setup(setup *s)
{
    pm_trainer_destroy(&s->trainer);
    pm_model_destroy(&s->model);
    test_device_done(&s->device);
}

static float step(setup *s)
{
    enum { MICRO = BATCH * TIME };
    int32_t tokens[ACCUM * MICRO], targets[ACCUM * MICRO];
    for (int i = 0; i < ACCUM * MICRO; i++) {
        tokens[i] = (7 * i + i * i) % VOCAB;
        targets[i] = (5 * i + 3) % VOCAB;
    }
    pm_step out;
    assert_int_equal(pm_trainer_step_tokens(s->trainer, tokens, targets, &out), PM_OK);
    return out.loss;
}

static bool has_times(const setup *s)
{
    return pm_device_caps(s->device)->timestamps;
}

static pm_profile_info info_of(const setup *s)
{
    pm_profile_info info;
    pm_profile_get_info(s->profile, &info);
    return info;
}

static uint64_t count_of(const pm_profile *p, pm_profile_track track, const char *op)
{
    uint64_t count = 0;
    for (size_t i = 0; i < pm_profile_row_count(p); i++) {
        const pm_profile_row *row = pm_profile_row_at(p, i);
        if (row->track == track && (!op || strcmp(row->op, op) == 0)) count += row->count;
    }
    return count;
}

/* FLOPs of commands of an op and direction; op NULL: of all. */
static double flops_of(const pm_profile *p, const char *op, pm_direction direction)
{
    double flops = 0;
    for (size_t i = 0; i < pm_profile_row_count(p); i++) {
        const pm_profile_row *row = pm_profile_row_at(p, i);
        if (row->track == PM_PROFILE_COMMANDS && (!op || (strcmp(row->op, op) == 0 && row->direction == direction)))
            flops += row->flops;
    }
    return flops;
}

static void near(double value, double wanted)
{
    if (!(fabs(value - wanted) <= 1e-9 * fabs(wanted))) fail_msg("%.17g instead of %.17g", value, wanted);
}

/* ---- what is there ---- */

/* Whether a time lies in a step, between its submission and the end of waiting for it. */
static bool in_step(const setup *s, double begin_ms, double end_ms)
{
    /* Calibration errs by microseconds, and a busy machine may put them between the two readings. */
    const double slack = 0.2;
    double submit = -1;
    for (size_t i = 0; i < pm_profile_event_count(s->profile); i++) {
        const pm_profile_event e = pm_profile_event_at(s->profile, i);
        const pm_profile_row *row = pm_profile_row_at(s->profile, e.row);
        if (row->track != PM_PROFILE_HOST) continue;
        if (strcmp(row->op, "submit") == 0) submit = e.start_ms;
        if (strcmp(row->op, "wait") != 0) continue; /* it comes after its step's submission */
        assert_true(submit >= 0);
        if (begin_ms >= submit - slack && end_ms <= e.start_ms + e.ms + slack) return true;
        submit = -1;
    }
    return false;
}

/* Commands follow each other without overlap, each within its step. */
static void check_times(const setup *s)
{
    const pm_profile_info info = info_of(s);
    double last_end = 0, sum = 0;
    for (size_t i = 0; i < pm_profile_event_count(s->profile); i++) {
        const pm_profile_event e = pm_profile_event_at(s->profile, i);
        const pm_profile_row *row = pm_profile_row_at(s->profile, e.row);
        assert_true(e.ms >= 0);
        if (row->track != PM_PROFILE_COMMANDS) continue;
        assert_true(e.start_ms >= last_end - 1e-3);
        last_end = e.start_ms + e.ms;
        sum += e.ms;
        assert_true(in_step(s, e.start_ms, last_end));
    }
    assert_true(fabs(sum - 1e3 * info.device_seconds) <= 1e-4 * sum);
    assert_true(info.device_seconds > 0 && info.device_seconds <= info.seconds);
}

/* The FLOPs of the graph's nodes of an operation, in a step. */
static double graph_flops_of(const setup *s, op_id op, pm_direction direction, bool weights)
{
    const graph *g = &s->trainer->core.passes.all[0].graph;
    double flops = 0;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        op_call call = {.op = n->op, .attr = n->attr};
        for (int k = 0; k < OP_MAX_IN; k++)
            call.in[k] = (op_view){.rows = g->tensors[n->in[k]].rows, .cols = g->tensors[n->in[k]].cols};
        for (int k = 0; k < OP_MAX_OUT; k++)
            call.out[k] = (op_view){.rows = g->tensors[n->out[k]].rows, .cols = g->tensors[n->out[k]].cols};
        if (n->op == op && n->direction == direction && (op != OP_MATMUL || n->attr.trans_a == weights))
            flops += op_flops(&call);
    }
    return ACCUM * flops;
}

static void test_complete(void **state)
{
    (void)state;
    enum { STEPS = 3 };
    setup s = open_setup(&(pm_device_params){.profile = true});
    step(&s); /* not profiled */
    assert_int_equal(pm_profile_event_count(s.profile), 0);
    if (!has_times(&s)) {
        close_setup(&s);
        skip();
    }
    pm_profile_start(s.profile);
    for (int i = 0; i < STEPS; i++) step(&s);
    pm_profile_stop(s.profile);
    const pm_profile_info info = info_of(&s);
    gpu_program_stats stats;
    pass_stats(&s.trainer->core.passes.all[0], &stats);
    assert_true(info.clock != PM_PROFILE_CLOCK_NONE);
    assert_int_equal(info.runs, PROGRAMS * STEPS);
    assert_int_equal(info.missed_runs, 0);
    assert_int_equal(info.dropped, 0);
    assert_int_equal(count_of(s.profile, PM_PROFILE_HOST, "step"), STEPS);
    assert_int_equal(count_of(s.profile, PM_PROFILE_HOST, "batch"), STEPS);
    assert_int_equal(count_of(s.profile, PM_PROFILE_HOST, "submit"), STEPS);
    assert_int_equal(count_of(s.profile, PM_PROFILE_HOST, "wait"), STEPS);
    uint64_t updates = 0; /* a step: each segment in pieces */
    for (uint32_t i = 0; i < s.model->layout.segment_count; i++)
        for (uint64_t left = s.model->layout.segment_bytes[i] / 4; left > 0; updates++)
            left -= flat_piece(pm_device_caps(s.device), left);
    assert_int_equal(count_of(s.profile, PM_PROFILE_COMMANDS, "adamw"), STEPS * updates);
    assert_true(count_of(s.profile, PM_PROFILE_COMMANDS, NULL) >= (uint64_t)STEPS * stats.dispatches);
    uint64_t events = 0;
    for (size_t i = 0; i < pm_profile_row_count(s.profile); i++) events += pm_profile_row_at(s.profile, i)->count;
    assert_int_equal(pm_profile_event_count(s.profile), events);
    check_times(&s);

    near(flops_of(s.profile, NULL, PM_DIRECTION_NONE), STEPS * stats.flops);
    const struct {
        const char *name;
        op_id op;
        pm_direction direction;
    } ops[] = {{"matmul", OP_MATMUL, PM_DIRECTION_FORWARD},
               {"matmul", OP_MATMUL, PM_DIRECTION_BACKWARD},
               {"matmul-dw", OP_MATMUL, PM_DIRECTION_BACKWARD},
               {"attention", OP_ATTENTION, PM_DIRECTION_FORWARD},
               {"attention-bwd", OP_ATTENTION_BWD, PM_DIRECTION_BACKWARD},
               {"layernorm", OP_LAYERNORM, PM_DIRECTION_FORWARD},
               {"layernorm-bwd", OP_LAYERNORM_BWD, PM_DIRECTION_BACKWARD}};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        const double wanted = graph_flops_of(&s, ops[i].op, ops[i].direction, strcmp(ops[i].name, "matmul-dw") == 0);
        assert_true(wanted > 0);
        near(flops_of(s.profile, ops[i].name, ops[i].direction), STEPS * wanted);
    }
    close_setup(&s);
}

/* Rows have their layer and direction, and the driver's data about a kernel are plausible. */
static void test_labels(void **state)
{
    (void)state;
    setup s = open_setup(&(pm_device_params){.profile = true});
    bool layer = false, update = false;
    for (size_t i = 0; i < pm_profile_row_count(s.profile); i++) {
        const pm_profile_row *row = pm_profile_row_at(s.profile, i);
        if (row->track != PM_PROFILE_COMMANDS) continue;
        assert_string_equal(row->program, "train step");
        assert_true(row->op[0] || row->direction == PM_DIRECTION_NONE);
        assert_true(row->layer[0] && row->kernel[0]);
        layer |= strcmp(row->layer, "h.1") == 0 && strcmp(row->op, "matmul") == 0 && row->shape[2] == 32 &&
                 row->shape[0] == BATCH * TIME && row->direction == PM_DIRECTION_FORWARD;
        update |= strcmp(row->op, "adamw") == 0 && row->direction == PM_DIRECTION_OPTIMIZER;
        if (row->variant == PM_PROFILE_NO_KERNEL) {
            assert_true(strcmp(row->kernel, "fill") == 0 || strcmp(row->kernel, "copy") == 0);
            continue;
        }
        const pm_profile_kernel kernel = pm_profile_kernel_at(s.profile, row->variant);
        assert_string_equal(kernel.name, row->kernel);
        assert_true(kernel.statistic_count > 0 || kernel.registers < 0);
    }
    assert_true(layer && update);
    close_setup(&s);
}

/* ---- windows and limits ---- */

static void test_windows(void **state)
{
    (void)state;
    setup s = open_setup(&(pm_device_params){.profile = true});
    if (!has_times(&s)) {
        close_setup(&s);
        skip();
    }
    step(&s);
    const double before = pm_profile_now();
    pm_profile_start(s.profile);
    pm_profile_span(s.profile, "too early", before);
    step(&s);
    pm_profile_stop(s.profile);
    const pm_profile_info first = info_of(&s);
    const size_t events = pm_profile_event_count(s.profile);
    for (int i = 0; i < 3; i++) step(&s);
    pm_profile_span(s.profile, "too late", pm_profile_now());
    assert_int_equal(first.runs, PROGRAMS);
    assert_int_equal(info_of(&s).runs, PROGRAMS);
    assert_true(info_of(&s).seconds == first.seconds);
    assert_int_equal(pm_profile_event_count(s.profile), events);
    pm_profile_start(s.profile); /* again: the program gets its stamps back after a run */
    step(&s);
    step(&s);
    pm_profile_stop(s.profile);
    assert_int_equal(info_of(&s).runs, 2 * PROGRAMS);
    assert_int_equal(count_of(s.profile, PM_PROFILE_HOST, "too early"), 0);
    assert_int_equal(count_of(s.profile, PM_PROFILE_HOST, "too late"), 0);
    pm_profile_span(NULL, "no profile", before);
    close_setup(&s);
}

/* A full time line drops events, but the rows count them. Neither grows with the steps. */
static void test_bounded(void **state)
{
    (void)state;
    setup s = open_setup(&(pm_device_params){.profile = true, .profile_events = 10});
    pm_profile_start(s.profile);
    step(&s);
    step(&s);
    const size_t rows = pm_profile_row_count(s.profile);
    for (int i = 0; i < 8; i++) step(&s);
    pm_profile_stop(s.profile);
    uint64_t counted = 0;
    for (size_t i = 0; i < rows; i++) counted += pm_profile_row_at(s.profile, i)->count;
    assert_int_equal(pm_profile_row_count(s.profile), rows);
    assert_int_equal(pm_profile_event_count(s.profile), 10);
    assert_int_equal(info_of(&s).dropped, counted - 10);
    assert_int_equal(count_of(s.profile, PM_PROFILE_HOST, "step"), 10);
    close_setup(&s);
}

/* The pieces of a dispatch together have all of its work. */
static void test_pieces(void **state)
{
    (void)state;
    enum { GROUPS = 8, COUNT = GROUPS * 32 * 4 };
    pm_device *device = test_device_open(&(pm_device_params){.profile = true, .submit_ms = 1});
    pm_profile *profile = pm_device_profile(device);
    gpu_buffer *buffer = NULL;
    gpu_program *program = NULL;
    assert_int_equal(gpu_buffer_create(device, GPU_WORKSPACE, 8 * COUNT, "test", &buffer), PM_OK);
    assert_int_equal(gpu_program_create(device, "pieces", &program), PM_OK);
    const uint32_t spec[] = {[SPEC_GROUP_SIZE] = 32, [SPEC_FLAT_PER] = 4}, shape[3] = {1, COUNT, 0};
    const rows_push push = {.rows = 1, .cols = COUNT};
    const gpu_arg args[] = {{{buffer, 0, 4 * COUNT}, GPU_READ}, {{buffer, 4 * COUNT, 4 * COUNT}, GPU_WRITE}};
    gpu_program_label(program, "here", PM_DIRECTION_FORWARD);
    gpu_program_op(program, "gelu", shape);
    gpu_record(program, &(gpu_dispatch){.kernel = KERNEL_gelu,
                                        .spec = spec,
                                        .spec_count = sizeof spec / sizeof *spec,
                                        .args = args,
                                        .arg_count = 2,
                                        .push = &push,
                                        .push_size = sizeof push,
                                        .groups = {GROUPS, 1, 1},
                                        .flops = 1e14, /* so that it is cut as far as can be */
                                        .bytes = 4e6});
    assert_int_equal(gpu_program_finish(program), PM_OK);
    pm_profile_start(profile);
    assert_int_equal(gpu_submit(program), PM_OK);
    assert_int_equal(gpu_wait(device), PM_OK);
    assert_int_equal(gpu_submit(program), PM_OK); /* two, perhaps at once: then only the second is measured */
    assert_int_equal(gpu_submit(program), PM_OK);
    assert_int_equal(gpu_wait(device), PM_OK);
    pm_profile_stop(profile);
    if (pm_device_caps(device)->timestamps) {
        pm_profile_info info;
        pm_profile_get_info(profile, &info);
        assert_int_equal(info.runs, 3);
        assert_true(info.missed_runs <= 1);
        assert_true(count_of(profile, PM_PROFILE_COMMANDS, "gelu") > GROUPS);
        near(flops_of(profile, "gelu", PM_DIRECTION_FORWARD), 1e14 * (double)(info.runs - info.missed_runs));
    }
    gpu_program_destroy(&program);
    gpu_buffer_destroy(&buffer);
    test_device_done(&device);
}

/* Several submissions a run. */
static void test_cut(void **state)
{
    (void)state;
    setup s = open_setup(&(pm_device_params){.profile = true, .submit_ms = 1});
    gpu_program_stats stats;
    pass_stats(&s.trainer->core.passes.all[0], &stats);
    assert_true(stats.submissions > 1);
    step(&s); /* the first run's commands end before submitting does; test_pieces tests one */
    if (has_times(&s)) {
        pm_profile_start(s.profile);
        step(&s);
        step(&s);
        near(flops_of(s.profile, NULL, PM_DIRECTION_NONE), 2 * stats.flops);
        assert_true(count_of(s.profile, PM_PROFILE_SUBMISSIONS, NULL) > 2);
        pm_profile_stop(s.profile);
        check_times(&s);
    }
    close_setup(&s);
}

/* Without time stamps the profile has only the host's spans. */
static void test_no_stamps(void **state)
{
    (void)state;
    setup s = open_setup(&(pm_device_params){.profile = true, .disable = "timestamps"});
    pm_profile_start(s.profile);
    step(&s);
    pm_profile_stop(s.profile);
    assert_int_equal(info_of(&s).clock, PM_PROFILE_CLOCK_NONE);
    assert_int_equal(count_of(s.profile, PM_PROFILE_COMMANDS, NULL), 0);
    assert_int_equal(count_of(s.profile, PM_PROFILE_HOST, "step"), 1);
    close_setup(&s);
}

/* ---- no effect ---- */

static void train_and_read(bool profile, float *losses, float *logits)
{
    setup s = open_setup(&(pm_device_params){.profile = profile});
    pm_session *session = NULL;
    const uint32_t prompt[9] = {3, 1, 4, 1, 5, 9, 2, 6, 5};
    assert_true(profile == (s.profile != NULL));
    for (int i = 0; i < 6; i++) {
        if (profile && i == 1) pm_profile_start(s.profile);
        if (profile && i == 4) pm_profile_stop(s.profile);
        losses[i] = step(&s);
    }
    if (profile) pm_profile_start(s.profile);
    assert_int_equal(pm_session_create(s.model, &session), PM_OK);
    assert_int_equal(pm_session_feed(session, prompt, 9), PM_OK);
    memcpy(logits, pm_session_logits(session), VOCAB * sizeof *logits);
    pm_session_destroy(&session);
    close_setup(&s);
}

static void test_same_bits(void **state)
{
    (void)state;
    float losses[2][6], logits[2][VOCAB];
    train_and_read(false, losses[0], logits[0]);
    train_and_read(true, losses[1], logits[1]);
    assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
}

/* ---- roofs and files ---- */

static void test_roofs(void **state)
{
    (void)state;
    const pm_peaks peaks = {.fma_flops_per_s = 1e9, .copy_bytes_per_s = 1e8};
    const pm_profile_row bound_by_flops = {.total_ms = 10, .flops = 5e6, .bytes = 1e4}; /* 0.5 of 1e9 */
    const pm_peaks units = {.fma_flops_per_s = 1e9, .copy_bytes_per_s = 1e8, .matrix_flops_per_s = 5e9};
    const pm_profile_row matrix = {.total_ms = 10, .flops = 5e6, .bytes = 1e4, .kernel = "matmul_coop"};
    const pm_profile_row bound_by_bytes = {.total_ms = 10, .flops = 1e3, .bytes = 2.5e5};
    near(pm_profile_roof_share(&bound_by_flops, &peaks), 0.5);
    near(pm_profile_roof_share(&bound_by_bytes, &peaks), 0.25);
    near(pm_profile_roof_share(&matrix, &units), 0.1);
    near(pm_profile_roof_share(&matrix, &peaks), 0.5);
    near(pm_profile_roof_share(&bound_by_flops, &units), 0.5);
    assert_true(isnan(pm_profile_roof_share(&bound_by_flops, &(pm_peaks){0})));
    assert_true(isnan(pm_profile_roof_share(&(pm_profile_row){0}, &peaks)));
}

static void test_files(void **state)
{
    (void)state;
    char *root = test_dir_make();
    test_lines kept;
    setup s = open_setup(&(pm_device_params){.profile = true, .log = test_lines_log(&kept)});
    const pm_peaks none = {0};
    pm_profile_start(s.profile);
    step(&s);
    pm_profile_stop(s.profile);
    assert_int_equal(pm_profile_write(s.profile, test_path(root, "deep/er"), &none), PM_OK);
    test_write(test_path(root, "file"), "x", 1);
    assert_int_equal(kept.errors, 0);
    assert_int_equal(pm_profile_write(s.profile, test_path(root, "file"), &none), PM_IO);
    assert_int_equal(kept.errors, 1);
    assert_non_null(strstr(kept.last, "file"));
    close_setup(&s);
    test_dir_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete),  cmocka_unit_test(test_labels),    cmocka_unit_test(test_windows),
        cmocka_unit_test(test_bounded),   cmocka_unit_test(test_pieces),    cmocka_unit_test(test_cut),
        cmocka_unit_test(test_no_stamps), cmocka_unit_test(test_same_bits), cmocka_unit_test(test_roofs),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
