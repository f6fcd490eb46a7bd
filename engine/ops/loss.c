/* The language model's loss: logits in tiles of the vocabulary, so that neither they nor the table need fit one operand. */
#include "ops/record.h"

/* The most bytes of logits in a tile: a compromise between scratch memory and the number of passes. It depends on the GPU's whole memory, not
 * on the free part, because the tiles influence the last bits. */
static uint64_t tile_bytes(const pm_caps *caps)
{
    const uint64_t least = 64 << 20, share = caps->serial ? 0 : caps->device_memory / 40;
    return share > least ? share : least;
}

enum { TILE_COLUMNS = 128 }; /* a tile's columns are a multiple of this, the side of products' large tiles */

/* Elements between rows of the logits: a multiple of 128 bits, in fp16 too, whatever the vocabulary. */
static uint32_t padded(uint32_t cols)
{
    return (cols + 7) / 8 * 8;
}

uint32_t op_lm_tile(const pm_caps *caps, uint32_t rows, uint32_t channels, uint32_t vocab)
{
    uint64_t bytes = tile_bytes(caps), logits = (bytes < caps->max_allocation ? bytes : caps->max_allocation) / 4,
             operand = max_operand(caps);
    uint64_t tile = (logits < operand ? logits : operand) / rows;
    if (tile > operand / channels) tile = operand / channels;
    if (caps->serial && tile > SERIAL_ROUNDS / 2)
        tile = SERIAL_ROUNDS / 2; /* loss.comp has two loops over a row, maximum and sum */
    if (tile < TILE_COLUMNS) tile = TILE_COLUMNS;
    if (tile >= padded(vocab)) return vocab;
    return (uint32_t)((tile < vocab ? tile : vocab) / TILE_COLUMNS * TILE_COLUMNS);
}

uint64_t op_lm_scratch(const pm_caps *caps, uint32_t rows, uint32_t channels, uint32_t vocab)
{
    return (uint64_t)rows * padded(op_lm_tile(caps, rows, channels, vocab));
}

/* One tile: vocabulary [first, first + count). */
typedef struct tile {
    uint32_t first, count, ld;
    op_view table, logits; /* logits: (N, count), rows ld apart */
} tile;

static tile tile_at(const pm_caps *caps, op_view h, op_view table, op_view scratch, uint32_t first)
{
    uint32_t most = op_lm_tile(caps, h.rows, h.cols, table.rows);
    tile t = {.first = first, .count = table.rows - first < most ? table.rows - first : most};
    t.ld = padded(t.count);
    t.table = view_rows(table, first, t.count);
    t.logits = (op_view){.rows = h.rows, .cols = t.count, .type = h.type, .span = scratch.span};
    return t;
}

/* The tile's logits as an operand: all of its rows, padding included. */
static gpu_arg logits_arg(op_view h, const tile *t, gpu_access access)
{
    return (gpu_arg){span_part(t->logits.span, h.type, 0, (uint64_t)h.rows * t->ld), access};
}

static void record_logits(gpu_program *program, op_view h, const tile *t)
{
    op_call logits = {.op = OP_MATMUL, .attr.trans_b = true, .in = {h, t->table}, .out = {t->logits}};
    record_matmul(program, &logits, h.cols, t->table.cols, t->ld);
}

void op_record_lm_loss(gpu_program *program, const op_call *call)
{
    const pm_caps *caps = gpu_program_caps(program);
    op_view h = call->in[0], table = call->in[1], targets = call->in[2];
    op_view state = call->out[0], result = call->out[1], scratch = call->out[2];
    for (uint32_t first = 0; first < table.rows;) {
        tile t = tile_at(caps, h, table, scratch, first);
        record_logits(program, h, &t);
        gpu_arg args[] = {logits_arg(h, &t, GPU_READ), arg_of(targets, GPU_READ),
                          arg_of(state, first ? GPU_READ_WRITE : GPU_WRITE)};
        struct loss_push push = {.rows = h.rows, .ld = t.ld, .first = first, .count = t.count, .is_first = first == 0};
        launch r = LAUNCH(program, ROW_loss_tile, args, push);
        r.types = types_of(h.type);
        r.d.flops = 10.0 * (double)view_count(t.logits);
        r.d.bytes = 2.0 * (double)dtype_bytes(h.type, view_count(t.logits));
        record_rows(&r, KERNEL_WIDTHS(loss_tile), h.rows, t.ld, false);
        first += t.count;
    }
    op_view weights = call->in[LM_LOSS_WEIGHTS];
    gpu_arg args[] = {arg_of(state, GPU_READ), arg_of(targets, GPU_READ), arg_of(result, GPU_WRITE),
                      arg_of(weights, GPU_READ)};
    struct loss_push push = {.rows = h.rows};
    launch r = LAUNCH(program, ROW_loss_sum, args, push);
    uint32_t lanes = lanes_of(caps, h.rows, 64); /* loss.comp sums in blocks of 64 */
    launch_spec(&r, SPEC_REDUCE_LANES, lanes);
    launch_spec(&r, SPEC_LOSS_WEIGHTED, view_present(weights));
    r.d.flops = 3.0 * h.rows;
    r.d.bytes = 20.0 * h.rows;
    record_groups(&r, 1, lanes);
}

void op_record_lm_loss_bwd(gpu_program *program, const op_call *call)
{
    const pm_caps *caps = gpu_program_caps(program);
    op_view h = call->in[0], table = call->in[1], scratch = call->in[5], dh = call->out[0], dtable = call->out[1];
    op_view weights = call->in[LM_LOSS_BWD_WEIGHTS];
    for (uint32_t first = 0; first < table.rows;) {
        tile t = tile_at(caps, h, table, scratch, first);
        if (t.count < table.rows) record_logits(program, h, &t); /* the forward pass left only the last tile */
        gpu_arg args[] = {logits_arg(h, &t, GPU_READ_WRITE), arg_of(call->in[2], GPU_READ),
                          arg_of(call->in[3], GPU_READ),     arg_of(call->in[4], GPU_READ),
                          arg_of(call->in[6], GPU_READ),     arg_of(weights, GPU_READ)};
        struct loss_push push = {
            .rows = h.rows, .ld = t.ld, .first = first, .count = t.count, .scale = call->attr.scale};
        launch r = LAUNCH(program, ROW_loss_bwd, args, push);
        r.types = types_of(h.type);
        launch_spec(&r, SPEC_REDUCE_LANES, 1);
        launch_spec(&r, SPEC_LOSS_WEIGHTED, view_present(weights));
        r.d.flops = 10.0 * (double)view_count(t.logits);
        r.d.bytes = 2.0 * (double)dtype_bytes(h.type, view_count(t.logits));
        uint32_t n = record_width(&r, KERNEL_WIDTHS(loss_bwd), t.ld);
        record_elements(&r, (uint64_t)h.rows * t.ld / n, 1);

        op_call hidden = {.op = OP_MATMUL, .attr.accumulate = first > 0, .in = {t.logits, t.table}, .out = {dh}};
        record_matmul(program, &hidden, t.ld, t.table.cols, dh.cols);
        op_view part = view_rows(dtable, first, t.count);
        op_call gradient = {.op = OP_MATMUL,
                            .attr = {.trans_a = true, .accumulate = call->attr.accumulate},
                            .in = {t.logits, h},
                            .out = {part}};
        record_matmul(program, &gradient, t.ld, h.cols, part.cols);
        first += t.count;
    }
}
