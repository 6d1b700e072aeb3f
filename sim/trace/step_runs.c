/* What a guest did comes as steps: block 17 began, its third instruction stored to this address. Most runs of block 17
 * are of the shape of its last run; where the steps differ, the shape is looked up, or made. */
#include "step_runs.h"

#include <stdlib.h>
#include <string.h>

/* The low 16 bits of a step; the others are its operand. */
enum {
    STEP_OPERAND = 16,
    STEP_TAG = 0xFFFF,
    STEP_INSTRUCTION = 4, /* of a reference's tag: the instruction's bits from here on */
    STEP_BLOCK = 0x4000,
    STEP_AGAIN = 0x4001,
    STEP_RAN = 0x8000,
    STEP_CUT = 0x8001,
    STEP_EVENT = 0x8002,
    STEP_WIDE = 0x8003,
    STEP_DEFINE = 0x8004,
    STEP_SKIPPED = 0x8005,
    STEP_SMALL_EVENT = 0x8006,
    STEP_EVENT_SIZE = 8,
    STEP_EVENT_ADDRESS = 16
};
enum { SKIPPED_WORDS = 4 }; /* the instructions, and fetches, loads and stores: none */

/* One step more may make two runs. */
enum { RUNS_ROOM = STEP_RUNS_MAX + 1, ADDRESSES_ROOM = RUNS_ROOM * PIECE_REFERENCES };

vx_status step_runs_init(step_runs *self, vx_msg *msg)
{
    *self = (step_runs){0};
    vx_status status = block_shapes_init(&self->shapes, msg);
    if (status) return status;
    self->runs = malloc(RUNS_ROOM * sizeof *self->runs);
    self->addresses = malloc(ADDRESSES_ROOM * sizeof *self->addresses);
    self->events = malloc(RUNS_ROOM * sizeof *self->events);
    if (self->runs && self->addresses && self->events) return VX_OK;
    step_runs_fini(self);
    return vx_fail_nomem(msg);
}

void step_runs_fini(step_runs *self)
{
    block_shapes_fini(&self->shapes);
    free(self->runs);
    free(self->addresses);
    free(self->events);
}

void step_runs_frame(step_runs *self, const uint64_t *steps, uint32_t step_count, const vx_record *events,
                     uint32_t event_count, uint64_t *payload, uint32_t words)
{
    self->step = steps;
    self->steps_end = step_count ? steps + step_count : steps; /* none: may be NULL */
    self->event = events;
    self->events_end = event_count ? events + event_count : events;
    self->spare = payload ? payload + words : NULL;
    self->words = words;
}

static bool is_reference(uint64_t step) { return !(step & 0xC000); }
static bool is_block(uint64_t step) { return (step & STEP_TAG & ~1U) == STEP_BLOCK; }

static bool ends_early(uint64_t step) { return (step & STEP_TAG) == STEP_RAN || (step & STEP_TAG) == STEP_CUT; }

/* Bits 63:47 of an address are all the same. */
static uint64_t address_of(uint64_t step) { return (uint64_t)((int64_t)step >> STEP_OPERAND); }

/* Takes a run that is as `tags` says, up to the next block's beginning, whose tag is behind them. Gives the step
 * behind, or NULL. How many references there are is seen in the steps alone: a processor that guesses it goes on with
 * the next run before it has looked up this one's block. */
static inline const uint64_t *take_guessed(const uint64_t *step, const uint16_t *tags, uint64_t **addresses)
{
    uint64_t *to = *addresses;
    for (;; step++) {
        uint16_t tag = *step & STEP_TAG;
        if (tag != *tags++) return NULL;
        if (tag == STEP_BLOCK) break;
        *to++ = address_of(*step);
    }
    *addresses = to;
    return step + 1;
}

/* Blocks' runs, each from its beginning to where the next block begins, as long as they are as the block's last one.
 * The most that is done: with steps and what is made of them in registers. */
