// Shared by the attention kernels: which keys a query sees, and which heads share keys.
// Query head h reads head h / GROUP of the keys and values. The query at position p sees the keys s <= p, of these with WINDOWED the last P.window.
#ifndef COMMON_SEEN_GLSL
#define COMMON_SEEN_GLSL

layout(constant_id = SPEC_ATTENTION_DROPOUT) const bool DROPOUT = false;
layout(constant_id = SPEC_ATTENTION_GROUP) const uint GROUP = 1; // query heads that share a head of keys and values
layout(constant_id = SPEC_ATTENTION_WINDOWED) const bool WINDOWED = false;

const float LOWEST = -3.4e38;

// The first key that the query at position p sees.
uint first_seen(uint p) { return WINDOWED && p >= P.window ? p + 1 - P.window : 0; }
// The same for a tile of queries from position p on: a multiple of 4, as dropout's blocks of random words are.
uint first_of_tile(uint p) { return first_seen(p) / 4 * 4; }
// Behind the last query of `count` that sees one of the keys up to s.
uint end_seen(uint s, uint count) { return WINDOWED ? min(count, s + P.window) : count; }
// Whether the query at position p sees the key s <= p.
bool within(uint p, uint s) { return !WINDOWED || s + P.window > p; }

#endif
