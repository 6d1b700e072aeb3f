/* Which trace of a vCPU is read, and its next batch. */
#include "sim_private.h"

/* A system trace may say what memory held before it says what state the guest was in, and nothing else: until then no
 * register has a value that an event could change. */
static vx_status find_state(sim_vcpu *v, const sim_feed *feed, vx_msg *msg)
{
    for (size_t i = 0; i < feed->batch.count && !v->stateful; i++) {
        unsigned kind = feed->batch.records[i].kind;
        bool memory = kind == VX_REC_PT_PAGE_NEW || kind == VX_REC_PT_PAGE_GONE || kind == VX_REC_MARK;
        v->stateful = kind == VX_REC_STATE;
        if (!memory && !v->stateful)
            return vx_fail(msg, VX_ERR_INPUT, "%s: a system trace with '%s' before the guest's first state", feed->path,
                           vx_record_describe(kind)->name);
    }
    return VX_OK;
}

sim_feed *sim_feed_current(sim_vcpu *v, vx_status *status, vx_msg *msg)
{
    *status = VX_OK;
    for (;;) {
        sim_feed *feed = &v->feed[v->guest ? vx_guest_current(v->guest) : 0];
        if (!feed->ended && feed->position == feed->batch.count) {
            *status = vx_source_next(feed->source, &feed->batch, msg);
            if (*status != VX_OK) return NULL;
            feed->position = 0;
            feed->ended = feed->batch.count == 0;
            if (!v->guest) *status = find_state(v, feed, msg);
            if (*status != VX_OK) return NULL;
        }
        if (!feed->ended) return feed;
        if (!v->guest || !vx_guest_exit(v->guest, &v->queue)) return NULL;
    }
}
