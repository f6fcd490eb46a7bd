/* Standard streams that may be a terminal. */
#ifndef APPS_TERMINAL_H
#define APPS_TERMINAL_H

#include <stdbool.h>

typedef enum terminal_stream { TERMINAL_STDIN, TERMINAL_STDOUT, TERMINAL_STDERR } terminal_stream;

bool terminal_is(terminal_stream stream);
/* How wide a terminal is, 20 at least; 80 where there is none. */
int terminal_columns(terminal_stream stream);
/* Whether the terminal goes back to a line's start and deletes it. */
bool terminal_draws(terminal_stream stream);

#endif
