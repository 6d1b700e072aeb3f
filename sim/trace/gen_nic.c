/* A NIC's ring traffic under Linux: receive rings of page buffers, acknowledgements sent, descriptors and completions.
 *
 * Each flow has a ring on a CPU. A ring holds `ring` page buffers, posted in descriptors of `batch` pages, each page
 * mapped by itself with an address of its own (mlx5's striding receive queue: 64 pages a descriptor). A packet of
 * `bytes` fills a page; when all pages of a descriptor are filled the driver unmaps them and posts as many new ones.
 * Every `ack` packets the stack sends an acknowledgement: a buffer is mapped, read by the device and, `pending`
 * acknowledgements later, when the driver cleans its send ring, unmapped. The device also reads the descriptor as it
 * begins it and writes a completion for each packet; the memory of rings and completion queues stays mapped. Flows
 * share the wire at random, in runs of `burst` packets on average (1: no locality between packets).
 */
#include <stdlib.h>

#include "gen_dma.h"

const char vx_gen_nic_doc[] = "a NIC's receive rings and acknowledgements: buffers mapped, used once, unmapped";
const char vx_gen_nic_parameters[] = "packets=1m,flows=5,cpus=5,ring=1024,batch=64,bytes=4096,ack=2,pending=16,burst=1,"
                                     "deferred=0,source=256";

enum { FLOWS_MAX = 256, RING_MAX = 8192, PENDING_MAX = 256, ENTRY_BYTES = 64 };

typedef struct nic_flow {
    uint64_t *page;       /* ring's buffers, by place */
    uint64_t place;       /* next to be filled */
    uint64_t descriptors; /* permanently mapped: one page of descriptors, one of completions */
    uint64_t completions;
    uint64_t since_ack, completed;
    uint64_t sent[PENDING_MAX]; /* acknowledgements not yet cleaned */
    unsigned sent_count;
    uint64_t next_gpa;
} nic_flow;

typedef struct nic_gen {
    gen_dma base;
    uint64_t packets, flows, cpus, ring, batch, bytes, ack, pending, burst, deferred, source;
    uint64_t posting; /* flows still to be set up */
    unsigned now;     /* the flow whose run of packets it is */
    gen_iova iova;
    nic_flow flow[FLOWS_MAX];
} nic_gen;

static unsigned cpu_of(const nic_gen *self, unsigned f) { return f % (unsigned)self->cpus; }

/* Buffers are recycled through the flow's part of guest memory, 64 MiB each. */
static uint64_t new_gpa(nic_gen *self, unsigned f)
{
    uint64_t page = self->flow[f].next_gpa++ % 16384;
    return (1ULL << 32) + ((uint64_t)f << 26) + (page << VX_PAGE_SHIFT);
}

static uint64_t map_page(nic_gen *self, unsigned f, unsigned rights)
{
    uint64_t address = vx_gen_iova_take(&self->iova, cpu_of(self, f));
    vx_gen_map(&self->base, (uint16_t)self->source, address, new_gpa(self, f), VX_PAGE_BYTES, rights);
    return address;
}

static void unmap_page(nic_gen *self, unsigned f, uint64_t address)
{
    vx_gen_unmap(&self->base, (uint16_t)self->source, address, VX_PAGE_BYTES);
    vx_gen_iova_give(&self->iova, cpu_of(self, f), address);
}

/* One batch of a new ring a turn, so that turns stay short; the first maps the rings' own pages. */
static void set_up(nic_gen *self)
{
    uint64_t batches = self->ring / self->batch, done = self->flows * batches - self->posting;
    unsigned f = (unsigned)(done / batches);
    nic_flow *flow = &self->flow[f];
    if (done % batches == 0) {
        flow->descriptors = map_page(self, f, GEN_DMA_READ);
        flow->completions = map_page(self, f, GEN_DMA_READ | GEN_DMA_WRITE);
    }
    uint64_t first = done % batches * self->batch;
    for (uint64_t i = 0; i < self->batch; i++) flow->page[first + i] = map_page(self, f, GEN_DMA_WRITE);
    self->posting--;
}

static void acknowledge(nic_gen *self, unsigned f)
{
    nic_flow *flow = &self->flow[f];
    flow->since_ack = 0;
    uint64_t address = map_page(self, f, GEN_DMA_READ);
    vx_gen_dma(&self->base, (uint16_t)self->source, flow->descriptors + VX_PAGE_BYTES / 2, ENTRY_BYTES, false);
    vx_gen_dma(&self->base, (uint16_t)self->source, address, ENTRY_BYTES, false);
    flow->sent[flow->sent_count++] = address;
    if (flow->sent_count < self->pending) return;
    for (unsigned i = 0; i < flow->sent_count; i++) unmap_page(self, f, flow->sent[i]);
    flow->sent_count = 0;
}

