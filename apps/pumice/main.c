/* pumice: one program, a subcommand a file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "process.h"

static const struct {
    arg_command *command;
    int (*run)(int argc, char **argv); /* of the whole command line */
} subcommands[] = {
    {&devices_command, devices_main},   {&train_command, train_main},         {&finetune_command, finetune_main},
    {&eval_command, eval_main},         {&predict_command, predict_main},     {&generate_command, generate_main},
    {&tokenize_command, tokenize_main}, {&tokenizer_command, tokenizer_main}, {&convert_command, convert_main},
    {&bench_command, bench_main},       {&autotune_command, autotune_main},   {&doctor_command, doctor_main},
    {&kernel_command, kernel_main},
};

enum { SUBCOMMANDS = sizeof subcommands / sizeof *subcommands };

static void print_help(FILE *to)
{
    fputs("usage: pumice SUBCOMMAND [options]\n\nTrains and runs language models on any Vulkan device.\n\n", to);
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        fprintf(to, "  %-10s %s\n", subcommands[i].command->name, subcommands[i].command->summary);
    }
    fputs("\n`pumice SUBCOMMAND --help` lists the options. `pumice --version` prints the version.\n", to);
}

/* "devices, train or eval" */
static const char *names(char text[256])
{
    text[0] = 0;
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        const char *before = i == 0 ? "" : i + 1 < SUBCOMMANDS ? ", " : " or ";
        const size_t at = strlen(text);
        snprintf(text + at, 256 - at, "%s%s", before, subcommands[i].command->name);
    }
    return text;
}

static int find(const char *name)
{
    char text[256];
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        if (strcmp(subcommands[i].command->name, name) == 0) return (int)i;
    }
    app_error("unknown subcommand '%s': give %s", name, names(text));
    return -1;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        char text[256];
        app_error("give a subcommand: %s; `pumice --help` tells more", names(text));
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("pumice " PM_VERSION);
        return EXIT_DONE;
    }
    const bool help = strcmp(argv[1], "help") == 0;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || (help && argc < 3)) {
        print_help(stdout);
        return EXIT_DONE;
    }
    const int index = find(help ? argv[2] : argv[1]);
    if (index < 0) return EXIT_USAGE;
    if (help) {
        args_help(subcommands[index].command);
        return EXIT_DONE;
    }
    return subcommands[index].run(argc, argv);
}

int main(int argc, char **argv)
{
    process_start(&argc, &argv);
    app_seconds(); /* starts the program's clock */
    int code = dispatch(argc, argv);
    if (code == EXIT_LOST || (code == EXIT_DONE && !app_printed_all())) code = EXIT_FAILED;
    /* errno is printed only where it comes from this call. */
    const bool flushed = fflush(stdout) == 0;
    if (!flushed || ferror(stdout)) {
        app_error("stdout cannot be written%s%s", flushed ? "" : ": ", flushed ? "" : strerror(errno));
        return code == EXIT_DONE ? EXIT_FAILED : code;
    }
    return code;
}
