#include "helper_gguf_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "helper_dir.h"
#include "helper_golden.h"
#include "helper_log.h"

const char *golden_folder(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, TEST_DATA_DIR "/golden/%s", name);
    return path;
}

const char *fresh_path(const char *name)
{
    const char *path = test_path(test_root, name);
    (void)remove(path);
    return path;
}

void convert_to_gguf(const char *from, const char *to, pm_gguf_type type)
{
    const pm_log log_here = test_log();
    const pm_gguf_params params = {.type = type};
    test_log_reset();
    if (pm_model_convert_gguf(&log_here, from, to, &params) != PM_OK) fail_msg("%s", test_last_error());
}

float *gguf_floats_of(const gguf_file *file, const char *name, size_t count)
{
    const gguf_tensor *t = gguf_find(file, name);
    float *out = golden_floats(count);
    assert_non_null(t);
    assert_int_equal(t->count, count);
    assert_int_equal(gguf_floats(NULL, file, t, 0, count, out), PM_OK);
    return out;
}
