/* The op harness: rows, one operation at a time. */
#include "check/optest_build.h"

#include <stdio.h>

#include "base/number.h"

optest_row *row_add(optest_table *t, op_id op)
{
    if (t->count[t->adding] == OPTEST_MOST_ROWS) t->count[t->adding]--; /* too many: test_ops tells */
    optest_row *row = &t->rows[t->adding][t->count[t->adding]];
    row->call.op = op;
    row->seed = (uint32_t)t->count[t->adding]++;
    return row;
}

optest_row *row_last(optest_table *t)
{
    return &t->rows[t->adding][t->count[t->adding] - 1];
}

void row_embed(optest_table *t, uint32_t sequences, uint32_t time, uint32_t c, uint32_t vocab, uint32_t positions,
               uint32_t pos)
{
    optest_row *row = row_add(t, OP_EMBED);
    row->call.attr.time = time;
    row->pos = pos;
    row->call.in[0] = v(sequences * time, 1);
    row->call.in[1] = v(vocab, c);
    row->call.in[2] = v(positions, c);
    row->call.out[0] = v(sequences * time, c);
}

void row_embed_bwd(optest_table *t, uint32_t n, uint32_t c, uint32_t vocab, bool accumulate)
{
    optest_row *row = row_add(t, OP_EMBED_BWD_TOKEN);
    row->call.attr.accumulate = accumulate;
    row->call.in[0] = v(n, c);
    row->call.in[1] = v(n, 1);
    row->call.out[0] = v(vocab, c);
}

void row_layernorm(optest_table *t, uint32_t n, uint32_t c, bool flag)
{
    optest_row *row = row_add(t, OP_LAYERNORM);
    row->call.attr.eps = 1e-5f;
    row->call.in[0] = row->call.out[0] = v(n, c);
    row->call.in[1] = row->call.in[2] = v(1, c);
    row = row_add(t, OP_LAYERNORM_BWD);
    row->call.attr.eps = 1e-5f;
    row->call.in[0] = row->call.in[1] = row->call.out[0] = v(n, c);
    row->call.in[3] = v(1, c);
    if (flag) row->call.in[4] = v(n, c);
    row = row_add(t, OP_LAYERNORM_BWD_PARAMS);
    row->call.attr.eps = 1e-5f;
    row->call.attr.accumulate = flag;
    row->call.in[0] = row->call.in[1] = v(n, c);
    row->call.out[0] = row->call.out[1] = v(1, c);
}

void row_matmul(optest_table *t, uint32_t m, uint32_t n, uint32_t k, uint32_t trans, const char *epilogue)
{
    optest_row *row = row_add(t, OP_MATMUL);
    op_call *c = &row->call;
    c->attr.trans_a = trans & 1;
    c->attr.trans_b = trans >> 1;
    c->in[MATMUL_A] = c->attr.trans_a ? v(k, m) : v(m, k);
    c->in[MATMUL_B] = c->attr.trans_b ? v(n, k) : v(k, n);
    c->out[0] = v(m, n);
    for (const char *e = epilogue; *e; e++) switch (*e) {
        case 'b': c->in[MATMUL_BIAS] = v(1, n); break;
        case 'p': c->out[1] = v(m, n); break;
        case 'g': c->attr.gelu = true; break;
        case 'd':
            c->attr.dropout = 0.3f;
            c->attr.stream = 9;
            break;
        case 'r': c->in[MATMUL_RESIDUAL] = v(m, n); break;
        case 's': c->in[MATMUL_GELU_PRE] = v(m, n); break;
        case 'a': c->attr.accumulate = true; break;
        case 'n':
            c->attr.eps = 1e-5f;
            c->in[MATMUL_GAIN] = c->in[MATMUL_SHIFT] = v(1, k);
            break;
        case 'm':
            c->attr.eps = 0.1f;
            c->attr.plus = k % 8 ? 1 : 0;
            c->in[MATMUL_GAIN] = v(1, k);
            break;
        default: break;
        }
}

