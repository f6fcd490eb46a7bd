// The interface of ui.h, made of Dear ImGui, as a package of the system has it.
#include "ui.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <imgui.h>
#include <imgui_internal.h>
#include <backends/imgui_impl_glfw.h>
#include <backends/imgui_impl_vulkan.h>

#include "fonts.h"
#include "ui_nav.h"

namespace
{
#if IMGUI_VERSION_NUM < 18700
const ImGuiKey key_pad_enter = ImGuiKey_KeyPadEnter;
#else
const ImGuiKey key_pad_enter = ImGuiKey_KeypadEnter;
#endif

struct state {
    window *w;
    render *r;
    VkDescriptorPool pool;
    float scale;
    theme colors;
    ImFont *fonts[UI_FONTS];
    int row_count, row_at; // fields beside each other
    float row_width;
    float button_width; // of the one in the next field; 0: none
    bool moved;         // the mouse, since the window is there
    int cards;          // open ones
    ImGuiID card_keys[4];
    bool entered; // Enter ended the last field
} s;

ImVec4 color4(ui_color c)
{
    return ImGui::ColorConvertU32ToFloat4(c);
}

float px(float units)
{
    return floorf(units * s.scale + 0.5f);
}

PFN_vkVoidFunction find(const char *name, void *instance)
{
    return vk.GetInstanceProcAddr((VkInstance)instance, name);
}

#if IMGUI_VERSION_NUM < 19000
void record_fonts(void *, VkCommandBuffer commands)
{
    ImGui_ImplVulkan_CreateFontsTexture(commands);
}

bool upload_fonts(render *r)
{
    const bool good = render_once(r, record_fonts, nullptr);
    ImGui_ImplVulkan_DestroyFontUploadObjects();
    return good;
}
#else
// It submits by itself.
bool upload_fonts(render *r)
{
    const pm_vulkan_device *host = render_host(r);
    host->lock(host->user);
    const bool good = ImGui_ImplVulkan_CreateFontsTexture();
    host->unlock(host->user);
    return good;
}
#endif

// ---- fonts ----

ImFont *add_font(const unsigned char *bytes, size_t size, float units, const ImWchar *ranges)
{
    ImFontAtlas *atlas = ImGui::GetIO().Fonts;
    ImFontConfig config;
    config.FontDataOwnedByAtlas = false;
    config.OversampleH = 2;
    config.OversampleV = 1;
    config.SizePixels = px(units);
    if (size == 0) return atlas->AddFontDefault(&config);
    return atlas->AddFontFromMemoryTTF(const_cast<unsigned char *>(bytes), (int)size, px(units), &config, ranges);
}

void add_fonts()
{
    // Latin, Greek, Cyrillic; dashes, quotes, arrows, signs.
    static const ImWchar text[] = {0x20,   0x17f,  0x370,  0x3ff,  0x400,  0x4ff,  0x2010, 0x2027,
                                   0x2030, 0x203a, 0x20ac, 0x20ac, 0x2190, 0x2193, 0x21b5, 0x21b5,
                                   0x2212, 0x2212, 0x2423, 0x2423, 0xfffd, 0xfffd, 0};
    static const ImWchar plain[] = {0x20, 0xff, 0x2010, 0x2027, 0x2190, 0x2193, 0x2212, 0x2212, 0};
    ImGui::GetIO().Fonts->Clear();
    s.fonts[UI_BODY] = add_font(font_regular, font_regular_size, 15, text);
    s.fonts[UI_SMALL] = add_font(font_regular, font_regular_size, 13, plain);
    s.fonts[UI_BOLD] = add_font(font_bold, font_bold_size, 15, plain);
    s.fonts[UI_TITLE] = add_font(font_bold, font_bold_size, 22, plain);
    s.fonts[UI_FIGURE] = add_font(font_bold, font_bold_size, 19, plain);
    s.fonts[UI_MONO] = add_font(font_mono, font_mono_size, 14, text);
}

void set_style()
{
    ImGuiStyle &style = ImGui::GetStyle();
    style = ImGuiStyle();
    const theme &t = s.colors;
    style.WindowPadding = ImVec2(0, 0);
    style.FramePadding = ImVec2(px(10), px(6));
    style.ItemSpacing = ImVec2(px(10), px(8));
    style.ItemInnerSpacing = ImVec2(px(6), px(4));
    style.CellPadding = ImVec2(px(8), px(5));
    style.ScrollbarSize = px(10);
    style.GrabMinSize = px(14);
    style.FrameRounding = px(6);
    style.ChildRounding = px(10);
    style.PopupRounding = px(8);
    style.WindowRounding = px(12);
    style.GrabRounding = px(6);
    style.ScrollbarRounding = px(6);
    style.FrameBorderSize = 0;
    style.WindowBorderSize = 0;
    style.ChildBorderSize = 0;
    style.PopupBorderSize = 1;
    style.DisabledAlpha = 0.55f;
    style.AntiAliasedLinesUseTex = true;
    ImVec4 *c = style.Colors;
    const ImVec4 field = color4(t.field), hover = color4(t.hover), accent = color4(t.accent);
    for (int i = 0; i < ImGuiCol_COUNT; i++) c[i] = color4(t.card);
    c[ImGuiCol_Text] = color4(t.text);
    c[ImGuiCol_TextDisabled] = color4(t.faint);
    c[ImGuiCol_WindowBg] = color4(t.back);
    c[ImGuiCol_ChildBg] = ImVec4(0, 0, 0, 0);
    c[ImGuiCol_PopupBg] = color4(t.card);
    c[ImGuiCol_Border] = color4(t.border);
    c[ImGuiCol_FrameBg] = field;
    c[ImGuiCol_FrameBgHovered] = c[ImGuiCol_FrameBgActive] = hover;
    c[ImGuiCol_ScrollbarBg] = ImVec4(0, 0, 0, 0);
    c[ImGuiCol_ScrollbarGrab] = hover;
    c[ImGuiCol_ScrollbarGrabHovered] = c[ImGuiCol_ScrollbarGrabActive] = color4(t.faint);
    c[ImGuiCol_CheckMark] = c[ImGuiCol_SliderGrab] = c[ImGuiCol_SliderGrabActive] = accent;
    c[ImGuiCol_Button] = field;
    c[ImGuiCol_ButtonHovered] = c[ImGuiCol_ButtonActive] = hover;
    c[ImGuiCol_Header] = color4(t.accent_soft);
    c[ImGuiCol_HeaderHovered] = c[ImGuiCol_HeaderActive] = hover;
    c[ImGuiCol_TextSelectedBg] = color4(theme_fade(t.accent, 0.35f));
    c[ImGuiCol_NavHighlight] = accent;
    c[ImGuiCol_TableHeaderBg] = color4(t.card);
    c[ImGuiCol_TableBorderLight] = c[ImGuiCol_TableBorderStrong] = color4(t.border);
    c[ImGuiCol_TableRowBg] = c[ImGuiCol_TableRowBgAlt] = ImVec4(0, 0, 0, 0);
    c[ImGuiCol_ModalWindowDimBg] = ImVec4(0, 0, 0, 0.5f);
}

// ---- fields ----

// Beside the last one, at the same height: not by the baselines of their texts.
void beside(float gap)
{
    ImGui::SameLine(0, gap);
    ImGui::GetCurrentWindow()->DC.CurrLineTextBaseOffset = 0;
}

void row_begin()
{
    if (s.row_count == 0) return;
    const float gap = px(12);
    if (s.row_at == 0)
        s.row_width = floorf((ImGui::GetContentRegionAvail().x - gap * (float)(s.row_count - 1)) / (float)s.row_count);
    else
        beside(gap);
}

void row_end()
{
    if (s.row_count && ++s.row_at >= s.row_count) s.row_count = s.row_at = 0;
}

// The label above, and the id from it.
void field_begin(const char *label, bool enabled)
{
    row_begin();
    ImGui::BeginGroup();
    float width = s.row_count ? s.row_width : ImGui::GetContentRegionAvail().x;
    if (s.button_width > 0) width -= s.button_width + px(8);
    ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, ImVec2(px(10), px(4)));
    if (label[0] != '#') ui_text(UI_SMALL, s.colors.muted, label);
    ImGui::PopStyleVar();
    ImGui::BeginDisabled(!enabled);
    ImGui::SetNextItemWidth(width);
    ImGui::PushID(label);
}

