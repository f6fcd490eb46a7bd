#include "process.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include <shellapi.h>

#include "app.h"
#include "os/atomic.h"
#include "os/wide.h"

/* ---- standard streams and arguments ---- */

static UINT code_page;

static void restore_console(void)
{
    SetConsoleOutputCP(code_page);
}

/* Text goes out in UTF-8, with the ends of lines as they are. */
static void open_streams(void)
{
    FILE *const streams[] = {stdin, stdout, stderr};
    for (int i = 0; i < 3; i++) (void)_setmode(_fileno(streams[i]), _O_BINARY);
    code_page = GetConsoleOutputCP();
    if (code_page && code_page != CP_UTF8 && SetConsoleOutputCP(CP_UTF8)) atexit(restore_console);
}

/* The command line in UTF-8, which lives as long as the program. */
static void read_arguments(int *argc, char ***argv)
{
    int count = 0;
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &count);
    char **texts = wide ? calloc((size_t)count + 1, sizeof *texts) : NULL;
    bool good = texts != NULL;
    for (int i = 0; i < count && good; i++) good = (texts[i] = os_utf8(wide[i])) != NULL;
    LocalFree(wide);
    if (!good) return;
    *argc = count;
    *argv = texts;
}

void process_start(int *argc, char ***argv)
{
    open_streams();
    read_arguments(argc, argv);
}

void process_quiet(bool on, int kept[2])
{
    fflush(stdout);
    const int nowhere = on ? _open("NUL", _O_WRONLY | _O_NOINHERIT) : -1;
    for (int i = 0; i < 2; i++) {
        if (on) {
            kept[i] = nowhere >= 0 ? _dup(1 + i) : -1;
            if (kept[i] >= 0) (void)_dup2(nowhere, 1 + i);
        } else if (kept[i] >= 0) {
            (void)_dup2(kept[i], 1 + i);
            _close(kept[i]);
        }
    }
    if (nowhere >= 0) _close(nowhere);
}

/* ---- environment and time ---- */

const char *process_variable(const char *name)
{
    enum { KEPT = 16 };
    static struct {
        const char *name;
        char *value;
    } kept[KEPT];
    wchar_t wide[64];
    int at = 0;
    while (at < KEPT - 1 && kept[at].name && strcmp(kept[at].name, name) != 0) at++;
    const wchar_t *value = mbstowcs(wide, name, 64) < 64 ? _wgetenv(wide) : NULL;
    char *text = value ? os_utf8(value) : NULL;
    if (kept[at].name && text && kept[at].value && strcmp(text, kept[at].value) == 0)
        free(text); /* it may be in use */
    else
        kept[at].value = text;
    kept[at].name = name;
    return kept[at].value;
}

void process_set_default(const char *name, const char *value)
{
    if (!getenv(name)) (void)_putenv_s(name, value);
}

void process_sleep(unsigned seconds)
{
    Sleep(1000 * seconds);
}

/* The program that is started takes the words apart: a backslash means itself, except before a quotation mark. */
void process_print_word(FILE *file, const char *word)
{
    const bool plain = word[0] && strpbrk(word, " \t\"'&|<>()^;!`$*?#") == NULL;
    size_t slashes = 0;
    if (!plain) fputc('"', file);
    for (const char *c = word; *c; c++) {
        if (*c == '"')
            for (size_t i = 0; i <= slashes; i++) fputc('\\', file);
        slashes = *c == '\\' ? slashes + 1 : 0;
        fputc(*c, file);
    }
    for (size_t i = 0; !plain && i < slashes; i++) fputc('\\', file);
    if (!plain) fputc('"', file);
}

/* ---- what ends the program ---- */

static os_atomic interrupted, asked, working;
static pm_control *control; /* cancelled by what interrupts; lives as long as the program */

/* Runs on a thread of its own. After CTRL_CLOSE_EVENT, Windows ends the program when this returns, or 5 seconds later; so it waits. */
static BOOL WINAPI on_event(DWORD event)
{
    const bool ends = event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT;
    if (!os_atomic_load(&working) || (ends && os_atomic_load(&asked))) return FALSE; /* ends the program */
    if (ends) os_atomic_store(&asked, 1);
    os_atomic_store(&interrupted, 1);
    if (control) pm_control_cancel(control);
    if (!ends) Sleep(INFINITE);
    return TRUE;
}

void app_catch_interrupts(void)
{
    if (!control && pm_control_create(&control) != PM_OK) control = NULL;
    SetConsoleCtrlHandler(on_event, TRUE);
}

pm_control *app_control(void)
{
    return control;
}

bool app_interrupted(void)
{
    return os_atomic_load(&interrupted) != 0;
}

void app_has_work(bool to_save)
{
    os_atomic_store(&working, to_save);
}
