/* Two ends of a connection: acknowledgements, windows, what is sent again, over links that lose. */
#include "test_support.h"

#include "vx_endpoint.h"
#include "vx_random.h"

enum { TIMEOUT = 2000, DELAY = 50, ON_THE_WAY = 4096 };

static vx_arena arena;
static uint64_t seed;
static vx_endpoint *ends[2]; /* active, passive */

static void open_ends(vx_workload workload, unsigned flows, unsigned window, uint32_t request, uint32_t response)
{
    vx_msg msg = {""};
    vx_arena_init(&arena);
    for (unsigned i = 0; i < 2; i++) {
        const vx_endpoint_config config = {.workload = workload,
                                           .active = i == 0,
                                           .guest = i == 0,
                                           .station = 5,
                                           .flows = flows,
                                           .segment = 1000,
                                           .request = request,
                                           .response = response,
                                           .window = window,
                                           .timeout = TIMEOUT,
                                           .seed = seed};
        assert_int_equal(vx_endpoint_init(&ends[i], &arena, &config, &msg), VX_OK);
    }
}

/* ---- rules, one by one ---- */

static void every_second_frame_is_acknowledged(void **state)
{
    (void)state;
    open_ends(VX_WORKLOAD_STREAM, 1, 4, 1, 1);
    vx_frame frame[4];
    for (unsigned i = 0; i < 4; i++) {
        assert_true(vx_endpoint_pending(ends[0]));
        frame[i] = vx_endpoint_next(ends[0], 10 * i);
        assert_int_equal(frame[i].sequence, i);
        assert_int_equal(frame[i].bytes, 1000);
        assert_int_equal(frame[i].station, 5);
    }
    assert_false(vx_endpoint_pending(ends[0])); /* the window */
    vx_endpoint_receive(ends[1], &frame[0], 100);
    assert_false(vx_endpoint_pending(ends[1]));
    vx_endpoint_receive(ends[1], &frame[1], 100);
    assert_true(vx_endpoint_pending(ends[1]));
    vx_frame ack = vx_endpoint_next(ends[1], 100);
    assert_int_equal(ack.bytes, 0);
    assert_int_equal(ack.ack, 2);
    assert_int_equal(ack.beyond, 2);
    vx_endpoint_receive(ends[0], &ack, 110);
    const vx_endpoint_counts *counts = vx_endpoint_counted(ends[0]);
    assert_int_equal(counts->acknowledged, 2);
    assert_int_equal(counts->payload, 2000);
    assert_int_equal(counts->latency[vx_latency_bin(100)], 1); /* of the newer one */
    assert_int_equal(vx_endpoint_in_flight(ends[0]), 2);
    assert_true(vx_endpoint_pending(ends[0]));
    vx_arena_fini(&arena);
}

/* Frames 2 and 3 of eight are lost: the fifth one tells, both are sent again once, and the window is halved once. */
static void a_hole_is_sent_again(void **state)
{
    (void)state;
    open_ends(VX_WORKLOAD_STREAM, 1, 8, 1, 1);
    vx_frame frame[8], ack;
    for (unsigned i = 0; i < 8; i++) frame[i] = vx_endpoint_next(ends[0], 0);
    for (unsigned i = 0; i < 8; i++) {
        if (i == 2 || i == 3) continue;
        vx_endpoint_receive(ends[1], &frame[i], 10);
        if (!vx_endpoint_pending(ends[1])) continue;
        ack = vx_endpoint_next(ends[1], 10);
        assert_int_equal(ack.ack, 2);
        assert_int_equal(ack.beyond, i < 4 ? 2 : 4);
        vx_endpoint_receive(ends[0], &ack, 20);
    }
    vx_frame again[2] = {vx_endpoint_next(ends[0], 30), vx_endpoint_next(ends[0], 30)};
    assert_int_equal(again[0].sequence, 2);
    assert_int_equal(again[1].sequence, 3);
    assert_false(vx_endpoint_pending(ends[0])); /* 6 in flight, the window is 4 */
    for (unsigned i = 0; i < 2; i++) {
        vx_endpoint_receive(ends[1], &again[i], 40);
        ack = vx_endpoint_next(ends[1], 40); /* at once: it is a hole */
    }
    assert_int_equal(ack.ack, 8);
    vx_endpoint_receive(ends[0], &ack, 50);
    assert_int_equal(vx_endpoint_counted(ends[0])->resent, 2);
    assert_int_equal(vx_endpoint_counted(ends[0])->acknowledged, 8);
    unsigned fresh = 0;
    for (; vx_endpoint_pending(ends[0]); fresh++) vx_endpoint_next(ends[0], 60);
    assert_in_range(fresh, 4, 5);
    vx_arena_fini(&arena);
}

