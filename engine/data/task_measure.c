/* Answers from a head's outputs, and their quality. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "data/task.h"

/* The largest of n values; the first of equals. */
static uint32_t argmax(const float *x, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t k = 1; k < n; k++)
        if (x[k] > x[best]) best = k;
    return best;
}

/* log of the sum of exp. */
static double log_sum_exp(const float *x, uint32_t n)
{
    double max = (double)x[argmax(x, n)], sum = 0;
    for (uint32_t k = 0; k < n; k++) sum += exp((double)x[k] - max);
    return max + log(sum);
}

pm_answer pm_taskset_answer(const pm_taskset *set, const float *outputs, size_t i, float *probabilities)
{
    const pm_task *t = &set->task;
    size_t first;
    uint32_t n = pm_taskset_outputs(set, i, &first);
    const float *x = outputs + first;
    if (t->scores) return (pm_answer){.label = -1, .score = t->mean + t->spread * x[0]};
    double lse = log_sum_exp(x, n);
    uint32_t best = argmax(x, n);
    for (uint32_t k = 0; probabilities && k < n; k++) probabilities[k] = (float)exp((double)x[k] - lse);
    return (pm_answer){.label = (int32_t)best, .score = (float)exp((double)x[best] - lse), .count = n};
}

/* ---- classes ---- */

pm_class_metrics pm_task_class_measure(const uint32_t *confusion, uint32_t K, uint32_t k)
{
    uint64_t right = 0, given = 0;
    for (uint32_t j = 0; j < K; j++) {
        right += confusion[(size_t)k * K + j];
        given += confusion[(size_t)j * K + k];
    }
    const double hits = confusion[(size_t)k * K + k];
    return (pm_class_metrics){.right = (size_t)right,
                              .given = (size_t)given,
                              .precision = given ? hits / (double)given : NAN,
                              .recall = right ? hits / (double)right : NAN,
                              .f1 = right + given ? 2 * hits / (double)(right + given) : NAN};
}

static double macro_f1(const uint32_t *confusion, uint32_t K)
{
    double sum = 0;
    uint32_t there = 0;
    for (uint32_t k = 0; k < K; k++) {
        const double f1 = pm_task_class_measure(confusion, K, k).f1;
        if (isnan(f1)) continue;
        sum += f1;
        there++;
    }
    return there ? sum / there : NAN;
}

/* R_K: the correlation of the two assignments as vectors of indicators. 0 where one of them is constant, NaN where both are. */
static double matthews(const uint32_t *confusion, uint32_t K)
{
    double n = 0, hits = 0, both = 0, rights = 0, givens = 0;
    for (uint32_t k = 0; k < K; k++) {
        const pm_class_metrics c = pm_task_class_measure(confusion, K, k);
        const double right = (double)c.right, given = (double)c.given;
        n += right;
        hits += confusion[(size_t)k * K + k];
        both += right * given;
        rights += right * right;
        givens += given * given;
    }
    const double right_spread = n * n - rights, given_spread = n * n - givens; /* whole numbers: exact */
    if (!(right_spread > 0) && !(given_spread > 0)) return NAN;
    if (!(right_spread > 0) || !(given_spread > 0)) return 0;
    return (n * hits - both) / (sqrt(right_spread) * sqrt(given_spread));
}

/* ---- scores ---- */

static const double ROUNDING = 8.0 / (1 << 23);

/* Whether values are all the same but for rounding. The model's scores are float32 and standardised: they differ by about 1, and
 * their sums are rounded by a few units in the last place of 1 (2^-23 each). Up to 8 of these count as no difference. Right scores come from
 * a file and are not sums: any difference counts. */
static bool constant(const double *x, size_t n, double tolerance)
{
    double low = x[0], high = x[0];
    for (size_t i = 1; i < n; i++) {
        if (x[i] < low) low = x[i];
        if (x[i] > high) high = x[i];
    }
    const double scale = fmax(1, fmax(fabs(low), fabs(high)));
    return !(high - low > tolerance * scale);
}

/* Pearson's, for values that are not constant. */
static double correlation(const double *x, const double *y, size_t n)
{
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < n; i++) {
        mx += x[i];
        my += y[i];
    }
    mx /= (double)n;
    my /= (double)n;
    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
        xy += (x[i] - mx) * (y[i] - my);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

typedef struct ranked {
    double value;
    size_t index;
} ranked;

static int by_value(const void *a, const void *b)
{
    double x = ((const ranked *)a)->value, y = ((const ranked *)b)->value;
    return (x > y) - (x < y);
}

/* Values become their ranks; equal ones share the mean of theirs. */
static void rank(double *x, ranked *sorted, size_t n)
{
    for (size_t i = 0; i < n; i++) sorted[i] = (ranked){x[i], i};
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && sorted[end].value == sorted[i].value;) end++;
        for (size_t k = i; k < end; k++) x[sorted[k].index] = 0.5 * (double)(i + end - 1);
    }
}

static void measure_scores(const pm_taskset *set, const float *outputs, pm_task_metrics *m)
{
    size_t n = set->example_count;
    double *given = malloc(n * sizeof *given), *right = malloc(n * sizeof *right), loss = 0;
    ranked *sorted = malloc(n * sizeof *sorted);
    for (size_t i = 0; given && right && sorted && i < n; i++) {
        given[i] = (double)outputs[i];
        right[i] = (double)set->examples[i].score;
        loss += (given[i] - right[i]) * (given[i] - right[i]) / (double)n;
    }
    if (given && right && sorted) {
        m->loss = loss;
        m->given_constant = constant(given, n, ROUNDING);
        m->right_constant = constant(right, n, 0);
    }
    if (given && right && sorted && !m->given_constant && !m->right_constant) {
        m->pearson = correlation(given, right, n);
        rank(given, sorted, n);
        rank(right, sorted, n);
        m->spearman = correlation(given, right, n);
    }
    free(given);
    free(right);
    free(sorted);
}

void pm_taskset_measure(const pm_taskset *set, const float *outputs, pm_task_metrics *out, uint32_t *confusion)
{
    const pm_task *t = &set->task;
    pm_task_metrics m = {set->example_count, NAN, NAN, NAN, NAN, NAN, NAN, false, false};
    uint32_t K = t->outputs;
    uint32_t *own = t->labels && !confusion ? calloc((size_t)K * K, sizeof *own) : NULL;
    uint32_t *counts = t->labels && confusion ? confusion : own;
    if (confusion) memset(confusion, 0, (size_t)K * K * sizeof *confusion);
    if (!set->labelled) {
        /* there is nothing to compare with */
    } else if (t->scores) {
        measure_scores(set, outputs, &m);
    } else {
        double loss = 0, hits = 0;
        for (size_t i = 0; i < m.n; i++) {
            size_t first;
            uint32_t n = pm_taskset_outputs(set, i, &first), label = (uint32_t)set->examples[i].label;
            const float *x = outputs + first;
            uint32_t given = argmax(x, n);
            loss += log_sum_exp(x, n) - (double)x[label];
            hits += given == label;
            if (counts) counts[(size_t)label * K + given]++;
        }
        m.loss = loss / (double)m.n;
        m.accuracy = hits / (double)m.n;
    }
    if (counts && set->labelled) {
        m.macro_f1 = macro_f1(counts, K);
        m.matthews = matthews(counts, K);
    }
    free(own);
    *out = m;
}
