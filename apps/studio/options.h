/* The command line. */
#ifndef STUDIO_OPTIONS_H
#define STUDIO_OPTIONS_H

#include "settings.h"

typedef struct options {
    const char *settings_file, *script;
    bool stats, steady;
    double seconds; /* to run; 0: until it is closed */
} options;

typedef enum options_result { OPTIONS_OK, OPTIONS_HELP, OPTIONS_BAD } options_result;

/* --settings comes first: it says where the others' defaults are. Reads the settings' file, and then what the command line has in place of it. */
options_result options_read(int argc, char **argv, options *out, settings *s);

#endif