static void what_nothing_tells_of_times_out(void **state)
{
    (void)state;
    open_ends(VX_WORKLOAD_MANY_FLOWS, 1, 4, 1, 1);
    assert_int_equal(vx_endpoint_due(ends[0]), VX_TICK_NEVER);
    uint32_t first = vx_endpoint_next(ends[0], 7).sequence;
    while (vx_endpoint_pending(ends[0])) vx_endpoint_next(ends[0], 7);
    assert_int_equal(vx_endpoint_due(ends[0]), 7 + TIMEOUT);
    vx_endpoint_expire(ends[0], 6 + TIMEOUT);
    assert_false(vx_endpoint_pending(ends[0]));
    vx_endpoint_expire(ends[0], 7 + TIMEOUT);
    assert_true(vx_endpoint_pending(ends[0]));
    assert_int_equal(vx_endpoint_next(ends[0], 7 + TIMEOUT).sequence, first);
    assert_int_equal(vx_endpoint_counted(ends[0])->timeouts, 1);
    vx_arena_fini(&arena);
}

static void requests_are_answered(void **state)
{
    (void)state;
    open_ends(VX_WORKLOAD_REQUEST_RESPONSE, 1, 8, 100, 2500);
    assert_false(vx_endpoint_pending(ends[1]));
    vx_frame request = vx_endpoint_next(ends[0], 0);
    assert_int_equal(request.bytes, 100);
    assert_true(request.push);
    assert_false(vx_endpoint_pending(ends[0])); /* one at a time */
    vx_endpoint_receive(ends[1], &request, 30);
    static const unsigned bytes[] = {1000, 1000, 500};
    for (unsigned i = 0; i < 3; i++) {
        vx_frame response = vx_endpoint_next(ends[1], 40);
        assert_int_equal(response.bytes, bytes[i]);
        assert_int_equal(response.push, i == 2);
        assert_int_equal(response.ack, 1); /* the request's acknowledgement rides along */
        vx_endpoint_receive(ends[0], &response, 70);
        if (i == 1) assert_int_equal(vx_endpoint_next(ends[0], 70).bytes, 0);
    }
    assert_int_equal(vx_endpoint_counted(ends[0])->messages, 1);
    assert_int_equal(vx_endpoint_counted(ends[0])->latency[vx_latency_bin(70)], 1);
    vx_frame next = vx_endpoint_next(ends[0], 70);
    assert_int_equal(next.bytes, 100);
    assert_int_equal(next.ack, 3);
    vx_arena_fini(&arena);
}

static void latencies_have_bins(void **state)
{
    (void)state;
    for (vx_tick ticks = 1; ticks < 1ULL << 40; ticks += ticks / 7 + 1) {
        vx_tick least = vx_latency_of_bin(vx_latency_bin(ticks)), next = vx_latency_of_bin(vx_latency_bin(ticks) + 1);
        assert_true(least <= ticks && ticks < next);
        assert_true(next - least <= least / VX_LATENCY_STEPS + 1);
    }
    assert_int_equal(vx_latency_bin(UINT64_MAX), 60 * VX_LATENCY_STEPS + 15);
}

/* ---- over links that lose ---- */

typedef struct link {
    vx_frame frame[ON_THE_WAY];
    vx_tick arrives[ON_THE_WAY];
    unsigned head, tail;
} link;

static void put(link *to, const vx_frame *frame, vx_tick now)
{
    assert_true(to->tail - to->head < ON_THE_WAY);
    to->frame[to->tail % ON_THE_WAY] = *frame;
    to->arrives[to->tail++ % ON_THE_WAY] = now + DELAY;
}

