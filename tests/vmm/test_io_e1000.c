/* The device model of the 8254x card and Linux's driver of it: registers, throttling, the sequence of accesses. */
#include "test_support.h"

#include "io_driver.h"
#include "io_e1000.h"
#include "vx_random.h"

enum { MHZ = 1000, WINDOW = 256 }; /* a unit of ITR is 256 ticks */

static io_e1000 card;
static vx_tick raised_at[8];
static unsigned raises, sent;

static void raise(void *context, vx_tick at)
{
    assert_ptr_equal(context, &card);
    raised_at[raises++ % 8] = at;
}

static void transmit(void *context, vx_tick now)
{
    (void)now;
    assert_ptr_equal(context, &card);
    sent++;
}

static void begin(bool throttles)
{
    static const io_e1000_hooks hooks = {&card, raise, transmit};
    io_e1000_init(&card, MHZ, throttles, &hooks);
    io_e1000_write(&card, IO_E1000_RDLEN, 8 * 16, 0);
    io_e1000_write(&card, IO_E1000_RDT, 7, 0);
    io_e1000_write(&card, IO_E1000_TDLEN, 8 * 16, 0);
    raises = sent = 0;
}

/* ---- registers ---- */

/* One access a row, in order; a tick later each. */
static void registers_have_the_manual_s_meaning(void **state)
{
    (void)state;
    static const struct {
        bool write;
        uint32_t offset, value; /* written, or to be read */
        unsigned raises;        /* so far */
        bool line;
    } rows[] = {
        {false, IO_E1000_STATUS, 0x83, 0, false}, /* link up, full duplex, 1000 Mbit/s */
        {true, IO_E1000_STATUS, 0, 0, false},
        {false, IO_E1000_STATUS, 0x83, 0, false},
        {true, IO_E1000_ICS, 0x80, 0, false}, /* masked */
        {false, IO_E1000_ICS, 0, 0, false},   /* write-only */
        {false, IO_E1000_ICR, 0x80, 0, false},
        {false, IO_E1000_ICR, 0, 0, false}, /* the read has cleared it */
        {true, IO_E1000_ICS, 0x81, 0, false},
        {true, IO_E1000_ICR, 0x80, 0, false}, /* ones clear */
        {true, IO_E1000_IMS, 0x80, 0, false}, /* what is pending is another cause */
        {true, IO_E1000_IMS, 0x01, 1, true},  /* unmasked with a cause pending */
        {false, IO_E1000_IMS, 0x81, 1, true}, /* ones add */
        {true, IO_E1000_ICS, 0x80, 1, true},  /* high already */
        {true, IO_E1000_IMC, 0x01, 1, true},  /* the other cause holds it */
        {true, IO_E1000_IMC, 0x80, 1, false},
        {false, IO_E1000_IMC, 0, 1, false}, /* write-only */
        {false, IO_E1000_IMS, 0, 1, false},
        {true, IO_E1000_IMS, 0x80, 2, true},
        {false, IO_E1000_ICR, 0x81, 2, false},
        {true, IO_E1000_ICS, 0x01, 2, false},
        {true, IO_E1000_ICS, 0x80, 3, true},
        {true, IO_E1000_ICR, 0xFF, 3, false},
        {true, IO_E1000_ITR, 0x123C3, 3, false},
        {false, IO_E1000_ITR, 0x23C3, 3, false},
        {true, 0x5400, 1, 3, false}, /* not modelled */
        {false, 0x5400, 0, 3, false},
    };
    begin(false);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].write)
            io_e1000_write(&card, rows[i].offset, rows[i].value, i);
        else
            assert_int_equal(io_e1000_read(&card, rows[i].offset, i), rows[i].value);
        if (raises != rows[i].raises || card.line != rows[i].line) fail_msg("row %u", i);
    }
}

static void a_tail_s_write_sends_up_to_it(void **state)
{
    (void)state;
    static const struct {
        uint32_t tail, head;
        unsigned sent;
    } rows[] = {{0, 0, 0}, {1, 1, 1}, {7, 7, 7}, {7, 7, 7}, {2, 2, 10}, {8, 2, 10}, {0xFFFF, 2, 10}, {3, 3, 11}};
    begin(false);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned before = sent;
        io_e1000_write(&card, IO_E1000_TDT, rows[i].tail, i);
        assert_int_equal(sent, rows[i].sent);
        assert_int_equal(io_e1000_read(&card, IO_E1000_TDT, i), rows[i].tail);
        assert_int_equal(io_e1000_read(&card, IO_E1000_TDH, i), rows[i].head);
        assert_int_equal(io_e1000_read(&card, IO_E1000_ICR, i), sent > before ? IO_E1000_TXDW | IO_E1000_TXQE : 0);
    }
}

