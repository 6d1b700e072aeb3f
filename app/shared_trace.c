#include "shared_trace.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A reader may fall SLOTS batches behind the decoder: few enough that what one reader took is still in the processor's
 * last-level cache when the next one takes it. Who must wait waits for half of them, since being woken costs as much as
 * decoding a batch. */
enum { SLOTS = 32, WAIT_FOR = SLOTS / 2 };

#define CLOSED UINT64_MAX

typedef struct slot {
    size_t count, words;
    vx_record records[VX_TRACE_BATCH_RECORDS];
    uint64_t payload[VX_TRACE_BATCH_WORDS];
} slot;

struct shared_trace {
    pthread_mutex_t lock;
    pthread_cond_t room, data; /* what the decoder and what readers wait for */
    bool decoder_waits;
    unsigned readers_wait;
    uint64_t written;                     /* batches decoded */
    uint64_t taken[SHARED_TRACE_READERS]; /* batches that a reader is done with, or CLOSED */
    unsigned readers;
    bool ended; /* no batch follows `written`; status and msg say why */
    vx_status status;
    vx_msg msg;
    vx_trace_header header;
    pid_t parent, decoder;
    slot slots[SLOTS];
};

/* Waits to be woken, or a moment: a signal does not end the wait. A process whose parent is gone has nobody to work
 * for, and nobody who would wake it. */
static void wait_for(shared_trace *self, pthread_cond_t *change)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 100000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(change, &self->lock, &until);
    if (getppid() == self->parent) return;
    pthread_mutex_unlock(&self->lock); /* or the others, which leave too, would wait for it */
    _exit(1);
}

/* How many batches the last reader lacks; *wanted: there is a reader left. */
static uint64_t backlog(const shared_trace *self, bool *wanted)
{
    uint64_t least = CLOSED;
    for (unsigned i = 0; i < self->readers; i++)
        if (self->taken[i] < least) least = self->taken[i];
    *wanted = least != CLOSED;
    return *wanted ? self->written - least : 0;
}

/* ---- the decoder ---- */

/* Waits for a slot that nobody reads any more; false where no reader is left. */
static bool wait_for_room(shared_trace *self)
{
    pthread_mutex_lock(&self->lock);
    bool wanted;
    if (backlog(self, &wanted) == SLOTS) {
        self->decoder_waits = true;
        while (backlog(self, &wanted) > WAIT_FOR) wait_for(self, &self->room);
        self->decoder_waits = false;
    }
    pthread_mutex_unlock(&self->lock);
    return wanted;
}

static void publish(shared_trace *self, bool ended, vx_status status, const vx_msg *msg)
{
    pthread_mutex_lock(&self->lock);
    self->ended = ended;
    self->status = status;
    self->msg = *msg;
    if (!ended) self->written++;
    if (self->readers_wait && (ended || self->written % WAIT_FOR == 0)) pthread_cond_broadcast(&self->data);
    pthread_mutex_unlock(&self->lock);
}

static vx_status decode(shared_trace *self, vx_source *source, vx_msg *msg)
{
    while (wait_for_room(self)) {
        vx_batch batch;
        vx_status status = vx_source_next(source, &batch, msg);
        if (status != VX_OK || batch.count == 0) return status;
        slot *to = &self->slots[self->written % SLOTS];
        to->count = batch.count;
        to->words = batch.words;
        memcpy(to->records, batch.records, batch.count * sizeof *batch.records);
        if (batch.words) memcpy(to->payload, batch.payload, batch.words * sizeof *batch.payload);
        publish(self, false, VX_OK, msg);
    }
    return VX_OK;
}

