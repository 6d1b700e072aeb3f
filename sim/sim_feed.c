/* Which trace of a VM is read, and its next batch. */
#include "sim_private.h"

sim_feed *sim_feed_current(sim_vm *vm, vx_status *status, vx_msg *msg)
{
    *status = VX_OK;
    for (;;) {
        sim_feed *feed = &vm->feed[vm->guest ? vx_guest_current(vm->guest) : 0];
        if (!feed->ended && feed->position == feed->batch.count) {
            *status = vx_source_next(feed->source, &feed->batch, msg);
            if (*status != VX_OK) return NULL;
            feed->position = 0;
            feed->ended = feed->batch.count == 0;
        }
        if (!feed->ended) return feed;
        if (vm->feeds == 1 || !vx_guest_exit(vm->guest, &vm->queue)) return NULL;
    }
}
