/* Reads a kernel's words from a SPIR-V file, or compiles GLSL with libshaderc. That library is linked into this program, never into libpumice. It is
 * not opened at run time, because Debian 12's shared library lacks symbols. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "os/path.h"
#include "process.h"

enum { MAX_MODULE = 64 << 20, MAX_INCLUDES = 64 };

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static uint32_t *words_of_bytes(const char *path, const char *data, size_t size, size_t *count)
{
    if (size == 0 || size % 4 != 0 || size > MAX_MODULE) {
        app_error("%s: %zu bytes are no SPIR-V: a multiple of 4, from 4 to 64 MiB, would be", path, size);
        return NULL;
    }
    uint32_t *words = malloc(size);
    if (!words) {
        app_error("%s: out of host memory", path);
        return NULL;
    }
    memcpy(words, data, size);
    const uint32_t magic = 0x07230203;
    if (words[0] == (magic >> 24 | (magic >> 8 & 0xff00) | (magic << 8 & 0xff0000) | magic << 24))
        for (size_t i = 0; i < size / 4; i++) /* written on a machine of the other byte order */
            words[i] = words[i] >> 24 | (words[i] >> 8 & 0xff00) | (words[i] << 8 & 0xff0000) | words[i] << 24;
    *count = size / 4;
    return words;
}

/* Whether a SPIR-V file is valid, where this program has SPIRV-Tools. Pumice's own checks do not look into functions. */
#ifdef PUMICE_SPIRV_TOOLS
#include <spirv-tools/libspirv.h>

static bool validate(const char *path, const uint32_t *words, size_t count)
{
    spv_context context = spvContextCreate(SPV_ENV_VULKAN_1_3);
    spv_diagnostic diagnostic = NULL;
    struct spv_const_binary_t binary = {words, count};
    const bool valid = !context || spvValidate(context, &binary, &diagnostic) == SPV_SUCCESS;
    if (!valid) {
        const char *text = diagnostic && diagnostic->error ? diagnostic->error : "no reason given";
        app_error("%s: the SPIR-V is not valid: %.*s", path, (int)strcspn(text, "\n"), text);
    }
    spvDiagnosticDestroy(diagnostic);
    if (context) spvContextDestroy(context);
    return valid;
}
#else
static bool validate(const char *path, const uint32_t *words, size_t count)
{
    (void)path;
    (void)words;
    (void)count;
    return true;
}
#endif

#ifdef PUMICE_SHADERC
#include <shaderc/shaderc.h>

/* ---- the text ---- */

