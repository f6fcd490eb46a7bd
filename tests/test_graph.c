/* The graph without a device: gradient, fusion and the memory plan, on GPT graphs and on random ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "helper_log.h"
#include "model/gpt.h"
#include "push.h"

static const pm_caps plain = {
    .max_buffer_range = 128 << 20, .max_allocation = 1u << 30, .max_workgroup_size = 128, .subgroup_size = 8};

static pm_log quiet;

static graph gpt_with(bool untied, pm_arch arch, const pm_caps *caps, float dropout, bool gradient, bool fuse)
{
    graph g;
    pm_gpt_config c = {.arch = arch,
                       .vocab = 65,
                       .ctx = 16,
                       .embd = 32,
                       .heads = 2,
                       .layers = 3,
                       .inner = 128,
                       .eps = 1e-5f,
                       .untied = untied};
    gpt_shape s = {.batch = 2, .time = 16, .dropout_embd = dropout, .dropout_attn = dropout, .dropout_resid = dropout};
    tensor_id scalars;
    assert_int_equal(graph_init(&g, &quiet, caps), PM_OK);
    const pm_gpt_config filled = gpt_config_filled(&c);
    gpt_build(&g, &filled, &s, NULL, NULL, &scalars);
    if (gradient) graph_gradient(&g, scalars);
    if (fuse) graph_fuse(&g);
    assert_int_equal(graph_status(&g), PM_OK);
    return g;
}

static graph gpt(pm_arch arch, const pm_caps *caps, float dropout, bool gradient, bool fuse)
{
    return gpt_with(false, arch, caps, dropout, gradient, fuse);
}

static uint32_t count(const graph *g, op_id op)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->node_count; i++) n += g->nodes[i].op == op;
    return n;
}

/* Every value that a node reads was written by an earlier node, unless it is an input or a parameter. */
static void check_order(const graph *g)
{
    char *written = calloc(g->tensor_count, 1);
    assert_non_null(written);
    for (uint32_t i = 0; i < g->node_count; i++) {
        for (int k = 0; k < OP_MAX_IN; k++) {
            tensor_id t = g->nodes[i].in[k];
            if (t && g->tensors[t].kind == TENSOR_INTERNAL) assert_true(written[t]);
        }
        for (int k = 0; k < OP_MAX_OUT; k++) written[g->nodes[i].out[k]] = 1;
    }
    free(written);
}

/* Every parameter gets a gradient; its first writer overwrites, the others add. */
static void test_gradient(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        const pm_arch arch = (pm_arch)(i / 2);
        const bool untied = i % 2;
        graph g = gpt_with(untied, arch, &plain, 0.1f, true, false);
        check_order(&g);
        const uint32_t params = 2 + 3 * 12 + (arch == PM_ARCH_GPT2 ? 2 : 0) + untied;
        uint32_t *writers = calloc(params, sizeof *writers);
        for (uint32_t at = 0; at < g.node_count; at++) {
            const node *n = &g.nodes[at];
            for (int k = 0; k < OP_MAX_OUT; k++) {
                const tensor *t = &g.tensors[n->out[k]];
                if (t->kind != TENSOR_GRADIENT) continue;
                assert_int_equal(n->attr.accumulate, writers[t->index] > 0);
                writers[t->index]++;
            }
        }
        for (uint32_t p = 0; p < params; p++) assert_int_equal(writers[p], p == ROLE_TOKENS && !untied ? 2 : 1);
        free(writers);
        graph_fini(&g);
    }
}

/* The nodes that fusion removes, and those that it must leave. */
static void test_fusion(void **state)
{
    (void)state;
    pm_caps fused = plain;
    fused.fused = true;
    for (int arch = 0; arch < 2; arch++) {
        graph before = gpt((pm_arch)arch, &fused, 0.1f, true, false),
              after = gpt((pm_arch)arch, &fused, 0.1f, true, true);
        graph none = gpt((pm_arch)arch, &plain, 0.1f, true, true);
        check_order(&after);
        check_order(&none);
        assert_int_equal(count(&after, OP_MATMUL), count(&before, OP_MATMUL));
        assert_int_equal(count(&before, OP_GELU), 3);
        assert_int_equal(count(&after, OP_GELU), 0);
        assert_int_equal(count(&after, OP_GELU_BWD), 0);
        assert_int_equal(count(&after, OP_ADD), 0);
        /* Left: the embedding's dropout and its gradient, and the gradient of each residual branch. */
        assert_int_equal(count(&before, OP_DROPOUT), 2 * (1 + 6));
        assert_int_equal(count(&after, OP_DROPOUT), 2 + 6);
        assert_int_equal(count(&none, OP_GELU), 3);
        assert_true(graph_flops(&after) <= graph_flops(&before));
        graph_fini(&before);
        graph_fini(&after);
        graph_fini(&none);
    }
}

