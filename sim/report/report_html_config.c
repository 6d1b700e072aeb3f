/* The effective configuration of all runs in one table, with its origins, and what of it is assumed. */
#include "report_html.h"

#include <stdlib.h>

typedef struct setting {
    const char *path;
    const json_t *entry; /* value, from, source, assumed */
} setting;

static const json_t *entry_of(const json_t *run, const char *path)
{
    return json_object_get(json_object_get(run, "config"), path);
}

static bool run_uses(const json_t *run, const void *context)
{
    const setting *wanted = context;
    return json_equal(entry_of(run, wanted->path), wanted->entry);
}

static vx_status put_value(const json_t *value, FILE *out, vx_msg *msg)
{
    if (json_is_string(value)) {
        html_put(out, json_string_value(value));
        return VX_OK;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    if (!text) return value ? vx_fail_nomem(msg) : VX_OK;
    html_put(out, text);
    free(text);
    return VX_OK;
}

typedef vx_status (*put_setting)(const json_t *runs, const setting *set, FILE *out, vx_msg *msg);

static vx_status table_row(const json_t *runs, const setting *set, FILE *out, vx_msg *msg)
{
    fputs("<tr><th scope=\"row\">", out);
    html_put(out, set->path);
    fputs("</th><td>", out);
    vx_status status = put_value(json_object_get(set->entry, "value"), out, msg);
    fputs("</td><td>", out);
    html_word(out, set->entry, "from", "?");
    fputs("</td><td>", out);
    if (json_is_true(json_object_get(set->entry, "assumed"))) fputs("<b>assumed</b> ", out);
    html_word(out, set->entry, "source", "");
    fputs("</td><td class=\"soft\">", out);
    html_runs(out, runs, run_uses, set);
    fputs("</td></tr>\n", out);
    return status;
}

static vx_status assumed_item(const json_t *runs, const setting *set, FILE *out, vx_msg *msg)
{
    if (!json_is_true(json_object_get(set->entry, "assumed"))) return VX_OK;
    (void)runs;
    fputs("<li>", out);
    html_put(out, set->path);
    fputs(" = <b>", out);
    vx_status status = put_value(json_object_get(set->entry, "value"), out, msg);
    fputs("</b> <span class=\"soft\">", out);
    html_word(out, set->entry, "from", "?");
    fputs("</span></li>\n", out);
    return status;
}

/* A path once for each different entry that the runs have of it. */
static vx_status each_entry(const json_t *runs, const char *path, put_setting put, FILE *out, vx_msg *msg)
{
    vx_status status = VX_OK;
    for (size_t i = 0; i < json_array_size(runs) && status == VX_OK; i++) {
        const setting set = {path, entry_of(json_array_get(runs, i), path)};
        bool said = !set.entry;
        for (size_t j = 0; j < i && !said; j++) said = run_uses(json_array_get(runs, j), &set);
        if (!said) status = put(runs, &set, out, msg);
    }
    return status;
}

static vx_status each_setting(const json_t *runs, const json_t *paths, put_setting put, FILE *out, vx_msg *msg)
{
    vx_status status = VX_OK;
    const char *path;
    json_t *unused;
    json_object_foreach((json_t *)paths, path, unused)
    {
        if (status == VX_OK) status = each_entry(runs, path, put, out, msg);
    }
    return status;
}

static bool is_assumed(const json_t *runs, const char *path)
{
    for (size_t i = 0; i < json_array_size(runs); i++)
        if (json_is_true(json_object_get(entry_of(json_array_get(runs, i), path), "assumed"))) return true;
    return false;
}

static size_t count_assumed(const json_t *runs, const json_t *paths)
{
    size_t count = 0;
    const char *path;
    json_t *unused;
    json_object_foreach((json_t *)paths, path, unused) count += is_assumed(runs, path);
    return count;
}

static vx_status put_config(const json_t *runs, const json_t *paths, FILE *out, vx_msg *msg)
{
    size_t assumed = count_assumed(runs, paths), all = json_object_size(paths);
    fprintf(
        out,
        "<h2>Assumed values</h2>\n<p class=\"soft\">No source gives %zu of the %zu values of the configuration. Costs "
        "among them decide cycles, sizes and policies decide counts, too.</p>\n<ul class=\"assumed\">\n",
        assumed, all);
    if (assumed == 0) fputs("<li>none</li>\n", out);
    vx_status status = each_setting(runs, paths, assumed_item, out, msg);
    fprintf(out,
            "</ul>\n<h2>Effective configuration</h2>\n<details>\n<summary>%zu values with their sources</summary>\n"
            "<div class=\"scroll\"><table class=\"config\">\n<thead><tr><th>path</th><th>value</th><th>from</th>"
            "<th>source</th><th>runs</th></tr></thead>\n<tbody>\n",
            all);
    if (status == VX_OK) status = each_setting(runs, paths, table_row, out, msg);
    fputs("</tbody></table></div>\n</details>\n", out);
    return status;
}

vx_status html_config(const json_t *runs, FILE *out, vx_msg *msg)
{
    json_t *paths = report_keys(runs, "config");
    if (!paths) return vx_fail_nomem(msg);
    vx_status status = json_object_size(paths) ? put_config(runs, paths, out, msg) : VX_OK;
    json_decref(paths);
    return status;
}
