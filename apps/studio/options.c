#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: pumice-studio [options]\n"
    "\n"
    "Trains GPT models, lets them write, teaches them tasks and profiles them, in a window.\n"
    "\n"
    "  --device NAME|N       the device that computes, by a part of its name or its number in `pumice devices`\n"
    "  --data FILE|DIR       the text to train on\n"
    "  --out DIR             the run's folder\n"
    "  --model DIR           the model that writes\n"
    "  --page train|write|task|profile|device\n"
    "  --theme dark|light\n"
    "  --scale PERCENT       100 to 200\n"
    "  --size WxH            of the window\n"
    "  --settings FILE       where settings are kept, in place of the user's configuration folder; \"\": nowhere\n"
    "  --script FILE         do what the file says, a line an action, and quit; see apps/studio/script.h\n"
    "  --seconds N           quit after so many seconds\n"
    "  --steady              draw 20 frames a second while something is computed, also where nothing changes\n"
    "  --stats               print the frames' times and the tokens a second at the end, as JSON\n"
    "  --version, --help\n";

static bool take_size(settings *s, const char *value)
{
    char *end = NULL, width[16];
    const unsigned long w = strtoul(value, &end, 10);
    if (end == value || *end != 'x') return false;
    snprintf(width, sizeof width, "%lu", w);
    return settings_set(s, "width", width) && settings_set(s, "height", end + 1);
}

static bool take_page(settings *s, const char *value)
{
    static const char *const pages[] = {"train", "write", "task", "profile", "device"};
    for (uint32_t i = 0; i < 5; i++) {
        if (strcmp(pages[i], value) != 0) continue;
        s->page = i;
        return true;
    }
    return false;
}

static bool take(const char *name, const char *value, options *out, settings *s)
{
    if (strcmp(name, "--settings") == 0 || strcmp(name, "--script") == 0) {
        *(name[3] == 'e' ? &out->settings_file : &out->script) = value;
        return true;
    }
    if (strcmp(name, "--seconds") == 0) return (out->seconds = strtod(value, NULL)) > 0;
    if (strcmp(name, "--size") == 0) return take_size(s, value);
    if (strcmp(name, "--page") == 0) return take_page(s, value);
    if (strcmp(name, "--theme") == 0) {
        s->light = strcmp(value, "light") == 0;
        return s->light || strcmp(value, "dark") == 0;
    }
    return settings_set(s, name + 2, value); /* device, data, out, model, scale */
}

static bool known(const char *name)
{
    static const char *const names[] = {"--settings", "--script", "--seconds", "--size",  "--page", "--theme",
                                        "--device",   "--data",   "--out",     "--model", "--scale"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

options_result options_read(int argc, char **argv, options *out, settings *s)
{
    *out = (options){0};
    settings_default(s);
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--settings") == 0) out->settings_file = argv[i + 1];
    settings_load(s, out->settings_file);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            return OPTIONS_HELP;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("pumice-studio " STUDIO_VERSION);
            return OPTIONS_HELP;
        }
        if (strcmp(argv[i], "--stats") == 0 || strcmp(argv[i], "--steady") == 0) {
            *(argv[i][4] == 'a' ? &out->stats : &out->steady) = true;
            continue;
        }
        if (!known(argv[i])) {
            fprintf(stderr, "pumice-studio: unknown option %s: see pumice-studio --help\n", argv[i]);
            return OPTIONS_BAD;
        }
        if (i + 1 == argc) {
            fprintf(stderr, "pumice-studio: %s needs a value: see pumice-studio --help\n", argv[i]);
            return OPTIONS_BAD;
        }
        if (!take(argv[i], argv[i + 1], out, s)) {
            fprintf(stderr, "pumice-studio: %s %s: not a value for it; see pumice-studio --help\n", argv[i],
                    argv[i + 1]);
            return OPTIONS_BAD;
        }
        i++;
    }
    return OPTIONS_OK;
}