static void frames_take_descriptors_and_are_lost_without(void **state)
{
    (void)state;
    begin(false);
    for (unsigned i = 0; i < 7; i++) {
        assert_true(io_e1000_receive(&card, i));
        assert_int_equal(io_e1000_read(&card, IO_E1000_RDH, i), i + 1);
        assert_int_equal(io_e1000_read(&card, IO_E1000_ICR, i), IO_E1000_RXT0 | (i >= 2 ? IO_E1000_RXDMT0 : 0));
    }
    assert_false(io_e1000_receive(&card, 8));
    assert_int_equal(io_e1000_read(&card, IO_E1000_ICR, 8), IO_E1000_RXO);
    io_e1000_write(&card, IO_E1000_RDT, 0, 9);
    assert_true(io_e1000_receive(&card, 10));
    assert_int_equal(io_e1000_read(&card, IO_E1000_RDH, 10), 0);
    assert_false(io_e1000_receive(&card, 11));
    io_e1000_write(&card, IO_E1000_RDT, 8, 12); /* outside the ring */
    assert_false(io_e1000_receive(&card, 13));
}

/* Without a ring there is nothing to be sent or received. */
static void no_ring_is_survived(void **state)
{
    (void)state;
    static const io_e1000_hooks hooks = {&card, raise, transmit};
    io_e1000_init(&card, MHZ, true, &hooks);
    sent = 0;
    io_e1000_write(&card, IO_E1000_TDT, 5, 1);
    io_e1000_write(&card, IO_E1000_RDT, 5, 1);
    assert_false(io_e1000_receive(&card, 2));
    assert_int_equal(sent, 0);
}

/* ---- throttling ---- */

/* Takes the interrupt: reads the cause, masks and unmasks as a handler does. */
static void handle(vx_tick now)
{
    (void)io_e1000_read(&card, IO_E1000_ICR, now);
    io_e1000_write(&card, IO_E1000_IMC, UINT32_MAX, now);
    io_e1000_write(&card, IO_E1000_IMS, IO_E1000_RXT0, now);
}

static void rises_are_a_window_apart(void **state)
{
    (void)state;
    static const uint32_t units[] = {0, 1, 195, 976, 0xFFFF};
    for (unsigned i = 0; i < 5; i++) {
        vx_tick window = (vx_tick)units[i] * WINDOW;
        begin(true);
        io_e1000_write(&card, IO_E1000_IMS, IO_E1000_RXT0, 0);
        io_e1000_write(&card, IO_E1000_ITR, units[i], 0);
        assert_true(io_e1000_timer(&card) == VX_TICK_NEVER);
        io_e1000_write(&card, IO_E1000_ICS, IO_E1000_RXT0, 1000); /* the first is not held back */
        assert_int_equal(raises, 1);
        assert_true(raised_at[0] == 1000);
        handle(1000);
        io_e1000_write(&card, IO_E1000_ICS, IO_E1000_RXT0, 1000);
        if (window == 0) {
            assert_int_equal(raises, 2);
            continue;
        }
        assert_int_equal(raises, 1);
        assert_true(io_e1000_timer(&card) == 1000 + window);
        io_e1000_expire(&card, 1000 + window - 1);
        assert_int_equal(raises, 1);
        io_e1000_expire(&card, 1000 + window);
        assert_int_equal(raises, 2);
        handle(1000 + window);
        io_e1000_write(&card, IO_E1000_ICS, IO_E1000_RXT0, 1000 + window);
        (void)io_e1000_read(&card, IO_E1000_STATUS, 1000 + 5 * window); /* a late look: it rose when it was due */
        assert_int_equal(raises, 3);
        assert_true(raised_at[1] == 1000 + window && raised_at[2] == 1000 + 2 * window);
        handle(1000 + 5 * window);
        io_e1000_write(&card, IO_E1000_ICS, IO_E1000_RXT0, 1000 + 5 * window); /* long after a window: at once */
        assert_int_equal(raises, 4);
        assert_true(raised_at[3] == 1000 + 5 * window);
    }
}

static void masked_or_read_nothing_waits(void **state)
{
    (void)state;
    begin(true);
    io_e1000_write(&card, IO_E1000_IMS, IO_E1000_RXT0, 0);
    io_e1000_write(&card, IO_E1000_ITR, 100, 0);
    io_e1000_write(&card, IO_E1000_ICS, IO_E1000_RXT0, 10);
    handle(20);
    io_e1000_write(&card, IO_E1000_ICS, IO_E1000_RXT0, 30);
    assert_true(io_e1000_timer(&card) == 10 + 100 * WINDOW);
    io_e1000_write(&card, IO_E1000_IMC, IO_E1000_RXT0, 40);
    assert_true(io_e1000_timer(&card) == VX_TICK_NEVER);
    io_e1000_write(&card, IO_E1000_IMS, IO_E1000_RXT0, 50);
    assert_true(io_e1000_timer(&card) == 10 + 100 * WINDOW);
    (void)io_e1000_read(&card, IO_E1000_ICR, 60);
    assert_true(io_e1000_timer(&card) == VX_TICK_NEVER);
    io_e1000_expire(&card, 1000000);
    assert_int_equal(raises, 1);
}

