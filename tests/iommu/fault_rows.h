/* One row a fault reason: what is broken, and the request that finds it. */
#ifndef FAULT_ROWS_H
#define FAULT_ROWS_H

#include "iommu_world.h"

#define ROW_SID 0x0310
#define ROW_IOVA 0x40000000ULL
#define ROW_HPA 0x8000000ULL
#define ROW_UNREADABLE 0x3FF000000000ULL /* below the host address width, beyond memory */

/* The world before anything is broken: legacy, or scalable with a PASID of each type. */
enum { ROW_FIRST = 1, ROW_SECOND = 2, ROW_NESTED = 3, ROW_THROUGH = 4 };

typedef struct row_tables {
    uint64_t directory, second, first; /* legacy: second alone */
    uint64_t nested_gpa;               /* of the nested PASID's first-level root */
    uint64_t nested_second;
} row_tables;

typedef struct fault_row {
    vx_vtd_fault fault;
    bool scalable;
    void (*spoil)(io_world *world, const row_tables *tables); /* NULL: the request alone is wrong */
    vx_dma_request request;                                   /* address 0: ROW_IOVA; pasid 0: none */
    bool page_request;
    bool unqualified; /* FPD cannot silence it */
} fault_row;

extern const fault_row fault_rows[];
extern const unsigned fault_row_count;

#endif
