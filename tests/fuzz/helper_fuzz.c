#define _POSIX_C_SOURCE 200809L
#include "helper_fuzz.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "helper_dir.h"

static unsigned errors;
static char last_line[1024]; /* of the log */

_Noreturn void fuzz_broken(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: does not hold: %s\nlogged last: %s\n", file, line, what, last_line);
    abort();
}

/* ---- files ---- */

static char *folder;

static void remove_folder(void)
{
    test_dir_remove(folder);
}

const char *fuzz_dir(void)
{
    if (!folder) {
        if (access("/dev/shm", W_OK) == 0) (void)setenv("TMPDIR", "/dev/shm", 0);
        folder = test_dir_make();
        (void)atexit(remove_folder);
    }
    return folder;
}

const char *fuzz_file(const char *name, const void *data, size_t size)
{
    const char *path = test_path(fuzz_dir(), name);
    test_write(path, data, size);
    return path;
}

void fuzz_no_file(const char *name)
{
    (void)unlink(test_path(fuzz_dir(), name));
}

/* The linker replaces mmap and munmap by these (--wrap). A map reaches to the end of a page, where no sanitizer looks; malloc'd memory ends where the
 * file does. */
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t size);

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    (void)at, (void)protection;
    void *data = flags & MAP_FIXED ? NULL : malloc(size); /* code that drops pages keeps them where this fails */
    if (data && pread(fd, data, size, offset) == (ssize_t)size) return data;
    free(data);
    return MAP_FAILED;
}

int __wrap_munmap(void *at, size_t size)
{
    (void)size;
    free(at);
    return 0;
}

/* ---- inputs ---- */

void fuzz_cut(const uint8_t *data, size_t size, fuzz_part *parts, size_t count)
{
    static const char line[] = "\n----\n";
    const size_t length = sizeof line - 1;
    const char *text = size ? (const char *)data : line, *end = text + size; /* no part is NULL */
    for (size_t i = 0; i < count; i++) {
        const char *stop = text;
        while (stop < end && ((size_t)(end - stop) < length || memcmp(stop, line, length) != 0)) stop++;
        parts[i] = (fuzz_part){text, (size_t)(stop - text)};
        text = stop < end ? stop + length : end;
    }
}

const char *fuzz_safetensors(const char *name, const uint8_t *data, size_t size)
{
    enum { PREFIX = 8 }; /* bytes of the header's length */
    fuzz_part parts[2];
    if (!size || data[0] != '{') return fuzz_file(name, data, size);
    fuzz_cut(data, size, parts, 2);
    char *file = malloc(PREFIX + size);
    if (!file) abort();
    for (int i = 0; i < PREFIX; i++) file[i] = (char)((uint64_t)parts[0].size >> (8 * i) & 0xFF);
    memcpy(file + PREFIX, parts[0].text, parts[0].size);
    memcpy(file + PREFIX + parts[0].size, parts[1].text, parts[1].size);
    const char *path = fuzz_file(name, file, PREFIX + parts[0].size + parts[1].size);
    free(file);
    return path;
}

unsigned char *fuzz_damage(const void *good, size_t good_size, const uint8_t *data, size_t size, size_t *out_size)
{
    const size_t head = size < 3 ? size : 3, more = size - head;
    size_t at = size < 3 ? good_size : 256 * (size_t)data[0] + data[1];
    if (at > good_size) at = good_size;
    const size_t end = at + more, whole = size >= 3 && data[2] % 2 == 0 && end < good_size ? good_size : end;
    unsigned char *bytes = malloc(whole + 1);
    if (!bytes) abort();
    memcpy(bytes, good, good_size < whole ? good_size : whole);
    if (more) memcpy(bytes + at, data + head, more);
    *out_size = whole;
    return bytes;
}

/* ---- rules ---- */

static void count_line(void *user, pm_log_level level, const char *line)
{
    (void)user;
    snprintf(last_line, sizeof last_line, "%s", line);
    for (const unsigned char *c = (const unsigned char *)line; *c; c++) {
        REQUIRE(*c >= 0x20 && *c != 0x7F);
        REQUIRE(*c != 0xC2 || c[1] < 0x80 || c[1] > 0x9F); /* U+0080 to U+009F: terminals act on them too */
    }
    errors += level == PM_LOG_ERROR;
}

const pm_log *fuzz_log(void)
{
    static const pm_log log = {.fn = count_line, .max_level = PM_LOG_DEBUG};
    return &log;
}

bool fuzz_done(pm_status status)
{
    REQUIRE(errors == (status != PM_OK));
    errors = 0;
    return status == PM_OK;
}

static volatile unsigned char sink;

void fuzz_touch(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++) sink ^= ((const unsigned char *)data)[i];
}
