/* Causal attention, its gradient, and the key/value cache. Probabilities are computed where they are needed, never stored. */
#include <math.h>
#include <string.h>

#include "ref/ref_internal.h"

/* One query head of one sequence, with the keys and values that it reads: where its rows start and how far apart they are. */
typedef struct head_view {
    const double *q, *k, *v; /* first element of row 0 */
    size_t ld_q, ld_k, ld_v; /* elements between rows */
    uint32_t size;           /* D */
    uint32_t shared;         /* its head of keys and values */
    uint32_t window;         /* keys that a query sees */
    uint32_t mask_row;       /* dropout row of query 0 */
    double scale;
} head_view;

static head_view view_head(const op_call *call, const op_view *q, const op_view *k, const op_view *v, uint32_t channels,
                           uint32_t b, uint32_t h)
{
    const op_attr *attr = &call->attr;
    uint32_t sequences = q->rows / attr->time, size = channels / attr->heads, shared = h / op_query_heads(attr);
    head_view view = {.ld_q = q->cols, .ld_k = k->cols, .ld_v = v->cols, .size = size, .shared = shared};
    view.q = (const double *)q->data + (size_t)b * attr->time * q->cols + attr->off_q + h * size;
    view.k = (const double *)k->data + (size_t)b * (k->rows / sequences) * k->cols + attr->off_k + shared * size;
    view.v = (const double *)v->data + (size_t)b * (v->rows / sequences) * v->cols + attr->off_v + shared * size;
    view.window = attr->window ? attr->window : UINT32_MAX;
    view.mask_row = (b * attr->heads + h) * attr->time;
    view.scale = attr->scale != 0 ? (double)attr->scale : 1.0 / sqrt((double)size);
    return view;
}

/* The first key that the query at a position sees; the last is at the position itself. */
static uint32_t first_key(const head_view *head, uint32_t position)
{
    return position < head->window ? 0 : position + 1 - head->window;
}

static double dot(const double *a, const double *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

static double score(const head_view *head, uint32_t t, uint32_t s)
{
    return head->scale * dot(head->q + t * head->ld_q, head->k + s * head->ld_k, head->size);
}

static double mask(const op_call *call, const void *scalars, const head_view *head, uint32_t t, uint32_t s)
{
    if (call->attr.dropout <= 0) return 1.0;
    const uint32_t row = ref_mask_row(scalars, call->in[0].rows * call->attr.heads, head->mask_row + t);
    return ref_dropout_factor(scalars, call->attr.stream, row, s, call->attr.dropout);
}

/* log of the sum of exp of query t's scores over the keys that it sees, up to `last` */
static double log_sum_exp(const head_view *head, uint32_t t, uint32_t last)
{
    double max = -INFINITY, sum = 0;
    const uint32_t first = first_key(head, last);
    for (uint32_t s = first; s <= last; s++) max = fmax(max, score(head, t, s));
    for (uint32_t s = first; s <= last; s++) sum += exp(score(head, t, s) - max);
    return max + log(sum);
}

void ref_attention(const op_call *call)
{
    const step_scalars *scalars = call->in[3].data;
    const op_view *cache = call->out[ATTENTION_CACHE].rows ? &call->out[ATTENTION_CACHE] : NULL;
    const op_view *k = cache ? cache : &call->in[1], *v = cache ? cache : &call->in[2];
    if (cache) ref_kv_append(&(op_call){.op = OP_KV_APPEND, .in = {call->in[0], call->in[3]}, .out = {*cache}});
    double *y = call->out[0].data;   /* (N,H*D) */
    double *lse = call->out[1].data; /* (N,H) */
    uint32_t time = call->attr.time, heads = call->attr.heads, channels = call->out[0].cols;
    for (uint32_t b = 0; b < call->in[0].rows / time; b++)
        for (uint32_t h = 0; h < heads; h++) {
            head_view head = view_head(call, &call->in[0], k, v, channels, b, h);
            for (uint32_t t = 0; t < time; t++) {
                size_t n = (size_t)b * time + t;
                const uint32_t position = scalars->pos + t;
                double *out = y + n * channels + h * head.size;
                double total = log_sum_exp(&head, t, position);
                lse[n * heads + h] = total;
                for (uint32_t d = 0; d < head.size; d++) out[d] = 0;
                for (uint32_t s = first_key(&head, position); s <= position; s++) {
                    double p = exp(score(&head, t, s) - total) * mask(call, scalars, &head, t, s);
                    for (uint32_t d = 0; d < head.size; d++) out[d] += p * head.v[s * head.ld_v + d];
                }
            }
        }
}

/* One query row: adds to dq of row t, to dk and dv of the rows that it sees. dq, dk, dv: row 0 of the head within dqkv, row length as q, k, v.
 * With f the mask, dp = f * dy.v_s; ds = p * (dp - sum of p dp), and that sum is dy.y. */
static void attention_bwd_row(const op_call *call, const head_view *head, uint32_t t, const double *y, const double *dy,
                              double lse, double *dq, double *dk, double *dv)
{
    const step_scalars *scalars = call->in[4].data;
    double dy_y = dot(dy, y, head->size);
    for (uint32_t s = first_key(head, t); s <= t; s++) {
        const double *q_row = head->q + t * head->ld_q, *k_row = head->k + s * head->ld_k;
        double p = exp(score(head, t, s) - lse), f = mask(call, scalars, head, t, s);
        double ds = p * (f * dot(dy, head->v + s * head->ld_v, head->size) - dy_y);
        for (uint32_t d = 0; d < head->size; d++) {
            dq[t * head->ld_q + d] += ds * head->scale * k_row[d];
            dk[s * head->ld_k + d] += ds * head->scale * q_row[d];
            dv[s * head->ld_v + d] += p * f * dy[d];
        }
    }
}

void ref_attention_bwd(const op_call *call)
{
    const op_view *qkv = &call->in[0];                                                   /* (N,(H+2K)D) */
    const double *y = call->in[1].data, *lse = call->in[2].data, *dy = call->in[3].data; /* (N,H*D) (N,H) (N,H*D) */
    double *dqkv = call->out[0].data;                                                    /* as qkv */
    const op_attr *attr = &call->attr;
    uint32_t time = attr->time, heads = attr->heads, channels = call->in[1].cols;
    for (size_t i = 0; i < ref_count(&call->out[0]); i++) dqkv[i] = 0;
    for (uint32_t b = 0; b < qkv->rows / time; b++)
        for (uint32_t h = 0; h < heads; h++) {
            head_view head = view_head(call, qkv, qkv, qkv, channels, b, h);
            double *base = dqkv + (size_t)b * time * qkv->cols, *of_keys = base + head.shared * head.size;
            for (uint32_t t = 0; t < time; t++) {
                size_t n = (size_t)b * time + t, at = n * channels + h * head.size;
                attention_bwd_row(call, &head, t, y + at, dy + at, lse[n * heads + h],
                                  base + attr->off_q + h * head.size, of_keys + attr->off_k, of_keys + attr->off_v);
            }
        }
}

void ref_kv_append(const op_call *call)
{
    const double *qkv = call->in[0].data; /* (N,(H+2K)D) */
    const step_scalars *scalars = call->in[1].data;
    double *cache = call->out[0].data; /* (P,2KD) */
    const size_t all = call->in[0].cols, kept = call->out[0].cols;
    for (size_t n = 0; n < call->in[0].rows; n++)
        memcpy(cache + (scalars->pos + n) * kept, qkv + n * all + all - kept, kept * sizeof(double));
}
