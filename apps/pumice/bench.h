/* What the files of `pumice bench` share. */
#ifndef APPS_BENCH_H
#define APPS_BENCH_H

#include <stdbool.h>

/* Prints how rows of two files that `pumice bench --json` wrote compare; false after an error line. */
bool bench_compare(const char *path_a, const char *path_b, bool json);

#endif