void row_flat(optest_table *t, op_id op, uint32_t n, uint32_t c)
{
    optest_row *row = row_add(t, op);
    row->call.in[0] = row->call.out[0] = v(n, c);
    if (op == OP_GELU_BWD || op == OP_ADD) row->call.in[1] = v(n, c);
    if (op == OP_DROPOUT) {
        row->call.attr.dropout = c % 2 ? 0.1f : 0.5f;
        row->call.attr.stream = n;
    }
}

void row_colsum(optest_table *t, uint32_t n, uint32_t c, bool accumulate)
{
    optest_row *row = row_add(t, OP_COLSUM);
    row->call.attr.accumulate = accumulate;
    row->call.in[0] = v(n, c);
    row->call.out[0] = v(1, c);
}

void row_attention(optest_table *t, uint32_t sequences, uint32_t time, uint32_t heads, uint32_t size, float dropout)
{
    uint32_t n = sequences * time, c = heads * size;
    op_attr attr = {
        .heads = heads, .time = time, .off_k = c, .off_v = 2 * c, .dropout = dropout, .stream = time + size};
    optest_row *row = row_add(t, OP_ATTENTION);
    row->call.attr = attr;
    row->call.in[0] = v(n, 3 * c);
    row->call.out[0] = v(n, c);
    row = row_add(t, OP_ATTENTION_BWD);
    row->call.attr = attr;
    row->call.in[0] = row->call.out[0] = v(n, 3 * c);
    row->call.in[1] = row->call.in[3] = v(n, c);
}

void row_cached(optest_table *t, uint32_t sequences, uint32_t time, uint32_t pos, uint32_t room, uint32_t heads,
                uint32_t size)
{
    uint32_t c = heads * size;
    optest_row *row = row_add(t, OP_ATTENTION);
    row->call.attr = (op_attr){.heads = heads, .time = time, .off_v = c};
    row->pos = pos;
    row->call.in[0] = v(sequences * time, 3 * c);
    row->call.in[1] = v(sequences * room, 2 * c);
    row->call.out[0] = v(sequences * time, c);
}

void row_appended(optest_table *t, uint32_t pos, uint32_t room, uint32_t heads, uint32_t size)
{
    uint32_t c = heads * size;
    optest_row *row = row_add(t, OP_ATTENTION);
    row->call.attr = (op_attr){.heads = heads, .time = 1, .off_v = c};
    row->pos = pos;
    row->call.in[0] = v(1, 3 * c);
    row->call.out[0] = v(1, c);
    row->call.out[ATTENTION_CACHE] = v(room, 2 * c);
}

void row_kv_append(optest_table *t, uint32_t n, uint32_t c, uint32_t pos, uint32_t room)
{
    optest_row *row = row_add(t, OP_KV_APPEND);
    row->pos = pos;
    row->call.in[0] = v(n, 3 * c);
    row->call.out[0] = v(room, 2 * c);
}

void row_loss(optest_table *t, uint32_t n, uint32_t c, uint32_t vocab, uint32_t ignored, bool accumulate, bool weighted)
{
    optest_row *row = row_add(t, OP_LM_LOSS);
    row->ignored = ignored;
    row->call.in[0] = v(n, c);
    row->call.in[1] = v(vocab, c);
    row->call.in[2] = v(n, 1);
    if (weighted) row->call.in[LM_LOSS_WEIGHTS] = v(n, 1);
    if (vocab == 1) return; /* its gradient is nothing but rounding */
    row = row_add(t, OP_LM_LOSS_BWD);
    row->ignored = ignored;
    row->call.attr = (op_attr){.accumulate = accumulate, .scale = weighted ? 0.5f : 1.0f};
    row->call.in[0] = row->call.out[0] = v(n, c);
    row->call.in[1] = row->call.out[1] = v(vocab, c);
    row->call.in[2] = v(n, 1);
    if (weighted) row->call.in[LM_LOSS_BWD_WEIGHTS] = v(n, 1);
}

void row_gather(optest_table *t, uint32_t count, uint32_t examples, uint32_t group, uint32_t c)
{
    optest_row *row = row_add(t, OP_GATHER);
    row->call.attr.group = group;
    row->call.in[0] = v(count, c);
    row->call.in[1] = v(examples * group, 1);
    row->call.out[0] = v(examples, c);
    for (int sum = 0; sum < 2; sum++) {
        row = row_add(t, OP_GATHER_BWD);
        row->call.attr.group = group;
        row->call.in[0] = v(examples, c);
        row->call.in[1] = v(examples * group, 1);
        if (sum) row->call.in[2] = v(count, c);
        row->call.out[0] = v(count, c);
    }
}

