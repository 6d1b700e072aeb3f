/* The chipset's copy engine (vx_copy_engine.h). */
#include "vx_copy_engine.h"

typedef struct descriptor {
    uint32_t bytes;
    uint32_t user;
} descriptor;

/* A ring as large as its users may fill. */
typedef struct channel {
    descriptor *ring;
    uint32_t head, tail, room;
} channel;

typedef struct user {
    unsigned outstanding, complete;
    bool notify;
} user;

struct vx_copy_engine {
    vx_cfg_copy_engine config;
    vx_copy_engine_hooks hooks;
    uint32_t ticks_per_us;
    unsigned users, most;
    channel *channel;
    user *user;
    unsigned turn;
    bool busy;
    vx_tick done;
    descriptor current;
    vx_copy_engine_counts counts;
};

vx_status vx_copy_engine_init(vx_copy_engine **engine, vx_arena *arena, const vx_cfg_copy_engine *config,
                              uint32_t ticks_per_us, unsigned users, unsigned outstanding,
                              const vx_copy_engine_hooks *hooks, vx_msg *msg)
{
    if (config->channels == 0) return vx_fail(msg, VX_ERR_INPUT, "the chipset has no copy engine (I/OAT)");
    vx_copy_engine *made = vx_arena_alloc(arena, sizeof *made);
    if (!made) return vx_fail_nomem(msg);
    made->config = *config;
    made->hooks = *hooks;
    made->ticks_per_us = ticks_per_us;
    made->users = users;
    made->most = outstanding;
    made->channel = vx_arena_array(arena, config->channels, sizeof *made->channel);
    made->user = vx_arena_array(arena, users, sizeof *made->user);
    if (!made->channel || !made->user) return vx_fail_nomem(msg);
    uint32_t sharing = (users + config->channels - 1) / config->channels;
    for (unsigned i = 0; i < config->channels; i++) {
        made->channel[i].room = sharing * outstanding;
        made->channel[i].ring = vx_arena_array(arena, made->channel[i].room, sizeof(descriptor));
        if (!made->channel[i].ring) return vx_fail_nomem(msg);
    }
    *engine = made;
    return VX_OK;
}

/* ---- what software does ---- */

bool vx_copy_engine_post(vx_copy_engine *engine, unsigned index, uint32_t bytes, vx_tick now)
{
    user *from = &engine->user[index];
    channel *to = &engine->channel[index % engine->config.channels];
    if (from->outstanding == engine->most) return false;
    from->outstanding++;
    to->ring[to->tail++ % to->room] = (descriptor){.bytes = bytes, .user = index};
    engine->hooks.kick(engine->hooks.context, engine, engine->busy ? engine->done : now);
    return true;
}

unsigned vx_copy_engine_take(vx_copy_engine *engine, unsigned index)
{
    user *of = &engine->user[index];
    unsigned taken = of->complete;
    of->complete = 0;
    of->outstanding -= taken;
    return taken;
}

static void interrupt(vx_copy_engine *engine, unsigned index, vx_tick now)
{
    user *of = &engine->user[index];
    if (!of->notify || of->complete == 0) return;
    of->notify = false;
    engine->counts.interrupts++;
    engine->hooks.complete(engine->hooks.context, index, now);
}

void vx_copy_engine_notify(vx_copy_engine *engine, unsigned index, vx_tick now)
{
    engine->user[index].notify = true;
    interrupt(engine, index, now);
}

/* ---- the process ---- */

static vx_tick ticks_of(const vx_copy_engine *engine, uint32_t bytes)
{
    uint64_t fixed = (uint64_t)engine->config.descriptor_ns * engine->ticks_per_us / 1000;
    return fixed + ((uint64_t)bytes * engine->ticks_per_us + engine->config.mb_s - 1) / engine->config.mb_s;
}

static bool next(vx_copy_engine *engine, vx_tick now)
{
    for (unsigned i = 0; i < engine->config.channels; i++) {
        unsigned at = (engine->turn + i) % engine->config.channels;
        channel *from = &engine->channel[at];
        if (from->head == from->tail) continue;
        engine->turn = (at + 1) % engine->config.channels;
        engine->current = from->ring[from->head++ % from->room];
        vx_tick took = ticks_of(engine, engine->current.bytes);
        engine->done = now + took;
        engine->counts.busy += took;
        return true;
    }
    return false;
}

vx_tick vx_copy_engine_step(void *self, vx_tick now, vx_tick horizon)
{
    (void)horizon;
    vx_copy_engine *engine = self;
    if (engine->busy && now < engine->done) return engine->done;
    if (engine->busy) {
        engine->user[engine->current.user].complete++;
        engine->counts.copies++;
        engine->counts.bytes += engine->current.bytes;
        engine->busy = false;
        interrupt(engine, engine->current.user, now);
    }
    engine->busy = next(engine, now);
    if (!engine->busy) return VX_TICK_NEVER;
    return engine->done > now ? engine->done : now + 1;
}

const vx_copy_engine_counts *vx_copy_engine_counted(const vx_copy_engine *engine) { return &engine->counts; }
