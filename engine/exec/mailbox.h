/* The mailbox: the host writes it before a run and reads it after the run. */
#ifndef EXEC_MAILBOX_H
#define EXEC_MAILBOX_H

#include "model/gpt.h"
#include "push.h"

/* Host-visible buffers each way, and the device's own copy of them, so that no kernel reads over the bus. Each micro batch has a part for
 * each of the graph's inputs before INPUT_MAILBOX. With two sides the host fills one while the device works on the other. */
enum { MAILBOX_SIDES = 2 };
typedef struct mailbox {
    uint32_t micros, sides;
    uint32_t side;                 /* the one that the functions of the host's side mean */
    uint32_t words[INPUT_MAILBOX]; /* of one micro batch; 0: the graph has no such input */
    uint64_t at[INPUT_MAILBOX];    /* bytes: where micro batch 0's part begins; the others follow */
    uint64_t norm_at;              /* bytes in the results */
    gpu_buffer *to_device[MAILBOX_SIDES], *inputs, *results, *from_device[MAILBOX_SIDES];
} mailbox;

/* Lays out the parts that a graph of this shape needs. */
pm_status mailbox_init(mailbox *box, pm_device *device, const pm_gpt_config *config, const gpt_shape *shape,
                       uint32_t micros, uint32_t sides);
void mailbox_fini(mailbox *box);

/* The host's side of a part: it writes inputs, and reads those from INPUT_RESULT on. */
void *mailbox_host(const mailbox *box, uint32_t micro, int input);
static inline struct step_scalars *mailbox_scalars(const mailbox *box, uint32_t micro)
{
    return mailbox_host(box, micro, INPUT_SCALARS);
}
static inline int32_t *mailbox_ints(const mailbox *box, uint32_t micro, int input)
{
    return mailbox_host(box, micro, input);
}
static inline float *mailbox_floats(const mailbox *box, uint32_t micro, int input)
{
    return mailbox_host(box, micro, input);
}
const float *mailbox_norm(const mailbox *box); /* gradient norm, clip factor */

/* The device's side. */
gpu_span mailbox_span(const mailbox *box, uint32_t micro, int input);
gpu_span mailbox_norm_span(const mailbox *box);
/* Fills in all parts of a micro batch. */
void mailbox_bind(const mailbox *box, uint32_t micro, gpu_span inputs[INPUT_MAILBOX]);
/* First and last commands of a run. */
void mailbox_record_in(const mailbox *box, uint32_t side, gpu_program *program);
void mailbox_record_out(const mailbox *box, uint32_t side, gpu_program *program);

#endif
