/* One AdamW update. */
#include <math.h>

#include "ref/ref_internal.h"

void ref_adamw(const op_call *call)
{
    const double *gradient = call->in[0].data;
    const double *norm = call->in[1].data; /* (1,2): norm, clip factor */
    const step_scalars *scalars = call->in[2].data;
    double *param = call->out[0].data, *m = call->out[1].data, *v = call->out[2].data;
    double lr = scalars->lr, fix1 = scalars->beta1_fix, fix2 = scalars->beta2_fix;
    double beta1 = call->attr.beta1, beta2 = call->attr.beta2, eps = call->attr.eps, decay = call->attr.weight_decay;
    if (norm[1] == 0) return;
    for (size_t i = 0; i < ref_count(&call->out[0]); i++) {
        double g = gradient[i] * norm[1];
        if (i < call->attr.decayed) param[i] -= lr * decay * param[i];
        m[i] = beta1 * m[i] + (1.0 - beta1) * g;
        v[i] = beta2 * v[i] + (1.0 - beta2) * g * g;
        param[i] -= lr * (m[i] * fix1) / (sqrt(v[i] * fix2) + eps);
    }
}
