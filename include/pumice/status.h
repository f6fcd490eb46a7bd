/* Statuses that functions return, and the log callback that gets the reason.
 *
 * Each function that can fail for a reason outside its caller's control returns a pm_status; results come back through
 * out-parameters, written only on PM_OK. Exactly one PM_LOG_ERROR line goes to the log callback for a failure: it names the file,
 * option or object and what would be right. The library never prints, exits or aborts. */
#ifndef PUMICE_STATUS_H
#define PUMICE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* PUMICE_SHARED: the library is a DLL; its CMake package defines that. PUMICE_BUILDING: it is the DLL that is being compiled. Elsewhere, and for
 * the static library, neither is needed. */
#if defined(_WIN32) && defined(PUMICE_SHARED) && defined(PUMICE_BUILDING)
#define PM_API __declspec(dllexport)
#elif defined(_WIN32) && defined(PUMICE_SHARED)
#define PM_API __declspec(dllimport)
#elif defined(_WIN32)
#define PM_API
#elif defined(__GNUC__)
#define PM_API __attribute__((visibility("default")))
#else
#define PM_API
#endif

#if defined(__MINGW32__) && !defined(__clang__) /* there printf means Microsoft's */
#define PM_NODISCARD __attribute__((warn_unused_result))
#define PM_PRINTF(text, first) __attribute__((__format__(__gnu_printf__, text, first)))
#elif defined(__GNUC__)
#define PM_NODISCARD __attribute__((warn_unused_result))
#define PM_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define PM_NODISCARD
#define PM_PRINTF(text, first)
#endif

/* name, and what it means to the caller. */
#define PM_STATUS_LIST(X)                                                                                              \
    X(OK, "done")                                                                                                      \
    X(INVALID, "an argument or option is wrong")                                                                       \
    X(UNSUPPORTED, "this device or build cannot do it")                                                                \
    X(NO_HOST_MEMORY, "out of host memory")                                                                            \
    X(NO_DEVICE_MEMORY, "out of device memory")                                                                        \
    X(DEVICE_LOST, "the device was lost")                                                                              \
    X(NO_DEVICE, "no matching Vulkan device")                                                                          \
    X(IO, "a file could not be read or written")                                                                       \
    X(FORMAT, "a file's content is not what it should be")                                                             \
    X(SHADER, "a shader could not be built")                                                                           \
    X(INTERNAL, "a fault in Pumice")                                                                                   \
    X(NO_FILE, "there is no such file") /* what a program's own functions answer; Pumice's answer IO */                \
    X(CANCELLED, "cancelled")                                                                                          \
    X(AGAIN, "there is more to do")                                                                                    \
    X(WAITING, "the device works on it")                                                                               \
    X(DIVERGED, "the loss or the logits are not numbers any more")

typedef enum pm_status {
#define PM_STATUS_ENUM(name, meaning) PM_##name,
    PM_STATUS_LIST(PM_STATUS_ENUM)
#undef PM_STATUS_ENUM
} pm_status;

/* Structs that callers fill may grow at their ends from version to version, except pm_log. A function that reads one is inline: it calls the one of the
 * same name with _sized, which is in the library, and passes the struct's size in the program. What the struct of an older program lacks is 0, and
 * NULL stands for zeros. A field that this version does not have is PM_INVALID, unless it is 0. */

/* The meaning of a status, as above. Never NULL. */
PM_API const char *pm_status_text(pm_status status);

typedef enum pm_log_level { PM_LOG_ERROR, PM_LOG_WARN, PM_LOG_INFO, PM_LOG_DEBUG } pm_log_level;

/* Where messages go. `line` has no newline and lives only during the call. A zeroed struct is silent.
 * Threads: fn is called on the thread that made the call that it reports on (validation messages: on a driver's thread). */
typedef struct pm_log {
    void (*fn)(void *user, pm_log_level level, const char *line);
    void *user;
    pm_log_level max_level; /* messages of a higher level are dropped */
} pm_log;

#ifdef __cplusplus
}
#endif
#endif