static void put_guessed(step_runs *self)
{
    const block *blocks = self->shapes.blocks;
    const uint64_t *step = self->step;
    uint64_t *addresses = self->addresses + self->address_count;
    uint32_t *run = self->runs + self->count, *runs_end = self->runs + STEP_RUNS_MAX;
    uint32_t running = self->block;
    while (run < runs_end && blocks[running].guess) {
        uint64_t *to = addresses;
        const uint64_t *behind = take_guessed(step, self->shapes.tags + blocks[running].guess_tag, &to);
        if (!behind || behind[-1] >> STEP_OPERAND >= self->shapes.block_count) break;
        *run++ = blocks[running].guess;
        addresses = to;
        step = behind;
        running = (uint32_t)(behind[-1] >> STEP_OPERAND);
    }
    self->block = running;
    self->step = step;
    self->count = (size_t)(run - self->runs);
    self->address_count = (size_t)(addresses - self->addresses);
}

/* Takes the references from the next step on into the piece. */
static bool collect(const step_runs *self, block_piece *piece)
{
    uint16_t count = self->shapes.blocks[self->block].count;
    for (const uint64_t *step = self->step; step < self->steps_end && is_reference(*step); step++) {
        if (piece->references == PIECE_REFERENCES) break;
        uint16_t tag = *step & STEP_TAG;
        if (tag >> STEP_INSTRUCTION >= count) return false;
        piece->tags[piece->references++] = tag;
    }
    return true;
}

static vx_status put_piece(step_runs *self, const block_piece *piece, uint32_t *number, const char **why)
{
    vx_status status = block_shapes_find(&self->shapes, piece, number);
    if (status) {
        *why = "a reference that none can make";
        return status;
    }
    self->runs[self->count++] = *number;
    for (unsigned i = 0; i < piece->references; i++) self->addresses[self->address_count++] = address_of(self->step[i]);
    self->from = self->shapes.forms[*number].reached;
    self->step += piece->references;
    return VX_OK;
}

/* How many of a piece's last references are not the guest's: those of instructions that have not run, as the next step
 * says. */
static unsigned strays_before(const step_runs *self, const block_piece *piece, const uint64_t *next)
{
    unsigned strays = 0;
    if (next == self->steps_end || (*next & STEP_TAG) != STEP_CUT) return 0;
    uint64_t ran = *next >> STEP_OPERAND;
    while (strays < piece->references && piece->tags[piece->references - 1 - strays] >> STEP_INSTRUCTION > ran)
        strays++;
    return strays;
}

/* What the running block did up to the next step that is no reference. */
static vx_status put_references(step_runs *self, const char **why)
{
    const block *in = &self->shapes.blocks[self->block];
    block_piece piece = {.block = self->block, .from = self->from, .to = self->from};
    *why = "an instruction that its block does not have";
    if (!collect(self, &piece)) return VX_ERR_INPUT;
    const uint64_t *behind = self->step + piece.references;
    unsigned strays = strays_before(self, &piece, behind);
    piece.references = (uint16_t)(piece.references - strays);
    bool over = behind < self->steps_end && is_block(*behind);
    if (over) piece.to = in->count;
    if (behind < self->steps_end && ends_early(*behind)) {
        if (*behind >> STEP_OPERAND > in->count) return VX_ERR_INPUT;
        piece.to = (uint16_t)(*behind >> STEP_OPERAND);
    }
    uint32_t number = 0;
    vx_status status = VX_OK;
    if (piece.references || piece.to > piece.from) status = put_piece(self, &piece, &number, why);
    if (!status && over && piece.from == 0) block_shapes_guess(&self->shapes, piece.block, number);
    self->step += strays;
    return status;
}

static vx_status put_wide(step_runs *self, const char **why)
{
    uint64_t high = *self->step >> STEP_OPERAND;
    block_piece piece = {.block = self->block, .from = self->from, .to = self->from, .references = 1};
    *why = "half an address";
    if (!self->running || self->steps_end - self->step < 2 || !is_reference(self->step[1])) return VX_ERR_INPUT;
    self->step++;
    piece.tags[0] = *self->step & STEP_TAG;
    if (piece.tags[0] >> STEP_INSTRUCTION >= self->shapes.blocks[self->block].count) return VX_ERR_INPUT;
    uint32_t number;
    vx_status status = put_piece(self, &piece, &number, why);
    if (status) return status;
    uint64_t *address = &self->addresses[self->address_count - 1];
    *address = high << 48 | (*address & (UINT64_MAX >> 16));
    return VX_OK;
}

