/* The op harness: operands, guard words, the run, the comparison. Values: optest_values.c. */
#include "check/optest_bench.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/hash.h"
#include "base/number.h"
#include "push.h"
#include "ref/ref.h"

enum { GUARD_WORDS = 64 };
static const op_view optest_scalars = {.rows = 1, .cols = sizeof(step_scalars) / 4};
#define POISON 0x7fc0dead        /* a NaN */
#define POISON_HALVES 0x7ead7ead /* two */
#define LARGE (1u << 24)         /* words; beyond it nothing is run twice or put together */

/* The guard word at an index of a buffer: a NaN whose payload differs from place to place, since arithmetic that reads one guard
 * word and writes another hands the payload on. */
static uint32_t guard(int buffer, uint64_t index)
{
    return 0x7fc00000u | (((uint32_t)index * 2654435761u + (uint32_t)buffer * 40503u) >> 11);
}

static bool complain(const bench *b, const char *format, ...) PM_PRINTF(2, 3);

static bool complain(const bench *b, const char *format, ...)
{
    char line[512], what[256];
    va_list args;
    va_start(args, format);
    number_vprint(what, sizeof what, format, args);
    va_end(args);
    optest_describe(b->row, line, sizeof line);
    snprintf(b->result->wrong, sizeof b->result->wrong, "%s: %s", line, what);
    return false;
}

/* ---- operands -------------------------------------------------------------------------------------------------------- */

/* Whether the operation computes a gradient. One that is its own gradient counts as forward. */
static bool is_backward(op_id op)
{
    return op_forward(op) != OP_COUNT;
}

/* Shapes that follow from others. A product has scalars only for dropout. */
static void complete_shapes(bench *b)
{
    op_call *c = &b->call;
    if (c->op == OP_MATMUL && c->attr.dropout > 0) c->in[MATMUL_SCALARS] = optest_scalars;
    op_complete(c);
}

/* Makes the activations fp16. A product's y stays fp32 in half of the rows that allow it. */
static void halve(bench *b)
{
    op_call *c = &b->call;
    for (int i = 0; i < OP_MAX_IN; i++)
        if (op_is_act(c->op, false, i) && c->in[i].rows) c->in[i].type = DTYPE_F16;
    for (int i = 0; i < OP_MAX_OUT; i++)
        if (op_is_act(c->op, true, i) && c->out[i].rows) c->out[i].type = DTYPE_F16;
    if (c->op == OP_MATMUL && !c->in[MATMUL_RESIDUAL].rows && !c->in[MATMUL_GELU_PRE].rows && !c->out[MATMUL_PRE].rows)
        c->out[MATMUL_Y].type = b->row->seed % 2 ? DTYPE_F16 : DTYPE_F32;
}

/* Gives weights and tables, or keys and values, the row's types. */
static void narrow(bench *b)
{
    for (int i = 0; i < OP_SLOTS; i++) {
        const slot_type type = op_slot_at(b->call.op, i)->type;
        op_view *v = op_view_at(&b->call, i);
        if (v->rows && (type == SLOT_WEIGHT || type == SLOT_TABLE)) v->type = b->row->weight;
        if (v->rows && type == SLOT_CACHE) v->type = b->row->cache;
    }
}

static operand *add_operand(bench *b, role use, op_view *view)
{
    operand *o = &b->operands[b->operand_count++];
    *o = (operand){
        .role = use, .views = {view}, .view_count = 1, .type = view->type, .count = (uint64_t)view->rows * view->cols};
    return o;
}

static void also(operand *o, op_view *view)
{
    view->rows = o->views[0]->rows;
    view->cols = o->views[0]->cols;
    view->type = o->type;
    o->views[o->view_count++] = view;
}

operand *optest_find(bench *b, const op_view *view)
{
    for (int i = 0; i < b->operand_count; i++)
        for (int k = 0; k < b->operands[i].view_count; k++)
            if (b->operands[i].views[k] == view) return &b->operands[i];
    return NULL;
}

