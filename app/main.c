/* vexit: the command line. One verb a file; this one only finds the verb. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "verbs.h"
#include "vx_status.h"

typedef struct verb {
    const char *name;
    const char *doc;
    int (*run)(int argc, char **argv);
} verb;

static const verb verbs[] = {
    {"run", "replay a trace under one scheme and report what it costs", vx_verb_run},
    {"compare", "replay a trace under several schemes, side by side", vx_verb_compare},
    {"walk", "show one page walk, access by access", vx_verb_walk},
    {"io", "replay devices' DMA through the IOMMU, or have guests use a network card", vx_verb_io},
    {"launch", "measure a hypervisor's image and launch it if a policy allows it", vx_verb_launch},
    {"trace", "record, import, generate, look at, check, cut and measure traces", vx_verb_trace},
    {"model", "list, show, check and compare machine models", vx_verb_model},
    {"vmx", "check a VMCS as VM entry does; show VMX capability MSRs", vx_verb_vmx},
    {"svm", "show AMD's SVM of a processor, check a VMCB as VMRUN does", vx_verb_svm},
    {"list", "list schemes, models, causes, exit reasons, importers, paths, statistics, generators", vx_verb_list},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static void help(FILE *out)
{
    fprintf(out, "Usage: vexit VERB [OPTION...]\n\n"
                 "A cycle-approximate simulator of x86 hardware virtualization.\n\n");
    for (unsigned i = 0; i < VERBS; i++) fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].doc);
    fprintf(out, "\n'vexit VERB --help' tells a verb's options; vexit(1) is the manual.\n");
}

/* What a verb printed may not have been written: then nothing was done. */
static int written(int code)
{
    if (code != 0 || (fflush(stdout) == 0 && !ferror(stdout))) return code;
    fprintf(stderr, "vexit: cannot write to standard output: %s\n", strerror(errno));
    return 3;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return written(0);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("vexit %s\n", VEXIT_VERSION);
        return written(0);
    }
    argp_err_exit_status = 2; /* bad usage: vexit(1)'s exit status, not sysexits' */
    const char *names[VERBS];
    for (unsigned i = 0; i < VERBS; i++) {
        names[i] = verbs[i].name;
        if (strcmp(argv[1], verbs[i].name) == 0) return written(verbs[i].run(argc - 1, argv + 1));
    }
    const char *near = vx_did_you_mean(argv[1], names, VERBS);
    fprintf(stderr, "vexit: unknown verb '%s'%s%s%s\n", argv[1], near ? "; did you mean '" : "; ", near ? near : "",
            near ? "'?" : "see vexit --help");
    return 2;
}
