#include <pumice/status.h>

const char *pm_status_text(pm_status status)
{
    switch (status) {
#define STATUS_CASE(name, meaning)                                                                                     \
    case PM_##name: return meaning;
        PM_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return "an unknown status";
}