/* LM_LOSS_BWD reads and overwrites the scratch in which LM_LOSS left the logits. */
static bool collect_loss_logits(bench *b, const pm_caps *caps)
{
    op_call *c = &b->call, *f = &b->before;
    static const int from[] = {LM_LOSS_BWD_H, LM_LOSS_BWD_TABLE, LM_LOSS_BWD_TARGETS};
    static const int to[] = {LM_LOSS_H, LM_LOSS_TABLE, LM_LOSS_TARGETS};
    op_view *logits = &c->in[LM_LOSS_BWD_LOGITS];
    f->op = OP_LM_LOSS;
    for (int i = 0; i < 3; i++) {
        f->in[to[i]] = c->in[from[i]];
        also(optest_find(b, &c->in[from[i]]), &f->in[to[i]]);
    }
    f->out[LM_LOSS_ROWS] = c->in[LM_LOSS_BWD_ROWS];
    f->out[LM_LOSS_RESULT] = c->in[LM_LOSS_BWD_RESULT];
    uint64_t words = op_scratch_words(caps, f);
    if (words == 0 || words > UINT32_MAX) return complain(b, "%llu words of logits", (unsigned long long)words);
    *logits = (op_view){.rows = 1, .cols = (uint32_t)words};
    also(add_operand(b, SCRATCH, logits), &f->out[LM_LOSS_LOGITS]);
    add_operand(b, SCRATCH, &f->out[LM_LOSS_ROWS]);
    add_operand(b, SCRATCH, &f->out[LM_LOSS_RESULT]);
    return true;
}

static bool collect(bench *b)
{
    op_call *c = &b->call;
    const pm_caps *caps = pm_device_caps(b->device);
    for (int i = 0; i < OP_MAX_IN; i++) {
        if (c->op == OP_ATTENTION && (i == ATTENTION_K || i == ATTENTION_V) && !c->in[i].rows &&
            !c->out[ATTENTION_CACHE].rows)
            also(optest_find(b, &c->in[i - 1]), &c->in[i]);
        else if (c->in[i].rows)
            add_operand(b, INPUT, &c->in[i]);
    }
    for (int i = 0; i < OP_MAX_OUT; i++)
        if (c->out[i].rows) add_operand(b, OUTPUT, &c->out[i]);
    if (c->op == OP_LM_LOSS_BWD) return collect_loss_logits(b, caps);
    const int slot = op_slot_of(c->op, SLOT_SCRATCH) - OP_MAX_IN;
    const uint64_t words = op_scratch_words(caps, c);
    if (words > 0) {
        if (slot < 0 || words > UINT32_MAX) return complain(b, "%llu words of scratch", (unsigned long long)words);
        c->out[slot] = (op_view){.rows = 1, .cols = (uint32_t)words};
        add_operand(b, SCRATCH, &c->out[slot]);
    }
    return true;
}

/* Whether the host writes the operand: integers and the scalars. */
static bool is_host(const bench *b, const operand *o)
{
    for (int i = 0; i < OP_MAX_IN; i++) {
        const slot_type type = op_table[b->call.op].in[i].type;
        if (o->views[0] == &b->call.in[i]) return optest_is_integer(type) || type == SLOT_SCALARS;
    }
    return false;
}

/* Decides the buffer and offset of each operand. */
static bool arrange(bench *b)
{
    uint32_t mode = b->row->seed % 3, odd = b->row->seed / 3 % 2;
    uint64_t total = 0;
    for (int i = 0; i < b->operand_count; i++) total += b->operands[i].count;
    if (total > LARGE) mode = 0;
    for (int i = 0; i < b->operand_count; i++) {
        operand *o = &b->operands[i];
        o->buffer = mode == 0 ? i : mode == 1 ? 0 : o->role != INPUT;
        place *p = &b->places[o->buffer];
        if (o->buffer >= b->place_count) b->place_count = o->buffer + 1;
        uint64_t at = p->words + GUARD_WORDS;
        at = (at + 63) / 64 * 64;
        if (odd) at += 1 + (uint64_t)(7 * i + b->row->seed) % 63;
        o->offset = at;
        p->words = at + operand_words(o) + GUARD_WORDS;
        p->lifetime = is_host(b, o) && mode == 0 ? GPU_SHARED : GPU_WORKSPACE;
    }
    for (int i = 0; i < b->place_count; i++) {
        place *p = &b->places[i];
        if (!(p->image = malloc(p->words * 4))) return complain(b, "out of memory");
        for (uint64_t k = 0; k < p->words; k++) p->image[k] = guard(i, k);
    }
    for (int i = 0; i < b->operand_count; i++) {
        operand *o = &b->operands[i];
        o->image = b->places[o->buffer].image + o->offset;
        for (uint64_t k = 0; k < operand_words(o) && o->role != INPUT; k++)
            o->image[k] = o->type == DTYPE_F16 ? POISON_HALVES : POISON;
        if (o->role == SCRATCH) continue;
        if (!(o->twin = malloc(o->count * sizeof(double)))) return complain(b, "out of memory");
        for (int k = 0; k < o->view_count; k++) o->views[k]->data = o->twin;
    }
    return true;
}

