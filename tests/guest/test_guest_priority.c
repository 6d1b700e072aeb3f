/* Interrupt-priority habits of the modelled OS: which records it queues, and when. */
#include <string.h>

#include "guest_state.h"
#include "test_support.h"
#include "vx_guest.h"

typedef struct habits_rig {
    vx_arena arena;
    vx_queue queue;
    vx_guest *guest;
    vx_msg msg;
} habits_rig;

static vx_tick clock_of(const void *context) { return *(const vx_tick *)context; }
static const vx_tick noon = 1200;

static void rig_with(habits_rig *rig, const vx_cfg_priority *priority, unsigned traces)
{
    vx_cfg_guest config = {.levels = 3,
                           .ram_bytes = 64ULL << 20,
                           .slice_instructions = 10000,
                           .tick_instructions = priority->timer == VX_GUEST_TIMER_NONE ? 3000 : 0,
                           .fault_instructions = 100,
                           .priority = *priority};
    memset(rig, 0, sizeof *rig);
    vx_arena_init(&rig->arena);
    size_t records, words;
    vx_guest_queue_bound(traces, 1, &records, &words);
    assert_int_equal(vx_queue_init(&rig->queue, &rig->arena, records, words, &rig->msg), VX_OK);
    assert_int_equal(vx_guest_init(&rig->guest, &rig->arena, &config, traces, 1, &rig->msg), VX_OK);
    vx_guest_clock(rig->guest, clock_of, &noon);
    assert_int_equal(vx_guest_boot(rig->guest, &rig->queue, &rig->msg), VX_OK);
}

static void end(habits_rig *rig)
{
    assert_false(rig->queue.overflowed);
    vx_guest_fini(rig->guest);
    vx_arena_fini(&rig->arena);
}

typedef struct expected_record {
    vx_record_kind kind;
    unsigned size;
    uint64_t addr, word;
} expected_record;

static void expect(habits_rig *rig, const expected_record *rows, size_t count)
{
    assert_int_equal(rig->queue.count, count);
    for (size_t i = 0; i < count; i++) {
        const vx_record *record = &rig->queue.records[i];
        assert_int_equal(record->kind, rows[i].kind);
        assert_int_equal(record->size, rows[i].size);
        assert_true(record->addr == rows[i].addr);
        if (record->count) assert_true(rig->queue.payload[record->arg] == rows[i].word);
    }
    vx_queue_clear(&rig->queue);
}
#define EXPECT(rig, ...)                                                                                               \
    expect(rig, (const expected_record[]){__VA_ARGS__},                                                                \
           sizeof((expected_record[]){__VA_ARGS__}) / sizeof(expected_record))