/* ---- the plan ---- */

typedef struct life {
    uint32_t first, last;
} life;

static void check_plan(const graph *g, const graph_plan *plan, uint64_t max_block)
{
    life *lives = malloc(g->tensor_count * sizeof *lives);
    assert_non_null(lives);
    for (uint32_t t = 0; t < g->tensor_count; t++) lives[t] = (life){UINT32_MAX, 0};
    for (uint32_t i = 0; i < g->node_count; i++)
        for (int k = 0; k < OP_MAX_IN + OP_MAX_OUT; k++) {
            tensor_id t = k < OP_MAX_IN ? g->nodes[i].in[k] : g->nodes[i].out[k - OP_MAX_IN];
            if (lives[t].first == UINT32_MAX) lives[t].first = i;
            lives[t].last = i;
        }
    for (uint32_t a = 1; a < g->tensor_count; a++) {
        const tensor *ta = &g->tensors[a];
        if (ta->kind != TENSOR_INTERNAL || lives[a].first == UINT32_MAX) continue;
        uint64_t begin = plan->offset[a], end = begin + 4ull * ta->rows * ta->cols;
        assert_int_equal(begin % GRAPH_ALIGNMENT, 0);
        assert_true(plan->block[a] < plan->block_count);
        assert_true(end <= plan->block_bytes[plan->block[a]]);
        assert_true(plan->block_bytes[plan->block[a]] <= max_block);
        for (uint32_t b = 1; b < a; b++) {
            const tensor *tb = &g->tensors[b];
            if (tb->kind != TENSOR_INTERNAL || lives[b].first == UINT32_MAX || plan->block[a] != plan->block[b])
                continue;
            bool together = lives[a].first <= lives[b].last && lives[b].first <= lives[a].last;
            bool overlap = begin < plan->offset[b] + 4ull * tb->rows * tb->cols && plan->offset[b] < end;
            assert_false(together && overlap);
        }
    }
    free(lives);
}

static void test_plan_gpt(void **state)
{
    (void)state;
    const uint64_t blocks[] = {1u << 30, 40000, 20000};
    for (int fuse = 0; fuse < 2; fuse++)
        for (size_t i = 0; i < 3; i++) {
            graph g = gpt(PM_ARCH_GPT2, &plain, 0.1f, true, fuse);
            graph_plan plan;
            assert_int_equal(graph_plan_make(&g, blocks[i], &plan), PM_OK);
            check_plan(&g, &plan, blocks[i]);
            if (i > 0) assert_true(plan.block_count > 1);
            graph_plan_fini(&plan);
            graph_fini(&g);
        }
}

/* Without a gradient a forward pass keeps little: far less than the sum of its tensors. */
static void test_plan_reuses(void **state)
{
    (void)state;
    graph g = gpt(PM_ARCH_GPT2, &plain, 0, false, false);
    graph_plan plan;
    uint64_t sum = 0;
    for (uint32_t t = 1; t < g.tensor_count; t++)
        if (g.tensors[t].kind == TENSOR_INTERNAL) sum += 4ull * g.tensors[t].rows * g.tensors[t].cols;
    assert_int_equal(graph_plan_make(&g, 1u << 30, &plan), PM_OK);
    assert_true(plan.total_bytes < sum / 3);
    graph_plan_fini(&plan);
    graph_fini(&g);
}

