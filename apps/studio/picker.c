/* Chooses a file, a folder or a model, by the keyboard too: arrows, Enter, Escape. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "files.h"

static struct {
    char *field;
    size_t size;
    picker_kind kind;
    bool open, listed;
    bool focus; /* the list's first entry gets the keys */
    char dir[SETTINGS_PATH];
    char name[256]; /* of a new folder */
    files_list list;
} now;

static const char *const titles[] = {
    [PICK_FILE] = "Choose a file", [PICK_FOLDER] = "Choose a folder", [PICK_MODEL] = "Choose a model"};

/* Whether a file is among what can be chosen; folders are always shown. */
static bool is_choice(const char *name)
{
    const size_t length = strlen(name);
    if (now.kind == PICK_MODEL) return length > 5 && strcmp(name + length - 5, ".gguf") == 0;
    return now.kind == PICK_FILE;
}

/* Where the field points to, or where the user is at home. */
static void start_folder(const char *path)
{
    char *home = *path ? NULL : files_here();
    snprintf(now.dir, sizeof now.dir, "%s", *path ? path : home ? home : "/");
    free(home);
    while (!files_is_folder(now.dir)) {
        char *slash = strrchr(now.dir, '/');
        if (!slash || slash == now.dir) {
            snprintf(now.dir, sizeof now.dir, "/");
            break;
        }
        *slash = 0;
    }
}

static void go_to(const char *name)
{
    char *path = NULL;
    if (strcmp(name, "..") == 0) {
        char *slash = strrchr(now.dir, '/');
        if (slash) slash[slash == now.dir || slash[-1] == ':'] = 0;
    } else if ((path = files_join(now.dir, name)) != NULL && strlen(path) < sizeof now.dir) {
        strcpy(now.dir, path);
    }
    free(path);
    now.listed = false;
}

static void take(const char *path)
{
    if (strlen(path) < now.size) strcpy(now.field, path);
    ui_modal_close();
}

void picker_open(app *a, char *field, size_t size, picker_kind kind)
{
    (void)a;
    now.field = field;
    now.size = size;
    now.kind = kind;
    now.open = true;
    now.listed = false;
    now.name[0] = 0;
    start_folder(field);
}

static void draw_list(app *a)
{
    char line[300];
    ui_card_begin("list", NULL, a->narrow ? 190 : 280);
    if (now.focus) ui_focus_next();
    now.focus = false;
    if (ui_select("..", false)) go_to("..");
    for (size_t i = 0; now.listed && i < now.list.count; i++) {
        const files_entry *entry = &now.list.entries[i];
        if (!entry->folder && !is_choice(entry->name)) continue;
        snprintf(line, sizeof line, "%.250s%s", entry->name, entry->folder ? "/" : "");
        if (!ui_select(line, false)) continue;
        if (entry->folder) {
            go_to(entry->name);
        } else {
            char *path = files_join(now.dir, entry->name);
            if (path) take(path);
            free(path);
        }
    }
    ui_card_end();
}

void picker_draw(app *a)
{
    const char *title = titles[now.kind];
    const bool folders = now.kind != PICK_FILE, makes = now.kind == PICK_FOLDER;
    if (now.open) ui_modal_open(title);
    now.open = false;
    if (!now.field || !ui_modal_begin(title, 560, 0)) return;
    if (!now.listed) {
        files_list_free(&now.list);
        now.listed = files_list_make(now.dir, &now.list);
        now.focus = true;
    }
    ui_paragraph(UI_SMALL, a->theme->muted, now.dir);
    draw_list(a);
    if (makes) (void)ui_input("New folder (may stay empty)", "its name", now.name, sizeof now.name, true);
    if (folders) ui_row(2);
    if (ui_button("Cancel", UI_PLAIN, 0, true)) ui_modal_close();
    if (folders && ui_button("Take this folder", UI_PRIMARY, 0, true)) {
        char *path = files_join(now.dir, now.name);
        const size_t length = path ? strlen(path) : 0;
        if (length > 1 && path[length - 1] == '/') path[length - 1] = 0;
        if (path) take(path);
        free(path);
    }
    ui_modal_end();
}

void picker_field(app *a, const char *label, const char *hint, char *path, size_t size, picker_kind kind, bool enabled)
{
    bool browse = false;
    (void)ui_path(label, hint, path, size, enabled, &browse);
    if (browse) picker_open(a, path, size, kind);
}