/* ---- properties ---- */

/* A guest whose handler takes a while, frames at random times, any ITR: each frame is taken in the end, and rises are a
 * window apart. */
static void one_random_guest(vx_random *random)
{
    begin(vx_random_below(random, 4) > 0);
    uint32_t units = (uint32_t)vx_random_below(random, 1200);
    vx_tick window = card.throttles ? (vx_tick)units * WINDOW : 0, now = 0, last = 0, due = 0;
    unsigned waiting = 0, taken = 0, received = 0, lost = 0, tail = 7, seen = 0;
    bool handling = false, any = false;
    io_e1000_write(&card, IO_E1000_IMS, IO_E1000_RXT0, 0);
    io_e1000_write(&card, IO_E1000_ITR, units, 0);
    for (unsigned left = 300; left > 0 || handling || io_e1000_timer(&card) != VX_TICK_NEVER || card.line;) {
        vx_tick arrival = left > 0 ? now + vx_random_below(random, 40000) : VX_TICK_NEVER,
                timer = io_e1000_timer(&card);
        bool ends = handling && due <= arrival && due <= timer;
        now = ends ? due : timer < arrival ? timer : arrival == VX_TICK_NEVER ? now : arrival;
        io_e1000_expire(&card, now);
        if (!ends && now == arrival) {
            left--;
            bool room = io_e1000_receive(&card, now);
            received += room;
            waiting += room;
            lost += !room;
        }
        if (ends) {
            handling = false;
            io_e1000_write(&card, IO_E1000_IMS, IO_E1000_RXT0, now);
        }
        if (raises != seen) {
            assert_int_equal(raises, seen + 1);
            vx_tick at = raised_at[seen++ % 8];
            assert_true(!any || at - last >= window);
            last = at;
            any = true;
        }
        if (!card.line || handling) continue;
        assert_true(io_e1000_read(&card, IO_E1000_ICR, now) & IO_E1000_RXT0);
        io_e1000_write(&card, IO_E1000_IMC, UINT32_MAX, now);
        handling = true;
        due = now + vx_random_below(random, 30000);
        taken += waiting;
        tail = (tail + waiting) % 8;
        waiting = 0;
        io_e1000_write(&card, IO_E1000_RDT, tail, now);
    }
    assert_int_equal(taken, received);
    assert_int_equal(received + lost, 300);
    assert_true(raises > 0 && raises <= received);
}

static void no_frame_waits_for_ever(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "e1000");
    for (unsigned i = 0; i < 500; i++) one_random_guest(&random);
}

/* ---- the driver ---- */

static void accesses_follow_the_sequence(void **state)
{
    (void)state;
    static const struct {
        io_moment moment;
        const char *sequence;
        unsigned reads, writes;
    } rows[] = {
        {IO_ON_SETUP, "+TDLEN+RDLEN+RDT+ITR+IMS", 0, 5},
        {IO_ON_SEND, "+TDT", 0, 1},
        {IO_ON_INTERRUPT, "-ICR+IMC-STATUS", 2, 1},
        {IO_ON_REFILL, "+RDT", 0, 1},
        {IO_ON_THROTTLE, "+ITR", 0, 1},
        {IO_ON_COMPLETE, "+IMS-STATUS", 1, 1},
    };
    assert_int_equal(sizeof rows / sizeof *rows, IO_MOMENTS);
    for (unsigned i = 0; i < IO_MOMENTS; i++) {
        char made[64] = "";
        const io_access *access;
        size_t used = 0;
        for (unsigned n = 0; (access = io_driver_access(rows[i].moment, n)) != NULL; n++)
            used += (size_t)snprintf(made + used, sizeof made - used, "%c%s", access->write ? '+' : '-', access->name);
        assert_string_equal(made, rows[i].sequence);
        assert_int_equal(io_driver_reads(rows[i].moment), rows[i].reads);
        assert_int_equal(io_driver_writes(rows[i].moment), rows[i].writes);
    }
}

