/* The register sequence of a driver of the 8254x, as Linux 2.6's e1000 has it (drivers/net/e1000/e1000_main.c).
 *
 * A frame: e1000_tx_queue writes the tail. An interrupt: e1000_intr reads the cause, which clears it, masks all and
 * flushes by a read of STATUS; e1000_clean (NAPI) takes sent and received frames, gives buffers back by the receive
 * tail, and e1000_irq_enable unmasks and flushes again. */
#include "io_private.h"

static const struct {
    const char *name;
    io_moment moment;
    bool write;
} sequence[] = {
    {"TDT", IO_ON_SEND, true},          {"ICR", IO_ON_INTERRUPT, false}, {"IMC", IO_ON_INTERRUPT, true},
    {"STATUS", IO_ON_INTERRUPT, false}, {"RDT", IO_ON_INTERRUPT, true},  {"IMS", IO_ON_INTERRUPT, true},
    {"STATUS", IO_ON_INTERRUPT, false},
};

static unsigned count(io_moment moment, bool write)
{
    unsigned found = 0;
    for (unsigned i = 0; i < sizeof sequence / sizeof *sequence; i++)
        found += sequence[i].moment == moment && sequence[i].write == write;
    return found;
}

unsigned io_driver_reads(io_moment moment) { return count(moment, false); }
unsigned io_driver_writes(io_moment moment) { return count(moment, true); }