static _Noreturn void decode_in_child(shared_trace *self, vx_source *source)
{
    /* An interruption is for the runs, which then end with whole results; the parent ends this process after them. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    vx_msg msg = {{0}};
    vx_status status = decode(self, source, &msg);
    publish(self, true, status, &msg);
    vx_source_close(source);
    _exit(0);
}

static shared_trace *make(unsigned readers)
{
    shared_trace *self = mmap(NULL, sizeof *self, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (self == MAP_FAILED) return NULL;
    pthread_mutexattr_t lock;
    pthread_condattr_t change;
    pthread_mutexattr_init(&lock);
    pthread_mutexattr_setpshared(&lock, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&self->lock, &lock);
    pthread_mutexattr_destroy(&lock);
    pthread_condattr_init(&change);
    pthread_condattr_setpshared(&change, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&self->room, &change);
    pthread_cond_init(&self->data, &change);
    pthread_condattr_destroy(&change);
    self->readers = readers;
    self->parent = getpid();
    return self;
}

vx_status shared_trace_start(shared_trace **trace, const char *path, bool whole_chunks, unsigned readers, vx_msg *msg)
{
    vx_source *source;
    vx_status status = vx_trace_open(&source, path, &(vx_trace_options){.whole_chunks = whole_chunks}, msg);
    if (status != VX_OK) return status;
    shared_trace *self = make(readers);
    if (!self) {
        vx_source_close(source);
        return vx_fail_nomem(msg);
    }
    self->header = source->header;
    pid_t child = fork();
    if (child == 0) decode_in_child(self, source);
    vx_source_close(source);
    self->decoder = child;
    if (child < 0) {
        status = vx_fail(msg, VX_ERR_IO, "cannot fork: %s", strerror(errno));
        shared_trace_end(self);
        return status;
    }
    *trace = self;
    return VX_OK;
}

void shared_trace_end(shared_trace *self)
{
    if (!self) return;
    if (self->decoder > 0) {
        kill(self->decoder, SIGKILL);
        while (waitpid(self->decoder, NULL, 0) < 0 && errno == EINTR) continue;
    }
    munmap(self, sizeof *self);
}

/* ---- a reader ---- */

typedef struct reader {
    vx_source source;
    shared_trace *trace;
    unsigned index;
    const volatile sig_atomic_t *stop;
    bool holds; /* the batch given last is still in use */
} reader;

/* Its batches up to `taken` may be written over. */
static void take(reader *self, uint64_t taken)
{
    shared_trace *trace = self->trace;
    bool wanted;
    trace->taken[self->index] = taken;
    if (trace->decoder_waits && backlog(trace, &wanted) <= WAIT_FOR) pthread_cond_signal(&trace->room);
}

/* Whether there is a batch; false at the end, or where the run is told to stop. */
static bool wait_for_data(reader *self)
{
    shared_trace *trace = self->trace;
    uint64_t taken = trace->taken[self->index];
    trace->readers_wait++;
    while (taken == trace->written && !trace->ended && !*self->stop) wait_for(trace, &trace->data);
    trace->readers_wait--;
    return taken < trace->written;
}

static vx_status reader_next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    reader *self = (reader *)source;
    shared_trace *trace = self->trace;
    vx_status status = VX_OK;
    pthread_mutex_lock(&trace->lock);
    if (self->holds) take(self, trace->taken[self->index] + 1);
    self->holds = wait_for_data(self);
    if (!self->holds) status = trace->ended ? trace->status : VX_ERR_INTERRUPTED;
    const slot *from = &trace->slots[trace->taken[self->index] % SLOTS];
    pthread_mutex_unlock(&trace->lock);
    if (status != VX_OK)
        *msg = trace->msg;
    else if (self->holds)
        *batch = (vx_batch){from->records, from->count, from->payload, from->words};
    else
        *batch = (vx_batch){0};
    return status;
}

static void reader_close(vx_source *source)
{
    reader *self = (reader *)source;
    pthread_mutex_lock(&self->trace->lock);
    take(self, CLOSED);
    pthread_mutex_unlock(&self->trace->lock);
    free(self);
}

static const vx_source_ops reader_ops = {reader_next, reader_close};

vx_status shared_trace_open(shared_trace *trace, unsigned index, const volatile sig_atomic_t *stop, vx_source **source,
                            vx_msg *msg)
{
    reader *self = calloc(1, sizeof *self);
    if (!self) return vx_fail_nomem(msg);
    *self = (reader){.source = {&reader_ops, trace->header}, .trace = trace, .index = index, .stop = stop};
    *source = &self->source;
    return VX_OK;
}
