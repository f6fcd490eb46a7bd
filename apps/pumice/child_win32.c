#include "child.h"

#include <errno.h>

/* Only compilers of Mesa run in such a process, and Windows has none of them. */
bool child_run(char **argv, const child_variable *variables, size_t count, FILE *out, FILE *err, unsigned limit_s,
               child_end *end)
{
    (void)argv;
    (void)variables;
    (void)count;
    (void)out;
    (void)err;
    (void)limit_s;
    *end = (child_end){false, ""};
    errno = ENOSYS;
    return false;
}

void child_limit_time(unsigned seconds)
{
    (void)seconds;
}
