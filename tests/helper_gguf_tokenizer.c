#include "helper_gguf_tokenizer.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "helper_dir.h"
#include "helper_log.h"
#include "helper_text.h"

const tok_gguf_model test_no_model = {
    .begin = TOK_NONE, .end = TOK_NONE, .turn = TOK_NONE, .more = TOK_NONE, .pad = TOK_NONE};

void test_gguf_write(const char *path, const pm_tokenizer *tok, const tok_gguf_model *model)
{
    const pm_log log = test_log();
    gguf_writer *w;
    test_log_reset();
    assert_int_equal(gguf_writer_make(&log, path, &w), PM_OK);
    if (tok_gguf_put(&log, "some/model", tok, model, w) != PM_OK) fail_msg("%s", test_last_error());
    assert_int_equal(gguf_write_begin(w), PM_OK);
    assert_int_equal(gguf_write_commit(&w), PM_OK);
}

pm_tokenizer *test_tok_load(const char *path)
{
    const pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    if (pm_tokenizer_load(&log, path, &tok) != PM_OK) fail_msg("%s", test_last_error());
    return tok;
}

void test_gguf_kept(const pm_tokenizer *tok)
{
    const pm_log log = test_log();
    tok_gguf_model model = test_no_model;
    char path[512], dir[512];
    snprintf(path, sizeof path, "%s", test_path(test_root, "kept.gguf"));
    snprintf(dir, sizeof dir, "%s", test_path(test_root, "kept"));
    model.vocab = pm_tokenizer_vocab(tok);
    test_gguf_write(path, tok, &model);
    pm_tokenizer *back = test_tok_load(path);
    test_expect_same(back, tok);
    assert_int_equal(pm_tokenizer_begin(back), pm_tokenizer_begin(tok));
    assert_int_equal(pm_tokenizer_adds_begin(back), pm_tokenizer_adds_begin(tok));
    assert_int_equal(pm_tokenizer_save(&log, back, dir), PM_OK);
    pm_tokenizer_destroy(&back);
    back = test_tok_load(dir);
    test_expect_same(back, tok);
    if (tok->chat) assert_string_equal(back->chat, tok->chat);
    pm_tokenizer_destroy(&back);
    test_dir_clear(dir);
}