static vx_status define(step_runs *self, const char **why)
{
    uint64_t count = *self->step >> STEP_OPERAND;
    *why = "a block that is cut off";
    if (count > UINT16_MAX || (uint64_t)(self->steps_end - self->step) < 2 + (count + 15) / 16) return VX_ERR_INPUT;
    const uint64_t *step = self->step;
    self->step += 1 + (count + 15) / 16;
    vx_status status = block_shapes_define(&self->shapes, step[1], (uint32_t)count, step + 2, why);
    self->step++;
    return status;
}

static void put_event(step_runs *self, const vx_record *event)
{
    self->runs[self->count++] = 0;
    self->events[self->event_count++] = *event;
}

/* Instructions that have run unrecorded, as the trace has them. */
static void put_skipped(step_runs *self, uint64_t instructions)
{
    uint64_t *words = self->spare + self->event_count * SKIPPED_WORDS;
    words[0] = instructions;
    words[1] = words[2] = words[3] = 0;
    put_event(self, &(vx_record){.arg = self->words + (uint32_t)self->event_count * SKIPPED_WORDS,
                                 .count = SKIPPED_WORDS,
                                 .kind = VX_REC_SKIPPED});
}

/* An event that its step says all about. */
static bool put_small_event(step_runs *self, uint64_t operand)
{
    const vx_record event = {.addr = operand >> STEP_EVENT_ADDRESS,
                             .size = operand >> STEP_EVENT_SIZE & UINT8_MAX,
                             .kind = operand & UINT8_MAX};
    bool reference = event.kind == VX_REC_FETCH || event.kind == VX_REC_LOAD || event.kind == VX_REC_STORE;
    if (reference || !vx_record_valid(&event, 0)) return false;
    put_event(self, &event);
    return true;
}

/* A step that is no reference. */
static vx_status take(step_runs *self, const char **why)
{
    uint64_t step = *self->step, operand = step >> STEP_OPERAND;
    switch (step & STEP_TAG) {
    case STEP_BLOCK:
    case STEP_AGAIN:
        *why = "a block that was not told of";
        if (operand >= self->shapes.block_count) return VX_ERR_INPUT;
        self->block = (uint32_t)operand;
        self->running = true;
        self->from = step & 1;
        break;
    case STEP_RAN: /* put_references has looked at it */
        break;
    case STEP_CUT:
        if (self->running) self->from = self->shapes.blocks[self->block].count;
        break;
    case STEP_EVENT:
        *why = "an event without a record";
        if (self->event == self->events_end) return VX_ERR_INPUT;
        put_event(self, self->event++);
        break;
    case STEP_SKIPPED:
        put_skipped(self, operand);
        break;
    case STEP_SMALL_EVENT:
        *why = "an event without its payload";
        if (!put_small_event(self, operand)) return VX_ERR_INPUT;
        break;
    case STEP_WIDE:
        return put_wide(self, why);
    case STEP_DEFINE:
        return define(self, why);
    default:
        *why = "no step";
        return VX_ERR_INPUT;
    }
    self->step++;
    return VX_OK;
}

static vx_status put_next(step_runs *self, const char **why)
{
    if (self->running) {
        if (self->from == 0) put_guessed(self);
        vx_status status = self->count < STEP_RUNS_MAX ? put_references(self, why) : VX_OK;
        if (status || self->step == self->steps_end || self->count == STEP_RUNS_MAX) return status;
    }
    if (!is_reference(*self->step)) return take(self, why);
    *why = "a reference outside of blocks";
    return self->running ? VX_OK : VX_ERR_INPUT; /* more than one piece holds */
}

vx_status step_runs_next(step_runs *self, vxt_runs *runs, const char **why)
{
    self->count = self->address_count = self->event_count = 0;
    block_shapes_tidy(&self->shapes);
    while (self->step < self->steps_end && self->count < STEP_RUNS_MAX) {
        vx_status status = put_next(self, why);
        if (status) return status;
    }
    *why = "records that no step names";
    if (self->step == self->steps_end && self->event < self->events_end) return VX_ERR_INPUT;
    *runs = (vxt_runs){.runs = self->runs,
                       .count = self->count,
                       .shapes = self->shapes.shapes,
                       .shape_count = self->shapes.count,
                       .shaping = self->shapes.shaping,
                       .records = self->shapes.records,
                       .addresses = self->addresses,
                       .events = self->events};
    return VX_OK;
}