void row_label_loss(optest_table *t, uint32_t examples, uint32_t classes, bool column, uint32_t ignored)
{
    op_view logits = column ? v(examples * classes, 1) : v(examples, classes);
    optest_row *row = row_add(t, OP_LABEL_LOSS);
    row->ignored = ignored;
    row->call.in[0] = logits;
    row->call.in[1] = v(examples, 2);
    if (classes == 1) return; /* no gradient but rounding */
    row = row_add(t, OP_LABEL_LOSS_BWD);
    row->ignored = ignored;
    row->call.attr.scale = 0.75f;
    row->call.in[0] = row->call.out[0] = logits;
    row->call.in[1] = v(examples, 2);
}

void row_score_loss(optest_table *t, uint32_t examples, uint32_t ignored)
{
    optest_row *row = row_add(t, OP_SCORE_LOSS);
    row->ignored = ignored;
    row->call.in[0] = v(examples, 1);
    row->call.in[1] = v(examples, 2);
    row = row_add(t, OP_SCORE_LOSS_BWD);
    row->ignored = ignored;
    row->call.attr.scale = 1.5f;
    row->call.in[0] = row->call.out[0] = v(examples, 1);
    row->call.in[1] = v(examples, 2);
}

void row_sumsq(optest_table *t, uint32_t n, uint32_t c, uint32_t part, uint32_t parts)
{
    optest_row *row = row_add(t, OP_SUMSQ);
    row->call.attr.part = part;
    row->call.in[0] = v(n, c);
    row->call.out[0] = v(1, parts);
}

void row_adamw(optest_table *t, uint32_t n, uint32_t c, uint64_t decayed, float weight_decay)
{
    optest_row *row = row_add(t, OP_ADAMW);
    row->call.attr =
        (op_attr){.beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-2f, .weight_decay = weight_decay, .decayed = decayed};
    row->call.in[0] = row->call.out[0] = row->call.out[1] = row->call.out[2] = v(n, c);
}

/* ---- a row in words ------------------------------------------------------------------------------------------------ */

static size_t add_shapes(char *line, size_t size, const op_view *views, int count)
{
    size_t used = 0;
    while (count > 0 && !views[count - 1].rows) count--;
    for (int i = 0; i < count && used < size; i++)
        used += (size_t)(views[i].rows ? snprintf(line + used, size - used, " %ux%u", views[i].rows, views[i].cols)
                                       : snprintf(line + used, size - used, " -"));
    return used < size ? used : size - 1;
}

void optest_describe(const optest_row *row, char *line, size_t size)
{
    const op_attr *a = &row->call.attr;
    size_t used = (size_t)snprintf(line, size, "%s in", op_name(row->call.op));
    used += add_shapes(line + used, size - used, row->call.in, OP_MAX_IN);
    used += (size_t)snprintf(line + used, size - used, " out");
    used += add_shapes(line + used, size - used, row->call.out, OP_MAX_OUT);
    if (a->time || a->heads) used += (size_t)snprintf(line + used, size - used, ", T %u H %u", a->time, a->heads);
    if (a->head || a->kv_heads)
        used += (size_t)snprintf(line + used, size - used, " K %u D %u R %u", a->kv_heads, a->head, a->rotary);
    if (a->window) used += (size_t)snprintf(line + used, size - used, " W %u", a->window);
    if (row->weight != DTYPE_F32)
        used += (size_t)snprintf(line + used, size - used, ", %s weights", dtype_name(row->weight));
    if (row->cache != DTYPE_F32)
        used += (size_t)snprintf(line + used, size - used, ", %s keys and values", dtype_name(row->cache));
    number_print(line + used, size - used, ", pos %u%s%s%s%s, dropout %g, seed %u", row->pos, a->trans_a ? ", A^T" : "",
                 a->trans_b ? ", B^T" : "", a->gelu ? ", gelu" : "", a->accumulate ? ", accumulate" : "",
                 (double)a->dropout, row->seed);
}
