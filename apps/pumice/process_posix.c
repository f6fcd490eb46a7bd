#define _XOPEN_SOURCE 700 /* SIGXFSZ */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"

/* ---- standard streams ---- */

/* Standard input and output are opened the wrong way round, so reading and writing fail as on a closed stream: output must not get lost unnoticed.
 * Messages may. */
static void open_streams(void)
{
    static const int flags[] = {O_WRONLY, O_RDONLY, O_WRONLY};
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)open("/dev/null", flags[fd]); /* the lowest that is free */
}

void process_start(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    open_streams();
    signal(SIGXFSZ, SIG_IGN);
}

void process_quiet(bool on, int kept[2])
{
    fflush(stdout);
    const int nowhere = on ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    for (int i = 0; i < 2; i++) {
        if (on) {
            kept[i] = nowhere >= 0 ? fcntl(STDOUT_FILENO + i, F_DUPFD_CLOEXEC, 3) : -1;
            if (kept[i] >= 0) (void)dup2(nowhere, STDOUT_FILENO + i);
        } else if (kept[i] >= 0) {
            (void)dup2(kept[i], STDOUT_FILENO + i);
            close(kept[i]);
        }
    }
    if (nowhere >= 0) close(nowhere);
}

/* ---- environment and time ---- */

const char *process_variable(const char *name)
{
    return getenv(name);
}

void process_set_default(const char *name, const char *value)
{
    (void)setenv(name, value, 0);
}

void process_sleep(unsigned seconds)
{
    sleep(seconds);
}

void process_print_word(FILE *file, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
    if (word[0] && strspn(word, plain) == strlen(word)) {
        fputs(word, file);
        return;
    }
    fputc('\'', file);
    for (const char *c = word; *c; c++) {
        if (*c == '\'') {
            fputs("'\\''", file);
        } else {
            fputc(*c, file);
        }
    }
    fputc('\'', file);
}

/* ---- signals ---- */

static volatile sig_atomic_t interrupted, asked, working;
static pm_control *control; /* cancelled by what interrupts; lives as long as the program */

/* Before there is work to save, a signal ends the program as it would any other. Later it sets the flag, and only a second SIGINT or SIGTERM ends the
 * program at once. A terminal that is gone often sends SIGHUP twice, and the last messages meet a closed pipe (SIGPIPE) again. */
static void on_signal(int number)
{
    const bool ends = number == SIGINT || number == SIGTERM;
    if (number != SIGPIPE && (!working || (ends && asked))) {
        signal(number, SIG_DFL);
        raise(number);
    }
    if (ends) asked = 1;
    interrupted = 1;
    if (control) pm_control_cancel(control);
}

void app_catch_interrupts(void)
{
    if (!control && pm_control_create(&control) != PM_OK) control = NULL;
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    struct sigaction action = {0}, before;
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) /* nohup lets a program start with SIGHUP ignored */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

pm_control *app_control(void)
{
    return control;
}

bool app_interrupted(void)
{
    return interrupted != 0;
}

void app_has_work(bool to_save)
{
    working = to_save;
}
