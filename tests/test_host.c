/* Changes that a host may make to its process: closed standard streams, and a locale whose decimal point is not a point. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <pumice/profile.h>
#include <pumice/pumice.h>

#include "base/number.h"
#include "files/file.h"
#include "helper_device.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "os/file.h"
#include "os/locale.h"
#include "os/memory.h"
#include "os/streams.h"

/* ---- standard streams ---- */

enum { STREAMS = 3 };

static void close_streams(int saved[STREAMS])
{
    fflush(stdout);
    fflush(stderr);
    for (int fd = 0; fd < STREAMS; fd++) {
        saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
        close(fd);
    }
}

static unsigned count_open(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < STREAMS; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Streams that are /dev/null, and neither can be read from nor written to as it should be. */
static unsigned count_held(void)
{
    struct stat here, null;
    unsigned count = 0;
    char byte;
    if (stat("/dev/null", &null) != 0) return 0;
    for (int fd = 0; fd < STREAMS; fd++)
        count +=
            fstat(fd, &here) == 0 && here.st_rdev == null.st_rdev && (fd ? write(fd, "", 1) : read(fd, &byte, 1)) < 0;
    return count;
}

static void open_streams(const int saved[STREAMS])
{
    for (int fd = 0; fd < STREAMS; fd++) {
        if (saved[fd] < 0) continue;
        dup2(saved[fd], fd);
        close(saved[fd]);
    }
}

/* No assertion between closing and opening: its message would be lost. */
static void test_files_above_streams(void **state)
{
    (void)state;
    const char *path = test_path(test_root, "file");
    int saved[STREAMS];
    unsigned most = 0;
    file_map map = {NULL, 0, -1};
    file_writer *writer = NULL;
    close_streams(saved);
    const pm_status written = file_write(NULL, path, "text", 4);
    const pm_status mapped = file_map_open(NULL, path, &map);
    const pm_status opened = file_writer_open(NULL, path, &writer);
    const int fd = os_open(path, OS_READ);
    os_folder *folder = os_folder_open(test_root); /* the next descriptor */
    most = count_open();
    file_map_close(&map);
    file_writer_abandon(&writer);
    if (folder) os_folder_close(folder);
    os_close(fd);
    open_streams(saved);
    assert_int_equal(most, 0);
    assert_int_equal(written, PM_OK);
    assert_int_equal(mapped, PM_OK);
    assert_int_equal(opened, PM_OK);
    assert_true(fd >= STREAMS && folder != NULL);
}

/* The driver opens files, some of them on threads of its own, as long as there is a device. */
static void test_device_above_streams(void **state)
{
    (void)state;
    test_device_done(&(pm_device *){test_device(NULL)}); /* skips where there is no device */
    const pm_device_params params = test_device_params((pm_device_params){.log = test_log()});
    const pm_gpt_config config = {.vocab = 8, .ctx = 8, .embd = 16, .heads = 2, .layers = 1};
    pm_device *device = NULL, *other = NULL;
    pm_model *model = NULL;
    int saved[STREAMS];
    test_log_reset();
    close_streams(saved);
    pm_status status = pm_device_open(&params, &device);
    const unsigned opened = count_held();
    if (status == PM_OK) status = pm_model_create(device, &config, 1, &model);
    if (status == PM_OK) status = pm_device_open(&params, &other);
    pm_device_close(&other);
    const unsigned made = count_held();
    pm_model_destroy(&model);
    pm_device_close(&device);
    const unsigned closed = count_open();
    const pm_device_params wrong = {.disable = "nonsense"};
    const pm_status refused = pm_device_open(&wrong, &device);
    const unsigned after = count_open();
    open_streams(saved);
    assert_int_equal(status, PM_OK);
    assert_int_equal(opened, 3);
    assert_int_equal(made, 3);
    assert_int_equal(closed, 0);
    assert_int_equal(refused, PM_INVALID);
    assert_int_equal(after, 0);
}

/* What the host opens in a place that is held stays, and it may be /dev/null. */
static void test_streams_held(void **state)
{
    (void)state;
    int saved[STREAMS];
    unsigned seen[5];
    close_streams(saved);
    const int own = open("/dev/null", O_RDONLY); /* number 0: the host's own, though it is the same file */
    os_streams_hold();
    os_streams_hold();
    seen[0] = count_open();
    seen[1] = count_held();
    os_streams_release();
    seen[2] = count_open();
    close(2);
    const int theirs = open(test_root, O_RDONLY);
    os_streams_release();
    seen[3] = count_open();
    const bool kept = theirs == 2 && fcntl(2, F_GETFD) >= 0;
    close(theirs);
    os_streams_hold();
    const int null = open("/dev/null", O_RDWR);
    for (int fd = 1; fd < STREAMS; fd++) dup2(null, fd);
    close(null);
    os_streams_release();
    seen[4] = count_open();
    for (int fd = 1; fd < STREAMS; fd++) close(fd);
    close(own);
    open_streams(saved);
    assert_int_equal(own, 0);
    assert_int_equal(seen[0], 3);
    assert_int_equal(seen[1], 2);
    assert_int_equal(seen[2], 3);
    assert_int_equal(seen[3], 2);
    assert_true(kept);
    assert_int_equal(seen[4], 3);
}

/* ---- locales ---- */

/* Takes a locale without "." before the decimals, if necessary one that localedef makes. Each has a folder of its own, because the C library
 * remembers which locales it did not find in a folder. */
static bool take_locale(const char *name)
{
    char command[700], folder[300];
    snprintf(folder, sizeof folder, "%s/locales-%s", test_root, name);
    if (setlocale(LC_ALL, name)) return true;
    if (file_make_dir(NULL, folder) != PM_OK) return false;
    snprintf(command, sizeof command, "localedef -i %.5s -f UTF-8 '%s/%s' > '%s/out' 2>&1", name, folder, name, folder);
    if (system(command) != 0) return false;
    setenv("LOCPATH", folder, 1);
    return setlocale(LC_ALL, name) != NULL;
}

/* Does a small run, and writes all of its files. */
static void write_all(const char *dir)
{
    const pm_device_params params = {.log = test_log(), .profile = true};
    const pm_gpt_config config = {.vocab = 8, .ctx = 8, .embd = 16, .heads = 2, .layers = 1, .dropout_embd = 0.1f};
    const pm_train_params train = {.batch = 8, .steps = 10, .lr = 1e-2f, .dropout = 0.25f};
    const pm_peaks peaks = {.copy_bytes_per_s = 1.5e9, .fma_flops_per_s = 2.5e9};
    pm_device *device = test_device_open(&params);
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    pm_step step;
    int32_t tokens[64], targets[64];
    for (int i = 0; i < 64; i++) {
        tokens[i] = i % 7;
        targets[i] = (i + 1) % 7;
    }
    assert_int_equal(pm_model_create(device, &config, 1, &model), PM_OK);
    assert_int_equal(pm_trainer_create(model, &train, &trainer), PM_OK);
    pm_profile_start(pm_device_profile(device));
    assert_int_equal(pm_trainer_step_tokens(trainer, tokens, targets, &step), PM_OK);
    pm_profile_stop(pm_device_profile(device));
    assert_int_equal(pm_model_save(model, dir), PM_OK);
    assert_int_equal(pm_trainer_save(trainer, dir, ""), PM_OK);
    assert_int_equal(pm_profile_write(pm_device_profile(device), dir, &peaks), PM_OK);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    assert_int_equal(pm_model_load(device, dir, &model), PM_OK);
    assert_true(pm_model_config(model)->dropout_embd == 0.1f);
    assert_int_equal(pm_trainer_create(model, &train, &trainer), PM_OK);
    char *note = NULL;
    assert_int_equal(pm_trainer_load(trainer, dir, &note), PM_OK);
    free(note);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    test_device_done(&device);
}

/* The columns of each line of kernels.csv, outside quotes: as many as heads. */
static void check_columns(const char *path)
{
    size_t size, first = 0, count = 1;
    char *text = test_read(path, &size);
    bool quoted = false;
    for (const char *c = text; *c; c++) {
        quoted ^= *c == '"';
        count += *c == ',' && !quoted;
        if (*c != '\n') continue;
        if (!first) first = count;
        assert_int_equal(count, first);
        count = 1;
    }
    assert_true(first > 10);
    free(text);
}

static void check_trace(const char *path)
{
    size_t size;
    char *text = test_read(path, &size);
    const char *at = strstr(text, "\"dur\":");
    assert_non_null(at);
    const size_t whole = strspn(at + 6, "0123456789");
    assert_int_equal(at[6 + whole], '.');
    assert_int_equal(at[6 + whole + 4], ',');
    free(text);
}

static void check_locale(const char *name)
{
    static const char examples[] = "{\"text_a\": \"x\", \"text_b\": \"y\", \"score\": 0.25}\n{\"text_a\": \"x\", "
                                   "\"text_b\": \"z\", \"score\": 1.25}\n";
    char plain[300], dir[300], text[40], *end;
    snprintf(plain, sizeof plain, "%s", test_path(test_root, "plain"));
    snprintf(dir, sizeof dir, "%s", test_path(test_root, name));
    if (!file_exists(plain)) write_all(plain);
    if (!take_locale(name)) {
        print_message("left out: no locale %s here, and localedef makes none\n", name);
        skip();
    }
    snprintf(text, sizeof text, "%.2f", 0.25);
    const bool other = strcmp(text, "0.25") != 0;
    write_all(dir);
    test_same_file(plain, dir, "config.json");
    test_same_file(plain, dir, "model.safetensors");
    test_same_file(plain, dir, "checkpoint.safetensors");
    check_columns(test_path(dir, "kernels.csv"));
    check_trace(test_path(dir, "trace.json"));
    /* numbers that are read, and error lines */
    pm_task task = {0};
    const pm_log log = test_log();
    test_write(test_path(test_root, "scores"), examples, sizeof examples - 1);
    assert_int_equal(pm_task_learn(&log, PM_TASK_SIMILAR, test_path(test_root, "scores"), NULL, 8, &task), PM_OK);
    assert_true(task.mean == 0.75f);
    pm_task_fini(&task);
    pm_model *model = NULL;
    pm_device *device = test_device(NULL);
    const pm_gpt_config wrong = {.vocab = 8, .ctx = 8, .embd = 16, .heads = 2, .layers = 1, .eps = 1.5f};
    test_log_reset();
    const pm_device_params params = {.log = test_log(), .cache_dir = ""};
    test_device_done(&device);
    device = test_device_open(&params);
    assert_int_not_equal(pm_model_create(device, &wrong, 1, &model), PM_OK);
    assert_non_null(strstr(test_last_error(), "1.5"));
    test_device_done(&device);
    file_map map;
    const char *missing = test_path(test_root, "nothing");
    test_log_reset();
    test_expect_failure(file_map_open(&log, missing, &map), PM_IO, missing, "No such file or directory");
    errno = EINTR;
    assert_string_equal(os_error(EACCES).text, "Permission denied");
    assert_int_equal(errno, EINTR);
    number_print(text, sizeof text, "%g", 1234.5);
    assert_string_equal(text, "1234.5");
    assert_true(number_read("0.5,", &end) == 0.5 && *end == ',');
    setlocale(LC_ALL, "C");
    assert_true(other);
}

static void test_comma(void **state)
{
    (void)state;
    check_locale("de_DE.UTF-8");
}

/* A locale whose decimal point has two bytes. */
static void test_long_point(void **state)
{
    (void)state;
    check_locale("ps_AF.UTF-8");
}

/* ---- memory ---- */

static void put(const char *root, const char *folder, const char *name, const char *text)
{
    char path[700];
    snprintf(path, sizeof path, "%s%s", root, folder);
    assert_int_equal(file_make_dir(NULL, path), PM_OK);
    snprintf(path + strlen(path), sizeof path - strlen(path), "/%s", name);
    test_write(path, text, strlen(text));
}

static uint64_t left_of(const char *groups, const char *root)
{
    const char *proc = test_path(test_root, "cgroup");
    test_write(proc, groups, strlen(groups));
    return os_cgroup_left(proc, root);
}

static void test_memory_left(void **state)
{
    (void)state;
    char root[300];
    snprintf(root, sizeof root, "%s", test_path(test_root, "groups"));
    put(root, "/a/b", "memory.max", "max\n");
    put(root, "/a/b", "memory.current", "100\n");
    put(root, "/a", "memory.max", "5000\n");
    put(root, "/a", "memory.current", "4000\n");
    put(root, "/a", "memory.stat", "anon 1000\nfile 3000\ninactive_file 2500\nactive_file 500\n");
    assert_true(left_of("0::/a/b\n", root) == 3500);
    assert_true(left_of("0::/a\n", root) == 3500);
    assert_true(left_of("0::/\n", root) == UINT64_MAX);
    assert_true(left_of("0::/elsewhere/c\n", root) == UINT64_MAX);
    put(root, "", "memory.max", "2000\n"); /* a container's own limit, which it sees at the root */
    put(root, "", "memory.current", "3000\n");
    assert_true(left_of("0::/elsewhere/c\n", root) == 0);
    put(root, "/memory/v", "memory.limit_in_bytes", "9000\n");
    put(root, "/memory/v", "memory.usage_in_bytes", "8000\n");
    put(root, "/memory/v", "memory.stat", "cache 1\ntotal_cache 2\ntotal_inactive_file 50\n");
    put(root, "/memory", "memory.limit_in_bytes", "9223372036854771712\n");
    put(root, "/memory", "memory.usage_in_bytes", "8000\n");
    assert_true(left_of("5:cpu:/v\n4:memory:/v/\n1:name=systemd:/\n", root) == 1050);
    assert_true(left_of("", root) == UINT64_MAX);
    assert_true(os_cgroup_left("/nowhere", root) == UINT64_MAX);
    const struct rlimit few = {1 << 20, RLIM_INFINITY};
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_DATA, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_DATA, &(struct rlimit){few.rlim_cur, before.rlim_max}), 0);
    const uint64_t left = os_memory_left();
    assert_int_equal(setrlimit(RLIMIT_DATA, &before), 0);
    assert_true(left <= few.rlim_cur);
}

