/* VT-d as software sees it: registers, table entries, descriptors, bit by bit.
 *
 * Source: Intel Virtualization Technology for Directed I/O, Architecture Specification (chapters 3, 5, 6, 7, 9, 11 of
 * revision 3), read through Linux (drivers/iommu/intel), QEMU (hw/i386/intel_iommu_internal.h) and the register
 * chapters of Intel's chipset datasheets. Levels of tables are numbered as in vx_radix.h. */
#ifndef VX_VTD_H
#define VX_VTD_H

#include "vx_radix.h"

/* ---- registers (offsets of the MMIO page) ---- */

typedef enum vx_vtd_register {
    VX_VTD_VER = 0x00,
    VX_VTD_CAP = 0x08,
    VX_VTD_ECAP = 0x10,
    VX_VTD_GCMD = 0x18,
    VX_VTD_GSTS = 0x1C,
    VX_VTD_RTADDR = 0x20,
    VX_VTD_CCMD = 0x28,
    VX_VTD_FSTS = 0x34,
    VX_VTD_FECTL = 0x38,
    VX_VTD_FEDATA = 0x3C,
    VX_VTD_FEADDR = 0x40,
    VX_VTD_FEUADDR = 0x44,
    VX_VTD_IQH = 0x80,
    VX_VTD_IQT = 0x88,
    VX_VTD_IQA = 0x90,
    VX_VTD_ICS = 0x9C,
    VX_VTD_IECTL = 0xA0,
    VX_VTD_IEDATA = 0xA4,
    VX_VTD_IEADDR = 0xA8,
    VX_VTD_IEUADDR = 0xAC,
    VX_VTD_IQERCD = 0xB0,
    VX_VTD_IRTA = 0xB8,
    VX_VTD_PQH = 0xC0,
    VX_VTD_PQT = 0xC8,
    VX_VTD_PQA = 0xD0,
    VX_VTD_PRS = 0xDC,
    VX_VTD_PECTL = 0xE0,
    VX_VTD_PEDATA = 0xE4,
    VX_VTD_PEADDR = 0xE8,
    VX_VTD_PEUADDR = 0xEC,
    VX_VTD_IVA = 0xF0,    /* at ECAP.IRO */
    VX_VTD_IOTLB = 0xF8,  /* at ECAP.IRO + 8 */
    VX_VTD_FRCD = 0x220,  /* at CAP.FRO: 16 bytes a record */
    VX_VTD_BYTES = 0x1000 /* of the page */
} vx_vtd_register;

/* GCMD and GSTS have the same layout. */
#define VX_VTD_TE (1U << 31)    /* translation */
#define VX_VTD_SRTP (1U << 30)  /* set root-table pointer */
#define VX_VTD_QIE (1U << 26)   /* queued invalidation */
#define VX_VTD_IRE (1U << 25)   /* interrupt remapping */
#define VX_VTD_SIRTP (1U << 24) /* set interrupt-remapping-table pointer */
#define VX_VTD_CFI (1U << 23)   /* let compatibility-format interrupts pass */

/* RTADDR: table address 63:12, translation-table mode 11:10. */
#define VX_VTD_TTM_SHIFT 10
#define VX_VTD_TTM_LEGACY 0U
#define VX_VTD_TTM_SCALABLE 1U

/* CCMD and IOTLB: go bit, granularity asked for, granularity carried out. 1 global, 2 domain, 3 device or page. */
#define VX_VTD_GO (1ULL << 63)
#define VX_VTD_CCMD_ASKED_SHIFT 61
#define VX_VTD_CCMD_DONE_SHIFT 59
#define VX_VTD_IOTLB_ASKED_SHIFT 60
#define VX_VTD_IOTLB_DONE_SHIFT 57
#define VX_VTD_IVA_HINT (1ULL << 6) /* IH: only leaf entries changed */

