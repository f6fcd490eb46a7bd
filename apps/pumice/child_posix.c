#define _POSIX_C_SOURCE 200809L
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child. Returns only where it failed. */
static void become(char **argv, const child_variable *variables, size_t count, FILE *out, FILE *err)
{
    for (size_t i = 0; i < count; i++)
        if (setenv(variables[i].name, variables[i].value, 1) != 0) return;
    if (dup2(fileno(out), STDOUT_FILENO) < 0 || dup2(fileno(err), STDERR_FILENO) < 0) return;
    execv("/proc/self/exe", argv);
}

bool child_run(char **argv, const child_variable *variables, size_t count, FILE *out, FILE *err, unsigned limit_s,
               child_end *end)
{
    int status = 0;
    *end = (child_end){false, ""};
    const pid_t child = fork();
    if (child < 0) return false;
    if (child == 0) {
        become(argv, variables, count, out, err);
        _exit(127);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    const int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    end->killed = number != 0;
    if (number == SIGXCPU)
        snprintf(end->text, sizeof end->text, "its compiler took more than %u s of processor time", limit_s);
    else if (number)
        snprintf(end->text, sizeof end->text, "its driver ended the process by signal %d", number);
    else if (WEXITSTATUS(status) != 0)
        snprintf(end->text, sizeof end->text, "it ended with code %d", WEXITSTATUS(status));
    return true;
}

/* SIGXCPU comes then. */
void child_limit_time(unsigned seconds)
{
    struct rusage used;
    struct rlimit limit;
    if (getrusage(RUSAGE_SELF, &used) != 0 || getrlimit(RLIMIT_CPU, &limit) != 0) return;
    limit.rlim_cur = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1) + seconds;
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_cur <= limit.rlim_max) (void)setrlimit(RLIMIT_CPU, &limit);
}
