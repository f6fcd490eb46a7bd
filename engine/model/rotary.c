#include "model/rotary.h"

#include <inttypes.h>
#include <math.h>

#include "base/log.h"

static const double two_pi = 6.28318530717958647692;

/* What 0 means in the scalings' numbers. */
static double or_else(float value, double otherwise)
{
    return value > 0 ? (double)value : otherwise;
}

void rotary_fill(pm_gpt_config *c)
{
    const pm_rotary r = c->rotary;
    pm_rotary own = {.theta = r.theta, .local_theta = r.local_theta, .columns = r.columns, .scaling = r.scaling};
    if (r.scaling != PM_ROTARY_PLAIN) own.factor = r.factor;
    if (r.scaling == PM_ROTARY_LLAMA3) {
        own.low = (float)or_else(r.low, 1);
        own.high = (float)or_else(r.high, 4);
    }
    if (r.scaling == PM_ROTARY_YARN) {
        own.fast = (float)or_else(r.fast, 32);
        own.slow = (float)or_else(r.slow, 1);
        own.attention = r.attention;
    }
    if (r.scaling == PM_ROTARY_LLAMA3 || r.scaling == PM_ROTARY_YARN) own.original = r.original ? r.original : c->ctx;
    c->rotary = own;
}

/* 0, or above 1: at 1 no pair is slower than another, and YaRN's ramp has no place. */
static bool good_theta(float theta)
{
    return theta == 0 || (theta > 1 && isfinite(theta));
}

static bool good_number(float v)
{
    return v >= 0 && isfinite(v);
}

#define NAME(field) GPT_NAME(origin, config, field)

pm_status rotary_check(const pm_log *log, const gpt_origin *origin, const pm_gpt_config *config)
{
    const pm_rotary *r = &config->rotary;
    const char *where = origin->where;
    const uint32_t size = config->head ? config->head : config->embd / config->heads;
    if (r->columns % 2 || r->columns > size)
        return log_fail(log, PM_INVALID, "%s%s: %" PRIu32 " is not an even number up to the head size, %" PRIu32, where,
                        NAME(rotary.columns), r->columns, size);
    if (!good_theta(r->theta) || !good_theta(r->local_theta))
        return log_fail(log, PM_INVALID, "%s%s: %g is not a number above 1", where,
                        good_theta(r->theta) ? NAME(rotary.local_theta) : NAME(rotary.theta),
                        (double)(good_theta(r->theta) ? r->local_theta : r->theta));
    if (r->scaling > PM_ROTARY_YARN) return log_fail(log, PM_INVALID, "%srotary.scaling: there is none such", where);
    if (r->scaling != PM_ROTARY_PLAIN && !(r->factor >= 1 && isfinite(r->factor)))
        return log_fail(log, PM_INVALID, "%s%s: %g is not a number of 1 or more", where, NAME(rotary.factor),
                        (double)r->factor);
    if (!good_number(r->low) || !good_number(r->high) || !good_number(r->fast) || !good_number(r->slow) ||
        !good_number(r->attention))
        return log_fail(log, PM_INVALID,
                        "%srotary: low, high, fast, slow and attention are finite numbers of 0 or more", where);
    if (!(or_else(r->high, 4) > or_else(r->low, 1)))
        return log_fail(log, PM_INVALID, "%s%s: %g is not above low, %g", where, NAME(rotary.high), (double)r->high,
                        (double)r->low);
    if (!(or_else(r->fast, 32) > or_else(r->slow, 1)))
        return log_fail(log, PM_INVALID, "%s%s: %g is not above slow, %g", where, NAME(rotary.fast), (double)r->fast,
                        (double)r->slow);
    return PM_OK;
}

/* Llama 3.1: pairs that turn more than `high` times in the original positions stay, those below `low` are divided by the factor, the
 * others lie between. */
static double llama3(const pm_gpt_config *c, double plain)
{
    const pm_rotary *r = &c->rotary;
    const double turns = r->original * plain / two_pi, low = (double)r->low, high = (double)r->high;
    const double share = fmin(1, fmax(0, (turns - low) / (high - low)));
    return plain * (share + (1 - share) / (double)r->factor);
}

/* The pair, as a real number, that turns so many times in the original positions. */
static double pair_that_turns(const pm_gpt_config *c, double turns)
{
    const pm_rotary *r = &c->rotary;
    return r->columns * log(r->original / (two_pi * turns)) / (2 * log((double)r->theta));
}

static double yarn(const pm_gpt_config *c, double plain, uint32_t pair)
{
    const pm_rotary *r = &c->rotary;
    const double begin = fmax(floor(pair_that_turns(c, (double)r->fast)), 0);
    double end = fmin(ceil(pair_that_turns(c, (double)r->slow)), r->columns - 1.0);
    if (end == begin) end += 0.001;
    const double ramp = fmin(1, fmax(0, (pair - begin) / (end - begin)));
    return plain * ((1 - ramp) + ramp / (double)r->factor);
}

double rotary_frequency(const pm_gpt_config *c, bool local, uint32_t pair)
{
    const pm_rotary *r = &c->rotary;
    const bool own = local && r->local_theta > 0;
    const double plain = pow((double)(own ? r->local_theta : r->theta), -2.0 * pair / r->columns);
    if (own) return plain;
    switch (r->scaling) {
    case PM_ROTARY_LINEAR: return plain / (double)r->factor;
    case PM_ROTARY_LLAMA3: return llama3(c, plain);
    case PM_ROTARY_YARN: return yarn(c, plain, pair);
    case PM_ROTARY_PLAIN: break;
    }
    return plain;
}

double rotary_factor(const pm_gpt_config *c, bool local)
{
    const pm_rotary *r = &c->rotary;
    if (r->scaling != PM_ROTARY_YARN || (local && r->local_theta > 0)) return 1;
    return or_else(r->attention, 0.1 * log((double)r->factor) + 1);
}

void rotary_table(const pm_gpt_config *c, bool local, uint32_t rows, float *out)
{
    const uint32_t half = c->rotary.columns / 2;
    const double factor = rotary_factor(c, local);
    for (uint32_t i = 0; i < half; i++) {
        const double frequency = rotary_frequency(c, local, i);
        for (uint32_t row = 0; row < rows; row++) {
            float *at = out + (size_t)row * 2 * half + i;
            at[0] = (float)(factor * cos(row * frequency));
            at[half] = (float)(factor * sin(row * frequency));
        }
    }
}

bool rotary_has_local(const pm_gpt_config *c)
{
    if (!(c->rotary.local_theta > 0)) return false;
    for (uint32_t layer = 0; layer < c->layers; layer++)
        if (arch_windowed(c, layer)) return true;
    return false;
}
