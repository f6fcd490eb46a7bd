/* A folder for one test's files. */
#ifndef HELPER_DIR_H
#define HELPER_DIR_H

#include <stddef.h>

/* A new empty folder below TMPDIR or /tmp, for test_dir_remove. Never NULL: the test fails instead. */
char *test_dir_make(void);

/* Removes the folder with all that is in it, and frees its name. */
void test_dir_remove(char *dir);

/* Removes any folder with all that is in it. */
void test_dir_clear(const char *dir);

/* One such folder for all tests of a program: cmocka's group fixtures. */
extern char *test_root;
int test_root_make(void **state);
int test_root_remove(void **state);

/* dir + "/" + name in one of eight static buffers that are used in turn. */
const char *test_path(const char *dir, const char *name);

/* Entries of a folder whose name contains `part` ("" counts all), without . and .. */
size_t test_dir_count(const char *dir, const char *part);

/* Plain stdio, so that the library's file code does not test itself. They fail the test on errors. */
void test_write(const char *path, const void *data, size_t size);
char *test_read(const char *path, size_t *size); /* with a 0 behind it; the caller frees */

/* Fails the test unless the file holds this text alone. */
void test_expect_content(const char *path, const char *text);

/* Fails the test unless both folders hold the file with the same bytes. */
void test_same_file(const char *dir_a, const char *dir_b, const char *name);

#endif