/* e1000_update_itr, at its thresholds and one beyond. */
static void classes_follow_traffic(void **state)
{
    (void)state;
    static const struct {
        io_latency was;
        io_traffic traffic;
        io_latency is;
    } rows[] = {
        {IO_LOWEST_LATENCY, {0, 0}, IO_LOWEST_LATENCY},    {IO_LOWEST_LATENCY, {1, 8001}, IO_BULK_LATENCY},
        {IO_LOWEST_LATENCY, {4, 513}, IO_LOW_LATENCY},     {IO_LOWEST_LATENCY, {4, 512}, IO_LOWEST_LATENCY},
        {IO_LOWEST_LATENCY, {5, 5000}, IO_LOWEST_LATENCY}, {IO_LOW_LATENCY, {0, 0}, IO_LOW_LATENCY},
        {IO_LOW_LATENCY, {9, 10001}, IO_BULK_LATENCY},     {IO_LOW_LATENCY, {10, 12011}, IO_BULK_LATENCY},
        {IO_LOW_LATENCY, {10, 12009}, IO_LOW_LATENCY},     {IO_LOW_LATENCY, {36, 10001}, IO_LOWEST_LATENCY},
        {IO_LOW_LATENCY, {35, 10001}, IO_LOW_LATENCY},     {IO_LOW_LATENCY, {4, 8004}, IO_BULK_LATENCY},
        {IO_LOW_LATENCY, {4, 8000}, IO_LOW_LATENCY},       {IO_LOW_LATENCY, {2, 511}, IO_LOWEST_LATENCY},
        {IO_LOW_LATENCY, {2, 512}, IO_LOW_LATENCY},        {IO_LOW_LATENCY, {3, 300}, IO_LOW_LATENCY},
        {IO_BULK_LATENCY, {0, 0}, IO_BULK_LATENCY},        {IO_BULK_LATENCY, {36, 25001}, IO_LOW_LATENCY},
        {IO_BULK_LATENCY, {35, 25001}, IO_BULK_LATENCY},   {IO_BULK_LATENCY, {36, 25000}, IO_BULK_LATENCY},
        {IO_BULK_LATENCY, {4, 5999}, IO_LOW_LATENCY},      {IO_BULK_LATENCY, {4, 6000}, IO_BULK_LATENCY},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if (io_driver_class(rows[i].was, rows[i].traffic) != rows[i].is) fail_msg("row %u", i);
}

/* From bulk the higher rate is reached in steps; ITR is written when it changes alone. */
static void itr_follows_the_rate(void **state)
{
    (void)state;
    static const struct {
        unsigned frames, bytes; /* sent since the last interrupt */
        bool changed;
        uint32_t rate, itr;
    } rows[] = {
        {1, 1500, false, 20000, 195}, {8, 12000, true, 4000, 976}, {10, 15000, false, 4000, 976},
        {2, 3000, true, 9000, 434},   {2, 3000, true, 14000, 279}, {2, 3000, true, 19000, 205},
        {2, 3000, true, 20000, 195},  {1, 60, false, 20000, 195},  {0, 0, false, 20000, 195},
    };
    io_driver driver;
    io_driver_init(&driver);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        io_driver_begin(&driver);
        for (unsigned n = 0; n < rows[i].frames; n++) io_driver_send(&driver, rows[i].bytes / rows[i].frames);
        io_driver_clean(&driver);
        assert_int_equal(io_driver_throttle(&driver), rows[i].changed);
        assert_int_equal(driver.rate, rows[i].rate);
        assert_int_equal(io_driver_value(&driver, IO_E1000_ITR), rows[i].itr);
    }
}

static void the_driver_s_ring_fills_and_is_cleaned(void **state)
{
    (void)state;
    io_driver driver;
    io_driver_init(&driver);
    for (unsigned i = 0; i < IO_DRIVER_RING - 1; i++) {
        assert_true(io_driver_room(&driver));
        io_driver_send(&driver, 60);
    }
    assert_false(io_driver_room(&driver));
    assert_int_equal(io_driver_value(&driver, IO_E1000_TDT), IO_DRIVER_RING - 1);
    io_driver_clean(&driver);
    assert_true(io_driver_room(&driver));
    io_driver_take(&driver, 60);
    assert_int_equal(io_driver_value(&driver, IO_E1000_RDT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_have_the_manual_s_meaning),
        cmocka_unit_test(a_tail_s_write_sends_up_to_it),
        cmocka_unit_test(frames_take_descriptors_and_are_lost_without),
        cmocka_unit_test(no_ring_is_survived),
        cmocka_unit_test(rises_are_a_window_apart),
        cmocka_unit_test(masked_or_read_nothing_waits),
        cmocka_unit_test(no_frame_waits_for_ever),
        cmocka_unit_test(accesses_follow_the_sequence),
        cmocka_unit_test(classes_follow_traffic),
        cmocka_unit_test(itr_follows_the_rate),
        cmocka_unit_test(the_driver_s_ring_fills_and_is_cleaned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
