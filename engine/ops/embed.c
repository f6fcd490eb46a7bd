/* Token and position embedding. Where a table is larger than one operand may be, it is handled range by range. */
#include "ops/record.h"

/* The number of table rows that one operand may span. */
static uint32_t table_rows(const pm_caps *caps, op_view table)
{
    uint64_t rows = max_operand(caps) / table.cols;
    return rows < table.rows ? (uint32_t)rows : table.rows;
}

static float scale_of(const op_call *call)
{
    return call->attr.scale == 0 ? 1 : call->attr.scale;
}

void op_record_embed(gpu_program *program, const op_call *call)
{
    op_view table = call->in[1], y = call->out[0];
    uint32_t step = table_rows(gpu_program_caps(program), table);
    for (uint32_t first = 0; first < table.rows; first += step) {
        uint32_t count = table.rows - first < step ? table.rows - first : step;
        gpu_arg args[] = {arg_of(call->in[0], GPU_READ),
                          arg_part(table, (uint64_t)first * table.cols, (uint64_t)count * table.cols, GPU_READ),
                          arg_of(call->in[2], GPU_READ), arg_of(call->in[3], GPU_READ), arg_of(y, GPU_WRITE)};
        struct embed_push push = {.rows = y.rows,
                                  .cols = y.cols,
                                  .time = call->attr.time,
                                  .first = first,
                                  .count = count,
                                  .scale = scale_of(call)};
        launch r = LAUNCH(program, ROW_embed, args, push);
        launch_types(&r, y.type, table.type);
        launch_spec(&r, SPEC_EMBED_POSITIONS, view_present(call->in[EMBED_POSITIONS]));
        r.d.flops = (double)view_count(y);
        r.d.bytes = (double)(8 * view_count(y) + dtype_bytes(table.type, view_count(y)));
        record_elements(&r, view_count(y), 1);
    }
}

void op_record_embed_bwd_token(gpu_program *program, const op_call *call)
{
    op_view dy = call->in[0], tokens = call->in[1], dtable = call->out[0], chain = call->out[1];
    gpu_arg chain_args[] = {arg_of(tokens, GPU_READ), arg_of(chain, GPU_WRITE)};
    struct embed_push chain_push = {.rows = dy.rows};
    launch c = LAUNCH(program, ROW_embed_chain, chain_args, chain_push);
    c.d.flops = (double)dy.rows * dy.rows;
    c.d.bytes = 12.0 * dy.rows;
    record_elements(&c, dy.rows, 1);

    if (!call->attr.accumulate) gpu_record_fill(program, span_of(dtable), 0);
    uint32_t step = table_rows(gpu_program_caps(program), dtable);
    for (uint32_t first = 0; first < dtable.rows; first += step) {
        uint32_t count = dtable.rows - first < step ? dtable.rows - first : step;
        gpu_arg args[] = {
            arg_of(tokens, GPU_READ), arg_of(chain, GPU_READ), arg_of(dy, GPU_READ),
            arg_part(dtable, (uint64_t)first * dtable.cols, (uint64_t)count * dtable.cols, GPU_READ_WRITE)};
        struct embed_push push = {
            .rows = dy.rows, .cols = dy.cols, .first = first, .count = count, .scale = scale_of(call)};
        launch r = LAUNCH(program, ROW_embed_token, args, push);
        r.types = types_of(dy.type);
        r.d.flops = (double)view_count(dy);
        r.d.bytes = 12.0 * (double)view_count(dy);
        record_elements(&r, view_count(dy), 1);
    }
}

void op_record_embed_bwd_position(gpu_program *program, const op_call *call)
{
    op_view dy = call->in[0], dtable = call->out[0];
    bool accumulate = call->attr.accumulate;
    gpu_arg args[] = {arg_of(dy, GPU_READ), arg_of(dtable, accumulate ? GPU_READ_WRITE : GPU_WRITE)};
    struct embed_push push = {.rows = dy.rows, .cols = dy.cols, .time = call->attr.time, .table_rows = dtable.rows};
    launch r = LAUNCH(program, ROW_embed_position, args, push);
    r.types = types_of(dy.type);
    launch_spec(&r, SPEC_ACCUMULATE, accumulate);
    r.d.flops = (double)view_count(dy);
    r.d.bytes = 4.0 * (double)(view_count(dy) + view_count(dtable));
    record_elements(&r, view_count(dtable), 1);
}
