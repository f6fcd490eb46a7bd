#include "os/memory.h"

#include <windows.h>

/* What a job object leaves, which is how Windows limits a container or a service. */
uint64_t os_memory_left(void)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION job;
    MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
    if (!QueryInformationJobObject(NULL, JobObjectExtendedLimitInformation, &job, sizeof job, NULL)) return UINT64_MAX;
    const DWORD limits = JOB_OBJECT_LIMIT_PROCESS_MEMORY | JOB_OBJECT_LIMIT_JOB_MEMORY;
    if (!(job.BasicLimitInformation.LimitFlags & limits)) return UINT64_MAX;
    /* Windows counts what the process may still commit under its limit. */
    return GlobalMemoryStatusEx(&memory) ? memory.ullAvailPageFile : UINT64_MAX;
}

uint64_t os_cgroup_left(const char *proc, const char *root)
{
    (void)proc;
    (void)root;
    return UINT64_MAX;
}
