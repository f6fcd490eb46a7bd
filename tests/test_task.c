/* Task files: framing, cutting, and error lines. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "helper_log.h"
#include "helper_task.h"

enum { START = 256, DELIMITER, EXTRACT }; /* behind the byte tokenizer's 256 */

static const char *file_of(const char *text)
{
    return test_task_file("f.jsonl", text);
}

static pm_task learn(pm_task_kind kind, const char *text)
{
    return test_task_learn(kind, file_of(text), NULL);
}

static pm_taskset *open_set(const pm_task *task, const char *text, uint32_t ctx)
{
    return test_task_open(task, file_of(text), ctx, true);
}

/* Compares the letters of a sequence; ^, $ and # stand for the three special tokens. */
static void expect_sequence(const pm_taskset *set, size_t i, uint32_t which, const char *want)
{
    uint32_t count;
    const int32_t *tokens = pm_taskset_tokens(set, i, which, &count);
    assert_int_equal(count, strlen(want));
    for (uint32_t k = 0; k < count; k++) {
        int32_t t = want[k] == '^' ? START : want[k] == '$' ? DELIMITER : want[k] == '#' ? EXTRACT : want[k];
        assert_int_equal(tokens[k], t);
    }
}

static void test_framing(void **state)
{
    (void)state;
    const char *lines =
        "{\"text\": \"abc\", \"label\": 1}\n{\"text\": \"d\", \"label\": 10}\n{\"text\": \"e\", \"label\": 2}\n";
    pm_task task = learn(PM_TASK_CLASSIFY, lines);
    assert_int_equal(task.outputs, 3);
    assert_true(task.numbered);
    assert_string_equal(task.labels[2], "10"); /* by value, not as text */
    pm_taskset *set = open_set(&task, lines, 8);
    expect_sequence(set, 0, 0, "^abc#");
    expect_sequence(set, 1, 0, "^d#");
    assert_int_equal(pm_taskset_longest(set), 5);
    assert_int_equal(pm_taskset_cut(set), 0);
    pm_taskset_close(&set);
    pm_task_fini(&task);

    lines = "{\"premise\": \"abc\", \"hypothesis\": \"de\", \"label\": \"yes\"}\r\n{\"premise\": \"p\", "
            "\"hypothesis\": \"h\", \"label\": \"no\"}";
    task = learn(PM_TASK_ENTAIL, lines);
    assert_string_equal(task.labels[0], "no");
    set = open_set(&task, lines, 8);
    expect_sequence(set, 0, 0, "^abc$de#");
    pm_taskset_close(&set);
    pm_task_fini(&task);

    lines = "{\"text_a\": \"abc\", \"text_b\": \"de\", \"score\": 1}\n{\"text_a\": \"x\", \"text_b\": \"y\", "
            "\"score\": 3}\n";
    task = learn(PM_TASK_SIMILAR, lines);
    assert_true(task.scores && task.mean == 2 && task.spread == 1 && task.outputs == 1);
    set = open_set(&task, lines, 8);
    expect_sequence(set, 0, 0, "^abc$de#");
    expect_sequence(set, 0, 1, "^de$abc#");
    pm_taskset_close(&set);
    pm_task_fini(&task);

    lines = "{\"passage\": \"ab\", \"question\": \"c\", \"choices\": [\"d\", \"ef\", \"g\"], \"answer\": 2}\n"
            "{\"passage\": \"ab\", \"choices\": [\"d\", \"e\"], \"answer\": 0}\n";
    task = learn(PM_TASK_CHOICE, lines);
    set = open_set(&task, lines, 16);
    expect_sequence(set, 0, 1, "^ab c$ef#");
    expect_sequence(set, 1, 0, "^ab$d#");
    size_t first;
    assert_int_equal(pm_taskset_outputs(set, 1, &first), 2);
    assert_int_equal(first, 3);
    assert_int_equal(pm_taskset_all_outputs(set), 5);
    pm_taskset_close(&set);
    pm_task_fini(&task);
}

