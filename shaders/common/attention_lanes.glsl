// Shared by the attention kernels for software drivers: rows of head vectors, read in blocks of BLOCK.
// A work group is one subgroup of LANES. Lane i reads row i of the block, a 4-vector at a time, and broadcasts it from registers: no barriers, few loads.
// The two sets of rows are ONE and TWO (keys and values, or queries and output gradients).
#ifndef COMMON_ATTENTION_LANES_GLSL
#define COMMON_ATTENTION_LANES_GLSL

layout(constant_id = SPEC_ATTENTION_DROPOUT) const bool DROPOUT = false;
layout(constant_id = SPEC_ATTENTION_HEAD) const uint D = 64; // head size, a multiple of 4
const uint D4 = D / 4;

#if LANES == 4
#define BLOCK 4
#define EACH(X) X(0) X(1) X(2) X(3)
#else
#define BLOCK 8
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#endif

// Unrolled loops keep a head in registers.
#define FOR_D4(d) [[unroll]] for (uint d = 0; d < D4; d++)

// One block4 a scope: this lane's row of the block, vector d of it; then of each row kk.
#define READ_BLOCK(name, row, ld, off, d) vec4 block4 = AT4(name, (row) * ld + off + 4 * (d));
#define OF_ROW(kk) subgroupBroadcast(block4, kk)

// For DROPOUT: factors of columns col … col + BLOCK - 1 of one row of the mask (col a multiple of 4).
#define DROPOUT_BLOCK(factor, row, col)                                                                                \
    [[unroll]] for (uint n_ = 0; n_ < BLOCK; n_ += 4) {                                                                \
        uvec4 bits_ = DROPOUT_WORDS(scalars, MASK_ROWS, row, (col) / 4 + n_ / 4, P.stream);                                       \
        [[unroll]] for (uint i_ = 0; i_ < 4; i_++) factor[n_ + i_] = dropout_factor(bits_[i_], P.keep);                \
    }

const float LOWEST = -3.4e38;

#endif
