/* The decoded trace record: what a guest did, one record at a time, in program order.
 *
 * A system trace holds what the guest did, independent of how it is virtualized; it never says what exits
 * (docs/trace-format.md has the bytes). References are 16 bytes with no side data, so that the run loop streams them;
 * the rarer system events keep their further operands in the batch's payload.
 *
 * Instruction count: a record stands at the number of instructions executed up to and including its own. FETCH moves
 * the count by `count`, SKIPPED by its first payload word, nothing else moves it.
 *
 * NOT MODELLED: vector gather and scatter as such (they are several loads or stores). */
#ifndef VX_RECORD_H
#define VX_RECORD_H

#include <stddef.h>
#include <stdint.h>

/* The values are stored in files: never renumber, only append. 0 is no kind. */
typedef enum vx_record_kind {
    VX_REC_NONE = 0,
    /* References. addr: gva. */
    VX_REC_FETCH = 1, /* count: instructions that start in addr's 4 KiB page, back to back; arg: their bytes in all.
                         Where (addr mod 4096) + arg > 4096 the last instruction crosses into the next page. An
                         instruction has 1 to 15 bytes. size: 0 */
    VX_REC_LOAD = 2,  /* size: bytes, 1 to 64 */
    VX_REC_STORE = 3, /* size: bytes, 1 to 64 */
    /* A store to a live page-table page: reference and write in one. addr: gva, or VX_GVA_UNKNOWN where the recorder
     * kept no references (then it is no reference). size 4 or 8; payload: gpa, value. */
    VX_REC_PT_STORE = 4,
    VX_REC_PT_PAGE_NEW = 5, /* addr: gpa of the page; size: level 1-5; payload: (index, value) pairs of entries not 0 */
    VX_REC_PT_PAGE_GONE = 6, /* addr: gpa */
    /* Complete state: payload CR0, CR2, CR3, CR4, EFER, PDPTE0-3, bases of GDT, IDT, LDT, TSS; size: CPL. */
    VX_REC_STATE = 7,
    /* References that the recorder left out: payload instructions, fetches, loads, stores. The left-out references
     * are to pages that this stream's filter held (tier S), or unknown (tier E: 0, 0, 0). */
    VX_REC_SKIPPED = 8,
    VX_REC_GPA = 9,      /* addr: the guest-physical address that the recorder saw for the next reference */
    VX_REC_PROCESS = 10, /* user-level traces: addr is the identity of the process whose references follow */
    VX_REC_MARK = 11,    /* addr: region mark that the guest set */
    /* Control registers. */
    VX_REC_CR_READ = 16,  /* size: 0, 2, 3, 4 or 8; addr: value */
    VX_REC_CR_WRITE = 17, /* size: 0, 2, 3, 4 or 8; addr: value written */
    VX_REC_CLTS = 18,
    VX_REC_LMSW = 19,       /* addr: source operand */
    VX_REC_EFER_LOAD = 20,  /* addr: value; the WRMSR that loads it has no record of its own */
    VX_REC_PDPTE_LOAD = 21, /* payload: the four PDPTEs latched by the CR3 load before it */
    /* Translation. */
    VX_REC_INVLPG = 24,  /* addr: gva */
    VX_REC_INVPCID = 25, /* size: type 0-3; addr: gva; payload: PCID */
    /* Events and privilege. */
    VX_REC_EXCEPTION = 32, /* size: vector, 0 to 31; addr: CR2 where 14; payload: error code, 0 where it has none */
    VX_REC_INTERRUPT = 33, /* size: vector */
    VX_REC_INT_N = 34,     /* size: vector */
    VX_REC_IRET = 35,
    VX_REC_SYSCALL = 36,
    VX_REC_SYSRET = 37,
    VX_REC_SYSENTER = 38,
    VX_REC_SYSEXIT = 39,
    VX_REC_CPL = 40, /* size: the new current privilege level */
    /* Instructions a VMCS may make exit. */
    VX_REC_CPUID = 48, /* addr: leaf; payload: subleaf */
    VX_REC_HLT = 49,
    VX_REC_PAUSE = 50, /* addr: how many in a row, 1 to VX_RUN_MAX */
    VX_REC_RDTSC = 51, /* addr: how many in a row, 1 to VX_RUN_MAX */
    VX_REC_RDTSCP = 52,
    VX_REC_RDPMC = 53, /* addr: counter */
    VX_REC_INVD = 54,
    VX_REC_WBINVD = 55,
    VX_REC_MONITOR = 56, /* addr: gva */
    VX_REC_MWAIT = 57,
    VX_REC_XSETBV = 58,     /* addr: value; size: register */
    VX_REC_DR_READ = 59,    /* size: 0-7; addr: value */
    VX_REC_DR_WRITE = 60,   /* size: 0-7; addr: value */
    VX_REC_DESC_TABLE = 61, /* size: vx_desc_table; addr: base or selector */
    VX_REC_CLI = 62,
    VX_REC_STI = 63,
    VX_REC_PUSHF = 64,
    VX_REC_POPF = 65,
    VX_REC_SWAPGS = 66,
    VX_REC_RDMSR = 67, /* addr: MSR; payload: value */
    VX_REC_WRMSR = 68, /* addr: MSR; payload: value */
    /* Input and output. An MMIO or APIC record replaces its reference. */
    VX_REC_IO_IN = 72,      /* addr: port; size: 1, 2 or 4; payload: value, repetitions (0: no string instruction) */
    VX_REC_IO_OUT = 73,     /* as IO_IN */
    VX_REC_MMIO_READ = 74,  /* addr: gpa; size: bytes; payload: value, gva */
    VX_REC_MMIO_WRITE = 75, /* as MMIO_READ */
    VX_REC_APIC_READ = 76,  /* addr: offset in the APIC page; size: bytes; payload: value, gva */
    VX_REC_APIC_WRITE = 77, /* as APIC_READ */
    /* Virtualization instructions. */
    VX_REC_VMCALL = 80, /* addr: RAX */
    VX_REC_VMMCALL = 81,
    VX_REC_VMX = 82, /* size: the instruction's basic exit reason (SDM Appendix C), 19 to 27, 50, 53, 59; addr: operand
                        (VMREAD, VMWRITE: the field; VMFUNC: EAX, and ECX in bits 63:32) */
    VX_REC_SVM = 83, /* size: low byte of the intercept's EXITCODE; addr: operand */
    /* Devices. */
    VX_REC_DMA = 96,       /* addr: iova; size: 0 device reads memory, 1 writes; payload: source-id, PASID
                             (UINT32_MAX: none), bytes (0: not known) */
    VX_REC_DMA_MAP = 97,   /* addr: iova; payload: source-id, gpa, bytes, rights (1 read, 2 write) */
    VX_REC_DMA_UNMAP = 98, /* addr: iova; payload: source-id, bytes */
    VX_REC_MSI = 99,       /* addr: message address; payload: source-id, data */
    /* Rarer instructions and events, one kind each with a number of their own. */
    VX_REC_INSTRUCTION = 100, /* size: vx_instruction; addr: first operand; payload: second operand */
    VX_REC_SIGNAL = 101,      /* size: vx_signal; addr: its operand */
    VX_REC_KINDS = 102        /* one past the last */
} vx_record_kind;