bool field_end(bool changed)
{
    ImGui::PopID();
    ImGui::EndDisabled();
    ImGui::EndGroup();
    row_end();
    return changed;
}

ImDrawList *list()
{
    return ImGui::GetWindowDrawList();
}
} // namespace

// ---- life ----

bool ui_open(window *w, char why[256])
{
    s = state();
    s.w = w;
    s.scale = 1;
    s.colors = theme_dark;
    ImGui::CreateContext();
    ImGuiIO &io = ImGui::GetIO();
    io.IniFilename = nullptr;
    io.ConfigFlags |= ImGuiConfigFlags_NavEnableKeyboard;
    if (ImGui_ImplGlfw_InitForVulkan(w->handle, true)) {
        nav_open(w->handle);
        return true;
    }
    snprintf(why, 256, "the interface cannot be started in this window");
    return false;
}

void ui_close(void)
{
    if (!ImGui::GetCurrentContext()) return;
    ui_detach();
    ImGui_ImplGlfw_Shutdown();
    ImGui::DestroyContext();
}

bool ui_attach(render *r, float scale)
{
    ui_detach();
    const pm_vulkan_device *host = render_host(r);
    VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 8};
    VkDescriptorPoolCreateInfo pool = {};
    pool.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO;
    pool.flags = VK_DESCRIPTOR_POOL_CREATE_FREE_DESCRIPTOR_SET_BIT;
    pool.maxSets = 8;
    pool.poolSizeCount = 1;
    pool.pPoolSizes = &size;
    if (vk.CreateDescriptorPool(host->device, &pool, nullptr, &s.pool) != VK_SUCCESS) return false;
    s.r = r;
    s.scale = scale;
    ImGui_ImplVulkan_LoadFunctions(find, host->instance);
    ImGui_ImplVulkan_InitInfo info = {};
    info.Instance = host->instance;
    info.PhysicalDevice = host->physical;
    info.Device = host->device;
    info.QueueFamily = host->queue_family;
    info.Queue = host->queue;
    info.DescriptorPool = s.pool;
    info.MinImageCount = 2;
    info.ImageCount = 2;
    info.MSAASamples = VK_SAMPLE_COUNT_1_BIT;
    ImGui_ImplVulkan_Init(&info, render_pass(r));
    add_fonts();
    set_style();
    const bool good = upload_fonts(r);
    ImGui::GetIO().Fonts->ClearTexData();
    return good;
}

