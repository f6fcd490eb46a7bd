/* Measures of a task's answers, compared with their definitions in another form. Cases are ties, missing classes, one class, constant scores, one
 * example and two. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "helper_task.h"

enum { MOST = 40, CLASSES = 4 };

static uint32_t draw(uint32_t use, uint64_t i)
{
    return rng_philox(use, (uint32_t)i, 0, 0, 0).v[0];
}

static void expect_near(const char *what, double got, double want)
{
    if (isnan(want) ? !isnan(got) : !(fabs(got - want) < 1e-9)) fail_msg("%s: %.15g instead of %.15g", what, got, want);
}

/* ---- classes ---- */

/* A set of n examples with these labels, for a task of labels 0 to K - 1. */
static pm_taskset *classes_of(const int *right, int n, uint32_t K)
{
    char text[64 * MOST] = "";
    for (int i = 0; i < n; i++) snprintf(text + strlen(text), 64, "{\"text\": \"a\", \"label\": %d}\n", right[i]);
    char names[CLASSES][2], *labels[CLASSES];
    for (uint32_t k = 0; k < K; k++) {
        names[k][0] = (char)('0' + k);
        names[k][1] = 0;
        labels[k] = names[k];
    }
    const pm_task task = {PM_TASK_CLASSIFY, .numbered = true, .outputs = K,
                          .labels = labels, .spread = 1,      .vocab = 256};
    return test_task_open(&task, test_task_file("f.jsonl", text), 8, true);
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : NAN;
}

static void check_classes(const int *right, const int *given, int n, uint32_t K)
{
    float outputs[MOST * CLASSES] = {0};
    uint32_t confusion[CLASSES * CLASSES];
    pm_task_metrics m;
    pm_taskset *set = classes_of(right, n, K);
    double hits = 0, f1_sum = 0, f1_count = 0, loss = 0;
    for (int i = 0; i < n; i++) {
        outputs[(uint32_t)i * K + (uint32_t)given[i]] = 5;
        hits += right[i] == given[i];
        loss += log(exp(5.0) + K - 1) - (right[i] == given[i] ? 5 : 0);
    }
    memset(confusion, 0xFF, sizeof confusion);
    pm_taskset_measure(set, outputs, &m, confusion);
    expect_near("accuracy", m.accuracy, hits / n);
    expect_near("loss", m.loss, loss / n);
    for (uint32_t k = 0; k < K; k++) {
        double both = 0, rights = 0, givens = 0;
        for (int i = 0; i < n; i++) {
            both += right[i] == (int)k && given[i] == (int)k;
            rights += right[i] == (int)k;
            givens += given[i] == (int)k;
        }
        const pm_class_metrics c = pm_task_class_measure(confusion, K, k);
        const double precision = ratio(both, givens), recall = ratio(both, rights);
        expect_near("precision", c.precision, precision);
        expect_near("recall", c.recall, recall);
        assert_true((double)c.right == rights && (double)c.given == givens);
        /* the harmonic mean of the two; 0 without a hit */
        const double f1 = rights + givens == 0 ? NAN : both == 0 ? 0 : 2 / (1 / precision + 1 / recall);
        expect_near("f1", c.f1, f1);
        if (isnan(f1)) continue;
        f1_sum += f1;
        f1_count++;
    }
    expect_near("macro_f1", m.macro_f1, f1_sum / f1_count);
    /* the correlation of all indicators, each less its class's mean */
    double xy = 0, xx = 0, yy = 0;
    for (int k = 0; k < (int)K; k++) {
        double mx = 0, my = 0;
        for (int i = 0; i < n; i++) {
            mx += (double)(right[i] == k) / n;
            my += (double)(given[i] == k) / n;
        }
        for (int i = 0; i < n; i++) {
            const double x = (right[i] == k) - mx, y = (given[i] == k) - my;
            xy += x * y;
            xx += x * x;
            yy += y * y;
        }
    }
    bool one_right = true, one_given = true;
    for (int i = 1; i < n; i++) {
        one_right = one_right && right[i] == right[0];
        one_given = one_given && given[i] == given[0];
    }
    expect_near("matthews", m.matthews, one_right && one_given ? NAN : one_right || one_given ? 0 : xy / sqrt(xx * yy));
    pm_taskset_close(&set);
}

