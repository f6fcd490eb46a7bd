#include "train/loss_scale.h"

#include <math.h>

enum { GOOD_STEPS = 2000 };

loss_scale loss_scale_begin(bool dynamic)
{
    float scale = dynamic ? 65536.0f : 1.0f;
    return (loss_scale){.scale = scale, .last = scale, .dynamic = dynamic};
}

bool loss_scale_after(loss_scale *s, float norm)
{
    bool skipped = !isfinite(norm);
    s->last = s->scale;
    if (skipped) {
        s->skipped++;
        s->good = 0;
        if (s->dynamic) s->scale /= 2;
    } else if (++s->good == GOOD_STEPS) {
        s->good = 0;
        if (s->dynamic && s->scale < 0x1p24f) s->scale *= 2;
    }
    return skipped;
}
