/* What Ctrl-C does on Windows, to each pumice.exe that runs: a thread of its own that begins in the system's CtrlRoutine. It needs no console, which a
 * program under Wine has only on a terminal. Not a test: check_*.sh use it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include <tlhelp32.h>

int main(void)
{
    const FARPROC routine = GetProcAddress(GetModuleHandleA("kernel32"), "CtrlRoutine");
    const HANDLE list = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    PROCESSENTRY32 entry = {.dwSize = sizeof entry};
    int found = 0;
    for (BOOL more = Process32First(list, &entry); routine && more; more = Process32Next(list, &entry)) {
        if (strcmp(entry.szExeFile, "pumice.exe") != 0) continue;
        const HANDLE process = OpenProcess(PROCESS_ALL_ACCESS, FALSE, entry.th32ProcessID);
        const HANDLE thread = process ? CreateRemoteThread(process, NULL, 0, (LPTHREAD_START_ROUTINE)(uintptr_t)routine,
                                                           (void *)(uintptr_t)CTRL_C_EVENT, 0, NULL)
                                      : NULL;
        if (thread) found++;
        if (thread) CloseHandle(thread);
        if (process) CloseHandle(process);
    }
    CloseHandle(list);
    return found > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
