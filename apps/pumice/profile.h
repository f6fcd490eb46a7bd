/* `--profile DIR`: which steps of a run are profiled, and the results. */
#ifndef APPS_PROFILE_H
#define APPS_PROFILE_H

#include "app.h"

typedef struct app_profile {
    const char *dir; /* NULL: no profile; all functions then do nothing and succeed */
    pm_profile *profile;
    pm_peaks peaks;
    const char *device, *driver;
    uint32_t skip, most; /* steps to leave out at first; to profile then, 0: all */
    uint32_t begun;      /* steps so far */
    bool stopped, failed;
} app_profile;

/* Before a run, after its input is checked: makes the folder and tests whether it can be written. False after an error line. */
bool profile_prepare(const app_common *common);
/* On a device opened with .profile. Measures the roofs, before the run takes the memory. `skip`: first steps to leave out, because kernels are
 * compiled and programs made in them. */
pm_status profile_open(app_profile *p, const app_common *common, pm_device *device, uint32_t skip);
/* At the beginning of each step. The files are written when the last one is over. */
void profile_step(app_profile *p);
/* After the run: writes the files if they are not written yet, and prints the table. False if a file could not be written. */
bool profile_close(app_profile *p);

/* Rows of commands that differ only in layer, program or constants, summed. */
typedef struct profile_line {
    pm_profile_row sum;       /* its layer and program are those of one of the rows */
    double share;             /* of the device's time, 0 to 1 */
    double registers, spills; /* the largest; -1: not known */
} profile_line;

/* Sorted by time, malloc'd; NULL after an error line. */
profile_line *profile_lines(const pm_profile *profile, size_t *count);
/* "256x768x3072" */
const char *profile_shape(const pm_profile_row *row, char text[40]);
/* "0.012", "1.23", "12.3", "1230" */
const char *profile_number(double value, char text[32]);

/* roofline.c: draws into path, at once or not at all. False after an error line. */
bool roofline_draw(const char *path, const char *title, const profile_line *lines, size_t count, const pm_peaks *peaks);

#endif
