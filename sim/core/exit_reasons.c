/* The names and numbers of exit reasons.
 *
 * Intel: basic exit reasons, SDM Vol. 3D Appendix C. AMD: EXITCODE, APM Vol. 2 Appendix C. Names are the strings of
 * Linux 6.1 (arch/x86/include/uapi/asm/vmx.h, VMX_EXIT_REASONS, and svm.h, SVM_EXIT_REASONS) with blanks as '_', so
 * that a measured table of `perf kvm stat` and a modelled one can be joined by name. A name that Linux lacks is the
 * manual's, and its description says so by the suffix "(manual)".
 *
 * AMD's negative EXITCODEs are 64 bits wide; here their low half stands for them. NOT MODELLED: the software-defined
 * codes of SEV-ES guests. */
#include "vx_exit.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* {name, number, description, trap-like} */
static const vx_exit_reason intel[] = {
    {"EXCEPTION_NMI", 0, "exception or non-maskable interrupt", false},
    {"EXTERNAL_INTERRUPT", 1, "external interrupt", false},
    {"TRIPLE_FAULT", 2, "triple fault", false},
    {"INIT_SIGNAL", 3, "INIT signal", false},
    {"SIPI_SIGNAL", 4, "start-up interprocessor interrupt", false},
    {"IO_SMI", 5, "system-management interrupt after an I/O instruction (manual)", true},
    {"OTHER_SMI", 6, "other system-management interrupt (manual)", false},
    {"INTERRUPT_WINDOW", 7, "guest ready to receive an interrupt", false},
    {"NMI_WINDOW", 8, "guest ready to receive a non-maskable interrupt", false},
    {"TASK_SWITCH", 9, "task switch", false},
    {"CPUID", 10, "CPUID", false},
    {"GETSEC", 11, "GETSEC (manual)", false},
    {"HLT", 12, "HLT", false},
    {"INVD", 13, "INVD", false},
    {"INVLPG", 14, "INVLPG", false},
    {"RDPMC", 15, "RDPMC", false},
    {"RDTSC", 16, "RDTSC", false},
    {"RSM", 17, "RSM in system-management mode (manual)", false},
    {"VMCALL", 18, "VMCALL", false},
    {"VMCLEAR", 19, "VMCLEAR", false},
    {"VMLAUNCH", 20, "VMLAUNCH", false},
    {"VMPTRLD", 21, "VMPTRLD", false},
    {"VMPTRST", 22, "VMPTRST", false},
    {"VMREAD", 23, "VMREAD", false},
    {"VMRESUME", 24, "VMRESUME", false},
    {"VMWRITE", 25, "VMWRITE", false},
    {"VMOFF", 26, "VMXOFF", false},
    {"VMON", 27, "VMXON", false},
    {"CR_ACCESS", 28, "control-register access", false},
    {"DR_ACCESS", 29, "MOV DR", false},
    {"IO_INSTRUCTION", 30, "IN, INS, OUT or OUTS", false},
    {"MSR_READ", 31, "RDMSR", false},
    {"MSR_WRITE", 32, "WRMSR", false},
    {"INVALID_STATE", 33, "VM entry failed: invalid guest state", false},
    {"MSR_LOAD_FAIL", 34, "VM entry failed: loading of MSRs", false},
    {"MWAIT_INSTRUCTION", 36, "MWAIT", false},
    {"MONITOR_TRAP_FLAG", 37, "monitor trap flag", true},
    {"MONITOR_INSTRUCTION", 39, "MONITOR", false},
    {"PAUSE_INSTRUCTION", 40, "PAUSE", false},
    {"MCE_DURING_VMENTRY", 41, "VM entry failed: machine check", false},
    {"TPR_BELOW_THRESHOLD", 43, "virtual task priority below the TPR threshold", true},
    {"APIC_ACCESS", 44, "access to the APIC-access page", false},
    {"EOI_INDUCED", 45, "virtualized end of interrupt", true},
    {"GDTR_IDTR", 46, "LGDT, LIDT, SGDT or SIDT", false},
    {"LDTR_TR", 47, "LLDT, LTR, SLDT or STR", false},
    {"EPT_VIOLATION", 48, "access that the EPT does not allow", false},
    {"EPT_MISCONFIG", 49, "EPT entry with an illegal value", false},
    {"INVEPT", 50, "INVEPT", false},
    {"RDTSCP", 51, "RDTSCP", false},
    {"PREEMPTION_TIMER", 52, "VMX-preemption timer at zero", false},
    {"INVVPID", 53, "INVVPID", false},
    {"WBINVD", 54, "WBINVD or WBNOINVD", false},
    {"XSETBV", 55, "XSETBV", false},
    {"APIC_WRITE", 56, "virtualized APIC write that software completes", true},
    {"RDRAND", 57, "RDRAND", false},
    {"INVPCID", 58, "INVPCID", false},
    {"VMFUNC", 59, "VMFUNC of a function that is not enabled", false},
    {"ENCLS", 60, "ENCLS", false},
    {"RDSEED", 61, "RDSEED", false},
    {"PML_FULL", 62, "page-modification log full", false},
    {"XSAVES", 63, "XSAVES", false},
    {"XRSTORS", 64, "XRSTORS", false},
    {"PCONFIG", 65, "PCONFIG (manual)", false},
    {"SPP_EVENT", 66, "sub-page permission miss or misconfiguration (manual)", false},
    {"UMWAIT", 67, "UMWAIT", false},
    {"TPAUSE", 68, "TPAUSE", false},
    {"LOADIWKEY", 69, "LOADIWKEY (manual)", false},
    {"ENCLV", 70, "ENCLV (manual)", false},
    {"ENQCMD_PASID", 72, "ENQCMD: PASID translation failure (manual)", false},
    {"ENQCMDS_PASID", 73, "ENQCMDS: PASID translation failure (manual)", false},
    {"BUS_LOCK", 74, "assertion of a bus lock", true},
    {"NOTIFY", 75, "instruction timeout", false},
    {"SEAMCALL", 76, "SEAMCALL (manual)", false},
    {"TDCALL", 77, "TDCALL (manual)", false},
};

