/* A device in words and as JSON. */
#include "device_text.h"

#include <stdio.h>

#include <cjson/cJSON.h>

#include "app.h"

const char *device_type_name(pm_device_type type)
{
    switch (type) {
    case PM_DEVICE_INTEGRATED: return "integrated";
    case PM_DEVICE_DISCRETE: return "discrete";
    case PM_DEVICE_VIRTUAL: return "virtual";
    case PM_DEVICE_CPU: return "cpu";
    case PM_DEVICE_OTHER: break;
    }
    return "other";
}

const char *device_version(uint32_t version, char text[32])
{
    snprintf(text, 32, "%u.%u.%u", (unsigned)(version >> 22 & 0x7f), (unsigned)(version >> 12 & 0x3ff),
             (unsigned)(version & 0xfff));
    return text;
}

static void add_feature(cJSON *features, const char *name, bool there, bool used)
{
    cJSON *feature = cJSON_AddObjectToObject(features, name);
    cJSON_AddBoolToObject(feature, "available", there);
    cJSON_AddBoolToObject(feature, "used", used);
}

void device_json(cJSON *json, const pm_caps *own, const pm_caps *caps)
{
    char version[32];
    cJSON_AddStringToObject(json, "name", caps->name);
    cJSON_AddStringToObject(json, "type", device_type_name(caps->type));
    cJSON_AddStringToObject(json, "driver", caps->driver);
    cJSON_AddStringToObject(json, "vulkan", device_version(caps->api_version, version));
    cJSON_AddNumberToObject(json, "vendor_id", caps->vendor_id);
    cJSON_AddNumberToObject(json, "device_id", caps->device_id);
    cJSON *limits = cJSON_AddObjectToObject(json, "limits");
    cJSON_AddNumberToObject(limits, "device_memory", (double)caps->device_memory);
    cJSON_AddNumberToObject(limits, "device_memory_free", (double)caps->device_memory_free);
    cJSON_AddNumberToObject(limits, "max_allocation", (double)caps->max_allocation);
    cJSON_AddNumberToObject(limits, "max_buffer_range", (double)caps->max_buffer_range);
    cJSON_AddNumberToObject(limits, "offset_alignment", caps->offset_alignment);
    cJSON_AddNumberToObject(limits, "max_storage_buffers", caps->max_storage_buffers);
    cJSON_AddNumberToObject(limits, "max_shared_memory", caps->max_shared_memory);
    cJSON_AddNumberToObject(limits, "max_workgroup_size", caps->max_workgroup_size);
    cJSON_AddNumberToObject(limits, "max_push_constants", caps->max_push_constants);
    cJSON_AddNumberToObject(limits, "subgroup_size", caps->subgroup_size);
    cJSON_AddNumberToObject(limits, "subgroup_min", caps->subgroup_min);
    cJSON_AddNumberToObject(limits, "subgroup_max", caps->subgroup_max);
    cJSON *groups = cJSON_AddArrayToObject(limits, "max_group_count");
    for (int i = 0; i < 3; i++) cJSON_AddItemToArray(groups, cJSON_CreateNumber(caps->max_group_count[i]));
    cJSON *features = cJSON_AddObjectToObject(json, "features");
#define ADD(name, meaning) add_feature(features, #name, own->name, caps->name);
    PM_FEATURE_LIST(ADD)
#undef ADD
}
