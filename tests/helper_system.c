#ifndef _WIN32
#define _XOPEN_SOURCE 700
#endif
#include "helper_system.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#include <windows.h>
#else
#include <sys/stat.h>
#endif
#include <unistd.h>

#include "os/file.h"

void test_make_folder(const char *path)
{
    assert_true(os_make_folder(path));
}

void test_remove_folder(const char *path)
{
    assert_int_equal(rmdir(path), 0);
}

uint64_t test_size(const char *path)
{
    os_info info;
    assert_true(os_stat(path, &info));
    return info.size;
}

#ifdef _WIN32
FILE *test_open(const char *path, const char *mode)
{
    wchar_t wide[1024], letters[8];
    assert_true(MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, 1024) > 0);
    assert_true(MultiByteToWideChar(CP_UTF8, 0, mode, -1, letters, 8) > 0);
    FILE *file = _wfopen(wide, letters);
    assert_non_null(file);
    return file;
}

void test_resize(const char *path, uint64_t size)
{
    const int file = _open(path, _O_RDWR | _O_BINARY);
    assert_true(file >= 0);
    assert_int_equal(_chsize_s(file, (long long)size), 0);
    assert_int_equal(_close(file), 0);
}

bool test_link(const char *to, const char *path)
{
    return (void)to, (void)path, false;
}

bool test_make_pipe(const char *path)
{
    return (void)path, false;
}

bool test_permit(const char *path, unsigned permissions)
{
    return (void)path, (void)permissions, false;
}

void test_set_variable(const char *name, const char *value)
{
    assert_int_equal(_putenv_s(name, value ? value : ""), 0);
}
#else
FILE *test_open(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    return file;
}

void test_resize(const char *path, uint64_t size)
{
    assert_int_equal(truncate(path, (off_t)size), 0);
}

bool test_link(const char *to, const char *path)
{
    assert_int_equal(symlink(to, path), 0);
    return true;
}

bool test_make_pipe(const char *path)
{
    assert_int_equal(mkfifo(path, 0600), 0);
    return true;
}

bool test_permit(const char *path, unsigned permissions)
{
    assert_int_equal(chmod(path, permissions), 0);
    return true;
}

void test_set_variable(const char *name, const char *value)
{
    assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}
#endif
