/* The same for a host with AVX2, as miss_avx2.c. */
#define vx_caches_access vx_caches_access_avx2
#define vx_caches_charge vx_caches_charge_avx2
#include "cache_access.c"
