#define _POSIX_C_SOURCE 200809L
#include "signals.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t came;

/* The second one ends the program at once. */
static void on_signal(int number)
{
    if (came) _exit(128 + number);
    came = 1;
}

/* What the parent has the program ignore, such as nohup, stays ignored. */
void signals_open(void (*wake)(void))
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    (void)wake; /* no function of the window may be called in a handler */
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction old, now = {.sa_flags = SA_RESTART};
        now.sa_handler = on_signal;
        sigemptyset(&now.sa_mask);
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            (void)sigaction(numbers[i], &now, NULL);
    }
}

bool signals_came(void)
{
    return came != 0;
}

void signals_close(void) {}
