/* The same for a host with AVX2, which compares four ways at once (vx_setassoc.h): this file is compiled for it, and
 * chosen where the program finds itself on one. */
#define vx_access_instance vx_access_instance_avx2
#include "miss.c"