/* ---- the run -------------------------------------------------------------------------------------------------------- */

/* The choices for which the row's variant is chosen: wherever it is possible, and what such a choice counts within. */
static uint32_t choose_variant(const bench *b, op_choice choices[OP_MOST_CHOICES], uint32_t values[OP_MOST_CHOICES])
{
    const uint32_t count = op_choices(pm_device_caps(b->device), &b->call, choices);
    for (uint32_t i = 0; i < count; i++) values[i] = gpu_chosen(b->program, choices[i].key);
    for (uint32_t i = 0; i < count; i++) {
        if (!(choices[i].possible >> b->row->variant & 1)) continue;
        values[i] = b->row->variant;
        if (choices[i].within >= 0) values[choices[i].within] = choices[i].by;
    }
    return count;
}

/* Records the call with the row's variant, as if autotuning had chosen it, and restores the choices afterwards. */
static pm_status record_variant(bench *b)
{
    op_choice choices[OP_MOST_CHOICES];
    uint32_t before[OP_MOST_CHOICES], values[OP_MOST_CHOICES];
    const uint32_t count = choose_variant(b, choices, values);
    pm_status status = PM_OK, restored = PM_OK;
    for (uint32_t i = 0; i < count && status == PM_OK; i++) {
        before[i] = gpu_chosen(b->program, choices[i].key);
        status = gpu_choice_set(b->device, choices[i].key, values[i]);
    }
    if (status != PM_OK) return status;
    op_record(b->program, &b->call);
    for (uint32_t i = 0; i < count && restored == PM_OK; i++)
        restored = gpu_choice_set(b->device, choices[i].key, before[i]);
    return restored;
}

/* Buffers, and the program, recorded. */
static bool record(bench *b)
{
    for (int i = 0; i < b->place_count; i++) {
        place *p = &b->places[i];
        pm_status status = gpu_buffer_create(b->device, p->lifetime, p->words * 4, "optest", &p->buffer);
        b->result->no_memory = status == PM_NO_DEVICE_MEMORY || status == PM_NO_HOST_MEMORY;
        if (status != PM_OK) return complain(b, "no buffer of %llu bytes", (unsigned long long)p->words * 4);
    }
    for (int i = 0; i < b->operand_count; i++) {
        operand *o = &b->operands[i];
        for (int k = 0; k < o->view_count; k++)
            o->views[k]->span = (gpu_span){b->places[o->buffer].buffer, o->offset * 4, operand_words(o) * 4};
    }
    const char *wrong = op_check(&b->call);
    if (wrong) return complain(b, "op_check: %s", wrong);
    if (gpu_program_create(b->device, op_name(b->call.op), &b->program) != PM_OK) return complain(b, "no program");
    if (b->call.op == OP_LM_LOSS_BWD) op_record(b->program, &b->before);
    pm_status status = PM_OK;
    if (b->row->variant)
        status = record_variant(b);
    else
        op_record(b->program, &b->call);
    b->result->kernel_count = gpu_program_kernels(b->program, b->result->kernels, OPTEST_KERNELS);
    if (b->result->kernel_count > OPTEST_KERNELS) b->result->kernel_count = OPTEST_KERNELS;
    return status == PM_OK || complain(b, "recording: %s", pm_status_text(status));
}

static bool finish(bench *b)
{
    const pm_status status = gpu_program_finish(b->program);
    return status == PM_OK || complain(b, "recording: %s", pm_status_text(status));
}

