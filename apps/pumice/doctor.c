/* `pumice doctor`: whether the device computes what it should. */
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "app.h"
#include "device_text.h"

static app_common common;

static arg_option table[] = {
    APP_OPTION_DEVICE(common),
    APP_OPTION_VERBOSE(common),
    APP_OPTION_JSON(common, "print one JSON document, to attach to a report of a fault"),
};

arg_command doctor_command = {
    "doctor",
    "[options]",
    "Checks the device: every operation against the CPU, memory, a short training run",
    "Kernels and features that give wrong numbers are switched off for this device and driver, here and in every later "
    "run, until\n"
    "doctor runs again and finds them right; exit code 1 where nothing else can take their place. The file, "
    "faults-*.txt, stands beside "
    "that of pumice tune, which leaves it alone.",
    table,
    sizeof table / sizeof *table,
};

static void tell(void *user, const char *what)
{
    (void)user;
    if (common.verbose) app_say("checking %s", what);
}

static void print_text(const pm_doctor_report *r)
{
    printf("%s, %s\n", r->caps.name, r->caps.driver);
    printf("memory      %u buffers written, filled, copied and read back\n", (unsigned)r->copies);
    printf("operations  %u, forward and backward, in %u checks by %u kernels against the CPU in double\n",
           (unsigned)r->operations, (unsigned)r->checks, (unsigned)r->kernels);
    if (r->skipped) printf("            %u more need more memory than there is\n", (unsigned)r->skipped);
    printf("training    %u steps: losses within %.1e of the CPU's, weights %.1e\n", (unsigned)r->steps, r->loss_error,
           r->weight_error);
    for (uint32_t i = 0; i < r->finding_count && i < PM_DOCTOR_FINDINGS; i++) {
        const pm_doctor_finding *f = &r->findings[i];
        printf("WRONG       %s\n            %s%s\n", f->wrong,
               *f->off ? "switched off: " : "nothing can take its place", f->off);
    }
    if (r->finding_count > PM_DOCTOR_FINDINGS)
        printf("            and %u more\n", (unsigned)r->finding_count - PM_DOCTOR_FINDINGS);
    printf("%s in %.1f s\n",
           !r->fit             ? "NOT FIT: its numbers are not to be trusted"
           : !r->finding_count ? "all right"
           : r->saved          ? "fit, without what is switched off; later runs know"
                      : "fit, without what is switched off; there is no cache folder, so later runs do not know",
           r->seconds);
}

static void print_json(const pm_doctor_report *r)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "pumice", PM_VERSION);
    device_json(cJSON_AddObjectToObject(json, "device"), &r->caps, &r->caps);
    cJSON_AddNumberToObject(json, "copies", r->copies);
    cJSON_AddNumberToObject(json, "operations", r->operations);
    cJSON_AddNumberToObject(json, "checks", r->checks);
    cJSON_AddNumberToObject(json, "kernels", r->kernels);
    cJSON_AddNumberToObject(json, "skipped", r->skipped);
    cJSON_AddNumberToObject(json, "steps", r->steps);
    cJSON_AddNumberToObject(json, "loss_error", r->loss_error);
    cJSON_AddNumberToObject(json, "weight_error", r->weight_error);
    cJSON_AddNumberToObject(json, "seconds", r->seconds);
    cJSON_AddNumberToObject(json, "finding_count", r->finding_count);
    cJSON *findings = cJSON_AddArrayToObject(json, "findings");
    for (uint32_t i = 0; i < r->finding_count && i < PM_DOCTOR_FINDINGS; i++) {
        cJSON *f = cJSON_CreateObject();
        cJSON_AddStringToObject(f, "wrong", r->findings[i].wrong);
        cJSON_AddStringToObject(f, "off", r->findings[i].off);
        cJSON_AddItemToArray(findings, f);
    }
    cJSON_AddBoolToObject(json, "fit", r->fit);
    cJSON_AddBoolToObject(json, "saved", r->saved);
    app_print_json(json);
}

int doctor_main(int argc, char **argv)
{
    switch (args_parse(&doctor_command, argc - 2, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    const pm_device_params params = app_device_params(&common);
    pm_caps any = {0};
    if (!app_lower_caps(&any)) return EXIT_USAGE;
    pm_doctor_report *report = malloc(sizeof *report);
    if (!report) {
        app_error("out of host memory for the report");
        return EXIT_FAILED;
    }
    pm_status status = pm_doctor_run(&params, tell, NULL, report);
    if (status == PM_NO_DEVICE) app_say_drivers();
    int code = app_exit_code(status);
    if (status == PM_OK) (common.json ? print_json : print_text)(report);
    if (status == PM_OK && !report->fit) code = EXIT_FAILED;
    free(report);
    return code;
}