/* The bytes of UTF-8's byte order mark, which some editors put first and glslang does not take. */
static size_t mark_length(const char *text)
{
    return strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* The text behind blanks and comments. */
static const char *skip_comments(const char *text)
{
    for (;;) {
        text += strspn(text, " \t\r\n\v\f");
        const char *end;
        if (strncmp(text, "//", 2) == 0)
            text += strcspn(text, "\n");
        else if (strncmp(text, "/*", 2) == 0 && (end = strstr(text + 2, "*/")) != NULL)
            text = end + 2;
        else
            return text;
    }
}

/* Compute shaders exist from version 310 es and 430 on. Before 140 glslang fails within its own text, and prints it. */
static bool check_text(const char *path, const char *text, size_t size)
{
    enum { LEAST_ES = 310, LEAST = 420 };
    const char *nul = memchr(text, 0, size);
    if (nul) {
        app_error("%s: byte %zu has the value 0; GLSL is text, in UTF-8", path, (size_t)(nul - text));
        return false;
    }
    const char *at = skip_comments(text);
    long version = 0;
    if (*at == '#') {
        at += 1 + strspn(at + 1, " \t");
        if (strncmp(at, "version", 7) == 0) version = strtol(at + 7, NULL, 10);
    }
    if (version >= LEAST || (version >= LEAST_ES && version < 330)) return true;
    app_error("%s: it must begin with a line such as #version 450%s", path,
              *skip_comments(text) ? "" : ", and is empty");
    return false;
}

/* ---- #include ---- */

static char *beside(const char *file, const char *name)
{
    const char *slash = os_last_separator(file);
    const int folder = slash && os_path_root(name) == 0 ? (int)(slash - file + 1) : 0;
    const size_t room = (size_t)folder + strlen(name) + 1;
    char *path = malloc(room);
    if (path) snprintf(path, room, "%.*s%s", folder, file, name);
    return path;
}

/* Looks beside the file that includes, then beside the one that was given. `user` is the latter's path. */
static shaderc_include_result *resolve(void *user, const char *name, int type, const char *from, size_t depth)
{
    (void)type;
    shaderc_include_result *result = calloc(1, sizeof *result);
    if (!result) return NULL; /* shaderc cannot be told of it */
    char *path = beside(from, name), *text = NULL;
    size_t size = 0;
    if (depth <= MAX_INCLUDES && path) text = app_read(path, &size);
    if (depth <= MAX_INCLUDES && !text) {
        free(path);
        path = beside(user, name);
        if (path) text = app_read(path, &size);
    }
    const char *foreign = text ? pm_text_foreign(text, size, false) : NULL;
    if (text && path && !foreign) {
        size -= mark_length(text);
        memmove(text, text + mark_length(text), size + 1);
        *result = (shaderc_include_result){path, strlen(path), text, size, NULL};
        return result;
    }
    free(path);
    free(text);
    char *message = malloc(160);
    if (message && foreign)
        snprintf(message, 160, "%s", foreign);
    else if (message)
        snprintf(message, 160, depth > MAX_INCLUDES ? "more than 64 files include each other" : "cannot be read: %s",
                 strerror(errno));
    *result = (shaderc_include_result){NULL, 0, message, message ? strlen(message) : 0, NULL};
    return result;
}

static void release(void *user, shaderc_include_result *result)
{
    (void)user;
    if (!result) return;
    free((char *)(uintptr_t)result->source_name);
    free((char *)(uintptr_t)result->content);
    free(result);
}

/* ---- compiling ---- */

/* Whether no macro is given twice; an error line names one that is. */
static bool check_defines(const arg_list *defines)
{
    for (size_t i = 0; i < defines->count; i++) {
        const size_t name = strcspn(defines->items[i], "=");
        for (size_t j = 0; j < i; j++) {
            if (strcspn(defines->items[j], "=") != name || memcmp(defines->items[i], defines->items[j], name) != 0)
                continue;
            app_error("--define %s: this macro was given before", defines->items[i]);
            return false;
        }
    }
    return true;
}

static void set_options(const kernel_options *options, shaderc_compile_options_t to)
{
    shaderc_compile_options_set_optimization_level(to, shaderc_optimization_level_performance);
    shaderc_compile_options_set_generate_debug_info(to); /* keeps the names, which --describe shows */
    shaderc_compile_options_set_target_env(to, shaderc_target_env_vulkan, shaderc_env_version_vulkan_1_1);
    shaderc_compile_options_set_include_callbacks(to, resolve, release, (void *)(uintptr_t)options->file);
    for (size_t i = 0; i < options->defines.count; i++) {
        const char *define = options->defines.items[i];
        const size_t name = strcspn(define, "=");
        const char *value = define[name] ? define + name + 1 : "1";
        shaderc_compile_options_add_macro_definition(to, define, name, value, strlen(value));
    }
}

/* shaderc's own lines, which begin with the file and the line. */
static void say_lines(const char *text)
{
    while (*text) {
        const size_t length = strcspn(text, "\n");
        if (length) app_say("%.*s", (int)length, text);
        text += length;
        if (*text) text++;
    }
}

static uint32_t *words_of_glsl(const kernel_options *options, const char *text, size_t size, size_t *count)
{
    uint32_t *words = NULL;
    int kept[2];
    size -= mark_length(text);
    text += mark_length(text);
    if (!check_text(options->file, text, size) || !check_defines(&options->defines)) return NULL;
    /* glslang prints faults of its own text; what it says about the file comes back as text. */
    process_quiet(true, kept);
    shaderc_compiler_t compiler = shaderc_compiler_initialize();
    shaderc_compile_options_t to = compiler ? shaderc_compile_options_initialize() : NULL;
    shaderc_compilation_result_t result = NULL;
    if (to) {
        set_options(options, to);
        result = shaderc_compile_into_spv(compiler, text, size, shaderc_compute_shader, options->file, "main", to);
    }
    process_quiet(false, kept);
    if (!result) {
        app_error("%s: libshaderc could not be started", options->file);
    } else {
        say_lines(shaderc_result_get_error_message(result)); /* warnings too */
        if (shaderc_result_get_compilation_status(result) == shaderc_compilation_status_success)
            words = words_of_bytes(options->file, shaderc_result_get_bytes(result), shaderc_result_get_length(result),
                                   count);
        else
            app_error("%s: the GLSL does not compile", options->file);
        shaderc_result_release(result);
    }
    if (to) shaderc_compile_options_release(to);
    if (compiler) shaderc_compiler_release(compiler);
    return words;
}
#else
static uint32_t *words_of_glsl(const kernel_options *options, const char *text, size_t size, size_t *count)
{
    (void)text;
    (void)size;
    (void)count;
    app_error("%s: this Pumice was built without libshaderc (Debian: libshaderc-dev) and takes SPIR-V alone, as glslc "
              "makes it",
              options->file);
    return NULL;
}
#endif

uint32_t *kernel_words(const kernel_options *options, size_t *count)
{
    const char *path = options->file;
    const bool spv = ends_with(path, ".spv"), glsl = ends_with(path, ".comp") || ends_with(path, ".glsl");
    if (!spv && !glsl) {
        app_error("%s: give a file that ends in .comp or .glsl (GLSL) or .spv (SPIR-V)", path);
        return NULL;
    }
    size_t size = 0;
    char *data = app_read(path, &size);
    if (!data) {
        app_error("%s: cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    const char *foreign = pm_text_foreign(data, size, false);
    if (foreign) {
        app_error("%s: %s", path, foreign);
        free(data);
        return NULL;
    }
    uint32_t *words = spv ? words_of_bytes(path, data, size, count) : words_of_glsl(options, data, size, count);
    free(data);
    if (words && spv && !validate(path, words, *count)) {
        free(words);
        words = NULL;
    }
    return words;
}