/* Memory that is the host's: no more is free than the process may take, with a budget or without one. */
static void test_host_memory(void **state)
{
    (void)state;
    static const pm_device_type types[] = {PM_DEVICE_CPU, PM_DEVICE_INTEGRATED, PM_DEVICE_DISCRETE};
    static const char *const lists[] = {NULL, "serial", "memory_budget", "all", "baseline"};
    const uint64_t limit = (uint64_t)1 << 36, all = (uint64_t)1 << 40;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_DATA, &before), 0);
    if (before.rlim_max < limit) skip();
    assert_int_equal(setrlimit(RLIMIT_DATA, &(struct rlimit){limit, before.rlim_max}), 0);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (size_t list = 0; list < sizeof lists / sizeof *lists; list++) {
            pm_caps caps = {.type = types[i], .memory_budget = true, .device_memory = all, .device_memory_free = all};
            assert_int_equal(pm_caps_lower(NULL, &caps, "test", lists[list]), PM_OK);
            assert_int_equal(caps.device_memory_free <= limit, types[i] != PM_DEVICE_DISCRETE);
        }
    assert_int_equal(setrlimit(RLIMIT_DATA, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files_above_streams),  cmocka_unit_test(test_streams_held),
                                       cmocka_unit_test(test_device_above_streams), cmocka_unit_test(test_comma),
                                       cmocka_unit_test(test_long_point),           cmocka_unit_test(test_memory_left),
                                       cmocka_unit_test(test_host_memory)};
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