static void repost(nic_gen *self, unsigned f, uint64_t first)
{
    nic_flow *flow = &self->flow[f];
    for (uint64_t i = 0; i < self->batch; i++) unmap_page(self, f, flow->page[first + i]);
    for (uint64_t i = 0; i < self->batch; i++) flow->page[first + i] = map_page(self, f, GEN_DMA_WRITE);
}

static void receive(nic_gen *self)
{
    if (vx_random_below(&self->base.random, self->burst) == 0)
        self->now = (unsigned)vx_random_below(&self->base.random, self->flows);
    unsigned f = self->now;
    nic_flow *flow = &self->flow[f];
    uint16_t source = (uint16_t)self->source;
    uint64_t place = flow->place % self->ring, entry = flow->completed++ % (VX_PAGE_BYTES / ENTRY_BYTES);
    if (place % self->batch == 0)
        vx_gen_dma(&self->base, source, flow->descriptors + place / self->batch % 32 * ENTRY_BYTES, ENTRY_BYTES, false);
    vx_gen_dma(&self->base, source, flow->page[place], self->bytes, true);
    vx_gen_dma(&self->base, source, flow->completions + entry * ENTRY_BYTES, ENTRY_BYTES, true);
    flow->place++;
    if (++flow->since_ack >= self->ack) acknowledge(self, f);
    if (flow->place % self->batch == 0) repost(self, f, (flow->place - self->batch) % self->ring);
}

static void turn(gen_dma *base)
{
    nic_gen *self = (nic_gen *)base;
    if (self->posting)
        set_up(self);
    else
        receive(self);
}

static void fini(gen_dma *base)
{
    nic_gen *self = (nic_gen *)base;
    for (unsigned f = 0; f < FLOWS_MAX; f++) free(self->flow[f].page);
}

static vx_status check(const nic_gen *self, vx_msg *msg)
{
    if (self->ring % self->batch) return vx_fail(msg, VX_ERR_INPUT, "gen:nic: ring: must be a multiple of batch");
    return VX_OK;
}

static vx_status make_rings(nic_gen *self, vx_msg *msg)
{
    for (unsigned f = 0; f < self->flows; f++) {
        self->flow[f].page = calloc(self->ring, sizeof *self->flow[f].page);
        if (!self->flow[f].page) return vx_fail_nomem(msg);
    }
    return VX_OK;
}

vx_status vx_gen_nic_open(vx_source **source, const char *arguments, uint64_t seed, vx_msg *msg)
{
    nic_gen *self = calloc(1, sizeof *self);
    if (!self) return vx_fail_nomem(msg);
    const gen_parameter parameters[] = {
        {.name = "packets", .number = &self->packets, .min = 1, .max = 1ULL << 50},
        {.name = "flows", .number = &self->flows, .min = 1, .max = FLOWS_MAX},
        {.name = "cpus", .number = &self->cpus, .min = 1, .max = GEN_IOVA_CPUS},
        {.name = "ring", .number = &self->ring, .min = 1, .max = RING_MAX},
        {.name = "batch", .number = &self->batch, .min = 1, .max = 256},
        {.name = "bytes", .number = &self->bytes, .min = 1, .max = VX_PAGE_BYTES, .bytes = true},
        {.name = "ack", .number = &self->ack, .min = 1, .max = 1ULL << 32},
        {.name = "pending", .number = &self->pending, .min = 1, .max = PENDING_MAX},
        {.name = "burst", .number = &self->burst, .min = 1, .max = 1ULL << 20},
        {.name = "deferred", .number = &self->deferred, .min = 0, .max = 1},
        {.name = "source", .number = &self->source, .min = 0, .max = 0xFFFF},
    };
    vx_status status = vx_gen_arguments("nic", vx_gen_nic_parameters, arguments, parameters,
                                        sizeof parameters / sizeof *parameters, msg);
    if (!status) status = check(self, msg);
    if (!status) status = make_rings(self, msg);
    if (status) {
        fini(&self->base);
        free(self);
        return status;
    }
    vx_gen_iova_init(&self->iova, self->deferred != 0);
    self->posting = self->flows * (self->ring / self->batch);
    vx_gen_dma_start(&self->base, "nic", vx_gen_nic_parameters, arguments, seed, self->posting + self->packets, turn);
    self->base.fini = fini;
    *source = &self->base.source;
    return VX_OK;
}
