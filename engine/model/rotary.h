/* Rotary positions (Su et al., 2021): the angles, in double, with the scalings of Llama 3 and of Peng et al., 2023 (YaRN). */
#ifndef MODEL_ROTARY_H
#define MODEL_ROTARY_H

#include "model/gpt.h"

/* PM_INVALID with a line that names the field. */
pm_status rotary_check(const pm_log *log, const gpt_origin *origin, const pm_gpt_config *config);

/* Replaces a scaling's 0 by what it means, and drops numbers that belong to other scalings. theta and columns are filled. */
void rotary_fill(pm_gpt_config *config);

/* The angle that pair `pair` of a head turns by at each position, and the factor of cosines and sines. `local`: of layers with a window.
 * The configuration is filled. */
double rotary_frequency(const pm_gpt_config *config, bool local, uint32_t pair);
double rotary_factor(const pm_gpt_config *config, bool local);

/* Whether some layers have angles of their own: those with a window, by local_theta. */
bool rotary_has_local(const pm_gpt_config *config);

/* The table of positions [0, rows): in each row R/2 cosines, then R/2 sines, times the factor. */
void rotary_table(const pm_gpt_config *config, bool local, uint32_t rows, float *out);

#endif
