/* One of the lists of `vexit list`: figures of reports with units and meanings. */
#ifndef LIST_STATISTICS_H
#define LIST_STATISTICS_H

#include "vx_status.h"

/* Prints them on standard output, a line each. Fails where the models of its machines cannot be read. */
vx_status list_statistics(vx_msg *msg);

#endif
