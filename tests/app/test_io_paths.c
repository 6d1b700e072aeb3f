/* The ways to virtualize a card: their order, their accounts, what is refused. */
#include "io_machines.h"

static double value(const json_t *run_object, const char *group, const char *name)
{
    const json_t *at = json_object_get(run_object, group);
    if (name) at = json_object_get(at, name);
    if (json_is_object(at)) at = json_object_get(at, "value");
    return json_number_value(at);
}

/* ---- the chapter's order ---- */

static void order_of_the_paths(void **state)
{
    (void)state;
    json_t *made[4];
    for (unsigned i = 0; i < 4; i++) {
        vx_io_path_options options = usual(&every_path[i], 1);
        options.cpu = "penryn";
        options.nic = "gbe-2008";
        options.milliseconds = 100;
        made[i] = run(&options);
    }
    double emulated = value(made[1], "throughput_mbit_s", NULL);
    assert_true(emulated > 50 && emulated < 400);
    for (unsigned i = 0; i < 4; i++) {
        if (i == 1) continue;
        assert_true(json_is_true(json_object_get(made[i], "wire_limited")));
        assert_true(value(made[i], "throughput_mbit_s", NULL) > 935); /* full frames: 941 at most */
        assert_true(value(made[i], "throughput_mbit_s", NULL) < 942);
        assert_true(value(made[i], "cpu_use", "guests") < 1);
    }
    double native = value(made[0], "cpu_use", "guests"), para = value(made[2], "cpu_use", "guests");
    double through = value(made[3], "cpu_use", "guests");
    assert_true(native < through && through < para);
    assert_true(value(made[2], "cpu_use", "backend") > 0.1);
    assert_true(value(made[1], "derived", "exits_per_frame") > 8);
    assert_true(value(made[0], "exits", "total") == 0);
    for (unsigned i = 0; i < 4; i++) json_decref(made[i]);
}

/* Virtual functions share the wire: four guests get what one gets, within a few frames of each other's quarter. */
static void functions_share_the_wire(void **state)
{
    (void)state;
    static const vx_io_path sriov = VX_IO_PATH_SRIOV;
    vx_io_path_options options = usual(&sriov, 4);
    options.milliseconds = 20;
    json_t *four = run(&options);
    assert_true(value(four, "throughput_mbit_s", NULL) > 9300);
    assert_true(value(four, "dma", "table_reads") > 0);
    assert_true(value(four, "dma", "blocked") == 0);
    json_decref(four);
}

/* With posting in chipset and processor neither an interrupt nor its end exits; with one of them alone both do. */
static void posted_interrupts_do_not_exit(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        static const char *const set[] = {"cpu.vmx.posted_interrupts=no"};
        vx_io_path_options options = usual(&every_path[3], 1);
        options.cpu = "sapphire-rapids";
        options.chipset = "cascade-lake";
        options.sets = set;
        options.set_count = i;
        json_t *made = run(&options);
        assert_true(value(made, "interrupts", "guests") > 0);
        const json_t *by_reason = json_object_get(json_object_get(made, "exits"), "by_reason");
        double halts = value(by_reason, "HLT", NULL), interrupts = value(made, "interrupts", "guests");
        assert_true(value(made, "exits", "total") - halts <= 2 * i * interrupts);
        assert_true(value(by_reason, "APIC_ACCESS", NULL) == i * interrupts);
        assert_true(value(by_reason, "EXTERNAL_INTERRUPT", NULL) >= i * (interrupts - halts));
        assert_true(value(made, "interrupts", i ? "remapped" : "notified") == value(made, "interrupts", "card"));
        assert_true(value(made, "interrupts", "blocked") == 0);
        json_decref(made);
    }
}

/* What an exit costs is what the emulated path's rate is made of. */
static void emulation_follows_the_exits_cost(void **state)
{
    (void)state;
    double rate[2];
    for (unsigned i = 0; i < 2; i++) {
        static const char *const set[] = {"nic.hypervisor.access_ticks=31652"};
        vx_io_path_options options = usual(&every_path[1], 1);
        options.nic = "gbe-2008";
        options.sets = set;
        options.set_count = i;
        options.milliseconds = 100;
        json_t *made = run(&options);
        rate[i] = value(made, "throughput_mbit_s", NULL);
        json_decref(made);
    }
    assert_true(rate[0] / rate[1] > 1.6 && rate[0] / rate[1] < 2.1);
}