/* The first text loses its end, then the second; special tokens stay. */
static void test_cutting(void **state)
{
    (void)state;
    const char *lines = "{\"premise\": \"abcdef\", \"hypothesis\": \"xyz\", \"label\": 0}\n"
                        "{\"premise\": \"abc\", \"hypothesis\": \"stuvwxyz\", \"label\": 1}\n"
                        "{\"premise\": \"a\", \"hypothesis\": \"x\", \"label\": 1}\n";
    pm_task task = learn(PM_TASK_ENTAIL, lines);
    pm_taskset *set = open_set(&task, lines, 8);
    expect_sequence(set, 0, 0, "^ab$xyz#");
    expect_sequence(set, 1, 0, "^$stuvw#");
    expect_sequence(set, 2, 0, "^a$x#");
    assert_int_equal(pm_taskset_cut(set), 2);
    assert_int_equal(pm_taskset_longest(set), 8);
    pm_taskset_close(&set);
    const pm_log log = test_log();
    assert_int_equal(pm_taskset_open(&log, file_of(lines), &task, test_task_bytes, 5, true, &set), PM_INVALID);
    pm_task_fini(&task);

    lines = "{\"passage\": \"abcdef\", \"question\": \"q\", \"choices\": [\"d\", \"efghij\"], \"answer\": 1}\n";
    task = learn(PM_TASK_CHOICE, lines);
    set = open_set(&task, lines, 9);
    expect_sequence(set, 0, 0, "^abc q$d#");
    expect_sequence(set, 0, 1, "^$efghij#"); /* passage and question are gone */
    assert_int_equal(pm_taskset_cut(set), 1);
    pm_taskset_close(&set);
    pm_task_fini(&task);
}

/* Fails the test unless learning or opening refuses the file, with one line that names the place. */
static void refused(pm_task_kind kind, const char *text, const char *place, const char *what)
{
    const pm_log log = test_log();
    pm_task task = {0};
    pm_taskset *set = NULL;
    test_log_reset();
    pm_status status = pm_task_learn(&log, kind, file_of(text), NULL, 256, &task);
    if (status == PM_OK) status = pm_taskset_open(&log, file_of(text), &task, test_task_bytes, 32, true, &set);
    if (status != PM_FORMAT) fail_msg("taken: %s", text);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    if (!strstr(test_last_error(), place) || !strstr(test_last_error(), what))
        fail_msg("\"%s\" lacks %s or %s", test_last_error(), place, what);
    pm_task_fini(&task);
}

#define GOOD "{\"text\": \"a\", \"label\": 0}\n{\"text\": \"b\", \"label\": 1}\n"
#define CHOICE(fields) "{\"passage\": \"p\", \"question\": \"q\", " fields "}\n"

