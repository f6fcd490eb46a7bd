/* Task files in columns, TSV and CSV, and people's own names for the fields. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "helper_log.h"
#include "helper_task.h"

/* Compares the letters of sequence `which`; ^, $ and # stand for the special tokens. */
static void expect_text(const pm_taskset *set, size_t i, uint32_t which, const char *want)
{
    uint32_t count;
    char got[65] = "";
    const int32_t *tokens = pm_taskset_tokens(set, i, which, &count);
    for (uint32_t k = 0; k < count; k++) got[k] = tokens[k] < 256 ? (char)tokens[k] : "^$#"[tokens[k] - 256];
    assert_string_equal(got, want);
}

/* Two examples, of classes 0 and 1. */
static void expect_two(const char *path, const char *fields, const char *first, const char *second)
{
    pm_task task = test_task_learn(PM_TASK_CLASSIFY, path, fields);
    pm_taskset *set = test_task_open(&task, path, 64, true);
    assert_int_equal(pm_taskset_size(set), 2);
    expect_text(set, 0, 0, first);
    expect_text(set, 1, 0, second);
    pm_task_metrics m;
    pm_taskset_measure(set, (float[]){1, 0, 0, 1}, &m, NULL);
    assert_true(m.accuracy == 1);
    pm_taskset_close(&set);
    pm_task_fini(&task);
}

static void test_forms(void **state)
{
    (void)state;
    /* in TSV quotes are text; lines of white space, a byte order mark and \r are ignored */
    expect_two(test_task_file("a.tsv", "text\tlabel\n\"a\tno\nb, c\"\"\tyes\n"), NULL, "^\"a#", "^b, c\"\"#");
    expect_two(test_task_file("b.TSV", "\xEF\xBB\xBFid\ttext\tlabel\r\n1\ta b\t0\r\n  \r\n\n2\tc\t1"), NULL, "^a b#",
               "^c#");
    expect_two(test_task_file("a.csv", "text,label\na,0\nb,1\n"), NULL, "^a#", "^b#");
    expect_two(test_task_file("b.csv", "\"text\",\"label\"\r\n\"a, \"\"b\"\"\",\"no\"\r\n\"c\r\nd\n\",\"yes\"\r\n"),
               NULL, "^a, \"b\"#", "^c\r\nd\n#");
    expect_two(test_task_file("c.csv", "label,text\n0,a \"b\"\n1,\"\"\"\""), NULL, "^a \"b\"#", "^\"#");
    expect_two(test_task_file("d.csv", "\n ,,label,text\n,,1,x\n,,2,\"y\""), NULL, "^x#",
               "^y#"); /* columns without a name */
    /* without a header, and people's names in each form */
    expect_two(test_task_file("e.csv", "\"3\",\"title\",\"a\"\n\"4\",\"title\",\"b\"\n"), "label=#1,text=#3", "^a#",
               "^b#");
    expect_two(test_task_file("f.tsv", "gj04\t0\t\ta\nks08\t1\t*\tb\n"), "text=#4,label=#2", "^a#", "^b#");
    expect_two(test_task_file("g.tsv", "Quality\t#1 String\n0\ta\n1\tb\n"), "text=#1 String,label=Quality", "^a#",
               "^b#");
    expect_two(
        test_task_file("h.jsonl", "{\"sentence\": \"a\", \"gold\": 0}\n\n{\"sentence\": \"b\", \"gold\": 1}\n \n"),
        "text=sentence,label=gold", "^a#", "^b#");
}