/* FSTS. 15:8 is the index of the first fault record. */
#define VX_VTD_FSTS_PFO (1U << 0) /* primary fault overflow */
#define VX_VTD_FSTS_PPF (1U << 1) /* primary pending fault: some record is filled */
#define VX_VTD_FSTS_IQE (1U << 4) /* invalidation queue error */
#define VX_VTD_FSTS_ICE (1U << 5) /* invalidation completion error */
#define VX_VTD_FSTS_ITE (1U << 6) /* invalidation time-out error */
/* FECTL, IECTL, PECTL. */
#define VX_VTD_EVENT_MASKED (1U << 31)
#define VX_VTD_EVENT_PENDING (1U << 30)
#define VX_VTD_ICS_IWC (1U << 0) /* a wait descriptor with IF has completed */
#define VX_VTD_PRS_PPR (1U << 0) /* pending page request */
#define VX_VTD_PRS_PRO (1U << 1) /* page request overflow */
/* IQA: base 63:12, DW 11 (256-bit descriptors), size 2:0 (2^size pages). IQH, IQT: byte offset 18:4. */
#define VX_VTD_IQA_WIDE (1ULL << 11)
/* IRTA: base 63:12, EIME 11, size 3:0 (2^(size+1) entries). */
#define VX_VTD_IRTA_EIME (1ULL << 11)

/* Upper half of a fault record. */
#define VX_VTD_FRCD_F (1ULL << 63)
#define VX_VTD_FRCD_READ (1ULL << 62)
#define VX_VTD_FRCD_PASID_SHIFT 40 /* 59:40 */
#define VX_VTD_FRCD_REASON_SHIFT 32
#define VX_VTD_FRCD_PP (1ULL << 31) /* a PASID is recorded */
#define VX_VTD_FRCD_EXECUTE (1ULL << 30)
#define VX_VTD_FRCD_PRIVILEGED (1ULL << 29)

/* ---- fault reasons ---- */