static void test_refusals(void **state)
{
    (void)state;
    refused(PM_TASK_CLASSIFY, "", "f.jsonl", "empty");
    refused(PM_TASK_CLASSIFY, GOOD "{\"text\": \"a\", \"label\": 0", "f.jsonl:3:", "JSON");
    refused(PM_TASK_CLASSIFY, "\n \t\r\n", "f.jsonl", "empty");
    refused(PM_TASK_CLASSIFY, "\n" GOOD " \n{\"text\": 5}\n", "f.jsonl:5:", "string"); /* blank lines count */
    refused(PM_TASK_CLASSIFY, " [{\"text\": \"a\", \"label\": 0}]\n", "f.jsonl:1:", "JSON array");
    refused(PM_TASK_CLASSIFY, "[\n", "f.jsonl:1:", "JSON array");
    refused(PM_TASK_CLASSIFY, "\xFF\xFE{", "f.jsonl", "UTF-16");
    refused(PM_TASK_CLASSIFY, GOOD "{\"text\": \"a\", \"label\": 0, \"te\\u0078t\": \"b\"}\n",
            "f.jsonl:3:", "the key \"text\" is there twice");
    refused(PM_TASK_CLASSIFY, "{\"text\": \"x \\ud83d y\", \"label\": 0}\n", "f.jsonl:1:", "lone surrogate");
    refused(PM_TASK_CLASSIFY, "{\"text\": \"x \\udE00\", \"label\": 0}\n", "f.jsonl:1:", "lone surrogate");
    refused(PM_TASK_CLASSIFY, "{\"text\": \"x \\u12\", \"label\": 0}\n", "f.jsonl:1:", "JSON, at column 13");
    refused(PM_TASK_CLASSIFY, "{\"sentence\": \"a\", \"x\": 1}\n", "f.jsonl:1: \"text\" is missing",
            "has \"sentence\", \"x\"; fields text=NAME");
    refused(PM_TASK_CLASSIFY, GOOD "[1]\n", "f.jsonl:3:", "object");
    refused(PM_TASK_CLASSIFY, GOOD "{\"text\": \"a\", \"label\": 0} x\n", "f.jsonl:3:", "JSON");
    refused(PM_TASK_CLASSIFY, GOOD "{\"label\": 0}\n", "f.jsonl:3:", "\"text\" is missing");
    refused(PM_TASK_CLASSIFY, GOOD "{\"text\": 5, \"label\": 0}\n", "f.jsonl:3:", "string");
    refused(PM_TASK_CLASSIFY, GOOD "{\"text\": \" \\n\", \"label\": 0}\n", "f.jsonl:3:", "empty");
    refused(PM_TASK_CLASSIFY, GOOD "{\"text\": \"a\\u0000b\", \"label\": 0}\n", "f.jsonl:3:", "U+0000");
    refused(PM_TASK_CLASSIFY, GOOD "{\"text\": \"a\"}\n", "f.jsonl:3:", "\"label\" is missing");
    refused(PM_TASK_CLASSIFY, GOOD "{\"text\": \"a\", \"label\": 0.5}\n", "f.jsonl:3:", "whole number");
    refused(PM_TASK_CLASSIFY, GOOD "{\"text\": \"a\", \"label\": 10000000000}\n",
            "f.jsonl:3:", "whole number of up to ten digits");
    refused(PM_TASK_CLASSIFY, GOOD "{\"text\": \"a\", \"label\": \"x\"}\n", "f.jsonl:3:", "strings in others");
    refused(PM_TASK_CLASSIFY, "{\"text\": \"a\", \"label\": 7}\n", "f.jsonl", "every label is 7");
    refused(PM_TASK_CLASSIFY, "{\"text\": \"a\", \"label\": \"a\\u009b2Jb\"}\n", "f.jsonl:1:", "control characters");
    refused(PM_TASK_CLASSIFY, "{\"text\": \"a\", \"label\": \"\"}\n", "f.jsonl:1:", "1 to 255 bytes");
    refused(PM_TASK_CLASSIFY, "{\"text\": \"a\", \"label\": \"\xFF\"}\n", "f.jsonl:1:", "UTF-8");
    refused(PM_TASK_SIMILAR, "{\"text_a\": \"a\", \"text_b\": \"b\", \"score\": NaN}\n", "f.jsonl:1:", "JSON");
    refused(PM_TASK_SIMILAR, "{\"text_a\": \"a\", \"text_b\": \"b\", \"score\": 1e999}\n", "f.jsonl:1:", "finite");
    refused(PM_TASK_SIMILAR, "{\"text_a\": \"a\", \"text_b\": \"b\", \"score\": \"4\"}\n", "f.jsonl:1:", "finite");
    refused(PM_TASK_SIMILAR, "{\"text_a\": \"a\", \"text_b\": \"b\", \"score\": 4}\n", "f.jsonl", "all scores are 4");
    refused(PM_TASK_CHOICE, CHOICE("\"choices\": [\"a\"], \"answer\": 0"), "f.jsonl:1:", "needs 2");
    refused(PM_TASK_CHOICE, CHOICE("\"choices\": [\"a\", \"\"], \"answer\": 0"), "f.jsonl:1:", "empty");
    refused(PM_TASK_CHOICE, CHOICE("\"choices\": [\"a\", \"b\"], \"answer\": 2"), "f.jsonl:1:", "0 to 1");
    refused(PM_TASK_CHOICE, CHOICE("\"choices\": [\"a\", \"b\"], \"answer\": -1"), "f.jsonl:1:", "0 to 1");
    refused(PM_TASK_CHOICE, CHOICE("\"choices\": [\"a\", \"b\"]"), "f.jsonl:1:", "\"answer\" is missing");
    refused(PM_TASK_CHOICE, CHOICE("\"answer\": 0"), "f.jsonl:1:", "\"choices\"");
    refused(PM_TASK_CHOICE, "{\"choices\": [\"a\", \"b\"], \"answer\": 0}\n", "f.jsonl:1:", "\"passage\" is missing");
}

