/* Remote TLB shootdown by the modelled OS: private to the room. */
#ifndef VX_SHOOTDOWN_H
#define VX_SHOOTDOWN_H

#include "guest_state.h"

/* The page has left the current process's tables, and this CPU has dropped it. Queues what tells the other CPUs that
 * may hold it; true: the frame is theirs until they have answered, false: nobody else can reach it. */
bool vx_shootdown_begin(vx_guest *guest, const vx_guest_page *page, vx_queue *queue);

/* The handler's part: queues the INVLPGs of all that this CPU was told of, and answers. */
void vx_shootdown_answer(vx_guest *guest, vx_queue *queue);

/* The most that one of these queues, in an OS of so many CPUs. */
size_t vx_shootdown_records(unsigned cpus);
size_t vx_shootdown_words(unsigned cpus);

#endif
