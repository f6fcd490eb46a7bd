/* The process itself: its streams, its environment, and what ends it. */
#ifndef APPS_PROCESS_H
#define APPS_PROCESS_H

#include <stdbool.h>
#include <stdio.h>

/* Call it first in main. Closed standard streams are opened on nothing: any other file would get the stream's number. A write beyond `ulimit -f` fails
 * with an error. On Windows the arguments become UTF-8, and no stream changes the ends of lines. */
void process_start(int *argc, char ***argv);
/* A variable of the environment in UTF-8, or NULL. It lives as long as the program. */
const char *process_variable(const char *name);
/* Sets a variable of the environment where it is not set. */
void process_set_default(const char *name, const char *value);
void process_sleep(unsigned seconds);
/* Prints an argument as the system's shells read it: in quotes where it needs them. */
void process_print_word(FILE *file, const char *word);

/* Silences stdout and stderr, and undoes it. `kept` belongs to the two calls. */
void process_quiet(bool on, int kept[2]);

#endif