static void test_classes(void **state)
{
    (void)state;
    static const struct {
        int n, K, right[6], given[6];
    } rows[] = {
        {6, 3, {0, 0, 1, 1, 2, 2}, {0, 0, 1, 2, 2, 1}},
        {6, 3, {0, 1, 0, 1, 0, 1}, {0, 1, 0, 1, 0, 1}}, /* no label or answer is 2 */
        {6, 3, {0, 1, 0, 1, 0, 1}, {0, 1, 2, 1, 0, 1}},
        {6, 3, {0, 1, 0, 1, 0, 1}, {2, 2, 2, 2, 2, 2}}, /* one given */
        {6, 2, {0, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 1, 0}},
        {6, 3, {1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1}}, /* one right */
        {6, 2, {0, 0, 0, 1, 1, 1}, {1, 1, 1, 0, 0, 0}},
        {1, 2, {1}, {1}},
        {1, 2, {1}, {0}},
        {2, 2, {0, 1}, {1, 0}},
        {2, 4, {0, 3}, {0, 3}},
        {2, 2, {0, 1}, {0, 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_classes(rows[i].right, rows[i].given, rows[i].n, (uint32_t)rows[i].K);
    for (uint64_t i = 0; i < 200; i++) {
        int right[MOST], given[MOST];
        const uint32_t K = 2 + draw(70, i) % (CLASSES - 1), n = 1 + draw(71, i) % MOST;
        for (uint32_t k = 0; k < n; k++) {
            right[k] = (int)(draw(72, i * MOST + k) % K);
            given[k] = (int)(draw(73, i * MOST + k) % K);
        }
        check_classes(right, given, (int)n, K);
    }
}

/* ---- scores ---- */

/* A set with these right scores, of a task whose mean is 0 and spread 1. */
static pm_taskset *scores_of(const float *right, int n)
{
    char text[96 * MOST] = "";
    for (int i = 0; i < n; i++)
        snprintf(text + strlen(text), 96, "{\"text_a\": \"a\", \"text_b\": \"b\", \"score\": %.9g}\n",
                 (double)right[i]);
    const pm_task task = {PM_TASK_SIMILAR, .scores = true, .outputs = 1, .spread = 1, .vocab = 256};
    return test_task_open(&task, test_task_file("f.jsonl", text), 8, true);
}

/* By all pairs: sum of (xi - xj) (yi - yj), without means. */
static double correlation(const double *x, const double *y, int n)
{
    double xy = 0, xx = 0, yy = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            xy += (x[i] - x[j]) * (y[i] - y[j]);
            xx += (x[i] - x[j]) * (x[i] - x[j]);
            yy += (y[i] - y[j]) * (y[i] - y[j]);
        }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

static void ranks(const float *x, int n, double *out)
{
    for (int i = 0; i < n; i++) {
        out[i] = 0;
        for (int j = 0; j < n; j++) out[i] += x[j] < x[i] ? 1 : x[j] == x[i] ? 0.5 : 0;
    }
}

static void check_scores(const float *right, const float *given, int n)
{
    double x[MOST], y[MOST], loss = 0;
    pm_task_metrics m;
    pm_taskset *set = scores_of(right, n);
    uint32_t confusion = 7; /* of no labels: 0 */
    pm_taskset_measure(set, given, &m, &confusion);
    assert_int_equal(confusion, 0);
    for (int i = 0; i < n; i++) {
        x[i] = (double)right[i];
        y[i] = (double)given[i];
        loss += (x[i] - y[i]) * (x[i] - y[i]);
    }
    expect_near("loss", m.loss, loss / n);
    expect_near("pearson", m.pearson, correlation(x, y, n));
    ranks(right, n, x);
    ranks(given, n, y);
    expect_near("spearman", m.spearman, correlation(x, y, n));
    assert_true(isnan(m.accuracy) && isnan(m.matthews));
    pm_taskset_close(&set);
}

static void test_scores(void **state)
{
    (void)state;
    check_scores((float[]){1, 2, 3, 4, 5}, (float[]){1, 2, 2, 8, 4}, 5);
    check_scores((float[]){1, 2}, (float[]){3, 2}, 2);
    check_scores((float[]){1, 1}, (float[]){3, 2}, 2);
    check_scores((float[]){1}, (float[]){3}, 1);
    check_scores((float[]){1e6f, 1e6f + 1, 1e6f + 2}, (float[]){0.25f, 0.5f, 0.375f}, 3); /* small differences */
    for (uint64_t i = 0; i < 200; i++) {
        float right[MOST], given[MOST];
        const uint32_t n = 1 + draw(80, i) % MOST, levels = 1 + draw(81, i) % 6;
        for (uint32_t k = 0; k < n; k++) {
            right[k] = 0.7f * (float)(draw(82, i * MOST + k) % levels);
            given[k] = 0.1f * (float)(draw(83, i * MOST + k) % levels);
        }
        check_scores(right, given, (int)n);
    }
}

/* Constant values correlate with nothing, whatever the rounding of their mean; nor do values that vary by rounding only. */
static void test_constant(void **state)
{
    (void)state;
    for (int n = 1; n <= MOST; n++) {
        float right[MOST], same[MOST], given[MOST], nearly[MOST], real[MOST];
        for (int i = 0; i < n; i++) {
            right[i] = 0.7f;
            same[i] = 0.1f;
            given[i] = (float)(i % 5);
            nearly[i] = 0.1f + (float)(i % 3) * 1.5e-8f; /* as sums in another order differ */
            real[i] = 0.1f + (float)(i % 3) * 1e-4f;
        }
        pm_task_metrics m;
        pm_taskset *set = scores_of(right, n);
        pm_taskset_measure(set, given, &m, NULL);
        assert_true(isnan(m.pearson) && isnan(m.spearman) && m.right_constant && m.given_constant == (n == 1));
        pm_taskset_close(&set);
        set = scores_of(given, n);
        pm_taskset_measure(set, same, &m, NULL);
        assert_true(isnan(m.pearson) && isnan(m.spearman) && m.given_constant && m.right_constant == (n == 1));
        pm_taskset_measure(set, nearly, &m, NULL);
        assert_true(isnan(m.pearson) && isnan(m.spearman) && m.given_constant);
        pm_taskset_measure(set, real, &m, NULL);
        assert_true(!isnan(m.pearson) == (n > 1) && !isnan(m.spearman) == (n > 1));
        pm_taskset_close(&set);
    }
}

/* A standardised answer in the scores' unit, and a class's probability. */
static void test_answers(void **state)
{
    (void)state;
    const pm_task task = {PM_TASK_SIMILAR, .scores = true, .outputs = 1, .mean = 3, .spread = 2, .vocab = 256};
    static const char line[] = "{\"text_a\": \"a\", \"text_b\": \"b\", \"score\": 4}\n";
    pm_taskset *set = test_task_open(&task, test_task_file("f.jsonl", line), 8, true);
    expect_near("score", (double)pm_taskset_answer(set, (float[]){0.5f}, 0, NULL).score, 4);
    pm_taskset_close(&set);
    set = classes_of((int[]){1}, 1, 3);
    float p[3];
    const pm_answer answer = pm_taskset_answer(set, (float[]){5, 0, 0}, 0, p);
    assert_int_equal(answer.label, 0);
    if (fabs((double)p[0] - 1 / (1 + 2 * exp(-5.0))) > 1e-6) fail_msg("a probability of %g", (double)p[0]);
    assert_true(answer.score == p[0] && p[1] == p[2] && answer.count == 3);
    pm_taskset_close(&set);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_task_setup, test_task_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_classes), TEST(test_scores), TEST(test_constant), TEST(test_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
