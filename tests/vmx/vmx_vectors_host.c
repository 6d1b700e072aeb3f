/* SDM Vol. 3C 26.2.2 to 26.2.4: the host-state area. The 32-bit host of 26.2.4 is a processor outside IA-32e mode,
 * which rows of ids "host-32-*" and "mode-not-ia32e" are run on (see test_vmx_checks.c). */
#include "vmx_vectors.h"

#define CET EXIT(B(28))
#define LINEAR(name, encoding, ...)                                                                                    \
    {                                                                                                                  \
        name, S(encoding, NOT_CANONICAL), S(encoding, CANONICAL), { __VA_ARGS__ }                                      \
    }
#define SELECTOR(name, encoding)                                                                                       \
    {"host-" name "-selector", O(encoding, 1), O(encoding, 8), {{0}}},                                                 \
        {"host-" name "-selector", O(encoding, 2), O(encoding, 8), {{0}}},                                             \
    {                                                                                                                  \
        "host-" name "-selector", O(encoding, 4), O(encoding, 8),                                                      \
        {                                                                                                              \
            {                                                                                                          \
                0                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
/* A 32-bit host with a 32-bit guest. */
#define NARROW C(EXIT_CONTROLS, B(9)), C(ENTRY_CONTROLS, B(9)), C(GUEST_CS_RIGHTS, B(13))

const vmx_vector vmx_host_vectors[] = {
    {"host-cr0", C(HOST_CR0, B(5)), O(HOST_CR0, B(16)), {{0}}},
    {"host-cr0", C(HOST_CR0, B(31)), O(HOST_CR0, B(29)), {{0}}},
    {"host-cr0", O(HOST_CR0, B(32)), O(HOST_CR0, B(30)), {{0}}},
    {"host-cr4", C(HOST_CR4, B(13)), O(HOST_CR4, B(7)), {{0}}},
    {"host-cr4", O(HOST_CR4, B(15)), O(HOST_CR4, B(20)), {{0}}},
    {"host-cet-wp", O(HOST_CR4, B(23)), O(HOST_CR0, B(16)), {{0}}},
    {"host-cr3", S(HOST_CR3, BEYOND), S(HOST_CR3, LAST_PAGE), {{0}}},
    {"host-cr3", S(HOST_CR3, B(63)), S(HOST_CR3, 0xFFF), {{0}}},
    LINEAR("host-sysenter-esp", HOST_SYSENTER_ESP, {0}),
    LINEAR("host-sysenter-eip", HOST_SYSENTER_EIP, {0}),
    {"host-perf-global-ctrl", S(HOST_PERF_GLOBAL_CTRL, B(8)), S(HOST_PERF_GLOBAL_CTRL, B(34) | 15), {EXIT(B(12))}},
    {"host-pat", S(HOST_PAT, 2), S(HOST_PAT, 1), {EXIT(B(19))}},
    {"host-pat", S(HOST_PAT, 0x0300000000000000), S(HOST_PAT, 0x0701040506070001), {EXIT(B(19))}},
    {"host-pat", S(HOST_PAT, 8), S(HOST_PAT, 7), {EXIT(B(19))}},
    {"host-efer-reserved", O(HOST_EFER, B(1)), O(HOST_EFER, B(0) | B(11)), {EXIT(B(21))}},
    {"host-efer-mode", C(HOST_EFER, B(10)), O(HOST_EFER, 0), {EXIT(B(21))}},
    {"host-efer-mode", C(HOST_EFER, B(8)), O(HOST_EFER, 0), {EXIT(B(21))}},
    {"host-s-cet", S(HOST_S_CET, B(6)), S(HOST_S_CET, 0x3F), {CET}},
    {"host-s-cet-tracker", S(HOST_S_CET, B(10) | B(11)), S(HOST_S_CET, B(11)), {CET}},
    {"host-ssp", S(HOST_SSP, 2), S(HOST_SSP, 4), {CET}},
    {"host-pkrs", S(HOST_PKRS, B(32)), S(HOST_PKRS, UINT32_MAX), {EXIT(B(29))}},
    SELECTOR("cs", HOST_CS_SELECTOR),
    SELECTOR("ss", HOST_SS_SELECTOR),
    SELECTOR("ds", HOST_DS_SELECTOR),
    SELECTOR("es", HOST_ES_SELECTOR),
    SELECTOR("fs", HOST_FS_SELECTOR),
    SELECTOR("gs", HOST_GS_SELECTOR),
    SELECTOR("tr", HOST_TR_SELECTOR),
    {"host-cs-null", S(HOST_CS_SELECTOR, 0), S(HOST_CS_SELECTOR, 0xFFF8), {{0}}},
    {"host-tr-null", S(HOST_TR_SELECTOR, 0), S(HOST_TR_SELECTOR, 8), {{0}}},
    {"host-ss-null", S(HOST_SS_SELECTOR, 0), S(HOST_SS_SELECTOR, 8), {NARROW}},
    LINEAR("host-fs-base", HOST_FS_BASE, {0}),
    LINEAR("host-gs-base", HOST_GS_BASE, {0}),
    LINEAR("host-gdtr-base", HOST_GDTR_BASE, {0}),
    LINEAR("host-idtr-base", HOST_IDTR_BASE, {0}),
    LINEAR("host-tr-base", HOST_TR_BASE, {0}),
    {"mode-not-ia32e", O(EXIT_CONTROLS, B(9)), O(EXIT_CONTROLS, 0), {NARROW}},
    {"mode-ia32e", C(EXIT_CONTROLS, B(9)), EXIT(B(9)), {C(ENTRY_CONTROLS, B(9)), C(GUEST_CS_RIGHTS, B(13))}},
    {"host-32-pcide", O(HOST_CR4, B(17)), O(HOST_CR4, 0), {NARROW}},
    {"host-32-rip", S(HOST_RIP, B(32)), S(HOST_RIP, UINT32_MAX), {NARROW}},
    {"host-32-s-cet", S(HOST_S_CET, B(32)), S(HOST_S_CET, B(31)), {NARROW, CET}},
    {"host-32-ssp", S(HOST_SSP, B(32)), S(HOST_SSP, B(31)), {NARROW, CET}},
    {"host-64-pae", C(HOST_CR4, B(5)), O(HOST_CR4, 0), {{0}}},
    LINEAR("host-64-rip", HOST_RIP, {0}),
    LINEAR("host-64-s-cet", HOST_S_CET, CET),
    LINEAR("host-64-ssp", HOST_SSP, CET),
    LINEAR("host-ssp-table", HOST_SSP_TABLE, CET),
};
const unsigned vmx_host_vector_count = sizeof vmx_host_vectors / sizeof *vmx_host_vectors;