/* Labels are numbers in order where all are numbers, else names. Labels learnt from columns are known in JSON lines, and the other way round. */
static void test_labels(void **state)
{
    (void)state;
    const char *path = test_task_file("n.tsv", "text\tlabel\na\t10\nb\t9\nc\t-1\n");
    pm_task task = test_task_learn(PM_TASK_CLASSIFY, path, NULL);
    assert_true(task.numbered && task.outputs == 3);
    assert_string_equal(task.labels[0], "-1");
    assert_string_equal(task.labels[2], "10");
    pm_taskset *set = test_task_open(&task, path, 64, true);
    pm_taskset_close(&set);
    set = test_task_open(
        &task, test_task_file("n.jsonl", "{\"text\": \"a\", \"label\": 9}\n{\"text\": \"a\", \"label\": \"10\"}\n"), 64,
        true);
    pm_taskset_close(&set);
    pm_task_fini(&task);
    /* the largest ones are the same in each form; beyond them they are names */
    task = test_task_learn(PM_TASK_CLASSIFY,
                           test_task_file("l.tsv", "text\tlabel\na\t9999999999\nb\t-9999999999\nc\t5\n"), NULL);
    assert_true(task.numbered && task.outputs == 3);
    assert_string_equal(task.labels[0], "-9999999999");
    set = test_task_open(&task,
                         test_task_file("l.jsonl", "{\"text\": \"a\", \"label\": 9999999999}\n"
                                                   "{\"text\": \"b\", \"label\": -9999999999}\n"),
                         64, true);
    pm_taskset_close(&set);
    pm_task_fini(&task);
    task = test_task_learn(PM_TASK_CLASSIFY, test_task_file("m.tsv", "text\tlabel\na\t10000000000\nb\t5\n"), NULL);
    assert_true(!task.numbered);
    pm_task_fini(&task);
    task = test_task_learn(PM_TASK_CLASSIFY, test_task_file("w.tsv", "text\tlabel\na\t10\nb\t9\nc\tx\nd\t09\n"), NULL);
    assert_true(!task.numbered && task.outputs == 4);
    assert_string_equal(task.labels[0], "09");
    pm_task_fini(&task);
}

/* The other kinds of tasks. */
static void test_kinds(void **state)
{
    (void)state;
    const char *path = test_task_file("s.tsv", "sentence1\tscore\tsentence2\na\t2.50\tb\nc\t-1e0\td\n");
    pm_task task = test_task_learn(PM_TASK_SIMILAR, path, "text_a=sentence1,text_b=sentence2");
    assert_true(task.scores && task.mean == 0.75f && task.spread == 1.75f);
    pm_taskset *set = test_task_open(&task, path, 64, true);
    expect_text(set, 1, 0, "^c$d#");
    expect_text(set, 1, 1, "^d$c#");
    pm_taskset_close(&set);
    pm_task_fini(&task);
    /* a score that is named counts, whatever other fields there are */
    path = test_task_file("l.csv", "text_a,text_b,label,how\na,b,x,1\nc,d,y,2\n");
    task = test_task_learn(PM_TASK_SIMILAR, path, "score=how");
    assert_true(task.scores);
    pm_task_fini(&task);
    task = test_task_learn(PM_TASK_SIMILAR, path, NULL);
    assert_true(!task.scores && task.outputs == 2);
    pm_task_fini(&task);

    path = test_task_file("c.csv", "goal,sol1,sol2,right\nq,a,b,1\nr,c,d,0\n");
    task = test_task_learn(PM_TASK_CHOICE, path, "question=goal,choices=sol1+sol2,answer=right");
    set = test_task_open(&task, path, 64, true);
    expect_text(set, 0, 1, "^q$b#");
    size_t first;
    assert_int_equal(pm_taskset_outputs(set, 1, &first), 2);
    pm_taskset_close(&set);
    pm_task copy;
    assert_int_equal(pm_task_copy(NULL, &task, &copy), PM_OK);
    pm_task_fini(&task);
    path = test_task_file("c.jsonl",
                          "{\"goal\": \"q\", \"sol1\": \"a\", \"sol2\": \"b\"}\n"); /* the copy has the names, too */
    set = test_task_open(&copy, path, 64, false);
    expect_text(set, 0, 0, "^q$a#");
    pm_taskset_close(&set);
    pm_task_fini(&copy);
}

static void refused(pm_task_kind kind, const char *name, const char *text, const char *fields, const char *part)
{
    const pm_log log = test_log();
    pm_task task = {0};
    pm_taskset *set = NULL;
    test_log_reset();
    const char *path = test_task_file(name, text);
    pm_status status = pm_task_learn(&log, kind, path, fields, 256, &task);
    if (status == PM_OK) status = pm_taskset_open(&log, path, &task, test_task_bytes, 32, true, &set);
    if (status != PM_FORMAT && status != PM_INVALID) fail_msg("taken: %s", text);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    if (!strstr(test_last_error(), part)) fail_msg("\"%s\" lacks %s", test_last_error(), part);
    pm_task_fini(&task);
}

#define GOOD "text\tlabel\na\tx\nb\ty\n"