/* The emulated card's driver: TDT for a frame, five accesses for an interrupt, RDT for sixteen received frames at most,
 * ITR where its rate changes. A device model that obeys ITR interrupts as often as the fastest rate of Linux's
 * conservative mode allows, 20000 a second or 195 units. */
static void accesses_follow_the_driver(void **state)
{
    (void)state;
    enum { MS = 50, IN_PROGRESS = 100 };
    for (unsigned i = 0; i < 4; i++) {
        static const char *const sets[] = {"nic.hypervisor.obeys_itr=no", "nic.hypervisor.obeys_itr=yes"};
        vx_io_path_options options = usual(&every_path[1], 1);
        options.nic = "gbe-2008";
        options.receive = i >= 2;
        options.sets = &sets[i % 2];
        options.set_count = 1;
        options.milliseconds = MS;
        json_t *made = run(&options);
        const json_t *by_reason = json_object_get(json_object_get(made, "exits"), "by_reason");
        double interrupts = value(made, "interrupts", "guests"), received = value(made, "frames", "to_memory");
        double least = value(made, "frames", "on_wire") + 5 * interrupts, most = 1e6 * MS / (195 * 256) + 1;
        double others = value(by_reason, "EPT_MISCONFIG", NULL) - least;
        assert_true(others > received / 16 - IN_PROGRESS && others < received + interrupts + IN_PROGRESS);
        assert_true(received > 100 && value(by_reason, "APIC_ACCESS", NULL) == interrupts);
        assert_true(i % 2 ? interrupts <= most : interrupts > most / 8);
        json_decref(made);
    }
}

/* The back-end of a card that does not sort is one processor's work; with VMDq each queue has one. */
static void sorting_spreads_receiving(void **state)
{
    (void)state;
    static const vx_io_path both[] = {VX_IO_PATH_PARA, VX_IO_PATH_VMDQ};
    double rate[2];
    for (unsigned i = 0; i < 2; i++) {
        vx_io_path_options options = usual(&both[i], 8);
        options.receive = true;
        options.milliseconds = 20;
        json_t *made = run(&options);
        rate[i] = value(made, "throughput_mbit_s", NULL);
        assert_true(json_is_true(json_object_get(made, "wire_limited")) == (i == 1));
        assert_true(value(made, "cpu_use", "backend") > (i == 0 ? 0.99 : 0.2));
        json_decref(made);
    }
    assert_true(rate[1] > 9350 && rate[1] < 9420); /* full frames: 9414 at most */
    assert_true(rate[1] > 2 * rate[0]);
}

/* A receiver that is too slow loses frames; the rest arrives, and what is lost is sent again. */
static void losses_are_repaired(void **state)
{
    (void)state;
    static const vx_io_path para = VX_IO_PATH_PARA;
    vx_io_path_options options = usual(&para, 16);
    options.receive = true;
    options.milliseconds = 20;
    json_t *made = run(&options);
    double lost = value(made, "frames", "lost_in_card") + value(made, "frames", "lost_no_buffer") +
                  value(made, "frames", "lost_to_guest");
    assert_true(lost > 10);
    assert_true(value(made, "frames", "sent_again") > 10 && value(made, "frames", "sent_again") <= lost + 16);
    assert_true(value(made, "throughput_mbit_s", NULL) > 2000);
    json_decref(made);
}

/* I/OAT: copies move from the back-ends' processors to the engine; small frames do not, and none overtakes another. */
static void copies_are_offloaded(void **state)
{
    (void)state;
    static const vx_io_path vmdq = VX_IO_PATH_VMDQ;
    for (unsigned w = 0; w < VX_WORKLOADS; w++) {
        json_t *made[2];
        for (unsigned i = 0; i < 2; i++) {
            vx_io_path_options options = usual(&vmdq, 4);
            options.workload = (vx_workload)w;
            options.receive = true;
            options.request = 3000;
            options.copy_engine = i == 1;
            made[i] = run(&options);
            assert_true(value(made[i], "frames", "sent_again") == 0);
        }
        assert_true(value(made[0], "cpu_use", "copy_engine") == 0);
        assert_true(value(made[1], "cpu_use", "copy_engine") > 0);
        assert_true(value(made[1], "dma", "copies") > 100);
        assert_true(value(made[1], "dma", "copies") <= value(made[1], "frames", "to_memory"));
        if (w == VX_WORKLOAD_STREAM) {
            assert_true(value(made[1], "cpu_use", "backend") < 0.95 * value(made[0], "cpu_use", "backend"));
            assert_true(value(made[1], "throughput_mbit_s", NULL) > 0.99 * value(made[0], "throughput_mbit_s", NULL));
        }
        for (unsigned i = 0; i < 2; i++) json_decref(made[i]);
    }
}