void ui_detach(void)
{
    if (!s.r) return;
    ImGui_ImplVulkan_Shutdown();
    vk.DestroyDescriptorPool(render_host(s.r)->device, s.pool, nullptr);
    s.r = nullptr;
}

void ui_set_theme(const theme *colors)
{
    s.colors = *colors;
    set_style();
}

float ui_scale(void)
{
    return s.scale;
}

void ui_frame_begin(void)
{
    ImGui_ImplVulkan_NewFrame();
    ImGui_ImplGlfw_NewFrame();
    nav_before();
    ImGui::NewFrame();
    nav_after();
    const ImGuiIO &io = ImGui::GetIO();
    s.moved = s.moved || io.MouseDelta.x != 0 || io.MouseDelta.y != 0;
    ImGui::SetNextWindowPos(ImVec2(0, 0));
    ImGui::SetNextWindowSize(io.DisplaySize);
    ImGui::PushFont(s.fonts[UI_BODY]);
    ImGui::PushStyleVar(ImGuiStyleVar_WindowRounding, 0.0f);
    ImGui::Begin("studio", nullptr,
                 ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoSavedSettings |
                     ImGuiWindowFlags_NoBringToFrontOnFocus | ImGuiWindowFlags_NoBackground);
    ImGui::PopStyleVar();
}