/* 20h to 28h are of interrupts; 30h up are of scalable mode. */
#define VX_VTD_FAULTS(X)                                                                                               \
    X(0x01, ROOT_P, "root entry not present")                                                                          \
    X(0x02, CONTEXT_P, "context entry not present")                                                                    \
    X(0x03, CONTEXT_INVALID, "context entry programmed wrongly")                                                       \
    X(0x04, BEYOND_MGAW, "address beyond the guest address width")                                                     \
    X(0x05, WRITE, "no write permission")                                                                              \
    X(0x06, READ, "no read permission")                                                                                \
    X(0x07, TABLE_ACCESS, "second-level table cannot be read")                                                         \
    X(0x08, ROOT_ACCESS, "root table cannot be read")                                                                  \
    X(0x09, CONTEXT_ACCESS, "context table cannot be read")                                                            \
    X(0x0A, ROOT_RESERVED, "reserved bits in a root entry")                                                            \
    X(0x0B, CONTEXT_RESERVED, "reserved bits in a context entry")                                                      \
    X(0x0C, TABLE_RESERVED, "reserved bits in a second-level entry")                                                   \
    X(0x0D, TYPE_BLOCKED, "translation type blocks translation requests and translated requests")                      \
    X(0x0E, INTERRUPT_ADDRESS, "output address in the interrupt range")                                                \
    X(0x20, IR_REQUEST_RESERVED, "reserved bits in an interrupt request")                                              \
    X(0x21, IR_INDEX, "interrupt index beyond the table")                                                              \
    X(0x22, IR_P, "interrupt-remapping entry not present")                                                             \
    X(0x23, IR_ACCESS, "interrupt-remapping table cannot be read")                                                     \
    X(0x24, IR_RESERVED, "reserved bits in an interrupt-remapping entry")                                              \
    X(0x25, IR_COMPATIBILITY, "compatibility-format interrupt blocked")                                                \
    X(0x26, IR_SOURCE, "source-id of an interrupt not allowed")                                                        \
    X(0x27, PI_ACCESS, "posted-interrupt descriptor cannot be accessed")                                               \
    X(0x28, PI_RESERVED, "reserved bits in a posted-interrupt descriptor")                                             \
    X(0x30, S_ROOT_POINTER, "root-table pointer programmed wrongly")                                                   \
    X(0x31, S_LEGACY_PASID, "request with PASID in legacy mode")                                                       \
    X(0x32, S_LEGACY_PAGE_REQUEST, "page request in legacy mode")                                                      \
    X(0x38, S_ROOT_ACCESS, "root table cannot be read")                                                                \
    X(0x39, S_ROOT_P, "root entry not present")                                                                        \
    X(0x3A, S_ROOT_RESERVED, "reserved bits in a root entry")                                                          \
    X(0x40, S_CONTEXT_ACCESS, "context table cannot be read")                                                          \
    X(0x41, S_CONTEXT_P, "context entry not present")                                                                  \
    X(0x42, S_CONTEXT_RESERVED, "reserved bits in a context entry")                                                    \
    X(0x43, S_CONTEXT_INVALID, "context entry programmed wrongly")                                                     \
    X(0x44, S_DTE, "device-TLB requests not enabled")                                                                  \
    X(0x45, S_PASIDE, "requests with PASID not enabled")                                                               \
    X(0x46, S_PASID_LARGE, "PASID beyond the directory")                                                               \
    X(0x47, S_PRE, "page requests not enabled")                                                                        \
    X(0x48, S_RID_PASID, "PASID for requests without PASID beyond the directory")                                      \
    X(0x50, S_DIRECTORY_ACCESS, "PASID directory cannot be read")                                                      \
    X(0x51, S_DIRECTORY_P, "PASID directory entry not present")                                                        \
    X(0x52, S_DIRECTORY_RESERVED, "reserved bits in a PASID directory entry")                                          \
    X(0x58, S_PASID_ACCESS, "PASID table cannot be read")                                                              \
    X(0x59, S_PASID_P, "PASID table entry not present")                                                                \
    X(0x5A, S_PASID_RESERVED, "reserved bits in a PASID table entry")                                                  \
    X(0x5B, S_PASID_INVALID, "PASID table entry programmed wrongly")                                                   \
    X(0x5C, S_ERE, "execute requests not enabled")                                                                     \
    X(0x5D, S_SRE, "supervisor requests not enabled")                                                                  \
    X(0x70, F_ACCESS, "first-level table cannot be read")                                                              \
    X(0x71, F_P, "first-level entry not present")                                                                      \
    X(0x72, F_RESERVED, "reserved bits in a first-level entry")                                                        \
    X(0x73, F_ROOT_ACCESS, "first-level root table cannot be read")                                                    \
    X(0x74, N_BEYOND, "first-level table beyond the guest address width, nested")                                      \
    X(0x75, N_ROOT_READ, "no second-level read permission for the first-level root table")                             \
    X(0x76, N_READ, "no second-level read permission for a first-level table")                                         \
    X(0x77, N_WRITE, "no second-level write permission to set A or D in a first-level table")                          \
    X(0x78, S_TABLE_ACCESS, "second-level table cannot be read")                                                       \
    X(0x79, S_TABLE_P, "second-level entry not present")                                                               \
    X(0x7A, S_TABLE_RESERVED, "reserved bits in a second-level entry")                                                 \
    X(0x7B, S_TABLE_ROOT_ACCESS, "second-level root table cannot be read")                                             \
    X(0x7C, S_TABLE_AD, "A or D to be set in a second-level entry without snooping")                                   \
    X(0x80, F_CANONICAL, "address not canonical")                                                                      \
    X(0x81, F_USER, "user request to a supervisor page")                                                               \
    X(0x82, F_EXECUTE, "no execute permission")                                                                        \
    X(0x83, S_BEYOND, "address beyond the second-level tables")                                                        \
    X(0x84, N_OUTPUT_BEYOND, "output of the first level beyond the second-level tables")                               \
    X(0x85, S_WRITE, "no write permission")                                                                            \
    X(0x86, S_READ, "no read permission")                                                                              \
    X(0x87, S_INTERRUPT_ADDRESS, "output address in the interrupt range")                                              \
    X(0x90, F_AD, "A or D to be set in a first-level entry without snooping")

