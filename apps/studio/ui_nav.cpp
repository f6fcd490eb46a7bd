#include "ui_nav.h"

#include <imgui_internal.h>

#include <GLFW/glfw3.h>

#if IMGUI_VERSION_NUM < 18700
namespace
{
struct state {
    ImVector<ImGuiID> last, now; // the widgets of the last frame and of this one
    ImGuiID target;              // gets the frame in this frame; 0: none
    bool next;                   // so does the next one
    bool enter, presses;         // Enter is down; it went down outside a text field
    ImVector<int> pressed, held; // keys since the last frame; those that are held for a frame
    GLFWkeyfun others;
} s;

void on_key(GLFWwindow *window, int key, int code, int action, int mods)
{
    if (s.others) s.others(window, key, code, action, mods);
    if (action == GLFW_PRESS && key >= 0) s.pressed.push_back(key);
}

// A key that went down and up between two frames is down in one: else nobody would see it.
void hold_keys(ImGuiIO &io)
{
    for (int i = 0; i < s.held.Size; i++)
        if (!s.pressed.contains(s.held[i])) io.KeysDown[s.held[i]] = false;
    s.held.resize(0);
    for (int i = 0; i < s.pressed.Size; i++) {
        if (io.KeysDown[s.pressed[i]]) continue;
        io.KeysDown[s.pressed[i]] = true;
        s.held.push_back(s.pressed[i]);
    }
    s.pressed.resize(0);
}

void focus(ImGuiID id, bool text)
{
    ImGuiContext &g = *GImGui;
    ImGuiWindow *w = g.CurrentWindow;
    const ImRect rect = g.LastItemData.Rect;
    ImGui::ClearActiveID();
    ImGui::FocusWindow(w);
    ImGui::SetNavID(id, ImGuiNavLayer_Main, w->DC.NavFocusScopeIdCurrent, ImGui::WindowRectAbsToRel(w, rect));
    g.NavDisableHighlight = false;
    g.NavDisableMouseHover = true;
    ImGui::ScrollToBringRectIntoView(w, rect);
    if (!text) return;
    g.NavNextActivateId = id;
    g.NavNextActivateFlags = ImGuiActivateFlags_PreferInput;
}
} // namespace

void nav_open(GLFWwindow *window)
{
    s = state();
    s.others = glfwSetKeyCallback(window, on_key);
    ImGui::GetIO().KeyMap[ImGuiKey_Tab] = -1; // it would go to text fields alone
}

void nav_before()
{
    ImGuiIO &io = ImGui::GetIO();
    hold_keys(io);
    const bool enter = io.KeysDown[GLFW_KEY_ENTER] || io.KeysDown[GLFW_KEY_KP_ENTER];
    if (enter && !s.enter) s.presses = !io.WantTextInput && !io.KeyCtrl;
    s.enter = enter;
    if (!enter || !s.presses) return;
    io.NavInputs[ImGuiNavInput_Activate] = 1;
    GImGui->NavInputSource = ImGuiInputSource_Keyboard;
}

void nav_after()
{
    const ImGuiContext &g = *GImGui;
    s.last.swap(s.now);
    s.now.resize(0);
    s.target = 0;
    const ImGuiWindow *modal = ImGui::GetTopMostPopupModal();
    const bool menu = g.OpenPopupStack.Size > 0 && g.OpenPopupStack.back().Window != modal;
    if (menu || s.last.Size == 0 || g.IO.KeyCtrl || g.IO.KeyAlt || !ImGui::IsKeyPressed(GLFW_KEY_TAB)) return;
    int at = -1;
    for (int i = 0; i < s.last.Size; i++)
        if (s.last[i] == g.NavId) at = i;
    s.target = g.NavId; // no frame is shown yet: it begins here
    if (at >= 0 && g.NavDisableHighlight && g.ActiveId == 0) return;
    const int step = g.IO.KeyShift ? (at < 0 ? 0 : -1) : 1;
    s.target = s.last[(at + step + s.last.Size) % s.last.Size];
}

void nav_item(ImGuiID id, bool text)
{
    const ImGuiContext &g = *GImGui;
    const ImGuiWindow *modal = ImGui::GetTopMostPopupModal();
    if (modal && g.CurrentWindow->RootWindow != modal->RootWindow) return;
    if (id == 0 || (g.CurrentItemFlags & ImGuiItemFlags_Disabled)) return;
    s.now.push_back(id);
    if (id != s.target && !s.next) return;
    s.next = false;
    focus(id, text);
}

void nav_focus_next()
{
    s.next = true;
}
#else
void nav_open(GLFWwindow *) {}
void nav_before() {}
void nav_after() {}
void nav_item(ImGuiID, bool) {}
void nav_focus_next()
{
    ImGui::SetKeyboardFocusHere();
}
#endif
