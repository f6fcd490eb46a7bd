/* Drawing a token from logits. */
#ifndef INFER_SAMPLER_H
#define INFER_SAMPLER_H

#include <pumice/infer.h>

typedef struct sampler_entry {
    float logit;
    uint32_t token;
} sampler_entry;

/* Whether the logits are numbers, of which some may be -infinity. */
bool sampler_can_draw(const float *logits, uint32_t vocab);

/* Draws a token. Temperature first, then top-k, then top-p of what is left. A temperature that is not above 0 means the
 * largest logit. Of equal logits the lower index comes first. The same (logits, how, counter) give the same token; each
 * counter is a draw of its own. The session asks sampler_can_draw before; where that is false, logits of NaN are left out, those of
 * +infinity exclude all others, and 0 is drawn if nothing is left.
 * `scratch`: vocab entries, overwritten; unused, and may be NULL, where neither top-k nor top-p cuts anything. */
uint32_t sampler_draw(const float *logits, uint32_t vocab, const pm_sampling *how, uint64_t counter,
                      sampler_entry *scratch);

#endif
