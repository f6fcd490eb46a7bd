#include "helper_dir.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper_system.h"
#include "os/clock.h"
#include "os/file.h"

char *test_dir_make(void)
{
    static unsigned made;
    const char *base = getenv("TMPDIR");
    if (!base || !*base) base = "/tmp";
    const size_t room = strlen(base) + 64;
    char *dir = malloc(room);
    assert_non_null(dir);
    snprintf(dir, room, "%s/pumice-test-%lu-%08lx-%u", base, (unsigned long)os_process_id(),
             (unsigned long)(os_time_ns() & 0xffffffff), made++);
    test_make_folder(dir);
    return dir;
}

void test_dir_clear(const char *path)
{
    os_info info;
    assert_true(os_stat_link(path, &info));
    if (info.kind != OS_FOLDER) {
        assert_true(os_remove(path));
        return;
    }
    os_folder *folder = os_folder_open(path);
    assert_non_null(folder);
    for (const char *name; (name = os_folder_next(folder)) != NULL;) {
        char inside[1024];
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        assert_true(snprintf(inside, sizeof inside, "%s/%s", path, name) < (int)sizeof inside);
        test_dir_clear(inside);
    }
    os_folder_close(folder);
    test_remove_folder(path);
}

void test_dir_remove(char *dir)
{
    test_dir_clear(dir);
    free(dir);
}

char *test_root;

int test_root_make(void **state)
{
    (void)state;
    test_root = test_dir_make();
    return 0;
}

int test_root_remove(void **state)
{
    (void)state;
    test_dir_remove(test_root);
    return 0;
}

const char *test_path(const char *dir, const char *name)
{
    static char buffers[8][1024];
    static unsigned turn;
    char *buffer = buffers[turn++ % 8];
    assert_true(snprintf(buffer, sizeof buffers[0], "%s/%s", dir, name) < (int)sizeof buffers[0]);
    return buffer;
}

size_t test_dir_count(const char *dir, const char *part)
{
    os_folder *folder = os_folder_open(dir);
    size_t count = 0;
    assert_non_null(folder);
    for (const char *name; (name = os_folder_next(folder)) != NULL;)
        count += strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strstr(name, part);
    os_folder_close(folder);
    return count;
}

void test_write(const char *path, const void *data, size_t size)
{
    FILE *f = test_open(path, "wb");
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

char *test_read(const char *path, size_t *size)
{
    FILE *f = test_open(path, "rb");
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long end = ftell(f);
    assert_true(end >= 0);
    rewind(f);
    char *data = malloc((size_t)end + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)end, f), end);
    data[end] = 0;
    fclose(f);
    *size = (size_t)end;
    return data;
}

void test_expect_content(const char *path, const char *text)
{
    size_t size;
    char *data = test_read(path, &size);
    assert_int_equal(size, strlen(text));
    assert_string_equal(data, text);
    free(data);
}

void test_same_file(const char *dir_a, const char *dir_b, const char *name)
{
    char path_a[1024], path_b[1024]; /* not test_path's buffers: the caller may hold some */
    size_t size_a = 0, size_b = 0;
    snprintf(path_a, sizeof path_a, "%s/%s", dir_a, name);
    snprintf(path_b, sizeof path_b, "%s/%s", dir_b, name);
    char *a = test_read(path_a, &size_a), *b = test_read(path_b, &size_b);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(a, b, size_a);
    free(a);
    free(b);
}
