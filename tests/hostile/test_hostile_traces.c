/* Traces that are well formed record by record and absurd as a whole: no scheme may crash, hang, or lose an identity.
 *
 * A run may end in an error (the input's fault, or a check of the second translation that a lying guest makes fail);
 * what no input may do is break a sum of the report. */
#include "test_support.h"

#include <string.h>
#include <unistd.h>

#include "hostile_trace.h"
#include "vx_random.h"

static hostile_trace trace;
static char path[64];

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof path, P_tmpdir "/vexit-hostile-%ld.vxt", (long)getpid());
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    remove(path);
    return 0;
}

/* Why the run of the file on this machine is not acceptable; NULL: it is. */
static const char *complaint(const hostile_machine *machine, bool check, vx_msg *msg)
{
    *msg = (vx_msg){0};
    vx_status status = hostile_run(path, machine, check, msg);
    if (status == VX_OK || status == VX_ERR_INPUT) return NULL;
    if (status != VX_ERR_CHECK) return "an error that no input should cause";
    if (strstr(msg->text, "identity")) return "a broken identity";
    /* The guest asks for what no hypervisor here can map: found out, and the run ends. */
    if (strstr(msg->text, "still faults")) return NULL;
    return check ? NULL : "a failed check without --check";
}

/* Runs what is in `trace` on every machine; `what` names the case. */
static void run_everywhere(const char *what)
{
    unsigned complaints = 0;
    vx_msg msg = {0};
    vx_status written = hostile_write(&trace, path, &msg);
    if (written == VX_ERR_INPUT) return; /* not even the writer takes it */
    assert_int_equal(written, VX_OK);
    for (const hostile_machine *m = hostile_machines; m->cpu; m++) {
        for (int check = 0; check < 2; check++) {
            const char *why = complaint(m, check, &msg);
            if (!why) continue;
            print_error("%s on %s, %s: %s: %s\n", what, m->cpu, m->scheme, why, msg.text);
            complaints++;
        }
    }
    assert_int_equal(complaints, 0);
}

static bool refused_everywhere(void)
{
    vx_msg msg;
    assert_int_equal(hostile_write(&trace, path, &msg), VX_OK);
    for (const hostile_machine *m = hostile_machines; m->cpu; m++)
        if (hostile_run(path, m, false, &msg) != VX_ERR_INPUT) return false;
    return true;
}

static void touch_some(void)
{
    for (uint64_t page = 8; page < 24; page++) {
        hostile_fetch(&trace, page << VX_PAGE_SHIFT, 3);
        hostile_load(&trace, page << VX_PAGE_SHIFT);
        hostile_store(&trace, 0x40000000 + (page << VX_PAGE_SHIFT));
    }
}

static void honest(void **state)
{
    (void)state;
    hostile_begin(&trace);
    touch_some();
    run_everywhere("honest");
}

/* Registers are written before any state says what they were. */
static void no_state(void **state)
{
    (void)state;
    static const vx_record_kind kinds[] = {VX_REC_CLTS, VX_REC_LMSW,         VX_REC_EFER_LOAD, VX_REC_INVLPG,
                                           VX_REC_IRET, VX_REC_PT_PAGE_GONE, VX_REC_CR_WRITE};
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        trace.count = trace.words = 0;
        hostile_put(&trace, kinds[i], 0xFFF, 0, NULL, 0);
        touch_some();
        run_everywhere("no state");
    }
    for (unsigned number = 0; number <= 8; number++) {
        trace.count = trace.words = 0;
        hostile_put(&trace, VX_REC_CR_WRITE, 0x80000031, number, NULL, 0);
        touch_some();
        run_everywhere("no state, control register");
    }
    trace.count = trace.words = 0;
    hostile_put(&trace, VX_REC_PDPTE_LOAD, 0, 0, (uint64_t[]){1, 0x1001, 0x2001, UINT64_MAX}, 4);
    hostile_put(&trace, VX_REC_INVPCID, 0x1000, 0, (uint64_t[]){5}, 1);
    hostile_put(&trace, VX_REC_PT_STORE, 0x1000, 8, (uint64_t[]){0x1000, 7}, 2);
    hostile_put(&trace, VX_REC_PT_STORE, VX_GVA_UNKNOWN, 8, (uint64_t[]){0x1000, 7}, 2);
    touch_some();
    run_everywhere("no state, the rest");
    trace.count = trace.words = 0;
    run_everywhere("nothing at all");
}

