/* Sampling: weights exp((logit - largest) / temperature) in double, top-k and top-p by popping a heap (no full sort of
 * the vocabulary), and the draw by running sums in a fixed order. */
#include "infer/sampler.h"

#include <math.h>

#include "base/rng.h"

/* The larger logit comes first; of equal ones, the lower index. */
static bool comes_before(sampler_entry a, sampler_entry b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

/* The index of the first largest logit, without NaN; vocab where there is none. */
static uint32_t find_largest(const float *logits, uint32_t vocab)
{
    uint32_t best = vocab;
    for (uint32_t i = 0; i < vocab; i++)
        if (!isnan(logits[i]) && (best == vocab || logits[i] > logits[best])) best = i;
    return best;
}

bool sampler_can_draw(const float *logits, uint32_t vocab)
{
    bool below = true, any = false;
    for (uint32_t i = 0; i < vocab; i++) {
        below = below && logits[i] < INFINITY; /* false of NaN, too */
        any = any || logits[i] > -INFINITY;
    }
    return below && any;
}

/* In [0, 1]. It avoids infinity - infinity, which is NaN. */
static double weight_of(float logit, float largest, double temperature)
{
    if (isnan(logit)) return 0.0;
    if (logit == largest) return 1.0;
    double below = (double)logit - largest;
    return isinf(below) ? 0.0 : exp(below / temperature);
}

/* Restores the heap's order below entry i of n. */
static void sift_down(sampler_entry *heap, uint32_t n, uint32_t i)
{
    sampler_entry moved = heap[i];
    while (i < n / 2) { /* has a child */
        uint32_t child = 2 * i + 1;
        if (child + 1 < n && comes_before(heap[child + 1], heap[child])) child++;
        if (!comes_before(heap[child], moved)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moved;
}

static uint32_t make_heap(const float *logits, uint32_t vocab, sampler_entry *heap)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < vocab; i++)
        if (!isnan(logits[i])) heap[n++] = (sampler_entry){logits[i], i};
    for (uint32_t i = n / 2; i-- > 0;) sift_down(heap, n, i);
    return n;
}

/* A number in [0, 1) of 53 random bits: finer than the rarest token of a large vocabulary. */
static double uniform(uint64_t seed, uint64_t counter)
{
    rng_block r = rng_philox(seed, (uint32_t)counter, (uint32_t)(counter >> 32), RNG_STREAM_SAMPLE, 0);
    return ((double)(r.v[0] >> 5) * 67108864.0 + (double)(r.v[1] >> 6)) /
           9007199254740992.0; /* (27 bits, 26 bits) / 2^53 */
}

/* Draws among the whole vocabulary, in index order. */
static uint32_t draw_from_all(const float *logits, uint32_t vocab, float largest, double temperature, double u)
{
    double total = 0.0, sum = 0.0;
    for (uint32_t i = 0; i < vocab; i++) total += weight_of(logits[i], largest, temperature);
    uint32_t last = 0;
    for (uint32_t i = 0; i < vocab; i++) {
        double w = weight_of(logits[i], largest, temperature);
        if (w > 0.0) last = i;
        sum += w;
        if (sum > u * total) return i;
    }
    return last;
}

/* Moves the heap's first entry behind the shrinking heap, so that the popped ones lie at n-1, n-2, … in order. */
static sampler_entry pop(sampler_entry *heap, uint32_t n, uint32_t popped)
{
    sampler_entry first = heap[0];
    uint32_t left = n - popped - 1;
    heap[0] = heap[left];
    sift_down(heap, left, 0);
    heap[left] = first;
    return first;
}

/* Draws among the tokens that top-k and top-p keep, most likely first. */
static uint32_t draw_from_best(sampler_entry *heap, uint32_t n, uint32_t top_k, double top_p, float largest,
                               double temperature, double u)
{
    uint32_t kept = 0;
    double all = 0.0, sum = 0.0;
    if (top_k < n) { /* top-p is a share of what top-k leaves */
        for (; kept < top_k; kept++) all += weight_of(pop(heap, n, kept).logit, largest, temperature);
    } else { /* a share of all tokens: pops only as many as it takes */
        for (uint32_t i = 0; i < n; i++) all += weight_of(heap[i].logit, largest, temperature);
        for (; kept < n && (kept == 0 || sum < top_p * all); kept++)
            sum += weight_of(pop(heap, n, kept).logit, largest, temperature);
    }
    double total = 0.0;
    uint32_t count = 0;
    for (; count < kept && (count == 0 || total < top_p * all); count++)
        total += weight_of(heap[n - 1 - count].logit, largest, temperature);
    sum = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        sum += weight_of(heap[n - 1 - i].logit, largest, temperature);
        if (sum > u * total) return heap[n - 1 - i].token;
    }
    return heap[n - 1].token;
}

uint32_t sampler_draw(const float *logits, uint32_t vocab, const pm_sampling *how, uint64_t counter,
                      sampler_entry *scratch)
{
    uint32_t best = find_largest(logits, vocab);
    if (best == vocab) return 0;
    if (!(how->temperature > 0.0f)) return best;
    double u = uniform(how->seed, counter);
    uint32_t top_k = how->top_k > 0 && how->top_k < vocab ? how->top_k : vocab;
    bool nucleus = how->top_p > 0.0f && how->top_p < 1.0f;
    if (top_k == vocab && !nucleus) return draw_from_all(logits, vocab, logits[best], how->temperature, u);
    uint32_t n = make_heap(logits, vocab, scratch);
    return draw_from_best(scratch, n, top_k, nucleus ? how->top_p : INFINITY, logits[best], how->temperature, u);
}
