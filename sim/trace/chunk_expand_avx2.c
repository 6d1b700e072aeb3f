/* The same for a host with AVX2, which takes sixteen differences in a few instructions (chunk_block.h) and copies two
 * records at once: this file is compiled for it, and chosen where the program finds itself on one. */
#define vx_chunk_expand vx_chunk_expand_avx2
#include "chunk_expand.c"
