/* The ways to virtualize a card: equal events on both clocks, no influence of the quantum. */
#include "io_machines.h"

#include <sys/wait.h>
#include <unistd.h>

#include "vx_clk.h"
#include "vx_random.h"

typedef struct sequence {
    uint64_t hash, events;
} sequence;

static void listen(void *context, const vx_clk_event *event)
{
    sequence *heard = context;
    heard->events++;
    heard->hash = vx_mix64(heard->hash ^ event->now ^ (uint64_t)event->order << 48);
}

/* One machine: a path with a workload in one direction. */
typedef struct scene {
    vx_io_path path;
    unsigned guests;
    vx_workload workload;
    bool receive, copy_engine;
    vx_iommu_policy policy;
} scene;

static sequence events_of(const scene *at, const char *clock, vx_tick quantum)
{
    static const char *const timer[] = {"nic.hypervisor.obeys_itr=yes"};
    sequence heard = {0};
    vx_io_path_options options = usual(&at->path, at->guests);
    options.workload = at->workload;
    options.receive = at->receive;
    options.copy_engine = at->copy_engine;
    options.policy = at->policy;
    options.request = 2000;
    options.response = 500;
    options.clock = clock;
    options.quantum = quantum;
    options.milliseconds = 2;
    options.sets = timer; /* the emulated card's, which other paths have not */
    options.set_count = 1;
    options.observe = listen;
    options.observe_context = &heard;
    json_decref(run(&options));
    return heard;
}

/* SystemC allows one simulation in the life of a process. */
static sequence events_in_a_child(const scene *at)
{
    int ends[2];
    sequence heard = {0};
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        heard = events_of(at, "systemc", 0);
        _exit(write(ends[1], &heard, sizeof heard) == sizeof heard ? 0 : 1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &heard, sizeof heard), sizeof heard);
    close(ends[0]);
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    return heard;
}

static unsigned most_guests(vx_io_path path)
{
    return path == VX_IO_PATH_NATIVE || path == VX_IO_PATH_PASSTHROUGH ? 1 : 16;
}

static bool has_backend(vx_io_path path) { return path == VX_IO_PATH_PARA || path == VX_IO_PATH_VMDQ; }

/* The scenes of a path: each workload in each direction, and received with a copy engine where there is a back-end,
 * natively with buffers that are mapped and invalidated one by one. */
enum { SCENES = 3 * VX_WORKLOADS };

static bool scene_of(scene *at, vx_io_path path, unsigned guests, unsigned number)
{
    bool more = number >= 2 * VX_WORKLOADS, native = path == VX_IO_PATH_NATIVE;
    *at = (scene){path,
                  guests,
                  (vx_workload)(number % VX_WORKLOADS),
                  number >= VX_WORKLOADS,
                  more && has_backend(path),
                  more && native ? VX_IOMMU_STRICT : VX_IOMMU_OFF};
    return !more || has_backend(path) || native;
}

static void both_clocks_give_the_same_events(void **state)
{
    (void)state;
    static const unsigned guests[] = {1, 4, 16};
    for (unsigned p = 0; p < EVERY_PATH; p++)
        for (unsigned g = 0; g < 3 && guests[g] <= most_guests(every_path[p]); g++)
            for (unsigned n = 0; n < SCENES; n++) {
                scene at;
                if (!scene_of(&at, every_path[p], guests[g], n)) continue;
                sequence heap = events_of(&at, "heap", 0), systemc = events_in_a_child(&at);
                assert_true(heap.events > 100);
                assert_int_equal(systemc.events, heap.events);
                assert_int_equal(systemc.hash, heap.hash);
            }
}

/* A step does one thing at its tick and never runs ahead: the documented bound is 0. */
static void the_quantum_does_not_matter(void **state)
{
    (void)state;
    for (unsigned p = 0; p < EVERY_PATH; p++)
        for (unsigned n = 0; n < SCENES; n++) {
            scene at;
            if (!scene_of(&at, every_path[p], most_guests(every_path[p]) > 1 ? 4 : 1, n)) continue;
            sequence one = events_of(&at, "heap", 1), many = events_of(&at, "heap", 1000000);
            assert_int_equal(one.hash, many.hash);
            assert_int_equal(one.events, many.events);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_clocks_give_the_same_events),
        cmocka_unit_test(the_quantum_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
