#include "helper_gguf.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "helper_log.h"

unsigned char made[MADE_MOST];
size_t made_size;
pm_log made_log;
static uint64_t told_size;
static int open_files;

void make_number(uint64_t value, int bytes)
{
    assert_true(made_size + 8 <= MADE_MOST);
    for (int i = 0; i < bytes; i++) made[made_size++] = (unsigned char)(value >> (8 * i));
}

void make_begin(uint32_t version, uint64_t tensors, uint64_t keys)
{
    made_log = test_log();
    made_size = 0;
    make_number(0x46554747, 4); /* "GGUF" */
    make_number(version, 4);
    make_number(tensors, 8);
    make_number(keys, 8);
}

void make_text(const char *text)
{
    const size_t size = strlen(text);
    make_number(size, 8);
    assert_true(made_size + size <= MADE_MOST);
    memcpy(made + made_size, text, size);
    made_size += size;
}

void make_key(const char *key, gguf_value type)
{
    make_text(key);
    make_number(type, 4);
}

void make_array(const char *key, gguf_value type, uint64_t count)
{
    make_key(key, GGUF_VALUE_ARRAY);
    make_number(type, 4);
    make_number(count, 8);
}

void make_tensor(const char *name, uint32_t rank, uint64_t d0, uint64_t d1, uint32_t type, uint64_t offset)
{
    make_text(name);
    make_number(rank, 4);
    if (rank > 0) make_number(d0, 8);
    if (rank > 1) make_number(d1, 8);
    for (uint32_t i = 2; i < rank && i < 8; i++) make_number(1, 8);
    make_number(type, 4);
    make_number(offset, 8);
}

void make_pad(size_t alignment)
{
    while (made_size % alignment) make_number(0, 1);
}

/* ---- opening ---- */

static pm_status open_function(void *user, const char *name, void **file, uint64_t *size)
{
    (void)user;
    if (strcmp(name, "a.gguf") != 0) return PM_NO_FILE;
    *file = made;
    *size = told_size;
    open_files++;
    return PM_OK;
}

static pm_status read_function(void *user, void *file, uint64_t at, void *to, size_t size)
{
    (void)user;
    assert_ptr_equal(file, made);
    assert_in_range(size, 1, 8 << 20);
    const size_t there = at >= made_size ? 0 : made_size - (size_t)at, n = there < size ? there : size;
    if (n < size && told_size == made_size) return PM_IO;
    memset(to, 0, size);
    if (n) memcpy(to, made + at, n);
    return PM_OK;
}

static void close_function(void *user, void *file)
{
    (void)user;
    (void)file;
    open_files--;
}

static pm_status open_from(const pm_source *given, gguf_file *out)
{
    file_source from;
    file_ref ref;
    assert_int_equal(file_source_given(&made_log, given, sizeof *given, &from), PM_OK);
    assert_int_equal(file_ref_make(&made_log, &from, "a.gguf", &ref), PM_OK);
    test_log_reset();
    const int before = open_files;
    const pm_status status = gguf_open_ref(&made_log, &ref, NULL, out);
    file_ref_free(&ref);
    assert_int_equal(test_log_count(PM_LOG_ERROR), status == PM_OK ? 0 : 1);
    if (status != PM_OK) assert_int_equal(open_files, before);
    return status;
}

pm_status made_try_lied(uint64_t told, gguf_file *out)
{
    const pm_source source = {.name = "made", .open = open_function, .read = read_function, .close = close_function};
    told_size = told;
    return open_from(&source, out);
}

pm_status made_try(made_way way, gguf_file *out)
{
    const pm_memory_file file = {"a.gguf", made, made_size};
    const pm_source source = {.name = "made", .files = &file, .file_count = 1};
    return way == MADE_MEMORY ? open_from(&source, out) : made_try_lied(made_size, out);
}

void made_open(made_way way, gguf_file *out)
{
    if (made_try(way, out) != PM_OK) fail_msg("%s", test_last_error());
}

void made_refused(const char *words)
{
    for (made_way way = 0; way < MADE_WAYS; way++) {
        gguf_file file = {.version = 77};
        const pm_status status = made_try(way, &file);
        test_expect_failure(status, PM_FORMAT, "made: a.gguf: ", words);
        assert_int_equal(file.version, 77); /* untouched on failure */
    }
}
