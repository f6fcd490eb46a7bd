// Moves slices of a product's A and B to shared memory, four elements a load. A slice is `side` fours of rows or columns by DEPTH of k. THREADS
// invocations move it, of which this is `me`; DEPTH times side is a multiple of THREADS. By k: lines in memory are k, and columns start at
// `from` of `count`; else the two are exchanged.
#ifndef COMMON_FOURS_GLSL
#define COMMON_FOURS_GLSL

#define FOURS_EACH(side) (DEPTH * (side) / THREADS) // of an invocation
// The e-th four of this invocation, and whether it is within the matrix. Declares variables for PUT_FOUR in the caller's block.
#define FOUR_AT(e, by_k, k0, from, count, side)                                                                        \
    uint n = (e) * THREADS + me, fours = by_k ? (side) : DEPTH / 4;                                                      \
    uint line = (by_k ? k0 : from) + n / fours, lines = by_k ? P.k : count;                                            \
    uint col = (by_k ? from : k0) + 4 * (n % fours), width = by_k ? count : P.k;                                       \
    bool within = line < lines && col < width;
// Stores to a slice that begins at line `first`: [k][row or column / 4], lines of ld vec4.
#define PUT_FOUR(slices, first, ld, by_k, x)                                                                           \
    if (by_k)                                                                                                          \
        slices[((first) + n / fours) * (ld) + n % fours] = x;                                                          \
    else                                                                                                               \
        [[unroll]] for (uint j = 0; j < 4; j++)                                                                        \
            slices[((first) + n % fours * 4 + j) * (ld) + n / fours / 4][n / fours % 4] = x[j];

#endif
