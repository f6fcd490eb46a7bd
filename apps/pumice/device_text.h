/* A device in words and as JSON. */
#ifndef APPS_DEVICE_TEXT_H
#define APPS_DEVICE_TEXT_H

#include <pumice/device.h>

/* "discrete", … */
const char *device_type_name(pm_device_type type);
/* "1.3.250" */
const char *device_version(uint32_t version, char text[32]);
struct cJSON;
/* Adds name, driver, limits and features as they are lowered; `own`: what the device itself offers. */
void device_json(struct cJSON *json, const pm_caps *own, const pm_caps *caps);

#endif
