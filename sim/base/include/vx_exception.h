/* Vectors of the exceptions that the models name (SDM Vol. 3A, Table 6-1), and the error code of a page fault (4.7). */
#ifndef VX_EXCEPTION_H
#define VX_EXCEPTION_H

enum {
    VX_VECTOR_DB = 1,
    VX_VECTOR_NMI = 2,
    VX_VECTOR_UD = 6,
    VX_VECTOR_DF = 8,
    VX_VECTOR_GP = 13,
    VX_VECTOR_PF = 14,
    VX_VECTOR_AC = 17,
    VX_VECTOR_MC = 18,
    VX_VECTOR_VE = 20
};

enum {
    VX_PF_P = 1,    /* the page was there: a right was missing */
    VX_PF_W = 2,    /* a store */
    VX_PF_U = 4,    /* at CPL 3 */
    VX_PF_RSVD = 8, /* a reserved bit was set in an entry */
    VX_PF_I = 16,   /* a fetch */
    VX_PF_PK = 32,  /* a protection key */
    VX_PF_SS = 64   /* a shadow-stack access */
};

#endif
