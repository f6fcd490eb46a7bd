#include "signals.h"

#include <signal.h>
#include <stddef.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

static volatile sig_atomic_t came;
static void (*wake_window)(void);
static HANDLE done;

/* On a thread of the system's. Where a console is closed the process ends with the routine, so that this waits until all is saved. */
static BOOL WINAPI on_event(DWORD event)
{
    if (came) return FALSE; /* the system ends the process */
    came = 1;
    wake_window();
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT && done) (void)WaitForSingleObject(done, INFINITE);
    return TRUE;
}

void signals_open(void (*wake)(void))
{
    wake_window = wake;
    done = CreateEventW(NULL, TRUE, FALSE, NULL);
    (void)SetConsoleCtrlHandler(on_event, TRUE);
}

bool signals_came(void)
{
    return came != 0;
}

void signals_close(void)
{
    if (done) (void)SetEvent(done);
}
