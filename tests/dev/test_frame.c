/* Headers of frames: their bytes, and that reading is writing's inverse and takes anything. */
#include "test_support.h"

#include <string.h>

#include "vx_frame.h"
#include "vx_random.h"

static void bytes_of_a_known_frame(void **state)
{
    (void)state;
    const vx_frame frame = {
        .station = 0x0102, .flow = 3, .bytes = 1448, .to_peer = true, .sequence = 7, .ack = 9, .beyond = 9};
    uint8_t bytes[VX_FRAME_HEADERS];
    vx_frame_write(&frame, bytes);
    static const uint8_t ethernet[14] = {2, 0, 0, 0, 0xFF, 0xFF, 2, 0, 0, 0, 1, 2, 8, 0};
    assert_memory_equal(bytes, ethernet, sizeof ethernet);
    assert_int_equal(bytes[14], 0x45);
    assert_int_equal(bytes[16] << 8 | bytes[17], 1500); /* total length of a full frame */
    assert_int_equal(bytes[23], 6);
    assert_int_equal(bytes[34] << 8 | bytes[35], 1027); /* source port */
    assert_int_equal(bytes[41], 7);
    assert_int_equal(bytes[45], 9);
    assert_int_equal(bytes[46], 0x80); /* 32 bytes of header */
}

static void reading_is_the_inverse(void **state)
{
    (void)state;
    vx_random dice;
    vx_random_init(&dice, vx_test_seed(), "frames");
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t a = vx_random_u64(&dice), b = vx_random_u64(&dice), c = vx_random_u64(&dice);
        vx_frame frame = {.station = (uint16_t)(a % 64),
                          .flow = (uint16_t)(a >> 8 & 0xFF),
                          .bytes = (uint16_t)((a >> 16) % 8949),
                          .to_peer = (a & 1ULL << 60) != 0,
                          .push = (a & 1ULL << 61) != 0,
                          .sequence = (uint32_t)b,
                          .ack = (uint32_t)(b >> 32)};
        frame.beyond = (c & 1) ? frame.ack : (uint32_t)(c >> 1);
        uint8_t bytes[VX_FRAME_HEADERS];
        vx_frame again;
        vx_frame_write(&frame, bytes);
        assert_true(vx_frame_read(&again, bytes));
        assert_int_equal(again.station, frame.station);
        assert_int_equal(again.flow, frame.flow);
        assert_int_equal(again.bytes, frame.bytes);
        assert_int_equal(again.to_peer, frame.to_peer);
        assert_int_equal(again.push, frame.push);
        assert_int_equal(again.sequence, frame.sequence);
        assert_int_equal(again.ack, frame.ack);
        assert_int_equal(again.beyond, frame.beyond);
    }
}

/* Memory that a driver has not filled, or filled with something else. */
static void other_bytes_are_no_frame(void **state)
{
    (void)state;
    uint8_t bytes[VX_FRAME_HEADERS] = {0};
    vx_frame frame = {.flow = 1, .bytes = 10};
    vx_frame_write(&frame, bytes);
    static const unsigned tells[] = {12, 14, 16, 23, 36, 56};
    for (unsigned i = 0; i < sizeof tells / sizeof *tells; i++) {
        uint8_t other[VX_FRAME_HEADERS];
        memcpy(other, bytes, sizeof other);
        other[tells[i]] = 0;
        if (tells[i] == 16) other[17] = 20; /* shorter than its headers */
        assert_false(vx_frame_read(&frame, other));
    }
    memset(bytes, 0, sizeof bytes);
    assert_false(vx_frame_read(&frame, bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_a_known_frame),
        cmocka_unit_test(reading_is_the_inverse),
        cmocka_unit_test(other_bytes_are_no_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
