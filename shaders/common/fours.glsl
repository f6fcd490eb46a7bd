// How slices of a product's A and B come to shared memory, four elements a load: `side` fours of rows or columns by DEPTH of k, moved by THREADS
// invocations, of which this is `me`; DEPTH times side is a multiple of THREADS. By k: lines in memory are k, columns are `from` on of `count`; else the other way round.
#ifndef COMMON_FOURS_GLSL
#define COMMON_FOURS_GLSL

#define FOURS_EACH(side) (DEPTH * (side) / THREADS) // of an invocation
// The e-th four of this invocation, and whether it lies within the matrix. Declares what PUT_FOUR needs, in the caller's block.
#define FOUR_AT(e, by_k, k0, from, count, side)                                                                        \
    uint n = (e) * THREADS + me, fours = by_k ? (side) : DEPTH / 4;                                                      \
    uint line = (by_k ? k0 : from) + n / fours, lines = by_k ? P.k : count;                                            \
    uint col = (by_k ? from : k0) + 4 * (n % fours), width = by_k ? count : P.k;                                       \
    bool within = line < lines && col < width;
// To a slice of lines of ld vec4 each, [k][row or column / 4], which begins at line `first`.
#define PUT_FOUR(slices, first, ld, by_k, x)                                                                           \
    if (by_k)                                                                                                          \
        slices[((first) + n / fours) * (ld) + n % fours] = x;                                                          \
    else                                                                                                               \
        [[unroll]] for (uint j = 0; j < 4; j++)                                                                        \
            slices[((first) + n % fours * 4 + j) * (ld) + n / fours / 4][n / fours % 4] = x[j];

#endif
