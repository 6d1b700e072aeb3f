/* Runs that differ in their seed alone, as one: the means of their figures, and the half-widths of these means' 95 %
 * intervals. The result is a run like any other, so that every table and chart shows it as it shows one seed. */
#include "report_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vx_confidence.h"

/* The runs of each name, in order of first appearance, as arrays by name; a seed that comes again is left out. New
 * reference; NULL where memory is short. */
json_t *report_seed_groups(const json_t *runs)
{
    json_t *groups = json_object();
    bool done = groups != NULL;
    for (size_t i = 0; done && i < json_array_size(runs); i++) {
        json_t *run = json_array_get(runs, i);
        if (!json_is_object(run)) continue;
        const char *name = json_string_value(json_object_get(run, "name"));
        json_t *group = json_object_get(groups, name ? name : "?");
        const json_t *seed = json_object_get(run, "seed");
        bool again = group && !seed;
        for (size_t j = 0; j < json_array_size(group) && !again; j++)
            again = json_equal(json_object_get(json_array_get(group, j), "seed"), seed);
        if (!group) {
            group = json_array();
            done = report_set(groups, name ? name : "?", group);
        }
        if (done && !again) done = json_array_append(group, run) == 0;
    }
    if (done) return groups;
    json_decref(groups);
    return NULL;
}

bool report_several_seeds(const json_t *groups)
{
    const char *name;
    json_t *group;
    json_object_foreach((json_t *)groups, name, group)
    {
        if (json_array_size(group) > 1) return true;
    }
    return false;
}

/* ---- means ---- */

/* The same place in every run of a group; NULL where a run has nothing there. */
typedef struct places {
    const json_t **at;
    size_t count;
} places;

static json_t *mean_at(const places *all, json_t **half);

static const json_t **new_places(size_t count) { return malloc(count * sizeof(const json_t *)); }

/* Lists and objects decide what a place is (a run whose identities hold says "ok" where another lists those that do
 * not), then numbers: a ratio of nothing is null. */
static const json_t *kind_of(const places *all)
{
    const json_t *kind = NULL;
    for (size_t i = 0; i < all->count; i++) {
        const json_t *value = all->at[i];
        if (json_is_object(value) || json_is_array(value)) return value;
        if (!kind || (json_is_number(value) && !json_is_number(kind))) kind = value;
    }
    return kind;
}

static bool is_count(const places *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->at[i] && !json_is_integer(all->at[i])) return false;
    return true;
}

static json_t *whole(double value)
{
    return fabs(value) < 9e18 ? json_integer((json_int_t)value) : json_real(value); /* within 64 bits */
}

/* Counts that a run leaves out did not occur there: 0. Of ratios only those that are defined count. A mean of counts is
 * rounded to the nearest, its half-width upwards, so that the interval is never told too narrow. */
static json_t *mean_of_numbers(const places *all, json_t **half)
{
    bool counts = is_count(all);
    size_t values = 0;
    vx_confidence found;
    double *value = malloc(all->count * sizeof *value);
    if (!value) return NULL;
    for (size_t i = 0; i < all->count; i++)
        if (counts || json_is_number(all->at[i])) value[values++] = json_number_value(all->at[i]);
    vx_status status = vx_confidence_of(&found, value, values, NULL);
    free(value);
    if (status != VX_OK) return json_null();
    if (isfinite(found.half_width)) *half = counts ? whole(ceil(found.half_width)) : json_real(found.half_width);
    return counts ? whole(round(found.mean)) : json_real(found.mean);
}

/* What any run says, once. */
static json_t *union_of(const places *all)
{
    json_t *list = json_array();
    bool done = list != NULL;
    for (size_t i = 0; i < all->count; i++)
        for (size_t j = 0; j < json_array_size(all->at[i]) && done; j++) {
            json_t *item = json_array_get(all->at[i], j);
            bool said = false;
            for (size_t k = 0; k < json_array_size(list) && !said; k++)
                said = json_equal(json_array_get(list, k), item);
            if (!said) done = json_array_append(list, item) == 0;
        }
    if (done) return list;
    json_decref(list);
    return NULL;
}