/* Random graphs of additions, GELUs and products of random width: no two live tensors overlap. */
static void test_plan_random(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 300; seed++) {
        graph g;
        assert_int_equal(graph_init(&g, &quiet, &plain), PM_OK);
        tensor_id made[64] = {graph_tensor(&g, TENSOR_INPUT, 8, 8, 0)};
        uint32_t n = 1, nodes = 5 + seed % 50;
        for (uint32_t i = 0; i < nodes; i++) {
            rng_block r = rng_philox(seed, i, 0, 0, 0);
            tensor_id x = made[r.v[0] % n], y = made[r.v[1] % n];
            if (r.v[2] % 3 == 0 && g.tensors[x].cols == g.tensors[y].cols)
                made[n++] = graph_add(&g, x, y);
            else if (r.v[2] % 3 == 1)
                made[n++] = graph_gelu(&g, x);
            else
                made[n++] = graph_matmul(
                    &g, x, graph_tensor(&g, TENSOR_PARAMETER, g.tensors[x].cols, 1 + r.v[3] % 200, i), 0, false, false);
        }
        graph_plan plan;
        uint64_t max_block = seed % 2 ? 1u << 30 : 8 * 1024;
        assert_int_equal(graph_plan_make(&g, max_block, &plan), PM_OK);
        check_plan(&g, &plan, max_block);
        graph_plan_fini(&plan);
        graph_fini(&g);
    }
}

/* Recomputed values take no room in between, and only the nodes that recompute them appear twice. */
static void test_recompute(void **state)
{
    (void)state;
    enum { LAYERS = 6 };
    const pm_gpt_config c = {
        .arch = PM_ARCH_GPT2, .vocab = 65, .ctx = 64, .embd = 32, .heads = 2, .layers = LAYERS, .inner = 128};
    uint64_t bytes[2];
    uint32_t attentions[2], products[2];
    for (int again = 0; again < 2; again++) {
        const gpt_shape s = {.batch = 4, .time = 64, .dropout_attn = 0.1f, .dropout_resid = 0.1f, .recompute = again};
        graph g;
        graph_plan plan;
        tensor_id scalars;
        assert_int_equal(graph_init(&g, &quiet, &plain), PM_OK);
        const pm_gpt_config filled = gpt_config_filled(&c);
        gpt_build(&g, &filled, &s, NULL, NULL, &scalars);
        graph_gradient(&g, scalars);
        graph_fuse(&g);
        assert_int_equal(graph_status(&g), PM_OK);
        check_order(&g);
        assert_int_equal(graph_plan_make(&g, plain.max_allocation, &plan), PM_OK);
        bytes[again] = plan.total_bytes;
        attentions[again] = count(&g, OP_ATTENTION);
        products[again] = count(&g, OP_MATMUL);
        assert_int_equal(count(&g, OP_ATTENTION_BWD), LAYERS);
        graph_plan_fini(&plan);
        graph_fini(&g);
    }
    assert_int_equal(attentions[0], LAYERS);
    assert_int_equal(attentions[1], 2 * LAYERS - 1);               /* the last one's values are still there */
    assert_int_equal(products[1] - products[0], 3 * (LAYERS - 1)); /* the results of a block's last product are kept */
    assert_true(bytes[1] < bytes[0] / 2);
}

/* One token at a time, on a GPU: five dispatches a layer. On a software driver LayerNorm and the cache's writing stay apart. */
static void test_decode(void **state)
{
    (void)state;
    enum { LAYERS = 2 };
    const pm_gpt_config c = {
        .arch = PM_ARCH_GPT2, .vocab = 64, .ctx = 16, .embd = 32, .heads = 2, .layers = LAYERS, .inner = 128};
    const gpt_shape s = {.mode = GPT_LOGITS, .batch = 1, .time = 1};
    pm_caps caps = plain;
    caps.fused = true;
    caps.max_shared_memory = 16 << 10;
    for (int serial = 0; serial < 2; serial++) {
        graph g;
        tensor_id scalars;
        caps.serial = serial;
        assert_int_equal(graph_init(&g, &quiet, &caps), PM_OK);
        const pm_gpt_config filled = gpt_config_filled(&c);
        gpt_build(&g, &filled, &s, NULL, NULL, &scalars);
        graph_fuse(&g);
        assert_int_equal(graph_status(&g), PM_OK);
        check_order(&g);
        assert_int_equal(count(&g, OP_LAYERNORM), serial ? 2 * LAYERS + 1 : 0);
        assert_int_equal(count(&g, OP_KV_APPEND), serial ? LAYERS : 0);
        assert_int_equal(count(&g, OP_MATMUL), 4 * LAYERS + 1);
        assert_int_equal(count(&g, OP_ATTENTION), LAYERS);
        graph_fini(&g);
    }
}

