/* Writing a profile: text into a file, and the files. */
#ifndef PROFILE_WRITE_H
#define PROFILE_WRITE_H

#include "files/file.h"
#include "profile/profile.h"

/* printf into the file, up to 1,000 bytes at a time. */
void prof_put(file_writer *file, const char *format, ...) PM_PRINTF(2, 3);
/* A JSON string with its quotes. */
void prof_put_json(file_writer *file, const char *text);
/* A number as JSON has it: null where it is not finite. */
void prof_put_number(file_writer *file, double value);

/* "256x768x3072", or "" */
const char *prof_shape(const uint32_t shape[3], char text[40]);

/* Each writes one file. */
pm_status prof_trace_write(const pm_profile *profile, const char *path);
pm_status prof_csv_write(const pm_profile *profile, const char *path, const pm_peaks *peaks);
pm_status prof_kernels_write(const pm_profile *profile, const char *path);

#endif
