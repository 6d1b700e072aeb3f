#include "vx_record.h"

#include <stdbool.h>

#include "vx_addr.h"

enum {
    INSTRUCTION_BYTES_MAX = 15, /* SDM Vol. 2A, 2.3.11 */
    PT_PAGE_WORDS_MAX = 2048,   /* 1024 entries of 4 bytes, an index and a value each */
    STATE_WORDS = 13,
};

/* {name, least and most payload words, largest size, is a reference, ends a filter} */
static const vx_record_info infos[VX_REC_KINDS] = {
    [VX_REC_FETCH] = {"fetch", 0, 0, 0, 1, 0},
    [VX_REC_LOAD] = {"load", 0, 0, 64, 1, 0},
    [VX_REC_STORE] = {"store", 0, 0, 64, 1, 0},
    [VX_REC_PT_STORE] = {"pt_store", 2, 2, 8, 1, 1},
    [VX_REC_PT_PAGE_NEW] = {"pt_page_new", 0, PT_PAGE_WORDS_MAX, 5, 0, 1},
    [VX_REC_PT_PAGE_GONE] = {"pt_page_gone", 0, 0, 0, 0, 1},
    [VX_REC_STATE] = {"state", STATE_WORDS, STATE_WORDS, 3, 0, 1},
    [VX_REC_SKIPPED] = {"skipped", 4, 4, 0, 0, 0},
    [VX_REC_GPA] = {"gpa", 0, 0, 0, 0, 0},
    [VX_REC_PROCESS] = {"process", 0, 0, 0, 0, 1},
    [VX_REC_MARK] = {"mark", 0, 0, 0, 0, 0},
    [VX_REC_CR_READ] = {"cr_read", 0, 0, 8, 0, 0},
    [VX_REC_CR_WRITE] = {"cr_write", 0, 0, 8, 0, 1},
    [VX_REC_CLTS] = {"clts", 0, 0, 0, 0, 0},
    [VX_REC_LMSW] = {"lmsw", 0, 0, 0, 0, 1},
    [VX_REC_EFER_LOAD] = {"efer_load", 0, 0, 0, 0, 1},
    [VX_REC_PDPTE_LOAD] = {"pdpte_load", 4, 4, 0, 0, 1},
    [VX_REC_INVLPG] = {"invlpg", 0, 0, 0, 0, 1},
    [VX_REC_INVPCID] = {"invpcid", 1, 1, 3, 0, 1},
    [VX_REC_EXCEPTION] = {"exception", 1, 1, 31, 0, 0},
    [VX_REC_INTERRUPT] = {"interrupt", 0, 0, 255, 0, 0},
    [VX_REC_INT_N] = {"int_n", 0, 0, 255, 0, 0},
    [VX_REC_IRET] = {"iret", 0, 0, 0, 0, 0},
    [VX_REC_SYSCALL] = {"syscall", 0, 0, 0, 0, 0},
    [VX_REC_SYSRET] = {"sysret", 0, 0, 0, 0, 0},
    [VX_REC_SYSENTER] = {"sysenter", 0, 0, 0, 0, 0},
    [VX_REC_SYSEXIT] = {"sysexit", 0, 0, 0, 0, 0},
    [VX_REC_CPL] = {"cpl", 0, 0, 3, 0, 0},
    [VX_REC_CPUID] = {"cpuid", 1, 1, 0, 0, 0},
    [VX_REC_HLT] = {"hlt", 0, 0, 0, 0, 0},
    [VX_REC_PAUSE] = {"pause", 0, 0, 0, 0, 0},
    [VX_REC_RDTSC] = {"rdtsc", 0, 0, 0, 0, 0},
    [VX_REC_RDTSCP] = {"rdtscp", 0, 0, 0, 0, 0},
    [VX_REC_RDPMC] = {"rdpmc", 0, 0, 0, 0, 0},
    [VX_REC_INVD] = {"invd", 0, 0, 0, 0, 0},
    [VX_REC_WBINVD] = {"wbinvd", 0, 0, 0, 0, 0},
    [VX_REC_MONITOR] = {"monitor", 0, 0, 0, 0, 0},
    [VX_REC_MWAIT] = {"mwait", 0, 0, 0, 0, 0},
    [VX_REC_XSETBV] = {"xsetbv", 0, 0, 255, 0, 0},
    [VX_REC_DR_READ] = {"dr_read", 0, 0, 7, 0, 0},
    [VX_REC_DR_WRITE] = {"dr_write", 0, 0, 7, 0, 0},
    [VX_REC_DESC_TABLE] = {"desc_table", 0, 0, VX_DESC_TABLES - 1, 0, 0},
    [VX_REC_CLI] = {"cli", 0, 0, 0, 0, 0},
    [VX_REC_STI] = {"sti", 0, 0, 0, 0, 0},
    [VX_REC_PUSHF] = {"pushf", 0, 0, 0, 0, 0},
    [VX_REC_POPF] = {"popf", 0, 0, 0, 0, 0},
    [VX_REC_SWAPGS] = {"swapgs", 0, 0, 0, 0, 0},
    [VX_REC_RDMSR] = {"rdmsr", 1, 1, 0, 0, 0},
    [VX_REC_WRMSR] = {"wrmsr", 1, 1, 0, 0, 0},
    [VX_REC_IO_IN] = {"io_in", 2, 2, 4, 0, 0},
    [VX_REC_IO_OUT] = {"io_out", 2, 2, 4, 0, 0},
    [VX_REC_MMIO_READ] = {"mmio_read", 2, 2, 64, 0, 0},
    [VX_REC_MMIO_WRITE] = {"mmio_write", 2, 2, 64, 0, 0},
    [VX_REC_APIC_READ] = {"apic_read", 2, 2, 64, 0, 0},
    [VX_REC_APIC_WRITE] = {"apic_write", 2, 2, 64, 0, 0},
    /* A hypercall or a nested hypervisor's instruction may flush translations or load CR3. */
    [VX_REC_VMCALL] = {"vmcall", 0, 0, 0, 0, 1},
    [VX_REC_VMMCALL] = {"vmmcall", 0, 0, 0, 0, 1},
    [VX_REC_VMX] = {"vmx", 0, 0, 59, 0, 1},
    [VX_REC_SVM] = {"svm", 0, 0, 255, 0, 1},
    [VX_REC_DMA] = {"dma", 3, 3, 1, 0, 0},
    [VX_REC_DMA_MAP] = {"dma_map", 4, 4, 0, 0, 0},
    [VX_REC_DMA_UNMAP] = {"dma_unmap", 2, 2, 0, 0, 0},
    [VX_REC_MSI] = {"msi", 2, 2, 0, 0, 0},
    [VX_REC_INSTRUCTION] = {"instruction", 1, 1, VX_INSTRUCTIONS - 1, 0, 0},
    /* A task switch loads CR3. */
    [VX_REC_SIGNAL] = {"signal", 0, 0, VX_SIGNALS - 1, 0, 1},
};

