/* A matrix product, as two files share it: matmul.c cuts a call into products that a device can bind, product_variant.c has the kernel variants
 * of one product and records it with one of them. */
#ifndef OPS_PRODUCT_H
#define OPS_PRODUCT_H

#include "ops/variant.h"

/* One product as stored: spans start at the first element used, the leading dimensions say where rows begin. */
typedef struct product {
    const op_call *call;
    uint32_t m, n, k, lda, ldb, ldc;
    gpu_span a, b, bias, gain, shift;
    gpu_span y, residual, gelu_pre, pre; /* (m, n), all with ldc */
    dtype_id type, type_b, type_y;       /* of a, of b, and of the rest but the bias */
    bool accumulate;
    bool plain; /* the epilogue has no other matrix */
} product;

/* The call as one product. */
product product_of(const op_call *call, uint32_t lda, uint32_t ldb, uint32_t ldc);

/* Elements of a row of A and B as stored. */
static inline uint32_t product_width_a(const product *p)
{
    return p->call->attr.trans_a ? p->m : p->k;
}
static inline uint32_t product_width_b(const product *p)
{
    return p->call->attr.trans_b ? p->k : p->n;
}
/* The sizes that must be multiples of four for loads of four from A and B, or'ed. */
static inline uint32_t product_words(const product *p)
{
    return p->lda | p->ldb | product_width_a(p) | product_width_b(p);
}

/* A kernel's operands: A, B, y, bias. A kernel that normalises A has gain behind them, for a LayerNorm shift too, a full epilogue residual,
 * gelu_pre, pre and scalars, a plain epilogue nothing. */
enum { PRODUCT_PLAIN_ARGS = 4, PRODUCT_RMS_ARGS = 5, PRODUCT_NORM_ARGS = 6, PRODUCT_ARGS = 8 };

/* Its variants. They take a launch with the operands, push constants and what common/matmul.glsl has of specialization constants, and add kernel,
 * tile and work groups. A part is a product. */
extern const variant_row product_variants[OP_VARIANTS];
/* The key of its choice. */
void product_key(const product *p, char key[GPU_CHOICE_KEY]);
/* op_choices() of MATMUL. */
uint32_t product_choices(const pm_caps *caps, const op_call *call, op_choice choices[OP_MOST_CHOICES]);
/* The side of the large tiles that matrix units would use for it; 0 where they would use small ones or are not used. */
uint32_t product_unit_tile(const pm_caps *caps, const product *p);

#endif