/* Guest-physical addresses beyond RAM, up to where a sum with the base of RAM wraps to the hypervisor's own tables. */
static void far_addresses(void **state)
{
    (void)state;
    hostile_begin(&trace);
    touch_some();
    for (unsigned shift = 26; shift < 64; shift++) {
        for (int below = 0; below < 2; below++) {
            uint64_t gpa = below ? (0 - (1ULL << shift)) : (1ULL << shift);
            uint64_t values[] = {0, UINT64_MAX, 1, 0x1FFF, 511, 7};
            hostile_put(&trace, VX_REC_PT_PAGE_NEW, gpa, 1, values, 6);
            hostile_put(&trace, VX_REC_PT_STORE, VX_GVA_UNKNOWN, 8, (uint64_t[]){gpa + 4096, UINT64_MAX}, 2);
            hostile_put(&trace, VX_REC_PT_STORE, 0x9000, 4, (uint64_t[]){gpa + 8192 + 8, 0x12345007}, 2);
            hostile_put(&trace, VX_REC_PT_STORE, 0x9000, 8, (uint64_t[]){gpa - 1, 0x12345007}, 2);
            hostile_put(&trace, VX_REC_PT_PAGE_GONE, gpa, 0, NULL, 0);
        }
    }
    /* Page by page over what 2^64 - base of RAM comes down to. */
    for (uint64_t page = 0; page < 400; page++)
        hostile_put(&trace, VX_REC_PT_STORE, VX_GVA_UNKNOWN, 8,
                    (uint64_t[]){(page << VX_PAGE_SHIFT) - (1ULL << 30), 0xFFFFFFFFFFFFF067}, 2);
    hostile_put(&trace, VX_REC_CR_WRITE, HOSTILE_CR3, 3, NULL, 0);
    touch_some();
    run_everywhere("far addresses");
}

/* A top table that maps itself, a CR3 that points nowhere, tables outside RAM. */
static void strange_tables(void **state)
{
    (void)state;
    const uint64_t bits = VX_PTE_P | VX_PTE_W | VX_PTE_U;
    static const uint64_t frames[] = {0x1000,         0x2000,         0x4000,     HOSTILE_RAM - 0x1000,
                                      HOSTILE_RAM,    0x100000000ULL, 1ULL << 46, 0xFFFFFFFFFF000ULL,
                                      0x7FFFFFF000ULL};
    hostile_begin(&trace);
    for (unsigned i = 0; i < sizeof frames / sizeof *frames; i++) {
        for (unsigned level = 1; level <= 4; level++) {
            uint64_t gpa = (5 - level) * 0x1000;
            hostile_put(&trace, VX_REC_PT_STORE, gpa, 8, (uint64_t[]){gpa + 8 * 511, frames[i] | bits}, 2);
            hostile_put(&trace, VX_REC_INVLPG, UINT64_MAX, 0, NULL, 0);
            hostile_load(&trace, 0 - 4096ULL * 511);
            hostile_store(&trace, 0 - 4096ULL);
            hostile_store(&trace, 0 - (1ULL << (12 + 9 * (level - 1))));
            hostile_store(&trace, 0x1FF000);
            hostile_load(&trace, 0x3FFFF000);
        }
        hostile_put(&trace, VX_REC_CR_WRITE, frames[i], 3, NULL, 0);
        touch_some();
        hostile_put(&trace, VX_REC_CR_WRITE, HOSTILE_CR3, 3, NULL, 0);
        touch_some();
    }
    run_everywhere("strange tables");
}

/* Linear addresses that no guest can use, the one that stands for "not recorded" among them. */
static void non_canonical(void **state)
{
    (void)state;
    static const uint64_t addresses[] = {VX_GVA_UNKNOWN, VX_GVA_UNKNOWN - 8, 1ULL << 47,
                                         1ULL << 56,     0 - 8ULL,           0 - 1ULL};
    hostile_begin(&trace);
    for (unsigned i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        hostile_load(&trace, addresses[i]);
        hostile_store(&trace, addresses[i]);
        hostile_fetch(&trace, addresses[i], 1);
        hostile_put(&trace, VX_REC_INVLPG, addresses[i], 0, NULL, 0);
        hostile_put(&trace, VX_REC_PT_STORE, addresses[i], 8, (uint64_t[]){0x4010, 0x2067}, 2);
    }
    touch_some();
    run_everywhere("addresses that are not canonical");
}

