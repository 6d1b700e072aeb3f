/* hostlat: the latency of one memory access as a function of how many pages a program uses, on the machine at hand.
 *
 * A pointer chase touches one cache line in each of N pages, in a random order that no prefetcher follows, so each
 * access waits for the one before. While the TLB holds N translations an access costs a cache hit; beyond each level's
 * reach the curve has a knee, and its height there is that level's penalty. Under a hypervisor the walk behind the last
 * knee is the two-dimensional one.
 *
 * One file, C17 and the C library (argp): `cc -O2 hostlat.c -o hostlat` on the machine to be measured. Output: CSV. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_setaffinity */
#endif
#include <argp.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>
#define HAVE_TSC 1
#else
#define HAVE_TSC 0
#endif

enum {
    PAGE_BYTES = 4096,
    LINE_BYTES = 64,
    LINES_A_PAGE = PAGE_BYTES / LINE_BYTES,
    UNROLL = 8,
    PAGES_MAX = 1 << 24, /* 64 GiB */
    EXIT_USAGE = 2,      /* as vexit's own exit codes */
    EXIT_SYSTEM = 3
};

typedef enum cycle_source { CYCLES_TSC, CYCLES_CORE } cycle_source;

typedef struct chase_options {
    uint64_t min, max;   /* pages */
    uint64_t per_octave; /* points between a count and its double */
    uint64_t accesses;   /* a measurement */
    uint64_t repeat;     /* measurements a point; the fastest counts */
    uint64_t seed;
    int64_t cpu; /* to run on; -1: any */
    bool dense;
    cycle_source cycles;
} chase_options;

static const chase_options defaults = {.min = 8,
                                       .max = 4096,
                                       .per_octave = 8,
                                       .accesses = 1 << 20,
                                       .repeat = 7,
                                       .seed = 1,
                                       .cpu = -1,
                                       .cycles = HAVE_TSC ? CYCLES_TSC : CYCLES_CORE};

/* ---- the chain ---- */

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

/* Where the n-th link lies. One line a page: the line moves on with the page, else all links would fall into one set of
 * the first-level cache and its conflicts would hide the TLB. Dense: the same number of lines, packed. */
static void **link_at(unsigned char *memory, uint64_t n, bool dense)
{
    uint64_t offset = dense ? n * LINE_BYTES : n * PAGE_BYTES + n % LINES_A_PAGE * LINE_BYTES;
    return (void **)(void *)(memory + offset);
}

/* Links all of them into one random cycle (Sattolo's algorithm). `order` has room for `count` numbers. */
static void make_chain(unsigned char *memory, uint32_t *order, uint64_t count, bool dense, uint64_t seed)
{
    for (uint64_t i = 0; i < count; i++) order[i] = (uint32_t)i;
    for (uint64_t i = count - 1; i > 0; i--) {
        uint64_t j = next_random(&seed) % i;
        uint32_t held = order[i];
        order[i] = order[j];
        order[j] = held;
    }
    for (uint64_t i = 0; i < count; i++)
        *link_at(memory, order[i], dense) = link_at(memory, order[(i + 1) % count], dense);
}

/* Follows `rounds` times UNROLL links. */
static void **chase(void **at, uint64_t rounds)
{
    for (; rounds > 0; rounds--) {
        at = *at, at = *at, at = *at, at = *at;
        at = *at, at = *at, at = *at, at = *at;
    }
    return at;
}

/* ---- clocks ---- */

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Ticks of the time-stamp counter: of constant rate on every CPU since Nehalem, so not the core's own cycles where its
 * frequency changes. 0 where there is none. */
static uint64_t now_tsc(void)
{
#if HAVE_TSC
    return __rdtsc();
#else
    return 0;
#endif
}

/* One of a chain of dependent additions, which takes one core cycle; the empty statement keeps the compiler from
 * folding the chain. */
static inline uint64_t add_one(uint64_t x)
{
    x += 1;
    __asm__ volatile("" : "+r"(x));
    return x;
}

/* Core cycles a nanosecond, now. */
static double core_ghz(void)
{
    enum { ROUNDS = 1 << 16, ADDS = 8 };
    uint64_t x = 0;
    double start = now_ns();
    for (unsigned i = 0; i < ROUNDS; i++) x = add_one(add_one(add_one(add_one(add_one(add_one(add_one(add_one(x))))))));
    return (double)ROUNDS * ADDS / (now_ns() - start);
}

/* ---- measuring ---- */

typedef struct chase_point {
    uint64_t pages;
    double ns, cycles; /* an access */
} chase_point;

static void **volatile chain_end; /* what a chase found, so that the compiler cannot leave it out */

static chase_point measure_once(void **start, uint64_t rounds, cycle_source cycles)
{
    double ghz = cycles == CYCLES_CORE ? core_ghz() : 0;
    uint64_t tsc = now_tsc();
    double ns = now_ns();
    chain_end = chase(start, rounds);
    ns = now_ns() - ns;
    tsc = now_tsc() - tsc;
    double accesses = (double)(rounds * UNROLL);
    return (chase_point){.ns = ns / accesses, .cycles = (cycles == CYCLES_CORE ? ns * ghz : (double)tsc) / accesses};
}

/* The fastest of several measurements: what disturbs one only ever makes it slower. */
static chase_point measure(unsigned char *memory, uint32_t *order, uint64_t pages, const chase_options *options)
{
    make_chain(memory, order, pages, options->dense, options->seed);
    void **start = link_at(memory, order[0], options->dense);
    uint64_t rounds = (options->accesses + UNROLL - 1) / UNROLL;
    chain_end = chase(start, 2 * (pages / UNROLL + 1)); /* fills caches and TLBs */
    chase_point best = measure_once(start, rounds, options->cycles);
    for (uint64_t i = 1; i < options->repeat; i++) {
        chase_point again = measure_once(start, rounds, options->cycles);
        if (again.ns < best.ns) best = again;
    }
    best.pages = pages;
    return best;
}

