// Keys that move between the widgets of ui_imgui.cpp and press them: Tab, Shift+Tab, Enter. Dear ImGui 1.86 has them for text fields alone.
#ifndef STUDIO_UI_NAV_H
#define STUDIO_UI_NAV_H

#include <imgui.h>

struct GLFWwindow;

void nav_open(struct GLFWwindow *window); // once, after the back end
void nav_before();                        // before and after the frame's beginning
void nav_after();
// Behind each widget, in the order in which Tab visits them. `text`: keys are typed into it.
void nav_item(ImGuiID id, bool text);
// The next widget gets the frame around it.
void nav_focus_next();

#endif
