/* LRU stack distances without a stack: Mattson, Gecsei, Slutz and Traiger 1970 give the property (an LRU array of n
 * entries holds exactly the n pages used last), Bennett and Kruskal 1975 the method: each page is marked at the time of
 * its last use, and its distance is the number of marks behind its own, which a tree of partial sums counts.
 *
 * Times are places in an array. When it is used up the marks move together at its front, in their order: once in
 * TIMES - STACK_DEPTH uses at the most. The oldest page is forgotten when STACK_DEPTH others are newer, so memory does
 * not grow with the stream. */
#include "stack_distance.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vx_random.h"

enum { TIMES = 4 * STACK_DEPTH, SLOTS = 4 * STACK_DEPTH, SLOT_MASK = SLOTS - 1 };

typedef struct last_use {
    uint64_t page;
    uint32_t time; /* 0: the slot is free; a place in pages[] plus one */
} last_use;

struct stack_distance {
    uint32_t marks;           /* pages remembered */
    uint32_t now;             /* the next place */
    uint32_t oldest;          /* no place below it is marked */
    uint64_t pages[TIMES];    /* the page used at each time */
    bool marked[TIMES];       /* ... was used last then */
    uint32_t sums[TIMES + 1]; /* Fenwick 1994: sums[i] is the number of marks in the places i - (i & -i) to i - 1 */
    last_use slots[SLOTS];    /* by page: open addressing, next free slot */
};

stack_distance *stack_distance_new(void) { return calloc(1, sizeof(stack_distance)); }

void stack_distance_free(stack_distance *stack) { free(stack); }

static void add(stack_distance *stack, uint32_t place, uint32_t change)
{
    for (uint32_t i = place + 1; i <= TIMES; i += i & -i) stack->sums[i] += change;
}

static uint32_t marks_up_to(const stack_distance *stack, uint32_t place)
{
    uint32_t sum = 0;
    for (uint32_t i = place + 1; i > 0; i -= i & -i) sum += stack->sums[i];
    return sum;
}

static void mark(stack_distance *stack, uint32_t place, bool on)
{
    stack->marked[place] = on;
    add(stack, place, on ? 1U : UINT32_MAX);
}

/* ---- the last use of each page ---- */

static uint32_t home_of(uint64_t page) { return (uint32_t)vx_mix64(page) & SLOT_MASK; }

/* The page's slot, or the free one where it belongs. A quarter of the slots is in use, so there is one. */
static uint32_t slot_of(const stack_distance *stack, uint64_t page)
{
    uint32_t slot = home_of(page);
    while (stack->slots[slot].time && stack->slots[slot].page != page) slot = (slot + 1) & SLOT_MASK;
    return slot;
}

/* Frees a slot and moves later ones of its run up, so that no search ends too early. */
static void free_slot(stack_distance *stack, uint32_t slot)
{
    uint32_t hole = slot;
    for (uint32_t at = (slot + 1) & SLOT_MASK; stack->slots[at].time; at = (at + 1) & SLOT_MASK) {
        uint32_t home = home_of(stack->slots[at].page);
        if (((at - home) & SLOT_MASK) < ((at - hole) & SLOT_MASK)) continue;
        stack->slots[hole] = stack->slots[at];
        hole = at;
    }
    stack->slots[hole].time = 0;
}

static void forget_oldest(stack_distance *stack)
{
    while (!stack->marked[stack->oldest]) stack->oldest++;
    mark(stack, stack->oldest, false);
    free_slot(stack, slot_of(stack, stack->pages[stack->oldest]));
    stack->marks--;
}

static void move_together(stack_distance *stack)
{
    uint32_t count = 0;
    for (uint32_t place = stack->oldest; place < TIMES; place++) {
        if (!stack->marked[place]) continue;
        uint64_t page = stack->pages[place];
        stack->pages[count++] = page;
        stack->slots[slot_of(stack, page)].time = count;
    }
    memset(stack->marked, 0, sizeof stack->marked);
    memset(stack->sums, 0, sizeof stack->sums);
    for (uint32_t place = 0; place < count; place++) mark(stack, place, true);
    stack->now = count;
    stack->oldest = 0;
}

uint32_t stack_distance_use(stack_distance *stack, uint64_t page)
{
    if (stack->now == TIMES) move_together(stack);
    uint32_t slot = slot_of(stack, page), distance = STACK_NONE;
    if (stack->slots[slot].time) {
        uint32_t place = stack->slots[slot].time - 1;
        distance = stack->marks - marks_up_to(stack, place);
        mark(stack, place, false);
    } else {
        if (stack->marks == STACK_DEPTH) {
            forget_oldest(stack);
            slot = slot_of(stack, page);
        }
        stack->marks++;
    }
    stack->slots[slot] = (last_use){page, stack->now + 1};
    stack->pages[stack->now] = page;
    mark(stack, stack->now++, true);
    return distance;
}
