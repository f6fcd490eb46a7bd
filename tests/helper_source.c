#include "helper_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/text.h>

#include "base/copy.h"
#include "files/file.h"
#include "helper_dir.h"
#include "os/file.h"

static bool fails(archive *a)
{
    return ++a->calls == a->fail_at;
}

static pm_status open_file(void *user, const char *name, void **file, uint64_t *size)
{
    archive *a = user;
    if (fails(a)) return a->answer;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->files[i].name, name) != 0) continue;
        *file = &a->files[i];
        *size = a->lied && strcmp(a->lied, name) == 0 ? a->told : a->files[i].size;
        a->opened++;
        return PM_OK;
    }
    return PM_NO_FILE;
}

static pm_status read_file(void *user, void *file, uint64_t at, void *to, size_t size)
{
    archive *a = user;
    const pm_memory_file *f = file;
    if (fails(a)) return a->answer;
    const size_t there = at >= f->size ? 0 : f->size - (size_t)at, n = there < size ? there : size;
    if (n < size && !a->endless) return PM_IO;
    if (n) memcpy(to, (const char *)f->data + at, n);
    if (n < size) memset((char *)to + n, 0, size - n);
    a->copied += size;
    if (size > a->largest) a->largest = size;
    return PM_OK;
}

static const void *view_file(void *user, void *file)
{
    archive *a = user;
    return a->with_view ? ((pm_memory_file *)file)->data : NULL;
}

static void close_file(void *user, void *file)
{
    archive *a = user;
    assert_true((pm_memory_file *)file >= a->files && (pm_memory_file *)file < a->files + a->count);
    a->opened--;
}

void archive_make(archive *a, const char *dir)
{
    *a = (archive){.answer = PM_IO};
    os_folder *folder = os_folder_open(dir);
    assert_non_null(folder);
    for (const char *name; (name = os_folder_next(folder)) != NULL;) {
        if (name[0] == '.') continue;
        assert_true(a->count < ARCHIVE_MOST);
        pm_memory_file *f = &a->files[a->count++];
        f->name = copy_text(name);
        f->data = test_read(test_path(dir, name), &f->size);
    }
    os_folder_close(folder);
    a->by_functions = (pm_source){
        .name = "archive", .open = open_file, .read = read_file, .view = view_file, .close = close_file, .user = a};
    a->in_memory = (pm_source){.files = a->files, .file_count = a->count};
}

void archive_free(archive *a)
{
    assert_int_equal(a->opened, 0);
    for (size_t i = 0; i < a->count; i++) {
        free((void *)a->files[i].name);
        free((void *)a->files[i].data);
    }
    *a = (archive){0};
}

pm_memory_file *archive_file(archive *a, const char *name)
{
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->files[i].name, name) == 0) return &a->files[i];
    fail_msg("no file %s", name);
    return NULL;
}

void archive_drop(archive *a, const char *name)
{
    pm_memory_file *f = archive_file(a, name);
    free((void *)f->name);
    free((void *)f->data);
    *f = a->files[--a->count];
    a->in_memory.file_count = a->count;
}

void archive_count(archive *a, size_t fail_at, pm_status answer)
{
    a->calls = a->largest = a->copied = 0;
    a->fail_at = fail_at;
    a->answer = answer;
}

const pm_source *archive_source(archive *a, way w)
{
    a->with_view = w == WAY_VIEW;
    return w == WAY_MEMORY ? &a->in_memory : &a->by_functions;
}

/* ---- tokenizers ---- */

const char archive_text[] = "the cat sat on the mat; the cats sat on the mats";

static void put(const char *dir, const char *name, const char *text)
{
    test_write(test_path(dir, name), text, strlen(text));
}

/* Saves a tokenizer as the folder `name`. Returns the folder, and frees the tokenizer. */
static char *saved(const char *root, const char *name, pm_tokenizer *tok)
{
    char *dir = copy_text(test_path(root, name));
    assert_non_null(dir);
    assert_int_equal(pm_tokenizer_save(NULL, tok, dir), PM_OK);
    pm_tokenizer_destroy(&tok);
    return dir;
}

static pm_tokenizer *learnt(void)
{
    pm_tokenizer *tok = NULL;
    assert_int_equal(pm_tokenizer_train(NULL, "text", archive_text, strlen(archive_text), 264, &tok), PM_OK);
    return tok;
}

char *archive_tokenizer(const char *root, int kind)
{
    pm_tokenizer *tok = NULL;
    size_t size;
    char *dir;
    if (kind == 0) {
        assert_int_equal(pm_tokenizer_bytes(NULL, &tok), PM_OK);
        return saved(root, "bytes", tok);
    }
    if (kind == 1) {
        assert_int_equal(pm_tokenizer_chars(NULL, "text", archive_text, strlen(archive_text), &tok), PM_OK);
        return saved(root, "chars", tok);
    }
    if (kind == 2) return saved(root, "gpt2", learnt());
    if (kind == 3) { /* OpenAI's names */
        dir = saved(root, "openai", learnt());
        assert_int_equal(rename(test_path(dir, "vocab.json"), test_path(dir, "encoder.json")), 0);
        assert_int_equal(rename(test_path(dir, "merges.txt"), test_path(dir, "vocab.bpe")), 0);
        assert_int_equal(remove(test_path(dir, "tokenizer_config.json")), 0);
        return dir;
    }
    if (kind == 4) { /* tokenizer.json alone */
        dir = saved(root, "whole", learnt());
        char *vocab = test_read(test_path(dir, "vocab.json"), &size), *text = malloc(size + 1000);
        char *merges = test_read(test_path(dir, "merges.txt"), &size), *first = strchr(merges, '\n') + 1;
        assert_non_null(text);
        first[strcspn(first, "\n")] = 0;
        sprintf(text,
                "{\"model\":{\"type\":\"BPE\",\"vocab\":%s,\"merges\":[\"%s\"]},\"pre_tokenizer\":"
                "{\"type\":\"ByteLevel\",\"add_prefix_space\":true},\"added_tokens\":"
                "[{\"id\":270,\"content\":\"<pad>\",\"special\":true}]}",
                vocab, first);
        put(dir, "tokenizer.json", text);
        free(merges);
        free(vocab);
        free(text);
        remove(test_path(dir, "vocab.json"));
        remove(test_path(dir, "merges.txt"));
        put(dir, "tokenizer_config.json", "{\"tokenizer_class\":\"GPT2Tokenizer\",\"eos_token\":\"<pad>\"}");
        return dir;
    }
    dir = copy_text(test_path(root, "gpt1"));
    assert_non_null(dir);
    assert_int_equal(file_make_dir(NULL, dir), PM_OK);
    put(dir, "vocab.json", "{\"<unk>\":0,\"t\":1,\"t</w>\":2,\"a\":3,\"a</w>\":4,\"at</w>\":5}");
    put(dir, "merges.txt", "#version: 0.2\na t</w>\n");
    put(dir, "tokenizer_config.json", "{\"tokenizer_class\":\"OpenAIGPTTokenizer\"}");
    put(dir, "special_tokens_map.json", "{\"unk_token\":\"<unk>\"}");
    return dir;
}
