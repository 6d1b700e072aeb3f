/* The kinds of clock, the default first. A build without SystemC has another such file, with one line less. */
#include "vx_clk_private.h"

const vx_clk_ops *const vx_clk_kinds[] = {&vx_clk_heap_ops, &vx_clk_systemc_ops, NULL};