/* A guest with one request under way is halted when the answer comes: its HLT has exited, its interrupt does not. */
static void idle_guests_halt(void **state)
{
    (void)state;
    vx_io_path_options options = usual(&every_path[3], 1);
    options.workload = VX_WORKLOAD_REQUEST_RESPONSE;
    options.milliseconds = 20;
    json_t *made = run(&options);
    const json_t *by_reason = json_object_get(json_object_get(made, "exits"), "by_reason");
    double interrupts = value(made, "interrupts", "guests"), halts = value(by_reason, "HLT", NULL);
    assert_true(interrupts > 100 && value(made, "messages", "count") > 100);
    assert_true(halts >= interrupts && halts <= interrupts + 1);
    assert_true(value(by_reason, "EXTERNAL_INTERRUPT", NULL) == 0);
    assert_true(value(made, "cpu_use", "guests") < 0.5);
    json_decref(made);
}

/* A system that maps its buffers for a card: each unmap is invalidated and waited for, or 250 together. */
static void native_behind_vtd(void **state)
{
    (void)state;
    static const vx_io_path native = VX_IO_PATH_NATIVE;
    static const vx_iommu_policy policies[] = {VX_IOMMU_OFF, VX_IOMMU_PASSTHROUGH, VX_IOMMU_DEFERRED, VX_IOMMU_STRICT};
    for (unsigned receive = 0; receive < 2; receive++) {
        double rate[4];
        for (unsigned i = 0; i < 4; i++) {
            vx_io_path_options options = usual(&native, 1);
            options.policy = policies[i];
            options.receive = receive != 0;
            options.window = 200;
            options.milliseconds = 20;
            json_t *made = run(&options);
            rate[i] = value(made, "throughput_mbit_s", NULL);
            double unmaps = value(made, "dma", "unmaps"), invalidations = value(made, "dma", "invalidations");
            assert_true(value(made, "dma", "blocked") == 0 && value(made, "frames", "sent_again") == 0);
            assert_true(value(made, "dma", "maps") >= unmaps);
            assert_true((unmaps > 1000) == (i >= 2));
            assert_true((value(made, "dma", "wait_ticks") > 0) == (i >= 2));
            if (i == 2)
                assert_true(invalidations - 1 == (double)(uint64_t)(unmaps / 250)); /* and one at the beginning */
            if (i == 3) assert_true(invalidations - 1 == unmaps);
            json_decref(made);
        }
        assert_true(rate[0] == rate[1] && rate[1] > rate[2] && rate[2] > rate[3]);
    }
}

/* With moderation off a round trip is what its parts take: paths differ. */
static void requests_have_a_latency(void **state)
{
    (void)state;
    static const char *const set[] = {"nic.card.moderation_ns=0"};
    double latency[4];
    for (unsigned i = 0; i < 8; i++) {
        vx_io_path_options options = usual(&every_path[i % 4], 1);
        options.nic = "gbe-2008";
        options.workload = VX_WORKLOAD_REQUEST_RESPONSE;
        options.receive = i >= 4;
        options.request = 100;
        options.response = 3000;
        options.sets = set;
        options.set_count = 1;
        options.milliseconds = 20;
        json_t *made = run(&options);
        double messages = value(made, "messages", "per_second"), p50 = value(made, "latency_ns", "p50");
        assert_true(messages * p50 > 0.9e9 && messages * p50 < 1.1e9); /* one at a time */
        assert_true(p50 > 2 * 10000 + 27000);                          /* the wire's delay both ways, three frames */
        latency[i % 4] = p50;
        json_decref(made);
        if (i % 4 != 3) continue;
        assert_true(latency[0] < latency[3]);     /* native, pass-through: exits of the interrupt */
        assert_true(latency[3] < latency[2]);     /* para: the back-end */
        assert_true(latency[2] < 2 * latency[1]); /* emulated */
    }
}

