/* The op harness: a set of hashes says which programs ran, which kernels were compiled, and which flags of theirs were seen together. */
#include "check/optest_seen.h"

#include <stdlib.h>

#include "base/hash.h"

void optest_seen_free(optest_seen *seen)
{
    free(seen->marks);
    *seen = (optest_seen){.compiled = seen->compiled};
}

/* Its place, or the free one where it would be. */
static uint64_t *place_of(uint64_t *marks, size_t capacity, uint64_t mark)
{
    size_t i = (size_t)(mark >> 24) & (capacity - 1);
    while (marks[i] && marks[i] != mark) i = (i + 1) & (capacity - 1);
    return &marks[i];
}

/* At most half of the places are taken. */
static bool grow(optest_seen *seen)
{
    if (2 * seen->count < seen->capacity) return true;
    const size_t capacity = seen->capacity ? 2 * seen->capacity : 4096;
    uint64_t *marks = calloc(capacity, sizeof *marks);
    if (!marks) return false;
    for (size_t i = 0; i < seen->capacity; i++)
        if (seen->marks[i]) *place_of(marks, capacity, seen->marks[i]) = seen->marks[i];
    free(seen->marks);
    seen->marks = marks;
    seen->capacity = capacity;
    return true;
}

/* Marks are odd, for 0 is a free place. */
static bool has(const optest_seen *seen, uint64_t mark)
{
    return seen->capacity && *place_of(seen->marks, seen->capacity, mark | 1);
}

/* Whether it is new. */
static bool add(optest_seen *seen, uint64_t mark)
{
    if (has(seen, mark)) return false;
    if (grow(seen)) {
        *place_of(seen->marks, seen->capacity, mark | 1) = mark | 1;
        seen->count++;
    }
    return true;
}

bool optest_seen_program(optest_seen *seen, const void *row, gpu_program *program)
{
    const uint64_t fingerprint = gpu_program_fingerprint(program);
    return fingerprint && !add(seen, hash_bytes(fingerprint, &row, sizeof row));
}

/* Sizes are told apart by their low bits. */
enum { BITS = 8 };

static uint32_t bit_of(const gpu_pipeline_key *key, uint32_t bit)
{
    return key->spec[bit / BITS] >> bit % BITS & 1;
}

/* Two flags: bits of one constant, or the lowest of two. */
static bool are_flags(uint32_t i, uint32_t k)
{
    return i / BITS == k / BITS || (i % BITS == 0 && k % BITS == 0);
}

bool optest_seen_new(optest_seen *seen, const gpu_pipeline_key *key)
{
    const kernel_row row = gpu_kernel_row(key->kernel);
    const uint64_t kernel[] = {key->kernel}, access[] = {row, key->bda, key->map != 0};
    const uint64_t of_row = hash_bytes(HASH_INIT, &row, sizeof row);
    bool found = add(seen, hash_bytes(HASH_INIT, kernel, sizeof kernel));
    found |= add(seen, hash_bytes(HASH_INIT, access, sizeof access));
    const uint32_t bits = seen->compiled == OPTEST_COMPILE_KERNELS ? 0 : key->spec_count * BITS;
    for (uint32_t i = 0; i < bits; i++)
        for (uint32_t k = 0; k <= i; k++) {
            const uint32_t pair[] = {i, k, bit_of(key, i), bit_of(key, k)};
            if (are_flags(i, k)) found |= add(seen, hash_bytes(of_row, pair, sizeof pair));
        }
    return found;
}

/* With its constants, as the device binds its operands. */
static uint64_t pipeline_of(const gpu_pipeline_key *key)
{
    const uint64_t what[] = {key->kernel, key->bda, key->map};
    return hash_bytes(hash_bytes(HASH_INIT, what, sizeof what), key->spec, key->spec_count * sizeof *key->spec);
}

bool optest_seen_kernels(optest_seen *seen, const gpu_program *program)
{
    gpu_pipeline_key key;
    bool compiles = false, shows = false;
    if (seen->compiled == OPTEST_COMPILE_ALL) return false;
    for (uint32_t i = 0; gpu_program_pipeline(program, i, &key); i++) compiles |= !has(seen, pipeline_of(&key));
    if (!compiles) return false;
    for (uint32_t i = 0; gpu_program_pipeline(program, i, &key); i++) shows |= optest_seen_new(seen, &key);
    for (uint32_t i = 0; shows && gpu_program_pipeline(program, i, &key); i++) add(seen, pipeline_of(&key));
    return !shows;
}
