/* This program as a process of its own, with another environment. */
#ifndef APPS_CHILD_H
#define APPS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct child_variable {
    const char *name, *value;
} child_variable;

typedef struct child_end {
    bool killed;   /* by a signal */
    char text[64]; /* how it ended; "" after a success */
} child_end;

/* Runs this program with these arguments and further variables, its output in two files, and waits for its end. `limit_s` is what child_limit_time was
 * given there, for the text. False where no process can be started: errno says why. */
bool child_run(char **argv, const child_variable *variables, size_t count, FILE *out, FILE *err, unsigned limit_s,
               child_end *end);
/* In the child: further processor time in seconds, behind which the process is killed. */
void child_limit_time(unsigned seconds);

#endif