static const vx_exit_reason amd[] = {
    {"read_cr0", 0x000, "MOV from CR0, SMSW", false},
    {"CR1_READ", 0x001, "MOV from CR1 (manual)", false},
    {"read_cr2", 0x002, "MOV from CR2", false},
    {"read_cr3", 0x003, "MOV from CR3", false},
    {"read_cr4", 0x004, "MOV from CR4", false},
    {"CR5_READ", 0x005, "MOV from CR5 (manual)", false},
    {"CR6_READ", 0x006, "MOV from CR6 (manual)", false},
    {"CR7_READ", 0x007, "MOV from CR7 (manual)", false},
    {"read_cr8", 0x008, "MOV from CR8", false},
    {"CR9_READ", 0x009, "MOV from CR9 (manual)", false},
    {"CR10_READ", 0x00a, "MOV from CR10 (manual)", false},
    {"CR11_READ", 0x00b, "MOV from CR11 (manual)", false},
    {"CR12_READ", 0x00c, "MOV from CR12 (manual)", false},
    {"CR13_READ", 0x00d, "MOV from CR13 (manual)", false},
    {"CR14_READ", 0x00e, "MOV from CR14 (manual)", false},
    {"CR15_READ", 0x00f, "MOV from CR15 (manual)", false},
    {"write_cr0", 0x010, "MOV to CR0, CLTS, LMSW", false},
    {"CR1_WRITE", 0x011, "MOV to CR1 (manual)", false},
    {"write_cr2", 0x012, "MOV to CR2", false},
    {"write_cr3", 0x013, "MOV to CR3", false},
    {"write_cr4", 0x014, "MOV to CR4", false},
    {"CR5_WRITE", 0x015, "MOV to CR5 (manual)", false},
    {"CR6_WRITE", 0x016, "MOV to CR6 (manual)", false},
    {"CR7_WRITE", 0x017, "MOV to CR7 (manual)", false},
    {"write_cr8", 0x018, "MOV to CR8", false},
    {"CR9_WRITE", 0x019, "MOV to CR9 (manual)", false},
    {"CR10_WRITE", 0x01a, "MOV to CR10 (manual)", false},
    {"CR11_WRITE", 0x01b, "MOV to CR11 (manual)", false},
    {"CR12_WRITE", 0x01c, "MOV to CR12 (manual)", false},
    {"CR13_WRITE", 0x01d, "MOV to CR13 (manual)", false},
    {"CR14_WRITE", 0x01e, "MOV to CR14 (manual)", false},
    {"CR15_WRITE", 0x01f, "MOV to CR15 (manual)", false},
    {"read_dr0", 0x020, "MOV from DR0", false},
    {"read_dr1", 0x021, "MOV from DR1", false},
    {"read_dr2", 0x022, "MOV from DR2", false},
    {"read_dr3", 0x023, "MOV from DR3", false},
    {"read_dr4", 0x024, "MOV from DR4", false},
    {"read_dr5", 0x025, "MOV from DR5", false},
    {"read_dr6", 0x026, "MOV from DR6", false},
    {"read_dr7", 0x027, "MOV from DR7", false},
    {"DR8_READ", 0x028, "MOV from DR8 (manual)", false},
    {"DR9_READ", 0x029, "MOV from DR9 (manual)", false},
    {"DR10_READ", 0x02a, "MOV from DR10 (manual)", false},
    {"DR11_READ", 0x02b, "MOV from DR11 (manual)", false},
    {"DR12_READ", 0x02c, "MOV from DR12 (manual)", false},
    {"DR13_READ", 0x02d, "MOV from DR13 (manual)", false},
    {"DR14_READ", 0x02e, "MOV from DR14 (manual)", false},
    {"DR15_READ", 0x02f, "MOV from DR15 (manual)", false},
    {"write_dr0", 0x030, "MOV to DR0", false},
    {"write_dr1", 0x031, "MOV to DR1", false},
    {"write_dr2", 0x032, "MOV to DR2", false},
    {"write_dr3", 0x033, "MOV to DR3", false},
    {"write_dr4", 0x034, "MOV to DR4", false},
    {"write_dr5", 0x035, "MOV to DR5", false},
    {"write_dr6", 0x036, "MOV to DR6", false},
    {"write_dr7", 0x037, "MOV to DR7", false},
    {"DR8_WRITE", 0x038, "MOV to DR8 (manual)", false},
    {"DR9_WRITE", 0x039, "MOV to DR9 (manual)", false},
    {"DR10_WRITE", 0x03a, "MOV to DR10 (manual)", false},
    {"DR11_WRITE", 0x03b, "MOV to DR11 (manual)", false},
    {"DR12_WRITE", 0x03c, "MOV to DR12 (manual)", false},
    {"DR13_WRITE", 0x03d, "MOV to DR13 (manual)", false},
    {"DR14_WRITE", 0x03e, "MOV to DR14 (manual)", false},
    {"DR15_WRITE", 0x03f, "MOV to DR15 (manual)", false},
    {"DE_excp", 0x040, "divide error", false},
    {"DB_excp", 0x041, "debug exception", false},
    {"EXCP2", 0x042, "exception vector 2 (manual)", false},
    {"BP_excp", 0x043, "breakpoint", false},
    {"OF_excp", 0x044, "overflow", false},
    {"BR_excp", 0x045, "bound range exceeded", false},
    {"UD_excp", 0x046, "invalid opcode", false},
    {"NM_excp", 0x047, "device not available", false},
    {"DF_excp", 0x048, "double fault", false},
    {"EXCP9", 0x049, "exception vector 9 (manual)", false},
    {"TS_excp", 0x04a, "invalid TSS", false},
    {"NP_excp", 0x04b, "segment not present", false},
    {"SS_excp", 0x04c, "stack fault", false},
    {"GP_excp", 0x04d, "general protection", false},
    {"PF_excp", 0x04e, "page fault", false},
    {"EXCP15", 0x04f, "exception vector 15 (manual)", false},
    {"MF_excp", 0x050, "x87 floating-point error", false},
    {"AC_excp", 0x051, "alignment check", false},
    {"MC_excp", 0x052, "machine check", false},
    {"XF_excp", 0x053, "SIMD floating-point exception", false},
    {"EXCP20", 0x054, "exception vector 20 (manual)", false},
    {"EXCP21", 0x055, "exception vector 21 (manual)", false},
    {"EXCP22", 0x056, "exception vector 22 (manual)", false},
    {"EXCP23", 0x057, "exception vector 23 (manual)", false},
    {"EXCP24", 0x058, "exception vector 24 (manual)", false},
    {"EXCP25", 0x059, "exception vector 25 (manual)", false},
    {"EXCP26", 0x05a, "exception vector 26 (manual)", false},
    {"EXCP27", 0x05b, "exception vector 27 (manual)", false},
    {"EXCP28", 0x05c, "exception vector 28 (manual)", false},
    {"EXCP29", 0x05d, "exception vector 29 (manual)", false},
    {"EXCP30", 0x05e, "exception vector 30 (manual)", false},
    {"EXCP31", 0x05f, "exception vector 31 (manual)", false},
    {"interrupt", 0x060, "physical maskable interrupt", false},
    {"nmi", 0x061, "physical non-maskable interrupt", false},
    {"smi", 0x062, "system-management interrupt", false},
    {"init", 0x063, "INIT signal", false},
    {"vintr", 0x064, "guest ready to receive a virtual interrupt", false},
    {"cr0_sel_write", 0x065, "write of CR0 that changes more than TS and MP", false},
    {"read_idtr", 0x066, "SIDT", false},
    {"read_gdtr", 0x067, "SGDT", false},
    {"read_ldtr", 0x068, "SLDT", false},
    {"read_rt", 0x069, "STR", false},
    {"write_idtr", 0x06a, "LIDT", false},
    {"write_gdtr", 0x06b, "LGDT", false},
    {"write_ldtr", 0x06c, "LLDT", false},
    {"write_rt", 0x06d, "LTR", false},
    {"rdtsc", 0x06e, "RDTSC", false},
    {"rdpmc", 0x06f, "RDPMC", false},
    {"pushf", 0x070, "PUSHF", false},
    {"popf", 0x071, "POPF", false},
    {"cpuid", 0x072, "CPUID", false},
    {"rsm", 0x073, "RSM", false},
    {"iret", 0x074, "IRET", false},
    {"swint", 0x075, "INT n", false},
    {"invd", 0x076, "INVD", false},
    {"pause", 0x077, "PAUSE", false},
    {"hlt", 0x078, "HLT", false},
    {"invlpg", 0x079, "INVLPG", false},
    {"invlpga", 0x07a, "INVLPGA", false},
    {"io", 0x07b, "IN, INS, OUT or OUTS", false},
    {"msr", 0x07c, "RDMSR or WRMSR", false},
    {"task_switch", 0x07d, "task switch", false},
    {"ferr_freeze", 0x07e, "FERR freeze of the x87 unit", false},
    {"shutdown", 0x07f, "shutdown", false},
    {"vmrun", 0x080, "VMRUN", false},
    {"hypercall", 0x081, "VMMCALL", false},
    {"vmload", 0x082, "VMLOAD", false},
    {"vmsave", 0x083, "VMSAVE", false},
    {"stgi", 0x084, "STGI", false},
    {"clgi", 0x085, "CLGI", false},
    {"skinit", 0x086, "SKINIT", false},
    {"rdtscp", 0x087, "RDTSCP", false},
    {"icebp", 0x088, "ICEBP", false},
    {"wbinvd", 0x089, "WBINVD or WBNOINVD", false},
    {"monitor", 0x08a, "MONITOR or MONITORX", false},
    {"mwait", 0x08b, "MWAIT or MWAITX", false},
    {"MWAIT_CONDITIONAL", 0x08c, "MWAIT with the monitor armed (manual)", false},
    {"xsetbv", 0x08d, "XSETBV", false},
    {"RDPRU", 0x08e, "RDPRU (manual)", false},
    {"write_efer_trap", 0x08f, "after a write of EFER", true},
    {"write_cr0_trap", 0x090, "after a write of CR0", true},
    {"CR1_WRITE_TRAP", 0x091, "after a write of CR1 (manual)", true},
    {"CR2_WRITE_TRAP", 0x092, "after a write of CR2 (manual)", true},
    {"CR3_WRITE_TRAP", 0x093, "after a write of CR3 (manual)", true},
    {"write_cr4_trap", 0x094, "after a write of CR4", true},
    {"CR5_WRITE_TRAP", 0x095, "after a write of CR5 (manual)", true},
    {"CR6_WRITE_TRAP", 0x096, "after a write of CR6 (manual)", true},
    {"CR7_WRITE_TRAP", 0x097, "after a write of CR7 (manual)", true},
    {"write_cr8_trap", 0x098, "after a write of CR8", true},
    {"CR9_WRITE_TRAP", 0x099, "after a write of CR9 (manual)", true},
    {"CR10_WRITE_TRAP", 0x09a, "after a write of CR10 (manual)", true},
    {"CR11_WRITE_TRAP", 0x09b, "after a write of CR11 (manual)", true},
    {"CR12_WRITE_TRAP", 0x09c, "after a write of CR12 (manual)", true},
    {"CR13_WRITE_TRAP", 0x09d, "after a write of CR13 (manual)", true},
    {"CR14_WRITE_TRAP", 0x09e, "after a write of CR14 (manual)", true},
    {"CR15_WRITE_TRAP", 0x09f, "after a write of CR15 (manual)", true},
    {"INVLPGB", 0x0a0, "INVLPGB (manual)", false},
    {"INVLPGB_ILLEGAL", 0x0a1, "illegally specified INVLPGB (manual)", false},
    {"invpcid", 0x0a2, "INVPCID", false},
    {"MCOMMIT", 0x0a3, "MCOMMIT (manual)", false},
    {"TLBSYNC", 0x0a4, "TLBSYNC (manual)", false},
    {"BUSLOCK", 0x0a5, "bus lock above the threshold (manual)", true},
    {"IDLE_HLT", 0x0a6, "HLT while no virtual interrupt is pending (manual)", false},
    {"npf", 0x400, "nested page fault", false},
    {"avic_incomplete_ipi", 0x401, "AVIC: interprocessor interrupt that software completes", true},
    {"avic_unaccelerated_access", 0x402, "AVIC: access to a register without acceleration", false},
    {"vmgexit", 0x403, "VMGEXIT", false},
    {"INVALID_PMC", 0xfffffffc, "VMRUN failed: invalid state of performance counters (manual)", false},
    {"IDLE_REQUIRED", 0xfffffffd, "VMRUN failed: the sibling thread is not idle (manual)", false},
    {"BUSY", 0xfffffffe, "VMRUN failed: the save area is in use (manual)", false},
    {"invalid_guest_state", 0xffffffff, "VMRUN failed: invalid guest state", false},
};

typedef struct reason_table {
    const vx_exit_reason *rows;
    unsigned count;
} reason_table;

static reason_table table_of(vx_vendor vendor)
{
    if (vendor == VX_VENDOR_AMD) return (reason_table){amd, COUNT(amd)};
    return (reason_table){intel, COUNT(intel)};
}

unsigned vx_exit_reason_count(vx_vendor vendor) { return table_of(vendor).count; }

const vx_exit_reason *vx_exit_reason_at(vx_vendor vendor, unsigned index)
{
    reason_table table = table_of(vendor);
    return index < table.count ? &table.rows[index] : NULL;
}

int vx_exit_reason_index(vx_vendor vendor, uint32_t number)
{
    reason_table table = table_of(vendor);
    unsigned low = 0, high = table.count; /* rows are in order of number */
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (table.rows[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < table.count && table.rows[low].number == number ? (int)low : -1;
}

int vx_exit_reason_find(vx_vendor vendor, const char *name)
{
    reason_table table = table_of(vendor);
    for (unsigned i = 0; i < table.count; i++)
        if (strcmp(table.rows[i].name, name) == 0) return (int)i;
    return -1;
}
