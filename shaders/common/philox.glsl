// Philox 4x32-10; engine/base/rng.c is its twin. The dropout mask of element (row, col) is word col % 4 of the block with counter
// (col / 4, row within the whole step, stream, step) under the run's seed.
#ifndef COMMON_PHILOX_GLSL
#define COMMON_PHILOX_GLSL

uvec4 philox(uvec2 key, uvec4 c)
{
    for (int round = 0; round < 10; round++) {
        uint hi0, lo0, hi1, lo1;
        umulExtended(0xD2511F53u, c.x, hi0, lo0);
        umulExtended(0xCD9E8D57u, c.z, hi1, lo1);
        c = uvec4(hi1 ^ c.y ^ key.x, lo1, hi0 ^ c.w ^ key.y, lo0);
        key += uvec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

// 0 or 1 / keep for one random word: 1 / keep where its upper 24 bits, as a fraction of 2^24, are below keep.
float dropout_factor(uint bits, float keep) { return float(bits >> 8) * (1.0 / 16777216.0) < keep ? 1.0 / keep : 0.0; }
vec4 dropout_factors(uvec4 bits, float keep)
{
    return vec4(dropout_factor(bits.x, keep), dropout_factor(bits.y, keep), dropout_factor(bits.z, keep), dropout_factor(bits.w, keep));
}

#endif