typedef enum vx_desc_table {
    VX_DESC_SGDT,
    VX_DESC_SIDT,
    VX_DESC_LGDT,
    VX_DESC_LIDT,
    VX_DESC_SLDT,
    VX_DESC_STR,
    VX_DESC_LLDT,
    VX_DESC_LTR,
    VX_DESC_SMSW,
    VX_DESC_TABLES
} vx_desc_table;

/* Instructions without a record of their own, and their operands (first; second). Stored in files: only append. */
typedef enum vx_instruction {
    VX_INSTRUCTION_GETSEC, /* EAX */
    VX_INSTRUCTION_RSM,
    VX_INSTRUCTION_RDRAND,   /* value */
    VX_INSTRUCTION_RDSEED,   /* value */
    VX_INSTRUCTION_XSAVES,   /* EDX:EAX; IA32_XSS */
    VX_INSTRUCTION_XRSTORS,  /* EDX:EAX; IA32_XSS */
    VX_INSTRUCTION_ENCLS,    /* EAX */
    VX_INSTRUCTION_ENCLV,    /* EAX */
    VX_INSTRUCTION_PCONFIG,  /* EAX */
    VX_INSTRUCTION_UMONITOR, /* gva */
    VX_INSTRUCTION_UMWAIT,   /* EDX:EAX */
    VX_INSTRUCTION_TPAUSE,   /* EDX:EAX */
    VX_INSTRUCTION_LOADIWKEY,
    VX_INSTRUCTION_ENQCMD,  /* IA32_PASID; gva of the destination */
    VX_INSTRUCTION_ENQCMDS, /* low 32 bits of the source; gva of the destination */
    VX_INSTRUCTION_WBNOINVD,
    VX_INSTRUCTION_RDPID,
    VX_INSTRUCTION_SEAMCALL, /* RAX */
    VX_INSTRUCTION_TDCALL,   /* RAX */
    VX_INSTRUCTIONS
} vx_instruction;