void ui_frame_end(void)
{
    ImGui::End();
    ImGui::PopFont();
    ImGui::Render();
}

void ui_record(void *, VkCommandBuffer commands)
{
    ImGui_ImplVulkan_RenderDrawData(ImGui::GetDrawData(), commands);
}

bool ui_wants_keys(void)
{
    const ImGuiIO &io = ImGui::GetIO();
    return io.WantTextInput || io.NavVisible || ui_menu_open();
}

bool ui_menu_open(void)
{
    return ImGui::IsPopupOpen(nullptr, ImGuiPopupFlags_AnyPopupId | ImGuiPopupFlags_AnyPopupLevel);
}

bool ui_blinks(void)
{
    return ImGui::GetIO().WantTextInput;
}

void ui_copy(const char *text)
{
    ImGui::SetClipboardText(text);
}

// ---- areas ----

void ui_area_begin(const char *id, ui_rect rect)
{
    ImGui::SetCursorPos(ImVec2(rect.x, rect.y));
    ImGui::BeginChild(id, ImVec2(rect.w, rect.h), false, ImGuiWindowFlags_NavFlattened);
}

void ui_area_end(void)
{
    ImGui::EndChild();
}

void ui_card_begin(const char *id, const char *title, float height)
{
    const ImVec2 left = ImGui::GetContentRegionAvail();
    const ImGuiID key = ImGui::GetID(id);
    ImGuiStorage *storage = ImGui::GetStateStorage();
    float h = px(height);
    if (height == 0) h = storage->GetFloat(key, px(120));
    if (height < 0) h = fmaxf(left.y - px(-height), px(130));
    ImGui::PushStyleColor(ImGuiCol_ChildBg, s.colors.card);
    ImGui::PushStyleColor(ImGuiCol_Border, s.colors.border);
    ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(px(16), px(14)));
    ImGui::PushStyleVar(ImGuiStyleVar_ChildBorderSize, 1.0f);
    ImGui::PushID(id);
    ImGui::BeginChild(id, ImVec2(left.x, floorf(h)), true,
                      ImGuiWindowFlags_NavFlattened |
                          (height == 0 ? ImGuiWindowFlags_NoScrollbar | ImGuiWindowFlags_NoScrollWithMouse : 0));
    ImGui::PopStyleVar(2);
    ImGui::PopStyleColor(2);
    s.card_keys[s.cards++] = key;
    if (title) {
        ui_text(UI_BOLD, s.colors.text, title);
        ui_space(2);
    }
}

void ui_card_end(void)
{
    const ImGuiWindow *inner = ImGui::GetCurrentWindow();
    const float used = inner->DC.CursorMaxPos.y + inner->Scroll.y - inner->Pos.y + px(14);
    ImGui::EndChild();
    ImGui::PopID();
    s.cards--;
    ImGui::GetStateStorage()->SetFloat(s.card_keys[s.cards], used); // for the next frame
}

void ui_row(int count)
{
    s.row_count = count;
    s.row_at = 0;
}

void ui_space(float height)
{
    ImGui::Dummy(ImVec2(0, fmaxf(0, px(height) - ImGui::GetStyle().ItemSpacing.y)));
}

void ui_tighten(void)
{
    ImGui::SetCursorPosY(ImGui::GetCursorPosY() - ImGui::GetStyle().ItemSpacing.y);
}

void ui_beside(float gap)
{
    ImGui::SameLine(0, px(gap));
}

float ui_width_left(void)
{
    return ImGui::GetContentRegionAvail().x;
}

