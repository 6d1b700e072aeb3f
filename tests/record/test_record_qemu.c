/* What `vexit trace record` reads out of a QEMU command line and version. */
#include <string.h>

#include "record_qemu.h"
#include "test_support.h"

static void ram(void **state)
{
    (void)state;
    static const struct {
        const char *command[4];
        unsigned words;
        bool understood;
        uint64_t low, high;
    } rows[] = {
        {{"-nodefaults"}, 1, true, 128ULL << 20, 0},
        {{"-m", "512"}, 2, true, 512ULL << 20, 0},
        {{"-m", "64M"}, 2, true, 64ULL << 20, 0},
        {{"--m", "size=2G,slots=2"}, 2, true, 2ULL << 30, 0},
        {{"-m", "4G"}, 2, true, 3ULL << 30, 1ULL << 30},
        {{"-m", "4g", "-M", "q35"}, 4, true, 2ULL << 30, 2ULL << 30},
        {{"-m", "3G", "-machine", "pc"}, 4, true, 3ULL << 30, 0},
        {{"-m", "much"}, 2, false, 0, 0},
        {{"-m", "-5"}, 2, false, 0, 0},
        {{"-m", "0"}, 2, false, 0, 0},
        {{"-m", "99999999999999999999"}, 2, false, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t low = 0, high = 0;
        assert_int_equal(record_ram(rows[i].command, rows[i].words, &low, &high), rows[i].understood);
        assert_int_equal(low, rows[i].low);
        assert_int_equal(high, rows[i].high);
    }
}

static void interfaces(void **state)
{
    (void)state;
    assert_int_equal(record_interface("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)"), 1);
    assert_int_equal(record_interface("QEMU emulator version 10.0.2"), 4);
    assert_int_equal(record_interface("QEMU emulator version 9.2.0"), 4);
    assert_int_equal(record_interface("QEMU emulator version 9.0.0"), 0);
    assert_int_equal(record_interface("QEMU emulator version 6.0.0"), 0);
    assert_int_equal(record_interface("bash 5.2"), 0);
}

static void missing_program(void **state)
{
    (void)state;
    static const char *const command[] = {"no-such-qemu", "-m", "64"};
    const record_plan plan = {.command = command, .words = 3, .tier = VX_TIER_EVENTS};
    record_qemu qemu;
    vx_msg msg;
    assert_int_equal(record_qemu_start(&qemu, &plan, &msg), VX_ERR_IO);
    assert_non_null(strstr(msg.text, "no-such-qemu"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ram), cmocka_unit_test(interfaces),
                                       cmocka_unit_test(missing_program)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
