/* What tests do to files and the environment. Functions that return false could not do it because this system has none of it. */
#ifndef HELPER_SYSTEM_H
#define HELPER_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* fopen() of a path in UTF-8; fails the test where it fails. */
FILE *test_open(const char *path, const char *mode);
void test_make_folder(const char *path);
void test_remove_folder(const char *path); /* an empty one */
void test_resize(const char *path, uint64_t size);
uint64_t test_size(const char *path);
bool test_link(const char *to, const char *path); /* a symbolic link */
bool test_make_pipe(const char *path);
bool test_permit(const char *path, unsigned permissions);
/* NULL: removes the variable. */
void test_set_variable(const char *name, const char *value);

#endif
