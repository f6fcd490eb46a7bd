/* What long calls do with a pm_control. NULL is one that is never cancelled nor paused. */
#ifndef BASE_CONTROL_H
#define BASE_CONTROL_H

#include <pumice/control.h>

static inline bool control_cancelled(const pm_control *control)
{
    return control && pm_control_cancelled(control);
}
static inline bool control_paused(const pm_control *control)
{
    return control && !pm_control_cancelled(control) && pm_control_paused(control);
}
/* Waits while it is paused. Fails: PM_CANCELLED, without a line. */
pm_status control_gate(const pm_control *control);
/* As pm_control_report. */
void control_report(pm_control *control, const char *what, uint64_t done, uint64_t all);

#endif
