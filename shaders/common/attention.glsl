// What the attention kernels share: rows of head vectors, read in blocks of BLOCK by all invocations of a group at once.
//
// With LANES (a software driver whose subgroup is the work group): lane i reads row i of the block, a 4-vector at a time, and broadcasts it
// from registers: no barriers, few loads. Without: a tile of TILE rows lies in shared memory.
// The two sets of rows are ONE and TWO (keys and values, or queries and output gradients).
#ifndef COMMON_ATTENTION_GLSL
#define COMMON_ATTENTION_GLSL

layout(constant_id = 1) const uint D = 64;          // head size, a multiple of 4
layout(constant_id = 2) const bool DROPOUT = false;
layout(constant_id = 3) const uint TILE = 8;        // rows in shared memory, a multiple of BLOCK
const uint D4 = D / 4;

// Loops over a head's 4-vectors, and over the rows of a block. Unrolled, a head lies in registers: what a GPU wants. Rolled, it lies in
// memory and the code is small: what a software driver wants of large heads, since it compiles each read of shared memory lane by lane.
#if defined(LANES) && LANES == 4
#define BLOCK 4
#define EACH(X) X(0) X(1) X(2) X(3)
#elif defined(LANES) || defined(UNROLL)
#define BLOCK 8
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#else
#define BLOCK 8
#define EACH(X) [[dont_unroll]] for (uint kk_ = 0; kk_ < BLOCK; kk_++) { X(kk_) }
#endif

#if defined(LANES) || defined(UNROLL)
#define FOR_D4(d) [[unroll]] for (uint d = 0; d < D4; d++)
#else
#define FOR_D4(d) [[dont_unroll]] for (uint d = 0; d < D4; d++)
#endif

#ifdef LANES
#define READ_BLOCK(name, row, ld, off, d) vec4 block4 = AT4(name, (row) * ld + off + 4 * (d));
#define OF_ROW(set, kk, d) subgroupBroadcast(block4, kk)
#else
shared vec4 tile_one[TILE * D4], tile_two[TILE * D4];
#define READ_BLOCK(name, row, ld, off, d)
#define OF_ROW(set, kk, d) tile_##set[(in_tile + kk) * D4 + d]
#endif

// For DROPOUT: factors of columns col … col + BLOCK - 1 of one row of the mask (col a multiple of 4).
#define DROPOUT_BLOCK(factor, row, col)                                                                                \
    [[unroll]] for (uint n_ = 0; n_ < BLOCK; n_ += 4) {                                                                \
        uvec4 bits_ = DROPOUT_WORDS(scalars, row, (col) / 4 + n_ / 4, P.stream);                                       \
        [[unroll]] for (uint i_ = 0; i_ < 4; i_++) factor[n_ + i_] = dropout_factor(bits_[i_], P.keep);                \
    }

const float LOWEST = -3.4e38;

#endif