/* ---- what decoders such as Llama have ---- */

/* A branch: norm, product, norms of heads, rotary positions, gate, product; added to x. */
static tensor_id decoder_branch(graph *g, tensor_id x, tensor_id table, tensor_id scalars, uint32_t first)
{
    const op_attr attr = {.heads = 3, .kv_heads = 1, .head = 8, .rotary = 8, .time = 4, .eps = 1e-6f, .plus = 1};
    const tensor_id gain = graph_tensor(g, TENSOR_PARAMETER, 1, 20, first);
    const tensor_id w = graph_tensor(g, TENSOR_PARAMETER, 40, 20, first + 1);
    const tensor_id q_gain = graph_tensor(g, TENSOR_PARAMETER, 1, 8, first + 2);
    const tensor_id k_gain = graph_tensor(g, TENSOR_PARAMETER, 1, 8, first + 3);
    const tensor_id out = graph_tensor(g, TENSOR_PARAMETER, 20, 20, first + 4);
    tensor_id y = graph_rmsnorm(g, x, gain, attr.eps, attr.plus);
    y = graph_matmul(g, y, w, 0, false, true);
    y = graph_rope(g, graph_head_norm(g, y, q_gain, k_gain, attr), table, scalars, attr);
    y = graph_gate(g, first ? OP_GELU_GATE : OP_SILU_GATE, y);
    return graph_add(g, x, graph_matmul(g, y, out, 0, false, false));
}

enum { DECODER_PARAMETERS = 11 };

static graph decoder(const pm_caps *caps, uint32_t rows, bool gradient)
{
    graph g;
    assert_int_equal(graph_init(&g, &quiet, caps), PM_OK);
    const tensor_id scalars = graph_tensor(&g, TENSOR_INPUT, 1, sizeof(struct step_scalars) / 4, 0);
    const tensor_id tokens = graph_tensor(&g, TENSOR_INPUT, rows, 1, 1);
    const tensor_id table = graph_tensor(&g, TENSOR_INPUT, 16, 8, 2);
    const tensor_id result = graph_tensor(&g, TENSOR_INPUT, 1, 4, 3);
    const tensor_id embedding = graph_tensor(&g, TENSOR_PARAMETER, 33, 20, 10);
    tensor_id x = graph_embed(&g, tokens, embedding, 0, scalars, 4, 0);
    x = decoder_branch(&g, x, table, scalars, 0);
    x = decoder_branch(&g, x, table, scalars, 5);
    graph_lm_loss(&g, x, embedding, tokens, 0, result, 1);
    if (gradient) graph_gradient(&g, scalars);
    graph_fuse(&g);
    assert_int_equal(graph_status(&g), PM_OK);
    check_order(&g);
    return g;
}

/* Each parameter gets a gradient, rotations turn back, and a norm's gradient takes the residual branch's. */
static void test_decoder_gradient(void **state)
{
    (void)state;
    graph g = decoder(&plain, 8, true);
    uint32_t writers[DECODER_PARAMETERS] = {0}, back = 0, sums = 0;
    for (uint32_t i = 0; i < g.node_count; i++) {
        const node *n = &g.nodes[i];
        back += n->op == OP_ROPE && n->attr.inverse && n->direction == PM_DIRECTION_BACKWARD;
        sums += n->op == OP_RMSNORM_BWD && n->in[RMSNORM_BWD_ADD];
        for (int k = 0; k < OP_MAX_OUT; k++)
            if (g.tensors[n->out[k]].kind == TENSOR_GRADIENT) writers[g.tensors[n->out[k]].index]++;
    }
    for (uint32_t p = 0; p < DECODER_PARAMETERS; p++) assert_int_equal(writers[p], p == 10 ? 2 : 1);
    assert_int_equal(back, 2);
    assert_int_equal(sums, 2);
    assert_int_equal(count(&g, OP_ROPE), 4);
    assert_int_equal(count(&g, OP_EMBED_BWD_POSITION), 0);
    graph_fini(&g);
}

