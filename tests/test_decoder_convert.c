/* Model folders of Llama, Qwen and Gemma, rewritten without a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "helper_decoder.h"
#include "helper_dir.h"
#include "helper_golden.h"
#include "helper_log.h"

/* Both folders' weights have the same tensors. */
static void same_tensors(const char *a, const char *b)
{
    st_file left, right;
    golden_open_tensors(a, "model.safetensors", &left);
    golden_open_tensors(b, "model.safetensors", &right);
    assert_int_equal(left.tensor_count, right.tensor_count);
    for (size_t i = 0; i < left.tensor_count; i++) {
        const st_tensor *x = &left.tensors[i], *y = st_find(&right, x->name);
        if (!y || y->dtype != x->dtype || y->rank != x->rank || memcmp(x->shape, y->shape, sizeof x->shape) ||
            x->size != y->size || memcmp(x->data, y->data, x->size))
            fail_msg("%s: %s", b, x->name);
    }
    st_close(&left);
    st_close(&right);
}

/* Folders that PyTorch's values came with: rewritten, every tensor is there under its name with the same bytes, and once more all bytes are. */
static void test_convert(void **state)
{
    (void)state;
    const pm_log log_here = test_log();
    static const char *const names[] = {"llama", "qwen2", "qwen3", "gemma3"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char from[512], to[512], again[512];
        pm_gpt_config given, written;
        snprintf(from, sizeof from, TEST_DATA_DIR "/golden/%s", names[i]);
        snprintf(to, sizeof to, "%s", test_path(test_root, names[i]));
        snprintf(again, sizeof again, "%s", test_path(test_root, "again"));
        test_log_reset();
        if (pm_model_convert(&log_here, from, 0, to) != PM_OK) fail_msg("%s", test_last_error());
        assert_int_equal(pm_model_convert(&log_here, to, 0, again), PM_OK);
        assert_int_equal(test_log_count(PM_LOG_WARN), 0);
        same_tensors(from, to);
        test_same_file(to, again, "model.safetensors");
        test_same_file(to, again, "config.json");
        assert_int_equal(pm_gpt_config_load(&log_here, from, &given), PM_OK);
        assert_int_equal(pm_gpt_config_load(&log_here, to, &written), PM_OK);
        decoder_same(names[i], &written, &given);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_convert)};
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