/* The count after `pages`: per_octave equal steps from each power of two to the next, and `max` as the last. */
static uint64_t next_count(uint64_t pages, const chase_options *options)
{
    uint64_t octave = 1;
    while (octave * 2 <= pages) octave *= 2;
    uint64_t step = octave / options->per_octave;
    uint64_t next = pages + (step ? step : 1);
    return next > options->max && pages < options->max ? options->max : next;
}

/* ---- the program ---- */

static int complain(const char *what)
{
    fprintf(stderr, "hostlat: %s: %s\n", what, strerror(errno));
    return EXIT_SYSTEM;
}

static bool pin(int64_t cpu)
{
    if (cpu < 0) return true;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (cpu >= CPU_SETSIZE) {
        errno = EINVAL;
        return false;
    }
    CPU_SET((size_t)cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

/* Small pages on purpose: a huge page would make the chain invisible to the TLB. A kernel without huge pages refuses
 * the advice and needs none. */
static unsigned char *map_pages(uint64_t pages)
{
    size_t bytes = (size_t)pages * PAGE_BYTES;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
    return memory;
}

/* One line as soon as it is known: a run takes seconds, and a reader may plot along. */
static bool print_point(const chase_point *point, cycle_source cycles)
{
    bool known = HAVE_TSC || cycles == CYCLES_CORE;
    printf("%llu,%.3f,", (unsigned long long)point->pages, point->ns);
    if (known) printf("%.3f", point->cycles);
    printf("\n");
    return fflush(stdout) == 0;
}

static int run(const chase_options *options)
{
    if (!pin(options->cpu)) return complain("cannot run on that CPU");
    unsigned char *memory = map_pages(options->max);
    if (!memory) return complain("cannot map the pages");
    uint32_t *order = calloc(options->max, sizeof *order);
    int status = order ? 0 : complain("cannot hold the order of the pages");
    if (status == 0) printf("pages,ns,cycles\n");
    for (uint64_t pages = options->min; status == 0 && pages <= options->max; pages = next_count(pages, options)) {
        chase_point now = measure(memory, order, pages, options);
        if (!print_point(&now, options->cycles)) status = complain("cannot write");
    }
    free(order);
    munmap(memory, (size_t)options->max * PAGE_BYTES);
    return status;
}

/* ---- options ---- */

static uint64_t number(struct argp_state *state, const char *name, const char *text, uint64_t least, uint64_t most)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 || value < least || value > most)
        argp_error(state, "--%s=%s: must be a number from %llu to %llu", name, text, (unsigned long long)least,
                   (unsigned long long)most);
    return value;
}

static cycle_source cycles_word(struct argp_state *state, const char *word)
{
    if (strcmp(word, "core") == 0) return CYCLES_CORE;
    if (strcmp(word, "tsc") != 0) argp_error(state, "--cycles=%s: must be tsc or core", word);
    if (!HAVE_TSC) argp_error(state, "--cycles=tsc: this CPU has no time-stamp counter");
    return CYCLES_TSC;
}

static const struct argp_option option_list[] = {
    {"min", 'm', "PAGES", 0, "First number of pages (8)", 0},
    {"max", 'M', "PAGES", 0, "Last number of pages (4096)", 0},
    {"points", 'p', "N", 0, "Points between a number of pages and its double (8)", 0},
    {"accesses", 'a', "N", 0, "Accesses of one measurement (1048576)", 0},
    {"repeat", 'r', "N", 0, "Measurements of each point, of which the fastest counts (7)", 0},
    {"seed", 's', "N", 0, "Seed of the random order (1)", 0},
    {"cpu", 'c', "N", 0, "Run on this CPU only", 0},
    {"dense", 'd', NULL, 0, "Pack the lines, 64 to a page: the same cache footprint without the TLB misses", 0},
    {"cycles", 'C', "SOURCE", 0,
     "tsc: the time-stamp counter (default on x86); core: the core's own cycles, by a chain of additions", 0},
    {0}};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    chase_options *options = state->input;
    switch (key) {
    case 'm':
        options->min = number(state, "min", argument, 2, PAGES_MAX);
        return 0;
    case 'M':
        options->max = number(state, "max", argument, 2, PAGES_MAX);
        return 0;
    case 'p':
        options->per_octave = number(state, "points", argument, 1, 1 << 20);
        return 0;
    case 'a':
        options->accesses = number(state, "accesses", argument, 1, 1ULL << 40);
        return 0;
    case 'r':
        options->repeat = number(state, "repeat", argument, 1, 1 << 20);
        return 0;
    case 's':
        options->seed = number(state, "seed", argument, 0, UINT64_MAX);
        return 0;
    case 'c':
        options->cpu = (int64_t)number(state, "cpu", argument, 0, CPU_SETSIZE - 1);
        return 0;
    case 'd':
        options->dense = true;
        return 0;
    case 'C':
        options->cycles = cycles_word(state, argument);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\": no argument is wanted", argument);
        return EINVAL;
    case ARGP_KEY_END:
        if (options->min > options->max) argp_error(state, "--min is larger than --max");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp parser = {
        .options = option_list,
        .parser = parse_option,
        .doc = "Measures the latency of a random pointer chase with one cache line in each of N pages, and prints it "
               "as CSV (pages,ns,cycles).\vThe knees of the curve are the reach of the TLBs. Read it beside a model "
               "with tlb_knees --measured."};
    chase_options options = defaults;
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&parser, argc, argv, 0, NULL, &options);
    return run(&options);
}