/* What comes from outside the instruction stream, or ends it. Stored in files: only append. */
typedef enum vx_signal {
    VX_SIGNAL_INIT,
    VX_SIGNAL_SIPI, /* vector */
    VX_SIGNAL_SMI,
    VX_SIGNAL_NMI,
    VX_SIGNAL_TASK_SWITCH, /* selector of the TSS; bits 31:30: 0 CALL, 1 IRET, 2 JMP, 3 task gate in the IDT */
    VX_SIGNAL_TRIPLE_FAULT,
    VX_SIGNAL_BUS_LOCK,
    VX_SIGNALS
} vx_signal;

/* "rdrand", "task_switch", ...; NULL where there is none of that number. */
const char *vx_instruction_name(unsigned instruction);
const char *vx_signal_name(unsigned signal);

/* Longest run of PAUSE or RDTSC in one record: each of them may exit. */
#define VX_RUN_MAX (1ULL << 20)

/* In PT_STORE: the recorder kept no references. (Not canonical, so no guest can store there.) */
#define VX_GVA_UNKNOWN 0x8000000000000000ULL

typedef struct vx_record {
    uint64_t addr;
    uint32_t arg;   /* FETCH: bytes; LOAD, STORE: 0; others: index of the first payload word in the batch */
    uint16_t count; /* FETCH: instructions, at least 1; LOAD, STORE: 1; others: payload words */
    uint8_t size;
    uint8_t kind; /* vx_record_kind */
} vx_record;

_Static_assert(sizeof(vx_record) == 16, "the run loop streams 16-byte records");

/* What is true of every record of a kind; one table for readers, writers, `view`, exit conditions and docs. */
typedef struct vx_record_info {
    const char *name;   /* "load", "pt_store", ...; NULL: no such kind */
    uint16_t words_min; /* payload words, least and most */
    uint16_t words_max;
    uint8_t size_max;     /* largest legal `size` */
    uint8_t is_reference; /* counts as a reference (PT_STORE where its gva is known) */
    uint8_t ends_filter;  /* may change a translation: empties a tier S filter */
} vx_record_info;

/* NULL where `kind` is no kind. */
const vx_record_info *vx_record_describe(unsigned kind);

/* Records decoded together. Memory belongs to the source and lives until its next call. */
typedef struct vx_batch {
    const vx_record *records;
    size_t count; /* 0: end of the stream */
    const uint64_t *payload;
    size_t words;
} vx_batch;

/* Whether one record is well formed within its batch: kind known, payload within bounds and of legal length, size and
 * counts in range. Readers and importers both end in this one check. */
int vx_record_valid(const vx_record *record, size_t words);

#endif
