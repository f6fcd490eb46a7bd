/* What the host writes before a run, and reads after it. */
#ifndef TRAIN_MAILBOX_H
#define TRAIN_MAILBOX_H

#include "model/gpt.h"
#include "push.h"

/* What goes to the device each run, and what comes back: one host-visible buffer each way, and the device's own copy, so that no kernel
 * reads over the bus. Micro batch j has its own scalars, tokens, targets and result. */
typedef struct mailbox {
    uint32_t micros, rows; /* rows: tokens a micro batch, N */
    gpu_buffer *to_device, *inputs, *results, *from_device;
} mailbox;

pm_status mailbox_init(mailbox *box, pm_device *device, uint32_t micros, uint32_t rows);
void mailbox_fini(mailbox *box);

/* The host's side. */
struct step_scalars *mailbox_scalars(const mailbox *box, uint32_t micro);
int32_t *mailbox_tokens(const mailbox *box, uint32_t micro);
int32_t *mailbox_targets(const mailbox *box, uint32_t micro);
const float *mailbox_result(const mailbox *box, uint32_t micro); /* mean loss, sum, targets counted */
const float *mailbox_norm(const mailbox *box);                   /* gradient norm, clip factor */

/* The device's side. */
gpu_span mailbox_scalars_span(const mailbox *box, uint32_t micro);
gpu_span mailbox_norm_span(const mailbox *box);
/* inputs[INPUT_TOKENS … INPUT_RESULT] of a micro batch. */
void mailbox_bind(const mailbox *box, uint32_t micro, gpu_span inputs[INPUT_LOGITS]);
/* First and last commands of a program. */
void mailbox_record_in(const mailbox *box, gpu_program *program);
void mailbox_record_out(const mailbox *box, gpu_program *program);

#endif
