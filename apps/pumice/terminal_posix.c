#define _POSIX_C_SOURCE 200809L
#define _DARWIN_C_SOURCE 1 /* TIOCGWINSZ */
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool terminal_is(terminal_stream stream)
{
    return isatty((int)stream) != 0;
}

int terminal_columns(terminal_stream stream)
{
    enum { UNKNOWN = 80, LEAST = 20 };
#ifdef TIOCGWINSZ
    struct winsize size;
    if (terminal_is(stream) && ioctl((int)stream, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col < LEAST ? LEAST : size.ws_col;
#else
    (void)stream;
#endif
    return UNKNOWN;
}

bool terminal_draws(terminal_stream stream)
{
    const char *term = getenv("TERM");
    return terminal_is(stream) && term && term[0] && strcmp(term, "dumb") != 0;
}
