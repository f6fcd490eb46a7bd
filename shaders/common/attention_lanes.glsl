// Shared by the attention kernels for software drivers: rows of head vectors, read in blocks of BLOCK.
// A work group is one subgroup of LANES. Lane i reads row i of the block, a 4-vector at a time, and broadcasts it from registers: no barriers, few loads.
// The two sets of rows are ONE and TWO (keys and values, or queries and output gradients).
#ifndef COMMON_ATTENTION_LANES_GLSL
#define COMMON_ATTENTION_LANES_GLSL

#include "seen.glsl"

layout(constant_id = SPEC_ATTENTION_HEAD) const uint D = 64; // head size, a multiple of 4 up to 256
const uint D4 = D / 4;
// A head of more than ATTENTION_LANES_COLUMNS takes two work groups, which both compute the scores and have a part of the columns each. They read own rows again
// and again, for a driver compiles what 256 columns in registers would need for minutes.
const uint PARTS = D > ATTENTION_LANES_COLUMNS ? 2u : 1u;
const uint PART4 = (D4 + PARTS - 1) / PARTS;

#if LANES == 4
#define BLOCK 4
#define EACH(X) X(0) X(1) X(2) X(3)
#else
#define BLOCK 8
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#endif

// Unrolled loops keep a head in registers. Of the part that the work group has, vector d is vector COLUMN(d) of the head.
#define FOR_D4(d) [[unroll]] for (uint d = 0; d < D4; d++)
#define FOR_PART4(d) [[unroll]] for (uint d = 0; d < PART4; d++)
#define PART_OF(group) (PARTS == 1 ? 0 : (group) % PARTS * PART4)
#define COLUMN(d) (PARTS == 1 ? (d) : min(first_column + (d), D4 - 1))
#define HAS_COLUMN(d) (PARTS == 1 || first_column + (d) < D4)

// For each vector d of the head: with `registers`, the own row's, or with `memory`.
#define FOR_OWN(d, registers, memory)                                                                                  \
    if (PARTS == 1) {                                                                                                  \
        FOR_D4(d) { registers }                                                                                        \
    } else {                                                                                                           \
        [[dont_unroll]] for (uint d8_ = 0; d8_ < D4; d8_ += 8) [[unroll]]                                              \
            for (uint i_ = 0; i_ < 8; i_++) {                                                                          \
                uint d = d8_ + i_;                                                                                     \
                if (D4 % 8 == 0 || d < D4) { memory }                                                                  \
            }                                                                                                          \
    }

// One block4 a scope: this lane's row of the block, vector d of it; then of each row kk.
#define READ_BLOCK(name, row, ld, off, d) vec4 block4 = AT4(name, (row) * ld + off + 4 * (d));
#define OF_ROW(kk) subgroupBroadcast(block4, kk)

// For DROPOUT: factors of columns col … col + BLOCK - 1 of one row of the mask (col a multiple of 4).
#define DROPOUT_BLOCK(factor, row, col)                                                                                \
    [[unroll]] for (uint n_ = 0; n_ < BLOCK; n_ += 4) {                                                                \
        uvec4 bits_ = DROPOUT_WORDS(scalars, MASK_ROWS, row, (col) / 4 + n_ / 4, P.stream);                                       \
        [[unroll]] for (uint i_ = 0; i_ < 4; i_++) factor[n_ + i_] = dropout_factor(bits_[i_], P.keep);                \
    }

#endif