#define VX_VTD_FAULT_ENUM(number, name, text) VX_VTD_FAULT_##name = (number),
typedef enum vx_vtd_fault {
    VX_VTD_FAULT_NONE = 0,
    VX_VTD_FAULTS(VX_VTD_FAULT_ENUM) VX_VTD_FAULT_END = 0x100
} vx_vtd_fault;
#undef VX_VTD_FAULT_ENUM

/* One sentence without its full stop; NULL where the number is no reason of this model. */
const char *vx_vtd_fault_text(unsigned reason);

/* ---- table entries ---- */

/* Root: 16 bytes a bus. Legacy: P and context table in the first word. Scalable: devices 0-15 in the first word, 16-31
 * in the second. */
#define VX_VTD_ROOT_P (1ULL << 0)
/* Legacy context entry, 16 bytes. First word. */
#define VX_VTD_CONTEXT_P (1ULL << 0)
#define VX_VTD_CONTEXT_FPD (1ULL << 1) /* fault processing disabled; in scalable and PASID entries too */
#define VX_VTD_CONTEXT_TYPE_SHIFT 2    /* 3:2 */
#define VX_VTD_TYPE_UNTRANSLATED 0U    /* untranslated requests only */
#define VX_VTD_TYPE_ALL 1U             /* translation requests and translated ones too */
#define VX_VTD_TYPE_PASS_THROUGH 2U
/* Second word: AW 2:0 (levels - 2), domain-id 23:8. */
#define VX_VTD_CONTEXT_DOMAIN_SHIFT 8
/* Scalable context entry, 32 bytes. First word: PASID directory 63:12. */
#define VX_VTD_CONTEXT_DTE (1ULL << 2)
#define VX_VTD_CONTEXT_PASIDE (1ULL << 3)
#define VX_VTD_CONTEXT_PRE (1ULL << 4)
#define VX_VTD_CONTEXT_PDTS_SHIFT 9 /* 11:9: the directory has 2^(PDTS + 7) entries */
/* Second word: RID_PASID 19:0. */
#define VX_VTD_CONTEXT_RID_PRIV (1ULL << 20)
/* PASID directory entry, 8 bytes for 64 PASIDs: P, FPD, table 63:12. PASID table entry, 64 bytes. First word. */
#define VX_VTD_PASID_P (1ULL << 0)
#define VX_VTD_PASID_AW_SHIFT 2        /* 4:2, levels - 2 */
#define VX_VTD_PASID_TYPE_SHIFT 6      /* PGTT 8:6 */
#define VX_VTD_PASID_SLADE (1ULL << 9) /* A and D flags of the second level; its table in 63:12 */
typedef enum vx_vtd_pgtt {
    VX_VTD_PGTT_FIRST = 1,
    VX_VTD_PGTT_SECOND = 2,
    VX_VTD_PGTT_NESTED = 3,
    VX_VTD_PGTT_PASS_THROUGH = 4
} vx_vtd_pgtt;
/* Second word: domain-id 15:0. */
#define VX_VTD_PASID_PWSNP (1ULL << 23) /* page walks snoop: without it A and D cannot be set */
/* Third word: first-level table 63:12. */
#define VX_VTD_PASID_SRE (1ULL << 0)
#define VX_VTD_PASID_ERE (1ULL << 1)
#define VX_VTD_PASID_FLPM_SHIFT 2 /* 3:2: 0 four levels, 1 five */
#define VX_VTD_PASID_WPE (1ULL << 4)
#define VX_VTD_PASID_NXE (1ULL << 5)