float ui_height_left(void)
{
    return ImGui::GetContentRegionAvail().y;
}

ui_rect ui_place(const char *id, float width, float height, bool *hovered)
{
    const ImVec2 at = ImGui::GetCursorScreenPos();
    width = fmaxf(width, 1);
    height = fmaxf(height, 1);
    if (id)
        ImGui::InvisibleButton(id, ImVec2(width, height));
    else
        ImGui::Dummy(ImVec2(width, height));
    if (hovered) *hovered = ImGui::IsItemHovered() && s.moved;
    return ui_rect{at.x, at.y, width, height};
}

ui_point ui_mouse(void)
{
    const ImVec2 at = ImGui::GetMousePos();
    return ui_point{at.x, at.y};
}

float ui_wheel(void)
{
    return ImGui::GetIO().MouseWheel;
}

bool ui_dragged(float *dx)
{
    *dx = ImGui::GetIO().MouseDelta.x;
    return ImGui::IsItemActive();
}

// ---- widgets ----

void ui_text(ui_font font, ui_color color, const char *text)
{
    ImGui::PushFont(s.fonts[font]);
    ImGui::PushStyleColor(ImGuiCol_Text, color);
    ImGui::TextUnformatted(text);
    ImGui::PopStyleColor();
    ImGui::PopFont();
}

void ui_paragraph(ui_font font, ui_color color, const char *text)
{
    ImGui::PushTextWrapPos(0);
    ui_text(font, color, text);
    ImGui::PopTextWrapPos();
}

bool ui_button(const char *text, ui_kind kind, float width, bool enabled)
{
    const theme &t = s.colors;
    const ui_color back[] = {s.cards ? t.field : t.hover, t.accent_strong, t.bad_soft, theme_fade(t.field, 0)};
    const ui_color over[] = {s.cards ? t.hover : t.border, t.accent, t.bad_soft, t.hover};
    const ui_color ink[] = {t.text, t.on_accent, t.bad, t.muted};
    row_begin();
    float w = width < 0 ? ImGui::GetContentRegionAvail().x : px(width);
    if (s.row_count) w = s.row_width;
    ImGui::BeginDisabled(!enabled);
    ImGui::PushFont(s.fonts[kind == UI_QUIET ? UI_BODY : UI_BOLD]);
    ImGui::PushStyleColor(ImGuiCol_Button, back[kind]);
    ImGui::PushStyleColor(ImGuiCol_ButtonHovered, over[kind]);
    ImGui::PushStyleColor(ImGuiCol_ButtonActive, over[kind]);
    ImGui::PushStyleColor(ImGuiCol_Text, ink[kind]);
    ImGui::PushStyleVar(ImGuiStyleVar_FramePadding, ImVec2(px(14), px(7)));
    const bool pressed = ImGui::Button(text, ImVec2(w, 0));
    nav_item(ImGui::GetItemID(), false);
    ImGui::PopStyleVar();
    ImGui::PopStyleColor(4);
    ImGui::PopFont();
    ImGui::EndDisabled();
    row_end();
    return pressed;
}

bool ui_rail_button(const char *id, ui_rect rect, bool current, bool *hovered, bool *focused)
{
    ImGui::SetCursorPos(ImVec2(rect.x, rect.y));
    const bool pressed = ImGui::InvisibleButton(id, ImVec2(rect.w, rect.h));
    nav_item(ImGui::GetItemID(), false);
    *hovered = ImGui::IsItemHovered();
    *focused = ImGui::IsItemFocused() && ImGui::GetIO().NavVisible;
    (void)current;
    return pressed;
}