static void many_flows_are_seeded(void **state)
{
    (void)state;
    static const vx_io_path native = VX_IO_PATH_NATIVE;
    json_t *made[3];
    for (unsigned i = 0; i < 3; i++) {
        vx_io_path_options options = usual(&native, 1);
        options.workload = VX_WORKLOAD_MANY_FLOWS;
        options.receive = true;
        options.seed = i < 2 ? 7 : 8;
        made[i] = run(&options);
        assert_true(value(made[i], "messages", "count") > 100);
        assert_true(value(made[i], "latency_ns", "p99") > value(made[i], "latency_ns", "p50"));
    }
    assert_true(json_equal(made[0], made[1]));
    assert_false(json_equal(json_object_get(made[0], "frames"), json_object_get(made[2], "frames")));
    for (unsigned i = 0; i < 3; i++) json_decref(made[i]);
}

/* Jumbo frames: six times the payload for one frame's costs. */
static void jumbo_frames(void **state)
{
    (void)state;
    static const vx_io_path sriov = VX_IO_PATH_SRIOV;
    vx_io_path_options options = usual(&sriov, 2);
    options.payload = 8948;
    options.receive = true;
    options.milliseconds = 20;
    json_t *made = run(&options);
    assert_true(value(made, "throughput_mbit_s", NULL) > 9820 && value(made, "throughput_mbit_s", NULL) < 9901);
    assert_true(value(made, "dma", "blocked") == 0);
    json_decref(made);
}

/* ---- refusals ---- */

static void refusals(void **state)
{
    (void)state;
    static const char *const no_engine[] = {"chipset.copy_engine.channels=0"};
    static const vx_io_path native = VX_IO_PATH_NATIVE, through = VX_IO_PATH_PASSTHROUGH, sriov = VX_IO_PATH_SRIOV,
                            vmdq = VX_IO_PATH_VMDQ;
    vx_io_path_options rows[15];
    static const char *const says[15] = {"needs VT-d, which the chipset intel-5000 has not",
                                         "needs VT-d",
                                         "has 0 virtual functions for 1 guests",
                                         "native serves one guest, not 2",
                                         "payload of a frame, bytes: 8949, must be 1 to 8948",
                                         "window, frames: 1,",
                                         "guests: 65,",
                                         "gbe-2008 does not sort received frames into queues",
                                         "connections of a guest: 257,",
                                         "request, bytes: 1048577,",
                                         "response, bytes: 1048577,",
                                         "path native has no back-end to use a copy engine",
                                         "the chipset has no copy engine",
                                         "path vmdq: the IOMMU is the hypervisor's",
                                         "the chipset has no VT-d"};
    for (unsigned i = 0; i < 15; i++) rows[i] = usual(&native, 1);
    rows[0].paths = &through;
    rows[0].chipset = "intel-5000";
    rows[1].paths = &sriov;
    rows[1].chipset = "intel-5000";
    rows[2].paths = &sriov;
    rows[2].nic = "gbe-2008";
    rows[3].guests = 2;
    rows[4].payload = 8949;
    rows[5].window = 1;
    rows[6].guests = 65;
    rows[7].paths = &vmdq;
    rows[7].nic = "gbe-2008";
    rows[8].flows = 257;
    rows[9].request = 1048577;
    rows[10].response = 1048577;
    rows[11].copy_engine = true;
    rows[12].paths = &vmdq;
    rows[12].copy_engine = true;
    rows[12].sets = no_engine;
    rows[12].set_count = 1;
    rows[13].paths = &vmdq;
    rows[13].policy = VX_IOMMU_STRICT;
    rows[14].chipset = "intel-5000";
    rows[14].policy = VX_IOMMU_DEFERRED;
    for (unsigned i = 0; i < 15; i++) {
        json_t *document = NULL;
        vx_msg msg = {""};
        assert_int_equal(vx_io_paths_document(&document, &rows[i], &msg), VX_ERR_INPUT);
        if (!strstr(msg.text, says[i])) fail_msg("row %u: %s", i, msg.text);
        assert_null(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_the_paths),
        cmocka_unit_test(functions_share_the_wire),
        cmocka_unit_test(posted_interrupts_do_not_exit),
        cmocka_unit_test(emulation_follows_the_exits_cost),
        cmocka_unit_test(accesses_follow_the_driver),
        cmocka_unit_test(sorting_spreads_receiving),
        cmocka_unit_test(losses_are_repaired),
        cmocka_unit_test(copies_are_offloaded),
        cmocka_unit_test(native_behind_vtd),
        cmocka_unit_test(idle_guests_halt),
        cmocka_unit_test(requests_have_a_latency),
        cmocka_unit_test(many_flows_are_seeded),
        cmocka_unit_test(jumbo_frames),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