/* How each kind of OS writes the TPR and EOI. */
static void the_three_ways_to_an_apic(void **state)
{
    (void)state;
    static const struct {
        vx_apic_access apic;
        expected_record boot, raise, eoi;
    } rows[] = {
        {VX_APIC_ACCESS_PAGE,
         {VX_REC_APIC_WRITE, 4, 0xF0, 0x1FF},
         {VX_REC_APIC_WRITE, 4, 0x80, 0x40},
         {VX_REC_APIC_WRITE, 4, 0xB0, 0}},
        {VX_APIC_ACCESS_CR8,
         {VX_REC_APIC_WRITE, 4, 0xF0, 0x1FF},
         {VX_REC_CR_WRITE, 8, 4, 0},
         {VX_REC_APIC_WRITE, 4, 0xB0, 0}},
        {VX_APIC_ACCESS_X2APIC,
         {VX_REC_WRMSR, 0, 0x80F, 0x1FF},
         {VX_REC_WRMSR, 0, 0x808, 0x40},
         {VX_REC_WRMSR, 0, 0x80B, 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        habits_rig rig;
        rig_with(
            &rig,
            &(vx_cfg_priority){.apic = rows[i].apic, .raise_instructions = 1000, .hold_instructions = 200, .level = 4},
            1);
        const vx_record *last = &rig.queue.records[rig.queue.count - 2]; /* CPL 3 ends it */
        assert_int_equal(last->kind, rows[i].boot.kind);
        assert_true(last->addr == rows[i].boot.addr && rig.queue.payload[last->arg] == rows[i].boot.word);
        vx_queue_clear(&rig.queue);
        assert_int_equal(vx_guest_next_event(rig.guest), 1000);
        assert_false(vx_guest_event(rig.guest, 1000, &rig.queue));
        EXPECT(&rig, {VX_REC_CPL, 0, 0, 0}, rows[i].raise, {VX_REC_CPL, 3, 0, 0});
        assert_int_equal(vx_guest_next_event(rig.guest), 1200);
        assert_false(vx_guest_event(rig.guest, 1210, &rig.queue));
        assert_int_equal(rig.queue.count, 3);
        assert_int_equal(rig.queue.records[1].kind, rows[i].raise.kind);
        vx_queue_clear(&rig.queue);
        assert_int_equal(vx_guest_next_event(rig.guest), 2000);
        vx_guest_interrupt(rig.guest, 0xEC, &rig.queue);
        EXPECT(&rig, {VX_REC_CPL, 0, 0, 0}, {VX_REC_SKIPPED, 0, 0, 100}, rows[i].eoi, {VX_REC_IRET, 0, 0, 0},
               {VX_REC_CPL, 3, 0, 0});
        assert_int_equal(vx_guest_counts_now(rig.guest)->tpr_writes, 2);
        end(&rig);
    }
}

/* Late by more than the hold: the fall comes first, and lets interrupts in before the next raise. */
static void a_fall_comes_before_the_next_raise(void **state)
{
    (void)state;
    habits_rig rig;
    rig_with(&rig,
             &(vx_cfg_priority){
                 .apic = VX_APIC_ACCESS_CR8, .raise_instructions = 1000, .hold_instructions = 200, .level = 9},
             1);
    vx_queue_clear(&rig.queue);
    (void)vx_guest_event(rig.guest, 1000, &rig.queue);
    vx_queue_clear(&rig.queue);
    (void)vx_guest_event(rig.guest, 2500, &rig.queue);
    EXPECT(&rig, {VX_REC_CPL, 0, 0, 0}, {VX_REC_CR_WRITE, 8, 0, 0}, {VX_REC_CPL, 3, 0, 0});
    assert_true(vx_guest_next_event(rig.guest) <= 2500); /* the raise is still due */
    (void)vx_guest_event(rig.guest, 2500, &rig.queue);
    EXPECT(&rig, {VX_REC_CPL, 0, 0, 0}, {VX_REC_CR_WRITE, 8, 9, 0}, {VX_REC_CPL, 3, 0, 0});
    assert_int_equal(vx_guest_next_event(rig.guest), 2700);
    end(&rig);
}

/* The tick arrives at the APIC; its handler raises to the vector's class and back, dismisses it, and switches where a
 * slice has ended since. */
static void ticks_arrive_at_the_apic(void **state)
{
    (void)state;
    habits_rig rig;
    rig_with(&rig, &(vx_cfg_priority){.apic = VX_APIC_ACCESS_CR8, .hold_instructions = 1, .per_interrupt = 3}, 2);
    vx_queue_clear(&rig.queue);
    assert_false(vx_guest_event(rig.guest, 2999, &rig.queue));
    assert_true(vx_guest_event(rig.guest, 3000, &rig.queue));
    assert_int_equal(rig.queue.count, 0); /* nothing is the OS's until it is delivered */
    assert_int_equal(vx_guest_counts_now(rig.guest)->ticks, 0);
    vx_guest_interrupt(rig.guest, 0xEC, &rig.queue);
    EXPECT(&rig, {VX_REC_CPL, 0, 0, 0}, {VX_REC_SKIPPED, 0, 0, 100}, {VX_REC_CR_WRITE, 8, 0, 0},
           {VX_REC_CR_WRITE, 8, 0xE, 0}, {VX_REC_CR_WRITE, 8, 0, 0}, {VX_REC_APIC_WRITE, 4, 0xB0, 0},
           {VX_REC_IRET, 0, 0, 0}, {VX_REC_CPL, 3, 0, 0});
    assert_true(vx_guest_event(rig.guest, 10000, &rig.queue));
    vx_guest_interrupt(rig.guest, 0xEC, &rig.queue);
    assert_int_equal(vx_guest_current(rig.guest), 1);
    assert_int_equal(rig.queue.records[2].kind, VX_REC_CR_WRITE);
    assert_int_equal(rig.queue.records[2].size, 3);
    assert_int_equal(vx_guest_counts_now(rig.guest)->ticks, 2);
    end(&rig);
}

/* The longest handler fits the queue to the record: 16 TPR writes, a deadline, and a switch of PAE tables. */
static void the_longest_handler_fills_the_queue(void **state)
{
    (void)state;
    habits_rig rig;
    rig_with(&rig,
             &(vx_cfg_priority){.apic = VX_APIC_ACCESS_PAGE,
                                .hold_instructions = 1,
                                .per_interrupt = 16,
                                .timer = VX_GUEST_TIMER_DEADLINE,
                                .timer_period = 5},
             2);
    vx_queue_clear(&rig.queue);
    assert_int_equal(vx_guest_event(rig.guest, 10000, &rig.queue), 0);
    vx_guest_interrupt(rig.guest, 0xEC, &rig.queue);
    size_t records, words;
    vx_guest_queue_bound(1, 1, &records, &words);
    assert_int_equal(rig.queue.count, records);
    assert_int_equal(rig.queue.words, words);
    end(&rig);
}

/* What the OS writes at boot and in each of its timer's handlers; the tick is not its own business then. */
static void three_kinds_of_timer(void **state)
{
    (void)state;
    static const struct {
        vx_guest_timer timer;
        uint32_t entry;
        expected_record start; /* with one record before it: RDTSC */
    } rows[] = {{VX_GUEST_TIMER_PERIODIC, 0x200EC, {VX_REC_APIC_WRITE, 4, 0x380, 700}},
                {VX_GUEST_TIMER_ONE_SHOT, 0x000EC, {VX_REC_APIC_WRITE, 4, 0x380, 700}},
                {VX_GUEST_TIMER_DEADLINE, 0x400EC, {VX_REC_WRMSR, 0, 0x6E0, 1900}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        habits_rig rig;
        bool deadline = rows[i].timer == VX_GUEST_TIMER_DEADLINE;
        rig_with(&rig,
                 &(vx_cfg_priority){
                     .apic = VX_APIC_ACCESS_PAGE, .hold_instructions = 1, .timer = rows[i].timer, .timer_period = 700},
                 1);
        const expected_record boot[] = {{VX_REC_APIC_WRITE, 4, 0x320, rows[i].entry},
                                        {VX_REC_APIC_WRITE, 4, 0x3E0, 0xB},
                                        {VX_REC_RDTSC, 0, 1, 0},
                                        rows[i].start};
        const vx_record *at = &rig.queue.records[rig.queue.count - (deadline ? 5 : 4)];
        for (size_t n = 0; n < 4; n++) {
            if (n == 2 && !deadline) continue;
            assert_int_equal(at->kind, boot[n].kind);
            assert_true(at->addr == boot[n].addr);
            if (at->count) assert_true(rig.queue.payload[at->arg] == boot[n].word);
            at++;
        }
        vx_queue_clear(&rig.queue);
        assert_true(vx_guest_next_event(rig.guest) == UINT64_MAX);
        vx_guest_interrupt(rig.guest, 0xEC, &rig.queue);
        size_t last = rig.queue.count - 3; /* IRET, CPL end it */
        expected_record eoi = {VX_REC_APIC_WRITE, 4, 0xB0, 0};
        expected_record expected = rows[i].timer == VX_GUEST_TIMER_PERIODIC ? eoi : rows[i].start;
        assert_int_equal(rig.queue.records[last].kind, expected.kind);
        assert_true(rig.queue.records[last].addr == expected.addr);
        assert_true(rig.queue.payload[rig.queue.records[last].arg] == expected.word);
        end(&rig);
    }
}

/* Contradictions between a timer, an APIC and a tick. */
static void timers_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        vx_apic_access apic;
        uint64_t tick, nmi;
        vx_guest_timer timer;
        const char *says;
    } rows[] = {{VX_APIC_ACCESS_NONE, 0, 0, VX_GUEST_TIMER_PERIODIC, "vm.priority.timer needs an APIC"},
                {VX_APIC_ACCESS_NONE, 0, 5000, VX_GUEST_TIMER_NONE, "vm.priority.nmi_instructions needs an APIC"},
                {VX_APIC_ACCESS_PAGE, 5000, 0, VX_GUEST_TIMER_ONE_SHOT, "set vm.tick_instructions=0"},
                {VX_APIC_ACCESS_PAGE, 0, 50, VX_GUEST_TIMER_NONE, "vm.priority.nmi_instructions=50 leaves no time"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const vx_cfg_guest config = {.levels = 4,
                                     .ram_bytes = 64ULL << 20,
                                     .slice_instructions = 10000,
                                     .tick_instructions = rows[i].tick,
                                     .fault_instructions = 100,
                                     .priority = {.apic = rows[i].apic,
                                                  .hold_instructions = 1,
                                                  .nmi_instructions = rows[i].nmi,
                                                  .timer = rows[i].timer,
                                                  .timer_period = 1000}};
        vx_arena arena;
        vx_arena_init(&arena);
        vx_guest *guest;
        vx_msg msg = {{0}};
        assert_int_equal(vx_guest_init(&guest, &arena, &config, 1, 1, &msg), VX_ERR_INPUT);
        assert_non_null(strstr(msg.text, rows[i].says));
        vx_arena_fini(&arena);
    }
}

static void a_hold_as_long_as_the_period_is_refused(void **state)
{
    (void)state;
    vx_cfg_guest config = {
        .levels = 4, .ram_bytes = 64ULL << 20, .slice_instructions = 10000, .fault_instructions = 100};
    config.priority =
        (vx_cfg_priority){.apic = VX_APIC_ACCESS_CR8, .raise_instructions = 500, .hold_instructions = 500};
    vx_arena arena;
    vx_arena_init(&arena);
    vx_guest *guest = NULL;
    vx_msg msg;
    assert_int_equal(vx_guest_init(&guest, &arena, &config, 1, 1, &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text,
                        "vm.priority.hold_instructions=500: must be less than vm.priority.raise_instructions=500");
    vx_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_ways_to_an_apic),
        cmocka_unit_test(a_fall_comes_before_the_next_raise),
        cmocka_unit_test(ticks_arrive_at_the_apic),
        cmocka_unit_test(the_longest_handler_fills_the_queue),
        cmocka_unit_test(three_kinds_of_timer),
        cmocka_unit_test(timers_that_are_refused),
        cmocka_unit_test(a_hold_as_long_as_the_period_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