bool ui_input(const char *label, const char *hint, char *text, size_t size, bool enabled)
{
    field_begin(label, enabled);
    const bool changed =
        ImGui::InputTextWithHint("##", hint ? hint : "", text, size, ImGuiInputTextFlags_AutoSelectAll);
    s.entered = ImGui::IsItemDeactivated() && (ImGui::IsKeyPressed(ImGui::GetKeyIndex(ImGuiKey_Enter)) ||
                                               ImGui::IsKeyPressed(ImGui::GetKeyIndex(key_pad_enter)));
    nav_item(ImGui::GetItemID(), true);
    return field_end(changed);
}

bool ui_entered(void)
{
    return s.entered;
}

bool ui_path(const char *label, const char *hint, char *text, size_t size, bool enabled, bool *browse)
{
    s.button_width = px(40);
    field_begin(label, enabled);
    const bool changed = ImGui::InputTextWithHint("##", hint, text, size, ImGuiInputTextFlags_AutoSelectAll);
    nav_item(ImGui::GetItemID(), true);
    ImGui::SameLine(0, px(8));
    *browse = ImGui::Button("\xe2\x80\xa6", ImVec2(s.button_width, 0));
    nav_item(ImGui::GetItemID(), false);
    s.button_width = 0;
    return field_end(changed);
}

bool ui_input_area(const char *label, char *text, size_t size, float height, bool enabled)
{
    const bool bare = s.cards == 0; // beside cards it looks like one
    field_begin(label, enabled);
    if (bare) ImGui::PushStyleColor(ImGuiCol_FrameBg, s.colors.card);
    ImGui::PushStyleVar(ImGuiStyleVar_FrameBorderSize, bare ? 1.0f : 0.0f);
    const bool changed =
        ImGui::InputTextMultiline("##", text, size, ImVec2(ImGui::GetContentRegionAvail().x, px(height)));
    nav_item(ImGui::GetID("##"), true);
    ImGui::PopStyleVar();
    if (bare) ImGui::PopStyleColor();
    return field_end(changed);
}

bool ui_number(const char *label, uint32_t *value, uint32_t low, uint32_t high, bool enabled)
{
    field_begin(label, enabled);
    uint32_t now = *value;
    const bool changed = ImGui::InputScalar("##", ImGuiDataType_U32, &now, nullptr, nullptr, "%u");
    nav_item(ImGui::GetID("##"), true);
    if (changed) *value = now < low ? low : now > high ? high : now;
    return field_end(changed);
}

bool ui_real(const char *label, float *value, float low, float high, bool enabled)
{
    field_begin(label, enabled);
    float now = *value;
    const bool changed = ImGui::InputFloat("##", &now, 0, 0, "%g");
    nav_item(ImGui::GetID("##"), true);
    if (changed) *value = now >= low ? (now > high ? high : now) : low;
    return field_end(changed);
}

bool ui_slider(const char *label, float *value, float low, float high, const char *format, bool enabled)
{
    field_begin(label, enabled);
    const bool changed = ImGui::SliderFloat("##", value, low, high, format, ImGuiSliderFlags_AlwaysClamp);
    nav_item(ImGui::GetID("##"), false);
    return field_end(changed);
}

bool ui_choice(const char *label, const char *const *names, int count, int *value, bool enabled)
{
    field_begin(label, enabled);
    ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(px(6), px(6)));
    const bool changed = ImGui::Combo("##", value, names, count);
    nav_item(ImGui::GetID("##"), false);
    ImGui::PopStyleVar();
    return field_end(changed);
}

bool ui_segments(const char *id, const char *const *names, int count, int *value)
{
    bool changed = false;
    ImGui::PushID(id);
    for (int i = 0; i < count; i++) {
        const bool on = *value == i;
        if (i) ImGui::SameLine(0, px(4));
        ImGui::PushStyleColor(ImGuiCol_Button, on ? s.colors.accent_soft : theme_fade(s.colors.field, 0));
        ImGui::PushStyleColor(ImGuiCol_Text, on ? s.colors.accent : s.colors.muted);
        ImGui::PushFont(s.fonts[UI_BOLD]);
        if (ImGui::Button(names[i])) {
            changed = !on;
            *value = i;
        }
        nav_item(ImGui::GetItemID(), false);
        ImGui::PopFont();
        ImGui::PopStyleColor(2);
    }
    ImGui::PopID();
    return changed;
}