/* Every paging mode after every other by control-register writes, by state, with the tables of a third. */
static void mode_flips(void **state)
{
    (void)state;
    static const struct {
        uint64_t cr0, cr4, efer;
    } modes[] = {
        {0, 0, 0},
        {VX_CR0_PE, 0, VX_EFER_LME},
        {VX_CR0_PE | VX_CR0_PG, 0, 0},
        {VX_CR0_PE | VX_CR0_PG, VX_CR4_PSE, 0},
        {VX_CR0_PE | VX_CR0_PG, VX_CR4_PAE, 0},
        {VX_CR0_PE | VX_CR0_PG, VX_CR4_PAE, VX_EFER_LME | VX_EFER_LMA},
        {VX_CR0_PE | VX_CR0_PG, VX_CR4_PAE | VX_CR4_LA57, VX_EFER_LME | VX_EFER_LMA},
        {VX_CR0_PG, VX_CR4_LA57, VX_EFER_LMA},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX},
    };
    enum { MODES = sizeof modes / sizeof *modes };
    hostile_begin(&trace);
    for (unsigned i = 0; i < MODES * MODES; i++) {
        unsigned from = i / MODES, to = i % MODES;
        hostile_state(&trace, modes[from].cr0, HOSTILE_CR3, modes[from].cr4, modes[from].efer);
        hostile_load(&trace, 0x8000);
        hostile_store(&trace, 0x40008000);
        hostile_put(&trace, VX_REC_EFER_LOAD, modes[to].efer, 0, NULL, 0);
        hostile_store(&trace, 0x9000);
        hostile_put(&trace, VX_REC_CR_WRITE, modes[to].cr4, 4, NULL, 0);
        hostile_store(&trace, 0xA000);
        hostile_put(&trace, VX_REC_CR_WRITE, modes[to].cr0, 0, NULL, 0);
        hostile_fetch(&trace, 0xB000, 2);
        hostile_put(&trace, VX_REC_PDPTE_LOAD, 0, 0, (uint64_t[]){0x2001, 0x1001, UINT64_MAX, 0x3001}, 4);
        hostile_store(&trace, 0x40009000);
        hostile_put(&trace, VX_REC_CR_WRITE, HOSTILE_CR3 + 0x1000, 3, NULL, 0);
        hostile_store(&trace, 0xC0009000);
        hostile_put(&trace, VX_REC_LMSW, 0xFFFF, 0, NULL, 0);
        hostile_put(&trace, VX_REC_INVLPG, 0x8000, 0, NULL, 0);
        hostile_put(&trace, VX_REC_PT_STORE, VX_GVA_UNKNOWN, 4, (uint64_t[]){0x1000 + 4 * i, 0x2067}, 2);
    }
    run_everywhere("mode flips");
}

/* Counts that a loop over them would never finish, and that overflow a sum. */
static void huge_counts(void **state)
{
    (void)state;
    hostile_begin(&trace);
    hostile_put(&trace, VX_REC_PAUSE, UINT64_MAX, 0, NULL, 0);
    hostile_put(&trace, VX_REC_RDTSC, UINT64_MAX, 0, NULL, 0);
    touch_some();
    run_everywhere("huge counts of PAUSE and RDTSC");
    hostile_begin(&trace);
    uint64_t skipped[4] = {UINT64_MAX / 2, UINT64_MAX / 2, UINT64_MAX / 2, UINT64_MAX / 2};
    for (unsigned i = 0; i < 4; i++) {
        hostile_put(&trace, VX_REC_SKIPPED, 0, 0, skipped, 4);
        touch_some();
    }
    run_everywhere("huge counts skipped");
}

/* Guest RAM as no machine has it: the header's word against the sums made with it. */
static void strange_ram(void **state)
{
    (void)state;
    static const uint64_t ranges[][2] = {{0, 0},
                                         {0, 1},
                                         {0, 4096},
                                         {0, UINT64_MAX},
                                         {UINT64_MAX, 1},
                                         {UINT64_MAX - 4095, 4096},
                                         {1ULL << 63, 1ULL << 63},
                                         {0, 1ULL << 46},
                                         {(1ULL << 40) - 4096, 4096},
                                         {12345, 67890}};
    hostile_begin(&trace);
    touch_some();
    for (unsigned i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        trace.ram_start = ranges[i][0];
        trace.ram_bytes = ranges[i][1];
        run_everywhere("strange RAM");
    }
}

/* What the modelled OS keeps to itself, in a trace that has none of its own. */
static void user_level(void **state)
{
    (void)state;
    const vx_record_kind kinds[] = {VX_REC_LMSW, VX_REC_EFER_LOAD, VX_REC_CR_WRITE};
    hostile_begin(&trace);
    trace.user = true;
    assert_true(refused_everywhere());
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        trace.count = trace.words = 0;
        touch_some();
        hostile_put(&trace, kinds[i], 0, 0, NULL, 0);
        assert_true(refused_everywhere());
    }
    trace.count = trace.words = 0;
    touch_some();
    for (uint64_t process = 0; process < 100; process++) {
        hostile_put(&trace, VX_REC_PROCESS, process * 0x123456789ABCDEF, 0, NULL, 0);
        touch_some();
    }
    run_everywhere("many processes");
}

