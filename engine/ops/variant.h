/* Kernel variants: several kernels and tiles that compute the same part of an operation, as rows of a table.
 *
 * A product is one part. Attention is one, its gradient several. For each part a table says which variants there are, which can compute a call on this
 * device, which of these is usual, and how it is recorded. Autotuning stores another one under the part's key, and whoever records takes it where it
 * can compute the call. Autotuning, the doctor and the tests ask op_choices() and know no operation's kernels. */
#ifndef OPS_VARIANT_H
#define OPS_VARIANT_H

#include "ops/record.h"

/* X(name in C, name in words), in order of preference. Choices are stored as numbers: a change of these without one of the kernels needs another
 * CHOICES_FORMAT (engine/gpu/choices.c). */
#define OP_VARIANT_LIST(X)                                                                                             \
    X(USUAL, "usual") /* none: the one that is usual without a choice */                                               \
    /* products */                                                                                                     \
    X(MATVEC, "matvec")           /* up to four rows */                                                                \
    X(COOP_LARGE, "coop 128x128") /* matrix units, tiles of 128 x 128 and 64 x 64 */                                   \
    X(COOP_SMALL, "coop 64x64")                                                                                        \
    X(PAIRS, "pairs") /* software drivers, two elements a load */                                                      \
    X(LANES, "lanes")                                                                                                  \
    X(BLOCK, "block 128x128")     /* shared memory, loads of four: 8 x 16 sums an invocation */                        \
    X(BLOCK_SMALL, "block 64x64") /* 4 x 8 */                                                                          \
    X(TILE_16, "tile 64x64")      /* shared memory: 4 x 4 sums an invocation */                                        \
    X(TILE_8, "tile 32x64")                                                                                            \
    X(TILE_4, "tile 16x64")                                                                                            \
    /* attention */                                                                                                    \
    X(ATTENTION_COOP, "coop")            /* matrix units */                                                            \
    X(ATTENTION_COOP_LEAN, "coop, lean") /* gradient: fewer registers */                                               \
    X(ATTENTION_BLOCK, "block")          /* forward: large tiles, loads of four */                                     \
    X(ATTENTION_LANES, "lanes")          /* software drivers */                                                        \
    X(ATTENTION_TILE, "tile")            /* loads of four */                                                           \
    X(ATTENTION_FEW, "few")              /* few registers, or rows that cannot be read in fours */                     \
    X(ATTENTION_ROW, "row")              /* forward: few queries */                                                    \
    X(ATTENTION_APART, "apart")          /* dk and dv by a kernel each */

typedef enum op_variant {
#define VARIANT_ENUM(id, name) VARIANT_##id,
    OP_VARIANT_LIST(VARIANT_ENUM)
#undef VARIANT_ENUM
        OP_VARIANTS
} op_variant;

const char *op_variant_name(op_variant variant);

/* ---- what may be chosen in a call ------------------------------------------------------------------------------------ */

typedef struct op_choice {
    char key[GPU_CHOICE_KEY]; /* of gpu_chosen() and gpu_choice_set() */
    uint32_t possible;        /* variants that can compute it on aligned operands: bit 1 << variant */
    op_variant usual;         /* the one without a choice */
    int within; /* the choice of this call that must be `by` for this one to count; -1: it always counts */
    op_variant by;
} op_choice;

/* The choices of a call: writes at most OP_MOST_CHOICES and returns how many. One that counts within another comes before it. None for operations with
 * one variant only, and for products that are cut when they are recorded. */
enum { OP_MOST_CHOICES = 4 };
uint32_t op_choices(const pm_caps *caps, const op_call *call, op_choice choices[OP_MOST_CHOICES]);

/* ---- tables, for recorders ------------------------------------------------------------------------------------------- */

/* A part that is about to be recorded, and a row that might do it. */
typedef struct candidate {
    launch *launch;   /* the part's operands, types and push constants; without a program it is only asked */
    const void *part; /* the table's own description of the part */
    uint32_t size;    /* the row's */
} candidate;

/* A row: one variant. Rows that share functions differ in `size`. */
typedef struct variant_row {
    bool (*possible)(const candidate *c);  /* NULL: the table lacks the variant */
    bool (*preferred)(const candidate *c); /* for the usual one; NULL: wherever it is possible */
    void (*record)(const candidate *c);    /* adds kernel, constants and work groups, and records */
    uint32_t size;
} variant_row;

/* Tables have OP_VARIANTS rows, by variant. At least one is possible for each call. The usual one is the first that is preferred. */
bool variant_possible(const variant_row *table, launch *r, const void *part, op_variant which);
op_variant variant_usual(const variant_row *table, launch *r, const void *part);
/* Records the part with the chosen variant, or with the usual one where `chosen` cannot compute it. */
void variant_record(const variant_row *table, launch *r, const void *part, op_variant chosen);
/* Fills what the table says: possible and usual. */
void variant_ask(const variant_row *table, launch *r, const void *part, op_choice *choice);

#endif