/* A product of few rows takes the norm before it, with its factor. */
static void test_decoder_norm(void **state)
{
    (void)state;
    pm_caps caps = plain;
    caps.fused = true;
    caps.max_shared_memory = 16 << 10;
    for (uint32_t rows = 4; rows <= 8; rows += 4) {
        graph g = decoder(&caps, rows, false);
        uint32_t found = 0;
        for (uint32_t i = 0; i < g.node_count; i++) {
            const node *n = &g.nodes[i];
            found += n->in[MATMUL_GAIN] && n->op == OP_MATMUL && !n->in[MATMUL_SHIFT] && n->attr.plus == 1;
        }
        assert_int_equal(found, rows == 4 ? 2 : 0);
        assert_int_equal(count(&g, OP_RMSNORM), rows == 4 ? 0 : 2);
        graph_fini(&g);
    }
}

/* The same of one layer whose query heads share keys, with a window: the cache's writing goes into attention there too. */
static void test_decode_shared_heads(void **state)
{
    (void)state;
    pm_caps caps = plain;
    caps.fused = true;
    for (int serial = 0; serial < 2; serial++) {
        graph g;
        caps.serial = serial;
        assert_int_equal(graph_init(&g, &quiet, &caps), PM_OK);
        const op_attr attr = {.heads = 6, .kv_heads = 2, .head = 8, .time = 1, .window = 5, .scale = 0.5f};
        const tensor_id scalars = graph_tensor(&g, TENSOR_INPUT, 1, sizeof(struct step_scalars) / 4, 0);
        const tensor_id cache = graph_tensor(&g, TENSOR_INPUT, 16, 2 * 2 * 8, 1);
        const tensor_id qkv = graph_tensor(&g, TENSOR_INPUT, 1, (6 + 2 * 2) * 8, 2);
        graph_kv_append(&g, qkv, cache, scalars, &attr);
        const tensor_id y = graph_attention(&g, qkv, cache, scalars, &attr);
        graph_fuse(&g);
        assert_int_equal(graph_status(&g), PM_OK);
        assert_int_equal(g.tensors[y].cols, 48);
        assert_int_equal(count(&g, OP_KV_APPEND), serial ? 1 : 0);
        const node *n = &g.nodes[g.node_count - 1];
        assert_int_equal(n->op, OP_ATTENTION);
        assert_int_equal(n->attr.off_k, 0);
        assert_int_equal(n->attr.off_v, 16);
        assert_int_equal(n->attr.window, 5);
        assert_int_equal(n->out[ATTENTION_CACHE], serial ? 0 : cache);
        op_call call = graph_call(&g, n);
        assert_null(op_check(&call));
        graph_fini(&g);
    }
}

/* A tensor that no allocation can hold is refused before anything is allocated. */
static void test_plan_too_large(void **state)
{
    (void)state;
    graph g = gpt(PM_ARCH_GPT2, &plain, 0, true, true);
    graph_plan plan;
    pm_log log = test_log();
    test_log_reset();
    g.log = &log;
    assert_int_equal(graph_plan_make(&g, 1000, &plan), PM_NO_DEVICE_MEMORY);
    assert_non_null(strstr(test_last_error(), "largest allocation"));
    graph_fini(&g);
}

/* ---- the table of operations ------------------------------------------------------------------------------------- */

/* Every operand of a gradient is a value of its forward operation, the gradient of one, the scalars, or something optional. */
static void test_gradients_connect(void **state)
{
    (void)state;
    for (int f = 0; f < OP_COUNT; f++)
        for (int k = 0; k < OP_MAX_GRADIENTS; k++) {
            const op_id op = op_table[f].gradient[k];
            for (int slot = 0; op && (int)op != f && slot < OP_SLOTS; slot++) {
                const op_slot *s = op_slot_at(op, slot);
                if (s->type == SLOT_NONE || s->type == SLOT_SCALARS || s->flags & SLOT_OPTIONAL) continue;
                if (slot >= OP_MAX_IN && s->type == SLOT_SCRATCH) continue;
                const int value = op_slot_named((op_id)f, s->name);
                const int of = *s->name == 'd' ? op_slot_named((op_id)f, s->name + 1) : -1;
                if (slot < OP_MAX_IN)
                    assert_true(value >= 0 || of == OP_MAX_IN); /* of the first output */
                else
                    assert_true(of >= 0 && of < OP_MAX_IN);
            }
            if (op && (int)op != f) assert_int_equal(op_forward(op), f);
        }
    assert_int_equal(op_forward(OP_DROPOUT), OP_COUNT);
    assert_int_equal(op_forward(OP_ROPE), OP_COUNT);
    assert_int_equal(op_forward(OP_EMBED), OP_COUNT);
}

