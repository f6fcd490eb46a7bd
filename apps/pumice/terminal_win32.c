#include "terminal.h"

#include <io.h>
#include <windows.h>

static HANDLE handle_of(terminal_stream stream)
{
    static const DWORD names[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    return GetStdHandle(names[stream]);
}

bool terminal_is(terminal_stream stream)
{
    DWORD mode;
    return GetConsoleMode(handle_of(stream), &mode) != 0;
}

int terminal_columns(terminal_stream stream)
{
    enum { UNKNOWN = 80, LEAST = 20 };
    CONSOLE_SCREEN_BUFFER_INFO info;
    if (!GetConsoleScreenBufferInfo(handle_of(stream), &info)) return UNKNOWN;
    const int columns = info.srWindow.Right - info.srWindow.Left + 1;
    return columns < LEAST ? LEAST : columns;
}

bool terminal_draws(terminal_stream stream)
{
    DWORD mode;
    const HANDLE handle = handle_of(stream);
    return GetConsoleMode(handle, &mode) && SetConsoleMode(handle, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}