static uint64_t strange_number(vx_random *random)
{
    static const uint64_t numbers[] = {0,
                                       1,
                                       7,
                                       0x1000,
                                       0x2067,
                                       0x3067,
                                       0x4067,
                                       0x5067,
                                       0x80E7,
                                       0x8000,
                                       0x9008,
                                       0x40000000,
                                       0x40001000,
                                       HOSTILE_RAM,
                                       ~0ULL,
                                       1 << 30,
                                       0x80000031,
                                       0x80000033,
                                       0x20,
                                       0x8000000000000000ULL,
                                       0x6A0,
                                       0x500,
                                       0xD00,
                                       0x7FFFFFFFF000ULL,
                                       0xFFFF800000000000ULL};
    uint64_t number = numbers[vx_random_below(random, sizeof numbers / sizeof *numbers)];
    switch (vx_random_below(random, 4)) {
    case 0:
        return number ^ (1ULL << vx_random_below(random, 64));
    case 1:
        return number + (vx_random_below(random, 512) << VX_PAGE_SHIFT) + 8 * vx_random_below(random, 512);
    case 2:
        return vx_random_below(random, 1ULL << 21);
    default:
        return number;
    }
}

/* Whether the modelled OS shares this kind with the programs it runs. */
static bool is_user_level(unsigned kind)
{
    return kind != VX_REC_STATE && kind != VX_REC_PT_STORE && kind != VX_REC_PT_PAGE_NEW && kind != VX_REC_CR_WRITE &&
           kind != VX_REC_LMSW && kind != VX_REC_EFER_LOAD && kind != VX_REC_PDPTE_LOAD;
}

static void random_record(vx_random *random)
{
    unsigned kind = (unsigned)vx_random_below(random, VX_REC_KINDS);
    const vx_record_info *info = vx_record_describe(kind);
    if (!info || (trace.user && !is_user_level(kind))) return;
    if (kind <= VX_REC_STORE || vx_random_below(random, 2)) {
        uint64_t gva = strange_number(random);
        if (vx_random_below(random, 3) == 0)
            hostile_fetch(&trace, gva, 1 + (unsigned)vx_random_below(random, 20));
        else if (vx_random_below(random, 2))
            hostile_load(&trace, gva);
        else
            hostile_store(&trace, gva);
        return;
    }
    uint64_t payload[64];
    unsigned most = info->words_max < 64 ? info->words_max : 64;
    unsigned words = info->words_min + (unsigned)vx_random_below(random, most - info->words_min + 1U);
    for (unsigned i = 0; i < words; i++) payload[i] = strange_number(random);
    if (kind == VX_REC_PT_PAGE_NEW)
        for (unsigned i = 0; i < words; i += 2) payload[i] &= 511;
    uint64_t addr = strange_number(random);
    if (kind == VX_REC_PAUSE || kind == VX_REC_RDTSC) addr = 1 + addr % 16;
    hostile_put(&trace, (vx_record_kind)kind, addr, (unsigned)vx_random_below(random, info->size_max + 1U), payload,
                words);
}

static void random_records(void **state)
{
    (void)state;
    vx_random random;
    uint64_t seed = vx_test_seed();
    const char *text = getenv("VX_TURNS");
    unsigned turns = text ? (unsigned)strtoul(text, NULL, 10) : 2;
    for (unsigned turn = 0; turn < turns; turn++) {
        char what[64];
        snprintf(what, sizeof what, "random records, VX_SEED=%llu", (unsigned long long)seed + turn);
        vx_random_init(&random, seed + turn, "hostile");
        hostile_begin(&trace);
        trace.user = turn % 2;
        if (trace.user) trace.count = trace.words = 0;
        for (unsigned i = 0; i < 1500; i++) random_record(&random);
        run_everywhere(what);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest),         cmocka_unit_test(no_state),      cmocka_unit_test(far_addresses),
        cmocka_unit_test(strange_tables), cmocka_unit_test(non_canonical), cmocka_unit_test(mode_flips),
        cmocka_unit_test(random_records), cmocka_unit_test(huge_counts),   cmocka_unit_test(strange_ram),
        cmocka_unit_test(user_level),
    };
    return cmocka_run_group_tests(tests, make_path, remove_file);
}
