/* Paging modes, as the control registers select them (SDM Vol. 3A, 4.1.1). */
#ifndef VX_PAGING_H
#define VX_PAGING_H

typedef enum vx_paging_mode {
    VX_PAGING_NONE,   /* CR0.PG = 0 */
    VX_PAGING_32BIT,  /* two levels, 4-byte entries */
    VX_PAGING_PAE,    /* two levels below four latched PDPTEs */
    VX_PAGING_4LEVEL, /* IA-32e */
    VX_PAGING_5LEVEL, /* IA-32e with CR4.LA57 */
    VX_PAGING_MODES
} vx_paging_mode;

#endif