static void test_refusals(void **state)
{
    (void)state;
    refused(PM_TASK_CLASSIFY, "x.tsv", "", NULL, "x.tsv: is empty");
    refused(PM_TASK_CLASSIFY, "x.tsv", " \n\n", NULL, "x.tsv: is empty");
    refused(PM_TASK_CLASSIFY, "x.tsv", "text\tlabel\n", NULL, "x.tsv: is empty; it needs a header and rows");
    refused(PM_TASK_CLASSIFY, "x.tsv", GOOD "c\n", NULL, "x.tsv:4: has 1 columns, the header 2");
    refused(PM_TASK_CLASSIFY, "x.tsv", GOOD "c\td\tx\n", NULL, "x.tsv:4: has 3 columns, the header 2");
    refused(PM_TASK_CLASSIFY, "x.tsv", GOOD "\t\nc\tx\n", NULL, "x.tsv:4: \"text\" is empty"); /* a row, as any other */
    refused(PM_TASK_CLASSIFY, "x.tsv", GOOD "\t\t", NULL, "x.tsv:4: has 3 columns, the header 2");
    refused(PM_TASK_CLASSIFY, "x.csv", "text,label\n \t\n,\n", NULL, "x.csv:3: \"text\" is empty");
    refused(PM_TASK_CLASSIFY, "x.tsv", GOOD "c\t\n", NULL, "x.tsv:4: \"label\" must have 1 to 255 bytes");
    refused(PM_TASK_CLASSIFY, "x.tsv", GOOD " \tx\n", NULL, "x.tsv:4: \"text\" is empty");
    refused(PM_TASK_CLASSIFY, "x.tsv", "text\tlabel\ttext\na\tx\tb\n", NULL,
            "x.tsv:1: the header has the column \"text\" twice");
    refused(PM_TASK_CLASSIFY, "x.tsv", "sentence\tlabel\na\tx\n", NULL,
            "x.tsv:2: \"text\" is missing; the file has \"sentence\", \"label\"; fields text=NAME");
    refused(PM_TASK_CLASSIFY, "x.tsv", GOOD, "text=sentence",
            "x.tsv:2: \"sentence\" is missing; the file has \"text\"");
    refused(PM_TASK_CLASSIFY, "x.tsv", "a\tb\n", "text=#1,label=#3",
            "x.tsv:1: \"#3\" is missing; the file has \"#1\", \"#2\"");
    refused(PM_TASK_CLASSIFY, "x.tsv", "\xFF\xFEt\n", NULL, "x.tsv: is UTF-16");
    refused(PM_TASK_CLASSIFY, "x.csv", "text,label\n\"a,x\nb,y\n", NULL, "x.csv:2: a quote in this row has no end");
    refused(PM_TASK_CLASSIFY, "x.csv", "text,label\n\"a\" b,x\n", NULL, "x.csv:2: text stands behind a quoted cell");
    refused(PM_TASK_CLASSIFY, "x.csv", "text,label\n\"a\n\",x\nb,c,y\n", NULL,
            "x.csv:4: has 3 columns, the header 2; a cell with");
    refused(PM_TASK_SIMILAR, "x.tsv", "text_a\ttext_b\tscore\na\tb\t1\nc\td\tmany\n", NULL,
            "x.tsv:3: \"score\" must be a finite");
    refused(PM_TASK_SIMILAR, "x.tsv", "text_a\ttext_b\tscore\na\tb\t1e999\n", NULL,
            "x.tsv:2: \"score\" must be a finite");
    refused(PM_TASK_CHOICE, "x.tsv", "question\tchoices\tanswer\na\tb\t0\n", NULL,
            "must be several columns: fields choices=");
    refused(PM_TASK_CHOICE, "x.tsv", "question\ta\tb\tanswer\nq\tr\ts\tt\n", "choices=a+b", "must be the index");
    refused(PM_TASK_CHOICE, "x.tsv", "question\ta\tb\tanswer\nq\tr\ts\t0\n", "choices=a+c",
            "x.tsv:2: \"c\" is missing");
    refused(PM_TASK_CLASSIFY, "x.tsv", GOOD, "",
            "fields : is not KEY=NAME; give KEY=NAME,… for one or more of text, label");
    refused(PM_TASK_CLASSIFY, "x.tsv", GOOD, "text=text,", "is not KEY=NAME");
    refused(PM_TASK_CLASSIFY, "x.tsv", GOOD, "text=", "fields text=: is not KEY=NAME");
    refused(PM_TASK_CLASSIFY, "x.tsv", GOOD, "premise=text", "fields premise=text: the task has no such field");
    refused(PM_TASK_CLASSIFY, "x.tsv", GOOD, "text=text,text=label", "fields text=label: is there twice");
    refused(PM_TASK_CLASSIFY, "x.tsv", GOOD, "text=#1,label=label",
            "fields text=#1,label=label: a file with a header has names only");
    refused(PM_TASK_CHOICE, "x.csv", "q,a,b,0\n", "question=#1,choices=#2+b,answer=#4",
            "fields answer=#4,choices=#2+b: a file with a header");
    refused(PM_TASK_CLASSIFY, "x.csv", "text,label\ra,x\rb,y\r", NULL, "x.csv: its lines end in CR alone; save it");
    refused(PM_TASK_CLASSIFY, "x.tsv", "a\tx\rb\ty", "text=#1,label=#2", "x.tsv: its lines end in CR alone; save it");
    refused(PM_TASK_CLASSIFY, "x.jsonl", "{\"text\":\"a\"}\r{\"text\":\"b\"}\r", NULL,
            "x.jsonl: its lines end in CR alone");
    refused(PM_TASK_CLASSIFY, "x.csv", "{\"text\": \"a\", \"label\": 1}\n", NULL, "x.csv:1: looks like JSON, not like");
    refused(PM_TASK_CLASSIFY, "x.tsv", "[{ \"text\": \"a\"}]", NULL, "x.tsv:1: looks like JSON, not like");
    refused(PM_TASK_SIMILAR, "x.jsonl",
            "{\"text_a\":\"a\",\"text_b\":\"b\",\"score\":1}\n"
            "{\"text_a\":\"c\",\"text_b\":\"d\",\"score\":1.00000001}\n",
            NULL, "x.jsonl: the scores differ by 1e-08 at most, about 1: less than float32 can hold");
    refused(PM_TASK_SIMILAR, "x.jsonl",
            "{\"text_a\":\"a\",\"text_b\":\"b\",\"score\":1}\n"
            "{\"text_a\":\"c\",\"text_b\":\"d\",\"score\":1.0}\n",
            NULL, "x.jsonl: all scores are 1;");
    refused(PM_TASK_CLASSIFY, "x.txt", GOOD, NULL,
            "x.txt:1: is not a JSON object; JSON lines are one a line, and columns belong in a file NAME.tsv");
}