/* Second-level entries; first-level ones are those of 4- and 5-level paging (vx_radix.h). */
#define VX_VTD_SL_R (1ULL << 0)
#define VX_VTD_SL_W (1ULL << 1)
#define VX_VTD_SL_A (1ULL << 8)
#define VX_VTD_SL_D (1ULL << 9)
/* Tables of 3 (39-bit), 4 and 5 levels; NULL for other numbers. */
const vx_radix *vx_vtd_second_level(unsigned levels);

/* ---- invalidation descriptors (first word unless said) ---- */

typedef enum vx_vtd_descriptor {
    VX_VTD_DESC_CONTEXT = 1,      /* G 5:4, DID 31:16, SID 47:32, FM 49:48 */
    VX_VTD_DESC_IOTLB = 2,        /* G 5:4, DID 31:16; second word: AM 5:0, IH 6, address 63:12 */
    VX_VTD_DESC_DEVICE = 3,       /* SID 47:32; second word: S 0, address 63:12 */
    VX_VTD_DESC_INTERRUPT = 4,    /* G 4 (1: by index), IM 31:27, IIDX 47:32 */
    VX_VTD_DESC_WAIT = 5,         /* IF 4, SW 5, FN 6, data 63:32; second word: status address 63:2 */
    VX_VTD_DESC_PASID_IOTLB = 6,  /* G 5:4 (2 PASID, 3 page), DID 31:16, PASID 51:32; second word as IOTLB */
    VX_VTD_DESC_PASID_CACHE = 7,  /* G 5:4 (0 domain, 1 PASID, 3 global), DID 31:16, PASID 51:32 */
    VX_VTD_DESC_PASID_DEVICE = 8, /* PASID 51:32, SID 31:16; second word: G 0, S 11, address 63:12 */
    VX_VTD_DESC_PAGE_RESPONSE = 9 /* PP 4, RC 15:12, SID 31:16, PASID 51:32; second word: group 11:3 */
} vx_vtd_descriptor;
#define VX_VTD_WAIT_IF (1ULL << 4)
#define VX_VTD_WAIT_SW (1ULL << 5)
#define VX_VTD_WAIT_FN (1ULL << 6)

/* ---- interrupts ---- */

#define VX_VTD_INTERRUPT_RANGE 0xFEE00000ULL    /* 1 MiB */
#define VX_VTD_INTERRUPT_REMAPPABLE (1ULL << 4) /* of the message address */
#define VX_VTD_INTERRUPT_SHV (1ULL << 3)
/* Interrupt-remapping table entry, 16 bytes. First word. */
#define VX_VTD_IRTE_P (1ULL << 0)
#define VX_VTD_IRTE_FPD (1ULL << 1)
#define VX_VTD_IRTE_LOGICAL (1ULL << 2)
#define VX_VTD_IRTE_RH (1ULL << 3)
#define VX_VTD_IRTE_LEVEL (1ULL << 4)
#define VX_VTD_IRTE_MODE_SHIFT 5        /* delivery mode 7:5 */
#define VX_VTD_IRTE_URGENT (1ULL << 14) /* posted */
#define VX_VTD_IRTE_POSTED (1ULL << 15)
#define VX_VTD_IRTE_VECTOR_SHIFT 16
#define VX_VTD_IRTE_DESTINATION_SHIFT 32 /* remapped; xAPIC: 47:40 */
/* Posted: descriptor's address bits 31:6 in 63:38, 63:32 in the second word's upper half. */
/* Second word: SID 15:0, SQ 17:16, SVT 19:18 (0 none, 1 by SID and SQ, 2 by bus). */
#define VX_VTD_IRTE_SQ_SHIFT 16
#define VX_VTD_IRTE_SVT_SHIFT 18

#endif