/* A frame each direction a tick, of which `loss` of 1000 are lost. */
static void exchange(vx_tick ticks, unsigned loss)
{
    static link links[2];
    vx_random dice;
    vx_random_init(&dice, seed, "losses");
    links[0].head = links[0].tail = links[1].head = links[1].tail = 0;
    for (vx_tick now = 0; now < ticks; now++)
        for (unsigned i = 0; i < 2; i++) {
            link *in = &links[!i];
            for (; in->head != in->tail && in->arrives[in->head % ON_THE_WAY] <= now; in->head++)
                vx_endpoint_receive(ends[i], &in->frame[in->head % ON_THE_WAY], now);
            vx_endpoint_expire(ends[i], now);
            if (!vx_endpoint_pending(ends[i])) continue;
            const vx_frame frame = vx_endpoint_next(ends[i], now);
            if (vx_random_below(&dice, 1000) >= loss) put(&links[i], &frame, now);
        }
}

/* What is acknowledged has been received, once; accounts close; nothing stands still. */
static void accounts_close(uint64_t least)
{
    for (unsigned i = 0; i < 2; i++) {
        const vx_endpoint_counts *mine = vx_endpoint_counted(ends[i]), *other = vx_endpoint_counted(ends[!i]);
        assert_int_equal(mine->sent - mine->resent, mine->acknowledged + vx_endpoint_in_flight(ends[i]));
        assert_true(other->received - other->duplicates >= mine->acknowledged);
        assert_true(other->received <= mine->sent);
    }
    assert_true(vx_endpoint_counted(ends[0])->acknowledged >= least);
}

static void losses_are_repaired(void **state)
{
    (void)state;
    static const unsigned losses[] = {0, 1, 10, 100, 300};
    for (unsigned w = 0; w < VX_WORKLOADS; w++)
        for (unsigned l = 0; l < 5; l++) {
            open_ends((vx_workload)w, w == VX_WORKLOAD_STREAM ? 1 : 7, 45, 1500, 300);
            exchange(150000, losses[l]);
            accounts_close(losses[l] < 300 ? 500 : 20);
            const vx_endpoint_counts *counts = vx_endpoint_counted(ends[0]);
            if (losses[l] == 0) assert_int_equal(counts->resent + counts->timeouts, 0);
            if (losses[l] > 1) assert_true(counts->resent > 0);
            if (w != VX_WORKLOAD_STREAM) assert_true(counts->messages > 5);
            vx_arena_fini(&arena);
        }
}

/* A receiver takes frames of any header: no connection, no sense. */
static void any_frame_is_taken(void **state)
{
    (void)state;
    vx_random dice;
    vx_random_init(&dice, seed, "anything");
    for (unsigned w = 0; w < VX_WORKLOADS; w++) {
        open_ends((vx_workload)w, 3, 45, 3000, 3000);
        for (unsigned i = 0; i < 20000; i++) {
            uint64_t a = vx_random_u64(&dice), b = vx_random_u64(&dice);
            bool small = (a & 1) != 0;
            const vx_frame frame = {.flow = (uint16_t)(a >> 1 & 3),
                                    .bytes = (uint16_t)((a >> 8) % 1001),
                                    .push = (a & 1ULL << 40) != 0,
                                    .sequence = (uint32_t)b & (small ? 0xFF : 0xFFFFFFFF),
                                    .ack = (uint32_t)(b >> 32) & (small ? 0xF : 0xFFFFFFFF),
                                    .beyond = (uint32_t)(a >> 44) & (small ? 0x1F : 0xFFFFFFFF)};
            vx_endpoint *end = ends[a >> 42 & 1];
            vx_endpoint_receive(end, &frame, i);
            if (vx_endpoint_pending(end)) vx_endpoint_next(end, i);
            vx_endpoint_expire(end, i);
        }
        const vx_endpoint_counts *counts = vx_endpoint_counted(ends[0]);
        assert_int_equal(counts->sent - counts->resent, counts->acknowledged + vx_endpoint_in_flight(ends[0]));
        vx_arena_fini(&arena);
    }
}

int main(void)
{
    seed = vx_test_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_second_frame_is_acknowledged),
        cmocka_unit_test(a_hole_is_sent_again),
        cmocka_unit_test(what_nothing_tells_of_times_out),
        cmocka_unit_test(requests_are_answered),
        cmocka_unit_test(latencies_have_bins),
        cmocka_unit_test(losses_are_repaired),
        cmocka_unit_test(any_frame_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
