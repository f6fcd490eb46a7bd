#define _XOPEN_SOURCE 700
#include "helper_dir.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *test_dir_make(void)
{
    const char *base = getenv("TMPDIR");
    if (!base || !*base) base = "/tmp";
    size_t room = strlen(base) + 32;
    char *dir = malloc(room);
    assert_non_null(dir);
    snprintf(dir, room, "%s/pumice-test-XXXXXX", base);
    assert_non_null(mkdtemp(dir));
    return dir;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info, (void)kind, (void)ftw;
    return remove(path);
}

void test_dir_remove(char *dir)
{
    assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
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
    DIR *d = opendir(dir);
    assert_non_null(d);
    size_t count = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strstr(e->d_name, part)) count++;
    }
    closedir(d);
    return count;
}

void test_write(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

char *test_read(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
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
