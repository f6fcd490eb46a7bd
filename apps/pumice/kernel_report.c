/* A kernel's interface and a driver's statistics, for people and as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "kernel_values.h"

enum { MAX_STATISTICS = 256 };

const char *kernel_type_text(const pm_kernel_type *type, char text[48])
{
    static const char *const vectors[] = {"", "", "vec2", "vec3", "vec4"};
    char scalar[32], array[16] = "";
    const char *name = pm_scalar_name(type->scalar);
    if (type->elements != 1) snprintf(array, sizeof array, type->elements ? "[%u]" : "[]", (unsigned)type->elements);
    if (type->columns > 1)
        snprintf(scalar, sizeof scalar, "mat%ux%u of %s", (unsigned)type->columns, (unsigned)type->components, name);
    else if (type->components > 1 && type->scalar == PM_SCALAR_F32)
        snprintf(scalar, sizeof scalar, "%s", vectors[type->components]);
    else if (type->components > 1)
        snprintf(scalar, sizeof scalar, "%s of %s", vectors[type->components], name);
    else
        snprintf(scalar, sizeof scalar, "%s", name);
    snprintf(text, 48, "%s%s", scalar, array);
    return text;
}

static const char *access_text(const pm_kernel_binding *b)
{
    if (!b->storage_buffer) return "no storage buffer";
    return b->readable && b->writable ? "read and write" : b->writable ? "write" : "read";
}

void kernel_print_json(cJSON *json)
{
    char *text = cJSON_Print(json);
    if (text) puts(text);
    free(text);
    cJSON_Delete(json);
}

/* ---- the interface ---- */

static void print_local_size(const pm_kernel_info *info)
{
    printf("work group     %u x %u x %u", (unsigned)info->local_size[0], (unsigned)info->local_size[1],
           (unsigned)info->local_size[2]);
    for (int i = 0; i < 3; i++)
        if (info->local_size_ids[i] != UINT32_MAX)
            printf(", %c by constant %u", "xyz"[i], (unsigned)info -> local_size_ids[i]);
    printf("; %llu bytes of shared memory\n", (unsigned long long)info->shared_size);
}

void kernel_print_info(const pm_kernel_info *info)
{
    char type[48];
    printf("entry point    %s, SPIR-V %u.%u\n", info->entry, (unsigned)(info->version >> 16),
           (unsigned)(info->version >> 8 & 0xff));
    print_local_size(info);
    printf("capabilities  ");
    for (uint32_t i = 0; i < info->capability_count; i++) {
        const char *name = pm_capability_name(info->capabilities[i]);
        if (name[0])
            printf(" %s", name);
        else
            printf(" %u", (unsigned)info->capabilities[i]);
    }
    printf("\n");
    for (uint32_t i = 0; i < info->binding_count; i++) {
        const pm_kernel_binding *b = &info->bindings[i];
        printf("binding        set %u, %u: %s, %s, %s", (unsigned)b->set, (unsigned)b->binding,
               b->name[0] ? b->name : "(no name)", access_text(b), kernel_type_text(&b->type, type));
        if (b->fixed_size) printf(", at least %llu bytes", (unsigned long long)b->fixed_size);
        printf("\n");
    }
    for (uint32_t i = 0; i < info->member_count; i++) {
        const pm_kernel_member *m = &info->members[i];
        printf("push constant  at %u: %s, %s, %u bytes\n", (unsigned)m->offset, m->name[0] ? m->name : "(no name)",
               kernel_type_text(&m->type, type), (unsigned)m->size);
    }
    if (info->push_size) printf("push constants %u bytes in all\n", (unsigned)info->push_size);
    for (uint32_t i = 0; i < info->spec_count; i++) {
        const pm_kernel_spec *s = &info->specs[i];
        const uint64_t bits = s->value;
        char number[32];
        printf("constant       %u: %s, %s, default %s\n", (unsigned)s->id, s->name[0] ? s->name : "(no name)",
               pm_scalar_name(s->scalar), kernel_number_text(s->scalar, &bits, 0, number));
    }
}