static const char *const instructions[VX_INSTRUCTIONS] = {
    [VX_INSTRUCTION_GETSEC] = "getsec",       [VX_INSTRUCTION_RSM] = "rsm",
    [VX_INSTRUCTION_RDRAND] = "rdrand",       [VX_INSTRUCTION_RDSEED] = "rdseed",
    [VX_INSTRUCTION_XSAVES] = "xsaves",       [VX_INSTRUCTION_XRSTORS] = "xrstors",
    [VX_INSTRUCTION_ENCLS] = "encls",         [VX_INSTRUCTION_ENCLV] = "enclv",
    [VX_INSTRUCTION_PCONFIG] = "pconfig",     [VX_INSTRUCTION_UMONITOR] = "umonitor",
    [VX_INSTRUCTION_UMWAIT] = "umwait",       [VX_INSTRUCTION_TPAUSE] = "tpause",
    [VX_INSTRUCTION_LOADIWKEY] = "loadiwkey", [VX_INSTRUCTION_ENQCMD] = "enqcmd",
    [VX_INSTRUCTION_ENQCMDS] = "enqcmds",     [VX_INSTRUCTION_WBNOINVD] = "wbnoinvd",
    [VX_INSTRUCTION_RDPID] = "rdpid",         [VX_INSTRUCTION_SEAMCALL] = "seamcall",
    [VX_INSTRUCTION_TDCALL] = "tdcall",
};

