// Rows are read N elements at a time: four in kernels for wide accesses, whose row lengths and indices are multiples of 4; else one.
#ifndef COMMON_VECTOR_GLSL
#define COMMON_VECTOR_GLSL

#if defined(WIDE) || defined(PAIRS)
#define N 4
#define VEC vec4
#define GET AT4
#define SET PUT4
float in_sum(vec4 v) { return (v.x + v.y) + (v.z + v.w); }
float in_max(vec4 v) { return max(max(v.x, v.y), max(v.z, v.w)); }
// The first `count` elements, and `other` in place of the rest.
vec4 first_of(vec4 v, int count, float other)
{
    return vec4(count > 0 ? v.x : other, count > 1 ? v.y : other, count > 2 ? v.z : other, count > 3 ? v.w : other);
}
void subtract_at(inout vec4 v, uint place, float what)
{
    if (place < 4) v[place] -= what;
}
#else
#define N 1
#define VEC float
#define GET AT
#define SET PUT
float in_sum(float v) { return v; }
float in_max(float v) { return v; }
float first_of(float v, int count, float other) { return count > 0 ? v : other; }
void subtract_at(inout float v, uint place, float what)
{
    if (place == 0) v -= what;
}
#endif

#endif