/* Upload everything, run, download everything. */
static bool run_once(bench *b, bool again)
{
    pm_status status = PM_OK;
    for (int i = 0; i < b->place_count && status == PM_OK; i++)
        status = gpu_write(gpu_span_of(b->places[i].buffer), b->places[i].image);
    if (status == PM_OK) status = gpu_submit(b->program);
    if (status == PM_OK) status = gpu_wait(b->device);
    for (int i = 0; i < b->place_count && status == PM_OK; i++) {
        place *p = &b->places[i];
        uint32_t **to = again ? &p->again : &p->got;
        if (!(*to = malloc(p->words * 4))) return complain(b, "out of memory");
        status = gpu_read(gpu_span_of(p->buffer), *to);
    }
    return status == PM_OK || complain(b, "running: %s", pm_status_text(status));
}

/* ---- the comparison ------------------------------------------------------------------------------------------------- */

static float got_float(const bench *b, const operand *o, uint64_t i)
{
    const uint32_t *words = b->places[o->buffer].got + o->offset;
    float value;
    uint16_t half;
    if (o->type == DTYPE_F16) {
        memcpy(&half, (const uint16_t *)words + i, 2);
        return half_to_float(half);
    }
    memcpy(&value, words + i, 4);
    return value;
}

/* Compares every step-th element from `first` on. If all expected values are 0, all results must be 0. */
static bool compare(const bench *b, const operand *o, uint64_t first, uint64_t step, const char *what)
{
    bool logits = b->row->type == DTYPE_F16 && (b->call.op == OP_LM_LOSS || b->call.op == OP_LM_LOSS_BWD);
    double bound = is_backward(b->call.op) ? OPTEST_BACKWARD : OPTEST_FORWARD, error = 0, norm = 0;
    /* A new key and value count as they are kept, rounded as the driver rounds, or as they are. */
    const bool appended = b->row->cache == DTYPE_F16 && b->call.out[ATTENTION_CACHE].rows && b->call.op == OP_ATTENTION;
    if (o->type == DTYPE_F16 || logits || appended) bound = logits ? OPTEST_HALF_LOGITS : OPTEST_HALF;
    for (uint64_t i = first; i < o->count; i += step) {
        double got = got_float(b, o, i), want = ((double *)o->twin)[i];
        if (!isfinite(got))
            return complain(b, "%s: element %llu is %g instead of %g", what, (unsigned long long)i, got, want);
        error += (got - want) * (got - want);
        norm += want * want;
    }
    double nmse = error / fmax(norm, 1e-300);
    return nmse <= bound || complain(b, "%s: NMSE %.3g, at most %.0e is right", what, nmse, bound);
}

/* Compares the total of the parts, and checks that nothing else changed. The twin's total is its first part. */
static bool compare_sumsq(const bench *b, const operand *o)
{
    uint64_t first = b->call.attr.part, words = (uint64_t)b->call.in[0].rows * b->call.in[0].cols;
    uint64_t end = first + op_sumsq_parts(pm_device_caps(b->device), words);
    double got = 0, want = ((double *)o->twin)[first];
    for (uint64_t i = 0; i < o->count; i++) {
        if (i >= first && i < end)
            got += got_float(b, o, i);
        else if (b->places[o->buffer].got[o->offset + i] != o->image[i])
            return complain(b, "partial sum %llu is not this call's and changed", (unsigned long long)i);
    }
    double relative = fabs(got - want) / fmax(want, 1e-300);
    return relative * relative <= OPTEST_FORWARD || complain(b, "total %.9g instead of %.9g", got, want);
}

static bool compare_output(const bench *b, const operand *o, int slot)
{
    const op_slot *s = &op_table[b->call.op].out[slot];
    const uint32_t columns = s->flags & SLOT_APART ? o->views[0]->cols : 1;
    bool ok = true;
    if (b->call.op == OP_SUMSQ) return compare_sumsq(b, o);
    for (uint32_t c = 0; c < columns && ok; c++) ok = compare(b, o, c, columns, s->name);
    return ok;
}

