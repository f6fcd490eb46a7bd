/* Runs one operation on a device and compares it with the CPU twin.
 *
 * Operands get random values and places: in one buffer, in two or each in its own, often at offsets that are multiples of 4 bytes and of
 * nothing more. Around each stand guard words, NaN as floats; outputs start as NaN, or as known values where they are added to or
 * changed in place. Afterwards every word that is no output must be what it was, outputs must be finite and close to the twin's, and
 * a second run must give the same bits. */
#ifndef CHECK_OPTEST_H
#define CHECK_OPTEST_H

#include "check/optest_seen.h"
#include "ops/variant.h"

/* Bounds on sum((a - b)^2) / sum(b^2). */
#define OPTEST_FORWARD 1e-10
#define OPTEST_BACKWARD 1e-8
#define OPTEST_HALF 2.4e-7 /* where the result was rounded to fp16, with a relative error of 2^-11 at most */
#define OPTEST_HALF_LOGITS                                                                                             \
    3.9e-6 /* where logits of up to 8 were: by 2^-9, and by so much of itself an exponential differs */

enum { OPTEST_SOME, OPTEST_NONE, OPTEST_ALL }; /* the targets that are ignored */

typedef struct optest_row {
    op_call
        call; /* operation, attributes and operand shapes. Attention: absent k is q, absent v is k. Scratch, stats and what else
                         a forward operation gives need no shape: the harness knows it */
    uint32_t pos;       /* scalars.pos */
    uint32_t ignored;   /* targets: OPTEST_… */
    uint32_t seed;      /* of values and places */
    dtype_id type;      /* of activations */
    dtype_id weight;    /* of weights and tables beside fp32 activations, */
    dtype_id cache;     /* and of keys and values */
    op_variant variant; /* of products and attention, in each part that can have it; 0: the usual ones */
} optest_row;

typedef enum optest_set {
    USUAL,  /* odd shapes, each optional operand and attribute */
    TILED,  /* operands that span more than OPTEST_SMALL_RANGE */
    BIG,    /* GPT-2's token table: 147 MiB, more than many devices bind */
    HALVES, /* some of the usual ones, with fp16 activations */
    SETS
} optest_set;
enum { OPTEST_SMALL_RANGE = 4 << 20 }; /* bytes */

/* All sets, 2.8 MB. NULL: no memory. */
typedef struct optest_table optest_table;
optest_table *optest_table_make(void);
void optest_table_free(optest_table *table);
/* The rows of a set, fewer than OPTEST_MOST_ROWS. */
enum { OPTEST_MOST_ROWS = 1024 };
const optest_row *optest_rows(const optest_table *table, optest_set set, size_t *count);
/* Attention: whether the head size is one of three. Each size costs a driver seconds of compilation. Others: true. */
bool optest_some_head(const op_call *call);

/* One line: operation, shapes, attributes. */
void optest_describe(const optest_row *row, char *line, size_t size);

/* Whether the row applies to the device: fp16 needs 16-bit storage, and a product with more than the plain operands needs `fused`. */
bool optest_applies(const pm_caps *caps, const optest_row *row);

/* The result of a row. */
enum { OPTEST_KERNELS = 8 };
typedef struct optest_result {
    char wrong[800]; /* the row and its fault in one line; "" where it passed */
    kernel_id kernels[OPTEST_KERNELS];
    uint32_t kernel_count;  /* that it ran */
    bool no_memory;         /* the fault is lack of memory */
    bool repeated, covered; /* not run: see optest_seen_program(), optest_seen_kernels() */
} optest_result;

/* Whether the row holds on the device. One whose program ran already, or whose kernels need not be compiled for it, is recorded and not run: see
 * optest_seen.h. NULL: it is run. */
bool optest_run(pm_device *device, const optest_row *row, optest_seen *seen, optest_result *result);

#endif