/* -0 is the label 0; and a backslash before u0000, itself escaped, is text. */
static void test_zeros(void **state)
{
    (void)state;
    const pm_log log = test_log();
    const char *lines =
        "{\"text\": \"a\\\\u0000\", \"label\": 0}\n{\"text\": \"b\", \"label\": 1}\n{\"text\": \"c\", \"label\": -0}\n";
    pm_task task;
    pm_taskset *set = NULL;
    assert_int_equal(pm_task_learn(&log, PM_TASK_CLASSIFY, file_of(lines), NULL, 256, &task), PM_OK);
    assert_int_equal(task.outputs, 2);
    assert_int_equal(pm_taskset_open(&log, file_of(lines), &task, test_task_bytes, 32, true, &set), PM_OK);
    uint32_t count;
    (void)pm_taskset_tokens(set, 0, 0, &count);
    assert_int_equal(count, 2 + strlen("a\\u0000"));
    pm_taskset_close(&set);
    pm_task_fini(&task);
}

/* Labels of 255 bytes stay whole; longer ones are refused. */
static void test_long_labels(void **state)
{
    (void)state;
    char label[400] = "", lines[1000];
    for (int i = 0; i < 85; i++) strcat(label, "\xE4\xBD\x93");
    snprintf(lines, sizeof lines, "{\"text\": \"a\", \"label\": \"%s\"}\n{\"text\": \"b\", \"label\": \"b\"}\n", label);
    pm_task task = learn(PM_TASK_CLASSIFY, lines);
    assert_string_equal(task.labels[1], label);
    pm_taskset *set = open_set(&task, lines, 8);
    pm_taskset_close(&set);
    pm_task_fini(&task);
    snprintf(lines, sizeof lines, "{\"text\": \"a\", \"label\": \"%sx\"}\n", label);
    refused(PM_TASK_CLASSIFY, lines, "f.jsonl:1:", "1 to 255 bytes");
}

/* A label that the training file did not have. */
static void test_unknown_label(void **state)
{
    (void)state;
    const pm_log log = test_log();
    pm_task task = learn(PM_TASK_CLASSIFY, GOOD);
    pm_taskset *set = NULL;
    const char *dev = file_of("{\"text\": \"a\", \"label\": 1}\n{\"text\": \"a\", \"label\": 2}\n");
    assert_int_equal(pm_taskset_open(&log, dev, &task, test_task_bytes, 32, true, &set), PM_FORMAT);
    assert_non_null(strstr(test_last_error(), "f.jsonl:2: the label 2 is not in the training file (0, 1)"));
    assert_int_equal(pm_taskset_open(&log, dev, &task, test_task_bytes, 32, false, &set),
                     PM_OK); /* to predict, none is needed */
    assert_int_equal(pm_taskset_size(set), 2);
    pm_taskset_close(&set);
    pm_task_fini(&task);
}

/* Similarity by classes: the same sequences, labels instead of scores. */
static void test_similar_by_classes(void **state)
{
    (void)state;
    const char *lines = "{\"text_a\": \"a\", \"text_b\": \"b\", \"label\": \"same\"}\n{\"text_a\": \"a\", \"text_b\": "
                        "\"c\", \"label\": \"other\"}\n";
    pm_task task = learn(PM_TASK_SIMILAR, lines);
    assert_true(!task.scores && task.outputs == 2);
    pm_taskset *set = open_set(&task, lines, 8);
    expect_sequence(set, 1, 1, "^c$a#");
    assert_int_equal(pm_taskset_all_outputs(set), 4);
    pm_taskset_close(&set);
    pm_task_fini(&task);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_task_setup, test_task_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_framing), TEST(test_cutting),     TEST(test_refusals),           TEST(test_unknown_label),
        TEST(test_zeros),   TEST(test_long_labels), TEST(test_similar_by_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