/* Every word outside the outputs and the scratch must be as it was uploaded. Overwrites `got` there. */
static bool check_untouched(bench *b)
{
    for (int i = 0; i < b->operand_count; i++) {
        operand *o = &b->operands[i];
        if (o->role != INPUT) memcpy(b->places[o->buffer].got + o->offset, o->image, operand_words(o) * 4);
    }
    for (int i = 0; i < b->place_count; i++) {
        place *p = &b->places[i];
        if (memcmp(p->got, p->image, p->words * 4) == 0) continue;
        uint64_t at = 0;
        while (p->got[at] == p->image[at]) at++;
        for (int k = 0; k < b->operand_count; k++) {
            const operand *o = &b->operands[k];
            if (o->buffer != i || at >= o->offset + operand_words(o) + GUARD_WORDS) continue;
            long long within = (long long)at - (long long)o->offset;
            return complain(b, "word %lld of operand %d (%s, %llu words) was written", within, k,
                            o->role == INPUT    ? "input"
                            : o->role == OUTPUT ? "output"
                                                : "scratch",
                            (unsigned long long)operand_words(o));
        }
        return complain(b, "word %llu of buffer %d was written", (unsigned long long)at, i);
    }
    return true;
}

static bool check_repeats(const bench *b)
{
    for (int i = 0; i < b->operand_count; i++) {
        const operand *o = &b->operands[i];
        const place *p = &b->places[o->buffer];
        if (o->role == OUTPUT && memcmp(p->got + o->offset, p->again + o->offset, operand_words(o) * 4) != 0)
            return complain(b, "a second run gives other bits");
    }
    return true;
}

static void clean(bench *b)
{
    gpu_program_destroy(&b->program);
    for (int i = 0; i < b->operand_count; i++) free(b->operands[i].twin);
    for (int i = 0; i < b->place_count; i++) {
        gpu_buffer_destroy(&b->places[i].buffer);
        free(b->places[i].image);
        free(b->places[i].got);
        free(b->places[i].again);
    }
}

bool optest_applies(const pm_caps *caps, const optest_row *row)
{
    const op_call *call = &row->call;
    if ((row->type == DTYPE_F16 || row->cache == DTYPE_F16 || call->op == OP_CAST) && !caps->storage16) return false;
    if (call->op != OP_MATMUL || caps->fused) return true;
    return !call->attr.gelu && call->attr.dropout <= 0 && !call->in[MATMUL_RESIDUAL].rows &&
           !call->in[MATMUL_GELU_PRE].rows && !call->in[MATMUL_GAIN].rows && !call->out[MATMUL_PRE].rows;
}

/* The run beside the twin's, and what they differ in. */
static bool run_and_compare(bench *b)
{
    optest_fill(b);
    ref_run(&b->call);
    bool ok = finish(b) && run_once(b, false);
    uint64_t total = 0;
    for (int i = 0; i < b->operand_count; i++) total += b->operands[i].count;
    if (ok && total <= LARGE) ok = run_once(b, true) && check_repeats(b);
    for (int i = 0; i < OP_MAX_OUT && ok; i++) {
        operand *o = b->call.out[i].rows ? optest_find(b, &b->call.out[i]) : NULL;
        if (o && o->role == OUTPUT) ok = compare_output(b, o, i);
    }
    return ok && check_untouched(b);
}

bool optest_run(pm_device *device, const optest_row *row, optest_seen *seen, optest_result *result)
{
    bench *b = calloc(1, sizeof *b);
    *result = (optest_result){.no_memory = !b};
    snprintf(result->wrong, sizeof result->wrong, "%s", b ? "" : "no memory");
    if (!b) return false;
    b->device = device;
    b->row = row;
    b->result = result;
    b->call = row->call;
    complete_shapes(b);
    if (row->type == DTYPE_F16 || row->call.op == OP_CAST) halve(b);
    if (row->weight != DTYPE_F32 || row->cache != DTYPE_F32) narrow(b);
    bool ok = collect(b) && arrange(b) && record(b);
    result->repeated = ok && seen && optest_seen_program(seen, row, b->program);
    result->covered = ok && seen && !result->repeated && optest_seen_kernels(seen, b->program);
    if (ok && !result->repeated && !result->covered) ok = run_and_compare(b);
    clean(b);
    free(b);
    return ok;
}
