/* Golden files: opening, looking up, comparing. */
#include "helper_golden.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void golden_path(char out[512], const char *dir, const char *name)
{
    int n = snprintf(out, 512, "%s/%s", dir, name);
    assert_in_range(n, 1, 511);
}

void golden_open_tensors(const char *dir, const char *name, st_file *out)
{
    char path[512];
    golden_path(path, dir, name);
    if (st_open(NULL, path, out) != PM_OK) fail_msg("cannot read %s", path);
}

const st_tensor *golden_tensor(const st_file *file, const char *name, st_dtype dtype, uint64_t count)
{
    const st_tensor *t = st_find(file, name);
    if (!t) fail_msg("no tensor %s", name);
    assert_int_equal(t->dtype, dtype);
    assert_int_equal(t->size, count * 4);
    return t;
}

void golden_near(const char *what, const float *a, const float *b, size_t count, double tolerance)
{
    double off = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)a[i] - b[i];
        off += d * d;
        size += (double)b[i] * b[i];
    }
    double distance = sqrt(off / size);
    if (!(distance <= tolerance)) fail_msg("%s: relative distance %.3g, allowed %.3g", what, distance, tolerance);
}

float *golden_floats(size_t count)
{
    float *out = calloc(count, sizeof *out);
    assert_non_null(out);
    return out;
}

double golden_setting(const st_file *values, const char *key)
{
    const char *text = st_meta_find(values, key);
    if (!text) fail_msg("no %s in the values' metadata", key);
    return strtod(text, NULL);
}
