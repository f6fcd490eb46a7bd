/* The page Device: which one computes. */
#include <stdio.h>
#include <string.h>

#include "app.h"

static const char *const types[] = {"other", "integrated GPU", "discrete GPU", "virtual GPU", "software"};

/* The optional features, as words. */
static void features(const pm_caps *caps, char *out, size_t size)
{
    out[0] = 0;
#define ADD(name, meaning)                                                                                             \
    if (caps->name) snprintf(out + strlen(out), size - strlen(out), "%s%s", out[0] ? ", " : "", #name);
    PM_FEATURE_LIST(ADD)
#undef ADD
}

static bool is_open(const app *a, const pm_caps *caps)
{
    return a->state->device_open && strcmp(a->state->caps.name, caps->name) == 0 &&
           memcmp(a->state->caps.pipeline_uuid, caps->pipeline_uuid, sizeof caps->pipeline_uuid) == 0;
}

/* By its name, which is the same tomorrow; by its number where another has that name. */
static void choose(app *a, size_t i)
{
    size_t same = 0;
    for (size_t k = 0; k < a->adapter_count; k++) same += strcmp(a->adapters[k].name, a->adapters[i].name) == 0;
    if (same > 1)
        snprintf(a->settings.device, sizeof a->settings.device, "%zu", i);
    else
        snprintf(a->settings.device, sizeof a->settings.device, "%s", a->adapters[i].name);
}

static void draw_device(app *a, size_t i)
{
    const theme *t = a->theme;
    const pm_caps *caps = &a->adapters[i];
    const bool open = is_open(a, caps), ours = a->state->imported;
    char id[32], line[700], list[400], memory[32], left[32], shared[32];
    snprintf(id, sizeof id, "device %zu", i);
    ui_card_begin(id, NULL, 0);
    ui_text(UI_BOLD, t->text, caps->name);
    snprintf(line, sizeof line, "%s, %s", types[caps->type < 5 ? caps->type : 0], caps->driver);
    ui_paragraph(UI_SMALL, t->muted, line);
    snprintf(line, sizeof line,
             "%s of memory, %s free. A work group has %s of shared memory and %u invocations; subgroups of %u.",
             text_bytes((double)caps->device_memory, memory), text_bytes((double)caps->device_memory_free, left),
             text_bytes((double)caps->max_shared_memory, shared), (unsigned)caps->max_workgroup_size,
             (unsigned)caps->subgroup_size);
    ui_paragraph(UI_BODY, t->text, line);
    features(caps, list, sizeof list);
    snprintf(line, sizeof line, "Has %s", list[0] ? list : "no optional feature");
    ui_paragraph(UI_SMALL, t->muted, line);
    ui_space(2);
    if (open) {
        ui_text(UI_BOLD, t->good,
                ours ? "In use: it computes, and draws this window"
                     : "In use: it computes; another one draws this window");
    } else {
        snprintf(line, sizeof line, "Use this device##%zu", i);
        if (ui_button(line, UI_PLAIN, 0, !app_busy(a))) {
            choose(a, i);
            a->switch_device = true;
        }
    }
    ui_card_end();
}

void page_device(app *a, ui_rect room)
{
    ui_area_begin("device", room);
    for (size_t i = 0; i < a->adapter_count; i++) draw_device(a, i);
    if (a->adapter_count == 0) ui_paragraph(UI_BODY, a->theme->muted, "No Vulkan device was found.");
    ui_area_end();
}
