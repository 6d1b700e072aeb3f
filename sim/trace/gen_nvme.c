/* NVMe-like queues: commands of several pages, mapped, transferred, unmapped.
 *
 * Each of `queues` has up to `depth` commands in flight. A command's data is 1 to `pages` pages, mapped page by page;
 * the device reads the 64-byte submission entry, the list of the pages where there are more than two, and the data in
 * order (reads from the disk are writes to memory: `reads` of all), writes a 16-byte completion, and the driver unmaps.
 * The command that completes is any of those in flight. Queue memory and lists stay mapped (NVM Express base
 * specification, 4.1 and 4.3). */
#include <stdlib.h>

#include "gen_dma.h"

const char vx_gen_nvme_doc[] = "NVMe-like queues: commands of 1 to `pages` pages, completed in any order";
const char vx_gen_nvme_parameters[] = "commands=100k,queues=4,depth=32,pages=32,reads=0.7,deferred=0,source=512";

enum { QUEUES_MAX = 64, DEPTH_MAX = 256, PAGES_MAX = 128 };

typedef struct nvme_command {
    unsigned pages;
    bool to_memory;
    uint64_t page[PAGES_MAX];
} nvme_command;

typedef struct nvme_queue {
    uint64_t submission, completion, lists; /* mapped for good */
    uint64_t submitted, completed;
    unsigned in_flight;
    nvme_command *command; /* depth of them; those in flight first */
} nvme_queue;

typedef struct nvme_gen {
    gen_dma base;
    uint64_t commands, queues, depth, pages, deferred, source;
    double reads;
    uint64_t gpa;
    gen_iova iova;
    nvme_queue queue[QUEUES_MAX];
} nvme_gen;

/* 1 GiB of buffers, again and again. */
static uint64_t map_page(nvme_gen *self, unsigned q, unsigned rights)
{
    uint64_t address = vx_gen_iova_take(&self->iova, q), gpa = (1ULL << 32) + (self->gpa++ % 262144 << VX_PAGE_SHIFT);
    vx_gen_map(&self->base, (uint16_t)self->source, address, gpa, VX_PAGE_BYTES, rights);
    return address;
}

static void set_up(nvme_gen *self, unsigned q)
{
    nvme_queue *queue = &self->queue[q];
    queue->submission = map_page(self, q, GEN_DMA_READ);
    queue->completion = map_page(self, q, GEN_DMA_WRITE);
    queue->lists = map_page(self, q, GEN_DMA_READ);
}

static void submit(nvme_gen *self, unsigned q)
{
    nvme_queue *queue = &self->queue[q];
    nvme_command *command = &queue->command[queue->in_flight++];
    uint16_t source = (uint16_t)self->source;
    command->pages = 1 + (unsigned)vx_random_below(&self->base.random, self->pages);
    command->to_memory = vx_random_unit(&self->base.random) < self->reads;
    for (unsigned i = 0; i < command->pages; i++)
        command->page[i] = map_page(self, q, command->to_memory ? GEN_DMA_WRITE : GEN_DMA_READ);
    vx_gen_dma(&self->base, source, queue->submission + queue->submitted++ % 64 * 64, 64, false);
    if (command->pages > 2) vx_gen_dma(&self->base, source, queue->lists, (uint64_t)(command->pages - 1) * 8, false);
    for (unsigned i = 0; i < command->pages; i++)
        vx_gen_dma(&self->base, source, command->page[i], VX_PAGE_BYTES, command->to_memory);
}

static void complete(nvme_gen *self, unsigned q)
{
    nvme_queue *queue = &self->queue[q];
    unsigned which = (unsigned)vx_random_below(&self->base.random, queue->in_flight);
    nvme_command command = queue->command[which];
    queue->command[which] = queue->command[--queue->in_flight];
    vx_gen_dma(&self->base, (uint16_t)self->source, queue->completion + queue->completed++ % 256 * 16, 16, true);
    for (unsigned i = 0; i < command.pages; i++) {
        vx_gen_unmap(&self->base, (uint16_t)self->source, command.page[i], VX_PAGE_BYTES);
        vx_gen_iova_give(&self->iova, q, command.page[i]);
    }
}

static void turn(gen_dma *base)
{
    nvme_gen *self = (nvme_gen *)base;
    unsigned q = (unsigned)vx_random_below(&base->random, self->queues);
    nvme_queue *queue = &self->queue[q];
    if (!queue->submission) set_up(self, q);
    if (queue->in_flight == self->depth) complete(self, q);
    submit(self, q);
}

static void fini(gen_dma *base)
{
    nvme_gen *self = (nvme_gen *)base;
    for (unsigned q = 0; q < QUEUES_MAX; q++) free(self->queue[q].command);
}

static vx_status make_queues(nvme_gen *self, vx_msg *msg)
{
    for (unsigned q = 0; q < self->queues; q++) {
        self->queue[q].command = calloc(self->depth, sizeof *self->queue[q].command);
        if (!self->queue[q].command) return vx_fail_nomem(msg);
    }
    return VX_OK;
}

vx_status vx_gen_nvme_open(vx_source **source, const char *arguments, uint64_t seed, vx_msg *msg)
{
    nvme_gen *self = calloc(1, sizeof *self);
    if (!self) return vx_fail_nomem(msg);
    const gen_parameter parameters[] = {
        {.name = "commands", .number = &self->commands, .min = 1, .max = 1ULL << 50},
        {.name = "queues", .number = &self->queues, .min = 1, .max = QUEUES_MAX},
        {.name = "depth", .number = &self->depth, .min = 1, .max = DEPTH_MAX},
        {.name = "pages", .number = &self->pages, .min = 1, .max = PAGES_MAX},
        {.name = "reads", .real = &self->reads, .real_min = 0, .real_max = 1},
        {.name = "deferred", .number = &self->deferred, .min = 0, .max = 1},
        {.name = "source", .number = &self->source, .min = 0, .max = 0xFFFF},
    };
    vx_status status = vx_gen_arguments("nvme", vx_gen_nvme_parameters, arguments, parameters,
                                        sizeof parameters / sizeof *parameters, msg);
    if (!status) status = make_queues(self, msg);
    if (status) {
        fini(&self->base);
        free(self);
        return status;
    }
    vx_gen_iova_init(&self->iova, self->deferred != 0);
    vx_gen_dma_start(&self->base, "nvme", vx_gen_nvme_parameters, arguments, seed, self->commands, turn);
    self->base.fini = fini;
    *source = &self->base.source;
    return VX_OK;
}