/* Grids and other lists of figures, element by element. */
static json_t *mean_of_arrays(const places *all, const json_t *kind)
{
    const json_t *first = json_array_get(kind, 0);
    if (!json_is_number(first) && !json_is_array(first)) return union_of(all);
    places inner = {new_places(all->count), all->count};
    json_t *mean = json_array();
    bool done = inner.at && mean;
    for (size_t i = 0; done && i < json_array_size(kind); i++) {
        json_t *half = json_null();
        for (size_t j = 0; j < all->count; j++) inner.at[j] = json_array_get(all->at[j], i);
        done = json_array_append_new(mean, mean_at(&inner, &half)) == 0 && half;
        json_decref(half);
    }
    free(inner.at);
    if (done) return mean;
    json_decref(mean);
    return NULL;
}

/* What a mean run has of its own, or would mean nothing. */
static bool has_no_mean(const char *key)
{
    static const char *const keys[] = {"seed", "intervals", "vcpus"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

static bool mean_of_members(const places *all, json_t *mean, json_t *half)
{
    places inner = {new_places(all->count), all->count};
    bool done = inner.at != NULL;
    for (size_t i = 0; done && i < all->count; i++) {
        const char *key;
        json_t *unused;
        json_object_foreach((json_t *)all->at[i], key, unused)
        {
            if (!done || json_object_get(mean, key) || has_no_mean(key)) continue;
            json_t *inner_half = json_null();
            for (size_t j = 0; j < all->count; j++) inner.at[j] = json_object_get(all->at[j], key);
            done = report_set(mean, key, mean_at(&inner, &inner_half));
            if (!report_set(half, key, inner_half)) done = false;
        }
    }
    free(inner.at);
    return done;
}

static json_t *mean_of_objects(const places *all, json_t **half)
{
    json_t *mean = json_object(), *halves = json_object();
    if (mean && halves && mean_of_members(all, mean, halves)) {
        *half = halves;
        return mean;
    }
    json_decref(mean);
    json_decref(halves);
    return NULL;
}

/* NULL where memory is short. *half: null where there is none, a new reference where there is, NULL where memory is
 * short. */
static json_t *mean_at(const places *all, json_t **half)
{
    const json_t *kind = kind_of(all);
    if (json_is_object(kind)) return mean_of_objects(all, half);
    if (json_is_array(kind)) return mean_of_arrays(all, kind);
    if (json_is_number(kind)) return mean_of_numbers(all, half);
    return json_incref((json_t *)kind);
}

/* ---- a mean run ---- */

/* The configuration is that of the first: its values are no figures to take means of. */
static bool finish(json_t *run, const json_t *group, json_t *half)
{
    json_t *config = json_object_get(json_array_get(group, 0), "config");
    return report_set(run, "half_width", json_incref(half)) &&
           report_set(run, "seeds", json_integer((json_int_t)json_array_size(group))) &&
           (!config || json_object_set(run, "config", config) == 0);
}

static json_t *mean_run(const json_t *group)
{
    places all = {new_places(json_array_size(group)), json_array_size(group)};
    if (!all.at) return NULL;
    for (size_t i = 0; i < all.count; i++) all.at[i] = json_array_get(group, i);
    json_t *half = json_null(), *run = mean_at(&all, &half);
    free(all.at);
    bool done = run && finish(run, group, half);
    json_decref(half);
    if (done) return run;
    json_decref(run);
    return NULL;
}

json_t *report_by_name(const json_t *runs)
{
    json_t *groups = report_seed_groups(runs), *shown = NULL, *group;
    const char *name;
    if (!groups) return NULL;
    if (!report_several_seeds(groups)) {
        json_decref(groups);
        return runs ? json_incref((json_t *)runs) : json_array();
    }
    shown = json_array();
    bool done = shown != NULL;
    json_object_foreach(groups, name, group)
    {
        if (done) done = json_array_append_new(shown, mean_run(group)) == 0;
    }
    json_decref(groups);
    if (done) return shown;
    json_decref(shown);
    return NULL;
}
