/* Dynamic loss scaling (Micikevicius et al., 2018): fp16 has no numbers below 2^-24, where many gradients are. So the loss is multiplied
 * by a scale at which the largest gradients almost overflow. A step whose gradients do overflow changes nothing, and halves the scale; 2,000
 * good steps double it. 2^16, 2 and 2,000 are the defaults of PyTorch's GradScaler. */
#ifndef TRAIN_LOSS_SCALE_H
#define TRAIN_LOSS_SCALE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct loss_scale {
    float scale;      /* of the next step; 1 and constant in fp32 */
    float last;       /* of the last one */
    bool dynamic;     /* fp16 */
    uint32_t good;    /* steps since the scale changed */
    uint32_t skipped; /* steps in all */
} loss_scale;

loss_scale loss_scale_begin(bool dynamic);
/* Updates the scale after a step with this gradient norm; true where the step was skipped. */
bool loss_scale_after(loss_scale *s, float norm);

#endif