static void test_shapes(void **state)
{
    (void)state;
    op_call norm = {.op = OP_LAYERNORM, .in = {{.rows = 5, .cols = 7}}};
    op_complete(&norm);
    assert_int_equal(norm.in[LAYERNORM_GAIN].cols, 7);
    assert_int_equal(norm.out[LAYERNORM_STATS].rows, 5);
    assert_int_equal(norm.out[LAYERNORM_STATS].cols, 2);
    assert_null(op_check(&norm));
    assert_int_equal(op_letter(&norm, 'C'), 7);
    assert_int_equal(op_letter(&norm, 'V'), 0);
    norm.in[LAYERNORM_GAIN].cols = 8;
    assert_string_equal(op_check(&norm), "gain is not (1,C)");
    norm.in[LAYERNORM_GAIN].rows = 0;
    assert_string_equal(op_check(&norm), "gain is missing");

    /* transposed operands, a factor before a letter, an attribute as a factor */
    op_call product = {.op = OP_MATMUL, .attr = {.trans_a = true, .trans_b = true}};
    product.in[MATMUL_A] = (op_view){.rows = 3, .cols = 4};
    product.in[MATMUL_B] = (op_view){.rows = 5, .cols = 3};
    op_complete(&product);
    assert_int_equal(product.out[MATMUL_Y].rows, 4);
    assert_int_equal(product.out[MATMUL_Y].cols, 5);
    assert_null(op_check(&product));
    product.attr.trans_a = false;
    assert_string_equal(op_check(&product), "B is not (K,N)");
    op_call append = {.op = OP_KV_APPEND, .in = {{.rows = 2, .cols = 12}}, .out = {{.rows = 9, .cols = 8}}};
    op_complete(&append);
    assert_null(op_check(&append));
    append.in[KV_APPEND_QKV].cols = 13;
    assert_string_equal(op_check(&append), "qkv and the cache are not (N,(H+2K)D) and (P,2KD)");
    op_call heads = {
        .op = OP_HEAD_NORM, .attr = {.heads = 3, .kv_heads = 2, .head = 8}, .in = {{.rows = 5, .cols = 56}}};
    op_complete(&heads);
    assert_null(op_check(&heads));
    assert_int_equal(heads.out[HEAD_NORM_STATS].cols, 5);
    assert_int_equal(heads.out[HEAD_NORM_Y].cols, 56);
    heads.in[HEAD_NORM_QKV].cols = 57;
    assert_string_equal(op_check(&heads), "qkv is not (N,hd+2kd)");
    op_call gather = {.op = OP_GATHER, .attr.group = 3, .in = {{.rows = 20, .cols = 4}, {.rows = 6, .cols = 1}}};
    op_complete(&gather);
    assert_int_equal(gather.out[GATHER_Y].rows, 2);
    gather.in[GATHER_INDEX].rows = 7;
    assert_string_equal(op_check(&gather), "index is not (Rg,1)");
    gather.in[GATHER_INDEX].rows = 6;
    gather.in[4] = gather.in[0];
    assert_string_equal(op_check(&gather), "there is an operand too many");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_fusion),
        cmocka_unit_test(test_plan_gpt),
        cmocka_unit_test(test_plan_reuses),
        cmocka_unit_test(test_plan_random),
        cmocka_unit_test(test_plan_too_large),
        cmocka_unit_test(test_gradients_connect),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_decode_shared_heads),
        cmocka_unit_test(test_recompute),
        cmocka_unit_test(test_decoder_gradient),
        cmocka_unit_test(test_decoder_norm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