static void add_bindings(cJSON *json, const pm_kernel_info *info)
{
    char type[48];
    cJSON *list = cJSON_AddArrayToObject(json, "bindings");
    for (uint32_t i = 0; i < info->binding_count; i++) {
        const pm_kernel_binding *b = &info->bindings[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddNumberToObject(item, "set", b->set);
        cJSON_AddNumberToObject(item, "binding", b->binding);
        cJSON_AddStringToObject(item, "name", b->name);
        cJSON_AddStringToObject(item, "access", access_text(b));
        cJSON_AddStringToObject(item, "type", kernel_type_text(&b->type, type));
        cJSON_AddNumberToObject(item, "min_bytes", (double)b->fixed_size);
        cJSON_AddItemToArray(list, item);
    }
}

static void add_constants(cJSON *json, const pm_kernel_info *info)
{
    char type[48];
    cJSON *push = cJSON_AddArrayToObject(json, "push_constants");
    for (uint32_t i = 0; i < info->member_count; i++) {
        const pm_kernel_member *m = &info->members[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", m->name);
        cJSON_AddStringToObject(item, "type", kernel_type_text(&m->type, type));
        cJSON_AddNumberToObject(item, "offset", m->offset);
        cJSON_AddNumberToObject(item, "bytes", m->size);
        cJSON_AddItemToArray(push, item);
    }
    cJSON_AddNumberToObject(json, "push_bytes", info->push_size);
    cJSON *specs = cJSON_AddArrayToObject(json, "specialization_constants");
    for (uint32_t i = 0; i < info->spec_count; i++) {
        const pm_kernel_spec *s = &info->specs[i];
        const uint64_t bits = s->value;
        cJSON *item = cJSON_CreateObject();
        cJSON_AddNumberToObject(item, "id", s->id);
        cJSON_AddStringToObject(item, "name", s->name);
        cJSON_AddStringToObject(item, "type", pm_scalar_name(s->scalar));
        cJSON_AddItemToObject(item, "default", kernel_number_json(s->scalar, &bits, 0));
        cJSON_AddItemToArray(specs, item);
    }
}

cJSON *kernel_info_json(const pm_kernel_info *info)
{
    char version[24];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "entry", info->entry);
    snprintf(version, sizeof version, "%u.%u", (unsigned)(info->version >> 16), (unsigned)(info->version >> 8 & 0xff));
    cJSON_AddStringToObject(json, "spirv", version);
    cJSON *size = cJSON_AddArrayToObject(json, "local_size");
    for (int i = 0; i < 3; i++) cJSON_AddItemToArray(size, cJSON_CreateNumber(info->local_size[i]));
    cJSON_AddNumberToObject(json, "shared_bytes", (double)info->shared_size);
    cJSON *capabilities = cJSON_AddArrayToObject(json, "capabilities");
    for (uint32_t i = 0; i < info->capability_count; i++) {
        const char *name = pm_capability_name(info->capabilities[i]);
        cJSON_AddItemToArray(capabilities,
                             name[0] ? cJSON_CreateString(name) : cJSON_CreateNumber(info->capabilities[i]));
    }
    add_bindings(json, info);
    add_constants(json, info);
    return json;
}

/* ---- statistics ---- */

cJSON *kernel_statistics_json(pm_kernel *kernel)
{
    cJSON *list = cJSON_CreateArray();
    size_t count = 0;
    pm_kernel_statistic *all = calloc(MAX_STATISTICS, sizeof *all);
    if (!all || pm_kernel_statistics(kernel, all, MAX_STATISTICS, &count) != PM_OK) count = 0;
    for (size_t i = 0; i < count && i < MAX_STATISTICS; i++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "executable", all[i].executable);
        cJSON_AddNumberToObject(item, "subgroup_size", all[i].subgroup_size);
        cJSON_AddStringToObject(item, "name", all[i].name);
        cJSON_AddNumberToObject(item, "value", all[i].value);
        cJSON_AddItemToArray(list, item);
    }
    free(all);
    return list;
}

void kernel_print_statistics(const cJSON *statistics)
{
    const cJSON *item;
    const char *last = "";
    cJSON_ArrayForEach(item, statistics)
    {
        const char *executable = cJSON_GetStringValue(cJSON_GetObjectItem(item, "executable"));
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(item, "name"));
        if (!executable || !name) continue;
        if (strcmp(last, executable) != 0)
            printf("compiled       %s, subgroups of %.0f\n", executable,
                   cJSON_GetNumberValue(cJSON_GetObjectItem(item, "subgroup_size")));
        last = executable;
        printf("    %-34s %.10g\n", name, cJSON_GetNumberValue(cJSON_GetObjectItem(item, "value")));
    }
}
