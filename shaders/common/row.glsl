// A row's elements, N at a time (common/vector.glsl), among the LANES invocations that share it (common/reduce.glsl).
// Where KEPT is not 0 a row is exactly KEPT * LANES * N wide, and an invocation can keep its share in registers, in loops marked
// [[unroll]]: memory is read once.
#ifndef COMMON_ROW_GLSL
#define COMMON_ROW_GLSL
#include "common/reduce.glsl"
#include "common/vector.glsl"

layout(constant_id = SPEC_ROW_KEPT) const uint KEPT = 0;
const uint KEPT_SIZE = KEPT > 0 ? KEPT : 1; // the length of an array for them

// How many runs of N elements of a row are this invocation's. `cols` is a multiple of N.
uint runs_of(uint cols) { return KEPT > 0 ? KEPT : (cols / N + LANES - 1 - lane()) / LANES; }
// The offset of run i in the row.
uint run_at(uint i) { return N * (i * LANES + lane()); }

// A software driver runs code behind a return or in a loop for each invocation separately. So rows with KEPT fill its work groups.
#ifdef PAIRS
bool beyond(uint row) { return KEPT == 0 && row >= P.rows; }
#else
bool beyond(uint row) { return row >= P.rows; }
#endif

#endif