bool ui_check(const char *label, bool *value, bool enabled)
{
    ImGui::BeginDisabled(!enabled);
    const bool changed = ImGui::Checkbox(label, value);
    nav_item(ImGui::GetItemID(), false);
    ImGui::EndDisabled();
    return changed;
}

bool ui_select(const char *text, bool chosen)
{
    const bool pressed = ImGui::Selectable(text, chosen, ImGuiSelectableFlags_DontClosePopups);
    nav_item(ImGui::GetItemID(), false);
    return pressed;
}

void ui_progress(double share)
{
    const float width = ImGui::GetContentRegionAvail().x, height = px(6);
    const ui_rect r = ui_place(nullptr, width, height, nullptr);
    ui_draw_rect(r, s.colors.field, height / 2);
    if (share > 0)
        ui_draw_rect(ui_rect{r.x, r.y, fmaxf(height, width * (float)fmin(share, 1)), height}, s.colors.accent,
                     height / 2);
}

void ui_focus_next(void)
{
    nav_focus_next();
}

void ui_show_end(void)
{
    ImGui::SetScrollHereY(1.0f);
}

// ---- tables ----

bool ui_table_begin(const char *id, const char *const *heads, const float *widths, int columns, float height)
{
    if (!ImGui::BeginTable(id, columns,
                           ImGuiTableFlags_ScrollY | ImGuiTableFlags_BordersInnerH | ImGuiTableFlags_PadOuterX,
                           ImVec2(0, height)))
        return false;
    for (int i = 0; i < columns; i++)
        ImGui::TableSetupColumn(heads[i],
                                widths[i] > 0 ? ImGuiTableColumnFlags_WidthFixed : ImGuiTableColumnFlags_WidthStretch,
                                widths[i] > 0 ? px(widths[i]) : -widths[i]);
    ImGui::TableSetupScrollFreeze(0, 1);
    ImGui::TableNextRow(ImGuiTableRowFlags_Headers);
    for (int i = 0; i < columns; i++) ui_cell(UI_SMALL, s.colors.muted, i > 0 && widths[i] > 0, heads[i]);
    return true;
}

void ui_cell(ui_font font, ui_color color, bool right, const char *text)
{
    ImGui::TableNextColumn();
    if (right) {
        const float slack = ImGui::GetContentRegionAvail().x - ui_text_width(font, text);
        if (slack > 0) ImGui::SetCursorPosX(ImGui::GetCursorPosX() + slack);
    }
    ui_text(font, color, text);
}

void ui_cell_cut(ui_font font, ui_color color, const char *text)
{
    char line[160];
    ImGui::TableNextColumn();
    const float room = ImGui::GetContentRegionAvail().x;
    size_t size = strlen(text);
    snprintf(line, sizeof line, "%s", text);
    while (size > 1 && size < sizeof line - 4 && ui_text_width(font, line) > room) {
        do size--;
        while (size > 1 && ((unsigned char)text[size] & 0xc0) == 0x80); // a whole letter
        snprintf(line + size, sizeof line - size, "\xe2\x80\xa6");
    }
    ui_text(font, color, line);
}

void ui_table_end(void)
{
    ImGui::EndTable();
}

// ---- above the others ----

void ui_modal_open(const char *title)
{
    ImGui::OpenPopup(title);
}