/* A first row that reads like a header, where columns have numbers: a warning, once. */
static void test_header_as_data(void **state)
{
    (void)state;
    static const struct {
        const char *text, *fields;
        bool warned;
    } rows[] = {{"text,label\na,x\nb,y\n", "text=#1,label=#2", true},
                {"sentence,Label\na,x\nb,y\n", "text=#1,label=#2", true},
                {"texts,labels\na,x\nb,y\n", "text=#1,label=#2", false},
                {"text,label\na,x\nb,y\n", NULL, false},
                {"a,x\ntext,label\nb,y\n", "text=#1,label=#2", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *path = test_task_file("h.csv", rows[i].text);
        test_log_reset();
        pm_task task = test_task_learn(PM_TASK_CLASSIFY, path, rows[i].fields);
        pm_taskset *set = test_task_open(&task, path, 64, true);
        assert_int_equal(test_log_count(PM_LOG_WARN), rows[i].warned);
        if (rows[i].warned) assert_non_null(strstr(test_last_warning(), "h.csv:1: this row has \""));
        pm_taskset_close(&set);
        pm_task_fini(&task);
    }
}

/* Lines with a score and a label: a warning tells which counts, unless fields do. */
static void test_both_answers(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *words;
        bool scores;
    } rows[] = {{NULL, "x.jsonl:1: has a score and a label, and the label counts", false},
                {"label=label,score=score", "x.jsonl:1: has a score and a label, and the score counts", true},
                {"label=label", NULL, false},
                {"score=score", NULL, true}};
    const char *path = test_task_file("x.jsonl", "{\"text_a\":\"a\",\"text_b\":\"b\",\"score\":1,\"label\":0}\n"
                                                 "{\"text_a\":\"c\",\"text_b\":\"d\",\"score\":2,\"label\":1}\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_log_reset();
        pm_task task = test_task_learn(PM_TASK_SIMILAR, path, rows[i].fields);
        assert_true(task.scores == rows[i].scores);
        assert_int_equal(test_log_count(PM_LOG_WARN), rows[i].words != NULL);
        if (rows[i].words) assert_non_null(strstr(test_last_warning(), rows[i].words));
        pm_task_fini(&task);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_task_setup, test_task_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_forms),    TEST(test_labels),         TEST(test_kinds),
                                       TEST(test_refusals), TEST(test_header_as_data), TEST(test_both_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