static const char *const signals[VX_SIGNALS] = {
    [VX_SIGNAL_INIT] = "init",
    [VX_SIGNAL_SIPI] = "sipi",
    [VX_SIGNAL_SMI] = "smi",
    [VX_SIGNAL_NMI] = "nmi",
    [VX_SIGNAL_TASK_SWITCH] = "task_switch",
    [VX_SIGNAL_TRIPLE_FAULT] = "triple_fault",
    [VX_SIGNAL_BUS_LOCK] = "bus_lock",
};

const char *vx_instruction_name(unsigned instruction)
{
    return instruction < VX_INSTRUCTIONS ? instructions[instruction] : NULL;
}

const char *vx_signal_name(unsigned signal) { return signal < VX_SIGNALS ? signals[signal] : NULL; }

const vx_record_info *vx_record_describe(unsigned kind)
{
    return kind < VX_REC_KINDS && infos[kind].name ? &infos[kind] : NULL;
}

/* n instructions of 1 to 15 bytes each, of which the last starts within the page of the first. */
static bool fetch_valid(const vx_record *record)
{
    uint32_t count = record->count, bytes = record->arg;
    if (record->size != 0 || count == 0 || bytes < count || bytes > count * INSTRUCTION_BYTES_MAX) return false;
    uint32_t last_max = bytes - (count - 1); /* the others have a byte each at least */
    if (last_max > INSTRUCTION_BYTES_MAX) last_max = INSTRUCTION_BYTES_MAX;
    return record->addr % VX_PAGE_BYTES + bytes - last_max < VX_PAGE_BYTES;
}

static bool cr_valid(unsigned number) { return number == 0 || (number >= 2 && number <= 4) || number == 8; }

/* The VMX instructions' basic exit reasons: VMCLEAR to VMXON, INVEPT, INVVPID, VMFUNC (SDM Vol. 3D, Appendix C). */
static bool vmx_reason_valid(unsigned reason)
{
    return (reason >= 19 && reason <= 27) || reason == 50 || reason == 53 || reason == 59;
}

/* What the table's bounds do not say. */
static bool operands_valid(const vx_record *record)
{
    unsigned size = record->size;
    switch (record->kind) {
    case VX_REC_PT_STORE:
        return size == 4 || size == 8;
    case VX_REC_PT_PAGE_NEW:
        return size >= 1 && record->count % 2 == 0;
    case VX_REC_CR_READ:
    case VX_REC_CR_WRITE:
        return cr_valid(size);
    case VX_REC_PAUSE:
    case VX_REC_RDTSC:
        return record->addr >= 1 && record->addr <= VX_RUN_MAX;
    case VX_REC_IO_IN:
    case VX_REC_IO_OUT:
        return (size == 1 || size == 2 || size == 4) && record->addr <= 0xFFFF;
    case VX_REC_MMIO_READ:
    case VX_REC_MMIO_WRITE:
        return size >= 1;
    case VX_REC_APIC_READ:
    case VX_REC_APIC_WRITE:
        return size >= 1 && record->addr < VX_PAGE_BYTES;
    case VX_REC_VMX:
        return vmx_reason_valid(size);
    default:
        return true;
    }
}

static bool payload_valid(const vx_record *record, const vx_record_info *info, size_t words)
{
    return record->count >= info->words_min && record->count <= info->words_max && record->arg <= words &&
           record->count <= words - record->arg;
}

int vx_record_valid(const vx_record *record, size_t words)
{
    switch (record->kind) {
    case VX_REC_FETCH:
        return fetch_valid(record);
    case VX_REC_LOAD:
    case VX_REC_STORE:
        return record->count == 1 && record->arg == 0 && record->size >= 1 && record->size <= 64;
    default:
        break;
    }
    const vx_record_info *info = vx_record_describe(record->kind);
    return info && record->size <= info->size_max && payload_valid(record, info, words) && operands_valid(record);
}