bool ui_modal_begin(const char *title, float width, float height)
{
    const ImVec2 room = ImGui::GetIO().DisplaySize;
    const ImVec2 size(fminf(px(width), room.x - px(24)), height > 0 ? fminf(px(height), room.y - px(24)) : 0);
    ImGui::SetNextWindowPos(ImVec2(room.x / 2, room.y / 2), ImGuiCond_Always, ImVec2(0.5f, 0.5f));
    ImGui::SetNextWindowSize(size);
    ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(px(20), px(18)));
    const bool open = ImGui::BeginPopupModal(title, nullptr,
                                             ImGuiWindowFlags_NoTitleBar | ImGuiWindowFlags_NoResize |
                                                 ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoSavedSettings);
    ImGui::PopStyleVar();
    if (!open) return false;
    ui_text(UI_TITLE, s.colors.text, title);
    ui_space(6);
    if (ImGui::IsKeyPressed(ImGui::GetKeyIndex(ImGuiKey_Escape)) && !ImGui::GetIO().WantTextInput)
        ImGui::CloseCurrentPopup();
    return true;
}

void ui_modal_end(void)
{
    ImGui::EndPopup();
}

void ui_modal_close(void)
{
    ImGui::CloseCurrentPopup();
}

// ---- drawing ----

void ui_draw_rect(ui_rect r, ui_color color, float round)
{
    list()->AddRectFilled(ImVec2(r.x, r.y), ImVec2(r.x + r.w, r.y + r.h), color, round);
}

void ui_draw_frame(ui_rect r, ui_color color, float round, float thick)
{
    list()->AddRect(ImVec2(r.x, r.y), ImVec2(r.x + r.w, r.y + r.h), color, round, 0, thick);
}

void ui_draw_line(ui_point a, ui_point b, ui_color color, float thick)
{
    list()->AddLine(ImVec2(a.x, a.y), ImVec2(b.x, b.y), color, thick);
}

void ui_draw_lines(const ui_point *points, int count, ui_color color, float thick)
{
    if (count > 1) list()->AddPolyline(reinterpret_cast<const ImVec2 *>(points), count, color, 0, thick);
}

void ui_draw_disc(ui_point center, float radius, ui_color color)
{
    list()->AddCircleFilled(ImVec2(center.x, center.y), radius, color);
}

void ui_draw_ring(ui_point center, float radius, ui_color color, float thick)
{
    list()->AddCircle(ImVec2(center.x, center.y), radius, color, 0, thick);
}

void ui_draw_text(ui_font font, ui_point at, ui_color color, const char *text)
{
    ImFont *f = s.fonts[font];
    list()->AddText(f, f->FontSize, ImVec2(floorf(at.x), floorf(at.y)), color, text);
}

void ui_draw_part(ui_font font, ui_point at, ui_color color, const char *text, size_t size)
{
    ImFont *f = s.fonts[font];
    list()->AddText(f, f->FontSize, ImVec2(floorf(at.x), floorf(at.y)), color, text, text + size);
}

size_t ui_wrap(ui_font font, const char *text, size_t size, float width)
{
    const char *end = s.fonts[font]->CalcWordWrapPositionA(1.0f, text, text + size, width);
    if (end <= text) end = text + 1;
    return (size_t)(end - text);
}

float ui_part_width(ui_font font, const char *text, size_t size)
{
    ImFont *f = s.fonts[font];
    return size ? f->CalcTextSizeA(f->FontSize, FLT_MAX, 0, text, text + size).x : 0;
}

bool ui_visible(ui_rect r)
{
    return ImGui::IsRectVisible(ImVec2(r.x, r.y), ImVec2(r.x + r.w, r.y + r.h));
}

float ui_text_width(ui_font font, const char *text)
{
    return ui_part_width(font, text, strlen(text));
}

float ui_text_height(ui_font font)
{
    return s.fonts[font]->FontSize;
}

void ui_clip(ui_rect r)
{
    list()->PushClipRect(ImVec2(r.x, r.y), ImVec2(r.x + r.w, r.y + r.h), true);
}

void ui_unclip(void)
{
    list()->PopClipRect();
}

void ui_tip(const char *text)
{
    ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(px(10), px(8)));
    ImGui::BeginTooltip();
    ui_text(UI_SMALL, s.colors.text, text);
    ImGui::EndTooltip();
    ImGui::PopStyleVar();
}
