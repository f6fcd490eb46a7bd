/* What Qwen 2 and Qwen 3 share in config.json. */
#ifndef MODEL_ARCH_QWEN_H
#define MODEL_ARCH_QWEN_H

#include "model/arch_decoder.h"

void qwen_read(config_reader *r, pm_gpt_config *c);
void qwen_write(cJSON *o, const pm_gpt_config *c);

#endif
