/* vexit walk: one page walk, access by access. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "verbs.h"
#include "vx_number.h"

typedef struct walk_options {
    machine_options machine;
    vx_walk_options walk;
    bool has_gva;
} walk_options;

static const struct argp_option option_list[] = {
    {"scheme", KEY_SCHEME, "NAME", 0, "native, ept or npt (shadow schemes walk as native does)", 0},
    {"gva", KEY_GVA, "ADDRESS", 0, "guest-virtual address to translate", 0},
    {"levels", KEY_LEVELS, "GxN", 0, "guest and nested levels (default: 4x4); 2x4 is a PAE guest", 0},
    {"table-page", KEY_TABLE_PAGE, "4k|2m|1g", 0, "nested page size of the guest's tables (default: as --nested-page)",
     0},
    {"caches", KEY_CACHES, "on|off", 0,
     "paging-structure caches and nested TLB, warmed by the neighbouring page (default: on)", 0},
    {0}};

static void take_levels(struct argp_state *state, walk_options *o, const char *text)
{
    bool digits = strlen(text) == 3 && isdigit((unsigned char)text[0]) && isdigit((unsigned char)text[2]);
    if (!digits || text[1] != 'x') argp_error(state, "--levels: '%s' is not GxN, as in 4x4", text);
    o->walk.guest_levels = (unsigned)(text[0] - '0');
    o->walk.nested_levels = (unsigned)(text[2] - '0');
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    walk_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->machine;
        return 0;
    case KEY_SCHEME:
        o->walk.scheme = arg;
        return 0;
    case KEY_GVA:
        if (!vx_number_whole(arg, &o->walk.gva)) argp_error(state, "--gva: '%s' is no address", arg);
        o->has_gva = true;
        return 0;
    case KEY_LEVELS:
        take_levels(state, o, arg);
        return 0;
    case KEY_TABLE_PAGE:
        o->walk.table_page = option_page(state, "table-page", arg);
        return 0;
    case KEY_CACHES:
        o->walk.caches = option_on_off(state, "caches", arg);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->machine.cpu) argp_error(state, "no CPU given: --cpu MODEL (vexit list cpus)");
        if (!o->walk.scheme) argp_error(state, "no scheme given: --scheme NAME (vexit list schemes)");
        option_nested_pages(state, o->walk.scheme,
                            o->machine.nested_page != VX_PAGE_4K || o->walk.table_page != VX_PAGE_SIZES);
        if (!o->has_gva) argp_error(state, "no address given: --gva ADDRESS");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&machine_argp, 0, NULL, 1}, {0}};
static const struct argp walk_argp = {
    .options = option_list, .parser = parse, .doc = "Show one page walk, access by access.", .children = children};

int vx_verb_walk(int argc, char **argv)
{
    walk_options o = {.walk = {.guest_levels = 4, .nested_levels = 4, .table_page = VX_PAGE_SIZES, .caches = true}};
    char name[] = "vexit walk";
    argv[0] = name;
    argp_parse(&walk_argp, argc, argv, 0, NULL, &o);
    o.walk.cpu = o.machine.cpu;
    o.walk.vmm = o.machine.vmm;
    o.walk.guest_page = o.machine.guest_page;
    o.walk.nested_page = o.machine.nested_page;
    o.walk.sets = o.machine.sets;
    o.walk.set_count = o.machine.set_count;
    vx_msg msg = {{0}};
    json_t *document = NULL;
    vx_status status = verb_output_check(&o.machine, &(vx_sim_options){0}, NULL, &msg);
    if (status == VX_OK) status = vx_walk_document(&document, &o.walk, &msg);
    if (status != VX_OK) return verb_failed("walk", status, &msg);
    status = verb_output(&o.machine, document, &msg);
    json_decref(document);
    return status == VX_OK ? 0 : verb_failed("walk", status, &msg);
}
